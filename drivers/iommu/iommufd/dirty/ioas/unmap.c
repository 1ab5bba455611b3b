// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is about to be unmapped: its dirty pages go into the ledgers of all
 * running trackers, whoever unmaps it and why. Called by iommufd's unmap for each
 * area, before and after its entries go; when a HWPT leaves its IOAS, and when it
 * could not join. The UNMAP verb is an unmap like any other.
 *
 * None of that can fail: who unmaps need not know of a tracker. Pages for whose
 * record there is no memory become dirty together with what is around them.
 *
 * A device may go on writing until the IO page table entry is gone. So the walk
 * takes the write permission away as it looks at an entry, and flushes the
 * IOTLB: a write that is still done then went through a cached translation,
 * whose entry was dirty when it was looked at.
 */
#include <linux/iommu.h>
#include <linux/log2.h>
#include <linux/sched/signal.h>

#include "../tests/break.h"
#include "ioas.h"

/* Record a window of an area, and make it read-only; all locks are held */
static void unmap_window(struct iommu_domain *domain, unsigned long iova,
			 unsigned long last, struct iommu_dirty_sink *sink)
{
	unsigned int flags = IOMMU_DIRTY_WALK_PROTECT;

	/* See unmap_blind() */
	if (!iommufd_dirty_domain_tracked(domain))
		return;
	if (iommufd_dirty_breaks(IOMMUFD_DIRTY_BREAK_PROTECT))
		flags = 0;
	/* Nobody will ever know better */
	if (iommufd_dirty_harvest_area(domain, iova, last, flags, sink))
		sink->ops->mark_range(sink, iova, last);
}

/* Devices that cannot be tracked may have written to all of a range */
static void unmap_blind(struct io_pagetable *iopt, unsigned long iova,
			unsigned long last)
{
	struct iommufd_dirty_tracker *tracker;

	list_for_each_entry(tracker, &iopt->dirty.trackers, item)
		if (tracker->degraded && !READ_ONCE(tracker->abandoned))
			iommufd_dirty_ledger_mark(&tracker->ledger, iova, last);
}

/**
 * iommufd_dirty_unmap_area() - An area is being unmapped
 * @area: The area, of an IOAS that is active; nobody else deals with it any more
 *
 * Its pages get read-only for devices.
 *
 * Context: domains_rwsem is held for reading.
 */
void iommufd_dirty_unmap_area(struct iopt_area *area)
{
	unsigned long area_last = iopt_area_last_iova(area);
	unsigned long iova = iopt_area_iova(area);
	struct io_pagetable *iopt = area->iopt;
	struct iommufd_dirty_feed feed;
	struct iommu_dirty_sink *sink;
	struct iommu_domain *domain;
	unsigned long index, last;

	lockdep_assert_held(&iopt->domains_rwsem);

	sink = iommufd_dirty_feed_init(&feed, iopt, NULL, NULL);
	if (!sink || !(area->iommu_prot & IOMMU_WRITE) ||
	    iommufd_dirty_breaks(IOMMUFD_DIRTY_BREAK_UNMAP))
		return;

	for (;; iova = last + 1) {
		last = min(area_last, iova | (IOMMUFD_DIRTY_WINDOW - 1));
		down_read(&iopt->dirty.attach_rwsem);
		mutex_lock(&iopt->dirty.harvest_mutex);
		xa_for_each(&iopt->domains, index, domain)
			unmap_window(domain, iova, last, sink);
		mutex_unlock(&iopt->dirty.harvest_mutex);
		up_read(&iopt->dirty.attach_rwsem);
		if (last == area_last)
			break;
		cond_resched();
	}
	iommufd_dirty_break_wait(IOMMUFD_DIRTY_BREAK_HURRY);
}

/**
 * iommufd_dirty_area_unmapped() - An area has been unmapped
 * @area: The area, of an IOAS that is active; no device can write to it any more
 *
 * Where a device is not tracked all of it becomes dirty. That has to wait until
 * here: a reader would take an earlier record, and then miss what the device
 * writes after it.
 *
 * Context: domains_rwsem has been held for reading since
 * iommufd_dirty_unmap_area().
 */
void iommufd_dirty_area_unmapped(struct iopt_area *area)
{
	struct io_pagetable *iopt = area->iopt;

	lockdep_assert_held(&iopt->domains_rwsem);

	if ((area->iommu_prot & IOMMU_WRITE) &&
	    iommufd_dirty_untracked(iopt) &&
	    !iommufd_dirty_breaks(IOMMUFD_DIRTY_BREAK_UNMAP))
		unmap_blind(iopt, iopt_area_iova(area),
			    iopt_area_last_iova(area));
}

/**
 * iommufd_dirty_fill_failed() - Not all areas could be mapped in a domain
 * @iopt: The IOAS
 *
 * Those that were mapped are not any more. A device may have been attached to the
 * domain before they were, and what it has written to them nobody can tell now: all
 * of the IOAS gets dirty, for all trackers.
 *
 * Context: domains_rwsem and iova_rwsem are held for writing, since before the first
 * area was mapped.
 */
void iommufd_dirty_fill_failed(struct io_pagetable *iopt)
{
	struct iommufd_dirty_feed feed;
	struct iommu_dirty_sink *sink;
	struct iopt_area *area;

	lockdep_assert_held_write(&iopt->domains_rwsem);
	lockdep_assert_held_write(&iopt->iova_rwsem);

	sink = iommufd_dirty_feed_init(&feed, iopt, NULL, NULL);
	for (area = iommufd_dirty_area_first(iopt, 0, ULONG_MAX); sink && area;
	     area = iommufd_dirty_area_next(area, 0, ULONG_MAX))
		sink->ops->mark_range(sink, iopt_area_iova(area),
				      iopt_area_last_iova(area));
}

static void remove_area(struct iopt_area *area, struct iommu_domain *domain,
			struct iommu_dirty_sink *sink)
{
	unsigned long area_last = iopt_area_last_iova(area);
	unsigned long iova = iopt_area_iova(area), last;

	for (;; iova = last + 1) {
		last = min(area_last, iova | (IOMMUFD_DIRTY_WINDOW - 1));
		unmap_window(domain, iova, last, sink);
		if (last == area_last)
			return;
		cond_resched();
	}
}

/**
 * iommufd_dirty_remove_domain() - A domain leaves the IOAS
 * @iopt: The IOAS
 * @domain: The domain, no device attached to it any more
 *
 * Its dirty pages are kept. If it could not be tracked, everything it has mapped
 * for writing is dirty.
 *
 * Context: domains_rwsem is held for writing.
 */
void iommufd_dirty_remove_domain(struct io_pagetable *iopt,
				 struct iommu_domain *domain)
{
	struct iommufd_dirty_feed feed;
	struct iommu_dirty_sink *sink;
	struct iopt_area *area;

	lockdep_assert_held_write(&iopt->domains_rwsem);

	sink = iommufd_dirty_feed_init(&feed, iopt, NULL, NULL);
	if (!sink)
		return;

	/* The mutex is free but for a moment: all who harvest hold domains_rwsem */
	mutex_lock(&iopt->dirty.harvest_mutex);
	down_read(&iopt->iova_rwsem);
	for (area = iommufd_dirty_area_first(iopt, 0, ULONG_MAX); area;
	     area = iommufd_dirty_area_next(area, 0, ULONG_MAX)) {
		if (iommufd_dirty_domain_tracked(domain))
			remove_area(area, domain, sink);
		else
			unmap_blind(iopt, iopt_area_iova(area),
				    iopt_area_last_iova(area));
		cond_resched();
	}
	up_read(&iopt->iova_rwsem);
	mutex_unlock(&iopt->dirty.harvest_mutex);
}
