// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of range sets: normalize, widen, merge, coarsen and look up random sets
 * at both ends of the address space, and compare them with an array of one byte per
 * page.
 */
#include <kunit/test.h>
#include <linux/mm.h>
#include <linux/prandom.h>
#include <linux/slab.h>

#include "../device/ranges.h"

#define MODEL_PAGES	600
#define MODEL_BYTES	(MODEL_PAGES * SZ_4K)
#define MAX_RANGES	60
#define ROUNDS		400

struct ranges_test {
	struct rnd_state rnd;
	unsigned long base;
	u8 in[MODEL_PAGES];
	u8 out[MODEL_PAGES];
};

static u32 rnd(struct ranges_test *t, u32 below)
{
	return prandom_u32_state(&t->rnd) % below;
}

static int ranges_test_init(struct kunit *test)
{
	struct ranges_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, t);
	prandom_seed_state(&t->rnd, 0x72616e67);
	test->priv = t;
	return 0;
}

/* Create ranges in random order, which may overlap, and record them in the model */
static struct iommufd_dirty_ranges *make(struct kunit *test)
{
	struct ranges_test *t = test->priv;
	struct iommufd_dirty_ranges *ranges;
	unsigned int nr = 1 + rnd(t, MAX_RANGES), i;

	ranges = kunit_kzalloc(test, struct_size(ranges, range, nr),
			       GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ranges);
	ranges->nr = nr;
	memset(t->in, 0, sizeof(t->in));
	for (i = 0; i < nr; i++) {
		unsigned int first = rnd(t, MODEL_PAGES);
		unsigned int num = 1 + rnd(t, min(MODEL_PAGES - first, 12U));

		ranges->range[i].iova = t->base + first * SZ_4K;
		ranges->range[i].last = ranges->range[i].iova +
					(num * SZ_4K - 1);
		memset(t->in + first, 1, num);
	}
	return ranges;
}

/* Check that @ranges are ascending and do not touch, and write them to t->out */
static void look(struct kunit *test, const struct iommufd_dirty_ranges *ranges)
{
	struct ranges_test *t = test->priv;
	unsigned int i;

	memset(t->out, 0, sizeof(t->out));
	for (i = 0; i < ranges->nr; i++) {
		const struct iommufd_dirty_range *range = &ranges->range[i];
		unsigned long first = (range->iova - t->base) / SZ_4K;
		unsigned long last = (range->last - t->base) / SZ_4K;

		KUNIT_ASSERT_LE(test, range->iova, range->last);
		KUNIT_ASSERT_LT(test, last, MODEL_PAGES);
		if (i)
			KUNIT_EXPECT_GT(test, range->iova - 1,
					range[-1].last);
		memset(t->out + first, 1, last - first + 1);
	}
}

static unsigned int runs_of(const u8 *pages)
{
	unsigned int i, n = 0;

	for (i = 0; i < MODEL_PAGES; i++)
		n += pages[i] && (!i || !pages[i - 1]);
	return n;
}

static void test_normalize(struct kunit *test)
{
	struct ranges_test *t = test->priv;
	struct iommufd_dirty_ranges *ranges;
	unsigned int round;

	for (round = 0; round < ROUNDS; round++) {
		t->base = round % 3 ? (round % 3 == 1 ? 0 : -MODEL_BYTES) :
				      SZ_1T - SZ_4K;
		ranges = make(test);
		iommufd_dirty_ranges_normalize(ranges);
		look(test, ranges);
		KUNIT_EXPECT_MEMEQ(test, t->in, t->out, MODEL_PAGES);
		KUNIT_EXPECT_EQ(test, runs_of(t->in), ranges->nr);
	}
}

static void test_widen(struct kunit *test)
{
	struct ranges_test *t = test->priv;
	struct iommufd_dirty_ranges *ranges;
	unsigned int round, page;

	for (round = 0; round < ROUNDS; round++) {
		unsigned int pages = 1U << rnd(t, 4);

		t->base = round % 2 ? 0 : -MODEL_BYTES;
		ranges = make(test);
		iommufd_dirty_ranges_widen(ranges, pages * SZ_4K);
		look(test, ranges);
		for (page = 0; page < MODEL_PAGES; page++)
			if (t->in[page])
				memset(t->in + page / pages * pages, 1, pages);
		KUNIT_EXPECT_MEMEQ(test, t->in, t->out, MODEL_PAGES);
		KUNIT_EXPECT_EQ(test, runs_of(t->in), ranges->nr);
	}
}

/* The model closes one gap at a time, the narrowest first, and only as many as needed */
static void model_coarsen(u8 *pages, unsigned int max)
{
	while (runs_of(pages) > max) {
		unsigned int i, end, at = 0, narrow = MODEL_PAGES;

		for (i = 1; i < MODEL_PAGES; i++) {
			if (pages[i] || !pages[i - 1])
				continue;
			for (end = i; end < MODEL_PAGES && !pages[end]; end++)
				;
			if (end < MODEL_PAGES && end - i < narrow) {
				narrow = end - i;
				at = i;
			}
		}
		memset(pages + at, 1, narrow);
	}
}

static void test_coarsen(struct kunit *test)
{
	struct ranges_test *t = test->priv;
	struct iommufd_dirty_ranges *ranges;
	unsigned int round, max;

	for (round = 0; round < ROUNDS; round++) {
		t->base = round % 2 ? -MODEL_BYTES : 0;
		ranges = make(test);
		iommufd_dirty_ranges_normalize(ranges);
		max = 1 + rnd(t, MAX_RANGES);
		KUNIT_ASSERT_EQ(test, 0,
				iommufd_dirty_ranges_coarsen(ranges, max));
		look(test, ranges);
		model_coarsen(t->in, max);
		KUNIT_EXPECT_MEMEQ(test, t->in, t->out, MODEL_PAGES);
	}
}

static void test_next(struct kunit *test)
{
	struct ranges_test *t = test->priv;
	struct iommufd_dirty_ranges *ranges;
	struct iommufd_dirty_range part;
	unsigned int round, first, last, i;
	unsigned long iova;

	KUNIT_EXPECT_FALSE(test, iommufd_dirty_ranges_next(NULL, 0, ULONG_MAX,
							   &part));
	for (round = 0; round < ROUNDS; round++) {
		t->base = round % 2 ? -MODEL_BYTES : 0;
		ranges = make(test);
		iommufd_dirty_ranges_normalize(ranges);
		first = rnd(t, MODEL_PAGES);
		last = first + rnd(t, MODEL_PAGES - first);
		for (i = first; i <= last && !t->in[i]; i++)
			;
		/* The first or the last byte of a page */
		iova = t->base + first * SZ_4K;
		if (first != last && rnd(t, 2))
			iova += SZ_4K - 1;
		KUNIT_ASSERT_EQ(test, i <= last,
				iommufd_dirty_ranges_next(ranges, iova,
							  t->base + last * SZ_4K,
							  &part));
		if (i > last)
			continue;
		KUNIT_EXPECT_GE(test, t->base + i * SZ_4K, part.iova);
		KUNIT_EXPECT_LE(test, t->base + i * SZ_4K, part.last);
	}
}

static void test_union(struct kunit *test)
{
	struct ranges_test *t = test->priv;
	struct iommufd_dirty_ranges *a, *b, *both;
	u8 *pages = kunit_kzalloc(test, MODEL_PAGES, GFP_KERNEL);
	unsigned int round, i;
	bool within;

	KUNIT_ASSERT_NOT_NULL(test, pages);
	for (round = 0; round < ROUNDS; round++) {
		t->base = round % 2 ? -MODEL_BYTES : 0;
		a = make(test);
		memcpy(pages, t->in, MODEL_PAGES);
		b = make(test);
		/* Few ranges, so that b is sometimes within a */
		b->nr = 1 + rnd(t, min(b->nr, 3U));
		iommufd_dirty_ranges_normalize(a);
		iommufd_dirty_ranges_normalize(b);
		look(test, b);
		for (within = true, i = 0; i < MODEL_PAGES; i++) {
			within &= pages[i] || !t->out[i];
			pages[i] |= t->out[i];
		}
		KUNIT_EXPECT_EQ(test, within, iommufd_dirty_ranges_cover(a, b));
		both = iommufd_dirty_ranges_union(a, b);
		KUNIT_ASSERT_NOT_NULL(test, both);
		look(test, both);
		KUNIT_EXPECT_MEMEQ(test, pages, t->out, MODEL_PAGES);
		KUNIT_EXPECT_TRUE(test, iommufd_dirty_ranges_cover(both, a));
		KUNIT_EXPECT_TRUE(test, iommufd_dirty_ranges_cover(both, b));
		kvfree(both);
	}
}

/* The intersection does not depend on the order of the sets, and may be empty */
static void test_intersect(struct kunit *test)
{
	struct ranges_test *t = test->priv;
	struct iommufd_dirty_ranges *a, *b, *both;
	u8 *pages = kunit_kzalloc(test, MODEL_PAGES, GFP_KERNEL);
	unsigned int round, i;

	KUNIT_ASSERT_NOT_NULL(test, pages);
	for (round = 0; round < ROUNDS; round++) {
		t->base = round % 2 ? -MODEL_BYTES : 0;
		a = make(test);
		memcpy(pages, t->in, MODEL_PAGES);
		b = make(test);
		/* With few ranges, the intersection may be empty */
		b->nr = 1 + rnd(t, b->nr);
		iommufd_dirty_ranges_normalize(a);
		iommufd_dirty_ranges_normalize(b);
		look(test, b);
		for (i = 0; i < MODEL_PAGES; i++)
			pages[i] &= t->out[i];
		both = iommufd_dirty_ranges_alloc(a->nr + b->nr);
		KUNIT_ASSERT_NOT_NULL(test, both);
		iommufd_dirty_ranges_intersect(both, a, b);
		look(test, both);
		KUNIT_EXPECT_MEMEQ(test, pages, t->out, MODEL_PAGES);
		KUNIT_EXPECT_TRUE(test, iommufd_dirty_ranges_cover(a, both));
		both->nr = a->nr + b->nr;
		iommufd_dirty_ranges_intersect(both, b, a);
		look(test, both);
		KUNIT_EXPECT_MEMEQ(test, pages, t->out, MODEL_PAGES);
		kvfree(both);
	}
}

static struct kunit_case ranges_cases[] = {
	KUNIT_CASE(test_normalize),
	KUNIT_CASE(test_widen),
	KUNIT_CASE(test_coarsen),
	KUNIT_CASE(test_next),
	KUNIT_CASE(test_union),
	KUNIT_CASE(test_intersect),
	{}
};

static struct kunit_suite ranges_suite = {
	.name = "iommufd_dirty_ranges",
	.init = ranges_test_init,
	.test_cases = ranges_cases,
};

kunit_test_suite(ranges_suite);
