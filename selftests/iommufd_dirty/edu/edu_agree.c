// SPDX-License-Identifier: GPL-2.0-only
/*
 * Compares two providers for the same DMA: the dirty bits in the IO page tables that
 * an edu device writes through, and the DMA log of its driver. Both are also compared
 * with the test's list of transfers and with the changes in memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <kselftest_harness.h>
#include <string.h>
#include <unistd.h>

#include "lib.h"

#define IOVA		SZ_1G
#define STAGE_IOVA	0x10000000ULL
#define SIZE		(4 * SZ_2M)
#define PAGES		(SIZE / SZ_4K)
#define ROUNDS		12
#define WRITES		60

FIXTURE(edu_agree)
{
	int fd;
	__u32 ioas;
	__u32 tracker;
	struct edu edu;
	__u64 *stage;
	unsigned char *mem;
	unsigned char *copy;
	bool finest;	/* the IO page tables also report 4 KiB pages */
};

FIXTURE_VARIANT(edu_agree)
{
	bool huge;
};

FIXTURE_VARIANT_ADD(edu_agree, small) { .huge = false };
FIXTURE_VARIANT_ADD(edu_agree, huge) { .huge = true };

FIXTURE_SETUP(edu_agree)
{
	OPEN_OR_SKIP(return, env_need_pci(1));
	random_init();
	self->fd = check(open("/dev/iommu", O_RDWR | O_CLOEXEC));
	edu_set_driver("edu_vfio_pci");
	self->ioas = ioas_alloc(self->fd);
	ioas_set_huge_pages(self->fd, self->ioas, variant->huge);
	edu_open(&self->edu, 0, self->fd);
	edu_attach(&self->edu, self->ioas);
	self->stage = mem_alloc(SZ_4K);
	check(__ioas_map(self->fd, self->ioas, self->stage, SZ_4K, STAGE_IOVA,
			 IOMMU_IOAS_MAP_READABLE));
	self->mem = variant->huge ? mem_alloc_huge(SIZE) : mem_alloc(SIZE);
	if (!self->mem)
		SKIP(return, "no huge pages");
	memset(self->mem, 0, SIZE);
	self->copy = mem_alloc(SIZE);
	ioas_map(self->fd, self->ioas, self->mem, SIZE, IOVA);
	self->tracker = tracker_alloc(self->fd, self->ioas);
}

FIXTURE_TEARDOWN(edu_agree)
{
	if (!self->tracker)
		return;
	edu_close(&self->edu);
	close(self->fd);
	mem_free(self->mem, SIZE);
	mem_free(self->copy, SIZE);
}

/* Random transfers, half of them to the first 64 KiB; marks the pages in @model */
static void traffic(struct _test_data_edu_agree *self, __u64 *model)
{
	__u64 at, page, len;
	unsigned int i;

	mem_fill(self->stage, random_u64() | 0x0101010101010101ULL, SZ_4K);
	edu_dma_from(&self->edu, STAGE_IOVA, 0, EDU_BUF_SIZE);
	for (i = random_below(WRITES); i; i--) {
		len = 1 + random_below(random_below(2) ? 16 : EDU_BUF_SIZE);
		at = random_below((random_below(2) ? SIZE : SZ_64K) - len + 1);
		edu_dma_to(&self->edu, IOVA + at, 0, len);
		for (page = at / SZ_4K; page <= (at + len - 1) / SZ_4K; page++)
			bitmap_set(model, page);
		/* DMA reads set no dirty bits */
		edu_dma_from(&self->edu, IOVA + random_below(PAGES) * SZ_4K, 0, 1);
	}
}

struct found {
	__u64 model[PAGES / 64];
	__u64 tables[PAGES / 64];
	__u64 log[PAGES / 64];
};

/* Checks each page against the model, both providers and the memory */
static void compare(struct __test_metadata *_metadata,
		    struct _test_data_edu_agree *self, const struct found *f)
{
	unsigned int lost = 0, unreported = 0, differ = 0, page;
	bool log, tables;

	for (page = 0; page < PAGES; page++) {
		log = bitmap_test(f->log, page);
		tables = bitmap_test(f->tables, page);
		if (memcmp(self->mem + page * SZ_4K, self->copy + page * SZ_4K, SZ_4K))
			lost += !log || !tables;
		unreported += bitmap_test(f->model, page) != log;
		differ += self->finest ? log != tables : log && !tables;
	}
	EXPECT_EQ(0, lost);
	EXPECT_EQ(0, unreported);
	EXPECT_EQ(0, differ);
}

TEST_F(edu_agree, same_pages)
{
	struct log_range range = { IOVA, SIZE };
	struct found f;
	struct read_args read = {
		.fd = self->fd,
		.tracker = self->tracker,
		.iova = IOVA,
		.length = SIZE,
		.page_size = SZ_4K,
		.data = f.tables,
	};
	__u64 size = SZ_4K, coarse = 0;
	unsigned int round;

	self->finest = !variant->huge;
	tracker_start(self->fd, self->tracker);
	ASSERT_EQ(0, __log_start(self->edu.fd, &range, 1, &size));
	for (round = 0; round < ROUNDS; round++) {
		memset(&f, 0, sizeof(f));
		memcpy(self->copy, self->mem, SIZE);
		traffic(self, f.model);
		/* alternate which provider is read first */
		if (round & 1)
			tracker_read(&read);
		ASSERT_EQ(0, __log_report(self->edu.fd, IOVA, SIZE, SZ_4K, f.log));
		if (!(round & 1))
			tracker_read(&read);
		compare(_metadata, self, &f);
		coarse += bitmap_count(f.tables, PAGES) - bitmap_count(f.log, PAGES);
	}
	lib_note("pages that only the IO page tables reported: %llu", coarse);
	/* with huge pages, 0 means that none were used */
	EXPECT_EQ(variant->huge, coarse > 0);

	/* each provider works while the other is off */
	ASSERT_EQ(0, __log_stop(self->edu.fd));
	memset(&f, 0, sizeof(f));
	edu_dma_to(&self->edu, IOVA, 0, 8);
	tracker_read(&read);
	EXPECT_TRUE(bitmap_test(f.tables, 0));
	tracker_stop(self->fd, self->tracker);
	ASSERT_EQ(0, __log_start(self->edu.fd, &range, 1, &size));
	edu_dma_to(&self->edu, IOVA + 9 * SZ_4K, 0, 8);
	ASSERT_EQ(0, __log_report(self->edu.fd, IOVA, SIZE, SZ_4K, f.log));
	EXPECT_EQ(1, bitmap_count(f.log, PAGES));
	EXPECT_TRUE(bitmap_test(f.log, 9));
}

TEST_HARNESS_MAIN
