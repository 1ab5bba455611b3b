// SPDX-License-Identifier: GPL-2.0-only
/*
 * Benchmark of splitting entries of 2 MiB and merging them again, run as a KUnit suite. It
 * includes the allocation of zeroed tables that are accounted to the caller, as drivers
 * allocate them, the recheck and the free, but no IOTLB flush.
 *
 * The result is one line of JSON per format and direction: median, minimum and maximum of
 * all windows of 1 GiB in all passes, in picoseconds per entry of 2 MiB.
 */
#include <linux/gfp.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/sort.h>

#include "bench.h"

#define BENCH_WINDOWS	16
#define BENCH_PASSES	9
#define BENCH_RESULTS	(BENCH_WINDOWS * BENCH_PASSES)
#define BENCH_ENTRIES	512

static const struct bench_layout bench_layout = {
	"split", 1, BENCH_WINDOWS, SZ_1G, 1,
};

struct bench_split {
	struct iommu_dirty_split split;
	struct iommu_dirty_orphan orphans[BENCH_ENTRIES];
	u64 ns[2][BENCH_RESULTS];
};

static u64 *bench_alloc(struct iommu_dirty_tables *tables)
{
	return (u64 *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
}

static void bench_free_one(struct iommu_dirty_tables *tables, u64 *table)
{
	free_page((unsigned long)table);
}

static const struct iommu_dirty_tables_ops bench_ops = {
	.alloc = bench_alloc,
	.free = bench_free_one,
};

static struct iommu_dirty_tables bench_tables = { &bench_ops };

/* Split or merge a window. Returns the time in nanoseconds */
static u64 bench_window(struct bench_set *set, struct bench_split *bench,
			unsigned int window, bool merge)
{
	struct iommu_dirty_split *split = &bench->split;
	ktime_t start = ktime_get();
	unsigned long done;
	int rc;

	iommu_dirty_split_init(split, NULL, &bench_tables,
			       IOMMU_DIRTY_SPLIT_BBM2);
	split->iova = bench_iova(set->layout, window);
	split->last = split->iova + SZ_1G - 1;
	split->orphans = bench->orphans;
	split->max_orphans = BENCH_ENTRIES;
	rc = merge ? set->fmt->merge(&set->table, split) :
		     set->fmt->split(&set->table, split);
	done = split->done;
	split->flags |= IOMMU_DIRTY_SPLIT_RECHECK;
	if (merge)
		set->fmt->merge(&set->table, split);
	else
		set->fmt->split(&set->table, split);
	KUNIT_EXPECT_EQ(set->test, rc, 0);
	KUNIT_EXPECT_EQ(set->test, done, BENCH_ENTRIES);
	return ktime_to_ns(ktime_sub(ktime_get(), start));
}

static void bench_print(const struct bench_set *set, const char *what, u64 *ns)
{
	sort(ns, BENCH_RESULTS, sizeof(*ns), bench_compare, NULL);
	bench_result(set, what, 0, BENCH_ENTRIES, ns[BENCH_RESULTS / 2], ns[0],
		     ns[BENCH_RESULTS - 1]);
}

static void bench_format(struct kunit *test)
{
	struct bench_split *bench = kunit_kzalloc(test, sizeof(*bench),
						  GFP_KERNEL);
	struct bench_set *set;
	unsigned int pass, window, i;

	KUNIT_ASSERT_NOT_NULL(test, bench);
	set = bench_build(test, test->param_value, &bench_layout, NULL);
	for (pass = 0; pass < BENCH_PASSES; pass++) {
		for (window = 0; window < BENCH_WINDOWS; window++) {
			i = pass * BENCH_WINDOWS + window;
			bench->ns[0][i] = bench_window(set, bench, window, false);
			cond_resched();
		}
		for (window = 0; window < BENCH_WINDOWS; window++) {
			i = pass * BENCH_WINDOWS + window;
			bench->ns[1][i] = bench_window(set, bench, window, true);
			cond_resched();
		}
	}
	bench_print(set, "split", bench->ns[0]);
	bench_print(set, "merge", bench->ns[1]);
	bench_free(set);
}

static struct kunit_case bench_cases[] = {
	KUNIT_CASE_PARAM(bench_format, bench_gen_params),
	{}
};

static struct kunit_suite bench_suite = {
	.name = "iommufd_dirty_bench_split",
	.test_cases = bench_cases,
};

kunit_test_suite(bench_suite);
