// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sink of the walkers' tests, which records marks, and helpers that walk and
 * compare records. Used by the KUnit suites in this directory, see walk_kunit.h.
 */
#include <linux/slab.h>

#include "walk_kunit.h"

/* Ranges are merged only if they are added in ascending order */
void krec_add(struct krec *rec, unsigned long first, unsigned long last)
{
	struct krange *prev = rec->nr ? &rec->ranges[rec->nr - 1] : NULL;

	if (prev && prev->last + 1 == first)
		prev->last = last;
	else if (!WARN_ON(rec->nr == ARRAY_SIZE(rec->ranges)))
		rec->ranges[rec->nr++] = (struct krange){ first, last };
}

/* A walk must mark before it clears, so the marked leaves must still be dirty */
static void krec_check(const struct kpt *pt, unsigned long iova,
		       unsigned long last)
{
	struct kpt_leaf leaf;

	do {
		leaf = kpt_find(pt, iova);
		KUNIT_ASSERT_NOT_NULL(pt->test, leaf.ptes);
		KUNIT_EXPECT_TRUE(pt->test, kpt_leaf_is_dirty(pt, &leaf));
		iova |= kfmt_size(pt->fmt, leaf.level) * leaf.entries - 1;
	} while (iova++ < last);
}

static void krec_mark_range(struct iommu_dirty_sink *sink, unsigned long iova,
			    unsigned long last)
{
	struct krec *rec = container_of(sink, struct krec, sink);

	if (rec->check)
		krec_check(rec->check, iova, last);
	krec_add(rec, iova, last);
}

static void krec_mark_mask(struct iommu_dirty_sink *sink, unsigned long iova,
			   unsigned int shift, u64 mask)
{
	unsigned int i;

	for (i = 0; i < 64; i++, iova += 1UL << shift)
		if (mask & BIT_ULL(i))
			krec_mark_range(sink, iova, iova + (1UL << shift) - 1);
}

static const struct iommu_dirty_sink_ops krec_ops = {
	.mark_mask = krec_mark_mask,
	.mark_range = krec_mark_range,
};

struct krec *krec_alloc(struct kunit *test)
{
	struct krec *rec = kunit_kzalloc(test, sizeof(*rec), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, rec);
	rec->sink.ops = &krec_ops;
	return rec;
}

/* Empty @rec, unless it is NULL, and walk a range. Returns the walk to be flushed */
struct iommu_dirty_walk kwalk(const struct kpt *pt, struct krec *rec,
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

void kexpect_ranges(struct kunit *test, const struct krec *rec,
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

void kexpect_one(struct kunit *test, const struct krec *rec,
		 unsigned long first, unsigned long last)
{
	KUNIT_ASSERT_EQ(test, rec->nr, 1);
	KUNIT_EXPECT_EQ(test, rec->ranges[0].first, first);
	KUNIT_EXPECT_EQ(test, rec->ranges[0].last, last);
}
