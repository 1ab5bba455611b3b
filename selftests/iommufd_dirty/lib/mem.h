/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory, and bits in bitmaps. */
#ifndef _IOMMUFD_DIRTY_LIB_MEM_H
#define _IOMMUFD_DIRTY_LIB_MEM_H

#include <stdbool.h>
#include <stddef.h>

#include "devices.h"

/* mem.c, and devices.h */
void *mem_alloc_huge(size_t size);	/* NULL if there are no 2 MiB pages */
/* Physically contiguous 1 GiB pages in physical order */
void *mem_alloc_giant(unsigned int pages);
void *mem_alloc_repeat(size_t chunk, size_t size);
void mem_fill(void *mem, __u64 value, size_t size);

/* bitmap.c */
bool bitmap_test(const void *bitmap, __u64 bit);
void bitmap_set(void *bitmap, __u64 bit);
__u64 bitmap_count(const void *bitmap, __u64 bits);
__u64 bitmap_bits(__u64 iova, __u64 length, __u64 page_size);
size_t bitmap_bytes(__u64 iova, __u64 length, __u64 page_size);

#endif
