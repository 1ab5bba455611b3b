// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit race of the dirty walkers. The test simulates hardware and sets dirty bits
 * while threads walk the same entries: two with locked operations, or one exclusive
 * walk. At the end, each write must have been followed by the end of a walk that
 * marked its page. Cleaning must also preserve concurrent changes to other bits of
 * an entry: this detects a walk that writes back a stale value, even if it has
 * marked the page.
 */
#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/kthread.h>
#include <linux/log2.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "walk_kunit.h"

/* Half are single pages; the other half are groups, in formats that have groups */
#define RACE_ENTRIES	256
#define RACE_GROUPS	(RACE_ENTRIES / 2)
/* The first entries of both halves are used most; no group is smaller */
#define RACE_HOT	16
#define RACE_WRITES	60000
#define RACE_WALKS	100

/*
 * A bit that the walkers and the hardware ignore in all formats; it stands for all
 * bits that a walk must not change
 */
#define RACE_OTHER	BIT_ULL(55)

struct race {
	struct kpt pt;
	unsigned int flags;
	u64 *ptes[RACE_ENTRIES];
	/* Number of device writes to each entry's memory */
	u32 writes[RACE_ENTRIES];
	/* The last value of RACE_OTHER in each entry */
	u64 other[RACE_ENTRIES];
	unsigned int stale;
	bool stop;
};

struct race_walker {
	struct iommu_dirty_sink sink;
	struct race *race;
	struct completion done;
	unsigned int walks;
	DECLARE_BITMAP(marked, RACE_ENTRIES);
	/* Number of writes to each entry that this walker has reported */
	u32 reported[RACE_ENTRIES];
};

static void race_mark_range(struct iommu_dirty_sink *sink, unsigned long iova,
			    unsigned long last)
{
	struct race_walker *walker =
		container_of(sink, struct race_walker, sink);
	unsigned int shift = walker->race->pt.fmt->page_shift;

	bitmap_set(walker->marked, iova >> shift, (last - iova + 1) >> shift);
}

static void race_mark_mask(struct iommu_dirty_sink *sink, unsigned long iova,
			   unsigned int shift, u64 mask)
{
	for (; mask; mask &= mask - 1) {
		unsigned long at = iova + (__ffs64(mask) << shift);

		race_mark_range(sink, at, at + (1UL << shift) - 1);
	}
}

static const struct iommu_dirty_sink_ops race_sink_ops = {
	.mark_mask = race_mark_mask,
	.mark_range = race_mark_range,
};

static unsigned int race_group_shift(const struct kfmt *fmt)
{
	return min_t(unsigned int, fmt->groups[0], ilog2(RACE_GROUPS));
}

static void race_walk(struct race_walker *walker, unsigned int first,
		      unsigned int nr)
{
	struct race *race = walker->race;
	struct iommu_dirty_walk walk;
	unsigned int i;

	bitmap_zero(walker->marked, RACE_ENTRIES);
	iommu_dirty_walk_init(&walk, &walker->sink, race->flags);
	walk.iova = first * kfmt_size(race->pt.fmt, 0);
	walk.last = (first + nr) * kfmt_size(race->pt.fmt, 0) - 1;
	race->pt.fmt->walk(&race->pt.table, &walk);
	/*
	 * Order the walk's clears before the reads below, which simulate the copy
	 * of the page. Pairs with smp_mb() in race_write().
	 */
	smp_mb();
	for_each_set_bit(i, walker->marked, RACE_ENTRIES)
		walker->reported[i] = READ_ONCE(race->writes[i]);
}

static int race_walker_fn(void *data)
{
	struct race_walker *walker = data;
	unsigned int group = 1U << race_group_shift(walker->race->pt.fmt), i;

	while (!READ_ONCE(walker->race->stop)) {
		for (i = 0; i < 8; i++) {
			race_walk(walker, 0, RACE_HOT);
			race_walk(walker, RACE_GROUPS,
				  max_t(unsigned int, group, RACE_HOT));
		}
		race_walk(walker, 0, RACE_ENTRIES);
		WRITE_ONCE(walker->walks, walker->walks + 1);
		cond_resched();
	}
	complete(&walker->done);
	return 0;
}

/*
 * Hardware does not change an entry that is accessed and dirty. Exclusive walks rely
 * on that
 */
static bool race_settled(struct race *race, u64 pte)
{
	return kpte_is_dirty(&race->pt, pte) &&
	       (pte & race->pt.fmt->accessed) == race->pt.fmt->accessed;
}

/* The value of a clean entry after a write; @alone: dirty, but not yet accessed */
static u64 race_written(struct race *race, u64 pte, bool alone)
{
	u64 new = kpte_written(&race->pt, pte);

	return alone ? new & ~race->pt.fmt->accessed : new;
}

/* Replace an entry that still has the value @old, and flip its RACE_OTHER */
static bool race_exchange(struct race *race, unsigned int i, u64 old, u64 new)
{
	new ^= RACE_OTHER;
	if (!try_cmpxchg(race->ptes[i], &old, new))
		return false;
	if ((old & RACE_OTHER) != race->other[i])
		race->stale++;
	race->other[i] = new & RACE_OTHER;
	return true;
}

/* A write by hardware, which does not change an entry that is already dirty */
static void race_write(struct race *race, unsigned int i, bool alone)
{
	u64 old;

	/* The device writes the data first */
	WRITE_ONCE(race->writes[i], race->writes[i] + 1);
	smp_mb(); /* Pairs with smp_mb() in race_walk() */
	do {
		old = READ_ONCE(*race->ptes[i]);
		if (kpte_is_dirty(&race->pt, old))
			return;
	} while (!race_exchange(race, i, old, race_written(race, old, alone)));
}

/* A read by hardware, which sets only A */
static void race_read(struct race *race, unsigned int i)
{
	u64 old;

	do {
		old = READ_ONCE(*race->ptes[i]);
		if ((race->flags & IOMMU_DIRTY_WALK_EXCLUSIVE) &&
		    race_settled(race, old))
			return;
	} while (!race_exchange(race, i, old,
				old | race->pt.fmt->accessed));
}

/*
 * Make a whole mask of entries dirty, but not accessed. If they were settled, a walk
 * would clean them together. Change their RACE_OTHER bits, then set A in one after
 * the other. These are not hot entries, which do not stay dirty.
 */
static void race_word(struct race *race)
{
	const unsigned int first = 64, last = 127;
	unsigned int i, round;
	u64 old;

	for (i = first; i <= last; i++)
		race_write(race, i, true);
	for (round = 0; round < 8; round++) {
		for (i = first; i <= last; i++) {
			old = READ_ONCE(*race->ptes[i]);
			if (!race_settled(race, old))
				race_exchange(race, i, old, old);
		}
	}
	for (i = first; i <= last; i++)
		race_read(race, i);
}

static void race_map(struct race *race)
{
	const struct kfmt *fmt = race->pt.fmt;
	unsigned int group = 0, i, j;

	for (i = 0; i < RACE_ENTRIES; i += 1U << group) {
		if (i == RACE_GROUPS)
			group = race_group_shift(fmt);
		race->ptes[i] = kpt_map(&race->pt, i * kfmt_size(fmt, 0), 0,
					group);
		for (j = 1; j < 1U << group; j++)
			race->ptes[i + j] = race->ptes[i] + j;
	}
}

static bool race_walked(struct race_walker *walkers, unsigned int nr)
{
	while (nr--)
		if (READ_ONCE(walkers[nr].walks) < RACE_WALKS)
			return false;
	return true;
}

static void check_race(struct kunit *test, unsigned int nr_walkers,
		       unsigned int flags)
{
	struct race_walker *walkers;
	struct rnd_state rnd;
	struct race *race;
	unsigned int i, w;

	if (num_online_cpus() < 2)
		kunit_skip(test, "nothing races on one CPU");
	race = kunit_kzalloc(test, sizeof(*race), GFP_KERNEL);
	walkers = kunit_kcalloc(test, nr_walkers, sizeof(*walkers), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, race);
	KUNIT_ASSERT_NOT_NULL(test, walkers);
	race->flags = flags;
	kpt_init(&race->pt, test, 2);
	race_map(race);

	for (w = 0; w < nr_walkers; w++) {
		struct task_struct *task;

		walkers[w].sink.ops = &race_sink_ops;
		walkers[w].race = race;
		init_completion(&walkers[w].done);
		task = kthread_run(race_walker_fn, &walkers[w], "dirty-walk");
		if (IS_ERR(task)) {
			KUNIT_FAIL(test, "kthread_run: %pe", task);
			walkers[w].walks = RACE_WALKS;
			complete(&walkers[w].done);
		}
	}

	prandom_seed_state(&rnd, 4711);
	for (i = 0; i < RACE_WRITES || !race_walked(walkers, nr_walkers); i++) {
		u32 r = prandom_u32_state(&rnd);

		r %= RACE_ENTRIES;
		if (i % 8)
			r &= RACE_GROUPS | (RACE_HOT - 1);
		race_write(race, r, i % 2);
		race_read(race, r ^ 1);
		race_read(race, r);
		if (i % 64 == 0) {
			race_word(race);
			cond_resched();
		}
	}

	WRITE_ONCE(race->stop, true);
	for (w = 0; w < nr_walkers; w++)
		wait_for_completion(&walkers[w].done);
	race_walk(&walkers[0], 0, RACE_ENTRIES);

	for (i = 0; i < RACE_ENTRIES; i++) {
		u32 reported = 0;

		for (w = 0; w < nr_walkers; w++)
			reported = max(reported, walkers[w].reported[i]);
		KUNIT_EXPECT_EQ(test, race->writes[i], reported);
	}
	KUNIT_EXPECT_EQ(test, race->stale, 0);
}

static void test_race(struct kunit *test)
{
	check_race(test, 2, 0);
}

static void test_race_exclusive(struct kunit *test)
{
	check_race(test, 1, IOMMU_DIRTY_WALK_EXCLUSIVE);
}

static struct kunit_case race_cases[] = {
	KUNIT_CASE_PARAM(test_race, kfmt_gen_params),
	KUNIT_CASE_PARAM(test_race_exclusive, kfmt_gen_params),
	{}
};

static struct kunit_suite race_suite = {
	.name = "iommu_dirty_walk_race",
	.test_cases = race_cases,
};

kunit_test_suite(race_suite);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("KUnit race of the IO page table dirty walkers");
