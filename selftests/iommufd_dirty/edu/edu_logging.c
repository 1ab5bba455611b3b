// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests the DMA logging of the edu device's driver through the VFIO interface: limits,
 * ranges, and reports that cover only part of a page. The expected reports follow from
 * the transfers that the test has issued.
 */
#include <errno.h>
#include <fcntl.h>
#include <kselftest_harness.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "lib.h"

#define IOVA		(2 * SZ_1G)	/* a multiple of every page size */
#define PAGES		64
#define SIZE		(PAGES * SZ_4K)
#define MAX_RANGES	8
#define LOG_PAGES	0x4000000ULL
#define RANDOM_ROUNDS	60
#define MAX_NTH		200

FIXTURE(edu_logging)
{
	int fd;
	__u32 ioas;
	struct edu edu;
	__u64 *mem;
};

FIXTURE_SETUP(edu_logging)
{
	OPEN_OR_SKIP(return, env_need_pci(1));
	random_init();
	self->fd = check(open("/dev/iommu", O_RDWR | O_CLOEXEC));
	edu_set_driver("edu_vfio_pci");
	self->ioas = ioas_alloc(self->fd);
	edu_open(&self->edu, 0, self->fd);
	edu_attach(&self->edu, self->ioas);
	self->mem = mem_alloc(SIZE);
	ioas_map(self->fd, self->ioas, self->mem, SIZE, IOVA);
}

FIXTURE_TEARDOWN(edu_logging)
{
	if (!self->mem)
		return;
	edu_close(&self->edu);
	close(self->fd);
	mem_free(self->mem, SIZE);
}

static int start_one(struct edu *edu, __u64 iova, __u64 length, __u64 page_size)
{
	struct log_range range = { iova, length };

	return __log_start(edu->fd, &range, 1, &page_size);
}

/* Returns the bits of the first 64 pages of 4 KiB from @iova */
static __u64 report_word(struct edu *edu, __u64 iova, __u64 length)
{
	__u64 word = 0;

	check(__log_report(edu->fd, iova, length, SZ_4K, &word));
	return word;
}

/* START must fail with @error and leave logging off */
static void refuse(struct __test_metadata *_metadata, struct edu *edu, int error,
		   const struct log_range *ranges, __u32 num, __u64 page_size)
{
	__u64 word;

	EXPECT_EQ(-error, __log_start(edu->fd, ranges, num, &page_size));
	EXPECT_EQ(-EINVAL, __log_report(edu->fd, IOVA, SIZE, SZ_4K, &word));
}

/* The driver would not see, nor log, a transfer that is started through an mmap */
TEST_F(edu_logging, no_mmap)
{
	struct vfio_region_info info = vfio_region_info(self->edu.fd,
							VFIO_PCI_BAR0_REGION_INDEX);

	EXPECT_FALSE(info.flags & VFIO_REGION_INFO_FLAG_MMAP);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, SZ_4K, PROT_READ | PROT_WRITE, MAP_SHARED,
				   self->edu.fd, info.offset));
	EXPECT_EQ(EINVAL, errno);
}

TEST_F(edu_logging, limits)
{
	struct log_range many[MAX_RANGES + 1];
	struct log_range wide[2] = {
		{ 0, LOG_PAGES / 2 * SZ_4K },
		{ SZ_1G * SZ_1M, LOG_PAGES / 2 * SZ_4K },
	};
	__u64 size = SZ_4K, word;
	unsigned int i;

	for (i = 0; i < MAX_RANGES + 1; i++)
		many[i] = (struct log_range){ IOVA + 2 * i * SZ_4K, SZ_4K };
	/* one range too many: two are merged, with the page between them */
	ASSERT_EQ(0, __log_start(self->edu.fd, many, MAX_RANGES + 1, &size));
	for (i = 0; i < 2 * MAX_RANGES; i++)
		edu_dma_to(&self->edu, IOVA + i * SZ_4K, 0, 8);
	word = report_word(&self->edu, IOVA, SIZE);
	EXPECT_EQ(0x5555, word & 0x5555);
	EXPECT_EQ(1, __builtin_popcountll(word & ~0x5555ULL));
	ASSERT_EQ(0, __log_stop(self->edu.fd));

	ASSERT_EQ(0, __log_start(self->edu.fd, many, MAX_RANGES, &size));
	for (i = 0; i < MAX_RANGES + 1; i++)
		edu_dma_to(&self->edu, many[i].iova, 0, 8);
	EXPECT_EQ(0x5555, report_word(&self->edu, IOVA, SIZE));
	ASSERT_EQ(0, __log_stop(self->edu.fd));

	/* the page limit applies to the sum of all ranges */
	ASSERT_EQ(0, __log_start(self->edu.fd, wide, 2, &size));
	edu_dma_to(&self->edu, IOVA + 5 * SZ_4K, 0, 8);
	EXPECT_EQ(0x20, report_word(&self->edu, IOVA, SIZE));
	ASSERT_EQ(0, __log_stop(self->edu.fd));
	wide[1].length += SZ_4K;
	refuse(_metadata, &self->edu, E2BIG, wide, 2, SZ_4K);
	/* the limit counts pages, not bytes */
	wide[1].length -= SZ_4K;
	wide[0].length *= 2;
	refuse(_metadata, &self->edu, E2BIG, wide, 2, SZ_4K);
	size = SZ_2M;
	ASSERT_EQ(0, __log_start(self->edu.fd, wide, 2, &size));
}

/* The requested page size, and the one that the driver uses */
TEST_F(edu_logging, page_sizes)
{
	static const __u64 sizes[][2] = {
		{ 1, SZ_4K }, { 512, SZ_4K }, { SZ_4K, SZ_4K }, { 2 * SZ_4K, 2 * SZ_4K },
		{ SZ_64K, SZ_64K }, { SZ_2M, SZ_2M }, { SZ_1G, SZ_1G }, { 2 * SZ_1G, SZ_1G },
	};
	static const __u64 bad[] = { 0, 3, 3 * SZ_4K, SZ_2M + SZ_4K };
	struct log_range range = { IOVA, 4 * SZ_1G };
	__u64 bits = range.length / SZ_4K, size, i, wrong;
	void *bitmap = mem_alloc(bits / 8);
	unsigned int n;

	for (n = 0; n < ARRAY_SIZE(sizes); n++) {
		size = sizes[n][0];
		ASSERT_EQ(0, __log_start(self->edu.fd, &range, 1, &size));
		EXPECT_EQ(sizes[n][1], size);
		edu_dma_to(&self->edu, IOVA + 3 * SZ_4K, 0, 8);
		memset(bitmap, 0, bits / 8);
		ASSERT_EQ(0, __log_report(self->edu.fd, range.iova, range.length, SZ_4K, bitmap));
		for (i = 0, wrong = 0; i < bits; i++)
			wrong += bitmap_test(bitmap, i) !=
				 (i * SZ_4K / sizes[n][1] == 3 * SZ_4K / sizes[n][1]);
		EXPECT_EQ(0, wrong);
		ASSERT_EQ(0, __log_stop(self->edu.fd));
	}
	/* the range is a multiple of the page size and starts at 0, so it is aligned */
	for (n = 0; n < ARRAY_SIZE(bad); n++) {
		range.iova = 0;
		range.length = bad[n] << 20;
		refuse(_metadata, &self->edu, EINVAL, &range, 1, bad[n]);
	}
	mem_free(bitmap, bits / 8);
}

/* A report of part of a page does not lose the rest of it */
TEST_F(edu_logging, part_of_a_page)
{
	ASSERT_EQ(0, start_one(&self->edu, IOVA, SIZE, SZ_64K));
	edu_dma_to(&self->edu, IOVA + SZ_64K + SZ_4K, 0, 8);
	EXPECT_EQ(0x1, report_word(&self->edu, IOVA + SZ_64K, SZ_4K));
	EXPECT_EQ(0xfffe, report_word(&self->edu, IOVA + SZ_64K, SZ_64K) & ~1ULL);
	EXPECT_EQ(0, report_word(&self->edu, IOVA, SIZE));
	ASSERT_EQ(0, __log_stop(self->edu.fd));

	/* a page that a range covers in part: only writes to that part count */
	ASSERT_EQ(0, start_one(&self->edu, IOVA + 512, 1024, 512));
	edu_dma_to(&self->edu, IOVA, 0, 512);
	edu_dma_to(&self->edu, IOVA + 512 + 1024, 0, 8);
	EXPECT_EQ(0, report_word(&self->edu, IOVA, SIZE));
	edu_dma_to(&self->edu, IOVA + 512, 0, 1);
	EXPECT_EQ(0, report_word(&self->edu, IOVA, 512));
	EXPECT_EQ(1, report_word(&self->edu, IOVA + 1024, 1));
	EXPECT_EQ(1, report_word(&self->edu, IOVA + 512, 1024));
	EXPECT_EQ(0, report_word(&self->edu, IOVA, SIZE));
}

/* START and STOP; user errors do not change the logging state */
TEST_F(edu_logging, on_and_off)
{
	struct log_range range = { IOVA, SIZE };
	__u64 size = SZ_4K, word;
	void *bad = mem_alloc(SZ_4K);

	ASSERT_EQ(0, mprotect(bad, SZ_4K, PROT_NONE));
	EXPECT_EQ(-EINVAL, __log_report(self->edu.fd, IOVA, SIZE, SZ_4K, &word));
	refuse(_metadata, &self->edu, EFAULT, bad, 1, SZ_4K);
	refuse(_metadata, &self->edu, EINVAL, &range, 0, SZ_4K);
	ASSERT_EQ(0, __log_start(self->edu.fd, &range, 1, &size));
	edu_dma_to(&self->edu, IOVA, 0, 8);
	EXPECT_EQ(-EBUSY, __log_start(self->edu.fd, &range, 1, &size));
	EXPECT_EQ(-EINVAL, __log_report(self->edu.fd, IOVA, 0, SZ_4K, &word));
	EXPECT_EQ(-EINVAL, __log_report(self->edu.fd, IOVA, SIZE, 512, &word));
	EXPECT_EQ(1, report_word(&self->edu, IOVA, SIZE));

	edu_dma_to(&self->edu, IOVA + SZ_4K, 0, 8);
	/* bits that the driver has cleared are lost, but nothing is reported as clean */
	EXPECT_EQ(-EFAULT, __log_report(self->edu.fd, IOVA, SIZE, SZ_4K, bad));
	edu_dma_to(&self->edu, IOVA + SZ_4K, 0, 8);
	ASSERT_EQ(0, __log_stop(self->edu.fd));
	EXPECT_EQ(-EINVAL, __log_report(self->edu.fd, IOVA, SIZE, SZ_4K, &word));
	edu_dma_to(&self->edu, IOVA + 2 * SZ_4K, 0, 8);
	ASSERT_EQ(0, __log_start(self->edu.fd, &range, 1, &size));
	EXPECT_EQ(0, report_word(&self->edu, IOVA, SIZE));
	/* DMA reads are not logged */
	edu_dma_from(&self->edu, IOVA, 0, 8);
	EXPECT_EQ(0, report_word(&self->edu, IOVA, SIZE));
	/* logging continues after a device reset */
	edu_dma_to(&self->edu, IOVA + 3 * SZ_4K, 0, 8);
	ASSERT_EQ(0, ioctl(self->edu.fd, VFIO_DEVICE_RESET));
	edu_dma_to(&self->edu, IOVA + 4 * SZ_4K, 0, 8);
	EXPECT_EQ(0x18, report_word(&self->edu, IOVA, SIZE));
	mem_free(bad, SZ_4K);
}

/* IOVA 0, the highest IOVA, and a transfer that goes past the end */
TEST_F(edu_logging, ends)
{
	struct iommu_iova_range low, high;
	struct log_range ranges[2] = { { 0, 2 * SZ_4K }, { 0, 2 * SZ_4K } };
	__u64 size = SZ_4K, top;

	ioas_aperture(self->fd, self->ioas, &low, &high);
	ASSERT_EQ(0, low.start);
	top = (high.last & ~(SZ_4K - 1)) - SZ_4K;
	/* VFIO rejects a range that ends at 2^64 */
	if (high.last == ~0ULL)
		top -= SZ_4K;
	ranges[1].iova = top;
	ioas_map(self->fd, self->ioas, self->mem, 2 * SZ_4K, 0);
	ioas_map(self->fd, self->ioas, self->mem, 2 * SZ_4K, top);
	ASSERT_EQ(0, __log_start(self->edu.fd, ranges, 2, &size));
	edu_dma_to(&self->edu, 0, 0, 8);
	edu_dma_to(&self->edu, top + 2 * SZ_4K - 8, 0, 8);
	EXPECT_EQ(1, report_word(&self->edu, 0, 2 * SZ_4K));
	EXPECT_EQ(2, report_word(&self->edu, top, 2 * SZ_4K));

	/* The transfer may wrap to IOVA 0 */
	self->mem[0] = ~0ULL;
	edu_dma_to(&self->edu, -4ULL, 0, 8);
	EXPECT_EQ(1, report_word(&self->edu, 0, 2 * SZ_4K));
	EXPECT_EQ(0, report_word(&self->edu, top, 2 * SZ_4K));
	lib_note("a transfer past the end %s to 0", ~self->mem[0] ? "wraps" : "does not wrap");
}

/* The test's model of a page of a range */
struct cell {
	__u64 start;
	__u64 last;
	bool dirty;
};

struct cells {
	unsigned int num;
	struct cell cell[PAGES + MAX_RANGES];
};

static void cells_add(struct cells *c, const struct log_range *r, __u64 page_size)
{
	__u64 at = r->iova, next;

	for (; at < r->iova + r->length; at = next) {
		next = (at / page_size + 1) * page_size;
		if (next > r->iova + r->length)
			next = r->iova + r->length;
		c->cell[c->num++] = (struct cell){ at, next - 1, false };
	}
}

static void cells_write(struct cells *c, __u64 iova, size_t len)
{
	unsigned int i;

	for (i = 0; i < c->num; i++)
		if (iova <= c->cell[i].last && iova + len - 1 >= c->cell[i].start)
			c->cell[i].dirty = true;
}

static __u64 cells_report(struct cells *c, __u64 iova, __u64 length, __u64 page_size)
{
	__u64 word = 0, byte, last = iova + length - 1;
	struct cell *cell;

	for (cell = c->cell; cell < c->cell + c->num; cell++) {
		if (!cell->dirty || cell->start > last || cell->last < iova)
			continue;
		for (byte = iova; byte <= last; byte++)
			if (byte >= cell->start && byte <= cell->last)
				word |= 1ULL << ((byte - iova) / page_size);
		if (cell->start >= iova && cell->last <= last)
			cell->dirty = false;
	}
	return word;
}

/* Random ranges, transfers and reports: each bit must match the model */
TEST_F(edu_logging, random)
{
	struct log_range ranges[MAX_RANGES];
	__u64 unit, size, at, len, word, ask;
	struct cells cells;
	unsigned int round, num, i;

	for (round = 0; round < RANDOM_ROUNDS; round++) {
		unit = 512ULL << random_below(8);
		size = unit;
		cells.num = 0;
		at = IOVA;
		for (num = 0; num < MAX_RANGES; num++) {
			at += random_below(3) * unit;
			len = (1 + random_below(SIZE / unit / 6 + 1)) * unit;
			if (at + len > IOVA + SIZE)
				break;
			ranges[num] = (struct log_range){ at, len };
			cells_add(&cells, &ranges[num], unit < SZ_4K ? SZ_4K : unit);
			at += len;
		}
		if (!num)
			continue;
		ASSERT_EQ(0, __log_start(self->edu.fd, ranges, num, &size));
		for (i = 0; i < 40; i++) {
			if (random_below(3)) {
				len = 1 + random_below(random_below(2) ? 16 : EDU_BUF_SIZE);
				at = IOVA + random_below(SIZE - len + 1);
				edu_dma_to(&self->edu, at, 0, len);
				cells_write(&cells, at, len);
				continue;
			}
			ask = SZ_4K << random_below(4);
			len = 1 + random_below(SIZE);
			at = IOVA + random_below(SIZE - len + 1);
			word = 0;
			ASSERT_EQ(0, __log_report(self->edu.fd, at, len, ask, &word));
			ASSERT_EQ(cells_report(&cells, at, len, ask), word) {
				TH_LOG("round %u, pages of %#llx: report of %#llx bytes at %#llx",
				       round, size, len, at);
			}
		}
		ASSERT_EQ(0, __log_stop(self->edu.fd));
	}
}

/* Fails each allocation of START in turn, which must leave logging off */
TEST_F(edu_logging, fail_nth)
{
	struct log_range ranges[2] = { { IOVA, SZ_4K }, { IOVA + SZ_64K, SZ_4K } };
	unsigned int nth, errors = 0;
	bool failed = true;
	__u64 size, word;
	int rc;

	if (!fail_setup())
		SKIP(return, "no fault injection in this kernel");
	ASSERT_EQ(0, mlockall(MCL_CURRENT));
	for (nth = 1; failed && nth < MAX_NTH; nth++) {
		size = SZ_4K;
		fail_nth(nth);
		rc = __log_start(self->edu.fd, ranges, 2, &size);
		failed = fail_nth_end();
		if (rc) {
			ASSERT_EQ(-ENOMEM, rc);
			errors++;
			refuse(_metadata, &self->edu, EINVAL, ranges, 0, SZ_4K);
			continue;
		}
		edu_dma_to(&self->edu, IOVA, 0, 8);
		word = 0;
		fail_nth(nth);
		rc = __log_report(self->edu.fd, IOVA, SIZE, SZ_4K, &word);
		failed |= fail_nth_end();
		if (rc)
			EXPECT_EQ(-ENOMEM, rc);
		/* at least one report has the page, whatever failed */
		word |= report_word(&self->edu, IOVA, SIZE);
		EXPECT_EQ(1, word);
		ASSERT_EQ(0, __log_stop(self->edu.fd));
	}
	EXPECT_FALSE(failed);
	EXPECT_GT(errors, 2);
	munlockall();
}

TEST_HARNESS_MAIN
