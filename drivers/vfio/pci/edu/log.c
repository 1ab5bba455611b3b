// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA logging of the edu device: one bit for each page of the logged ranges, set
 * before a transfer that writes to the page is started. VFIO's core and
 * drivers/vfio/dirty.c call the vfio_log_ops without a lock of this driver;
 * regs.c and main.c call the other functions with state_mutex held. state_mutex
 * protects the log.
 */
#include <linux/bitmap.h>
#include <linux/interval_tree.h>
#include <linux/iova_bitmap.h>
#include <linux/log2.h>
#include <linux/slab.h>
#include <linux/sizes.h>

#include "edu.h"

static unsigned long edu_range_pages(const struct edu_device *edu,
				     const struct edu_log_range *range)
{
	return (range->last >> edu->log_shift) - (range->start >> edu->log_shift) + 1;
}

static void edu_log_write(struct edu_device *edu, u64 from, u64 to)
{
	struct edu_log_range *range;
	unsigned int i;
	u64 start, first;

	for (i = 0; i < edu->num_ranges; i++) {
		range = &edu->ranges[i];
		if (to < range->start || from > range->last)
			continue;
		first = range->start >> edu->log_shift;
		start = max(from, range->start) >> edu->log_shift;
		bitmap_set(range->bits, start - first,
			   (min(to, range->last) >> edu->log_shift) - start + 1);
	}
}

/**
 * edu_log_dma - record the pages that a DMA command will write
 * @edu: device, with state_mutex held
 * @src: source register
 * @dst: destination register, an IOVA if the transfer is to memory
 * @cnt: length in bytes
 * @cmd: command
 *
 * If the source is not in the device's buffer, neither the device nor this
 * function does anything. Writes outside the ranges are not recorded. A transfer
 * past the highest address continues at 0, as it may on the bus.
 */
void edu_log_dma(struct edu_device *edu, u64 src, u64 dst, u64 cnt, u64 cmd)
{
	u64 last;

	lockdep_assert_held(&edu->state_mutex);
	if (!edu->logging || !(cmd & EDU_DMA_TO_RAM) || !cnt)
		return;
	if (cnt > EDU_BUF_SIZE || src < EDU_BUF || src > EDU_BUF + EDU_BUF_SIZE - cnt)
		return;
	last = dst + cnt - 1;
	if (last < dst) {
		edu_log_write(edu, dst, U64_MAX);
		dst = 0;
	}
	edu_log_write(edu, dst, last);
}

/**
 * edu_log_free - stop logging and discard the log
 * @edu: device, with state_mutex held
 */
void edu_log_free(struct edu_device *edu)
{
	u32 i;

	lockdep_assert_held(&edu->state_mutex);
	for (i = 0; i < edu->num_ranges; i++)
		kvfree(edu->ranges[i].bits);
	edu->num_ranges = 0;
	edu->logging = false;
}

static int edu_log_add(struct edu_device *edu, const struct interval_tree_node *node,
		       unsigned long *room)
{
	struct edu_log_range *range = &edu->ranges[edu->num_ranges];
	u64 mask = (64ULL << edu->log_shift) - 1;
	unsigned long pages;

	range->start = node->start;
	range->last = node->last;
	if ((edu->quirks & EDU_QUIRK_WORDS) &&
	    ((range->start | (range->last + 1)) & mask))
		return -EINVAL;
	pages = edu_range_pages(edu, range);
	if (pages > *room)
		return edu->quirks & EDU_QUIRK_NOTSUPP ? -EOPNOTSUPP : -E2BIG;
	*room -= pages;
	range->bits = kvcalloc(BITS_TO_LONGS(pages), sizeof(long), GFP_KERNEL_ACCOUNT);
	if (!range->bits)
		return -ENOMEM;
	edu->num_ranges++;
	return 0;
}

static int edu_log_start(struct vfio_device *vdev, struct rb_root_cached *ranges,
			 u32 nnodes, u64 *page_size)
{
	struct edu_device *edu = to_edu(vdev);
	unsigned long room = EDU_LOG_PAGES;
	struct interval_tree_node *node;
	int rc = 0;

	if (!is_power_of_2(*page_size))
		return -EINVAL;
	if (nnodes > EDU_LOG_RANGES)
		vfio_combine_iova_ranges(ranges, nnodes, EDU_LOG_RANGES);
	mutex_lock(&edu->state_mutex);
	if (edu->logging) {
		edu_state_unlock(edu);
		return -EBUSY;
	}
	edu->log_shift = ilog2(clamp_t(u64, *page_size, SZ_4K, SZ_1G));
	for (node = interval_tree_iter_first(ranges, 0, ULONG_MAX); node && !rc;
	     node = interval_tree_iter_next(node, 0, ULONG_MAX))
		rc = edu_log_add(edu, node, &room);
	if (!rc) {
		edu->logging = true;
		edu_log_in_flight(edu);
	}
	if (rc)
		edu_log_free(edu);
	else
		*page_size = 1ULL << edu->log_shift;
	edu_state_unlock(edu);
	return rc;
}

static int edu_log_stop(struct vfio_device *vdev)
{
	struct edu_device *edu = to_edu(vdev);

	mutex_lock(&edu->state_mutex);
	edu_log_free(edu);
	edu_state_unlock(edu);
	return 0;
}

/* A page that is only partly within @start to @last stays dirty */
static void edu_log_report(struct edu_device *edu, struct edu_log_range *range,
			   u64 start, u64 last, struct iova_bitmap *dirty)
{
	u64 first = range->start >> edu->log_shift;
	u64 from = max(start, range->start);
	u64 to = min(last, range->last);
	u64 page_start, page_last;
	unsigned long bit, end;

	if (from > to)
		return;
	bit = (from >> edu->log_shift) - first;
	end = (to >> edu->log_shift) - first + 1;
	for_each_set_bit_from(bit, range->bits, end) {
		page_start = max((first + bit) << edu->log_shift, range->start);
		page_last = min((((first + bit) << edu->log_shift) |
				 ((1ULL << edu->log_shift) - 1)), range->last);
		iova_bitmap_set(dirty, max(page_start, from),
				min(page_last, to) - max(page_start, from) + 1);
		if (page_start >= from && page_last <= to)
			__clear_bit(bit, range->bits);
	}
}

static int edu_log_read_and_clear(struct vfio_device *vdev, unsigned long iova,
				  unsigned long length, struct iova_bitmap *dirty)
{
	struct edu_device *edu = to_edu(vdev);
	int rc = -EINVAL;
	u32 i;

	if (!length)
		return -EINVAL;
	mutex_lock(&edu->state_mutex);
	if (edu->logging) {
		for (i = 0; i < edu->num_ranges; i++)
			edu_log_report(edu, &edu->ranges[i], iova, iova + length - 1,
				       dirty);
		/* The next call must report writes that are in flight now */
		edu_log_in_flight(edu);
		rc = 0;
	}
	edu_state_unlock(edu);
	return rc;
}

const struct vfio_log_ops edu_log_ops = {
	.flags = VFIO_LOG_P2P_STOPS_DMA | VFIO_LOG_ANY_RANGE,
	.log_start = edu_log_start,
	.log_stop = edu_log_stop,
	.log_read_and_clear = edu_log_read_and_clear,
};
