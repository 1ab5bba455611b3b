// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit race of the dirty walkers: a thread plays the hardware and sets dirty
 * bits, others walk the same entries, two with locked operations or one that is
 * exclusive. At the end each write must have been followed by the end of a walk
 * that marked its page.
 *
 * It needs two CPUs to race for real; with one it interleaves only where the
 * threads give way.
 */
#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "walk_kunit.h"

#define RACE_PAGES	128
#define RACE_WRITES	100000

struct race {
	struct kpt pt;
	unsigned int flags;
	u64 *ptes[RACE_PAGES];
	/* How often the device has written to each page */
	u32 writes[RACE_PAGES];
	bool stop;
};

struct race_walker {
	struct iommu_dirty_sink sink;
	struct race *race;
	struct completion done;
	DECLARE_BITMAP(marked, RACE_PAGES);
	/* How many of the writes to each page this walker has reported */
	u32 reported[RACE_PAGES];
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

static void race_walk(struct race_walker *walker)
{
	struct race *race = walker->race;
	struct iommu_dirty_walk walk;
	unsigned int i;

	bitmap_zero(walker->marked, RACE_PAGES);
	iommu_dirty_walk_init(&walk, &walker->sink, race->flags);
	walk.iova = 0;
	walk.last = RACE_PAGES * kfmt_size(race->pt.fmt, 0) - 1;
	race->pt.fmt->walk(&race->pt.table, &walk);
	/*
	 * Order the walk's clears before the reads, which stand for the copy of
	 * the page: pairs with the device's data before dirty bit.
	 */
	smp_mb();
	for_each_set_bit(i, walker->marked, RACE_PAGES)
		walker->reported[i] = READ_ONCE(race->writes[i]);
}

static int race_walker_fn(void *data)
{
	struct race_walker *walker = data;

	while (!READ_ONCE(walker->race->stop)) {
		race_walk(walker);
		cond_resched();
	}
	complete(&walker->done);
	return 0;
}

/* What hardware does on a write: nothing to an entry that is dirty already */
static void race_write(struct race *race, unsigned int page)
{
	const struct kfmt *fmt = race->pt.fmt;
	atomic64_t *pte = (atomic64_t *)race->ptes[page];

	/* The data comes first */
	WRITE_ONCE(race->writes[page], race->writes[page] + 1);
	smp_mb(); /* pairs with the one in race_walk() */
	if (kpte_is_dirty(&race->pt, atomic64_read(pte)))
		return;
	atomic64_or(fmt->accessed, pte);
	if (fmt->leaf & fmt->dirty)
		atomic64_andnot(fmt->dirty, pte);
	else
		atomic64_or(fmt->dirty, pte);
}

static void check_race(struct kunit *test, unsigned int nr_walkers,
		       unsigned int flags)
{
	struct race_walker *walkers;
	struct rnd_state rnd;
	struct race *race;
	unsigned int i, w;

	race = kunit_kzalloc(test, sizeof(*race), GFP_KERNEL);
	walkers = kunit_kcalloc(test, nr_walkers, sizeof(*walkers), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, race);
	KUNIT_ASSERT_NOT_NULL(test, walkers);
	race->flags = flags;
	kpt_init(&race->pt, test, 2);
	for (i = 0; i < RACE_PAGES; i++)
		race->ptes[i] = kpt_map(&race->pt,
					i * kfmt_size(race->pt.fmt, 0), 0, 0);

	for (w = 0; w < nr_walkers; w++) {
		struct task_struct *task;

		walkers[w].sink.ops = &race_sink_ops;
		walkers[w].race = race;
		init_completion(&walkers[w].done);
		task = kthread_run(race_walker_fn, &walkers[w], "dirty-walk");
		if (IS_ERR(task)) {
			KUNIT_FAIL(test, "kthread_run: %pe", task);
			complete(&walkers[w].done);
		}
	}

	/* Often to few pages */
	prandom_seed_state(&rnd, 4711);
	for (i = 0; i < RACE_WRITES; i++) {
		u32 r = prandom_u32_state(&rnd);

		race_write(race, r % (i % 2 ? 4 : RACE_PAGES));
		if (i % 64 == 0)
			cond_resched();
	}

	WRITE_ONCE(race->stop, true);
	for (w = 0; w < nr_walkers; w++)
		wait_for_completion(&walkers[w].done);
	race_walk(&walkers[0]);

	for (i = 0; i < RACE_PAGES; i++) {
		u32 reported = 0;

		for (w = 0; w < nr_walkers; w++)
			reported = max(reported, walkers[w].reported[i]);
		KUNIT_EXPECT_EQ(test, race->writes[i], reported);
	}
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
