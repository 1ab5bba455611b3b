// SPDX-License-Identifier: GPL-2.0-only
/*
 * A realistic device: an NVMe controller reads from its disk into memory, many pages
 * at once and with PRP lists, and writes to its completion queues. Exactly the pages
 * that it wrote must be reported, and they must equal the disk. /dev/vda in the guest
 * is the same disk, accessed without the IOMMU under test.
 */
#include <kselftest_harness.h>

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib.h"
#include "nvme.h"

#define DISK		"/dev/vda"
#define IOVA		0x200000000ULL
#define QUEUES_IOVA	0x10000000ULL
#define QUEUES_SIZE	0x20000ULL
#define PAGES		1024
#define SIZE		(PAGES * SZ_4K)

FIXTURE(nvme)
{
	int fd;
	__u32 ioas;
	__u32 tracker;
	struct nvme nvme;
	int disk;
	char *mem;
	unsigned char want[PAGES / 8];
};

FIXTURE_SETUP(nvme)
{
	if (!nvme_count())
		SKIP(return, "no NVMe controller");
	self->disk = open(DISK, O_RDONLY | O_CLOEXEC);
	if (self->disk < 0)
		SKIP(return, "no " DISK " to compare with");
	random_init();
	self->fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	self->ioas = ioas_alloc(self->fd);
	ioas_set_huge_pages(self->fd, self->ioas, false);
	nvme_open(&self->nvme, 0, self->fd);
	nvme_start(&self->nvme, self->ioas, QUEUES_IOVA);
	ASSERT_LE(SIZE, self->nvme.size);
	self->mem = mem_alloc(SIZE);
	ioas_map(self->fd, self->ioas, self->mem, SIZE, IOVA);
	self->tracker = tracker_alloc(self->fd, self->ioas);
	tracker_start(self->fd, self->tracker);
}

FIXTURE_TEARDOWN(nvme)
{
	if (!self->mem)
		return;
	nvme_close(&self->nvme);
	close(self->fd);
	close(self->disk);
	mem_free(self->mem, SIZE);
}

/* The device reads @pages pages from disk page @from into memory page @to */
static void device_reads(FIXTURE_DATA(nvme) * self, size_t from, size_t to,
			 size_t pages)
{
	nvme_read(&self->nvme, from * SZ_4K, IOVA + to * SZ_4K, pages * SZ_4K);
	while (pages--)
		bitmap_set(self->want, to++);
}

static bool same_as_disk(FIXTURE_DATA(nvme) * self, size_t from, size_t to)
{
	char block[SZ_4K];

	if (pread(self->disk, block, SZ_4K, from * SZ_4K) != SZ_4K)
		fatal("cannot read " DISK);
	return !memcmp(block, self->mem + to * SZ_4K, SZ_4K);
}

static __u64 dirty(FIXTURE_DATA(nvme) * self, __u64 iova, __u64 length, void *bitmap)
{
	struct read_args args = {
		.fd = self->fd,
		.tracker = self->tracker,
		.iova = iova,
		.length = length,
		.page_size = SZ_4K,
		.data = bitmap,
	};

	return tracker_read(&args);
}

TEST_F_TIMEOUT(nvme, rounds, 120)
{
	unsigned int round;

	for (round = 0; round < 20; round++) {
		unsigned char got[PAGES / 8] = {};
		unsigned int i;

		memset(self->want, 0, sizeof(self->want));
		for (i = 0; i < 1 + random_below(8); i++) {
			size_t pages = 1 + random_below(random_below(8) ? 5 : 300);
			size_t from = random_below(PAGES - pages);
			size_t to = random_below(PAGES - pages);

			device_reads(self, from, to, pages);
			ASSERT_TRUE(same_as_disk(self, from, to));
			ASSERT_TRUE(same_as_disk(self, from + pages - 1,
						 to + pages - 1));
		}
		ASSERT_EQ(bitmap_count(self->want, PAGES),
			  dirty(self, IOVA, SIZE, got));
		ASSERT_EQ(0, memcmp(self->want, got, sizeof(got)));
	}
}

/* The queues are memory, too: a completion makes a page dirty */
TEST_F(nvme, completions)
{
	unsigned char bitmap[QUEUES_SIZE / SZ_4K / 8] = {};

	dirty(self, QUEUES_IOVA, QUEUES_SIZE, bitmap);
	EXPECT_EQ(0, dirty(self, QUEUES_IOVA, QUEUES_SIZE, bitmap));
	device_reads(self, 0, 0, 1);
	memset(bitmap, 0, sizeof(bitmap));
	EXPECT_EQ(1, dirty(self, QUEUES_IOVA, QUEUES_SIZE, bitmap));
}

/* The whole range at once, with the maximum number of commands in flight */
TEST_F(nvme, everything)
{
	unsigned char got[PAGES / 8] = {};
	size_t page;

	device_reads(self, 0, 0, PAGES);
	EXPECT_EQ(PAGES, dirty(self, IOVA, SIZE, got));
	for (page = 0; page < PAGES; page++)
		ASSERT_TRUE(same_as_disk(self, page, page));
}

TEST_HARNESS_MAIN
