// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes dma-bufs and maps them in an IOAS. The numbers and structs are as in the headers
 * of Linux 7.3; an older kernel knows neither.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>

#include "lib.h"
#include "iommufd_test.h"

#define TEST_OP_DMABUF_GET	22
#define TEST_OP_DMABUF_REVOKE	23
#define IOAS_MAP_FILE		_IO(IOMMUFD_TYPE, 0x8f)
#define FEATURE_DMA_BUF		11

union dmabuf_cmd {
	struct iommu_test_cmd cmd;
	struct {
		__u32 size;
		__u32 op;
		__u32 id;
		__u32 reserved;
		__u32 arg[2];
	};
};

struct map_file {	/* struct iommu_ioas_map_file */
	__u32 size;
	__u32 flags;
	__u32 ioas;
	__s32 fd;
	__u64 start;
	__u64 length;
	__u64 iova;
};

int __mock_dmabuf(int fd, size_t size)
{
	union dmabuf_cmd cmd = {
		.cmd = { .size = sizeof(cmd.cmd), .op = TEST_OP_DMABUF_GET },
	};
	int rc;

	cmd.arg[0] = size;
	cmd.arg[1] = O_RDWR | O_CLOEXEC;
	rc = ioctl(fd, IOMMU_TEST_CMD, &cmd);
	return rc < 0 ? -errno : rc;
}

void mock_dmabuf_revoke(int fd, int dmabuf)
{
	union dmabuf_cmd cmd = {
		.cmd = { .size = sizeof(cmd.cmd), .op = TEST_OP_DMABUF_REVOKE },
	};

	cmd.arg[0] = dmabuf;
	cmd.arg[1] = true;
	check(__iommufd_ioctl(fd, IOMMU_TEST_CMD, &cmd));
}

int __vfio_dmabuf(struct edu *edu, __u64 offset, __u64 length)
{
	/* struct vfio_device_feature_dma_buf, with one range, after its header */
	struct {
		__u32 argsz;
		__u32 flags;
		__u32 region;
		__u32 open_flags;
		__u32 zero;
		__u32 num_ranges;
		__u64 offset;
		__u64 length;
	} cmd = {
		.argsz = sizeof(cmd),
		.flags = VFIO_DEVICE_FEATURE_GET | FEATURE_DMA_BUF,
		.region = VFIO_PCI_BAR0_REGION_INDEX,
		.open_flags = O_RDWR | O_CLOEXEC,
		.num_ranges = 1,
		.offset = offset,
		.length = length,
	};
	int rc = ioctl(edu->fd, VFIO_DEVICE_FEATURE, &cmd);

	return rc < 0 ? -errno : rc;
}

int __ioas_map_file(int fd, __u32 ioas, int file, __u64 length, __u64 iova)
{
	struct map_file cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.ioas = ioas,
		.fd = file,
		.length = length,
		.iova = iova,
	};

	return __iommufd_ioctl(fd, IOAS_MAP_FILE, &cmd);
}
