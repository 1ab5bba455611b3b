// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit race of the dirty walkers: a thread plays the hardware and sets dirty
 * bits, two others walk the same entries. At the end each write must have been
 * followed by the end of a walk that marked its page.
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
#include <linux/sizes.h>

#include "walk_kunit.h"

#define RACE_PAGES	128
#define RACE_WRITES	100000
#define RACE_WALKERS	2

struct race {
	struct kpt pt;
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

	bitmap_set(walker->marked, iova / SZ_4K, (last - iova + 1) / SZ_4K);
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
	iommu_dirty_walk_init(&walk, &walker->sink, 0);
	walk.iova = 0;
	walk.last = RACE_PAGES * SZ_4K - 1;
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

static void test_race(struct kunit *test)
{
	struct race_walker *walkers;
	struct rnd_state rnd;
	struct race *race;
	unsigned int i, w;

	race = kunit_kzalloc(test, sizeof(*race), GFP_KERNEL);
	walkers = kunit_kcalloc(test, RACE_WALKERS, sizeof(*walkers),
				GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, race);
	KUNIT_ASSERT_NOT_NULL(test, walkers);
	kpt_init(&race->pt, test, 3);
	for (i = 0; i < RACE_PAGES; i++)
		race->ptes[i] = kpt_map(&race->pt, i * SZ_4K, 0);

	for (w = 0; w < RACE_WALKERS; w++) {
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

	/* The device: the data first, then the dirty bit, on few pages */
	prandom_seed_state(&rnd, 4711);
	for (i = 0; i < RACE_WRITES; i++) {
		unsigned int page = prandom_u32_state(&rnd) % RACE_PAGES;

		if (i % 2)
			page %= 4;
		WRITE_ONCE(race->writes[page], race->writes[page] + 1);
		smp_mb(); /* pairs with the one in race_walk() */
		atomic64_or(race->pt.fmt->dirty,
			    (atomic64_t *)race->ptes[page]);
		if (i % 64 == 0)
			cond_resched();
	}

	WRITE_ONCE(race->stop, true);
	for (w = 0; w < RACE_WALKERS; w++)
		wait_for_completion(&walkers[w].done);
	race_walk(&walkers[0]);

	for (i = 0; i < RACE_PAGES; i++)
		KUNIT_EXPECT_EQ(test, race->writes[i],
				max(walkers[0].reported[i],
				    walkers[1].reported[i]));
}

static struct kunit_case race_cases[] = {
	KUNIT_CASE_PARAM(test_race, kfmt_gen_params),
	{}
};

static struct kunit_suite race_suite = {
	.name = "iommu_dirty_walk_race",
	.test_cases = race_cases,
};

kunit_test_suite(race_suite);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("KUnit race of the IO page table dirty walkers");
