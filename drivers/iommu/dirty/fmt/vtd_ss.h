/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Intel VT-d second stage ("second-level") page table.
 *
 * Section numbers are those of the "Intel Virtualization Technology for
 * Directed I/O Architecture Specification", revision 5.10. Included by vtd_ss.c
 * ahead of the walk template.
 */
#include <linux/bits.h>
#include <linux/types.h>

/* 9.8 "Second-Stage Paging Entries" */
#define VTD_SS_READ		BIT_ULL(0)
#define VTD_SS_WRITE		BIT_ULL(1)
#define VTD_SS_PAGE_SIZE	BIT_ULL(7)	/* leaf, above the lowest level */
#define VTD_SS_DIRTY		BIT_ULL(9)	/* 3.7.2 "Accessed and Dirty Flags" */
#define VTD_SS_ADDR		GENMASK_ULL(51, 12)

#define FMT_WALK		iommu_dirty_walk_vtd_ss
#define FMT_PAGE_SHIFT		12
#define FMT_TABLE_SHIFT		9	/* log2 of the entries of a table */

static inline bool fmt_present(u64 pte)
{
	return pte & (VTD_SS_READ | VTD_SS_WRITE);
}

static inline bool fmt_is_leaf(u64 pte)
{
	return pte & VTD_SS_PAGE_SIZE;
}

static inline phys_addr_t fmt_table(u64 pte)
{
	return pte & VTD_SS_ADDR;
}

/* An entry that is not present may hold anything in its other bits */
static inline bool fmt_is_dirty(u64 pte)
{
	return (pte & VTD_SS_DIRTY) && fmt_present(pte);
}

/*
 * Hardware sets D together with A, and does so again only once D is clear and
 * the IOTLB flushed. A may stay: software does not use it.
 */
#define FMT_CLEAN_BITS		VTD_SS_DIRTY
