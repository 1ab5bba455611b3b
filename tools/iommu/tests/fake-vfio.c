// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fakes the kernel behind open() and ioctl() of iommu-dirty; tools/check/tools.sh runs it.
 * There are VFIO devices of different kinds to probe, and an iommufd with three IOASes, of
 * which the second cannot be tracked. FAKE_KERNEL in the environment selects a variant:
 * "old" has no trackers, "older" has none that are passive or have a file, "none" has no
 * iommufd, "denied" refuses to open /dev/iommu, "unable" can track no IOAS, "guarded" does
 * not let files be borrowed, "joins" and "gone" let a page table that cannot be tracked
 * join, or destroy the IOASes, after the first SCAN, "plugs" adds an IOAS to the container
 * then, "leaves" destroys the third IOAS then, "races" destroys that between LIST and
 * ALLOC, "dies" between ALLOC and START, "many" has too many IOASes, "scattered" has a
 * thousand runs in each SCAN, "full" has no memory for a second SCAN. The file FAKE_LOG, if
 * set, gets a line for each tracker that is allocated, started or destroyed. If
 * FAKE_TRACKERS names a fifo, the files of trackers are its writing ends.
 *
 * The program observes itself. Of its open files, fake-iommu is the iommufd,
 * fake-container is a VFIO container served by an iommufd with one IOAS and a device,
 * fake-busy is an iommufd with trackers and other readers of dirty pages,
 * fake-type1 is a native container, fake-empty is a native container without a device.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/iommufd_dirty.h>
#include <linux/vfio.h>

#include "fake-vfio.h"

#define ASK_MIGRATION	(VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIGRATION)
#define ASK_LOGGING	(VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_SET | \
			 VFIO_DEVICE_FEATURE_DMA_LOGGING_START)
#define MAX_FD	64
#ifndef F_DUPFD_QUERY
#define F_DUPFD_QUERY	1027
#endif
#define IOAS	5
#define TRACKER(ioas)	((ioas) + 10)

enum kind {
	NONE,
	IOMMUFD,
	GOOD,		/* all features, tracked */
	POOR,		/* no feature, cannot be tracked */
	BUSY,		/* open elsewhere */
	CONTAINER,
	CROWDED,
	TYPE1,
	EMPTY,
	TRACKER_FILE,
};

static const struct {
	const char *name, *link;
	enum kind kind;
} files[] = {
	{ "/fake-iommu", "/dev/iommu", IOMMUFD },
	{ "/fake-container", "/dev/vfio/vfio", CONTAINER },
	{ "/fake-busy", "/dev/iommu", CROWDED },
	{ "/fake-type1", "/dev/vfio/vfio", TYPE1 },
	{ "/fake-empty", "/dev/vfio/vfio", EMPTY },
};

static enum kind kinds[MAX_FD];
static bool borrowed[MAX_FD];
/* What the tracker with this file was allocated for: an IOAS in an iommufd */
static struct {
	enum kind kind;
	uint32_t ioas;
} tracked[MAX_FD];
static bool scanned;
/* How often the files of this process were listed since it was opened */
static unsigned int listed;
/* The last bound device, and whether it is attached */
static enum kind bound, attached;

static bool is_kernel(const char *name)
{
	const char *kernel = getenv("FAKE_KERNEL");

	return kernel && !strcmp(kernel, name);
}

static void log_tracker(const char *what, uint32_t id)
{
	const char *path = getenv("FAKE_LOG");
	FILE *f = path ? fopen(path, "a") : NULL;

	if (!f)
		return;
	fprintf(f, "%s %u\n", what, id);
	fclose(f);
}

int __wrap_open(const char *path, int flags, ...)
{
	enum kind kind = NONE;
	int fd;

	if (is_kernel("none") && !strcmp(path, "/dev/iommu")) {
		errno = ENOENT;
		return -1;
	}
	if (!strcmp(path, "/dev/vfio/devices/vfio3") ||
	    (is_kernel("denied") && !strcmp(path, "/dev/iommu"))) {
		errno = EACCES;
		return -1;
	}
	if (!strcmp(path, "/dev/iommu"))
		kind = IOMMUFD;
	else if (!strcmp(path, "/dev/vfio/devices/vfio0"))
		kind = GOOD;
	else if (!strcmp(path, "/dev/vfio/devices/vfio1"))
		kind = BUSY;
	else if (!strcmp(path, "/dev/vfio/devices/vfio2"))
		kind = POOR;
	fd = __real_open(kind ? "/dev/null" : path, flags);
	if (fd >= MAX_FD)
		abort();
	if (fd >= 0)
		kinds[fd] = kind;
	return fd;
}

static int do_feature(enum kind kind, struct vfio_device_feature *cmd)
{
	/* A device that is not bound does not answer */
	if (kind != bound)
		return -EINVAL;
	if (kind == POOR)
		return -ENOTTY;
	switch (cmd->flags) {
	case ASK_MIGRATION:
		if (cmd->argsz < sizeof(*cmd) + 8)
			return -EINVAL;
		((struct vfio_device_feature_migration *)cmd->data)->flags =
			VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P | VFIO_MIGRATION_PRE_COPY;
		return 0;
	case ASK_LOGGING:
		return 0;
	default:
		/* Anything else would change the device */
		abort();
	}
}

static int do_bind(int fd, struct vfio_device_bind_iommufd *cmd)
{
	if (kinds[fd] == BUSY)
		return -EINVAL;
	if (kinds[cmd->iommufd] != IOMMUFD)
		return -EBADF;
	bound = kinds[fd];
	attached = NONE;
	cmd->out_devid = 3;
	return 0;
}

static bool is_blind(int fd)
{
	return is_kernel("unable") || (is_kernel("joins") && scanned) ||
	       (tracked[fd].kind != CONTAINER && tracked[fd].ioas == IOAS + 1);
}

static bool is_gone(int fd)
{
	bool third = tracked[fd].ioas == IOAS + 2;

	return (scanned && (is_kernel("gone") || (is_kernel("leaves") && third))) ||
	       (is_kernel("dies") && third);
}

static int file_info(int fd, struct iommu_dirty_tracker_info *cmd)
{
	struct iommu_dirty_member *members = (void *)(uintptr_t)cmd->members;

	cmd->num_members = 0;
	cmd->out_flags = IOMMU_DIRTY_TRACKER_PASSIVE;
	if (is_gone(fd))
		cmd->out_flags |= IOMMU_DIRTY_TRACKER_GONE;
	if (!is_blind(fd))
		return 0;
	cmd->out_flags |= IOMMU_DIRTY_TRACKER_BLIND;
	members[0] = (struct iommu_dirty_member){ .type = IOMMU_DIRTY_MEMBER_HWPT, .id = 3 };
	members[1] = (struct iommu_dirty_member){ .type = IOMMU_DIRTY_MEMBER_HWPT, .id = 4,
						  .reason = IOMMU_DIRTY_REASON_NO_HW };
	cmd->num_members = 2;
	return 0;
}

static int do_info(struct iommu_dirty_tracker_info *cmd)
{
	struct iommu_dirty_member *members = (void *)(uintptr_t)cmd->members;

	members[0] = (struct iommu_dirty_member){
		.type = IOMMU_DIRTY_MEMBER_HWPT,
		.id = 4,
		.format = attached == GOOD ? IOMMU_DIRTY_FMT_VTD_SS : IOMMU_DIRTY_FMT_AMD_V1,
		.reason = attached == GOOD ? 0 : IOMMU_DIRTY_REASON_NO_HW,
	};
	cmd->num_members = attached != NONE;
	return 0;
}

static int do_alloc(int fd, struct iommu_dirty_tracker_alloc *cmd)
{
	const char *fifo = getenv("FAKE_TRACKERS");

	if (is_kernel("older") && cmd->flags)
		return -EOPNOTSUPP;
	if (cmd->target_id < IOAS || cmd->target_id > IOAS + (is_kernel("races") ? 1 : 2))
		return -ENOENT;
	log_tracker("alloc", TRACKER(cmd->target_id));
	if (!cmd->flags) {
		cmd->out_tracker_id = TRACKER(cmd->target_id);
		return 0;
	}
	/* Any other tracker would take part in what the program does */
	if (cmd->flags != (IOMMU_DIRTY_ALLOC_PASSIVE | IOMMU_DIRTY_ALLOC_FILE))
		abort();
	cmd->out_fd = __real_open(fifo ? fifo : "/dev/null", O_WRONLY | O_CLOEXEC);
	if (cmd->out_fd < 0 || cmd->out_fd >= MAX_FD)
		abort();
	kinds[cmd->out_fd] = TRACKER_FILE;
	tracked[cmd->out_fd].kind = kinds[fd];
	tracked[cmd->out_fd].ioas = cmd->target_id;
	return 0;
}

/* Everything that LIST can tell */
static int list_crowded(struct iommu_dirty_list *cmd)
{
	static const struct iommu_dirty_object crowd[] = {
		{ IOMMU_DIRTY_OBJECT_IOAS, 1, 0, 0, 0, 5 },
		{ IOMMU_DIRTY_OBJECT_HWPT, 2, 1, IOMMU_DIRTY_OBJECT_AUTO,
		  IOMMU_DIRTY_STATE_RUNNING },
		{ IOMMU_DIRTY_OBJECT_DEVICE, 3, 2, 0, IOMMU_DIRTY_STATE_RUNNING, 1,
		  "0000:00:04.0" },
		{ IOMMU_DIRTY_OBJECT_TRACKER, 4, 1, 0, IOMMU_DIRTY_STATE_RUNNING },
		{ IOMMU_DIRTY_OBJECT_TRACKER, 5, 1, IOMMU_DIRTY_OBJECT_PASSIVE,
		  IOMMU_DIRTY_STATE_RUNNING },
		{ IOMMU_DIRTY_OBJECT_TRACKER, 6, 1, IOMMU_DIRTY_OBJECT_TYPE1,
		  IOMMU_DIRTY_STATE_STARTING },
		{ IOMMU_DIRTY_OBJECT_TRACKER, 7, 1 },
		{ IOMMU_DIRTY_OBJECT_TRACKER, 8, 3, 0, IOMMU_DIRTY_STATE_RUNNING },
		{ IOMMU_DIRTY_OBJECT_HWPT, 9, 1, IOMMU_DIRTY_OBJECT_PASID },
	};

	memcpy((void *)(uintptr_t)cmd->objects, crowd, sizeof(crowd));
	cmd->num_objects = sizeof(crowd) / sizeof(*crowd);
	cmd->out_next_id = 0;
	return 0;
}

/* One more IOAS than are observed */
static int list_many(struct iommu_dirty_list *cmd)
{
	struct iommu_dirty_object *objects = (void *)(uintptr_t)cmd->objects;
	uint32_t id = cmd->first_id > IOAS ? cmd->first_id : IOAS, n = 0;

	for (; n < cmd->num_objects && id < IOAS + 1025; id++)
		objects[n++] = (struct iommu_dirty_object){ IOMMU_DIRTY_OBJECT_IOAS, id };
	cmd->num_objects = n;
	cmd->out_next_id = id < IOAS + 1025 ? id : 0;
	return 0;
}

static int do_list(int fd, struct iommu_dirty_list *cmd)
{
	struct iommu_dirty_object *objects = (void *)(uintptr_t)cmd->objects;

	if (is_kernel("many"))
		return list_many(cmd);
	if (kinds[fd] == CROWDED)
		return list_crowded(cmd);
	if (kinds[fd] == CONTAINER) {
		objects[0] = (struct iommu_dirty_object){ IOMMU_DIRTY_OBJECT_IOAS, IOAS };
		objects[1] = (struct iommu_dirty_object){ IOMMU_DIRTY_OBJECT_HWPT, 2, IOAS };
		objects[2] = (struct iommu_dirty_object){
			.type = IOMMU_DIRTY_OBJECT_DEVICE, .id = 3, .parent_id = 2,
			.name = "0000:00:04.0",
		};
		cmd->num_objects = 3;
		if (is_kernel("plugs") && scanned)
			objects[cmd->num_objects++] = (struct iommu_dirty_object){
				IOMMU_DIRTY_OBJECT_IOAS, IOAS + 2
			};
		cmd->out_next_id = 0;
		return 0;
	}
	cmd->num_objects = 0;
	while (cmd->num_objects < (is_kernel("leaves") && scanned ? 2 : 3)) {
		objects[cmd->num_objects] = (struct iommu_dirty_object){
			.type = IOMMU_DIRTY_OBJECT_IOAS,
			.id = IOAS + cmd->num_objects,
		};
		cmd->num_objects++;
	}
	cmd->out_next_id = 0;
	return 0;
}

/* An observer must have returned the iommufds that it has borrowed */
static bool is_borrowed(int fd)
{
	char path[32], link[300];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	len = readlink(path, link, sizeof(link) - 1);
	link[len < 0 ? 0 : len] = 0;
	return borrowed[fd] && strstr(link, "/fake-");
}

/* A passive tracker starts always */
static int file_start(int fd)
{
	int other;

	for (other = 0; other < MAX_FD; other++)
		if (is_borrowed(other))
			abort();
	if (is_gone(fd))
		return -ENODEV;
	if (!is_blind(fd))
		log_tracker("start", TRACKER(tracked[fd].ioas));
	return 0;
}

/* Reports 1 MiB in the first IOAS, 2 MiB in the third, 3 MiB in that of the container */
static int do_scan(int fd, struct iommu_dirty_tracker_scan *cmd)
{
	struct iommu_dirty_run *runs = (void *)(uintptr_t)cmd->runs;
	struct iommu_dirty_read_tracker *t = (void *)(uintptr_t)cmd->trackers;

	if (t->tracker_id)
		return -ENOENT;
	if (is_gone(fd))
		return -ENODATA;
	if (is_kernel("full") && scanned)
		return -ENOMEM;
	for (cmd->num_runs = 1; is_kernel("scattered") && cmd->num_runs < 1000; cmd->num_runs++)
		runs[cmd->num_runs] = (struct iommu_dirty_run){
			.iova = 0x200000000ULL + cmd->num_runs * 0x10000, .length = 0x1000,
		};
	runs[0] = (struct iommu_dirty_run){
		.iova = 0x100000000ULL,
		.length = (tracked[fd].kind == CONTAINER ? 3 :
			   tracked[fd].ioas == IOAS ? 1 : 2) << 20,
	};
	scanned = true;
	cmd->out_length = cmd->length;
	return 0;
}

static int do_file(int fd, unsigned long cmd, void *arg)
{
	switch (cmd) {
	case IOMMU_DIRTY_TRACKER_INFO:
		return file_info(fd, arg);
	case IOMMU_DIRTY_TRACKER_START:
		return file_start(fd);
	case IOMMU_DIRTY_TRACKER_STOP:
		return 0;
	case IOMMU_DIRTY_TRACKER_SCAN:
		return do_scan(fd, arg);
	default:
		abort();
	}
}

static int do_tracker(int fd, unsigned long cmd, void *arg)
{
	if (is_kernel("old"))
		return -ENOTTY;
	switch (cmd) {
	case IOMMU_DIRTY_TRACKER_ALLOC:
		return do_alloc(fd, arg);
	case IOMMU_DIRTY_TRACKER_INFO:
		return do_info(arg);
	case IOMMU_DIRTY_LIST:
		return do_list(fd, arg);
	default:
		abort();
	}
}

static int answer(int fd, unsigned long cmd, void *arg)
{
	if (kinds[fd] == TYPE1)
		return -ENOTTY;
	if (kinds[fd] == EMPTY)
		return -EINVAL;
	if (kinds[fd] == TRACKER_FILE)
		return do_file(fd, cmd, arg);
	switch (cmd) {
	case IOMMU_IOAS_IOVA_RANGES:
		return -ENOENT;
	case VFIO_DEVICE_BIND_IOMMUFD:
		return do_bind(fd, arg);
	case VFIO_DEVICE_FEATURE:
		return do_feature(kinds[fd], arg);
	case VFIO_DEVICE_ATTACH_IOMMUFD_PT:
		if (((struct vfio_device_attach_iommufd_pt *)arg)->pt_id != IOAS)
			return -ENOENT;
		attached = kinds[fd];
		return 0;
	case IOMMU_GET_HW_INFO:
		((struct iommu_hw_info *)arg)->out_capabilities =
			bound == GOOD ? IOMMU_HW_CAP_DIRTY_TRACKING : 0;
		return 0;
	case IOMMU_IOAS_ALLOC:
		((struct iommu_ioas_alloc *)arg)->out_ioas_id = IOAS;
		return 0;
	case IOMMU_DESTROY:
		log_tracker("destroy", ((struct iommu_destroy *)arg)->id);
		return 0;
	default:
		return do_tracker(fd, cmd, arg);
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
	rc = answer(fd, cmd, arg);
	if (!rc)
		return 0;
	errno = -rc;
	return -1;
}

/* Fakes F_DUPFD_QUERY: descriptors of the same open file share its offset */
int __wrap_fcntl(int fd, int cmd, ...)
{
	off_t offset;
	va_list args;
	int other;

	va_start(args, cmd);
	other = va_arg(args, int);
	va_end(args);
	if (cmd != F_DUPFD_QUERY)
		abort();
	offset = lseek(fd, 0, SEEK_CUR);
	lseek(other, offset + 1, SEEK_SET);
	return lseek(fd, 0, SEEK_CUR) == offset + 1;
}

ssize_t __wrap_readlinkat(int dir, const char *path, char *buf, size_t size)
{
	ssize_t len = __real_readlinkat(dir, path, buf, size), name;
	size_t i;

	for (i = 0; i < sizeof(files) / sizeof(*files); i++) {
		name = strlen(files[i].name);
		if (len < name || memcmp(buf + len - name, files[i].name, name))
			continue;
		len = strlen(files[i].link);
		memcpy(buf, files[i].link, len);
		kinds[atoi(path)] = files[i].kind;
	}
	return len;
}

/* A process can have very many files: they are listed to find the owner, and to borrow them */
DIR *__wrap_opendir(const char *path)
{
	char own[32];

	snprintf(own, sizeof(own), "/proc/%d/fd", getpid());
	if (!strcmp(path, own) && listed++ > 1)
		abort();
	return __real_opendir(path);
}

/* pidfd_open(2) and pidfd_getfd(2), for this process */
long __wrap_syscall(long number, ...)
{
	va_list args;
	int fd;

	if (number == SYS_pidfd_open) {
		va_start(args, number);
		fd = va_arg(args, int);
		va_end(args);
		listed = 0;
		return __real_syscall(number, fd, 0);
	}
	if (number != SYS_pidfd_getfd)
		abort();
	if (is_kernel("guarded")) {
		errno = EPERM;
		return -1;
	}
	va_start(args, number);
	va_arg(args, int);
	number = va_arg(args, int);
	va_end(args);
	fd = dup(number);
	if (fd >= MAX_FD)
		abort();
	if (fd >= 0) {
		kinds[fd] = kinds[number];
		borrowed[fd] = true;
	}
	return fd;
}
