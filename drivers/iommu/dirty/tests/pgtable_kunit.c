// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the dirty walkers on tables that the IOMMU drivers' own code
 * builds: random maps, unmaps and writes, compared with a list of pages. A simple
 * walk, which uses only what hardware knows, looks up the entries one IOVA at a
 * time. So independent code writes, walks and checks each format.
 */
#include <linux/iommu.h>
#include <linux/prandom.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "pgtable_kunit.h"

#define KPAGES	3072
#define ROUNDS	24

/* A page of the model; @pte has the bits of its first entry that must not change */
struct kpage {
	unsigned long iova;
	unsigned long last;
	phys_addr_t phys;
	u64 pte;
	bool writable;
	bool dirty;
};

struct pgt_test {
	struct pgt pgt;
	struct rnd_state rnd;
	struct krec *rec;
	struct krec *want;
	unsigned int nr;
	struct kpage pages[KPAGES];
};

static u64 random64(struct pgt_test *t)
{
	return (u64)prandom_u32_state(&t->rnd) << 32 |
	       prandom_u32_state(&t->rnd);
}

static u32 random_below(struct pgt_test *t, u32 end)
{
	return prandom_u32_state(&t->rnd) % end;
}

/* The bits that neither hardware nor the walkers change */
static u64 kpte_rest(const struct kpt *pt, u64 pte)
{
	return pte & ~(pt->fmt->dirty | pt->fmt->accessed);
}

static unsigned long kpage_size(const struct kpage *page)
{
	return page->last - page->iova + 1;
}

static struct kpt_leaf kpage_find(struct pgt_test *t, const struct kpage *page)
{
	struct kpt_leaf leaf = kpt_find(&t->pgt.pt, page->iova);

	KUNIT_ASSERT_NOT_NULL(t->pgt.pt.test, leaf.ptes);
	KUNIT_ASSERT_EQ(t->pgt.pt.test, kpage_size(page),
			kfmt_size(t->pgt.pt.fmt, leaf.level) * leaf.entries);
	return leaf;
}

static void expect_phys(struct pgt_test *t, const struct kpage *page)
{
	unsigned long offset = random64(t) % kpage_size(page);

	KUNIT_EXPECT_EQ(t->pgt.pt.test, page->phys + offset,
			t->pgt.fmt->driver->iova_to_phys(&t->pgt,
							 page->iova + offset));
}

static bool is_free(struct pgt_test *t, unsigned long iova, unsigned long last)
{
	unsigned int i;

	for (i = 0; i < t->nr; i++)
		if (t->pages[i].iova <= last && t->pages[i].last >= iova)
			return false;
	return true;
}

/* Add a mapped page to the model; the driver decides whether it starts dirty */
static void kpage_add(struct pgt_test *t, unsigned long iova, phys_addr_t phys,
		      unsigned long size, bool writable)
{
	struct kpage *page = &t->pages[t->nr++];
	struct kpt_leaf leaf;

	page->iova = iova;
	page->last = iova + size - 1;
	page->phys = phys;
	page->writable = writable;
	leaf = kpage_find(t, page);
	page->pte = kpte_rest(&t->pgt.pt, *leaf.ptes);
	page->dirty = kpt_leaf_is_dirty(&t->pgt.pt, &leaf);
	expect_phys(t, page);
}

static unsigned long random_size(struct pgt_test *t)
{
	u64 sizes = t->pgt.pgsizes;
	u64 size;

	/* Mostly small pages; the largest pages never fill a table */
	if (random_below(t, 2))
		return BIT(__ffs64(sizes));
	do {
		size = BIT_ULL(random_below(t, 64));
	} while (!(size & sizes));
	return size;
}

/* Near the start, the middle or the end, or anywhere */
static unsigned long random_place(struct pgt_test *t, unsigned long size)
{
	unsigned int bits = t->pgt.fmt->bits;
	unsigned long near = size * random_below(t, 32);

	switch (random_below(t, 4)) {
	case 0:
		return near;
	case 1:
		return BIT(bits - 1) - 16 * size + near;
	case 2:
		return GENMASK(bits - 1, 0) - (near + size - 1);
	default:
		return ALIGN_DOWN(random64(t) >> (64 - bits), size);
	}
}

static void map_random(struct pgt_test *t)
{
	struct kunit *test = t->pgt.pt.test;
	const struct pgt_driver *driver = t->pgt.fmt->driver;
	unsigned long size = random_size(t);
	unsigned long iova = random_place(t, size);
	unsigned int oas = t->pgt.oas;
	phys_addr_t phys = ALIGN_DOWN(random64(t) >> (64 - oas), size);
	bool writable = random_below(t, 8);
	unsigned long last = GENMASK(t->pgt.fmt->bits - 1, 0);
	unsigned long all = size << random_below(t, 5), done = 0;

	/* Sometimes map a whole table */
	if (size == kfmt_size(t->pgt.pt.fmt, 0) && !random_below(t, 8)) {
		all = kfmt_size(t->pgt.pt.fmt, 1);
		iova = ALIGN_DOWN(iova, all);
	}
	if (all - 1 > last || iova > last - (all - 1) ||
	    (phys + all - 1) >> oas || t->nr + all / size > KPAGES ||
	    !is_free(t, iova, iova + all - 1))
		return;

	while (done < all) {
		size_t mapped = driver->map(&t->pgt, iova + done, phys + done,
					    size, (all - done) / size,
					    IOMMU_READ |
					    (writable ? IOMMU_WRITE : 0));

		KUNIT_ASSERT_GT(test, mapped, 0);
		done += mapped;
	}
	driver->find_root(&t->pgt);
	for (done = 0; done < all; done += size)
		kpage_add(t, iova + done, phys + done, size, writable);
}

static void kpage_unmap(struct pgt_test *t, unsigned int i)
{
	const struct pgt_driver *driver = t->pgt.fmt->driver;
	struct kpage *page = &t->pages[i];

	KUNIT_ASSERT_EQ(t->pgt.pt.test, kpage_size(page),
			driver->unmap(&t->pgt, page->iova, kpage_size(page)));
	KUNIT_EXPECT_EQ(t->pgt.pt.test, 0,
			driver->iova_to_phys(&t->pgt, page->iova));
	KUNIT_EXPECT_NULL(t->pgt.pt.test,
			  kpt_find(&t->pgt.pt, page->last).ptes);
	*page = t->pages[--t->nr];
}

static bool is_arm(const struct pgt_test *t)
{
	return t->pgt.fmt->driver == pgt_arm_fmts[0].driver;
}

/* io-pgtable-arm splits a block into many pages when a part of it is unmapped */
static void kpage_split(struct pgt_test *t, unsigned int i)
{
	const struct kfmt *kfmt = t->pgt.pt.fmt;
	unsigned int entries = 1U << (kfmt->page_shift - 3);
	struct kpage page = t->pages[i];
	unsigned int hole = random_below(t, entries), first = t->nr, j;
	unsigned long size = kpage_size(&page) / entries;

	if (!pgt_arm_splits || !is_arm(t) || t->nr + entries > KPAGES ||
	    kpage_size(&page) == kfmt_size(kfmt, 0))
		return;
	KUNIT_ASSERT_EQ(t->pgt.pt.test, size,
			t->pgt.fmt->driver->unmap(&t->pgt,
						  page.iova + hole * size,
						  size));
	for (j = 0; j < entries; j++)
		if (j != hole)
			kpage_add(t, page.iova + j * size, page.phys + j * size,
				  size, page.writable);
	for (j = first; j < t->nr; j++)
		KUNIT_EXPECT_EQ(t->pgt.pt.test, page.dirty, t->pages[j].dirty);
	t->pages[i] = t->pages[--t->nr];
}

/* Simulate a write of the device: it changes one entry of a page */
static void kpage_write(struct pgt_test *t, struct kpage *page)
{
	struct kpt_leaf leaf = kpage_find(t, page);

	kpte_dirty(&t->pgt.pt, &leaf.ptes[random_below(t, leaf.entries)]);
	page->dirty = true;
}

static int kpage_cmp(const void *a, const void *b)
{
	const struct kpage *l = a, *r = b;

	return l->iova < r->iova ? -1 : l->iova > r->iova;
}

static unsigned long random_iova(struct pgt_test *t)
{
	const struct kpage *page = &t->pages[random_below(t, t->nr)];

	/* Half of them at one end of a page */
	switch (random_below(t, 4)) {
	case 0:
		return page->iova;
	case 1:
		return page->last;
	default:
		return page->iova + random64(t) % kpage_size(page);
	}
}

static struct krange random_range(struct pgt_test *t)
{
	struct krange range = { 0, ULONG_MAX };

	if (!random_below(t, 4))
		return range;
	range.first = random_iova(t);
	range.last = random_iova(t);
	if (range.first > range.last)
		swap(range.first, range.last);
	return range;
}

static void expect_pages(struct pgt_test *t)
{
	const struct kpt *pt = &t->pgt.pt;
	unsigned int i;

	for (i = 0; i < t->nr; i++) {
		const struct kpage *page = &t->pages[i];
		struct kpt_leaf leaf = kpage_find(t, page);

		KUNIT_EXPECT_EQ(pt->test, page->dirty,
				kpt_leaf_is_dirty(pt, &leaf));
		KUNIT_EXPECT_EQ(pt->test, page->pte,
				kpte_rest(pt, *leaf.ptes));
		expect_phys(t, page);
	}
}

static void check_walk(struct pgt_test *t, struct krange range,
		       unsigned int flags)
{
	unsigned long flush_iova = ULONG_MAX, flush_last = 0;
	struct iommu_dirty_walk walk;
	unsigned int i;

	sort(t->pages, t->nr, sizeof(*t->pages), kpage_cmp, NULL);
	walk = kwalk(&t->pgt.pt, t->rec, range.first, range.last, flags);

	t->want->nr = 0;
	for (i = 0; i < t->nr; i++) {
		struct kpage *page = &t->pages[i];

		if (!page->dirty || page->iova > range.last ||
		    page->last < range.first)
			continue;
		krec_add(t->want, max(page->iova, range.first),
			 min(page->last, range.last));
		if (page->iova < range.first || page->last > range.last ||
		    (flags & IOMMU_DIRTY_WALK_NO_CLEAR))
			continue;
		page->dirty = false;
		flush_iova = min(flush_iova, page->iova);
		flush_last = max(flush_last, page->last);
	}
	kexpect_ranges(t->pgt.pt.test, t->rec, t->want);
	KUNIT_EXPECT_EQ(t->pgt.pt.test, walk.flush_iova, flush_iova);
	KUNIT_EXPECT_EQ(t->pgt.pt.test, walk.flush_last, flush_last);
	expect_pages(t);
}

static KUNIT_GENERATOR(pgt_gen_params)
{
	const struct pgt_fmt *next =
		prev ? (const struct pgt_fmt *)prev + 1 : pgt_arm_fmts;

	while (!next->name) {
		if (!next->more)
			return NULL;
		next = next->more;
	}
	strscpy(desc, next->name, KUNIT_PARAM_DESC_SIZE);
	return next;
}

/* Create an empty table of the test's format */
static void pgt_init(struct pgt *pgt, struct kunit *test)
{
	const struct pgt_fmt *fmt = test->param_value;
	unsigned int i;

	pgt->fmt = fmt;
	pgt->pt.test = test;
	for (i = 0; i < kfmts_nr; i++)
		if (!strcmp(kfmts[i].name, fmt->kfmt))
			pgt->pt.fmt = &kfmts[i];
	pgt->pt.table.page_shift = pgt->pt.fmt->page_shift;
	fmt->driver->init(pgt);
	fmt->driver->find_root(pgt);
	KUNIT_ASSERT_EQ(test, pgt->pt.table.page_shift,
			pgt->pt.fmt->page_shift);
}

static void test_driver_table(struct kunit *test)
{
	unsigned int round, i, density;
	struct pgt_test *t;

	t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t);
	t->rec = krec_alloc(test);
	t->rec->check = &t->pgt.pt;
	t->want = krec_alloc(test);
	prandom_seed_state(&t->rnd, 0x70677462);
	pgt_init(&t->pgt, test);

	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < 24; i++)
			map_random(t);
		KUNIT_ASSERT_GT(test, t->nr, 10);
		kpage_split(t, random_below(t, t->nr));
		for (i = random_below(t, t->nr / 2); i; i--)
			kpage_unmap(t, random_below(t, t->nr));

		density = random_below(t, 101);
		for (i = 0; i < t->nr; i++)
			if (t->pages[i].writable &&
			    random_below(t, 100) < density)
				kpage_write(t, &t->pages[i]);
		check_walk(t, random_range(t),
			   (random_below(t, 3) ? 0 :
			    IOMMU_DIRTY_WALK_NO_CLEAR) |
			   (random_below(t, 2) ? 0 :
			    IOMMU_DIRTY_WALK_EXCLUSIVE));
	}

	while (t->nr)
		kpage_unmap(t, 0);
	kwalk(&t->pgt.pt, t->rec, 0, ULONG_MAX, 0);
	KUNIT_EXPECT_EQ(test, t->rec->nr, 0);
}

static struct kunit_case pgtable_cases[] = {
	KUNIT_CASE_PARAM(test_driver_table, pgt_gen_params),
	{}
};

static struct kunit_suite pgtable_suite = {
	.name = "iommu_dirty_pgtable",
	.test_cases = pgtable_cases,
};

kunit_test_suite(pgtable_suite);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("KUnit tests of the dirty walkers on the drivers' own tables");
