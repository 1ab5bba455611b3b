// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the ioctls do: linked in front of the library by the linker's --wrap.
 */
#include <pthread.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>

#include "fake.h"
#include "internal.h"

#include <linux/vfio.h>

#define TRACKERS	130
#define FIRST_ID	20

bool fake_has_trackers = true;
uint32_t fake_reason;
unsigned long fake_fail_cmd;
int fake_fail_errno;
unsigned int fake_started, fake_stopped;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool dirty[TRACKERS][FAKE_PAGES];
static bool running[TRACKERS];
static bool is_device[TRACKERS];
static unsigned int num_trackers;

/* The one of the HWPT, and that of the device */
#define HWPT_TRACKER	0
#define VFIO_TRACKER	1

void fake_reset(void)
{
	memset(dirty, 0, sizeof(dirty));
	memset(running, 0, sizeof(running));
	num_trackers = 2;
	fake_has_trackers = true;
	fake_reason = 0;
	fake_fail_cmd = 0;
	fake_started = 0;
	fake_stopped = 0;
}

void fake_write(unsigned int page)
{
	unsigned int t;

	pthread_mutex_lock(&lock);
	for (t = 0; t < TRACKERS; t++)
		if (running[t])
			dirty[t][page] = true;
	pthread_mutex_unlock(&lock);
}

static int tracker_of(uint32_t id, unsigned int *t)
{
	*t = id - FIRST_ID + 2;
	return id < FIRST_ID || *t >= num_trackers ? -ENOENT : 0;
}

static bool in_range(unsigned int page, uint64_t iova, uint64_t last)
{
	uint64_t at = FAKE_IOVA + page * 4096ULL;

	return at + 4095 >= iova && at <= last;
}

/* Bit by bit; returns how many are new */
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
	if (cmd->target_id != FAKE_IOAS && cmd->target_id != FAKE_DEVICE)
		return -ENOENT;
	if (num_trackers == TRACKERS)
		return -ENOMEM;
	is_device[num_trackers] = cmd->target_id == FAKE_DEVICE;
	cmd->out_tracker_id = FIRST_ID + num_trackers++ - 2;
	return 0;
}

/* 20 members, so that the library has to ask again */
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
		};
	i = cmd->num_members;
	cmd->num_members = 20;
	cmd->out_target_id = FAKE_IOAS;
	cmd->out_state = running[t] ? IOMMU_DIRTY_STATE_RUNNING : 0;
	return i < 20 ? -EMSGSIZE : 0;
}

/* A device that tracks one range, by 64 KiB */
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
}

static int do_update(struct iommu_dirty_tracker_update *cmd)
{
	unsigned int t;

	if (tracker_of(cmd->tracker_id, &t))
		return -ENOENT;
	if (!is_device[t])
		return -EOPNOTSUPP;
	if (!running[t])
		return -ENODATA;
	if (!(cmd->flags & IOMMU_DIRTY_UPDATE_GAP_DIRTY))
		return -EBUSY;
	merge((void *)(uintptr_t)cmd->ranges, &cmd->num_ranges, &cmd->page_size);
	return 0;
}

static int do_start(struct iommu_dirty_tracker_start *cmd)
{
	unsigned int t;

	if (tracker_of(cmd->tracker_id, &t))
		return -ENOENT;
	if (running[t])
		return -EALREADY;
	if (is_device[t] && !cmd->num_ranges)
		return -EINVAL;
	if (cmd->num_ranges) {
		if (!is_device[t])
			return -EINVAL;
		merge((void *)(uintptr_t)cmd->ranges, &cmd->num_ranges, &cmd->page_size);
	}
	if (fake_reason) {
		cmd->out_type = IOMMU_DIRTY_MEMBER_HWPT;
		cmd->out_id = FAKE_HWPT;
		cmd->out_reason = fake_reason;
		return -EOPNOTSUPP;
	}
	running[t] = true;
	fake_started++;
	return 0;
}

static int do_read(struct iommu_dirty_tracker_read *cmd)
{
	struct iommu_dirty_read_tracker *entries = (void *)(uintptr_t)cmd->trackers;
	unsigned int t, i;

	if (cmd->num_trackers > 64)
		return -EINVAL;
	for (i = 0; i < cmd->num_trackers; i++) {
		if (tracker_of(entries[i].tracker_id, &t))
			return -ENOENT;
		if (!running[t]) {
			entries[i].out_error = ENODATA;
			return -ENODATA;
		}
	}
	for (i = 0; i < cmd->num_trackers; i++) {
		tracker_of(entries[i].tracker_id, &t);
		entries[i].out_pages = harvest(t, !(cmd->flags & IOMMU_DIRTY_READ_NO_CLEAR),
					       cmd->iova, cmd->length, cmd->page_size,
					       (void *)(uintptr_t)cmd->data);
		cmd->out_pages += entries[i].out_pages;
	}
	cmd->out_length = cmd->length;
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

static int do_hwpt_get(struct iommu_hwpt_get_dirty_bitmap *cmd)
{
	if (!running[HWPT_TRACKER] || cmd->iova % 4096 || cmd->length % 4096)
		return -EINVAL;
	harvest(HWPT_TRACKER, !(cmd->flags & IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR),
		cmd->iova, cmd->length, cmd->page_size, (void *)(uintptr_t)cmd->data);
	return 0;
}

static int do_vfio(struct vfio_device_feature *cmd)
{
	struct vfio_device_feature_dma_logging_report *report = (void *)cmd->data;
	struct vfio_device_feature_dma_logging_control *control = (void *)cmd->data;

	switch (cmd->flags) {
	case VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START:
		if (cmd->argsz != sizeof(*cmd) + sizeof(*control) || !control->num_ranges)
			return -EINVAL;
		running[VFIO_TRACKER] = true;
		fake_started++;
		return 0;
	case VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP:
		running[VFIO_TRACKER] = false;
		fake_stopped++;
		return 0;
	case VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT:
		if (cmd->argsz != sizeof(*cmd) + sizeof(*report) || !running[VFIO_TRACKER])
			return -EINVAL;
		harvest(VFIO_TRACKER, true, report->iova, report->length,
			report->page_size, (void *)(uintptr_t)report->bitmap);
		return 0;
	default:
		return -ENOTTY;
	}
}

/* Two objects a call, whatever the room */
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
			.name = "0000:00:04.0",
		};
	}
	cmd->num_objects = n;
	return 0;
}

static int answer(int fd, unsigned long cmd, void *arg)
{
	unsigned int t;

	if (cmd == fake_fail_cmd) {
		fake_fail_cmd = 0;
		return -fake_fail_errno;
	}
	if (cmd == VFIO_DEVICE_FEATURE)
		return fd == FAKE_DEVICE_FD ? do_vfio(arg) : -ENOTTY;
	if (cmd == IOMMU_HWPT_SET_DIRTY_TRACKING)
		return do_hwpt_set(arg);
	if (cmd == IOMMU_HWPT_GET_DIRTY_BITMAP)
		return do_hwpt_get(arg);
	if (cmd == IOMMU_IOAS_UNMAP || cmd == IOMMU_DESTROY)
		return 0;
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
		return 0;
	case IOMMU_DIRTY_TRACKER_UPDATE:
		return do_update(arg);
	case IOMMU_DIRTY_TRACKER_READ:
		return do_read(arg);
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
	if (!rc)
		return 0;
	errno = -rc;
	return -1;
}
