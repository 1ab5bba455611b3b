/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sets of IOVA ranges, such as those that a device tracker covers: see ranges.c.
 */
#ifndef __IOMMUFD_DIRTY_RANGES_H
#define __IOMMUFD_DIRTY_RANGES_H

#include <linux/compiler_attributes.h>
#include <linux/iommufd_dirty.h>

/* Maximum number of ranges that userspace can pass */
#define IOMMUFD_DIRTY_MAX_RANGES	65536

/**
 * struct iommufd_dirty_ranges - A set of ranges
 * @nr: Number of ranges; at least one unless a function says otherwise
 * @range: The ranges, which ascend and do not touch each other
 */
struct iommufd_dirty_ranges {
	unsigned int nr;
	struct iommufd_dirty_range range[] __counted_by(nr);
};

struct iommufd_dirty_ranges *
iommufd_dirty_ranges_from_user(u64 user, u32 num, u64 page_size);
int iommufd_dirty_ranges_to_user(u64 user,
				 const struct iommufd_dirty_ranges *ranges);
struct iommufd_dirty_ranges *
iommufd_dirty_ranges_union(const struct iommufd_dirty_ranges *a,
			   const struct iommufd_dirty_ranges *b);
struct iommufd_dirty_ranges *iommufd_dirty_ranges_alloc(unsigned int nr);
void iommufd_dirty_ranges_intersect(struct iommufd_dirty_ranges *to,
				    const struct iommufd_dirty_ranges *a,
				    const struct iommufd_dirty_ranges *b);
void iommufd_dirty_ranges_copy(struct iommufd_dirty_ranges *to,
			       const struct iommufd_dirty_ranges *from);
void iommufd_dirty_ranges_normalize(struct iommufd_dirty_ranges *ranges);
void iommufd_dirty_ranges_widen(struct iommufd_dirty_ranges *ranges,
				u64 page_size);
bool iommufd_dirty_ranges_aligned(const struct iommufd_dirty_ranges *ranges,
				  u64 page_size);
int iommufd_dirty_ranges_coarsen(struct iommufd_dirty_ranges *ranges,
				 unsigned int max);
unsigned long
iommufd_dirty_ranges_span(const struct iommufd_dirty_ranges *ranges);
bool iommufd_dirty_ranges_next(const struct iommufd_dirty_ranges *ranges,
			       unsigned long iova, unsigned long last,
			       struct iommufd_dirty_range *part);
bool iommufd_dirty_ranges_cover(const struct iommufd_dirty_ranges *ranges,
				const struct iommufd_dirty_ranges *part);

#endif
