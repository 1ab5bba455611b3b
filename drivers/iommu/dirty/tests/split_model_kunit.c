// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit test of splitting and merging against a model: a list of pages that are mapped, and
 * of those that were written and not reported yet. Random pages are mapped in all sizes,
 * unmapped in part, written, walked, split and merged; hardware also writes between the
 * steps through entries that it had read before. After each step, the table must translate
 * as the model says, and a page that was not reported must be dirty.
 */
#include <linux/bitmap.h>
#include <linux/prandom.h>
#include <linux/slab.h>

#include "split_kunit.h"

#define MODEL_BLOCKS	4
/* Pages of the largest tables */
#define MODEL_PAGES	(MODEL_BLOCKS * 8192)
#define MODEL_ROUNDS	800

struct model {
	struct ksplit k;
	struct rnd_state rnd;
	unsigned int per_block;
	unsigned int nr_pages;
	DECLARE_BITMAP(mapped, MODEL_PAGES);
	DECLARE_BITMAP(written, MODEL_PAGES);
	/* What hardware has read before the step, for a write to a page */
	unsigned int late_page;
	u64 *late_pte;
	u64 late_val;
};

static unsigned long model_iova(const struct model *m, unsigned int page)
{
	return kfmt_size(m->k.fmt, 2) + page * ksplit_page(m->k.fmt);
}

static u32 model_random(struct model *m, u32 below)
{
	return prandom_u32_state(&m->rnd) % below;
}

static struct kpt_leaf model_leaf(struct model *m, unsigned int page)
{
	return kpt_find(&m->k.pt, model_iova(m, page));
}

static void model_map_block(struct model *m, unsigned int block)
{
	const struct kfmt *fmt = m->k.fmt;
	unsigned int page = block * m->per_block;
	unsigned int group = model_random(m, 2) ? fmt->groups[0] : 0, i;

	bitmap_set(m->mapped, page, m->per_block);
	*kpt_entry(&m->k.pt, model_iova(m, page), 1) = 0;
	if (model_random(m, 2)) {
		ksplit_map(&m->k, model_iova(m, page), 1, 0);
		return;
	}
	for (i = 0; i < m->per_block; i += 1U << group)
		ksplit_map(&m->k, model_iova(m, page + i), 0, group);
}

static void model_unmap(struct model *m, unsigned int page)
{
	struct kpt_leaf leaf = model_leaf(m, page);
	unsigned int block = page / m->per_block * m->per_block;

	if (leaf.ptes && !leaf.level && leaf.entries == 1) {
		*leaf.ptes = 0;
		bitmap_clear(m->mapped, page, 1);
		bitmap_clear(m->written, page, 1);
	} else if (!model_random(m, 4)) {
		*kpt_entry(&m->k.pt, model_iova(m, block), 1) = 0;
		bitmap_clear(m->mapped, block, m->per_block);
		bitmap_clear(m->written, block, m->per_block);
	}
}

/* Fill a hole, or map a whole block */
static void model_map(struct model *m, unsigned int page)
{
	unsigned int block = page / m->per_block;
	unsigned long first = find_next_bit(m->mapped, m->nr_pages,
					    block * m->per_block);

	if (first >= (block + 1) * m->per_block) {
		model_map_block(m, block);
	} else if (!test_bit(page, m->mapped)) {
		ksplit_map(&m->k, model_iova(m, page), 0, 0);
		bitmap_set(m->mapped, page, 1);
	}
}

static void model_write(struct model *m, unsigned int page)
{
	if (!test_bit(page, m->mapped))
		return;
	ksplit_write(&m->k, model_iova(m, page));
	bitmap_set(m->written, page, 1);
}

/* Between the exchange and the flush */
static void model_late(struct ksplit *k)
{
	struct model *m = container_of(k, struct model, k);
	const struct kfmt *fmt = k->fmt;

	if (!m->late_pte || kpte_is_dirty(&k->pt, m->late_val))
		return;
	if (fmt->late)
		*m->late_pte = (*m->late_pte & ~fmt->dirty) |
			       (~fmt->leaf & fmt->dirty);
	else if (*m->late_pte == m->late_val)
		kpte_dirty(&k->pt, m->late_pte);
	else
		ksplit_write(k, model_iova(m, m->late_page));
	bitmap_set(m->written, m->late_page, 1);
}

/* The report, after the flush */
static void model_report(struct model *m)
{
	struct krec *rec = m->k.rec;
	unsigned long base = model_iova(m, 0);
	unsigned int i;

	for (i = 0; i < rec->nr; i++)
		bitmap_clear(m->written,
			     (rec->ranges[i].first - base) >> m->k.fmt->page_shift,
			     (rec->ranges[i].last - rec->ranges[i].first + 1) >>
				     m->k.fmt->page_shift);
}

static void model_change(struct model *m, unsigned int page, unsigned int nr,
			 bool merge)
{
	unsigned int flags = KSPLIT_ALL;
	struct kpt_leaf leaf;

	m->late_page = page + model_random(m, nr);
	leaf = model_leaf(m, m->late_page);
	m->late_pte = leaf.ptes;
	if (leaf.ptes) {
		m->late_pte += model_random(m, leaf.entries);
		m->late_val = *m->late_pte;
	}
	if (!merge && model_random(m, 2))
		flags |= IOMMU_DIRTY_SPLIT_DIRTY;
	KUNIT_EXPECT_EQ(m->k.test, 0,
			ksplit_run(&m->k, merge, model_iova(m, page),
				   model_iova(m, page + nr) - 1, flags));
	model_report(m);
}

static void model_check(struct model *m)
{
	const struct kfmt *fmt = m->k.fmt;
	unsigned int page;

	for (page = 0; page < m->nr_pages; page++) {
		unsigned long iova = model_iova(m, page);
		struct ktrans trans = ksplit_translate(&m->k, iova);

		if (!test_bit(page, m->mapped)) {
			KUNIT_ASSERT_EQ(m->k.test, trans.attrs, 0);
			continue;
		}
		KUNIT_ASSERT_EQ(m->k.test, trans.attrs, fmt->leaf & ~fmt->dirty);
		KUNIT_ASSERT_EQ(m->k.test, trans.phys, KSPLIT_PHYS + iova);
		if (test_bit(page, m->written))
			KUNIT_ASSERT_TRUE(m->k.test, ksplit_is_dirty(&m->k, iova));
	}
}

static void model_round(struct model *m)
{
	unsigned int page = model_random(m, m->nr_pages);
	unsigned int nr = 1 + model_random(m, m->nr_pages - page);

	if (model_random(m, 2)) {
		page = page / m->per_block * m->per_block;
		nr = (MODEL_BLOCKS - page / m->per_block) * m->per_block;
	}
	switch (model_random(m, 16)) {
	case 0:
		kwalk(&m->k.pt, m->k.rec, model_iova(m, page),
		      model_iova(m, page + nr) - 1,
		      IOMMU_DIRTY_WALK_WHOLE | IOMMU_DIRTY_WALK_EXCLUSIVE);
		model_report(m);
		break;
	case 1:
	case 2:
		model_change(m, page, nr, false);
		break;
	case 3:
	case 4:
		model_change(m, page, nr, true);
		break;
	case 5:
		model_unmap(m, page);
		break;
	case 6:
	case 7:
	case 8:
		model_map(m, page);
		break;
	default:
		model_write(m, page);
	}
}

static void test_model(struct kunit *test)
{
	struct model *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);
	unsigned long first, last;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, m);
	ksplit_init(&m->k, test);
	m->k.late = model_late;
	prandom_seed_state(&m->rnd, 0x73706c69);
	m->per_block = 1U << (m->k.fmt->page_shift - 3);
	m->nr_pages = MODEL_BLOCKS * m->per_block;
	for (i = 0; i < MODEL_ROUNDS; i++) {
		model_round(m);
		if (i % (m->nr_pages < 4096 ? 4 : 32) == 0)
			model_check(m);
	}

	/* In the end, one written page is one dirty page */
	for (i = 0; i < m->nr_pages; i++)
		model_map(m, i);
	first = model_iova(m, 0);
	last = model_iova(m, m->nr_pages) - 1;
	m->k.late = NULL;
	KUNIT_EXPECT_EQ(test, 0, ksplit_run(&m->k, false, first, last, KSPLIT_ALL));
	kwalk(&m->k.pt, m->k.rec, first, last, 0);
	for (i = 0; i < MODEL_BLOCKS; i++) {
		unsigned long iova = first + i * kfmt_size(m->k.fmt, 1);

		ksplit_write(&m->k, iova);
		kwalk(&m->k.pt, m->k.rec, first, last, 0);
		kexpect_one(test, m->k.rec, iova,
			    iova + ksplit_page(m->k.fmt) - 1);
	}
}

static struct kunit_case model_cases[] = {
	KUNIT_CASE_PARAM(test_model, kfmt_gen_params),
	{}
};

static struct kunit_suite model_suite = {
	.name = "iommu_dirty_split_model",
	.test_cases = model_cases,
};

kunit_test_suite(model_suite);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("KUnit test of splitting and merging against a model");
