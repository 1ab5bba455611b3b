// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the dirty walkers: walk random ranges of tables of every format,
 * and compare with a simple list of mapped and dirty pages.
 */
#include <linux/prandom.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "walk_kunit.h"

/* A mapped page in the model */
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
 * A random place for a leaf: in one of 8 tables per level at the start or in the
 * middle, or, for leaves of the root, in its second quarter.
 */
static unsigned long random_place(const struct kpt *pt, unsigned int level,
				  u32 r)
{
	const struct kfmt *fmt = pt->fmt;
	unsigned long idx = (r >> 8) % (1U << (fmt->page_shift - 3));

	if (level == pt->table.top_level)
		return BIT(pt->table.bits - 2) + kfmt_size(fmt, level) *
						 (idx / 4);
	return kfmt_size(fmt, level + 1) * (8 * level + r % 8) +
	       kfmt_size(fmt, level) * idx +
	       (r & BIT(30) ? BIT(pt->table.bits - 1) : 0);
}

/* Map leaves of all levels, mostly low ones, single and in groups, in few tables */
static unsigned int map_random(struct kpt *pt, struct kmapping *maps,
			       struct rnd_state *rnd)
{
	const struct kfmt *fmt = pt->fmt;
	unsigned int highest = min(fmt->leaf_level, pt->table.top_level);
	unsigned int i, nr = 0, used = 0;

	for (i = 0; i < KMAPPINGS; i++) {
		u32 r = prandom_u32_state(rnd), group = 0;
		unsigned int level = prandom_u32_state(rnd) % 8;
		struct kmapping *map = &maps[nr];
		unsigned long iova;

		level = min(highest, level == 7 ? 2 + (r >> 20) % 3 : level / 5);
		if (r & BIT(31) && fmt->groups[level])
			group = fmt->sized ?
					1 + (r >> 24) % fmt->groups[level] :
					fmt->groups[level];
		iova = ALIGN_DOWN(random_place(pt, level, r),
				  kfmt_size(fmt, level) << group);
		if (iova > kpt_last(pt))
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
			KUNIT_EXPECT_EQ(pt->test, pte & ~pt->fmt->lost,
					before[i] & ~pt->fmt->lost);
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
	bool whole = flags & IOMMU_DIRTY_WALK_WHOLE;
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
			bool inside = map->iova >= range.first &&
				      map->last <= range.last;

			krec_add(t->want,
				 whole ? map->iova : max(map->iova, range.first),
				 whole ? map->last : min(map->last, range.last));
			cleaned = (whole || inside) &&
				  !(flags & IOMMU_DIRTY_WALK_NO_CLEAR);
		}
		if (cleaned) {
			flush_iova = min(flush_iova, map->iova);
			flush_last = max(flush_last, map->last);
		}
		expect_mapping(&t->pt, map, before, cleaned);
		before += map->entries;
	}
	kexpect_ranges(test, t->rec, t->want);
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
	t->rec->check = &t->pt;
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
					   IOMMU_DIRTY_WALK_EXCLUSIVE) |
					  (round % 5 ? 0 :
					   IOMMU_DIRTY_WALK_WHOLE));
		}
	}
}

static struct kunit_case walk_cases[] = {
	KUNIT_CASE_PARAM(test_random, kfmt_gen_params),
	{}
};

static struct kunit_suite walk_suite = {
	.name = "iommu_dirty_walk",
	.test_cases = walk_cases,
};

kunit_test_suite(walk_suite);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("KUnit tests of the IO page table dirty walkers");
