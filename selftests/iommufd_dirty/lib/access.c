// SPDX-License-Identifier: GPL-2.0-only
/*
 * In-kernel accesses to an IOAS, created with the test ioctl of iommufd
 * (CONFIG_IOMMUFD_TEST).
 */
#include <unistd.h>

#include "lib.h"
#include "iommufd_test.h"

static int create(int fd, __u32 ioas, __u32 flags)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_CREATE_ACCESS,
		.id = ioas,
		.create_access.flags = flags,
	};
	int rc = __iommufd_ioctl(fd, IOMMU_TEST_CMD, &cmd);

	return rc ? rc : (int)cmd.create_access.out_access_fd;
}

int __access_create(int fd, __u32 ioas)
{
	return create(fd, ioas, 0);
}

int __access_create_pins(int fd, __u32 ioas)
{
	return create(fd, ioas, MOCK_FLAGS_ACCESS_CREATE_NEEDS_PIN_PAGES);
}

void access_destroy(int access)
{
	close(access);
}

int __access_rw(int fd, int access, __u64 iova, void *data, size_t len, __u32 flags)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_ACCESS_RW,
		.id = access,
		.access_rw = {
			.iova = iova,
			.length = len,
			.uptr = (uintptr_t)data,
			.flags = flags,
		},
	};

	return __iommufd_ioctl(fd, IOMMU_TEST_CMD, &cmd);
}

int __access_write(int fd, int access, __u64 iova, const void *data, size_t len)
{
	return __access_rw(fd, access, iova, (void *)data, len, ACCESS_WRITE);
}

__u32 access_pin(int fd, int access, __u64 iova, size_t len, __u32 flags)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_ACCESS_PAGES,
		.id = access,
		.access_pages = {
			.flags = flags,
			.iova = iova,
			.length = len,
		},
	};

	check(__iommufd_ioctl(fd, IOMMU_TEST_CMD, &cmd));
	return cmd.access_pages.out_access_pages_id;
}

int __access_unpin(int fd, int access, __u32 pin)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_DESTROY_ACCESS_PAGES,
		.id = access,
		.destroy_access_pages.access_pages_id = pin,
	};

	return __iommufd_ioctl(fd, IOMMU_TEST_CMD, &cmd);
}

void access_unpin(int fd, int access, __u32 pin)
{
	check(__access_unpin(fd, access, pin));
}
