/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * AMD-Vi host page table, which the driver calls v1.
 *
 * "AMD I/O Virtualization Technology (IOMMU) Specification", 2.2.3 "I/O Page
 * Tables for Host Translations". amd_v1.c includes this file before the walk
 * template.
 *
 * An entry contains the level of the table that it points to, and may skip levels;
 * the IOVA bits of skipped levels are zero. The specification counts levels from 1,
 * the walker from 0.
 */
#include <linux/bits.h>
#include <linux/bitops.h>
#include <linux/minmax.h>
#include <linux/mem_encrypt.h>
#include <linux/types.h>

#define AMD_V1_PRESENT		BIT_ULL(0)
#define AMD_V1_HA		BIT_ULL(5)	/* host access */
#define AMD_V1_HD		BIT_ULL(6)	/* host dirty */
#define AMD_V1_NEXT		GENMASK_ULL(11, 9)
#define AMD_V1_NEXT_LEAF	(0ULL << 9)	/* leaf of the level's page size */
#define AMD_V1_NEXT_SIZED	(7ULL << 9)	/* leaf, the address encodes its size */
#define AMD_V1_IR		BIT_ULL(61)
#define AMD_V1_IW		BIT_ULL(62)
#define AMD_V1_ADDR		GENMASK_ULL(51, 12)

#define FMT_WALK		iommu_dirty_walk_amd_v1
#define FMT_PAGE_SHIFT		12

static inline bool fmt_present(u64 pte)
{
	return pte & AMD_V1_PRESENT;
}

static inline bool fmt_is_leaf(u64 pte)
{
	return (pte & AMD_V1_NEXT) == AMD_V1_NEXT_LEAF ||
	       (pte & AMD_V1_NEXT) == AMD_V1_NEXT_SIZED;
}

/* A leaf that is not replicated; AMD_V1_NEXT_LEAF is zero */
#define FMT_LEAF_SET		AMD_V1_PRESENT
#define FMT_LEAF_CLEAR		AMD_V1_NEXT

static inline phys_addr_t fmt_table(u64 pte)
{
	return __sme_clr(pte & AMD_V1_ADDR);
}

#define fmt_next_level fmt_next_level
static inline unsigned int fmt_next_level(u64 pte, unsigned int level)
{
	return ((pte & AMD_V1_NEXT) >> 9) - 1;
}

/*
 * Pages of other sizes have 2 to 256 equal entries. The lowest zero bit of the
 * address, starting at bit 12, is half of the page size. Hardware may set A and D in
 * any of the entries.
 */
#define FMT_GROUPS		AMD_V1_NEXT
static inline unsigned int fmt_group_shift(u64 pte, unsigned int level,
					   unsigned int shift)
{
	unsigned int size_shift;

	if ((pte & AMD_V1_NEXT) != AMD_V1_NEXT_SIZED)
		return 0;
	size_shift = ffz(pte | (BIT_ULL(12) - 1)) + 1;
	return size_shift > shift ? min(size_shift - shift, 9U) : 0;
}

/* Hardware sets HD together with HA */
#define FMT_TRACKED		AMD_V1_PRESENT
#define FMT_DIRTY		AMD_V1_HD
#define FMT_CLEAN_CLEAR		AMD_V1_HD
#define FMT_PROTECT		AMD_V1_IW
#define FMT_SETTLED		(AMD_V1_HA | AMD_V1_HD)

/* Bits 4 to 1 are ignored */
#define FMT_SPLIT		iommu_dirty_split_amd_v1
#define FMT_MERGE		iommu_dirty_merge_amd_v1
#define FMT_SPLIT_MARK		BIT_ULL(4)

static inline u64 fmt_make_table(phys_addr_t phys, unsigned int level)
{
	return __sme_set(phys) | (u64)level << 9 | AMD_V1_PRESENT | AMD_V1_IR |
	       AMD_V1_IW;
}

/* The entries of a group are equal */
static inline u64 fmt_single(u64 pte, unsigned int level, unsigned int shift,
			     unsigned int i)
{
	unsigned int size_shift = ffz(pte | (BIT_ULL(12) - 1)) + 1;

	return (pte & ~(AMD_V1_NEXT | GENMASK_ULL(size_shift - 1, 12))) |
	       (u64)i << shift;
}
