// SPDX-License-Identifier: GPL-2.0-only
/*
 * Records the dirty pages of what is unmapped in the ledgers of all running
 * trackers, whoever unmaps it and why. Called by iommufd for each area that it
 * unmaps, before and after it removes the entries, when a HWPT leaves its IOAS, and
 * when a HWPT fails to join. The UNMAP verb is an ordinary unmap. domains_rwsem is
 * held in all cases.
 *
 * Nothing here can fail: an unmapper need not know about trackers. If there is no
 * memory to record a page, pages around it become dirty as well.
 *
 * A device may write until the IO page table entry is gone. So the walk removes
 * the write permission when it looks at an entry, and the IOTLB is flushed
 * afterwards. A write in between can only use a cached translation, whose entry
 * was dirty when the walk looked at it.
 */
#include <linux/iommu.h>
#include <linux/log2.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>

#include "../tests/break.h"
#include "ioas.h"

/*
 * If only passive trackers run, an area of up to this many bytes becomes dirty as a whole
 * when it is unmapped. Looking at its entries would need a flush of its own, and who
 * unmaps should not pay that much for observers.
 */
#define UNMAP_COARSE	SZ_2M

/* Record a window of an area and make it read-only */
static void unmap_window(struct io_pagetable *iopt, struct iommu_domain *domain,
			 unsigned long iova, unsigned long last,
			 struct iommu_dirty_sink *sink)
{
	unsigned int flags = IOMMU_DIRTY_WALK_PROTECT;

	/* iommufd_dirty_unmap_end() marks it */
	if (!iommufd_dirty_domain_tracked(domain))
		return;
	if (iommufd_dirty_breaks(IOMMUFD_DIRTY_BREAK_PROTECT))
		flags = 0;
	/* The driver failed and the entries go, so treat the whole window as dirty */
	if (iommufd_dirty_harvest_area(iopt, domain, iova, last, flags, sink))
		sink->ops->mark_range(sink, iova, last);
}

/* True if nobody but passive trackers wants to know what is unmapped, if anybody does */
static bool unmap_is_coarse(struct iopt_area *area)
{
	const struct iommufd_dirty_iopt *dirty = &area->iopt->dirty;

	return dirty->num_trackers == dirty->num_passive &&
	       iopt_area_length(area) <= UNMAP_COARSE;
}

/* True if the area becomes dirty as a whole */
static bool unmap_is_blind(struct iopt_area *area, struct iopt_pages *pages)
{
	if (!iommufd_dirty_watched(area->iopt) ||
	    !iommufd_dirty_area_counts(area, pages) ||
	    iommufd_dirty_breaks(IOMMUFD_DIRTY_BREAK_UNMAP))
		return false;
	return unmap_is_coarse(area) || iommufd_dirty_untracked(area->iopt);
}

/*
 * An area is gone. If it becomes dirty as a whole, devices may have written anywhere in it.
 * With the mapping, classic tracking loses what others have harvested there: it must not
 * turn up in the next mapping of that IOVA.
 */
static void unmap_gone(struct io_pagetable *iopt, unsigned long iova,
		       unsigned long last, bool blind)
{
	struct iommufd_dirty_tracker *tracker;

	list_for_each_entry(tracker, &iopt->dirty.trackers, item) {
		if (tracker->domain)
			iommufd_dirty_ledger_clear(&tracker->ledger, iova,
						   last);
		else if (blind && tracker->degraded &&
			 !READ_ONCE(tracker->abandoned))
			iommufd_dirty_ledger_mark(&tracker->ledger, iova, last);
	}
}

/* Make the area read-only, and record what was dirty */
static noinline void unmap_protect(struct iopt_area *area)
{
	struct io_pagetable *iopt = area->iopt;
	struct iommufd_dirty_range window;
	struct iommufd_dirty_feed feed;
	struct iommu_dirty_sink *sink;
	struct iommu_domain *domain;
	unsigned long index;

	iommufd_dirty_feed_init(&feed, iopt, NULL, NULL);
	sink = iommufd_dirty_feed_sink(&feed, NULL);
	if (!sink)
		return;

	for_each_dirty_range(window, iommufd_dirty_window_next,
			     IOMMUFD_DIRTY_WINDOW, iopt_area_iova(area),
			     iopt_area_last_iova(area)) {
		down_read(&iopt->dirty.attach_rwsem);
		mutex_lock(iommufd_dirty_window_lock(iopt, window.iova));
		xa_for_each(&iopt->domains, index, domain)
			unmap_window(iopt, domain, window.iova, window.last,
				     sink);
		mutex_unlock(iommufd_dirty_window_lock(iopt, window.iova));
		up_read(&iopt->dirty.attach_rwsem);
	}
	iommufd_dirty_break_wait(IOMMUFD_DIRTY_BREAK_HURRY);
}

/**
 * iommufd_dirty_unmap_begin() - An area is about to be unmapped
 * @area: The area, of an IOAS with an active tracker; no one else uses it any more
 * @pages: Its pages
 *
 * Its pages become read-only for devices.
 *
 * Context: domains_rwsem is held for reading.
 */
void iommufd_dirty_unmap_begin(struct iopt_area *area, struct iopt_pages *pages)
{
	lockdep_assert_held(&area->iopt->domains_rwsem);

	if (!unmap_is_coarse(area) && iommufd_dirty_area_counts(area, pages) &&
	    !iommufd_dirty_breaks(IOMMUFD_DIRTY_BREAK_UNMAP))
		unmap_protect(area);
}

/**
 * iommufd_dirty_unmap_end() - An area has been unmapped
 * @area: The area, of an IOAS with an active tracker; no device can write to it any
 *	more
 * @pages: Its pages
 *
 * What classic tracking has recorded for it is discarded. If a domain is not tracked, the
 * whole area becomes dirty. It must not be marked any earlier: a reader could clear the
 * mark and then miss later writes.
 *
 * Context: domains_rwsem has been held for reading since
 * iommufd_dirty_unmap_begin().
 */
void iommufd_dirty_unmap_end(struct iopt_area *area, struct iopt_pages *pages)
{
	struct io_pagetable *iopt = area->iopt;

	lockdep_assert_held(&iopt->domains_rwsem);

	/* Without a HWPT only software writes, which is recorded as it happens */
	if (!xa_empty(&iopt->domains))
		unmap_gone(iopt, iopt_area_iova(area), iopt_area_last_iova(area),
			   unmap_is_blind(area, pages));
}

/**
 * iommufd_dirty_mark_mapped() - Mark everything that is mapped for writing
 * @iopt: The IOAS
 *
 * It becomes dirty for all running trackers.
 *
 * Context: domains_rwsem and iova_rwsem are held for writing.
 */
void iommufd_dirty_mark_mapped(struct io_pagetable *iopt)
{
	struct iommufd_dirty_feed feed;
	struct iommu_dirty_sink *sink;
	struct iopt_area *area;

	lockdep_assert_held_write(&iopt->domains_rwsem);
	lockdep_assert_held_write(&iopt->iova_rwsem);

	iommufd_dirty_feed_init(&feed, iopt, NULL, NULL);
	sink = iommufd_dirty_feed_sink(&feed, NULL);
	if (!sink)
		return;
	for (area = iommufd_dirty_area_first(iopt, 0, ULONG_MAX); area;
	     area = iommufd_dirty_area_next(area, 0, ULONG_MAX))
		sink->ops->mark_range(sink, iopt_area_iova(area),
				      iopt_area_last_iova(area));
}

/* Without @domain, windows may have locks of their own again */
static void update_wide(struct io_pagetable *iopt,
			const struct iommu_domain *domain)
{
	struct iommu_domain *other;
	unsigned long index;

	lockdep_assert_held_write(&iopt->domains_rwsem);

	iopt->dirty.wide = false;
	xa_for_each(&iopt->domains, index, other)
		if (other != domain && iommufd_dirty_domain_wide(other))
			iopt->dirty.wide = true;
}

/**
 * iommufd_dirty_fill_failed() - Not all areas could be mapped in a domain
 * @iopt: The IOAS, which the domain has not joined yet
 *
 * The areas that had been mapped are unmapped again. A device may already have been
 * attached to the domain, and what it wrote to them is unknown.
 *
 * Context: domains_rwsem and iova_rwsem have been held for writing since before the
 * first area was mapped.
 */
void iommufd_dirty_fill_failed(struct io_pagetable *iopt)
{
	iommufd_dirty_mark_mapped(iopt);
	update_wide(iopt, NULL);
}

static void remove_area(struct iopt_area *area, struct iommu_domain *domain,
			struct iommu_dirty_sink *sink)
{
	struct iommufd_dirty_range window;

	for_each_dirty_range(window, iommufd_dirty_window_next,
			     IOMMUFD_DIRTY_WINDOW, iopt_area_iova(area),
			     iopt_area_last_iova(area)) {
		unmap_window(area->iopt, domain, window.iova, window.last,
			     sink);
	}
}

static void remove_record(struct io_pagetable *iopt,
			  struct iommu_domain *domain)
{
	struct iommufd_dirty_feed feed;
	struct iommu_dirty_sink *sink;
	struct iopt_area *area;

	iommufd_dirty_feed_init(&feed, iopt, NULL, NULL);
	sink = iommufd_dirty_feed_sink(&feed, NULL);
	if (!sink)
		return;

	down_read(&iopt->iova_rwsem);
	for (area = iommufd_dirty_area_first(iopt, 0, ULONG_MAX); area;
	     area = iommufd_dirty_area_next(area, 0, ULONG_MAX)) {
		if (iommufd_dirty_domain_tracked(domain))
			remove_area(area, domain, sink);
		else
			sink->ops->mark_range(sink, iopt_area_iova(area),
					      iopt_area_last_iova(area));
		cond_resched();
	}
	up_read(&iopt->iova_rwsem);
}

/**
 * iommufd_dirty_remove_domain() - A domain leaves the IOAS
 * @iopt: The IOAS
 * @domain: The domain, with no device attached any more
 *
 * Its dirty pages are recorded. If it was not tracked, everything that it maps
 * for writing becomes dirty.
 *
 * Context: domains_rwsem is held for writing, which excludes all harvests.
 */
void iommufd_dirty_remove_domain(struct io_pagetable *iopt,
				 struct iommu_domain *domain)
{
	lockdep_assert_held_write(&iopt->domains_rwsem);

	remove_record(iopt, domain);
	update_wide(iopt, domain);
}
