// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the dirty walkers: tables of every format, walked over random
 * and over awkward ranges, against a naive list of what is mapped and dirty.
 */
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/prandom.h>
#include <linux/slab.h>
#include <linux/sizes.h>
#include <linux/sort.h>

#include "walk_kunit.h"

const struct kfmt kfmts[] = {
	{
		.name = "vtd_ss",
		.walk = iommu_dirty_walk_vtd_ss,
		.table = 0x3,		/* R W */
		.leaf = 0x103,		/* A R W */
		.huge = 0x80,
		.dirty = 0x200,
		.cleaned = 0x200,
	},
	{
		.name = "vtd_fs",
		.walk = iommu_dirty_walk_vtd_fs,
		.table = 0x27,		/* A U W P */
		.leaf = 0x27,
		.huge = 0x80,
		.dirty = 0x40,
		.cleaned = 0x60,	/* D and A */
	},
};

const unsigned int kfmts_nr = ARRAY_SIZE(kfmts);

const void *kfmt_gen_params(const void *prev, char *desc)
{
	const struct kfmt *next = prev ? (const struct kfmt *)prev + 1 : kfmts;

	if (next == kfmts + kfmts_nr)
		return NULL;
	strscpy(desc, next->name, KUNIT_PARAM_DESC_SIZE);
	return next;
}

#define KPT_SHIFT(level)	(12 + 9 * (level))
#define KPT_SIZE(level)		(1UL << KPT_SHIFT(level))

static u64 *kpt_alloc_table(struct kunit *test)
{
	u64 *table = kunit_kzalloc(test, PAGE_SIZE, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, table);
	KUNIT_ASSERT_TRUE(test, PAGE_ALIGNED(table));
	return table;
}

void kpt_init(struct kpt *pt, struct kunit *test, unsigned int top_level)
{
	pt->test = test;
	pt->fmt = test->param_value;
	pt->table.top_level = top_level;
	pt->table.root = kpt_alloc_table(test);
}

/* The entry that maps @iova at @level; tables on the way are made. */
u64 *kpt_entry(struct kpt *pt, unsigned long iova, unsigned int level)
{
	unsigned int at = pt->table.top_level;
	u64 *table = pt->table.root;

	for (; at > level; at--) {
		u64 *pte = &table[(iova >> KPT_SHIFT(at)) % 512];

		if (!*pte)
			*pte = virt_to_phys(kpt_alloc_table(pt->test)) |
			       pt->fmt->table;
		table = phys_to_virt(*pte & 0x000ffffffffff000);
	}
	return &table[(iova >> KPT_SHIFT(level)) % 512];
}

/* Map @iova by one clean leaf of @level; where to does not matter. */
u64 *kpt_map(struct kpt *pt, unsigned long iova, unsigned int level)
{
	u64 *pte = kpt_entry(pt, iova, level);

	*pte = (KPT_SIZE(level) & 0x000ffffffffff000) | pt->fmt->leaf |
	       (level ? pt->fmt->huge : 0);
	return pte;
}

struct krange {
	unsigned long first;
	unsigned long last;
};

/* A sink that keeps what it is told, neighbours merged */
struct krec {
	struct iommu_dirty_sink sink;
	struct krange ranges[2048];
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
	u64 *pte;
	u64 before;
};

#define KMAPPINGS 600

static int kmapping_cmp(const void *a, const void *b)
{
	const struct kmapping *l = a, *r = b;

	return l->iova < r->iova ? -1 : l->iova > r->iova;
}

/*
 * Leaves of three sizes: 4 KiB ones in eight places of 2 MiB, 2 MiB ones in
 * four of 1 GiB, and some of 1 GiB.
 */
static unsigned int map_random(struct kpt *pt, struct kmapping *maps,
			       struct rnd_state *rnd)
{
	unsigned int i, nr = 0;

	for (i = 0; i < KMAPPINGS; i++) {
		unsigned int level = prandom_u32_state(rnd) % 8;
		struct kmapping *map = &maps[nr];
		unsigned long iova;
		u32 r = prandom_u32_state(rnd);

		if (level == 7) {
			level = 2;
			iova = SZ_1G * (16UL + r % 48);
		} else if (level >= 5) {
			level = 1;
			iova = SZ_1G * (8UL + r % 4) + SZ_2M * ((r >> 8) % 512);
		} else {
			level = 0;
			iova = (r % 2 ? 0x7f40000000UL : SZ_1G) +
			       SZ_2M * ((r >> 1) % 4) +
			       SZ_4K * ((r >> 8) % 512);
		}
		map->pte = kpt_entry(pt, iova, level);
		if (*map->pte)
			continue;
		kpt_map(pt, iova, level);
		map->iova = iova;
		map->last = iova + KPT_SIZE(level) - 1;
		nr++;
	}
	sort(maps, nr, sizeof(*maps), kmapping_cmp, NULL);
	return nr;
}

static void check_random_walk(struct kunit *test, struct kpt *pt,
			      struct kmapping *maps, unsigned int nr,
			      struct krec *rec, struct krec *want,
			      struct krange range, unsigned int flags)
{
	struct kfmt const *fmt = pt->fmt;
	unsigned long flush_iova = ULONG_MAX, flush_last = 0;
	struct iommu_dirty_walk walk;
	unsigned int i;

	for (i = 0; i < nr; i++)
		maps[i].before = *maps[i].pte;
	walk = kwalk(pt, rec, range.first, range.last, flags);

	want->nr = 0;
	for (i = 0; i < nr; i++) {
		struct kmapping *map = &maps[i];
		u64 after = map->before;

		if ((map->before & fmt->dirty) && map->iova <= range.last &&
		    map->last >= range.first) {
			krec_add(want, max(map->iova, range.first),
				 min(map->last, range.last));
			if (map->iova >= range.first &&
			    map->last <= range.last &&
			    !(flags & IOMMU_DIRTY_WALK_NO_CLEAR)) {
				after &= ~fmt->cleaned;
				flush_iova = min(flush_iova, map->iova);
				flush_last = max(flush_last, map->last);
			}
		}
		KUNIT_EXPECT_EQ(test, *map->pte, after);
	}
	expect_ranges(test, rec, want);
	KUNIT_EXPECT_EQ(test, walk.flush_iova, flush_iova);
	KUNIT_EXPECT_EQ(test, walk.flush_last, flush_last);
	KUNIT_EXPECT_EQ(test, iommu_dirty_walk_needs_flush(&walk),
			flush_iova <= flush_last);
}

static void test_random(struct kunit *test)
{
	struct kmapping *maps =
		kunit_kcalloc(test, KMAPPINGS, sizeof(*maps), GFP_KERNEL);
	struct krec *rec = krec_alloc(test), *want = krec_alloc(test);
	unsigned int top, round, i, nr;
	struct rnd_state rnd;
	struct kpt pt;

	KUNIT_ASSERT_NOT_NULL(test, maps);
	prandom_seed_state(&rnd, 0x69706761);
	for (top = 3; top <= 4; top++) {
		kpt_init(&pt, test, top);
		nr = map_random(&pt, maps, &rnd);
		for (round = 0; round < 200; round++) {
			struct krange range = { 0, ULONG_MAX };
			u32 density = prandom_u32_state(&rnd) % 101;

			for (i = 0; i < nr; i++)
				if (prandom_u32_state(&rnd) % 100 < density)
					*maps[i].pte |= pt.fmt->dirty;
			if (round % 4) {
				struct kmapping *a, *b;

				a = &maps[prandom_u32_state(&rnd) % nr];
				b = &maps[prandom_u32_state(&rnd) % nr];
				if (a > b)
					swap(a, b);
				range.first = a->iova +
					prandom_u32_state(&rnd) %
					(a->last - a->iova + 1);
				range.last = b->iova +
					prandom_u32_state(&rnd) %
					(b->last - b->iova + 1);
				if (range.first > range.last)
					swap(range.first, range.last);
			}
			check_random_walk(test, &pt, maps, nr, rec, want, range,
					  round % 3 ? 0 :
					  IOMMU_DIRTY_WALK_NO_CLEAR);
		}
	}
}

/* One dirty entry of each level, and ranges that hold all or a part of it */
static void test_partial(struct kunit *test)
{
	struct krec *rec = krec_alloc(test);
	unsigned int level;
	struct kpt pt;

	for (level = 0; level < 3; level++) {
		unsigned long first = KPT_SIZE(3) - KPT_SIZE(level);
		unsigned long last = KPT_SIZE(3) - 1;
		struct iommu_dirty_walk walk;
		u64 *pte, dirty;

		kpt_init(&pt, test, 3);
		pte = kpt_map(&pt, first, level);
		dirty = *pte |= pt.fmt->dirty;

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
		KUNIT_EXPECT_EQ(test, *pte, dirty & ~pt.fmt->cleaned);
		KUNIT_EXPECT_EQ(test, walk.flush_iova, first);
		KUNIT_EXPECT_EQ(test, walk.flush_last, last);
	}
}

/*
 * 1536 dirty neighbours in three tables. Ranges of each length in the middle of
 * them, every other one with half an entry at both ends, and then the whole:
 * what the first walk has cleaned must be missing in the second.
 */
static void test_runs(struct kunit *test)
{
	struct krec *rec = krec_alloc(test), *want = krec_alloc(test);
	const unsigned long base = KPT_SIZE(2) - KPT_SIZE(1);
	const unsigned int nr = 3 * 512;
	const unsigned long base_last = base + SZ_4K * nr - 1;
	u64 **ptes = kunit_kcalloc(test, nr, sizeof(*ptes), GFP_KERNEL);
	unsigned int i, j;
	struct kpt pt;

	KUNIT_ASSERT_NOT_NULL(test, ptes);
	kpt_init(&pt, test, 3);
	for (i = 0; i < nr; i++)
		ptes[i] = kpt_map(&pt, base + SZ_4K * i, 0);

	for (i = 1; i <= nr; i++) {
		unsigned long first = base + SZ_2K * (nr - i);
		unsigned long last = first + SZ_4K * i - 1;
		unsigned long clean = ALIGN(first, SZ_4K);
		unsigned long clean_end = ALIGN_DOWN(last + 1, SZ_4K);

		for (j = 0; j < nr; j++)
			*ptes[j] |= pt.fmt->dirty;
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
	struct krec *rec = krec_alloc(test);
	unsigned int level;
	struct kpt pt;

	kpt_init(&pt, test, 3);
	kpt_map(&pt, 0, 0);
	for (level = 1; level <= 3; level++)
		*kpt_entry(&pt, 0, level) |= pt.fmt->dirty;
	for (level = 0; level <= 2; level++)
		*kpt_entry(&pt, 3 * KPT_SIZE(level), level) =
			0x0000123456789000 | pt.fmt->huge | pt.fmt->dirty;

	kwalk(&pt, rec, 0, ULONG_MAX, 0);
	KUNIT_EXPECT_EQ(test, rec->nr, 0);
	for (level = 1; level <= 3; level++)
		KUNIT_EXPECT_TRUE(test, *kpt_entry(&pt, 0, level) &
						pt.fmt->dirty);
}

/* The last entry of tables of 1 to 5 levels, and ranges beyond them */
static void test_span(struct kunit *test)
{
	struct krec *rec = krec_alloc(test);
	unsigned int top;
	struct kpt pt;

	for (top = 0; top <= 4; top++) {
		unsigned long span = KPT_SIZE(top + 1);
		u64 *pte;

		kpt_init(&pt, test, top);
		pte = kpt_map(&pt, span - SZ_4K, 0);
		*pte |= pt.fmt->dirty;

		kwalk(&pt, rec, span, ULONG_MAX, 0);
		KUNIT_EXPECT_EQ(test, rec->nr, 0);
		kwalk(&pt, rec, ULONG_MAX, ULONG_MAX, 0);
		KUNIT_EXPECT_EQ(test, rec->nr, 0);
		KUNIT_EXPECT_TRUE(test, *pte & pt.fmt->dirty);
		kwalk(&pt, rec, 0, ULONG_MAX, 0);
		expect_one(test, rec, span - SZ_4K, span - 1);
		KUNIT_EXPECT_FALSE(test, *pte & pt.fmt->dirty);
	}
}

/* Without a sink: clean, and say what to flush */
static void test_clean_only(struct kunit *test)
{
	struct iommu_dirty_walk walk;
	u64 *low, *high, *part;
	struct kpt pt;

	kpt_init(&pt, test, 3);
	low = kpt_map(&pt, SZ_4K, 0);
	high = kpt_map(&pt, SZ_1G, 1);
	part = kpt_map(&pt, 2UL * SZ_1G, 1);
	*low |= pt.fmt->dirty;
	*high |= pt.fmt->dirty;
	*part |= pt.fmt->dirty;

	walk = kwalk(&pt, NULL, 0, 2UL * SZ_1G, 0);
	KUNIT_EXPECT_FALSE(test, *low & pt.fmt->dirty);
	KUNIT_EXPECT_FALSE(test, *high & pt.fmt->dirty);
	KUNIT_EXPECT_TRUE(test, *part & pt.fmt->dirty);
	KUNIT_EXPECT_EQ(test, walk.flush_iova, SZ_4K);
	KUNIT_EXPECT_EQ(test, walk.flush_last, SZ_1G + SZ_2M - 1);
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
