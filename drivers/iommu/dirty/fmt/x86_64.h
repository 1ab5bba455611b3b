/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * x86-64 page table, which two IOMMUs share. Intel VT-d calls it first stage. AMD-Vi
 * calls it guest page table, and its driver calls it v2.
 *
 * VT-d: "Intel Virtualization Technology for Directed I/O Architecture
 * Specification", revision 5.10, 9.7 "First-Stage Paging Entries" and 3.6.2
 * "Accessed, Extended Accessed, and Dirty Flags". AMD: "AMD I/O Virtualization
 * Technology (IOMMU) Specification", "I/O Page Tables for Guest
 * Translations", which refers to the AMD64 manual. x86_64.c includes this file
 * before the walk template.
 */
#include <linux/bits.h>
#include <linux/mem_encrypt.h>
#include <linux/types.h>

#define X86_64_PRESENT		BIT_ULL(0)
#define X86_64_WRITE		BIT_ULL(1)
#define X86_64_USER		BIT_ULL(2)
#define X86_64_ACCESSED		BIT_ULL(5)
#define X86_64_DIRTY		BIT_ULL(6)
#define X86_64_PAGE_SIZE	BIT_ULL(7)	/* leaf, above the lowest level */
#define X86_64_ADDR		GENMASK_ULL(51, 12)

#define FMT_WALK		iommu_dirty_walk_x86_64
#define FMT_PAGE_SHIFT		12

static inline bool fmt_present(u64 pte)
{
	return pte & X86_64_PRESENT;
}

static inline bool fmt_is_leaf(u64 pte)
{
	return pte & X86_64_PAGE_SIZE;
}

#define FMT_LEAF_SET		(X86_64_PRESENT | X86_64_PAGE_SIZE)
#define FMT_LEAF_CLEAR		0ULL

static inline phys_addr_t fmt_table(u64 pte)
{
	return __sme_clr(pte & X86_64_ADDR);
}

/*
 * Clear A together with D: it costs nothing, and QEMU's VT-d model up to 10.0 sets
 * neither bit if one of them is already set.
 */
#define FMT_TRACKED		X86_64_PRESENT
#define FMT_DIRTY		X86_64_DIRTY
#define FMT_CLEAN_CLEAR		(X86_64_ACCESSED | X86_64_DIRTY)
#define FMT_PROTECT		X86_64_WRITE
#define FMT_SETTLED		(X86_64_ACCESSED | X86_64_DIRTY)

/* Bit 11 of an entry that points to a table is ignored */
#define FMT_SPLIT		iommu_dirty_split_x86_64
#define FMT_MERGE		iommu_dirty_merge_x86_64
#define FMT_SPLIT_MARK		BIT_ULL(11)
#define FMT_LARGE		X86_64_PAGE_SIZE
/* PAT is elsewhere in a smaller leaf; no driver uses it */
#define FMT_UNSPLITTABLE	BIT_ULL(12)

static inline u64 fmt_make_table(phys_addr_t phys, unsigned int level)
{
	return __sme_set(phys) | X86_64_PRESENT | X86_64_WRITE | X86_64_USER |
	       X86_64_ACCESSED;
}
