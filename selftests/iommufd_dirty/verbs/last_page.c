// SPDX-License-Identifier: GPL-2.0-only
/*
 * The last pages of the address space: every verb, and every call of VFIO's type1,
 * on ranges that end at 2^64. No IOMMU reaches this far, so the test ioctl of
 * iommufd does the writes.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <kselftest_harness.h>
#include <linux/vfio.h>

#include "lib.h"

#define PAGES	64
#define SIZE	(PAGES * SZ_4K)
#define TOP	(-SIZE)
#define LAST	(PAGES - 1)

FIXTURE(last_page)
{
	int fd;
	int rw;
	__u32 ioas;
	__u32 tracker;
	void *mem;
	__u64 bitmap;
	struct iommu_dirty_run runs[4];
	struct read_args args;
};

FIXTURE_SETUP(last_page)
{
	self->fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (self->fd < 0)
		SKIP(return, "cannot open /dev/iommu");
	self->ioas = ioas_alloc(self->fd);
	self->rw = __access_create(self->fd, self->ioas);
	if (self->rw == -ENOTTY)
		SKIP(return, "this kernel has no CONFIG_IOMMUFD_TEST");
	ASSERT_LE(0, self->rw);
	self->mem = mem_alloc(SIZE);
	self->tracker = tracker_alloc(self->fd, self->ioas);
	self->args = (struct read_args) {
		.fd = self->fd,
		.tracker = self->tracker,
		.iova = TOP,
		.length = SIZE,
		.page_size = SZ_4K,
		.data = &self->bitmap,
	};
}

FIXTURE_TEARDOWN(last_page)
{
	if (!self->mem)
		return;
	close(self->fd);
	mem_free(self->mem, SIZE);
}

static void write_at(FIXTURE_DATA(last_page) * self, __u64 iova)
{
	check(__access_write(self->fd, self->rw, iova, "x", 1));
}

static void map_and_start(FIXTURE_DATA(last_page) * self)
{
	ioas_map(self->fd, self->ioas, self->mem, SIZE, TOP);
	write_at(self, TOP + 9 * SZ_4K);
	tracker_start(self->fd, self->tracker);
}

static void write_ends(FIXTURE_DATA(last_page) * self)
{
	write_at(self, TOP);
	write_at(self, ~0ULL);
}

static __u64 dirty(FIXTURE_DATA(last_page) * self)
{
	__u64 set;

	self->bitmap = 0;
	set = tracker_read(&self->args);
	if (set != (__u64)__builtin_popcountll(self->bitmap))
		fatal("%llu bits were set, not %#llx", set, self->bitmap);
	return self->bitmap;
}

TEST_F(last_page, read)
{
	map_and_start(self);
	EXPECT_EQ(0, dirty(self));
	write_ends(self);
	EXPECT_EQ(1ULL | 1ULL << LAST, dirty(self));
	EXPECT_EQ(0, dirty(self));

	/* A single byte: READ does not clear a partial page */
	write_ends(self);
	self->args.iova = ~0ULL;
	self->args.length = 1;
	EXPECT_EQ(1, dirty(self));
	self->args.iova = TOP;
	self->args.length = SIZE;
	EXPECT_EQ(1ULL | 1ULL << LAST, dirty(self));
}

/* The longest possible length is 2^64 - 1; 0 does not mean 2^64 and is refused */
TEST_F(last_page, read_all)
{
	map_and_start(self);
	write_at(self, ~0ULL);
	self->args.page_size = 1ULL << 63;
	self->args.iova = 1;
	self->args.length = ~0ULL;
	EXPECT_EQ(2, dirty(self));
	EXPECT_EQ(0, dirty(self));

	write_at(self, TOP);
	self->args.iova = 0;
	self->args.page_size = 1ULL << 62;
	EXPECT_EQ(8, dirty(self));
	EXPECT_EQ(0, dirty(self));

	self->args.length = 0;
	EXPECT_EQ(-EINVAL, __tracker_read(&self->args));
	self->args.iova = TOP;
	self->args.length = SIZE + 1;
	EXPECT_EQ(-EOVERFLOW, __tracker_read(&self->args));
	EXPECT_EQ(0, self->args.out_length);
}

TEST_F(last_page, scan)
{
	struct scan_args args = {
		.fd = self->fd,
		.tracker = self->tracker,
		.iova = 1,
		.length = ~0ULL,
		.page_size = SZ_4K,
		.runs = self->runs,
		.num_runs = 4,
	};

	map_and_start(self);
	write_ends(self);
	ASSERT_EQ(0, __tracker_scan(&args));
	ASSERT_EQ(2, args.num_runs);
	EXPECT_EQ(TOP, self->runs[0].iova);
	EXPECT_EQ(SZ_4K, self->runs[0].length);
	EXPECT_EQ(-SZ_4K, self->runs[1].iova);
	EXPECT_EQ(SZ_4K, self->runs[1].length);
	EXPECT_EQ(~0ULL, args.out_length);
	EXPECT_EQ(2, args.out_pages);

	/* In larger pages a run ends where the range does */
	write_at(self, ~0ULL);
	args.page_size = 1ULL << 63;
	args.num_runs = 4;
	ASSERT_EQ(0, __tracker_scan(&args));
	ASSERT_EQ(1, args.num_runs);
	EXPECT_EQ(1ULL << 63, self->runs[0].iova);
	EXPECT_EQ(1ULL << 63, self->runs[0].length);
	args.num_runs = 4;
	ASSERT_EQ(0, __tracker_scan(&args));
	EXPECT_EQ(0, args.num_runs);
}

/* By UNMAP, and by IOAS_UNMAP, which keeps the dirty pages for the next READ */
TEST_F(last_page, unmap)
{
	__u64 unmapped;

	map_and_start(self);
	write_ends(self);
	EXPECT_EQ(-EOVERFLOW, ({
		self->args.length = SIZE + 1;
		__tracker_unmap(&self->args, &unmapped);
	}));
	self->args.length = SIZE;
	ASSERT_EQ(0, __tracker_unmap(&self->args, &unmapped));
	EXPECT_EQ(SIZE, unmapped);
	EXPECT_EQ(SIZE, self->args.out_length);
	EXPECT_EQ(1ULL | 1ULL << LAST, self->bitmap);
	EXPECT_EQ(0, dirty(self));

	ioas_map(self->fd, self->ioas, self->mem, SIZE, TOP);
	write_ends(self);
	ioas_unmap(self->fd, self->ioas, TOP, SIZE);
	EXPECT_EQ(1ULL | 1ULL << LAST, dirty(self));
	EXPECT_EQ(0, dirty(self));
}

TEST_F(last_page, pinned)
{
	int pins = check(__access_create_pins(self->fd, self->ioas));
	__u32 pin;

	map_and_start(self);
	pin = access_pin(self->fd, pins, -2 * SZ_4K, 2 * SZ_4K, ACCESS_WRITE);
	EXPECT_EQ(3ULL << (LAST - 1), dirty(self));
	access_unpin(self->fd, pins, pin);
	EXPECT_EQ(3ULL << (LAST - 1), dirty(self));
	EXPECT_EQ(0, dirty(self));
}

struct dirty_pages {
	struct vfio_iommu_type1_dirty_bitmap head;
	struct vfio_iommu_type1_dirty_bitmap_get range;
};

struct unmap {
	struct vfio_iommu_type1_dma_unmap head;
	struct vfio_bitmap bitmap;
};

TEST_F(last_page, type1)
{
	struct iommu_vfio_ioas compat = {
		.size = sizeof(compat),
		.op = IOMMU_VFIO_IOAS_SET,
		.ioas_id = self->ioas,
	};
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)self->mem,
		.iova = TOP,
		.size = SIZE,
	};
	struct vfio_bitmap bitmap = {
		.pgsize = SZ_4K,
		.size = PAGES / 8,
		.data = &self->bitmap,
	};
	struct dirty_pages get = {
		.head.argsz = sizeof(get),
		.head.flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_START,
		.range = { .iova = TOP, .size = SIZE, .bitmap = bitmap },
	};
	struct unmap unmap = {
		.head = {
			.argsz = sizeof(unmap),
			.flags = VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP,
			.iova = TOP,
			.size = SIZE,
		},
		.bitmap = bitmap,
	};

	check(__iommufd_ioctl(self->fd, IOMMU_VFIO_IOAS, &compat));
	ASSERT_EQ(0, ioctl(self->fd, VFIO_IOMMU_MAP_DMA, &map));
	ASSERT_EQ(0, ioctl(self->fd, VFIO_IOMMU_DIRTY_PAGES, &get));
	write_ends(self);
	get.head.flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP;
	ASSERT_EQ(0, ioctl(self->fd, VFIO_IOMMU_DIRTY_PAGES, &get));
	EXPECT_EQ(1ULL | 1ULL << LAST, self->bitmap);

	self->bitmap = 0;
	write_at(self, ~0ULL);
	get.range.size = 0;
	EXPECT_EQ(-1, ioctl(self->fd, VFIO_IOMMU_DIRTY_PAGES, &get));
	EXPECT_EQ(EINVAL, errno);
	get.range.size = SIZE + SZ_4K;
	EXPECT_EQ(-1, ioctl(self->fd, VFIO_IOMMU_DIRTY_PAGES, &get));
	EXPECT_EQ(EINVAL, errno);
	ASSERT_EQ(0, ioctl(self->fd, VFIO_IOMMU_UNMAP_DMA, &unmap));
	EXPECT_EQ(SIZE, unmap.head.size);
	EXPECT_EQ(1ULL << LAST, self->bitmap);
}

TEST_HARNESS_MAIN
