// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device without an IOMMU (Linux 7.3, VFIO's unsafe mode). Its HWPT is a page table that
 * no hardware walks, so an IOAS tracker refuses it, or reports everything as dirty in
 * degraded mode. A tracker of the device does not depend on an IOMMU: it reports the
 * physical addresses that the device has written to.
 */
#include <errno.h>
#include <fcntl.h>
#include <kselftest_harness.h>
#include <string.h>
#include <unistd.h>

#include "lib.h"

#define IOVA	0x40000000ULL
#define PAGES	64
#define SIZE	(PAGES * SZ_4K)

/* As in the kernel's <linux/iommufd.h>, for headers of Linux 6.12 */
#define GET_PA	_IO(IOMMUFD_TYPE, 0x95)

struct get_pa {	/* struct iommu_ioas_noiommu_get_pa */
	__u32 size;
	__u32 flags;
	__u32 ioas;
	__u32 reserved;
	__u64 iova;
	__u64 length;
	__u64 phys;
};

FIXTURE(noiommu)
{
	int fd;
	__u32 ioas;
	__u32 tracker;
	struct edu edu;
	__u64 *mem;
	struct iommu_dirty_member member;
};

FIXTURE_SETUP(noiommu)
{
	self->fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	random_init();
	self->ioas = ioas_alloc(self->fd);
	self->mem = mem_alloc(SIZE);
	ioas_map(self->fd, self->ioas, self->mem, SIZE, IOVA);
	edu_set_driver("edu_vfio_pci");
	edu_open(&self->edu, 0, self->fd);
	edu_attach(&self->edu, self->ioas);
	self->tracker = tracker_alloc(self->fd, self->ioas);
	ASSERT_EQ(1, tracker_members(self->fd, self->tracker, &self->member, 1));
}

FIXTURE_TEARDOWN(noiommu)
{
	edu_close(&self->edu);
	close(self->fd);
	mem_free(self->mem, SIZE);
}

/* The physical address of a page */
static __u64 phys(FIXTURE_DATA(noiommu) * self, unsigned int page)
{
	struct get_pa cmd = {
		.size = sizeof(cmd),
		.ioas = self->ioas,
		.iova = IOVA + page * SZ_4K,
		.length = SZ_4K,
	};

	check(__iommufd_ioctl(self->fd, GET_PA, &cmd));
	return cmd.phys;
}

/* Makes the device write to a page */
static void store(FIXTURE_DATA(noiommu) * self, unsigned int page)
{
	__u64 *word = self->mem + page * SZ_4K / 8;
	__u64 value = random_u64();

	*word = value;
	edu_dma_from(&self->edu, phys(self, page), 0, 8);
	*word = ~value;
	edu_dma_to(&self->edu, phys(self, page), 0, 8);
	if (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value)
		fatal("the device did not write to page %u", page);
}

TEST_F(noiommu, info)
{
	EXPECT_EQ(IOMMU_DIRTY_MEMBER_HWPT, self->member.type);
	EXPECT_EQ(IOMMU_DIRTY_REASON_NO_DRIVER, self->member.reason);
	EXPECT_EQ(IOMMU_DIRTY_FMT_UNKNOWN, self->member.format);
	EXPECT_EQ(IOMMU_DIRTY_MEMBER_AUTO, self->member.flags);
}

TEST_F(noiommu, start)
{
	struct iommu_dirty_tracker_start start;

	EXPECT_EQ(-ENXIO, __tracker_start(self->fd, self->tracker, &start));
	EXPECT_EQ(IOMMU_DIRTY_MEMBER_HWPT, start.out_type);
	EXPECT_EQ(self->member.id, start.out_id);
	EXPECT_EQ(IOMMU_DIRTY_REASON_NO_DRIVER, start.out_reason);
	EXPECT_EQ(IOMMU_DIRTY_STATE_STOPPED, tracker_state(self->fd, self->tracker));
}

TEST_F(noiommu, hwpt_alloc)
{
	__u32 hwpt;

	EXPECT_EQ(-EOPNOTSUPP, __hwpt_alloc(self->fd, self->edu.dev_id, self->ioas,
					    IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &hwpt));
}

/* A tracker of an empty IOAS runs: the device cannot be attached to it */
TEST_F(noiommu, attach)
{
	__u32 ioas = ioas_alloc(self->fd);
	__u32 tracker = tracker_alloc(self->fd, ioas);

	tracker_start(self->fd, tracker);
	EXPECT_EQ(-ENXIO, __edu_attach(&self->edu, ioas));
	EXPECT_EQ(0, tracker_members(self->fd, tracker, NULL, 0));
}

TEST_F(noiommu, degraded)
{
	unsigned char bitmap[PAGES / 8] = {};
	struct read_args args = {
		.fd = self->fd,
		.tracker = self->tracker,
		.iova = IOVA,
		.length = SIZE,
		.page_size = SZ_4K,
		.data = bitmap,
	};

	check(__tracker_start_flags(self->fd, self->tracker, IOMMU_DIRTY_START_DEGRADED, NULL));
	EXPECT_TRUE(tracker_flags(self->fd, self->tracker) & IOMMU_DIRTY_TRACKER_BLIND);
	store(self, 5);
	EXPECT_EQ(PAGES, tracker_read(&args));
	memset(bitmap, 0, sizeof(bitmap));
	EXPECT_EQ(PAGES, tracker_read(&args));
	/* Unmapped memory is dirty as well */
	ioas_unmap(self->fd, self->ioas, IOVA, SIZE);
	memset(bitmap, 0, sizeof(bitmap));
	EXPECT_EQ(PAGES, tracker_read(&args));
	memset(bitmap, 0, sizeof(bitmap));
	EXPECT_EQ(0, tracker_read(&args));
}

/* The log of the device has physical addresses */
TEST_F(noiommu, device)
{
	__u32 tracker = tracker_alloc(self->fd, self->edu.dev_id);
	unsigned char dirty = 0;
	struct read_args args = {
		.fd = self->fd,
		.tracker = tracker,
		.iova = phys(self, 7),
		.length = SZ_4K,
		.page_size = SZ_4K,
		.data = &dirty,
	};

	device_start(self->fd, tracker, args.iova, SZ_4K);
	store(self, 8);
	EXPECT_EQ(0, tracker_read(&args));
	store(self, 7);
	EXPECT_EQ(1, tracker_read(&args));
	EXPECT_EQ(1, dirty);
	dirty = 0;
	EXPECT_EQ(0, tracker_read(&args));
}

TEST_HARNESS_MAIN
