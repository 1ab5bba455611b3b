// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO_DEVICE_FEATURE: migration state and DMA logging of a device, with the
 * upstream interface.
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
	struct {
		struct vfio_device_feature head;
		__u8 data[64];
	} arg = {
		.head.argsz = sizeof(arg.head) + size,
		.head.flags = flags,
	};
	int rc;

	if (size > sizeof(arg.data))
		fatal("no feature is that large: %zu", size);
	if (size)
		memcpy(arg.head.data, data, size);
	rc = ioctl(fd, VFIO_DEVICE_FEATURE, &arg) ? -errno : 0;
	if (size)
		memcpy(data, arg.head.data, size);
	return rc;
}

int __mig_set(int fd, __u32 state, int *data_fd)
{
	struct vfio_device_feature_mig_state arg = { .device_state = state };
	int rc = __vfio_feature(fd, VFIO_DEVICE_FEATURE_SET |
				VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, &arg, sizeof(arg));

	*data_fd = rc ? -1 : arg.data_fd;
	return rc;
}

int mig_set(int fd, __u32 state)
{
	int data_fd, rc = __mig_set(fd, state, &data_fd);

	if (rc)
		fatal("migration state %u: error %d", state, -rc);
	return data_fd;
}

__u32 mig_get(int fd)
{
	struct vfio_device_feature_mig_state arg = {};

	check(__vfio_feature(fd, VFIO_DEVICE_FEATURE_GET |
			     VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, &arg, sizeof(arg)));
	return arg.device_state;
}

size_t mig_drain(int data, unsigned char *stream, size_t len, size_t room)
{
	ssize_t n;

	/* In chunks, as for a network. ENOMSG: more data follows in STOP_COPY */
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

int __log_start(int fd, const struct log_range *ranges, __u32 num, __u64 *page_size)
{
	struct vfio_device_feature_dma_logging_control arg = {
		.page_size = *page_size,
		.num_ranges = num,
		.ranges = (uintptr_t)ranges,
	};
	int rc = __vfio_feature(fd, VFIO_DEVICE_FEATURE_SET |
				VFIO_DEVICE_FEATURE_DMA_LOGGING_START, &arg, sizeof(arg));

	if (!rc)
		*page_size = arg.page_size;
	return rc;
}

int __log_report(int fd, __u64 iova, __u64 length, __u64 page_size, void *bitmap)
{
	struct vfio_device_feature_dma_logging_report arg = {
		.iova = iova,
		.length = length,
		.page_size = page_size,
		.bitmap = (uintptr_t)bitmap,
	};

	return __vfio_feature(fd, VFIO_DEVICE_FEATURE_GET |
			      VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT, &arg, sizeof(arg));
}

int __log_stop(int fd)
{
	return __vfio_feature(fd, VFIO_DEVICE_FEATURE_SET |
			      VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP, NULL, 0);
}
