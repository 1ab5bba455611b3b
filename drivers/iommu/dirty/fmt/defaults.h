/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Defaults for definitions that a format header may omit, and the sizes derived from
 * its definitions. walk_template.h includes this file after the format header.
 */
#include <linux/iommu_dirty.h>
#include <linux/types.h>

#ifndef FMT_CLEAN_CLEAR
#define FMT_CLEAN_CLEAR	0ULL
#endif
#ifndef FMT_CLEAN_SET
#define FMT_CLEAN_SET	0ULL
#endif
#ifndef FMT_PROTECT_SET
#define FMT_PROTECT_SET	0ULL
#endif

static __always_inline unsigned int
fmt_page_shift(const struct iommu_dirty_table *table)
{
#ifdef FMT_PAGE_SHIFT
	return FMT_PAGE_SHIFT;
#else
	return table->page_shift;
#endif
}

/* log2 of the bytes that an entry maps; one level above the top: that a table maps */
static __always_inline unsigned int
fmt_shift(const struct iommu_dirty_table *table, unsigned int level)
{
	return fmt_page_shift(table) + level * (fmt_page_shift(table) - 3);
}

#ifndef fmt_table_shifted
static inline phys_addr_t fmt_table_shifted(u64 pte, unsigned int page_shift)
{
	return fmt_table(pte);
}
#endif

#ifndef fmt_next_level
static inline unsigned int fmt_next_level(u64 pte, unsigned int level)
{
	return level - 1;
}
#endif

#ifndef FMT_GROUPS
static inline unsigned int fmt_group_shift(u64 pte, unsigned int level,
					   unsigned int shift)
{
	return 0;
}
#endif
