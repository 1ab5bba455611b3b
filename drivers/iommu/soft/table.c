// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page tables of the software IOMMU. iommu.c maps and unmaps, dma.c looks up entries
 * with soft_port::lock held. This file takes no lock.
 *
 * Only one caller at a time maps or unmaps a range. Different ranges share only tables
 * that neither of them covers completely. These are created with cmpxchg(), and
 * unmapping one of the ranges does not free them. A table whose whole span is unmapped
 * goes to the caller's list. The caller frees it after it has invalidated all ports:
 * until then a port may still walk the table.
 */
#include <linux/io.h>
#include <linux/mm.h>

#include "soft.h"

static unsigned int soft_index(const struct soft_fmt *fmt, unsigned long iova,
			       unsigned int level)
{
	unsigned long idx = iova >> soft_shift(level);

	return level == fmt->top_level ? idx : idx % SOFT_ENTRIES;
}

static u64 *soft_subtable(const struct soft_fmt *fmt, u64 pte)
{
	return phys_to_virt(soft_phys(fmt, pte));
}

/**
 * soft_table_init() - Allocate the root
 * @domain: A domain with its format set
 *
 * Return: 0 or -ENOMEM.
 */
int soft_table_init(struct soft_domain *domain)
{
	domain->root = iommu_alloc_pages_sz(GFP_KERNEL_ACCOUNT,
					    SZ_4K << domain->fmt->root_order);
	return domain->root ? 0 : -ENOMEM;
}

/* Adds @table and all tables below it to @freelist */
static void soft_collect(const struct soft_fmt *fmt, u64 *table,
			 unsigned int level, struct iommu_pages_list *freelist)
{
	unsigned int i;

	for (i = 0; level && i < SOFT_ENTRIES; i++) {
		u64 pte = READ_ONCE(table[i]);

		if ((pte & fmt->present) && soft_is_table(fmt, pte, level))
			soft_collect(fmt, soft_subtable(fmt, pte), level - 1,
				     freelist);
	}
	iommu_pages_list_add(freelist, table);
}

/* @first to @last, inclusive, are within the span of @table */
static void soft_unmap(const struct soft_fmt *fmt, u64 *table,
		       unsigned int level, unsigned long first,
		       unsigned long last, struct iommu_pages_list *freelist)
{
	unsigned long size = 1UL << soft_shift(level);
	unsigned long iova = ALIGN_DOWN(first, size);
	unsigned int idx = soft_index(fmt, first, level);
	unsigned int last_idx = soft_index(fmt, last, level);

	for (; idx <= last_idx; idx++, iova += size) {
		bool whole = first <= iova && last >= iova + size - 1;
		u64 pte = READ_ONCE(table[idx]);

		if (!(pte & fmt->present))
			continue;
		if (!soft_is_table(fmt, pte, level)) {
			/* No caller splits a page */
			if (!WARN_ON_ONCE(!whole))
				xchg(&table[idx], 0);
		} else if (whole) {
			WRITE_ONCE(table[idx], 0);
			soft_collect(fmt, soft_subtable(fmt, pte), level - 1,
				     freelist);
		} else {
			soft_unmap(fmt, soft_subtable(fmt, pte), level - 1,
				   max(first, iova),
				   min(last, iova + size - 1), freelist);
		}
	}
}

/**
 * soft_table_unmap() - Unmap a range
 * @domain: The domain
 * @iova: First byte
 * @size: Bytes
 * @freelist: Gets the tables that are no longer needed
 */
void soft_table_unmap(struct soft_domain *domain, unsigned long iova,
		      size_t size, struct iommu_pages_list *freelist)
{
	soft_unmap(domain->fmt, domain->root, domain->fmt->top_level, iova,
		   iova + size - 1, freelist);
}

/**
 * soft_table_free() - Free all tables
 * @domain: A domain that no device is attached to
 */
void soft_table_free(struct soft_domain *domain)
{
	const struct soft_fmt *fmt = domain->fmt;
	struct iommu_pages_list freelist = IOMMU_PAGES_LIST_INIT(freelist);

	soft_unmap(fmt, domain->root, fmt->top_level, 0, BIT(fmt->bits) - 1,
		   &freelist);
	iommu_put_pages_list(&freelist);
	soft_free_pages(domain->root, SZ_4K << fmt->root_order);
}

/* Returns the table that @pte points to, allocated if needed, or NULL (no memory) */
static u64 *soft_get_table(const struct soft_fmt *fmt, u64 *pte,
			   unsigned int level, gfp_t gfp)
{
	u64 old = READ_ONCE(*pte);
	u64 *table;
	u64 new;

	if (old & fmt->present)
		return soft_subtable(fmt, old);
	table = iommu_alloc_pages_sz(gfp, SZ_4K);
	if (!table)
		return NULL;
	new = virt_to_phys(table) >> fmt->addr_shift | fmt->table;
	if (fmt->level_shift)
		new |= (u64)level << fmt->level_shift;
	if (try_cmpxchg(pte, &old, new))
		return table;
	soft_free_pages(table, SZ_4K);
	return soft_subtable(fmt, old);
}

static u64 soft_leaf(struct soft_domain *domain, phys_addr_t phys,
		     unsigned int level, int prot)
{
	const struct soft_fmt *fmt = domain->fmt;
	u64 pte = fmt->leaf | phys >> fmt->addr_shift;

	if (level)
		pte ^= fmt->huge;
	if (prot & IOMMU_WRITE)
		pte |= fmt->write;
	/* Hardware sets no bits in this domain, so set them all here */
	if (!domain->domain.dirty_ops) {
		pte |= fmt->accessed;
		if (prot & IOMMU_WRITE)
			pte ^= fmt->dirty;
	}
	return pte;
}

static int soft_map_one(struct soft_domain *domain, unsigned long iova,
			phys_addr_t phys, unsigned int level, int prot,
			gfp_t gfp)
{
	const struct soft_fmt *fmt = domain->fmt;
	unsigned int at = fmt->top_level;
	u64 *table = domain->root;
	u64 *pte = &table[soft_index(fmt, iova, at)];
	unsigned int i;
	int rc = 0;

	while (at > level) {
		table = soft_get_table(fmt, pte, at, gfp);
		if (!table)
			return -ENOMEM;
		pte = &table[soft_index(fmt, iova, --at)];
	}
	if (!(READ_ONCE(*pte) & fmt->present)) {
		WRITE_ONCE(*pte, soft_leaf(domain, phys, level, prot));
		return 0;
	}

	/* Reuse a table that is left over from smaller pages */
	if (WARN_ON_ONCE(!soft_is_table(fmt, *pte, level)))
		return -EEXIST;
	for (i = 0; i < SOFT_ENTRIES && !rc; i++) {
		size_t offset = (size_t)i << soft_shift(level - 1);

		rc = soft_map_one(domain, iova + offset, phys + offset,
				  level - 1, prot, gfp);
	}
	return rc;
}

/**
 * soft_table_map() - Map a page
 * @domain: The domain
 * @iova: The IOVA
 * @phys: The physical address
 * @size: 4 KiB, 2 MiB or 1 GiB
 * @prot: IOMMU_READ and IOMMU_WRITE; a writable page is readable, too
 * @gfp: Allocation flags for tables
 *
 * Return: 0 or a negative errno, after which part of the page may be mapped.
 */
int soft_table_map(struct soft_domain *domain, unsigned long iova,
		   phys_addr_t phys, size_t size, int prot, gfp_t gfp)
{
	return soft_map_one(domain, iova, phys, (__ffs(size) - 12) / 9, prot,
			    gfp);
}

/**
 * soft_table_lookup() - Find the entry that maps an IOVA
 * @domain: The domain
 * @iova: The IOVA
 * @level: Set to the level of the entry
 * @set_accessed: Set the accessed bits of entries above it, as hardware does
 *
 * Return: the entry, or NULL if there is none.
 */
u64 *soft_table_lookup(struct soft_domain *domain, unsigned long iova,
		       unsigned int *level, bool set_accessed)
{
	const struct soft_fmt *fmt = domain->fmt;
	u64 *table = domain->root;
	unsigned int at;

	if (iova >> fmt->bits)
		return NULL;
	for (at = fmt->top_level;; at--) {
		u64 *pte = &table[soft_index(fmt, iova, at)];
		u64 val = READ_ONCE(*pte);

		if (!(val & fmt->present))
			return NULL;
		if (!soft_is_table(fmt, val, at)) {
			*level = at;
			return pte;
		}
		if (set_accessed && (fmt->table_accessed & ~val))
			cmpxchg(pte, val, val | fmt->table_accessed);
		table = soft_subtable(fmt, val);
	}
}
