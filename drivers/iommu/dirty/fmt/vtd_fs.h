/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Intel VT-d first stage page table, that is x86-64's own format.
 *
 * Section numbers are those of the "Intel Virtualization Technology for
 * Directed I/O Architecture Specification", revision 5.10. Included by vtd_fs.c
 * ahead of the walk template.
 */
#include <linux/bits.h>
#include <linux/types.h>

/* 9.7 "First-Stage Paging Entries" */
#define VTD_FS_PRESENT		BIT_ULL(0)
#define VTD_FS_ACCESSED		BIT_ULL(5)	/* 3.6.2 "Accessed, ... Flags" */
#define VTD_FS_DIRTY		BIT_ULL(6)
#define VTD_FS_PAGE_SIZE	BIT_ULL(7)	/* leaf, above the lowest level */
#define VTD_FS_ADDR		GENMASK_ULL(51, 12)

#define FMT_WALK		iommu_dirty_walk_vtd_fs
#define FMT_PAGE_SHIFT		12
#define FMT_TABLE_SHIFT		9	/* log2 of the entries of a table */

static inline bool fmt_present(u64 pte)
{
	return pte & VTD_FS_PRESENT;
}

static inline bool fmt_is_leaf(u64 pte)
{
	return pte & VTD_FS_PAGE_SIZE;
}

static inline phys_addr_t fmt_table(u64 pte)
{
	return pte & VTD_FS_ADDR;
}

/* An entry that is not present may hold anything in its other bits */
static inline bool fmt_is_dirty(u64 pte)
{
	return (pte & VTD_FS_DIRTY) && fmt_present(pte);
}

/*
 * A goes with D: it costs nothing, and QEMU's VT-d model up to 10.0 sets
 * neither of them when either is already set.
 */
#define FMT_CLEAN_BITS		(VTD_FS_ACCESSED | VTD_FS_DIRTY)
