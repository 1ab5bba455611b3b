// SPDX-License-Identifier: GPL-2.0-only
/*
 * The provider for software: in-kernel users of an IOAS (iommufd_access) write
 * to its memory with the CPU, past every IO page table. Each of their writes is
 * recorded in the ledgers of the running trackers; pages that they have pinned
 * to write to are dirty at each read, and once more when they are unpinned.
 *
 * Called from iommufd's access functions with iova_rwsem held for reading, and
 * from harvest.c. The list of trackers does not change while iova_rwsem is held.
 */
#include <linux/delay.h>
#include <linux/export.h>
#include <linux/iommufd.h>
#include <linux/iommufd_dirty.h>
#include <linux/overflow.h>

#include "../tests/break.h"
#include "ioas.h"

/* Between two looks at a mutex */
#define PATIENCE_US	100

/**
 * iommufd_dirty_wrote() - Software has written to a range
 * @iopt: The IOAS
 * @iova: First byte
 * @last: Last byte, inclusive
 *
 * Called behind the write: a reader that is told of the page finds the data.
 *
 * Context: iova_rwsem is held.
 */
void iommufd_dirty_wrote(struct io_pagetable *iopt, unsigned long iova,
			 unsigned long last)
{
	struct iommufd_dirty_tracker *tracker;

	lockdep_assert_held(&iopt->iova_rwsem);

	if (iommufd_dirty_breaks(IOMMUFD_DIRTY_BREAK_ACCESS))
		return;
	list_for_each_entry(tracker, &iopt->dirty.trackers, item)
		if (!READ_ONCE(tracker->abandoned))
			iommufd_dirty_ledger_mark(&tracker->ledger, iova, last);
}

/**
 * iommufd_dirty_pin() - Pages get pinned by an access
 * @access: What iommufd keeps of it
 * @flags: IOMMUFD_ACCESS_* that the pages are pinned with
 *
 * Pins of the same range share one record: once pinned for writing, it counts
 * as such until the last of them is gone.
 *
 * Context: iopt_pages::mutex is held.
 */
void iommufd_dirty_pin(struct iommufd_dirty_access *access, unsigned int flags)
{
	if ((flags & IOMMUFD_ACCESS_RW_WRITE) &&
	    !(flags & IOMMUFD_ACCESS_PIN_MARKS))
		access->writes = true;
}

/* The IOVA that @index of the pages has in the area; the first may be partial */
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
 * iommufd_dirty_unpin() - Pages get unpinned by an access
 * @area: The area through which they were pinned
 * @access: What iommufd keeps of it
 * @index: First page, an index of the area's iopt_pages
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
		iommufd_dirty_wrote(area->iopt, area_iova(area, index),
				    area_last_iova(area, last_index));
}

/*
 * Most hold it for microseconds. But it is held while pages are faulted in, too, for as
 * long as that takes, and all who map and unmap would wait for us meanwhile.
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
 * iommufd_dirty_mark_pinned() - Mark what software may be writing to
 * @area: The area
 * @iova: First byte, within the area
 * @last: Last byte, inclusive, within the area
 * @sink: Where to mark
 * @patience: How often to look again; 0: do not wait. Out: what is left of it
 *
 * Pages can be part of several areas; what was pinned through another one is
 * marked, too, if this one has any pinned pages. So is all of the range if
 * somebody pins pages, and takes longer than there is patience.
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
	 * Where nothing is pinned nobody has to look: who is about to pin has not
	 * written yet, and who did has marked before the number went down.
	 */
	if (!READ_ONCE(area->num_accesses))
		return;
	if (!pages_lock(area->pages, patience)) {
		sink->ops->mark_range(sink, iova, last);
		return;
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
}

/**
 * iommufd_access_mark_dirty() - Tell of a write through pinned pages
 * @access: The access that has the pages pinned
 * @iova: First byte that was written
 * @length: How many bytes
 *
 * For drivers that pin pages with IOMMUFD_ACCESS_PIN_MARKS: those pages are not
 * taken for dirty as long as they are pinned, and each write has to be told, once
 * it is done and before the pages are unpinned. Without a running tracker it
 * does nothing.
 *
 * Context: may sleep. Takes the locks that iommufd_access_rw() takes.
 * Return: 0, or -EINVAL if @length is 0, -EOVERFLOW if the range runs beyond the
 * end of the address space, -ENOENT if the access has no IOAS.
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
	/* As for unpinning: while the IOAS is being left, its pages are there */
	if (!access->ioas_unpin) {
		mutex_unlock(&access->ioas_lock);
		return -ENOENT;
	}
	iopt = &access->ioas_unpin->iopt;
	down_read(&iopt->iova_rwsem);
	iommufd_dirty_wrote(iopt, iova, last);
	up_read(&iopt->iova_rwsem);
	mutex_unlock(&access->ioas_lock);
	return 0;
}
EXPORT_SYMBOL_NS_GPL(iommufd_access_mark_dirty, IOMMUFD);
