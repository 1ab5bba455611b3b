// SPDX-License-Identifier: GPL-2.0-only
/*
 * Benchmark of the dirty walkers, run as a KUnit suite. It reads dirty entries into
 * the bitmap of a user process like the READ ioctl, but without its locks and IOTLB
 * flush. The same run measures a plain sequential read of the same entries, and the
 * walkers of the base kernel: that of the format, if there is one, on the same table,
 * and that of io-pgtable-arm on an Arm stage 1 table of the same layout.
 *
 * The measurements take turns, each on a different part of its table, so all see the
 * same machine state and a cache that holds other parts. Each turn restores the
 * table and the bitmap, untimed. The result is one line of JSON per measurement:
 * median, minimum and maximum of BENCH_PASSES passes, in picoseconds per entry. Each
 * part is timed separately, so an interruption affects one part of one pass.
 */
#include <linux/iova_bitmap.h>
#include <linux/ktime.h>
#include <linux/mman.h>
#include <linux/mm.h>
#include <linux/sort.h>
#include <linux/uaccess.h>

#include "bench.h"

#define BENCH_PASSES	9
/* Maximum number of parts of a pass */
#define BENCH_STEPS	64
/* Size of the user's bitmap for the whole aperture, in bytes */
#define BENCH_BITMAP	(BIT(BENCH_BITS) / SZ_4K / 8)
#define BENCH_WINDOW_BITMAP	(IOMMUFD_DIRTY_WINDOW / SZ_4K / 8)

/* 64 GiB of 4 KiB entries: 128 MiB of tables, more than the caches can hold */
static const struct bench_layout bench_4k = {
	"4k", 0, 64, IOMMUFD_DIRTY_WINDOW, BENCH_STEPS,
};

static const struct bench_layout bench_2m = {
	"2m", 1, 64, IOMMUFD_DIRTY_WINDOW, 1,
};

/* Three mappings of 1 GiB: at both ends and in the middle of 48 bits of IOVA */
static const struct bench_layout bench_sparse = {
	"sparse", 0, 3, BIT(BENCH_BITS - 1) - IOMMUFD_DIRTY_WINDOW, 1,
};

enum bench_what {
	BENCH_SEQUENTIAL,
	BENCH_CLEAR,
	BENCH_NO_CLEAR,
	BENCH_HARVEST,
	BENCH_RIVALS,
	BENCH_ARM = BENCH_RIVALS,
	BENCH_BASE,
	BENCH_NR,
};

static const char *const bench_names[BENCH_RIVALS] = {
	"sequential", "clear", "no_clear", "harvest_dirty",
};

struct bench {
	struct kunit *test;
	const struct bench_layout *layout;
	/* The table of each measurement; NULL if there is no such rival */
	struct bench_set *set[BENCH_NR];
	unsigned long user;
	u64 sum;
	u64 ns[BENCH_NR][BENCH_STEPS][BENCH_PASSES];
};

static void bench_sequential(struct bench *b, unsigned int window)
{
	struct bench_set *set = b->set[BENCH_SEQUENTIAL];
	u64 **leaves = &set->leaves[window * set->per_window];
	unsigned int i, j;
	u64 sum = 0;

	for (i = 0; i < set->per_window; i++)
		for (j = 0; j < 512; j++)
			sum += READ_ONCE(leaves[i][j]);
	/* Keep the compiler from removing the loop */
	b->sum += sum;
}

/* Harvest a window like read.c. Returns the number of newly set bits */
static u64 bench_ours(struct bench *b, unsigned int window,
		      enum bench_what what)
{
	unsigned int flags = what == BENCH_NO_CLEAR ? IOMMU_DIRTY_WALK_NO_CLEAR : 0;
	struct bench_set *set = b->set[what];
	struct iommufd_dirty_bitmap bitmap;
	struct iommu_dirty_walk walk;

	KUNIT_ASSERT_EQ(b->test,
			iommufd_dirty_bitmap_init(&bitmap, 0,
						  BIT(BENCH_BITS) - 1, 12,
						  b->user), 0);
	iommu_dirty_walk_init(&walk, &bitmap.sink,
			      flags | IOMMU_DIRTY_WALK_EXCLUSIVE);
	walk.iova = bench_iova(b->layout, window);
	walk.last = walk.iova + IOMMUFD_DIRTY_WINDOW - 1;
	KUNIT_ASSERT_EQ(b->test,
			iommufd_dirty_bitmap_pin(&bitmap, walk.iova,
						 &walk.last), 0);
	if (what == BENCH_HARVEST)
		KUNIT_ASSERT_EQ(b->test, set->rival->harvest(set, &walk), 0);
	else
		set->fmt->walk(&set->table, &walk);
	iommufd_dirty_bitmap_unpin(&bitmap);
	return bitmap.added;
}

static int bench_rival_window(struct iova_bitmap *bitmap, unsigned long iova,
			      size_t length, void *opaque)
{
	struct iommu_iotlb_gather gather;
	struct iommu_dirty_bitmap dirty;
	struct bench_set *set = opaque;

	iommu_dirty_bitmap_init(&dirty, bitmap, &gather);
	return set->rival->read(set, iova, length, &dirty);
}

/* Harvest a window like IOMMU_HWPT_GET_DIRTY_BITMAP */
static void bench_rival(struct bench *b, struct bench_set *set,
			unsigned int window)
{
	unsigned long iova = bench_iova(b->layout, window);
	struct iova_bitmap *bitmap;

	bitmap = iova_bitmap_alloc(iova, IOMMUFD_DIRTY_WINDOW, SZ_4K,
				   (u64 __user *)(b->user + iova / SZ_4K / 8));
	KUNIT_ASSERT_FALSE(b->test, IS_ERR(bitmap));
	KUNIT_EXPECT_EQ(b->test,
			iova_bitmap_for_each(bitmap, set, bench_rival_window), 0);
	iova_bitmap_free(bitmap);
}

static u64 bench_one(struct bench *b, enum bench_what what, unsigned int window)
{
	switch (what) {
	case BENCH_CLEAR:
	case BENCH_NO_CLEAR:
	case BENCH_HARVEST:
		return bench_ours(b, window, what);
	case BENCH_SEQUENTIAL:
		bench_sequential(b, window);
		return 0;
	default:
		bench_rival(b, b->set[what], window);
		return 0;
	}
}

/* Restore the dirty entries and clear the bitmap. Returns the number of dirty entries */
static unsigned int bench_reset(struct bench *b, struct bench_set *set,
				unsigned int window, unsigned int per_mille)
{
	unsigned long iova = bench_iova(b->layout, window);
	void __user *bits = (void __user *)(b->user + iova / SZ_4K / 8);

	KUNIT_ASSERT_EQ(b->test, clear_user(bits, BENCH_WINDOW_BITMAP), 0);
	return bench_set_dirty(set, window, per_mille);
}

/* Measure @what on the windows @first to @last. Returns the time in nanoseconds */
static u64 bench_turn(struct bench *b, enum bench_what what, unsigned int first,
		      unsigned int last, unsigned int per_mille)
{
	unsigned long page_bits = b->layout->level ? 512 : 1;
	ktime_t start = ktime_get();
	u64 ns, bits = 0, want = 0;
	unsigned int window;

	for (window = first; window <= last; window++)
		bits += bench_one(b, what, window);
	ns = ktime_to_ns(ktime_sub(ktime_get(), start));

	if (what == BENCH_SEQUENTIAL)
		return ns;
	for (window = first; window <= last; window++)
		want += page_bits * bench_reset(b, b->set[what], window, per_mille);
	if (what < BENCH_RIVALS)
		KUNIT_EXPECT_EQ(b->test, bits, want);
	return ns;
}

static void bench_print(struct bench *b, enum bench_what what,
			unsigned int per_mille)
{
	struct bench_set *set = b->set[what];
	unsigned long entries = b->layout->nr_windows * 512UL *
				set->per_window;
	u64 median = 0, low = 0, high = 0;
	unsigned int step;

	for (step = 0; step < b->layout->steps; step++) {
		u64 *ns = b->ns[what][step];

		sort(ns, BENCH_PASSES, sizeof(*ns), bench_compare, NULL);
		median += ns[BENCH_PASSES / 2];
		low += ns[0];
		high += ns[BENCH_PASSES - 1];
	}
	bench_result(b->set[BENCH_CLEAR],
		     what < BENCH_RIVALS ? bench_names[what] : set->rival->name,
		     per_mille, entries, median, low, high);
}

static void bench_measure(struct bench *b, unsigned int per_mille)
{
	unsigned int steps = b->layout->steps;
	unsigned int windows = b->layout->nr_windows / steps;
	unsigned int pass, step, what, window;

	for (window = 0; window < b->layout->nr_windows; window++) {
		bench_reset(b, b->set[BENCH_CLEAR], window, per_mille);
		if (b->set[BENCH_ARM])
			bench_reset(b, b->set[BENCH_ARM], window, per_mille);
	}
	for (pass = 0; pass < BENCH_PASSES; pass++)
		for (step = 0; step < steps; step++)
			for (what = 0; what < BENCH_NR; what++) {
				unsigned int part =
					(step + what * steps / BENCH_NR) % steps;

				if (!b->set[what])
					continue;
				b->ns[what][part][pass] =
					bench_turn(b, what, part * windows,
						   (part + 1) * windows - 1,
						   per_mille);
				cond_resched();
			}
	for (what = 0; what < BENCH_NR; what++)
		if (b->set[what])
			bench_print(b, what, per_mille);
}

static void bench_run(struct kunit *test, const struct bench_layout *layout)
{
	static const unsigned int per_mille[] = { 0, 1, 10, 100, 1000 };
	const struct bench_fmt *fmt = test->param_value;
	struct bench *b = kunit_kzalloc(test, sizeof(*b), GFP_KERNEL);
	const struct bench_rival *arm, *base;
	struct bench_set *set;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, b);
	b->test = test;
	b->layout = layout;

	/* Only the parts of mapped IOVAs get memory */
	b->user = kunit_vm_mmap(test, NULL, 0, BENCH_BITMAP,
				PROT_READ | PROT_WRITE,
				MAP_ANONYMOUS | MAP_PRIVATE | MAP_NORESERVE, 0);
	KUNIT_ASSERT_NE(test, b->user, 0);
	arm = bench_rival_arm();
	base = bench_rival_base(fmt);
	if (arm)
		b->set[BENCH_ARM] = bench_build(test, bench_fmt_arm, layout, arm);
	set = arm && fmt == bench_fmt_arm ? b->set[BENCH_ARM] :
					    bench_build(test, fmt, layout, base);
	for (i = 0; i < BENCH_RIVALS; i++)
		b->set[i] = set;
	if (!base || !base->harvest)
		b->set[BENCH_HARVEST] = NULL;
	if (base)
		b->set[BENCH_BASE] = set;

	for (i = 0; i < ARRAY_SIZE(per_mille); i++)
		bench_measure(b, per_mille[i]);

	bench_free(set);
	if (arm && set != b->set[BENCH_ARM])
		bench_free(b->set[BENCH_ARM]);
}

static void bench_format_4k(struct kunit *test)
{
	bench_run(test, &bench_4k);
}

static void bench_format_2m(struct kunit *test)
{
	bench_run(test, &bench_2m);
}

static void bench_format_sparse(struct kunit *test)
{
	bench_run(test, &bench_sparse);
}

static struct kunit_case bench_cases[] = {
	KUNIT_CASE_PARAM(bench_format_4k, bench_gen_params),
	KUNIT_CASE_PARAM(bench_format_2m, bench_gen_params),
	KUNIT_CASE_PARAM(bench_format_sparse, bench_gen_params),
	{}
};

static struct kunit_suite bench_suite = {
	.name = "iommufd_dirty_bench",
	.test_cases = bench_cases,
};

kunit_test_suite(bench_suite);
