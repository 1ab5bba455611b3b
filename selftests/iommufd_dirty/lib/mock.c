// SPDX-License-Identifier: GPL-2.0-only
/*
 * A mock device of iommufd's selftests (CONFIG_IOMMUFD_TEST). Its IOMMU driver has
 * no support for trackers.
 */
#include "lib.h"
#include "iommufd_test.h"

int __mock_attach(int fd, __u32 pt, struct mock *mock)
{
	struct iommu_test_cmd cmd = {
		.size = sizeof(cmd),
		.op = IOMMU_TEST_OP_MOCK_DOMAIN,
		.id = pt,
	};
	int rc = __iommufd_ioctl(fd, IOMMU_TEST_CMD, &cmd);

	mock->id = cmd.mock_domain.out_stdev_id;
	mock->dev_id = cmd.mock_domain.out_idev_id;
	mock->hwpt = cmd.mock_domain.out_hwpt_id;
	return rc;
}
