// SPDX-License-Identifier: GPL-2.0-only
/*
 * The provider for an IOAS: the dirty bits in the IO page tables of all of its
 * HWPTs, the pages that software has pinned to write to them, and what the
 * ledger holds already. read.c and scan.c harvest window by window into a sink,
 * start.c clears what is stale at START, unmap.c walks what is about to go.
 *
 * A harvest holds domains_rwsem, so that HWPTs and trackers come and go only
 * between two; attach_rwsem, so that all devices that use a domain are known
 * to the flush; and iova_rwsem, so that the areas it walks stay mapped. They
 * are held for reading; harvest_mutex keeps out other harvests, and the
 * per-HWPT ioctls, which clean entries too, have been refused since START. All
 * for one window at the most. Areas whose pages are not set are just being
 * mapped, and nobody knows of them yet, or being unmapped, and unmap.c harvests
 * them.
 */
#include <linux/iommu.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>

#include "../tests/break.h"
#include "ioas.h"

/* Areas that one harvest visits at the most, with the IOAS locked */
#define HARVEST_MAX_AREAS	1024

/* After a harvest has waited in vain, others do not for so long */
#define HARVEST_HASTY_JIFFIES	max(HZ / 50, 1)

/**
 * iommufd_dirty_next_mapped() - Find what is mapped next
 * @iopt: The IOAS
 * @iova: Where to start
 * @last: Where to end, inclusive
 * @next: Out: the first mapped byte of the range
 *
 * Return: false if nothing is mapped between @iova and @last. True if killed: the
 * caller looks for that itself.
 */
bool iommufd_dirty_next_mapped(struct io_pagetable *iopt, unsigned long iova,
			       unsigned long last, unsigned long *next)
{
	struct iopt_area *area;

	*next = iova;
	if (down_read_killable(&iopt->iova_rwsem))
		return true;
	area = iopt_area_iter_first(iopt, iova, last);
	if (area)
		*next = max(iova, iopt_area_iova(area));
	up_read(&iopt->iova_rwsem);
	return area;
}

/* Shorten @last so that the range holds at most HARVEST_MAX_AREAS areas. */
static unsigned long harvest_bound(struct io_pagetable *iopt,
				   unsigned long iova, unsigned long last)
{
	struct iopt_area *area;
	unsigned int nr = 0;

	for (area = iopt_area_iter_first(iopt, iova, last); area;
	     area = iopt_area_iter_next(area, iova, last))
		if (++nr == HARVEST_MAX_AREAS)
			return min(last, iopt_area_last_iova(area));
	return last;
}

static void harvest_flush(struct iommu_domain *domain,
			  const struct iommu_dirty_walk *walk)
{
	struct iommu_iotlb_gather gather;

	if (!iommu_dirty_walk_needs_flush(walk) ||
	    iommufd_dirty_breaks(IOMMUFD_DIRTY_BREAK_FLUSH))
		return;
	iommu_iotlb_gather_init(&gather);
	iommu_iotlb_gather_add_range(&gather, walk->flush_iova,
				     walk->flush_last - walk->flush_iova + 1);
	iommu_iotlb_sync(domain, &gather);
}

/**
 * iommufd_dirty_harvest_area() - Harvest one area from one domain, and flush
 * @domain: The domain, which can be tracked
 * @iova: First byte, within the area
 * @last: Last byte, inclusive, within the area
 * @flags: Combination of enum iommu_dirty_walk_flags
 * @sink: Where to mark
 *
 * With IOMMU_DIRTY_WALK_PROTECT it looks a second time, after the flush: an IOMMU may
 * have read an entry before that became read-only, and have set its dirty bit after
 * that. Only some specifications exclude it.
 *
 * Context: the area cannot go away, and no other harvest runs.
 * Return: 0, or -EIO if the driver failed.
 */
int iommufd_dirty_harvest_area(struct iommu_domain *domain, unsigned long iova,
			       unsigned long last, unsigned int flags,
			       struct iommu_dirty_sink *sink)
{
	struct iommu_dirty_walk walk;
	int rc;

	iommu_dirty_walk_init(&walk, sink, flags | IOMMU_DIRTY_WALK_EXCLUSIVE);
	walk.iova = iova;
	walk.last = last;
	rc = domain->dirty_ops->harvest(domain, &walk);
	harvest_flush(domain, &walk);
	if (!rc && (flags & IOMMU_DIRTY_WALK_PROTECT) &&
	    !iommufd_dirty_breaks(IOMMUFD_DIRTY_BREAK_RECHECK)) {
		walk.flags = IOMMU_DIRTY_WALK_RECHECK;
		rc = domain->dirty_ops->harvest(domain, &walk);
	}
	return rc ? -EIO : 0;
}

static int harvest_domain(struct io_pagetable *iopt,
			  struct iommu_domain *domain, unsigned long iova,
			  unsigned long last, unsigned int flags,
			  struct iommu_dirty_sink *sink)
{
	struct iommu_dirty_walk walk;
	struct iopt_area *area;
	int rc = 0;

	iommu_dirty_walk_init(&walk, sink, flags | IOMMU_DIRTY_WALK_EXCLUSIVE);
	for (area = iommufd_dirty_area_first(iopt, iova, last); area;
	     area = iommufd_dirty_area_next(area, iova, last)) {
		walk.iova = max(iova, iopt_area_iova(area));
		walk.last = min(last, iopt_area_last_iova(area));
		rc = domain->dirty_ops->harvest(domain, &walk);
		if (rc)
			break;
	}
	/* After an error, too, for what was cleaned before it */
	harvest_flush(domain, &walk);
	return rc ? -EIO : 0;
}

static int harvest_domains(struct io_pagetable *iopt, unsigned long iova,
			   unsigned long last, unsigned int flags,
			   struct iommu_dirty_sink *sink)
{
	struct iommu_domain *domain;
	unsigned long index;
	int rc;

	xa_for_each(&iopt->domains, index, domain) {
		/* Nothing to walk, see harvest_areas() */
		if (!iommufd_dirty_domain_capable(domain))
			continue;
		rc = harvest_domain(iopt, domain, iova, last, flags, sink);
		if (rc)
			return rc;
		cond_resched();
	}
	return 0;
}

/* A call is many harvests, and somebody who pins pages may take as long as he likes */
static unsigned int harvest_patience(const struct iommufd_dirty_iopt *dirty)
{
	lockdep_assert_held(&dirty->harvest_mutex);

	return dirty->hasty && time_before(jiffies, dirty->patient) ?
		       0 : IOMMUFD_DIRTY_PATIENCE;
}

/*
 * What no entry tells of: where software may be writing, and what cannot be tracked.
 * Nothing is cleared by that.
 */
static void harvest_areas(struct iommufd_dirty_tracker *tracker,
			  unsigned long iova, unsigned long last,
			  struct iommu_dirty_sink *sink,
			  struct iommu_dirty_sink *to)
{
	struct io_pagetable *iopt = &tracker->ioas->iopt;
	unsigned int patience = harvest_patience(&iopt->dirty);
	bool blind = to && iommufd_dirty_blind(tracker);
	bool patient = patience;
	struct iopt_area *area;

	for (area = iommufd_dirty_area_first(iopt, iova, last); area;
	     area = iommufd_dirty_area_next(area, iova, last)) {
		unsigned long first = max(iova, iopt_area_iova(area));
		unsigned long stop = min(last, iopt_area_last_iova(area));

		/* Each tracker says so for itself */
		if (blind)
			to->ops->mark_range(to, first, stop);
		if (sink)
			iommufd_dirty_mark_pinned(area, first, stop, sink,
						  &patience);
	}
	if (patient)
		iopt->dirty.patient = jiffies + HARVEST_HASTY_JIFFIES;
	iopt->dirty.hasty = !patience;
}

/* SCAN wants each page for itself, or fails: nothing is cleared yet */
static int harvest_reserve(struct iommufd_dirty_tracker *tracker,
			   unsigned long iova, unsigned long last)
{
	struct io_pagetable *iopt = &tracker->ioas->iopt;
	struct iopt_area *area;
	int rc;

	for (area = iommufd_dirty_area_first(iopt, iova, last); area;
	     area = iommufd_dirty_area_next(area, iova, last)) {
		rc = iommufd_dirty_ledger_reserve(&tracker->ledger,
						  max(iova, iopt_area_iova(area)),
						  min(last, iopt_area_last_iova(area)));
		if (rc)
			return rc;
	}
	return 0;
}

/*
 * Windows that the caller makes end at multiples of IOMMUFD_DIRTY_WINDOW, and no IO
 * page table entry is larger. But what the user asks for begins and ends anywhere.
 */
static bool harvest_cuts(unsigned long iova, unsigned long last)
{
	return !IS_ALIGNED(iova | (last + 1), IOMMUFD_DIRTY_WINDOW);
}

/* With the locks of a harvest held */
static int harvest_window(struct iommufd_dirty_tracker *tracker,
			  unsigned long iova, unsigned long last,
			  unsigned int flags, struct iommu_dirty_sink *to)
{
	struct iommufd_dirty_ledger *ledger = &tracker->ledger;
	struct io_pagetable *iopt = &tracker->ioas->iopt;
	bool own = to == &ledger->sink;
	struct iommu_dirty_sink *sink = to;
	struct iommufd_dirty_feed feed;
	int rc = 0;

	/* Into the own ledger is like into any other */
	if (!(flags & IOMMU_DIRTY_WALK_NO_CLEAR))
		sink = iommufd_dirty_feed_init(&feed, iopt, own ? NULL : tracker,
					       own ? NULL : to);
	if (!(flags & IOMMU_DIRTY_WALK_NO_CLEAR) && harvest_cuts(iova, last)) {
		sink = iommufd_dirty_feed_window(&feed, iova, last);
		flags |= IOMMU_DIRTY_WALK_WHOLE;
	}
	if (own)
		rc = harvest_reserve(tracker, iova, last);
	if (!rc) {
		harvest_areas(tracker, iova, last, sink, to);
		rc = harvest_domains(iopt, iova, last, flags, sink);
	}
	if (!rc && to && !own)
		iommufd_dirty_ledger_report(ledger, iova, last, flags, to);
	iommufd_dirty_ledger_trim(ledger, iova, last);
	return rc;
}

/* The same but for iova_rwsem */
static int harvest_locked(struct iommufd_dirty_tracker *tracker,
			  unsigned long iova, unsigned long *last,
			  unsigned int flags, struct iommu_dirty_sink *to)
{
	struct io_pagetable *iopt = &tracker->ioas->iopt;
	int rc;

	if (down_read_killable(&iopt->iova_rwsem))
		return -EINTR;
	*last = harvest_bound(iopt, iova, *last);
	rc = harvest_window(tracker, iova, *last, flags, to);
	up_read(&iopt->iova_rwsem);
	return rc;
}

/**
 * iommufd_dirty_harvest() - Read and clear the dirty bits of a window
 * @asked: The tracker
 * @iova: First byte of the window
 * @last: In: last byte of the window, inclusive. Out: less, if the window holds
 *	very many areas
 * @flags: Combination of enum iommu_dirty_walk_flags
 * @sink: Ready for the whole window; or NULL to forget what is dirty; or the
 *	tracker's own ledger, which then grows by it
 *
 * When it returns 0 the IOTLBs are flushed for all that was cleared.
 *
 * Return: 0, or -ENODATA if the tracker is not in @asked->state or was stopped since the
 * call began, -EINTR if killed, with nothing cleared; -ENOMEM, likewise, if @sink is the
 * tracker's own ledger; -EIO if a driver failed.
 */
int iommufd_dirty_harvest(const struct iommufd_dirty_asked *asked,
			  unsigned long iova, unsigned long *last,
			  unsigned int flags, struct iommu_dirty_sink *sink)
{
	struct iommufd_dirty_tracker *tracker = asked->tracker;
	struct io_pagetable *iopt = &tracker->ioas->iopt;
	int rc = -EINTR;

	if (down_read_killable(&iopt->domains_rwsem))
		return rc;
	if (down_read_killable(&iopt->dirty.attach_rwsem))
		goto out_domains;
	if (mutex_lock_killable(&iopt->dirty.harvest_mutex))
		goto out_attach;

	if (iommufd_dirty_asked_valid(asked))
		rc = harvest_locked(tracker, iova, last, flags, sink);
	else
		rc = -ENODATA;

	mutex_unlock(&iopt->dirty.harvest_mutex);
out_attach:
	up_read(&iopt->dirty.attach_rwsem);
out_domains:
	up_read(&iopt->domains_rwsem);
	return rc;
}

/**
 * iommufd_dirty_harvest_ledger() - Read and clear the ledger of a window
 * @asked: The tracker
 * @iova: First byte of the window
 * @last: Last byte of the window, inclusive
 * @flags: Combination of enum iommu_dirty_walk_flags
 * @sink: As for iommufd_dirty_harvest(), but not NULL
 *
 * All there is where another tracker of the IOAS has just been harvested.
 *
 * Return: as iommufd_dirty_harvest().
 */
int iommufd_dirty_harvest_ledger(const struct iommufd_dirty_asked *asked,
				 unsigned long iova, unsigned long last,
				 unsigned int flags,
				 struct iommu_dirty_sink *sink)
{
	struct iommufd_dirty_tracker *tracker = asked->tracker;
	struct iommufd_dirty_ledger *ledger = &tracker->ledger;
	struct io_pagetable *iopt = &tracker->ioas->iopt;
	int rc = -EINTR;

	if (down_read_killable(&iopt->domains_rwsem))
		return rc;
	if (mutex_lock_killable(&iopt->dirty.harvest_mutex))
		goto out_domains;

	if (!iommufd_dirty_asked_valid(asked)) {
		rc = -ENODATA;
		goto out_unlock;
	}
	if (down_read_killable(&iopt->iova_rwsem))
		goto out_unlock;
	rc = 0;
	harvest_areas(tracker, iova, last, NULL, sink);
	up_read(&iopt->iova_rwsem);
	if (sink != &ledger->sink)
		iommufd_dirty_ledger_report(ledger, iova, last, flags, sink);
	iommufd_dirty_ledger_trim(ledger, iova, last);
out_unlock:
	mutex_unlock(&iopt->dirty.harvest_mutex);
out_domains:
	up_read(&iopt->domains_rwsem);
	return rc;
}

/**
 * iommufd_dirty_harvest_wait() - Wait for the harvest that is under way
 * @tracker: A tracker of the IOAS
 * @iova: First byte of a range that was read from its ledger
 * @last: Last byte, inclusive
 *
 * A harvest marks in the ledgers of others before it flushes the IOTLB, and only
 * then is the data of the last write in memory. Who reads a ledger outside of a
 * harvest has to wait for that before the pages are copied. What the ledger does
 * not need any more for the range is freed.
 *
 * Return: 0, or -EINTR if killed.
 */
int iommufd_dirty_harvest_wait(struct iommufd_dirty_tracker *tracker,
			       unsigned long iova, unsigned long last)
{
	struct mutex *mutex = &tracker->ioas->iopt.dirty.harvest_mutex;

	if (mutex_lock_killable(mutex))
		return -EINTR;
	mutex_unlock(mutex);
	/* Another SCAN may have reserved some of it, and will be less exact without */
	iommufd_dirty_ledger_trim(&tracker->ledger, iova, last);
	return 0;
}
