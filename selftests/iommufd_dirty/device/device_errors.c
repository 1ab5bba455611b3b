// SPDX-License-Identifier: GPL-2.0-only
/*
 * Device trackers: calls that fail. shared.c has trackers beside VFIO's DMA logging.
 */
#include <errno.h>
#include <kselftest_harness.h>

#include "lib.h"

#define IOVA	LOGGED_IOVA
#define SIZE	LOGGED_SIZE
#define AT(page) LOGGED_AT(page)

FIXTURE(device_errors)
{
	struct logged l;
};

FIXTURE_SETUP(device_errors)
{
	OPEN_OR_SKIP(return, logged_open(&self->l));
}

FIXTURE_TEARDOWN(device_errors)
{
	logged_close(&self->l);
}

/* A device whose driver does not log can have a tracker; START reports why it fails */
TEST_F(device_errors, no_provider)
{
	struct iommu_dirty_run range = { .iova = IOVA, .length = SIZE };
	struct iommu_dirty_tracker_start start = {
		.size = sizeof(start),
		.num_ranges = 1,
		.ranges = (uintptr_t)&range,
		.page_size = SZ_4K,
	};
	struct iommu_dirty_member member;
	struct edu plain;

	if (edu_count() < 2)
		SKIP(return, "needs two PCI edu devices");
	edu_set_driver("vfio-pci");
	edu_open(&plain, 1, self->l.env.fd);
	start.tracker_id = tracker_alloc(self->l.env.fd, plain.dev_id);
	logged_info(&self->l, start.tracker_id, &member);
	EXPECT_EQ(IOMMU_DIRTY_REASON_NO_DRIVER, member.reason);
	EXPECT_EQ(-ENXIO, __iommufd_ioctl(self->l.env.fd,
					  IOMMU_DIRTY_TRACKER_START, &start));
	EXPECT_EQ(IOMMU_DIRTY_MEMBER_DEVICE, start.out_type);
	EXPECT_EQ(plain.dev_id, start.out_id);
	EXPECT_EQ(IOMMU_DIRTY_REASON_NO_DRIVER, start.out_reason);
	edu_close(&plain);
}

/* In degraded mode it starts, and everything is dirty */
TEST_F(device_errors, no_provider_degraded)
{
	struct iommu_dirty_run range = { .iova = IOVA, .length = SIZE };
	struct logged *l = &self->l;
	struct iommu_dirty_tracker_info info;
	struct iommu_dirty_member member;
	__u64 page_size = SZ_4K;
	struct read_args args;
	unsigned int i;
	struct edu plain;
	__u32 tracker, num = 1;

	if (edu_count() < 2)
		SKIP(return, "needs two PCI edu devices");
	edu_set_driver("vfio-pci");
	edu_open(&plain, 1, l->env.fd);
	tracker = tracker_alloc(l->env.fd, plain.dev_id);
	ASSERT_EQ(0, __device_start_flags(l->env.fd, tracker,
					  IOMMU_DIRTY_START_DEGRADED, &range, &num,
					  &page_size));
	EXPECT_EQ(0, num);
	info = logged_info(l, tracker, &member);
	EXPECT_EQ(IOMMU_DIRTY_TRACKER_DEGRADED | IOMMU_DIRTY_TRACKER_BLIND,
		  info.out_flags);
	EXPECT_EQ(0, member.flags);
	for (i = 0; i < 2; i++) {
		args = logged_args(l, tracker);
		args.flags = 0;
		EXPECT_EQ(LOGGED_PAGES, tracker_read(&args));
		args = logged_args(l, tracker);
		EXPECT_EQ(LOGGED_PAGES, tracker_scan(&args, 1));
	}
	num = 1;
	EXPECT_EQ(-ENODEV, __device_update(l->env.fd, tracker, 0, &range, &num,
					   &page_size));
	edu_close(&plain);
	args = logged_args(l, tracker);
	EXPECT_EQ(LOGGED_PAGES, tracker_read(&args));
	tracker_stop(l->env.fd, tracker);
}

static int start_with(FIXTURE_DATA(device_errors) * self, __u64 iova, __u64 length,
		      __u32 num, __u64 page_size)
{
	struct iommu_dirty_run range = { .iova = iova, .length = length };

	return __device_start(self->l.env.fd, self->l.tracker, &range, &num,
			      &page_size);
}

TEST_F(device_errors, bad_arguments)
{
	struct iommu_dirty_run range = { .iova = IOVA, .length = SIZE };
	struct read_args args = logged_args(&self->l, self->l.tracker);
	__u64 page_size = SZ_4K, unmapped;
	__u32 num = 1;

	args.flags = 0;
	EXPECT_EQ(-EINVAL, __tracker_start(self->l.env.fd, self->l.tracker, NULL));
	EXPECT_EQ(-EINVAL, start_with(self, IOVA, SIZE, 0, SZ_4K));
	EXPECT_EQ(-EINVAL, start_with(self, IOVA, SIZE, 65537, SZ_4K));
	EXPECT_EQ(-EINVAL, start_with(self, IOVA, SIZE, 1, 0));
	EXPECT_EQ(-EINVAL, start_with(self, IOVA, SIZE, 1, 2048));
	EXPECT_EQ(-EINVAL, start_with(self, IOVA, SIZE, 1, SZ_4K + 1));
	EXPECT_EQ(-EINVAL, start_with(self, IOVA, 0, 1, SZ_4K));
	EXPECT_EQ(-EOVERFLOW, start_with(self, ~0ULL, 2, 1, SZ_4K));
	EXPECT_EQ(-EOVERFLOW, start_with(self, ~0ULL, 1, 1, SZ_4K));
	EXPECT_EQ(-E2BIG, start_with(self, 0, 1ULL << 62, 1, SZ_4K));
	EXPECT_EQ(-EFAULT, __device_start(self->l.env.fd, self->l.tracker, NULL,
					  &num, &page_size));
	EXPECT_EQ(-EINVAL, __tracker_start_flags(self->l.env.fd, self->l.tracker,
						 IOMMU_DIRTY_START_DEGRADED, NULL));
	/* There is no page table to split */
	EXPECT_EQ(-EINVAL, __tracker_start_flags(self->l.env.fd, self->l.tracker,
						 IOMMU_DIRTY_START_SPLIT, NULL));
	EXPECT_EQ(-EINVAL, __tracker_start_flags(self->l.env.fd, self->l.tracker,
						 IOMMU_DIRTY_START_SPLIT_LAZY, NULL));
	EXPECT_EQ(-EOPNOTSUPP, __tracker_start_flags(self->l.env.fd, self->l.tracker,
						     IOMMU_DIRTY_START_SPLIT_LAZY << 1, NULL));
	/* IOAS tracker */
	EXPECT_EQ(-EINVAL, __device_start(self->l.env.fd, self->l.env.tracker,
					  &range, &num, &page_size));
	num = 1;
	page_size = SZ_4K;
	EXPECT_EQ(-EINVAL, __device_update(self->l.env.fd, self->l.env.tracker,
					   0, &range, &num, &page_size));
	EXPECT_EQ(-ENODATA, __device_update(self->l.env.fd, self->l.tracker, 0,
					    &range, &num, &page_size));
	EXPECT_EQ(-EOPNOTSUPP, __device_update(self->l.env.fd, self->l.tracker, 2,
					       &range, &num, &page_size));
	EXPECT_EQ(-EINVAL, __tracker_unmap(&args, &unmapped));
	EXPECT_EQ(-ENODATA, __tracker_read(&args));
	device_start(self->l.env.fd, self->l.tracker, IOVA, SIZE);
	EXPECT_EQ(-EALREADY, start_with(self, IOVA, SIZE, 1, SZ_4K));
}

/* A bitmap of the user that cannot be written is an error, not a clean result */
TEST_F(device_errors, user_logging)
{
	const struct log_range range = { .iova = IOVA, .length = SIZE };
	int fd = self->l.env.edu[0].fd;
	unsigned char *bad = mem_alloc(SZ_4K);
	__u64 page_size = SZ_4K;

	mem_free(bad, SZ_4K);
	ASSERT_EQ(0, __log_start(fd, &range, 1, &page_size));
	logged_write(&self->l, 77);
	EXPECT_EQ(0, __log_report(fd, IOVA, SIZE, SZ_4K, self->l.got));
	EXPECT_EQ(0, memcmp(self->l.got, self->l.want, sizeof(self->l.got)));
	env_store(&self->l.env, 0, AT(3));
	EXPECT_EQ(-EFAULT, __log_report(fd, IOVA, SIZE, SZ_4K, bad));
	EXPECT_EQ(0, __log_stop(fd));
}

/* After a failed READ the pages are still dirty */
TEST_F(device_errors, bad_bitmap)
{
	unsigned char *bad = mem_alloc(SZ_4K);
	struct read_args args = logged_args(&self->l, self->l.tracker);

	mem_free(bad, SZ_4K);
	device_start(self->l.env.fd, self->l.tracker, IOVA, SIZE);
	logged_write(&self->l, 12);
	args.data = bad;
	EXPECT_EQ(-EFAULT, __tracker_read(&args));
	EXPECT_EQ(0, args.out_length);
	EXPECT_TRUE(logged_exact(&self->l, self->l.tracker));
}

TEST_HARNESS_MAIN
