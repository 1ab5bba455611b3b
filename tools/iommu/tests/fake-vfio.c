// SPDX-License-Identifier: GPL-2.0-only
/*
 * iommu-dirty with a kernel of its own behind open() and ioctl(): VFIO devices of
 * different kinds, to be probed. FAKE_KERNEL=old in the environment: it has no
 * trackers.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <linux/iommufd_dirty.h>
#include <linux/vfio.h>

#include "fake-vfio.h"

#define ASK_MIGRATION	(VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIGRATION)
#define ASK_LOGGING	(VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_SET | \
			 VFIO_DEVICE_FEATURE_DMA_LOGGING_START)
#define MAX_FD	64
#define IOAS	5

enum kind {
	NONE,
	IOMMUFD,
	GOOD,		/* all features, tracked */
	POOR,		/* no feature, cannot be tracked */
	BUSY,		/* somebody has it open */
};

static enum kind kinds[MAX_FD];
/* Of the device that was bound last */
static enum kind bound, attached;

int __wrap_open(const char *path, int flags, ...)
{
	enum kind kind = NONE;
	int fd;

	if (!strcmp(path, "/dev/vfio/devices/vfio3")) {
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
	/* A device that is not bound says nothing */
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

static int do_tracker(unsigned long cmd, void *arg)
{
	const char *kernel = getenv("FAKE_KERNEL");

	if (kernel && !strcmp(kernel, "old"))
		return -ENOTTY;
	switch (cmd) {
	case IOMMU_DIRTY_TRACKER_ALLOC:
		if (((struct iommu_dirty_tracker_alloc *)arg)->target_id != IOAS)
			return -ENOENT;
		((struct iommu_dirty_tracker_alloc *)arg)->out_tracker_id = 6;
		return 0;
	case IOMMU_DIRTY_TRACKER_INFO:
		return do_info(arg);
	default:
		abort();
	}
}

static int answer(int fd, unsigned long cmd, void *arg)
{
	switch (cmd) {
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
		return 0;
	default:
		return do_tracker(cmd, arg);
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
