// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the dirty walkers: tables of every format, walked over random
 * and over awkward ranges, against a naive list of what is mapped and dirty.
 */
#include <linux/prandom.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "walk_kunit.h"

struct krange {
	unsigned long first;
	unsigned long last;
};

/* A sink that keeps what it is told, neighbours merged */
struct krec {
	struct iommu_dirty_sink sink;
	struct krange ranges[8192];
	unsigned int nr;
};

static void krec_add(struct krec *rec, unsigned long first, unsigned long last)
{
	struct krange *prev = rec->nr ? &rec->ranges[rec->nr - 1] : NULL;

	if (prev && prev->last + 1 == first)
		prev->last = last;
	else if (!WARN_ON(rec->nr == ARRAY_SIZE(rec->ranges)))
		rec->ranges[rec->nr++] = (struct krange){ first, last };
}

static void krec_mark_range(struct iommu_dirty_sink *sink, unsigned long iova,
			    unsigned long last)
{
	krec_add(container_of(sink, struct krec, sink), iova, last);
}

static void krec_mark_mask(struct iommu_dirty_sink *sink, unsigned long iova,
			   unsigned int shift, u64 mask)
{
	unsigned int i;

	for (i = 0; i < 64; i++, iova += 1UL << shift)
		if (mask & BIT_ULL(i))
			krec_add(container_of(sink, struct krec, sink), iova,
				 iova + (1UL << shift) - 1);
}

static const struct iommu_dirty_sink_ops krec_ops = {
	.mark_mask = krec_mark_mask,
	.mark_range = krec_mark_range,
};

static struct krec *krec_alloc(struct kunit *test)
{
	struct krec *rec = kunit_kzalloc(test, sizeof(*rec), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, rec);
	rec->sink.ops = &krec_ops;
	return rec;
}

static struct iommu_dirty_walk kwalk(struct kpt *pt, struct krec *rec,
				     unsigned long iova, unsigned long last,
				     unsigned int flags)
{
	struct iommu_dirty_walk walk;

	if (rec)
		rec->nr = 0;
	iommu_dirty_walk_init(&walk, rec ? &rec->sink : NULL, flags);
	walk.iova = iova;
	walk.last = last;
	pt->fmt->walk(&pt->table, &walk);
	return walk;
}

static void expect_ranges(struct kunit *test, const struct krec *rec,
			  const struct krec *want)
{
	unsigned int i;

	KUNIT_ASSERT_EQ(test, rec->nr, want->nr);
	for (i = 0; i < rec->nr; i++) {
		KUNIT_EXPECT_EQ(test, rec->ranges[i].first,
				want->ranges[i].first);
		KUNIT_EXPECT_EQ(test, rec->ranges[i].last,
				want->ranges[i].last);
	}
}

static void expect_one(struct kunit *test, const struct krec *rec,
		       unsigned long first, unsigned long last)
{
	KUNIT_ASSERT_EQ(test, rec->nr, 1);
	KUNIT_EXPECT_EQ(test, rec->ranges[0].first, first);
	KUNIT_EXPECT_EQ(test, rec->ranges[0].last, last);
}

/* What is mapped, for the naive model */
struct kmapping {
	unsigned long iova;
	unsigned long last;
	unsigned int entries;
	u64 *ptes;
	bool dirty;
};

#define KMAPPINGS	600
#define KENTRIES	65536

static int kmapping_cmp(const void *a, const void *b)
{
	const struct kmapping *l = a, *r = b;

	return l->iova < r->iova ? -1 : l->iova > r->iova;
}

static bool kmapping_free(const u64 *ptes, unsigned int entries)
{
	while (entries--)
		if (ptes[entries])
			return false;
	return true;
}

/*
 * Leaves of the three lowest levels, as far as the table has them, alone and in
 * groups, in few tables each.
 */
static unsigned int map_random(struct kpt *pt, struct kmapping *maps,
			       struct rnd_state *rnd)
{
	const struct kfmt *fmt = pt->fmt;
	unsigned int i, nr = 0, used = 0;

	for (i = 0; i < KMAPPINGS; i++) {
		unsigned int level = prandom_u32_state(rnd) % 8;
		u32 r = prandom_u32_state(rnd), group = 0;
		struct kmapping *map = &maps[nr];
		unsigned long iova;

		level = level == 7 ? min(2U, pt->table.top_level) : level / 5;
		if (r & BIT(31) && fmt->groups[level])
			group = fmt->sized ?
					1 + (r >> 24) % fmt->groups[level] :
					fmt->groups[level];
		/* A place of 8 tables' size for each level, at both ends */
		iova = kfmt_size(fmt, level + 1) * (8 * level + r % 8);
		if (r & BIT(30) && level < pt->table.top_level)
			iova += BIT(pt->table.bits - 1);
		iova += kfmt_size(fmt, level) *
			((r >> 8) % (1U << (fmt->page_shift - 3)));
		iova = ALIGN_DOWN(iova, kfmt_size(fmt, level) << group);
		if (iova >> 1 >> (pt->table.bits - 1))
			continue;

		map->ptes = kpt_entry(pt, iova, level);
		map->entries = 1U << group;
		if (!map->ptes || !kmapping_free(map->ptes, map->entries) ||
		    used + map->entries > KENTRIES)
			continue;
		kpt_map(pt, iova, level, group);
		map->iova = iova;
		map->last = iova + (kfmt_size(fmt, level) << group) - 1;
		used += map->entries;
		nr++;
	}
	sort(maps, nr, sizeof(*maps), kmapping_cmp, NULL);
	return nr;
}

static void expect_mapping(struct kpt *pt, const struct kmapping *map,
			   const u64 *before, bool cleaned)
{
	unsigned int i;

	for (i = 0; i < map->entries; i++) {
		u64 pte = map->ptes[i];

		if (!cleaned)
			KUNIT_EXPECT_EQ(pt->test, pte, before[i]);
		else if (kpte_is_dirty(pt, before[i]))
			KUNIT_EXPECT_EQ(pt->test, pte,
					kpte_cleaned(pt, before[i]));
		else
			KUNIT_EXPECT_EQ(pt->test, pte & ~pt->fmt->accessed,
					before[i] & ~pt->fmt->accessed);
	}
}

struct random_test {
	struct rnd_state rnd;
	struct kpt pt;
	struct kmapping maps[KMAPPINGS];
	unsigned int nr;
	u64 before[KENTRIES];
	struct krec *rec;
	struct krec *want;
};

static void check_random_walk(struct random_test *t, struct krange range,
			      unsigned int flags)
{
	struct kunit *test = t->pt.test;
	unsigned long flush_iova = ULONG_MAX, flush_last = 0;
	struct iommu_dirty_walk walk;
	u64 *before = t->before;
	unsigned int i, j;

	for (i = 0; i < t->nr; i++) {
		struct kmapping *map = &t->maps[i];

		map->dirty = false;
		for (j = 0; j < map->entries; j++) {
			*before = map->ptes[j];
			map->dirty |= kpte_is_dirty(&t->pt, *before++);
		}
	}

	walk = kwalk(&t->pt, t->rec, range.first, range.last, flags);

	t->want->nr = 0;
	before = t->before;
	for (i = 0; i < t->nr; i++) {
		struct kmapping *map = &t->maps[i];
		bool cleaned = false;

		if (map->dirty && map->iova <= range.last &&
		    map->last >= range.first) {
			krec_add(t->want, max(map->iova, range.first),
				 min(map->last, range.last));
			cleaned = map->iova >= range.first &&
				  map->last <= range.last &&
				  !(flags & IOMMU_DIRTY_WALK_NO_CLEAR);
		}
		if (cleaned) {
			flush_iova = min(flush_iova, map->iova);
			flush_last = max(flush_last, map->last);
		}
		expect_mapping(&t->pt, map, before, cleaned);
		before += map->entries;
	}
	expect_ranges(test, t->rec, t->want);
	KUNIT_EXPECT_EQ(test, walk.flush_iova, flush_iova);
	KUNIT_EXPECT_EQ(test, walk.flush_last, flush_last);
	KUNIT_EXPECT_EQ(test, iommu_dirty_walk_needs_flush(&walk),
			flush_iova <= flush_last);
}

static unsigned long random_in(struct random_test *t,
			       const struct kmapping *map)
{
	return map->iova + ((u64)prandom_u32_state(&t->rnd) << 32 |
			    prandom_u32_state(&t->rnd)) %
			   (map->last - map->iova + 1);
}

static struct krange random_range(struct random_test *t)
{
	struct krange range;

	range.first = random_in(t, &t->maps[prandom_u32_state(&t->rnd) % t->nr]);
	range.last = random_in(t, &t->maps[prandom_u32_state(&t->rnd) % t->nr]);
	if (range.first > range.last)
		swap(range.first, range.last);
	return range;
}

static void test_random(struct kunit *test)
{
	static const struct krange all = { 0, ULONG_MAX };
	const struct kfmt *fmt = test->param_value;
	struct random_test *t;
	unsigned int top, round, i;

	t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t);
	t->rec = krec_alloc(test);
	t->want = krec_alloc(test);
	prandom_seed_state(&t->rnd, 0x69706761);

	for (top = fmt->top_level; top >= 1; top--) {
		kpt_init(&t->pt, test, top);
		t->pt.skip = fmt->skips && top % 2;
		t->nr = map_random(&t->pt, t->maps, &t->rnd);
		KUNIT_ASSERT_GT(test, t->nr, 20);
		for (round = 0; round < 60; round++) {
			u32 density = prandom_u32_state(&t->rnd) % 101;

			for (i = 0; i < t->nr; i++) {
				struct kmapping *map = &t->maps[i];
				u32 r = prandom_u32_state(&t->rnd);

				if (r % 100 < density)
					kpte_dirty(&t->pt, &map->ptes[(r >> 8) %
								      map->entries]);
			}
			check_random_walk(t, round % 4 ? random_range(t) : all,
					  (round % 3 ? 0 :
					   IOMMU_DIRTY_WALK_NO_CLEAR) |
					  (round % 2 ? 0 :
					   IOMMU_DIRTY_WALK_EXCLUSIVE));
		}
	}
}

/*
 * One dirty page of each level and group, and ranges that hold all or a part of
 * it. In a group the dirty entry is the last one.
 */
static void check_partial(struct kunit *test, unsigned int level,
			  unsigned int group)
{
	const struct kfmt *fmt = test->param_value;
	unsigned long size = kfmt_size(fmt, level) << group;
	unsigned long first = kfmt_size(fmt, level + 1) - size;
	unsigned long last = first + size - 1;
	struct krec *rec = krec_alloc(test);
	struct iommu_dirty_walk walk;
	struct kpt pt;
	u64 *pte, dirty;

	kpt_init(&pt, test, fmt->top_level);
	pt.skip = fmt->skips;
	pte = kpt_map(&pt, first, level, group) + (1U << group) - 1;
	kpte_dirty(&pt, pte);
	dirty = *pte;

	walk = kwalk(&pt, rec, first + 1, last, 0);
	expect_one(test, rec, first + 1, last);
	KUNIT_EXPECT_EQ(test, *pte, dirty);
	KUNIT_EXPECT_FALSE(test, iommu_dirty_walk_needs_flush(&walk));
	kwalk(&pt, rec, 0, last - 1, 0);
	expect_one(test, rec, first, last - 1);
	KUNIT_EXPECT_EQ(test, *pte, dirty);
	kwalk(&pt, rec, first + 7, first + 7, 0);
	expect_one(test, rec, first + 7, first + 7);
	KUNIT_EXPECT_EQ(test, *pte, dirty);

	kwalk(&pt, rec, 0, first - 1, 0);
	KUNIT_EXPECT_EQ(test, rec->nr, 0);
	kwalk(&pt, rec, last + 1, ULONG_MAX, 0);
	KUNIT_EXPECT_EQ(test, rec->nr, 0);
	KUNIT_EXPECT_EQ(test, *pte, dirty);

	walk = kwalk(&pt, rec, first, last, 0);
	expect_one(test, rec, first, last);
	KUNIT_EXPECT_EQ(test, *pte, kpte_cleaned(&pt, dirty));
	KUNIT_EXPECT_EQ(test, walk.flush_iova, first);
	KUNIT_EXPECT_EQ(test, walk.flush_last, last);
}

static void test_partial(struct kunit *test)
{
	const struct kfmt *fmt = test->param_value;
	unsigned int level, group;

	for (level = 0; level < 3; level++) {
		check_partial(test, level, 0);
		for (group = 1; group <= fmt->groups[level]; group++)
			if (fmt->sized || group == fmt->groups[level])
				check_partial(test, level, group);
	}
}

/*
 * Dirty neighbours in three tables. Ranges of growing length in the middle of
 * them, every other one with half an entry at both ends, and then the whole:
 * what the first walk has cleaned must be missing in the second.
 */
static void test_runs(struct kunit *test)
{
	const struct kfmt *fmt = test->param_value;
	struct krec *rec = krec_alloc(test), *want = krec_alloc(test);
	const unsigned long page = kfmt_size(fmt, 0);
	const unsigned int nr = 3U << (fmt->page_shift - 3);
	const unsigned long base = kfmt_size(fmt, 2) - kfmt_size(fmt, 1);
	const unsigned long base_last = base + page * nr - 1;
	u64 **ptes = kunit_kcalloc(test, nr, sizeof(*ptes), GFP_KERNEL);
	unsigned int i, j;
	struct kpt pt;

	KUNIT_ASSERT_NOT_NULL(test, ptes);
	kpt_init(&pt, test, fmt->top_level);
	for (i = 0; i < nr; i++)
		ptes[i] = kpt_map(&pt, base + page * i, 0, 0);

	/* Each length with 512 entries to a table, fewer with larger tables */
	for (i = 1; i <= nr; i += 1 + (nr - 1) / 1536 * 8) {
		unsigned long first = base + page / 2 * (nr - i);
		unsigned long last = first + page * i - 1;
		unsigned long clean = ALIGN(first, page);
		unsigned long clean_end = ALIGN_DOWN(last + 1, page);

		for (j = 0; j < nr; j++)
			kpte_dirty(&pt, ptes[j]);
		kwalk(&pt, rec, first, last, 0);
		expect_one(test, rec, first, last);

		want->nr = 0;
		if (clean > base)
			krec_add(want, base, clean - 1);
		if (clean_end <= base_last)
			krec_add(want, clean_end, base_last);
		kwalk(&pt, rec, base, base_last, 0);
		expect_ranges(test, rec, want);
	}
}

/* Dirty bits in absent entries and in entries that point to tables */
static void test_not_leaves(struct kunit *test)
{
	const struct kfmt *fmt = test->param_value;
	struct krec *rec = krec_alloc(test);
	unsigned int level;
	struct kpt pt;

	kpt_init(&pt, test, fmt->top_level);
	kpt_map(&pt, kfmt_size(fmt, 2) * 5 - kfmt_size(fmt, 0), 0, 0);
	for (level = 1; level <= 2; level++)
		*kpt_entry(&pt, kfmt_size(fmt, 2) * 5 - 1, level) |=
			fmt->dirty;
	/* The present bits of all formats are among the two lowest ones */
	for (level = 0; level <= 2; level++)
		*kpt_entry(&pt, kfmt_size(fmt, 2) * 5 -
				3 * kfmt_size(fmt, level), level) =
			((fmt->leaf ^ fmt->dirty) & ~3ULL) | 0x1234567890000;
	kwalk(&pt, rec, 0, ULONG_MAX, 0);
	KUNIT_EXPECT_EQ(test, rec->nr, 0);
}

/* The last entry of tables of 1 to 5 levels, and ranges beyond them */
static void test_span(struct kunit *test)
{
	const struct kfmt *fmt = test->param_value;
	struct krec *rec = krec_alloc(test);
	unsigned int top;
	struct kpt pt;

	for (top = 0; kfmt_shift(fmt, top + 1) <= 57; top++) {
		unsigned long page = kfmt_size(fmt, 0), span;
		u64 *pte;

		kpt_init(&pt, test, top);
		span = BIT(pt.table.bits);
		pte = kpt_map(&pt, span - page, 0, 0);
		kpte_dirty(&pt, pte);

		kwalk(&pt, rec, span, ULONG_MAX, 0);
		KUNIT_EXPECT_EQ(test, rec->nr, 0);
		kwalk(&pt, rec, ULONG_MAX, ULONG_MAX, 0);
		KUNIT_EXPECT_EQ(test, rec->nr, 0);
		KUNIT_EXPECT_TRUE(test, kpte_is_dirty(&pt, *pte));
		kwalk(&pt, rec, 0, ULONG_MAX, 0);
		expect_one(test, rec, span - page, span - 1);
		KUNIT_EXPECT_FALSE(test, kpte_is_dirty(&pt, *pte));
	}
}

/* Without a sink: clean, and say what to flush */
static void test_clean_only(struct kunit *test)
{
	const struct kfmt *fmt = test->param_value;
	const unsigned long low = kfmt_size(fmt, 0), high = kfmt_size(fmt, 2);
	struct iommu_dirty_walk walk;
	u64 *ptes[3];
	struct kpt pt;

	kpt_init(&pt, test, fmt->top_level);
	ptes[0] = kpt_map(&pt, low, 0, 0);
	ptes[1] = kpt_map(&pt, high, 1, 0);
	ptes[2] = kpt_map(&pt, 2 * high, 1, 0);
	kpte_dirty(&pt, ptes[0]);
	kpte_dirty(&pt, ptes[1]);
	kpte_dirty(&pt, ptes[2]);

	walk = kwalk(&pt, NULL, 0, 2 * high, 0);
	KUNIT_EXPECT_FALSE(test, kpte_is_dirty(&pt, *ptes[0]));
	KUNIT_EXPECT_FALSE(test, kpte_is_dirty(&pt, *ptes[1]));
	KUNIT_EXPECT_TRUE(test, kpte_is_dirty(&pt, *ptes[2]));
	KUNIT_EXPECT_EQ(test, walk.flush_iova, low);
	KUNIT_EXPECT_EQ(test, walk.flush_last, high + kfmt_size(fmt, 1) - 1);
}

static struct kunit_case walk_cases[] = {
	KUNIT_CASE_PARAM(test_random, kfmt_gen_params),
	KUNIT_CASE_PARAM(test_partial, kfmt_gen_params),
	KUNIT_CASE_PARAM(test_runs, kfmt_gen_params),
	KUNIT_CASE_PARAM(test_not_leaves, kfmt_gen_params),
	KUNIT_CASE_PARAM(test_span, kfmt_gen_params),
	KUNIT_CASE_PARAM(test_clean_only, kfmt_gen_params),
	{}
};

static struct kunit_suite walk_suite = {
	.name = "iommu_dirty_walk",
	.test_cases = walk_cases,
};

kunit_test_suite(walk_suite);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("KUnit tests of the IO page table dirty walkers");
