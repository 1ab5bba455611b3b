// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the ledger: random marks, clears, lookups, reservations and trims at
 * both ends of the address space and in between, compared with a simple model of one
 * byte per page. After failed allocations, the ledger must still report all marked
 * pages. The tests also check that it frees memory.
 */
#include <kunit/static_stub.h>
#include <kunit/test.h>
#include <kunit/test-bug.h>
#include <linux/bitmap.h>
#include <linux/cpumask.h>
#include <linux/kthread.h>
#include <linux/prandom.h>

#include "../sink/sink.h"

#define CHUNK_BYTES	BIT(IOMMUFD_DIRTY_LEDGER_CHUNK_SHIFT)
#define MODEL_BYTES	(5 * CHUNK_BYTES)
#define MODEL_PAGES	(MODEL_BYTES / SZ_4K)

/* On average, ledger_test::fail of this many allocations fail */
#define FAIL_OF		8

struct ledger_test {
	struct rnd_state rnd;
	struct iommufd_dirty_ledger ledger;
	unsigned long base;
	unsigned int fail;
	u8 *dirty;
	u8 *got;
};

static u32 rnd(struct ledger_test *t, u32 below)
{
	return prandom_u32_state(&t->rnd) % below;
}

static unsigned long *alloc_or_not(gfp_t gfp)
{
	struct ledger_test *t = kunit_get_current_test()->priv;

	if (rnd(t, FAIL_OF) < t->fail)
		return NULL;
	return bitmap_zalloc(IOMMUFD_DIRTY_LEDGER_BITS, gfp);
}

static int ledger_test_init(struct kunit *test)
{
	struct ledger_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, t);
	t->dirty = kunit_kzalloc(test, MODEL_PAGES, GFP_KERNEL);
	t->got = kunit_kzalloc(test, MODEL_PAGES, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t->dirty);
	KUNIT_ASSERT_NOT_NULL(test, t->got);
	prandom_seed_state(&t->rnd, 0x6c646772);
	iommufd_dirty_ledger_init(&t->ledger);
	test->priv = t;
	kunit_activate_static_stub(test, iommufd_dirty_ledger_alloc,
				   alloc_or_not);
	return 0;
}

static void ledger_test_exit(struct kunit *test)
{
	struct ledger_test *t = test->priv;

	if (t)
		iommufd_dirty_ledger_fini(&t->ledger);
}

static unsigned long model_page(const struct ledger_test *t, unsigned long iova)
{
	return (iova - t->base) / SZ_4K;
}

static void model_mark(struct ledger_test *t, unsigned long iova,
		       unsigned long last)
{
	unsigned long page;

	for (page = model_page(t, iova); page <= model_page(t, last); page++)
		t->dirty[page] = 1;
}

/* Pages that are only partly in the range stay dirty */
static void model_clear(struct ledger_test *t, unsigned long iova,
			unsigned long last)
{
	unsigned long page;

	for (page = model_page(t, iova); page <= model_page(t, last); page++) {
		unsigned long first = t->base + page * SZ_4K;

		if (first >= iova && first + (SZ_4K - 1) <= last)
			t->dirty[page] = 0;
	}
}

static bool model_run(const struct ledger_test *t, unsigned long iova,
		      unsigned long last, struct iommufd_dirty_range *run)
{
	unsigned long page = model_page(t, iova), end = model_page(t, last) + 1;

	while (page < end && !t->dirty[page])
		page++;
	if (page == end)
		return false;
	run->iova = max(iova, t->base + page * SZ_4K);
	while (page < end && t->dirty[page])
		page++;
	run->last = min(last, t->base + page * SZ_4K - 1);
	return true;
}

/* A range from one byte to several chunks, sometimes of whole pages */
static void random_range(struct ledger_test *t, unsigned long *iova,
			 unsigned long *last)
{
	unsigned long first = rnd(t, MODEL_BYTES);
	unsigned long length = 1 + rnd(t, 1U << rnd(t, 27));

	if (rnd(t, 2))
		first = ALIGN_DOWN(first, SZ_4K);
	length = min(length, MODEL_BYTES - first);
	if (rnd(t, 2))
		length = ALIGN(first + length, SZ_4K) - first;
	*iova = t->base + first;
	*last = *iova + (length - 1);
}

/* Mark up to 64 entries of 4 KiB to 2 MiB like a walker */
static void mark_random_mask(struct ledger_test *t)
{
	static const unsigned int shifts[] = { 12, 14, 16, 21 };
	unsigned int shift = shifts[rnd(t, ARRAY_SIZE(shifts))];
	unsigned long offset = ALIGN_DOWN(rnd(t, MODEL_BYTES), BIT(shift));
	unsigned long room = (MODEL_BYTES - offset) >> shift;
	unsigned int i;
	u64 mask;

	mask = (u64)prandom_u32_state(&t->rnd) << 32 |
	       prandom_u32_state(&t->rnd);
	if (!rnd(t, 3))
		mask = U64_MAX;
	if (room < 64)
		mask &= BIT_ULL(room) - 1;
	t->ledger.sink.ops->mark_mask(&t->ledger.sink, t->base + offset, shift,
				      mask);
	for (i = 0; i < 64; i++, offset += BIT(shift))
		if (mask & BIT_ULL(i))
			model_mark(t, t->base + offset,
				   t->base + offset + BIT(shift) - 1);
}

static void one_step(struct kunit *test)
{
	struct ledger_test *t = test->priv;
	unsigned long iova, last;
	int rc;

	random_range(t, &iova, &last);
	switch (rnd(t, 8)) {
	case 0 ... 1:
		iommufd_dirty_ledger_mark(&t->ledger, iova, last);
		model_mark(t, iova, last);
		break;
	case 2:
		mark_random_mask(t);
		break;
	case 3:
		t->ledger.sink.ops->mark_range(&t->ledger.sink, iova, last);
		model_mark(t, iova, last);
		break;
	case 4 ... 5:
		iommufd_dirty_ledger_clear(&t->ledger, iova, last);
		model_clear(t, iova, last);
		break;
	case 6:
		rc = iommufd_dirty_ledger_reserve(&t->ledger, iova, last);
		if (!t->fail)
			KUNIT_EXPECT_EQ(test, rc, 0);
		break;
	case 7:
		iommufd_dirty_ledger_trim(&t->ledger, iova, last);
		break;
	}
}

/* Read the whole ledger into @t->got, one byte per page */
static void read_all(struct kunit *test)
{
	struct ledger_test *t = test->priv;
	unsigned long iova = t->base, last = iova + (MODEL_BYTES - 1);
	struct iommufd_dirty_range run;

	memset(t->got, 0, MODEL_PAGES);
	while (iommufd_dirty_ledger_run(&t->ledger, iova, last, &run)) {
		KUNIT_ASSERT_GE(test, run.iova, iova);
		KUNIT_ASSERT_LE(test, run.last, last);
		KUNIT_ASSERT_LT(test, run.iova, run.last);
		memset(t->got + model_page(t, run.iova), 1,
		       model_page(t, run.last) - model_page(t, run.iova) + 1);
		if (run.last == last)
			break;
		iova = run.last + 1;
	}
}

static unsigned int count_chunks(struct ledger_test *t)
{
	unsigned long *chunk, index;
	unsigned int nr = 0;

	xa_for_each(&t->ledger.chunks, index, chunk)
		nr++;
	return nr;
}

static const unsigned long bases[] = {
	0, SZ_1T - 2 * CHUNK_BYTES, 0UL - MODEL_BYTES,
};

static void test_against_model(struct kunit *test)
{
	struct ledger_test *t = test->priv;
	struct iommufd_dirty_range got, want;
	unsigned long iova, last, first;
	unsigned int i, step;
	bool found;

	for (i = 0; i < ARRAY_SIZE(bases); i++) {
		t->base = bases[i];
		for (step = 0; step < 400; step++) {
			one_step(test);
			random_range(t, &iova, &last);
			found = model_run(t, iova, last, &want);
			KUNIT_ASSERT_EQ(test, found,
					iommufd_dirty_ledger_run(&t->ledger,
								 iova, last,
								 &got));
			KUNIT_ASSERT_EQ(test, found,
					iommufd_dirty_ledger_first(&t->ledger,
								   iova, last,
								   &first));
			if (found) {
				KUNIT_ASSERT_EQ(test, first, want.iova);
				KUNIT_ASSERT_EQ(test, got.iova, want.iova);
				KUNIT_ASSERT_EQ(test, got.last, want.last);
			}
			if (step % 20)
				continue;
			read_all(test);
			KUNIT_ASSERT_MEMEQ(test, t->got, t->dirty, MODEL_PAGES);
		}
		KUNIT_EXPECT_EQ(test, t->ledger.coarse.nr, 0);
		iommufd_dirty_ledger_purge(&t->ledger);
		memset(t->dirty, 0, MODEL_PAGES);
	}
}

/* Some or all allocations fail: the ledger may report more pages, but never fewer */
static void test_no_memory(struct kunit *test)
{
	struct ledger_test *t = test->priv;
	unsigned int step, coarse = 0;
	unsigned long page;

	for (t->fail = 2; t->fail <= FAIL_OF; t->fail += 3) {
		t->base = bases[t->fail % ARRAY_SIZE(bases)];
		for (step = 0; step < 400; step++) {
			one_step(test);
			/* Time passes: marks allocate memory again */
			if (rnd(t, 2))
				t->ledger.starved = false;
			coarse = max(coarse, t->ledger.coarse.nr);
			if (step % 20)
				continue;
			read_all(test);
			for (page = 0; page < MODEL_PAGES; page++)
				if (t->dirty[page] && !t->got[page])
					break;
			KUNIT_ASSERT_EQ(test, page, MODEL_PAGES);
		}
		/* Coarse ranges are cleared like all others */
		iommufd_dirty_ledger_clear(&t->ledger, t->base,
					   t->base + (MODEL_BYTES - 1));
		memset(t->dirty, 0, MODEL_PAGES);
		read_all(test);
		KUNIT_EXPECT_MEMEQ(test, t->got, t->dirty, MODEL_PAGES);
		KUNIT_EXPECT_EQ(test, t->ledger.coarse.nr, 0);
		iommufd_dirty_ledger_purge(&t->ledger);
	}
	KUNIT_EXPECT_EQ(test, coarse, IOMMUFD_DIRTY_LEDGER_COARSE);
}

static void expect_run(struct kunit *test, unsigned long iova,
		       unsigned long want_iova, unsigned long want_last)
{
	struct ledger_test *t = test->priv;
	struct iommufd_dirty_range run = {};

	KUNIT_EXPECT_TRUE(test, iommufd_dirty_ledger_run(&t->ledger, iova,
							 ULONG_MAX, &run));
	KUNIT_EXPECT_EQ(test, run.iova, want_iova);
	KUNIT_EXPECT_EQ(test, run.last, want_last);
}

/* A sink that takes no lock, and expects a single mark */
struct one_sink {
	struct iommu_dirty_sink sink;
	struct iommufd_dirty_range range;
	unsigned int nr;
};

static void one_mark_range(struct iommu_dirty_sink *sink, unsigned long iova,
			   unsigned long last)
{
	struct one_sink *one = container_of(sink, struct one_sink, sink);

	one->range = (struct iommufd_dirty_range){ .iova = iova, .last = last };
	one->nr++;
}

static const struct iommu_dirty_sink_ops one_sink_ops = {
	.mark_mask = iommu_dirty_mark_runs,
	.mark_range = one_mark_range,
};

static void expect_coarse(struct kunit *test, unsigned long iova,
			  unsigned long last, unsigned int flags,
			  unsigned long want_iova, unsigned long want_last)
{
	struct one_sink to = { .sink.ops = &one_sink_ops };
	struct ledger_test *t = test->priv;

	iommufd_dirty_ledger_report_coarse(&t->ledger, iova, last, flags,
					   &to.sink);
	KUNIT_EXPECT_EQ(test, to.nr, 1);
	KUNIT_EXPECT_EQ(test, to.range.iova, want_iova);
	KUNIT_EXPECT_EQ(test, to.range.last, want_last);
}

static void test_report_coarse(struct kunit *test)
{
	struct ledger_test *t = test->priv;

	/* A bitmap, which is not reported, and a coarse range */
	iommufd_dirty_ledger_mark(&t->ledger, 0, SZ_4K - 1);
	iommufd_dirty_ledger_mark(&t->ledger, SZ_1T,
				  SZ_1T + IOMMUFD_DIRTY_LEDGER_LARGE - 1);

	expect_coarse(test, 0, SZ_1T + SZ_4K - 1, IOMMU_DIRTY_WALK_NO_CLEAR,
		      SZ_1T, SZ_1T + SZ_4K - 1);
	expect_run(test, SZ_1G, SZ_1T, SZ_1T + IOMMUFD_DIRTY_LEDGER_LARGE - 1);

	/* What is reported is cleared, in whole pages */
	expect_coarse(test, SZ_1T + SZ_4K, SZ_1T + SZ_16K + 1, 0,
		      SZ_1T + SZ_4K, SZ_1T + SZ_16K + 1);
	expect_run(test, 0, 0, SZ_4K - 1);
	expect_run(test, SZ_1G, SZ_1T, SZ_1T + SZ_4K - 1);
	expect_run(test, SZ_1T + SZ_4K, SZ_1T + SZ_16K,
		   SZ_1T + IOMMUFD_DIRTY_LEDGER_LARGE - 1);
}

/* Coarse ranges are exact while there are free slots; one more joins the nearest */
static void test_coarse(struct kunit *test)
{
	struct ledger_test *t = test->priv;
	struct iommufd_dirty_range run;
	unsigned long iova;

	t->fail = FAIL_OF;
	for (iova = 0; iova < IOMMUFD_DIRTY_LEDGER_COARSE * (u64)SZ_1G; iova += SZ_1G)
		iommufd_dirty_ledger_mark(&t->ledger, iova + 1, iova + 1);
	for (iova = 0; iova < IOMMUFD_DIRTY_LEDGER_COARSE * (u64)SZ_1G; iova += SZ_1G)
		expect_run(test, iova, iova, iova + SZ_4K - 1);

	/* One mark that touches a range, then two that do not */
	iommufd_dirty_ledger_mark(&t->ledger, SZ_1G + SZ_4K, SZ_1G + SZ_4K);
	expect_run(test, SZ_4K, SZ_1G, SZ_1G + 2 * SZ_4K - 1);
	iommufd_dirty_ledger_mark(&t->ledger, 3UL * SZ_1G - SZ_1M,
				  3UL * SZ_1G - SZ_1M);
	expect_run(test, 2UL * SZ_1G + SZ_4K, 3UL * SZ_1G - SZ_1M,
		   3UL * SZ_1G + SZ_4K - 1);
	iommufd_dirty_ledger_mark(&t->ledger, ULONG_MAX, ULONG_MAX);
	expect_run(test, 7UL * SZ_1G, 7UL * SZ_1G, ULONG_MAX);

	/* Without a slot for its second half, a range stays whole; with one, it splits */
	iommufd_dirty_ledger_clear(&t->ledger, 8UL * SZ_1G, 9UL * SZ_1G - 1);
	expect_run(test, 7UL * SZ_1G, 7UL * SZ_1G, ULONG_MAX);
	iommufd_dirty_ledger_clear(&t->ledger, 0, SZ_4K - 1);
	iommufd_dirty_ledger_clear(&t->ledger, 8UL * SZ_1G, 9UL * SZ_1G - 1);
	expect_run(test, 7UL * SZ_1G, 7UL * SZ_1G, 8UL * SZ_1G - 1);
	expect_run(test, 8UL * SZ_1G, 9UL * SZ_1G, ULONG_MAX);
	iommufd_dirty_ledger_clear(&t->ledger, SZ_1G, ULONG_MAX);
	KUNIT_EXPECT_FALSE(test, iommufd_dirty_ledger_run(&t->ledger, 0,
							  ULONG_MAX, &run));

	iommufd_dirty_ledger_mark(&t->ledger, SZ_1T, SZ_1T);
	iommufd_dirty_ledger_purge(&t->ledger);
	KUNIT_EXPECT_FALSE(test, iommufd_dirty_ledger_run(&t->ledger, 0,
							  ULONG_MAX, &run));
}

/* Marks in a reserved range are exact, even if later allocations fail */
static void test_reserve(struct kunit *test)
{
	struct ledger_test *t = test->priv;
	unsigned long iova = SZ_1T - SZ_4K, last = SZ_1T + 2 * CHUNK_BYTES - 1;
	struct iommufd_dirty_range run;

	KUNIT_ASSERT_EQ(test, iommufd_dirty_ledger_reserve(&t->ledger, iova,
							   last), 0);
	KUNIT_EXPECT_EQ(test, count_chunks(t), 3);
	KUNIT_EXPECT_FALSE(test, iommufd_dirty_ledger_run(&t->ledger, 0,
							  ULONG_MAX, &run));
	t->fail = FAIL_OF;
	KUNIT_EXPECT_EQ(test, iommufd_dirty_ledger_reserve(&t->ledger, iova,
							   last), 0);
	KUNIT_EXPECT_EQ(test, iommufd_dirty_ledger_reserve(&t->ledger, iova,
							   last + 1), -ENOMEM);
	iommufd_dirty_ledger_mark(&t->ledger, iova, iova);
	iommufd_dirty_ledger_mark(&t->ledger, last, last);
	KUNIT_EXPECT_EQ(test, t->ledger.coarse.nr, 0);
	expect_run(test, 0, iova, iova + SZ_4K - 1);
	expect_run(test, iova + SZ_4K, last - SZ_4K + 1, last);

	/* The chunk in the middle holds nothing */
	iommufd_dirty_ledger_trim(&t->ledger, 0, iova);
	KUNIT_EXPECT_EQ(test, count_chunks(t), 3);
	iommufd_dirty_ledger_trim(&t->ledger, 0, ULONG_MAX);
	KUNIT_EXPECT_EQ(test, count_chunks(t), 2);
	iommufd_dirty_ledger_clear(&t->ledger, 0, ULONG_MAX);
	KUNIT_EXPECT_EQ(test, count_chunks(t), 2);
	iommufd_dirty_ledger_trim(&t->ledger, 0, ULONG_MAX);
	KUNIT_EXPECT_TRUE(test, xa_empty(&t->ledger.chunks));
}

/* 16 GiB as one run; trim and purge free its memory */
static void test_large(struct kunit *test)
{
	struct ledger_test *t = test->priv;
	unsigned long iova = SZ_1T + SZ_4K, size = 16UL * SZ_1G;
	unsigned long last = iova + size - 1, middle = iova + size / 2;

	iommufd_dirty_ledger_mark(&t->ledger, iova, last);
	KUNIT_EXPECT_EQ(test, count_chunks(t), size / CHUNK_BYTES + 1);
	expect_run(test, 0, iova, last);
	iommufd_dirty_ledger_clear(&t->ledger, middle, middle + SZ_4K - 1);
	expect_run(test, 0, iova, middle - 1);
	expect_run(test, middle, middle + SZ_4K, last);
	iommufd_dirty_ledger_clear(&t->ledger, iova, middle - 1);
	iommufd_dirty_ledger_trim(&t->ledger, 0, ULONG_MAX);
	KUNIT_EXPECT_EQ(test, count_chunks(t), size / 2 / CHUNK_BYTES + 1);
	iommufd_dirty_ledger_purge(&t->ledger);
	KUNIT_EXPECT_TRUE(test, xa_empty(&t->ledger.chunks));
}

/* A mark does not go to the chunk of the last one if that has been freed */
static void test_recent(struct kunit *test)
{
	unsigned long same = IOMMUFD_DIRTY_LEDGER_SHARDS * CHUNK_BYTES;
	struct ledger_test *t = test->priv;

	iommufd_dirty_ledger_mark(&t->ledger, SZ_1G, SZ_1G);
	iommufd_dirty_ledger_clear(&t->ledger, 0, ULONG_MAX);
	iommufd_dirty_ledger_trim(&t->ledger, 0, ULONG_MAX);
	KUNIT_EXPECT_TRUE(test, xa_empty(&t->ledger.chunks));
	iommufd_dirty_ledger_mark(&t->ledger, SZ_1G, SZ_1G);
	expect_run(test, 0, SZ_1G, SZ_1G + SZ_4K - 1);
	iommufd_dirty_ledger_purge(&t->ledger);
	iommufd_dirty_ledger_mark(&t->ledger, SZ_1G, SZ_1G + SZ_8K - 1);
	expect_run(test, 0, SZ_1G, SZ_1G + SZ_8K - 1);
	iommufd_dirty_ledger_mark(&t->ledger, SZ_2G, SZ_2G);
	expect_run(test, SZ_1G + SZ_8K, SZ_2G, SZ_2G + SZ_4K - 1);

	/* Another bitmap with the same lock */
	iommufd_dirty_ledger_purge(&t->ledger);
	iommufd_dirty_ledger_mark(&t->ledger, 0, SZ_4K - 1);
	iommufd_dirty_ledger_mark(&t->ledger, same, same + SZ_4K - 1);
	expect_run(test, SZ_4K, same, same + SZ_4K - 1);
}

/* Very large marks take no memory, and no mark is lost */
static void test_huge(struct kunit *test)
{
	struct ledger_test *t = test->priv;
	struct iommufd_dirty_range run;
	unsigned int i;

	iommufd_dirty_ledger_mark(&t->ledger, 0, ULONG_MAX);
	KUNIT_EXPECT_TRUE(test, xa_empty(&t->ledger.chunks));
	KUNIT_ASSERT_TRUE(test, iommufd_dirty_ledger_run(&t->ledger, 0,
							 ULONG_MAX, &run));
	KUNIT_EXPECT_EQ(test, 0UL, run.iova);
	KUNIT_EXPECT_EQ(test, ULONG_MAX, run.last);
	iommufd_dirty_ledger_clear(&t->ledger, 0, ULONG_MAX);
	KUNIT_EXPECT_FALSE(test, iommufd_dirty_ledger_run(&t->ledger, 0,
							  ULONG_MAX, &run));
	for (i = 0; i < 4 * IOMMUFD_DIRTY_LEDGER_COARSE; i++) {
		unsigned long iova = i * SZ_1T;
		unsigned long last = iova + (IOMMUFD_DIRTY_LEDGER_LARGE - 1);

		iommufd_dirty_ledger_mark(&t->ledger, iova, last);
		KUNIT_ASSERT_TRUE(test,
				  iommufd_dirty_ledger_run(&t->ledger, iova,
							   last, &run));
		KUNIT_EXPECT_EQ(test, iova, run.iova);
		KUNIT_EXPECT_EQ(test, last, run.last);
	}
	KUNIT_EXPECT_TRUE(test, xa_empty(&t->ledger.chunks));
}

/* After a failure, marks do not allocate memory for a while, and then do again */
static void test_starved(struct kunit *test)
{
	struct ledger_test *t = test->priv;
	unsigned long before = jiffies, iova;

	t->fail = FAIL_OF;
	iommufd_dirty_ledger_mark(&t->ledger, 0, 0);
	KUNIT_EXPECT_TRUE(test, t->ledger.starved);
	KUNIT_EXPECT_FALSE(test, time_before(t->ledger.retry, before + HZ / 10));
	t->fail = 0;
	t->ledger.retry = jiffies + 1000 * HZ;
	iommufd_dirty_ledger_mark(&t->ledger, SZ_1G, SZ_1G);
	t->ledger.sink.ops->mark_mask(&t->ledger.sink, SZ_2G, 12, 0x90);
	KUNIT_EXPECT_TRUE(test, xa_empty(&t->ledger.chunks));
	expect_run(test, SZ_4K, SZ_1G, SZ_1G + SZ_4K - 1);
	iova = SZ_2G + 4 * SZ_4K;
	expect_run(test, SZ_2G, iova, iova + 4 * SZ_4K - 1);
	t->ledger.retry = jiffies;
	iommufd_dirty_ledger_mark(&t->ledger, SZ_1T, SZ_1T);
	KUNIT_EXPECT_EQ(test, count_chunks(t), 1);
	KUNIT_EXPECT_FALSE(test, t->ledger.starved);
}

/* Holes are marked in whole pages and in constant memory */
static void test_hole(struct kunit *test)
{
	struct ledger_test *t = test->priv;

	iommufd_dirty_ledger_mark_hole(&t->ledger, SZ_1G, SZ_2G + 99);
	expect_run(test, 0, SZ_1G, SZ_2G + SZ_4K - 1);
	iommufd_dirty_ledger_mark_hole(&t->ledger, 3UL * SZ_1G + 1, 3UL * SZ_1G + 1);
	expect_run(test, SZ_2G + SZ_4K, 3UL * SZ_1G, 3UL * SZ_1G + SZ_4K - 1);
	KUNIT_EXPECT_TRUE(test, xa_empty(&t->ledger.chunks));
}

/* A harvest looks at one window of bitmaps, and passes what has none at once */
static void test_bound(struct kunit *test)
{
	struct iommufd_dirty_ledger *ledger =
		&((struct ledger_test *)test->priv)->ledger;
	unsigned long last = SZ_1T + SZ_1G - 1;

	iommufd_dirty_ledger_mark(ledger, 4 * SZ_1T, ULONG_MAX);
	KUNIT_EXPECT_EQ(test, ULONG_MAX,
			iommufd_dirty_ledger_bound(ledger, SZ_1G, 0, ULONG_MAX));
	iommufd_dirty_ledger_mark(ledger, SZ_1T + SZ_2M, SZ_1T + SZ_2M);
	KUNIT_EXPECT_EQ(test, SZ_1T - 1,
			iommufd_dirty_ledger_bound(ledger, SZ_1G, 1, ULONG_MAX));
	KUNIT_EXPECT_EQ(test, last,
			iommufd_dirty_ledger_bound(ledger, SZ_1G, SZ_1T,
						   ULONG_MAX));
	KUNIT_EXPECT_EQ(test, last,
			iommufd_dirty_ledger_bound(ledger, SZ_1G, SZ_1T + SZ_2M,
						   ULONG_MAX));
	KUNIT_EXPECT_EQ(test, SZ_1T + SZ_4M,
			iommufd_dirty_ledger_bound(ledger, SZ_1G, SZ_1T,
						   SZ_1T + SZ_4M));
	KUNIT_EXPECT_EQ(test, ULONG_MAX,
			iommufd_dirty_ledger_bound(ledger, SZ_1G, last + 1,
						   ULONG_MAX));
}

static int mark_again(void *arg)
{
	while (!kthread_should_stop()) {
		iommufd_dirty_ledger_mark(arg, 0, 128UL * SZ_1G - 1);
		cond_resched();
	}
	return 0;
}

/* A coarse range that is marked again stays visible to those who look without the lock */
static void test_coarse_stays(struct kunit *test)
{
	struct iommufd_dirty_ledger *ledger =
		&((struct ledger_test *)test->priv)->ledger;
	unsigned int i, missed = 0;
	struct task_struct *task;
	unsigned long first;

	if (num_online_cpus() < 2)
		kunit_skip(test, "nothing races on one CPU");
	iommufd_dirty_ledger_mark(ledger, 0, 128UL * SZ_1G - 1);
	task = kthread_run(mark_again, ledger, "ledger-mark");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
	for (i = 0; i < 200000; i++)
		missed += !iommufd_dirty_ledger_first(ledger, SZ_1G, SZ_2G,
						      &first);
	kthread_stop(task);
	KUNIT_EXPECT_EQ(test, 0, missed);
}

static struct kunit_case ledger_cases[] = {
	KUNIT_CASE(test_against_model),
	KUNIT_CASE(test_no_memory),
	KUNIT_CASE(test_coarse),
	KUNIT_CASE(test_reserve),
	KUNIT_CASE(test_recent),
	KUNIT_CASE(test_large),
	KUNIT_CASE(test_huge),
	KUNIT_CASE(test_starved),
	KUNIT_CASE(test_report_coarse),
	KUNIT_CASE(test_hole),
	KUNIT_CASE(test_bound),
	{}
};

static struct kunit_suite ledger_suite = {
	.name = "iommufd_dirty_ledger",
	.init = ledger_test_init,
	.exit = ledger_test_exit,
	.test_cases = ledger_cases,
};

static struct kunit_case ledger_race_cases[] = {
	KUNIT_CASE(test_coarse_stays),
	{}
};

static struct kunit_suite ledger_race_suite = {
	.name = "iommufd_dirty_ledger_race",
	.init = ledger_test_init,
	.exit = ledger_test_exit,
	.test_cases = ledger_race_cases,
};

kunit_test_suites(&ledger_suite, &ledger_race_suite);
