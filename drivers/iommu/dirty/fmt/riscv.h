/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * RISC-V Sv39, Sv48 and Sv57 page table.
 *
 * "The RISC-V Instruction Set Manual, Volume II: Privileged Architecture",
 * "Sv39: Page-Based 39-bit Virtual-Memory System" and "Svnapot". riscv.c includes
 * this file before the walk template.
 */
#include <linux/bits.h>
#include <linux/types.h>

#define RISCV_VALID		BIT_ULL(0)
#define RISCV_RWX		GENMASK_ULL(3, 1)	/* a leaf if any is set */
#define RISCV_READ		BIT_ULL(1)
#define RISCV_WRITE		BIT_ULL(2)
#define RISCV_ACCESSED		BIT_ULL(6)
#define RISCV_DIRTY		BIT_ULL(7)
#define RISCV_PPN		GENMASK_ULL(53, 10)
#define RISCV_NAPOT		BIT_ULL(63)		/* Svnapot */

#define FMT_WALK		iommu_dirty_walk_riscv
#define FMT_PAGE_SHIFT		12

static inline bool fmt_present(u64 pte)
{
	return pte & RISCV_VALID;
}

static inline bool fmt_is_leaf(u64 pte)
{
	return pte & RISCV_RWX;
}

/* Writable pages are always readable */
#define FMT_LEAF_SET		(RISCV_VALID | RISCV_READ)
#define FMT_LEAF_CLEAR		0ULL

static inline phys_addr_t fmt_table(u64 pte)
{
	return (pte & RISCV_PPN) << 2;
}

/*
 * Svnapot: the only defined size is 64 KiB, 16 entries of level 0. Hardware may set
 * A and D in any of them.
 */
#define FMT_GROUPS		RISCV_NAPOT
static inline unsigned int fmt_group_shift(u64 pte, unsigned int level,
					   unsigned int shift)
{
	return !level && (pte & RISCV_NAPOT) ? 4 : 0;
}

/* Hardware sets D together with A */
#define FMT_TRACKED		RISCV_VALID
#define FMT_DIRTY		RISCV_DIRTY
#define FMT_CLEAN_CLEAR		RISCV_DIRTY
#define FMT_PROTECT		RISCV_WRITE
#define FMT_SETTLED		(RISCV_ACCESSED | RISCV_DIRTY)

/* RSW, bits 9 and 8, is for software */
#define FMT_SPLIT		iommu_dirty_split_riscv
#define FMT_MERGE		iommu_dirty_merge_riscv
#define FMT_SPLIT_MARK		BIT_ULL(9)
#define FMT_ADDR_SHIFT		2

static inline u64 fmt_make_table(phys_addr_t phys, unsigned int level)
{
	return phys >> 2 | RISCV_VALID;
}

/* The lowest four bits of the page number encode the size of the group */
static inline u64 fmt_single(u64 pte, unsigned int level, unsigned int shift,
			     unsigned int i)
{
	return (pte & ~(RISCV_NAPOT | GENMASK_ULL(13, 10))) | (u64)i << 10;
}
