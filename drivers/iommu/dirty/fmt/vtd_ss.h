/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Intel VT-d second-stage ("second-level") page table.
 *
 * Section numbers refer to the "Intel Virtualization Technology for Directed I/O
 * Architecture Specification", revision 5.10. vtd_ss.c includes this file before the
 * walk template.
 */
#include <linux/bits.h>
#include <linux/types.h>

/* 9.8 "Second-Stage Paging Entries" */
#define VTD_SS_READ		BIT_ULL(0)
#define VTD_SS_WRITE		BIT_ULL(1)
#define VTD_SS_PAGE_SIZE	BIT_ULL(7)	/* leaf, above the lowest level */
#define VTD_SS_ACCESSED		BIT_ULL(8)	/* 3.7.2 "Accessed and Dirty Flags" */
#define VTD_SS_DIRTY		BIT_ULL(9)
#define VTD_SS_ADDR		GENMASK_ULL(51, 12)

#define FMT_WALK		iommu_dirty_walk_vtd_ss
#define FMT_PAGE_SHIFT		12

static inline bool fmt_present(u64 pte)
{
	return pte & (VTD_SS_READ | VTD_SS_WRITE);
}

static inline bool fmt_is_leaf(u64 pte)
{
	return pte & VTD_SS_PAGE_SIZE;
}

#define FMT_LEAF_SET		VTD_SS_PAGE_SIZE
#define FMT_LEAF_CLEAR		0ULL

static inline phys_addr_t fmt_table(u64 pte)
{
	return pte & VTD_SS_ADDR;
}

/*
 * Hardware sets D together with A, and sets D again only after D was cleared and the
 * IOTLB was flushed. A may stay set: software does not use it.
 */
#define FMT_TRACKED		VTD_SS_WRITE
#define FMT_DIRTY		VTD_SS_DIRTY
#define FMT_CLEAN_CLEAR		VTD_SS_DIRTY
#define FMT_PROTECT		VTD_SS_WRITE
/* An entry that was only writable would not be present any more without write permission */
#define FMT_PROTECT_SET		VTD_SS_READ
#define FMT_SETTLED		(VTD_SS_ACCESSED | VTD_SS_DIRTY)

/* Bits 6 to 3 of an entry that points to a table are ignored */
#define FMT_SPLIT		iommu_dirty_split_vtd_ss
#define FMT_MERGE		iommu_dirty_merge_vtd_ss
#define FMT_SPLIT_MARK		BIT_ULL(3)
#define FMT_LARGE		VTD_SS_PAGE_SIZE

static inline u64 fmt_make_table(phys_addr_t phys, unsigned int level)
{
	return phys | VTD_SS_READ | VTD_SS_WRITE;
}
