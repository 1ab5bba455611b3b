// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit race of splitting and merging. Threads play the hardware: they translate, cache
 * what they found, write, and set dirty bits, by compare-and-swap or by an operation that
 * does not compare, while the test splits, walks and merges the same pages. Each write
 * must be reported after it, and each translation must be right at all times.
 *
 * A flush asks the threads to forget what they have cached, and waits until all have
 * done so between two writes.
 */
#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/io.h>
#include <linux/kthread.h>
#include <linux/prandom.h>
#include <linux/processor.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "split_kunit.h"

#define RACE_THREADS	2
#define RACE_ROUNDS	40
/* 32 tables, or two of the largest format */
#define RACE_PAGES	16384
#define RACE_CACHE	64
/*
 * Writes of a thread after each flush, and the longest pause after a write. Few pages are
 * written twice in a round: a later report would hide that the first write was lost.
 */
#define RACE_WRITES	64
#define RACE_SPIN	512

struct race {
	struct ksplit *k;
	struct iommu_dirty_sink sink;
	DECLARE_BITMAP(marked, RACE_PAGES);
	bool compare;
	bool stop;
	bool pause;
	bool lost;
	unsigned int epoch;
	/* Number of writes to each page, and how many of them were reported */
	u32 writes[RACE_PAGES];
	u32 reported[RACE_PAGES];
};

/* A translation; the dirty bit is set in @pte if that was clean */
struct race_cached {
	u64 *pte;
	u64 val;
	unsigned int page;
};

struct race_thread {
	struct race *race;
	struct completion done;
	struct rnd_state rnd;
	unsigned int id;
	unsigned int epoch;
	unsigned int writes_left;
	unsigned long wrong;
	struct race_cached cache[RACE_CACHE];
};

static unsigned long race_iova(const struct race *race, unsigned int page)
{
	return kfmt_size(race->k->fmt, 2) + page * ksplit_page(race->k->fmt);
}

static void race_mark_range(struct iommu_dirty_sink *sink, unsigned long iova,
			    unsigned long last)
{
	struct race *race = container_of(sink, struct race, sink);
	unsigned int shift = race->k->fmt->page_shift;

	bitmap_set(race->marked, (iova - race_iova(race, 0)) >> shift,
		   (last - iova + 1) >> shift);
}

static void race_mark_mask(struct iommu_dirty_sink *sink, unsigned long iova,
			   unsigned int shift, u64 mask)
{
	iommu_dirty_mark_runs(sink, iova, shift, mask);
}

static const struct iommu_dirty_sink_ops race_sink_ops = {
	.mark_mask = race_mark_mask,
	.mark_range = race_mark_range,
};

/* The table of the leaf that maps @iova. Reads each entry once, as hardware does */
static u64 *race_find(struct race *race, unsigned long iova, u64 *val,
		      unsigned int *level)
{
	const struct kfmt *fmt = race->k->fmt;
	u64 *table = race->k->pt.table.root;
	unsigned long idx = iova >> kfmt_shift(fmt, race->k->pt.table.top_level);

	for (*level = race->k->pt.table.top_level;; (*level)--) {
		*val = READ_ONCE(table[idx]);
		if (!*val || kpte_is_leaf(fmt, *val, *level))
			return table;
		table = phys_to_virt((*val << fmt->addr_shift) &
				     GENMASK_ULL(47, fmt->page_shift));
		idx = (iova >> kfmt_shift(fmt, *level - 1)) %
		      (1U << (fmt->page_shift - 3));
	}
}

/* A walk by hardware, which may set the dirty bit in any entry of the page */
static void race_lookup(struct race_thread *thread, struct race_cached *cached)
{
	struct race *race = thread->race;
	const struct kfmt *fmt = race->k->fmt;
	unsigned long iova = race_iova(race, cached->page);
	unsigned int level, group;
	struct ktrans trans;
	u64 *table;

	do {
		table = race_find(race, iova, &cached->val, &level);
		trans = ksplit_trans(fmt, cached->val, level, iova);
		if (trans.phys != KSPLIT_PHYS + iova ||
		    trans.attrs != (fmt->leaf & ~fmt->dirty))
			thread->wrong++;
		group = kpte_group(fmt, cached->val, level);
		cached->pte = &table[(iova >> kfmt_shift(fmt, level)) %
				     (1U << (fmt->page_shift - 3))];
		if (!group)
			return;
		cached->pte = PTR_ALIGN_DOWN(cached->pte, sizeof(u64) << group) +
			      prandom_u32_state(&thread->rnd) % (1U << group);
		cached->val = READ_ONCE(*cached->pte);
	} while (kpte_group(fmt, cached->val, level) != group);
}

static void race_set_dirty(struct race_thread *thread,
			   struct race_cached *cached)
{
	const struct kfmt *fmt = thread->race->k->fmt;
	const struct kpt *pt = &thread->race->k->pt;
	u64 new;

	while (!kpte_is_dirty(pt, cached->val)) {
		new = kpte_written(pt, cached->val);
		if (thread->race->compare) {
			if (try_cmpxchg(cached->pte, &cached->val, new))
				return;
			race_lookup(thread, cached);
			continue;
		}
		if (fmt->leaf & fmt->dirty)
			atomic64_andnot(fmt->dirty, (atomic64_t *)cached->pte);
		else
			atomic64_or(fmt->dirty | fmt->accessed,
				    (atomic64_t *)cached->pte);
		cached->val = new;
	}
}

/* Pages are divided among the threads */
static void race_write(struct race_thread *thread)
{
	struct race *race = thread->race;
	unsigned int page = prandom_u32_state(&thread->rnd) % RACE_PAGES /
			    RACE_THREADS * RACE_THREADS + thread->id;
	struct race_cached *cached;
	unsigned int spin;

	cached = &thread->cache[page / RACE_THREADS % RACE_CACHE];
	if (!cached->pte || cached->page != page) {
		cached->page = page;
		race_lookup(thread, cached);
	}
	WRITE_ONCE(race->writes[page], race->writes[page] + 1);
	smp_mb(); /* Pairs with smp_mb() in race_flush() */
	race_set_dirty(thread, cached);

	thread->writes_left--;
	for (spin = prandom_u32_state(&thread->rnd) % RACE_SPIN; spin; spin--)
		cpu_relax();
}

static int race_thread_fn(void *data)
{
	struct race_thread *thread = data;
	struct race *race = thread->race;

	while (!READ_ONCE(race->stop)) {
		/* Pairs with smp_store_release() in race_flush() */
		unsigned int epoch = smp_load_acquire(&race->epoch);

		if (epoch != thread->epoch) {
			memset(thread->cache, 0, sizeof(thread->cache));
			thread->writes_left = RACE_WRITES;
			/* Pairs with smp_load_acquire() in race_flush() */
			smp_store_release(&thread->epoch, epoch);
		}
		if (thread->writes_left && !READ_ONCE(race->pause))
			race_write(thread);
		else
			cond_resched();
	}
	complete(&thread->done);
	return 0;
}

static void race_flush(struct race *race, struct race_thread *threads)
{
	unsigned int i;

	smp_mb(); /* The changes come first */
	/* Pairs with smp_load_acquire() in race_thread_fn() */
	smp_store_release(&race->epoch, race->epoch + 1);
	for (i = 0; i < RACE_THREADS; i++)
		/* Pairs with smp_store_release() in race_thread_fn() */
		while (smp_load_acquire(&threads[i].epoch) != race->epoch)
			cond_resched();
	smp_mb(); /* Pairs with smp_mb() in race_write() */
}

static void race_report(struct race *race)
{
	unsigned int page;

	for_each_set_bit(page, race->marked, RACE_PAGES)
		race->reported[page] = READ_ONCE(race->writes[page]);
	bitmap_zero(race->marked, RACE_PAGES);
}

static void race_walk(struct race *race, struct race_thread *threads)
{
	struct iommu_dirty_walk walk;

	iommu_dirty_walk_init(&walk, &race->sink, IOMMU_DIRTY_WALK_EXCLUSIVE);
	walk.iova = race_iova(race, 0);
	walk.last = race_iova(race, RACE_PAGES) - 1;
	race->k->fmt->walk(&race->k->pt.table, &walk);
	race_flush(race, threads);
	race_report(race);
}

static void race_change(struct race *race, struct race_thread *threads,
			bool merge, unsigned int flags)
{
	struct ksplit *k = race->k;

	KUNIT_EXPECT_EQ(k->test, 0,
			ksplit_begin(k, merge, race_iova(race, 0),
				     race_iova(race, RACE_PAGES) - 1,
				     flags));
	race_flush(race, threads);
	ksplit_end(k, merge);
	race_report(race);
}

/* Everything is reported now. Map half of the blocks as one page, the others as groups */
static void race_remap(struct race *race)
{
	struct ksplit *k = race->k;
	const unsigned int per_block = 1U << (k->fmt->page_shift - 3);
	const unsigned int group = k->fmt->groups[0];
	unsigned int page, i;

	for (page = 0; page < RACE_PAGES; page += per_block) {
		*kpt_entry(&k->pt, race_iova(race, page), 1) = 0;
		if (!group || !(page / per_block % 2)) {
			ksplit_map(k, race_iova(race, page), 1, 0);
			continue;
		}
		for (i = 0; i < per_block; i += 1U << group)
			ksplit_map(k, race_iova(race, page + i), 0, group);
	}
}

static void race_round(struct race *race, struct race_thread *threads,
		       unsigned int round)
{
	unsigned int page;

	WRITE_ONCE(race->pause, true);
	race_flush(race, threads);
	race_walk(race, threads);
	for (page = 0; page < RACE_PAGES; page++)
		race->lost |= race->writes[page] != race->reported[page];
	race_remap(race);
	/* At once, so that the threads make clean entries dirty while these are split */
	WRITE_ONCE(race->pause, false);
	race_change(race, threads, false,
		    KSPLIT_ALL | (round % 2 ? IOMMU_DIRTY_SPLIT_DIRTY : 0));
	if (round % 3)
		race_walk(race, threads);
	race_change(race, threads, true, KSPLIT_ALL);
	race_change(race, threads, false, KSPLIT_ALL);
	race_change(race, threads, true, KSPLIT_ALL);
}

static void check_race(struct kunit *test, bool compare)
{
	struct race_thread *threads;
	struct race *race;
	unsigned int i;

	if (num_online_cpus() < 2)
		kunit_skip(test, "nothing races on one CPU");
	race = kunit_kzalloc(test, sizeof(*race), GFP_KERNEL);
	threads = kunit_kcalloc(test, RACE_THREADS, sizeof(*threads),
				GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, race);
	KUNIT_ASSERT_NOT_NULL(test, threads);
	race->k = ksplit_alloc(test);
	race->sink.ops = &race_sink_ops;
	race->k->sink = &race->sink;
	race->compare = compare;
	race->pause = true;
	race_remap(race);

	for (i = 0; i < RACE_THREADS; i++) {
		struct task_struct *task;

		threads[i].race = race;
		threads[i].id = i;
		prandom_seed_state(&threads[i].rnd, i + 1);
		init_completion(&threads[i].done);
		task = kthread_run(race_thread_fn, &threads[i], "dirty-split");
		if (IS_ERR(task)) {
			KUNIT_FAIL(test, "kthread_run: %pe", task);
			WRITE_ONCE(race->stop, true);
			complete(&threads[i].done);
		}
	}
	for (i = 0; i < RACE_ROUNDS && !race->lost && !race->stop; i++)
		race_round(race, threads, i);

	WRITE_ONCE(race->stop, true);
	for (i = 0; i < RACE_THREADS; i++) {
		wait_for_completion(&threads[i].done);
		KUNIT_EXPECT_EQ(test, threads[i].wrong, 0);
	}
	KUNIT_EXPECT_FALSE(test, race->lost);
	KUNIT_EXPECT_GE(test, race->k->freed, RACE_ROUNDS);
}

static void test_compare(struct kunit *test)
{
	check_race(test, true);
}

/* What not all specifications exclude */
static void test_no_compare(struct kunit *test)
{
	const struct kfmt *fmt = test->param_value;

	if (!fmt->late)
		kunit_skip(test, "hardware compares the entry");
	check_race(test, false);
}

static struct kunit_case race_cases[] = {
	KUNIT_CASE_PARAM(test_compare, kfmt_gen_params),
	KUNIT_CASE_PARAM(test_no_compare, kfmt_gen_params),
	{}
};

static struct kunit_suite race_suite = {
	.name = "iommu_dirty_split_race",
	.test_cases = race_cases,
};

kunit_test_suite(race_suite);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("KUnit race of splitting and merging entries of IO page tables");
