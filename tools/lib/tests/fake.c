// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Implements the ioctls of the minimal kernel, see fake.h. The linker's --wrap makes the
 * library call it. A mutex serializes all calls.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fake.h"
#include "internal.h"

#define TRACKERS	130
#define FIRST_ID	20
/* Files of trackers have this number or higher ones, unlike the files of the tests */
#define FIRST_FD	500

bool fake_has_trackers = true, fake_has_flags = true;
uint32_t fake_reason;
unsigned long fake_fail_cmd;
int fake_fail_errno;
unsigned int fake_started, fake_stopped, fake_reads;
unsigned int fake_entry;
bool fake_mapped;
uint64_t fake_log_size;
uint32_t fake_fault_id;
uint64_t fake_fault_length;
uint64_t fake_stale_iova;
uint64_t fake_now_ns, fake_read_ns;
struct vfio_device_feature_dma_logging_range fake_ranges[256];
unsigned int fake_num_ranges;
struct iommu_dirty_run fake_covered;
bool fake_trackable;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool dirty[TRACKERS][FAKE_PAGES];
static bool running[TRACKERS];
static bool is_device[TRACKERS];
static bool is_passive[TRACKERS], has_file[TRACKERS], is_gone[TRACKERS];
/* The file of each tracker, and that of the current call */
static int fd_of[TRACKERS], called_fd;
static unsigned int num_trackers;

/* Indexes for the HWPT and for the VFIO device */
#define HWPT_TRACKER	0
#define VFIO_TRACKER	1

uint64_t fake_below(uint64_t limit)
{
	static uint64_t seed = 88172645463325252ULL;

	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % limit;
}

void fake_reset(void)
{
	memset(dirty, 0, sizeof(dirty));
	memset(running, 0, sizeof(running));
	num_trackers = 2;
	fake_has_trackers = true;
	fake_has_flags = true;
	fake_reason = 0;
	fake_fail_cmd = 0;
	fake_started = 0;
	fake_stopped = 0;
	fake_reads = 0;
	fake_entry = 1;
	fake_mapped = true;
	fake_log_size = 4096;
	fake_num_ranges = 0;
	fake_fault_id = 0;
	fake_stale_iova = 0;
	fake_trackable = false;
}

static bool is_logged(uint64_t iova)
{
	unsigned int i;

	for (i = 0; i < fake_num_ranges; i++)
		if (iova - fake_ranges[i].iova < fake_ranges[i].length)
			return true;
	return false;
}

void fake_write(unsigned int page)
{
	unsigned int t;

	pthread_mutex_lock(&lock);
	for (t = 0; t < TRACKERS; t++)
		if (running[t] && (t != VFIO_TRACKER || is_logged(FAKE_IOVA + page * 4096ULL)))
			dirty[t][page] = true;
	pthread_mutex_unlock(&lock);
}

/* The tracker whose own file this is; numbers of files are used again */
static unsigned int owner_of(int fd)
{
	unsigned int t;

	for (t = num_trackers - 1; t > VFIO_TRACKER; t--)
		if (has_file[t] && fd_of[t] == fd)
			return t;
	return 0;
}

static int tracker_of(uint32_t id, unsigned int *t)
{
	*t = owner_of(called_fd);
	if (*t)
		return id ? -ENOENT : 0;
	*t = id - FIRST_ID + 2;
	if (id < FIRST_ID || *t >= num_trackers || has_file[*t] || fd_of[*t] != called_fd)
		return -ENOENT;
	return 0;
}

void fake_destroy_ioas(void)
{
	unsigned int t;

	for (t = VFIO_TRACKER + 1; t < num_trackers; t++) {
		is_gone[t] = !is_device[t];
		running[t] &= is_device[t];
	}
}

static bool in_range(unsigned int page, uint64_t iova, uint64_t last)
{
	uint64_t at = FAKE_IOVA + page * 4096ULL;

	return at + 4095 >= iova && at <= last;
}

/* Sets single bits; returns how many of them are new */
static uint64_t harvest(unsigned int t, bool clear, uint64_t iova, uint64_t length,
			uint64_t page_size, void *bitmap)
{
	uint64_t last = iova + (length - 1), added = 0;
	unsigned int page;

	for (page = 0; page < FAKE_PAGES; page++) {
		uint64_t at = FAKE_IOVA + page * 4096ULL, bit;
		uint8_t *byte, mask;

		if (!dirty[t][page] || !in_range(page, iova, last))
			continue;
		if (at < iova)
			at = iova;
		bit = at / page_size - iova / page_size;
		byte = (uint8_t *)bitmap + bit / 8;
		mask = 1 << (bit % 8);
		added += !(__atomic_fetch_or(byte, mask, __ATOMIC_RELAXED) & mask);
		if (clear)
			dirty[t][page] = false;
	}
	return added;
}

static int do_alloc(struct iommu_dirty_tracker_alloc *cmd)
{
	if (cmd->target_id == FAKE_HWPT)
		return -EINVAL;
	if (cmd->target_id != FAKE_IOAS && cmd->target_id != FAKE_DEVICE)
		return -ENOENT;
	/* A newer kernel knows more flags than the library */
	if (cmd->flags && !fake_has_flags)
		return -EOPNOTSUPP;
	if (!fake_has_flags && (cmd->out_fd || cmd->__reserved))
		return -E2BIG;
	if (num_trackers == TRACKERS)
		return -ENOMEM;
	is_device[num_trackers] = cmd->target_id == FAKE_DEVICE;
	is_passive[num_trackers] = cmd->flags & IOMMU_DIRTY_ALLOC_PASSIVE;
	has_file[num_trackers] = cmd->flags & IOMMU_DIRTY_ALLOC_FILE;
	is_gone[num_trackers] = false;
	fd_of[num_trackers] = called_fd;
	if (has_file[num_trackers]) {
		fd_of[num_trackers] = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, FIRST_FD);
		cmd->out_fd = fd_of[num_trackers++];
	} else {
		cmd->out_tracker_id = FIRST_ID + num_trackers++ - 2;
	}
	return 0;
}

/* 20 members, so that the library must call again */
static int do_info(struct iommu_dirty_tracker_info *cmd)
{
	struct iommu_dirty_member *members = (void *)(uintptr_t)cmd->members;
	unsigned int t, i;

	if (tracker_of(cmd->tracker_id, &t))
		return -ENOENT;
	for (i = 0; i < 20 && i < cmd->num_members; i++)
		members[i] = (struct iommu_dirty_member){
			.type = IOMMU_DIRTY_MEMBER_HWPT,
			.id = FAKE_HWPT + i,
			.format = IOMMU_DIRTY_FMT_AMD_V1,
			.flags = i % 2 ? 0 : IOMMU_DIRTY_MEMBER_SPLITS,
			.split_reason = i % 2 ? IOMMU_DIRTY_REASON_NO_BBML : 0,
			.io_page_sizes = 1 << 12 | 1 << 21 | 1 << 30,
			.io_page_sizes_used = 1 << 12 | 1 << 21,
			.split = 100 + i,
			.unsplit = 200 + i,
			.merged = 300 + i,
			.unmerged = 400 + i,
		};
	i = cmd->num_members;
	cmd->num_members = 20;
	cmd->out_target_id = is_device[t] ? FAKE_DEVICE : FAKE_IOAS;
	cmd->out_state = running[t] ? IOMMU_DIRTY_STATE_RUNNING : 0;
	cmd->out_flags = (is_passive[t] ? IOMMU_DIRTY_TRACKER_PASSIVE : 0) |
			 (is_gone[t] ? IOMMU_DIRTY_TRACKER_GONE : 0);
	return i < 20 ? -EMSGSIZE : 0;
}

static int check_range_of(uint64_t iova, uint64_t length, uint64_t page_size)
{
	if (!length || page_size < 4096 || page_size & (page_size - 1))
		return -EINVAL;
	return iova + (length - 1) < iova ? -EOVERFLOW : 0;
}

static int check_runs(const struct iommu_dirty_run *runs, __u32 num, __u64 page_size)
{
	__u32 i;
	int rc = 0;

	for (i = 0; i < num && !rc; i++)
		rc = check_range_of(runs[i].iova, runs[i].length, page_size);
	return rc;
}

/* The device tracks only one range, in pages of 64 KiB or more */
static void merge(struct iommu_dirty_run *runs, __u32 *num, __u64 *page_size)
{
	__u64 first = -1ULL, last = 0;
	unsigned int i;

	for (i = 0; i < *num; i++) {
		if (runs[i].iova < first)
			first = runs[i].iova;
		if (runs[i].iova + runs[i].length - 1 > last)
			last = runs[i].iova + runs[i].length - 1;
	}
	*page_size = *page_size < 65536 ? 65536 : *page_size;
	runs[0].iova = first;
	runs[0].length = last - first + 1;
	*num = 1;
	fake_covered = runs[0];
}

static int do_update(struct iommu_dirty_tracker_update *cmd)
{
	unsigned int t;
	int rc;

	if (tracker_of(cmd->tracker_id, &t))
		return -ENOENT;
	if (!is_device[t] || !cmd->num_ranges)
		return -EINVAL;
	rc = check_runs((void *)(uintptr_t)cmd->ranges, cmd->num_ranges, cmd->page_size);
	if (rc)
		return rc;
	if (!running[t])
		return -ENODATA;
	if (!(cmd->flags & IOMMU_DIRTY_UPDATE_GAP_DIRTY))
		return -EBUSY;
	merge((void *)(uintptr_t)cmd->ranges, &cmd->num_ranges, &cmd->page_size);
	return 0;
}

#define SPLIT_FLAGS	(IOMMU_DIRTY_START_SPLIT | IOMMU_DIRTY_START_SPLIT_LAZY)

static int do_start(struct iommu_dirty_tracker_start *cmd)
{
	unsigned int t;
	int rc;

	if (cmd->flags & ~(IOMMU_DIRTY_START_DEGRADED | SPLIT_FLAGS))
		return -EOPNOTSUPP;
	if (tracker_of(cmd->tracker_id, &t))
		return -ENOENT;
	if ((cmd->flags & SPLIT_FLAGS) == SPLIT_FLAGS ||
	    (cmd->flags & SPLIT_FLAGS && (is_device[t] || is_passive[t])))
		return -EINVAL;
	if (running[t])
		return -EALREADY;
	if (is_gone[t])
		return -ENODEV;
	if (is_device[t] && !cmd->num_ranges)
		return -EINVAL;
	rc = check_runs((void *)(uintptr_t)cmd->ranges, cmd->num_ranges, cmd->page_size);
	if (rc)
		return rc;
	if (cmd->num_ranges) {
		if (!is_device[t])
			return -EINVAL;
		merge((void *)(uintptr_t)cmd->ranges, &cmd->num_ranges, &cmd->page_size);
	}
	if (fake_reason) {
		cmd->out_type = IOMMU_DIRTY_MEMBER_HWPT;
		cmd->out_id = FAKE_HWPT;
		cmd->out_reason = fake_reason;
		return -ENXIO;
	}
	running[t] = true;
	fake_started++;
	return 0;
}

static int do_read(struct iommu_dirty_tracker_read *cmd)
{
	struct iommu_dirty_read_tracker *entries = (void *)(uintptr_t)cmd->trackers;
	uint64_t length = cmd->length;
	unsigned int t, i;
	int rc = 0;

	fake_now_ns += fake_read_ns;
	if (cmd->num_trackers > (owner_of(called_fd) ? 1 : 64))
		return -EINVAL;
	if (fake_stale_iova && cmd->iova >= fake_stale_iova) {
		entries[0].out_error = ESTALE;
		return -ESTALE;
	}
	for (i = 0; i < cmd->num_trackers; i++) {
		if (tracker_of(entries[i].tracker_id, &t))
			return -ENOENT;
		if (!running[t]) {
			entries[i].out_error = ENODATA;
			return -ENODATA;
		}
		if (fake_fault_id && entries[i].tracker_id == fake_fault_id) {
			length = fake_fault_length;
			entries[i].out_error = EFAULT;
			rc = -EFAULT;
		}
	}
	for (i = 0; i < cmd->num_trackers; i++) {
		tracker_of(entries[i].tracker_id, &t);
		entries[i].out_pages = harvest(t, !(cmd->flags & IOMMU_DIRTY_READ_NO_CLEAR),
					       cmd->iova, length, cmd->page_size,
					       (void *)(uintptr_t)cmd->data);
		cmd->out_pages += entries[i].out_pages;
	}
	cmd->out_length = length;
	return rc;
}

/* Returns run after run, until there is no room */
static int do_scan(struct iommu_dirty_tracker_scan *cmd)
{
	struct iommu_dirty_read_tracker *entries = (void *)(uintptr_t)cmd->trackers;
	struct iommu_dirty_run *runs = (void *)(uintptr_t)cmd->runs;
	unsigned int t, i, page, n = 0;
	uint64_t at = cmd->iova;
	bool set;

	if (cmd->num_trackers > 1 && owner_of(called_fd))
		return -EINVAL;
	for (i = 0; i < cmd->num_trackers; i++)
		if (tracker_of(entries[i].tracker_id, &t) || !running[t])
			return -ENODATA;
	for (; at - cmd->iova < cmd->length; at += 4096) {
		page = (at - FAKE_IOVA) / 4096;
		set = false;
		for (i = 0; i < cmd->num_trackers; i++) {
			tracker_of(entries[i].tracker_id, &t);
			set |= dirty[t][page];
		}
		if (!set)
			continue;
		if (!n || runs[n - 1].iova + runs[n - 1].length != at) {
			if (n == cmd->num_runs)
				break;
			runs[n++] = (struct iommu_dirty_run){ at, 0 };
		}
		runs[n - 1].length += 4096;
		for (i = 0; !(cmd->flags & IOMMU_DIRTY_READ_NO_CLEAR) && i < cmd->num_trackers;
		     i++) {
			tracker_of(entries[i].tracker_id, &t);
			dirty[t][page] = false;
		}
	}
	cmd->num_runs = n;
	cmd->out_length = at - cmd->iova;
	return 0;
}

static int do_unmap(struct iommu_dirty_tracker_unmap *cmd)
{
	unsigned int t;
	int rc;

	if (tracker_of(cmd->tracker_id, &t))
		return -ENOENT;
	if (is_device[t])
		return -EINVAL;
	rc = check_range_of(cmd->iova, cmd->length, cmd->page_size);
	if (rc)
		return rc;
	cmd->out_pages = harvest(t, true, cmd->iova, cmd->length, cmd->page_size,
				 (void *)(uintptr_t)cmd->data);
	cmd->out_length = cmd->length;
	cmd->out_unmapped = cmd->length;
	return 0;
}

static int do_mark(struct iommu_dirty_tracker_mark *cmd)
{
	const struct iommu_dirty_run *runs = (void *)(uintptr_t)cmd->data;
	const uint8_t *bitmap = (void *)(uintptr_t)cmd->data;
	unsigned int t, page;
	uint32_t i;
	int rc;

	if (tracker_of(cmd->tracker_id, &t))
		return -ENOENT;
	if (cmd->flags)
		return -EOPNOTSUPP;
	if (cmd->num_runs && (cmd->iova || cmd->length || cmd->page_size))
		return -EINVAL;
	rc = cmd->num_runs ? check_runs(runs, cmd->num_runs, 4096) :
			     check_range_of(cmd->iova, cmd->length, cmd->page_size);
	if (rc)
		return rc;
	if (!running[t])
		return -ENODATA;
	for (page = 0; page < FAKE_PAGES; page++) {
		uint64_t at = FAKE_IOVA + page * 4096ULL, bit;

		for (i = 0; i < cmd->num_runs; i++)
			dirty[t][page] |= in_range(page, runs[i].iova,
						   runs[i].iova + (runs[i].length - 1));
		if (cmd->num_runs || !in_range(page, cmd->iova, cmd->iova + (cmd->length - 1)))
			continue;
		bit = at / cmd->page_size - cmd->iova / cmd->page_size;
		dirty[t][page] |= bitmap[bit / 8] >> bit % 8 & 1;
	}
	return 0;
}

static int do_hwpt_set(struct iommu_hwpt_set_dirty_tracking *cmd)
{
	if (cmd->hwpt_id != FAKE_HWPT)
		return -EOPNOTSUPP;
	running[HWPT_TRACKER] = cmd->flags & IOMMU_HWPT_DIRTY_TRACKING_ENABLE;
	fake_started += running[HWPT_TRACKER];
	fake_stopped += !running[HWPT_TRACKER];
	return 0;
}

/* Sets bits up to the end of the bitmap's last page, as IOMMU drivers do */
static void mark(void *bitmap, uint64_t length, uint64_t bit, uint64_t num)
{
	uint64_t end = (uintptr_t)bitmap + (length / 4096 + 7) / 8;

	end = (end + 4095) & ~4095ULL;
	for (; num && (uintptr_t)bitmap + bit / 8 < end; num--, bit++)
		((uint8_t *)bitmap)[bit / 8] |= 1 << (bit % 8);
}

/* Cleans whole IO-PTEs, and marks them from where the walk has found them */
static int do_hwpt_get(struct iommu_hwpt_get_dirty_bitmap *cmd)
{
	uint64_t at, first, page;
	bool was;

	if (!running[HWPT_TRACKER] || cmd->iova % 4096 || cmd->length % 4096 ||
	    cmd->page_size != 4096)
		return -EINVAL;
	fake_reads++;
	for (at = cmd->iova; at - cmd->iova < cmd->length; at += fake_entry * 4096ULL) {
		if (at < FAKE_IOVA)
			continue;
		first = (at - FAKE_IOVA) / 4096 / fake_entry * fake_entry;
		if (first >= FAKE_PAGES)
			break;
		was = false;
		for (page = first; page < first + fake_entry; page++) {
			was |= dirty[HWPT_TRACKER][page];
			if (!(cmd->flags & IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR))
				dirty[HWPT_TRACKER][page] = false;
		}
		if (was)
			mark((void *)(uintptr_t)cmd->data, cmd->length,
			     (at - cmd->iova) / 4096, fake_entry);
	}
	return 0;
}

/* Checks the ranges as VFIO does; this test also needs them to be ascending */
static int log_start(struct vfio_device_feature_dma_logging_control *control)
{
	const struct vfio_device_feature_dma_logging_range *r = (void *)(uintptr_t)control->ranges;
	unsigned int i;

	if (!control->num_ranges || control->page_size < 4096)
		return -EINVAL;
	if (control->num_ranges > 256)
		return -E2BIG;
	for (i = 0; i < control->num_ranges; i++)
		if (r[i].iova % control->page_size || r[i].length % control->page_size ||
		    (i && r[i].iova <= r[i - 1].iova + r[i - 1].length))
			return -EINVAL;
	if (control->page_size < fake_log_size)
		control->page_size = fake_log_size;
	memcpy(fake_ranges, r, control->num_ranges * sizeof(*r));
	fake_num_ranges = control->num_ranges;
	running[VFIO_TRACKER] = true;
	fake_started++;
	return 0;
}

/* Reports the requested range, but cleans words of 64 pages, from a log range's start */
static int log_report(struct vfio_device_feature_dma_logging_report *report)
{
	uint64_t last = report->iova + (report->length - 1), word = 64 * fake_log_size, at;
	unsigned int i;

	fake_reads++;
	harvest(VFIO_TRACKER, false, report->iova, report->length, report->page_size,
		(void *)(uintptr_t)report->bitmap);
	for (i = 0; i < fake_num_ranges; i++)
		for (at = fake_ranges[i].iova; at - fake_ranges[i].iova < fake_ranges[i].length;
		     at += 4096) {
			uint64_t first = at - (at - fake_ranges[i].iova) % word;

			if (first + (word - 1) >= report->iova && first <= last &&
			    at - FAKE_IOVA < FAKE_SIZE)
				dirty[VFIO_TRACKER][(at - FAKE_IOVA) / 4096] = false;
		}
	return 0;
}

static int do_vfio(struct vfio_device_feature *cmd)
{
	struct vfio_device_feature_dma_logging_report *report = (void *)cmd->data;
	struct vfio_device_feature_dma_logging_control *control = (void *)cmd->data;

	switch (cmd->flags) {
	case VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START:
		return cmd->argsz == sizeof(*cmd) + sizeof(*control) ? log_start(control) : -EINVAL;
	case VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP:
		running[VFIO_TRACKER] = false;
		fake_num_ranges = 0;
		fake_stopped++;
		return 0;
	case VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT:
		if (cmd->argsz != sizeof(*cmd) + sizeof(*report) || !running[VFIO_TRACKER])
			return -EINVAL;
		return log_report(report);
	default:
		return -ENOTTY;
	}
}

/* Returns two objects per call, even if there is more room */
static int do_list(struct iommu_dirty_list *cmd)
{
	struct iommu_dirty_object *out = (void *)(uintptr_t)cmd->objects;
	unsigned int n = 0, id;

	for (id = cmd->first_id; id < 5; id++) {
		if (n == 2) {
			cmd->out_next_id = id;
			break;
		}
		out[n++] = (struct iommu_dirty_object){
			.type = IOMMU_DIRTY_OBJECT_DEVICE,
			.id = id,
			.flags = IOMMU_DIRTY_OBJECT_TYPE1,
			.state = IOMMU_DIRTY_STATE_RUNNING,
			.num_trackers = id + 1,
			.name = "0000:00:04.0",
		};
	}
	cmd->num_objects = n;
	return 0;
}

static int do_option(const struct iommu_option *cmd)
{
	if (cmd->option_id != IOMMU_OPTION_DIRTY_TRACKABLE || cmd->op != IOMMU_OPTION_OP_SET ||
	    cmd->__reserved || !fake_has_trackers)
		return -EOPNOTSUPP;
	if (cmd->object_id != FAKE_IOAS)
		return -ENOENT;
	if (cmd->val64 > 1)
		return -EINVAL;
	fake_trackable = cmd->val64;
	return 0;
}

static int answer(int fd, unsigned long cmd, void *arg)
{
	unsigned int t;

	called_fd = fd;
	if (cmd == fake_fail_cmd) {
		fake_fail_cmd = 0;
		return -fake_fail_errno;
	}
	if (owner_of(fd) && (cmd == IOMMU_DESTROY || cmd == IOMMU_DIRTY_TRACKER_UNMAP ||
			     cmd == IOMMU_DIRTY_TRACKER_UPDATE))
		return -ENOTTY;
	if (cmd == VFIO_DEVICE_FEATURE)
		return fd == FAKE_DEVICE_FD ? do_vfio(arg) : -ENOTTY;
	if (cmd == IOMMU_HWPT_SET_DIRTY_TRACKING)
		return do_hwpt_set(arg);
	if (cmd == IOMMU_HWPT_GET_DIRTY_BITMAP)
		return do_hwpt_get(arg);
	if (cmd == IOMMU_IOAS_UNMAP && !fake_mapped)
		return -ENOENT;
	if (cmd == IOMMU_IOAS_UNMAP || cmd == IOMMU_DESTROY)
		return 0;
	if (cmd == IOMMU_OPTION)
		return do_option(arg);
	if (!fake_has_trackers)
		return -ENOTTY;
	switch (cmd) {
	case IOMMU_DIRTY_TRACKER_ALLOC:
		return do_alloc(arg);
	case IOMMU_DIRTY_TRACKER_INFO:
		return do_info(arg);
	case IOMMU_DIRTY_TRACKER_START:
		return do_start(arg);
	case IOMMU_DIRTY_TRACKER_STOP:
		if (tracker_of(((struct iommu_dirty_tracker_stop *)arg)->tracker_id, &t))
			return -ENOENT;
		running[t] = false;
		if (is_device[t])
			fake_covered.length = 0;
		return 0;
	case IOMMU_DIRTY_TRACKER_UPDATE:
		return do_update(arg);
	case IOMMU_DIRTY_TRACKER_READ:
		return do_read(arg);
	case IOMMU_DIRTY_TRACKER_UNMAP:
		return do_unmap(arg);
	case IOMMU_DIRTY_TRACKER_SCAN:
		return do_scan(arg);
	case IOMMU_DIRTY_TRACKER_MARK:
		return do_mark(arg);
	case IOMMU_DIRTY_LIST:
		return do_list(arg);
	default:
		return -ENOTTY;
	}
}

int __wrap_ioctl(int fd, unsigned long cmd, ...)
{
	va_list args;
	void *arg;
	int rc;

	va_start(args, cmd);
	arg = va_arg(args, void *);
	va_end(args);
	pthread_mutex_lock(&lock);
	rc = answer(fd, cmd, arg);
	pthread_mutex_unlock(&lock);
	/* Let other threads run before the caller has the result */
	sched_yield();
	if (!rc)
		return 0;
	errno = -rc;
	return -1;
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *ts)
{
	(void)clock;
	ts->tv_sec = fake_now_ns / 1000000000;
	ts->tv_nsec = fake_now_ns % 1000000000;
	return 0;
}
