// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the sink that marks pages in the user's bitmap: all combinations of
 * page sizes at any offset in a page, compared with a simple model that sets one bit
 * at a time, and pages that cannot be pinned.
 */
#include <kunit/test.h>
#include <linux/mman.h>
#include <linux/prandom.h>
#include <linux/uaccess.h>

#include "../sink/sink.h"

#define USER_PAGES	12
#define USER_BYTES	(USER_PAGES * PAGE_SIZE)

struct sink_test {
	struct rnd_state rnd;
	unsigned long user;
	u8 *want;
	u8 *got;
	struct iommufd_dirty_bitmap bitmap;
};

static int sink_test_init(struct kunit *test)
{
	struct sink_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, t);
	t->want = kunit_kzalloc(test, USER_BYTES, GFP_KERNEL);
	t->got = kunit_kzalloc(test, USER_BYTES, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t->want);
	KUNIT_ASSERT_NOT_NULL(test, t->got);
	t->user = kunit_vm_mmap(test, NULL, 0, USER_BYTES,
				PROT_READ | PROT_WRITE,
				MAP_ANONYMOUS | MAP_PRIVATE, 0);
	KUNIT_ASSERT_NE(test, t->user, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(t->user));
	prandom_seed_state(&t->rnd, 0x62697473);
	test->priv = t;
	return 0;
}

static u32 rnd(struct sink_test *t, u32 below)
{
	return prandom_u32_state(&t->rnd) % below;
}

static void fill_user(struct kunit *test)
{
	struct sink_test *t = test->priv;

	prandom_bytes_state(&t->rnd, t->want, USER_BYTES);
	/* Leave enough bits clear */
	for (unsigned int i = 0; i < USER_BYTES; i++)
		t->want[i] &= prandom_u32_state(&t->rnd);
	KUNIT_ASSERT_EQ(test, copy_to_user((void __user *)t->user, t->want,
					   USER_BYTES), 0);
}

static void expect_user(struct kunit *test)
{
	struct sink_test *t = test->priv;

	KUNIT_ASSERT_EQ(test, copy_from_user(t->got, (void __user *)t->user,
					     USER_BYTES), 0);
	KUNIT_EXPECT_MEMEQ(test, t->got, t->want, USER_BYTES);
}

/* The model: mark one 4 KiB page. Returns true if its bit was clear */
static bool want_bit(struct sink_test *t, unsigned long data, unsigned int shift,
		     unsigned long first, unsigned long iova)
{
	unsigned long bit = (iova >> shift) - (first >> shift);
	u8 *byte = &t->want[data - t->user + bit / 8];

	if (*byte & (1 << bit % 8))
		return false;
	*byte |= 1 << bit % 8;
	return true;
}

/*
 * Mark random entries of 1 << @entry_shift bytes in one window of up to 1 GiB, like a
 * walker.
 */
static void check_window(struct kunit *test, unsigned int shift,
			 unsigned int entry_shift)
{
	struct sink_test *t = test->priv;
	struct iommufd_dirty_bitmap *bitmap = &t->bitmap;
	unsigned long entry = 1UL << entry_shift;
	unsigned long base = (1UL + rnd(t, 1000)) << 30;
	unsigned long first = base + SZ_4K * rnd(t, 1000);
	unsigned long last = base + IOMMUFD_DIRTY_WINDOW - 1;
	unsigned long data = t->user + 1 + rnd(t, 2 * PAGE_SIZE);
	unsigned long win_last = last, iova, page;
	u64 added = 0, mask;
	unsigned int i, n;

	fill_user(test);
	KUNIT_ASSERT_EQ(test, iommufd_dirty_bitmap_init(bitmap, first, last,
							shift, data), 0);
	KUNIT_ASSERT_EQ(test, iommufd_dirty_bitmap_pin(bitmap, first,
						       &win_last), 0);
	KUNIT_ASSERT_EQ(test, win_last, last);

	for (n = 0; n < 20; n++) {
		/* Up to 64 entries within the window */
		iova = ALIGN(first, entry);
		if (iova + entry - 1 > last || iova > last)
			break;
		iova += entry * rnd(t, (last - iova + 1) >> entry_shift);
		mask = (u64)prandom_u32_state(&t->rnd) << 32 |
		       prandom_u32_state(&t->rnd);
		if (n % 3 == 0)
			mask = U64_MAX;
		if ((last - iova + 1) >> entry_shift < 64)
			mask &= BIT_ULL((last - iova + 1) >> entry_shift) - 1;
		if (!mask)
			continue;
		bitmap->sink.ops->mark_mask(&bitmap->sink, iova, entry_shift,
					    mask);
		for (i = 0; i < 64; i++, iova += entry) {
			if (!(mask & BIT_ULL(i)))
				continue;
			for (page = iova; page < iova + entry; page += SZ_4K)
				added += want_bit(t, data, shift, first, page);
		}
	}
	for (n = 0; n < 10; n++) {
		unsigned long range_last;

		iova = first + rnd(t, last - first + 1);
		range_last = min(last, iova + rnd(t, 1U << (12 + n)));
		bitmap->sink.ops->mark_range(&bitmap->sink, iova, range_last);
		for (page = ALIGN_DOWN(iova, SZ_4K); page <= range_last;
		     page += SZ_4K)
			added += want_bit(t, data, shift, first,
					  max(page, iova));
	}
	iommufd_dirty_bitmap_unpin(bitmap);
	KUNIT_EXPECT_EQ(test, bitmap->added, added);
	expect_user(test);
}

static void test_granularities(struct kunit *test)
{
	static const unsigned int entry_shifts[] = { 12, 16, 21, 30 };
	static const unsigned int shifts[] = { 12, 13, 16, 21, 25, 30, 39, 63 };
	unsigned int i, j, round;

	for (i = 0; i < ARRAY_SIZE(entry_shifts); i++)
		for (j = 0; j < ARRAY_SIZE(shifts); j++)
			for (round = 0; round < 5; round++)
				check_window(test, shifts[j], entry_shifts[i]);
}

/* Without page 2 of the bitmap, pages 0 and 1 are pinned, and page 2 fails */
static void test_half_mapped(struct kunit *test)
{
	struct sink_test *t = test->priv;
	struct iommufd_dirty_bitmap *bitmap = &t->bitmap;
	unsigned long covered = (2 * PAGE_SIZE - 5) * 8 * SZ_4K;
	unsigned long last = IOMMUFD_DIRTY_WINDOW - 1;

	KUNIT_ASSERT_EQ(test, vm_munmap(t->user + 2 * PAGE_SIZE, PAGE_SIZE), 0);
	KUNIT_ASSERT_EQ(test, iommufd_dirty_bitmap_init(bitmap, 0, last, 12,
							t->user + 5), 0);
	KUNIT_ASSERT_EQ(test, iommufd_dirty_bitmap_pin(bitmap, 0, &last), 0);
	KUNIT_EXPECT_EQ(test, last, covered - 1);
	bitmap->sink.ops->mark_range(&bitmap->sink, last, last);
	iommufd_dirty_bitmap_unpin(bitmap);
	KUNIT_EXPECT_EQ(test, bitmap->added, 1);

	last = IOMMUFD_DIRTY_WINDOW - 1;
	KUNIT_EXPECT_EQ(test, iommufd_dirty_bitmap_pin(bitmap, covered, &last),
			-EFAULT);
	/* Page 3 works again */
	last = IOMMUFD_DIRTY_WINDOW - 1;
	covered += PAGE_SIZE * 8 * SZ_4K;
	KUNIT_ASSERT_EQ(test, iommufd_dirty_bitmap_pin(bitmap, covered, &last),
			0);
	KUNIT_EXPECT_EQ(test, last, IOMMUFD_DIRTY_WINDOW - 1);
	iommufd_dirty_bitmap_unpin(bitmap);
}

static void test_read_only(struct kunit *test)
{
	struct sink_test *t = test->priv;
	unsigned long last = IOMMUFD_DIRTY_WINDOW - 1;
	unsigned long user;

	user = kunit_vm_mmap(test, NULL, 0, PAGE_SIZE, PROT_READ,
			     MAP_ANONYMOUS | MAP_PRIVATE, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(user));
	KUNIT_ASSERT_EQ(test, iommufd_dirty_bitmap_init(&t->bitmap, 0, last, 21,
							user), 0);
	KUNIT_EXPECT_EQ(test, iommufd_dirty_bitmap_pin(&t->bitmap, 0, &last),
			-EFAULT);
}

static void test_bad_addresses(struct kunit *test)
{
	struct sink_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, iommufd_dirty_bitmap_init(&t->bitmap, 0,
							SZ_1M - 1, 12,
							U64_MAX - 30),
			-EOVERFLOW);
	KUNIT_EXPECT_EQ(test, iommufd_dirty_bitmap_init(&t->bitmap, 0,
							SZ_1M - 1, 12,
							U64_MAX - 32),
			-EFAULT);
	/* All IOVAs at 4 KiB per bit exceed any user address space */
	KUNIT_EXPECT_EQ(test, iommufd_dirty_bitmap_init(&t->bitmap, 0,
							ULONG_MAX - 1, 12,
							t->user),
			-EFAULT);
}

static struct kunit_case sink_cases[] = {
	KUNIT_CASE(test_granularities),
	KUNIT_CASE(test_half_mapped),
	KUNIT_CASE(test_read_only),
	KUNIT_CASE(test_bad_addresses),
	{}
};

static struct kunit_suite sink_suite = {
	.name = "iommufd_dirty_bitmap",
	.init = sink_test_init,
	.test_cases = sink_cases,
};

kunit_test_suite(sink_suite);
