// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO's migration states and DMA logging (VFIO_DEVICE_FEATURE), as a VMM uses
 * them without trackers.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "lib.h"

int __vfio_feature(int fd, __u32 flags, void *data, size_t size)
{
	struct vfio_device_feature *arg = calloc(1, sizeof(*arg) + size);
	int rc;

	arg->argsz = sizeof(*arg) + size;
	arg->flags = flags;
	memcpy(arg->data, data, size);
	rc = ioctl(fd, VFIO_DEVICE_FEATURE, arg) ? -errno : 0;
	memcpy(data, arg->data, size);
	free(arg);
	return rc;
}

int __mig_set(int fd, __u32 state)
{
	struct vfio_device_feature_mig_state arg = { .device_state = state };
	int rc = __vfio_feature(fd, VFIO_DEVICE_FEATURE_SET |
				VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, &arg,
				sizeof(arg));

	return rc ? rc : arg.data_fd;
}

int mig_set(int fd, __u32 state)
{
	int rc = __mig_set(fd, state);

	if (rc < -1)
		fatal("migration state %u: error %d", state, -rc);
	return rc;
}

__u32 mig_get(int fd)
{
	struct vfio_device_feature_mig_state arg = {};

	check(__vfio_feature(fd, VFIO_DEVICE_FEATURE_GET |
			     VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, &arg,
			     sizeof(arg)));
	return arg.device_state;
}

size_t mig_drain(int data, unsigned char *stream, size_t len, size_t room)
{
	ssize_t n;

	/* in pieces, as a network would take it; ENOMSG: more when it is stopped */
	while ((n = read(data, stream + len, room - len < 1000 ? room - len : 1000)) > 0)
		len += n;
	if (n < 0 && errno != ENOMSG)
		fatal("migration stream: error %d", errno);
	return len;
}

bool mig_capable(int fd)
{
	struct vfio_device_feature_migration arg = {};

	return !__vfio_feature(fd, VFIO_DEVICE_FEATURE_GET |
			       VFIO_DEVICE_FEATURE_MIGRATION, &arg,
			       sizeof(arg));
}

int __log_start(int fd, __u64 iova, __u64 length, __u64 page_size)
{
	struct vfio_device_feature_dma_logging_range range = {
		.iova = iova,
		.length = length,
	};
	struct vfio_device_feature_dma_logging_control control = {
		.page_size = page_size,
		.num_ranges = 1,
		.ranges = (uintptr_t)&range,
	};

	return __vfio_feature(fd, VFIO_DEVICE_FEATURE_SET |
			      VFIO_DEVICE_FEATURE_DMA_LOGGING_START, &control,
			      sizeof(control));
}

int __log_stop(int fd)
{
	return __vfio_feature(fd, VFIO_DEVICE_FEATURE_SET |
			      VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP, NULL, 0);
}

int __log_report(int fd, __u64 iova, __u64 length, __u64 page_size, void *bitmap)
{
	struct vfio_device_feature_dma_logging_report report = {
		.iova = iova,
		.length = length,
		.page_size = page_size,
		.bitmap = (uintptr_t)bitmap,
	};

	return __vfio_feature(fd, VFIO_DEVICE_FEATURE_GET |
			      VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT, &report,
			      sizeof(report));
}
