// SPDX-License-Identifier: GPL-2.0-only
/*
 * The provider for software: in-kernel users of an IOAS (iommufd_access) write
 * to its memory with the CPU, bypassing the IO page tables. Each of their writes
 * is recorded in the ledgers of the trackers. Pages that they have pinned for
 * writing are dirty in every read, and once more when they are unpinned.
 *
 * Called by iommufd's access functions and by harvest.c. The list of trackers
 * cannot change while iova_rwsem is held. Drivers call
 * iommufd_access_mark_dirty() without locks of iommufd.
 */
#include <linux/delay.h>
#include <linux/export.h>
#include <linux/iommufd.h>
#include <linux/iommufd_dirty.h>
#include <linux/overflow.h>

#include "../tests/break.h"
#include "ioas.h"

/* Delay between two attempts to take a mutex */
#define PATIENCE_US	100

/* After the write, so a reader that finds the page dirty finds the data */
static void record(struct io_pagetable *iopt, unsigned long iova,
		   unsigned long last)
{
	struct iommufd_dirty_tracker *tracker;

	lockdep_assert_held(&iopt->iova_rwsem);

	if (iommufd_dirty_breaks(IOMMUFD_DIRTY_BREAK_ACCESS))
		return;
	list_for_each_entry(tracker, &iopt->dirty.trackers, item)
		if (!tracker->domain && !READ_ONCE(tracker->abandoned))
			iommufd_dirty_ledger_mark(&tracker->ledger, iova, last);
}

/**
 * iommufd_dirty_wrote() - Software has written, or has tried to
 * @area: The area
 * @iova: First byte, within the area
 * @last: Last byte, inclusive, within the area
 *
 * Software cannot write to a dma-buf, so nothing of it becomes dirty.
 *
 * Context: iova_rwsem is held.
 */
void iommufd_dirty_wrote(struct iopt_area *area, unsigned long iova,
			 unsigned long last)
{
	if (iommufd_dirty_is_memory(area->pages))
		record(area->iopt, iova, last);
}

/**
 * iommufd_dirty_pin() - An access pins pages
 * @access: The record that iommufd keeps of the pinned range
 * @flags: IOMMUFD_ACCESS_* that the pages are pinned with
 *
 * Pins of the same range share one record. Once it is pinned for writing, it
 * counts as pinned for writing until the last of the pins is gone.
 *
 * Context: iopt_pages::mutex is held.
 */
void iommufd_dirty_pin(struct iommufd_dirty_access *access, unsigned int flags)
{
	if ((flags & IOMMUFD_ACCESS_RW_WRITE) &&
	    !(flags & IOMMUFD_ACCESS_PIN_MARKS))
		access->writes = true;
}

/* First IOVA of page @index in the area, whose first page may be partial */
static unsigned long area_iova(struct iopt_area *area, unsigned long index)
{
	if (index <= iopt_area_index(area))
		return iopt_area_iova(area);
	return iopt_area_iova(area) - area->page_offset +
	       (index - iopt_area_index(area)) * PAGE_SIZE;
}

static unsigned long area_last_iova(struct iopt_area *area, unsigned long index)
{
	if (index >= iopt_area_last_index(area))
		return iopt_area_last_iova(area);
	return area_iova(area, index + 1) - 1;
}

/**
 * iommufd_dirty_unpin() - An access unpins pages
 * @area: The area through which they were pinned
 * @access: The record that iommufd keeps of the pinned range
 * @index: First page, as an index into the area's iopt_pages
 * @last_index: Last page, inclusive
 *
 * Context: iova_rwsem and iopt_pages::mutex are held.
 */
void iommufd_dirty_unpin(struct iopt_area *area,
			 struct iommufd_dirty_access *access,
			 unsigned long index, unsigned long last_index)
{
	lockdep_assert_held(&area->pages->mutex);

	if (access->writes)
		record(area->iopt, area_iova(area, index),
		       area_last_iova(area, last_index));
}

/*
 * The mutex is mostly held for microseconds, but also while pages are faulted in,
 * however long that takes. Callers hold iova_rwsem, so waiting without a limit would
 * block everyone who maps or unmaps.
 */
static bool pages_lock(struct iopt_pages *pages, unsigned int *patience)
{
	while (!mutex_trylock(&pages->mutex)) {
		if (!*patience)
			return false;
		--*patience;
		usleep_range_state(PATIENCE_US, 2 * PATIENCE_US, TASK_IDLE);
	}
	return true;
}

/**
 * iommufd_dirty_mark_pinned() - Mark pages that software may be writing to
 * @area: The area
 * @iova: First byte, within the area
 * @last: Last byte, inclusive, within the area
 * @sink: Where to mark
 * @patience: How often to retry taking iopt_pages::mutex; 0: do not wait. Out:
 *	how many retries are left
 *
 * Pages can be part of several areas. If this area has any pinned pages, pages of
 * the range that were pinned through other areas are marked, too. If the mutex
 * cannot be taken within @patience retries, the whole range is marked. Harvests and
 * splits of other windows take it, too; split_mutex keeps them from being mistaken for
 * a task that pins pages.
 *
 * Context: iova_rwsem is held.
 */
void iommufd_dirty_mark_pinned(struct iopt_area *area, unsigned long iova,
			       unsigned long last,
			       struct iommu_dirty_sink *sink,
			       unsigned int *patience)
{
	unsigned long index = iopt_area_iova_to_index(area, iova);
	unsigned long last_index = iopt_area_iova_to_index(area, last);
	struct interval_tree_node *node;

	lockdep_assert_held(&area->iopt->iova_rwsem);

	/*
	 * No pins, nothing to look at: a new pinner has not written yet, and the
	 * last one marked its pages before dropping the count.
	 */
	if (!READ_ONCE(area->num_accesses))
		return;
	mutex_lock(&area->iopt->dirty.split_mutex);
	if (!pages_lock(area->pages, patience)) {
		sink->ops->mark_range(sink, iova, last);
		goto out_split;
	}
	if (!area->num_accesses)
		goto out_unlock;
	for (node = interval_tree_iter_first(&area->pages->access_itree, index,
					     last_index);
	     node; node = interval_tree_iter_next(node, index, last_index)) {
		struct iopt_pages_access *access =
			container_of(node, struct iopt_pages_access, node);

		if (access->dirty.writes)
			sink->ops->mark_range(sink,
					      max(iova, area_iova(area, node->start)),
					      min(last, area_last_iova(area, node->last)));
	}
out_unlock:
	mutex_unlock(&area->pages->mutex);
out_split:
	mutex_unlock(&area->iopt->dirty.split_mutex);
}

/**
 * iommufd_access_mark_dirty() - Report a write through pinned pages
 * @access: The access that has the pages pinned
 * @iova: First byte that was written
 * @length: Number of bytes
 *
 * For drivers that pin pages with IOMMUFD_ACCESS_PIN_MARKS. Such pages are not
 * treated as dirty while they are pinned; the driver must report each write after
 * it is done and before it unpins the pages. Does nothing if no tracker runs.
 *
 * Context: may sleep. Takes the locks that iommufd_access_rw() takes.
 * Return: 0, or -EINVAL if @length is 0, -EOVERFLOW if the range exceeds the
 * address space, -ENOENT if the access has no IOAS.
 */
int iommufd_access_mark_dirty(struct iommufd_access *access, unsigned long iova,
			      unsigned long length)
{
	struct io_pagetable *iopt;
	unsigned long last;

	if (!length)
		return -EINVAL;
	if (check_add_overflow(iova, length - 1, &last))
		return -EOVERFLOW;

	mutex_lock(&access->ioas_lock);
	/* As for unpinning: this one is still set while the access leaves the IOAS */
	if (!access->ioas_unpin) {
		mutex_unlock(&access->ioas_lock);
		return -ENOENT;
	}
	iopt = &access->ioas_unpin->iopt;
	down_read(&iopt->iova_rwsem);
	record(iopt, iova, last);
	up_read(&iopt->iova_rwsem);
	mutex_unlock(&access->ioas_lock);
	return 0;
}
EXPORT_SYMBOL_NS_GPL(iommufd_access_mark_dirty, "IOMMUFD");
