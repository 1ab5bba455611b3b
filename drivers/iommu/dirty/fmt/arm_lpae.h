/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Arm VMSAv8-64 page table: the common part of both stages.
 *
 * "Arm Architecture Reference Manual for A-profile architecture" (DDI 0487),
 * "Translation table descriptor formats", "Hardware management of dirty state"
 * and "The Contiguous bit". Included by fmt/arm_s1.h and fmt/arm_s2.h.
 *
 * The granule is 4, 16 or 64 KiB. The manual counts levels from the root, the walker
 * from the leaves: level 3 of the manual is level 0 here.
 */
#include <linux/bits.h>
#include <linux/types.h>

#define ARM_VALID		BIT_ULL(0)
#define ARM_TYPE		GENMASK_ULL(1, 0)
#define ARM_TYPE_BLOCK		1ULL		/* leaf, above the lowest level */
#define ARM_AF			BIT_ULL(10)	/* access flag */
#define ARM_DBM			BIT_ULL(51)	/* dirty bit modifier */
#define ARM_CONTIG		BIT_ULL(52)	/* contiguous hint */

static inline bool fmt_present(u64 pte)
{
	return pte & ARM_VALID;
}

static inline bool fmt_is_leaf(u64 pte)
{
	return (pte & ARM_TYPE) == ARM_TYPE_BLOCK;
}

#define FMT_LEAF_SET		ARM_VALID
#define FMT_LEAF_CLEAR		(ARM_TYPE & ~ARM_TYPE_BLOCK)

/*
 * Address bits from the granule to bit 47. With 64 KiB, bits 15 to 12 hold address
 * bits 51 to 48, and are zero if the hardware does not have those.
 */
#define fmt_table_shifted fmt_table_shifted
static inline phys_addr_t fmt_table_shifted(u64 pte, unsigned int page_shift)
{
	phys_addr_t addr = pte & GENMASK_ULL(47, page_shift);

	if (page_shift == 16)
		addr |= (pte & GENMASK_ULL(15, 12)) << 36;
	return addr;
}

/*
 * Neighbours that map one contiguous block of memory. Hardware may set the dirty
 * state in any of them.
 */
#define FMT_GROUPS		ARM_CONTIG
static inline unsigned int fmt_group_shift(u64 pte, unsigned int level,
					   unsigned int shift)
{
	unsigned int page_shift;

	if (!(pte & ARM_CONTIG))
		return 0;
	/* shift = page_shift + level * (page_shift - 3) */
	page_shift = (shift + 3 * level) / (level + 1);
	switch (page_shift) {
	case 14:
		return level ? 5 : 7;
	case 16:
		return 5;
	default:
		return 4;
	}
}

/*
 * Bits 58 to 51 and 11 to 2 of an entry that points to a table are ignored; io-pgtable-arm
 * uses bit 55.
 */
#define FMT_SPLIT_MARK		BIT_ULL(56)
#define FMT_SMALL		(ARM_TYPE ^ ARM_TYPE_BLOCK)
#define FMT_BBM			true
/* nT of a block is an address bit of a smaller page; no driver uses it */
#define FMT_UNSPLITTABLE	BIT_ULL(16)

static inline u64 fmt_make_table(phys_addr_t phys, unsigned int level)
{
	return (phys & GENMASK_ULL(47, 12)) |
	       (phys >> 36 & GENMASK_ULL(15, 12)) | ARM_TYPE;
}

/* Each entry of a group has its own address */
static inline u64 fmt_single(u64 pte, unsigned int level, unsigned int shift,
			     unsigned int i)
{
	return pte & ~ARM_CONTIG;
}
