// SPDX-License-Identifier: GPL-2.0-only
/*
 * The provider for an IOAS. A harvest collects the dirty bits in the IO page tables
 * of all HWPTs, the pages that software has pinned for writing, and what the ledger
 * holds. read.c and scan.c harvest window by window into a sink, start.c clears what
 * was dirty before START, and unmap.c walks areas that are about to go.
 *
 * iommufd_dirty_harvest() takes these locks, for one window at most:
 *   domains_rwsem	for reading: the set of HWPTs and trackers cannot change
 *   attach_rwsem	for reading: the flush reaches all devices that use a domain
 *   one of window_locks	no other harvest of the window runs
 *   iova_rwsem		for reading: the areas stay mapped
 * The classic tracking of a HWPT harvests its own domain only, and no writes by
 * software. An area without pages is either being mapped, and not in use yet, or
 * being unmapped, and unmap.c harvests it.
 */
#include <linux/iommu.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/sched/signal.h>

#include "../tests/break.h"
#include "ioas.h"

/* Maximum number of areas that one harvest visits with the IOAS locked */
#define HARVEST_MAX_AREAS	1024

/* After a harvest gave up waiting, others do not wait for this long */
#define HARVEST_HASTY_JIFFIES	max(HZ / 50, 1)

/**
 * iommufd_dirty_mapped_next() - Find the next mapped range, for for_each_dirty_range()
 * @iopt: The IOAS
 * @iova: Where to start
 * @last: Where to end, inclusive
 * @mapped: Out: the range, of one area, limited to @iova and @last
 *
 * If the task is killed, it returns the whole range; the caller checks for a fatal signal
 * in each step.
 *
 * Return: false if nothing is mapped between @iova and @last; @mapped is the whole range.
 */
bool iommufd_dirty_mapped_next(struct io_pagetable *iopt, unsigned long iova,
			       unsigned long last,
			       struct iommufd_dirty_range *mapped)
{
	struct iopt_area *area;

	mapped->iova = iova;
	mapped->last = last;
	if (down_read_killable(&iopt->iova_rwsem))
		return true;
	area = iopt_area_iter_first(iopt, iova, last);
	if (area) {
		mapped->iova = max(iova, iopt_area_iova(area));
		mapped->last = min(last, iopt_area_last_iova(area));
	}
	up_read(&iopt->iova_rwsem);
	return area;
}

/**
 * iommufd_dirty_harvest_bound() - Bound what is looked at with the IOAS locked
 * @tracker: The tracker, whose ledger is looked at, too
 * @iova: First byte
 * @last: Last byte, inclusive
 *
 * There is one window to look at, with at most HARVEST_MAX_AREAS areas. A hole can have any
 * size: if the result is beyond the window of @iova, nothing is mapped, and the ledger had
 * no bitmaps there.
 *
 * Context: iova_rwsem is held.
 * Return: the last byte, at most @last.
 */
unsigned long iommufd_dirty_harvest_bound(struct iommufd_dirty_tracker *tracker,
					  unsigned long iova,
					  unsigned long last)
{
	struct io_pagetable *iopt = &tracker->ioas->iopt;
	struct iopt_area *area;
	unsigned int nr = 0;

	last = iommufd_dirty_ledger_bound(&tracker->ledger,
					  IOMMUFD_DIRTY_WINDOW, iova, last);
	area = iopt_area_iter_first(iopt, iova, last);
	if (area)
		last = iommufd_dirty_window_bound(IOMMUFD_DIRTY_WINDOW, iova,
						  last, iopt_area_iova(area));
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
 * iommufd_dirty_harvest_area() - Harvest one area in one domain, and flush
 * @iopt: The IOAS
 * @domain: The domain, which is tracked
 * @iova: First byte, within the area
 * @last: Last byte, inclusive, within the area and the window of @iova
 * @flags: Combination of enum iommu_dirty_walk_flags
 * @sink: Where to mark
 *
 * With IOMMU_DIRTY_WALK_PROTECT, the entries are checked again after the flush: an IOMMU
 * may have read an entry before it became read-only and set its dirty bit afterwards.
 * Only some specifications rule this out.
 *
 * Context: The lock of the window is held, or domains_rwsem for writing, and the area
 * cannot go away.
 * Return: 0, or -EIO if the driver failed.
 */
int iommufd_dirty_harvest_area(struct io_pagetable *iopt,
			       struct iommu_domain *domain, unsigned long iova,
			       unsigned long last, unsigned int flags,
			       struct iommu_dirty_sink *sink)
{
	struct iommu_dirty_walk walk;
	int rc;

	iommufd_dirty_assert_window(iopt, iova);

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

	iommufd_dirty_assert_window(iopt, iova);

	iommu_dirty_walk_init(&walk, sink, flags | IOMMU_DIRTY_WALK_EXCLUSIVE);
	for (area = iommufd_dirty_area_first(iopt, iova, last); area;
	     area = iommufd_dirty_area_next(area, iova, last)) {
		walk.iova = max(iova, iopt_area_iova(area));
		walk.last = min(last, iopt_area_last_iova(area));
		rc = domain->dirty_ops->harvest(domain, &walk);
		if (rc)
			break;
	}
	/* After an error, too: entries may have been cleaned before it */
	harvest_flush(domain, &walk);
	return rc ? -EIO : 0;
}

/* Nothing is cleaned with IOMMU_DIRTY_WALK_NO_CLEAR, so other trackers lose nothing */
static struct iommu_dirty_sink *harvest_sink(struct iommufd_dirty_feed *feed,
					     unsigned int flags,
					     struct iommu_domain *domain)
{
	return flags & IOMMU_DIRTY_WALK_NO_CLEAR ?
		       feed->to : iommufd_dirty_feed_sink(feed, domain);
}

/*
 * True if dirty large entries are to be split. Whichever tracker finds them dirty: it cleans
 * them, so that others would not find them dirty any more. What START discards was written
 * before, which need not go on.
 */
static bool harvest_splits(const struct iommufd_dirty_tracker *tracker,
			   unsigned int flags)
{
	return tracker->ioas->iopt.dirty.num_split &&
	       !(flags & IOMMU_DIRTY_WALK_NO_CLEAR) &&
	       tracker->state == IOMMU_DIRTY_STATE_RUNNING;
}

/* Walk the domains that the tracker covers */
static int harvest_domains(struct iommufd_dirty_tracker *tracker,
			   struct iommufd_dirty_feed *feed, unsigned long iova,
			   unsigned long last, unsigned int flags)
{
	struct io_pagetable *iopt = &tracker->ioas->iopt;
	bool splits = harvest_splits(tracker, flags);
	struct iommu_dirty_sink *sink;
	struct iommu_domain *domain;
	unsigned long index;
	int rc;

	xa_for_each(&iopt->domains, index, domain) {
		/* Nothing to walk; harvest_areas() marks what is not tracked */
		if (!iommufd_dirty_domain_capable(domain))
			continue;
		if (tracker->domain && tracker->domain != domain)
			continue;
		sink = harvest_sink(feed, flags, domain);
		if (splits)
			iommufd_dirty_split_dirty(iopt, domain, iova, last,
						  sink);
		rc = harvest_domain(iopt, domain, iova, last, flags, sink);
		if (rc)
			return rc;
		cond_resched();
	}
	return 0;
}

/* A call makes many harvests, and a task that pins pages can take arbitrarily long */
static unsigned int harvest_patience(const struct iommufd_dirty_iopt *dirty)
{
	return time_before(jiffies, READ_ONCE(dirty->patient)) ?
		       0 : IOMMUFD_DIRTY_PATIENCE;
}

/*
 * Mark what no page table entry shows: pages that software may be writing to and, for a
 * blind tracker, everything that is mapped for writing. Nothing is cleared.
 */
static void harvest_areas(struct iommufd_dirty_tracker *tracker,
			  unsigned long iova, unsigned long last,
			  struct iommu_dirty_sink *sink,
			  struct iommu_dirty_sink *to)
{
	struct io_pagetable *iopt = &tracker->ioas->iopt;
	unsigned int patience = harvest_patience(&iopt->dirty);
	bool blind = to && iommufd_dirty_blind(tracker);
	bool hasty = !patience;
	struct iopt_area *area;

	for (area = iommufd_dirty_area_first(iopt, iova, last); area;
	     area = iommufd_dirty_area_next(area, iova, last)) {
		unsigned long first = max(iova, iopt_area_iova(area));
		unsigned long stop = min(last, iopt_area_last_iova(area));

		/* Not through @sink: other trackers mark this for themselves */
		if (blind)
			to->ops->mark_range(to, first, stop);
		if (sink)
			iommufd_dirty_mark_pinned(area, first, stop, sink,
						  &patience);
	}
	if (!hasty && !patience)
		WRITE_ONCE(iopt->dirty.patient,
			   jiffies + HARVEST_HASTY_JIFFIES);
}

/* SCAN needs exact pages in the ledger; without memory it fails and clears nothing */
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
 * What is dirty for others goes to their ledgers. If these had no memory, they would
 * record more than is dirty, which nobody should suffer for an observer: it fails instead.
 */
static int harvest_reserve_others(struct iommufd_dirty_tracker *tracker,
				  unsigned long iova, unsigned long last)
{
	struct list_head *trackers = &tracker->ioas->iopt.dirty.trackers;
	struct iommufd_dirty_tracker *other;
	int rc;

	list_for_each_entry(other, trackers, item) {
		if (other->passive || other->state != IOMMU_DIRTY_STATE_RUNNING)
			continue;
		/* Entries may reach beyond what is read, up to a whole window */
		rc = harvest_reserve(other, iova & ~(IOMMUFD_DIRTY_WINDOW - 1),
				     last | (IOMMUFD_DIRTY_WINDOW - 1));
		if (rc)
			return rc;
		cond_resched();
	}
	return 0;
}

static void harvest_trim_others(struct iommufd_dirty_tracker *tracker,
				unsigned long iova, unsigned long last)
{
	struct list_head *trackers = &tracker->ioas->iopt.dirty.trackers;
	struct iommufd_dirty_tracker *other;

	list_for_each_entry(other, trackers, item)
		if (!other->passive)
			iommufd_dirty_ledger_trim(&other->ledger,
						  iova & ~(IOMMUFD_DIRTY_WINDOW - 1),
						  last | (IOMMUFD_DIRTY_WINDOW - 1));
}

/*
 * True if an IO page table entry may reach beyond the window. Ranges are split at multiples
 * of IOMMUFD_DIRTY_WINDOW, but the range of a user can begin and end anywhere, and a HWPT
 * that was made without a request for tracking can have larger entries.
 */
static bool harvest_cuts(struct io_pagetable *iopt, unsigned long iova,
			 unsigned long last)
{
	return iopt->dirty.wide ||
	       !IS_ALIGNED(iova | (last + 1), IOMMUFD_DIRTY_WINDOW);
}

/*
 * True if this is a hole beyond the window of @iova; see iommufd_dirty_harvest_bound(). Its
 * other windows are not locked: while iova_rwsem is held, nothing can be mapped in it, so
 * nobody else harvests there. But a MARK may add bitmaps to a ledger.
 */
static bool harvest_is_hole(unsigned long iova, unsigned long last)
{
	return last > (iova | (IOMMUFD_DIRTY_WINDOW - 1));
}

/* What the ledger holds goes to @to */
static void harvest_recorded(struct iommufd_dirty_tracker *tracker,
			     unsigned long iova, unsigned long last,
			     unsigned int flags, struct iommu_dirty_sink *to)
{
	lockdep_assert_held(&tracker->ioas->iopt.iova_rwsem);

	if (harvest_is_hole(iova, last))
		iommufd_dirty_ledger_report_coarse(&tracker->ledger, iova, last,
						   flags, to);
	else
		iommufd_dirty_ledger_report(&tracker->ledger, iova, last, flags,
					    to);
}

/* What somebody has reserved in the window is not in use any more */
static void harvest_trim(struct iommufd_dirty_ledger *ledger,
			 unsigned long iova, unsigned long last)
{
	if (!harvest_is_hole(iova, last))
		iommufd_dirty_ledger_trim(ledger, iova, last);
}

/* All locks of a harvest are held */
static int harvest_window(struct iommufd_dirty_tracker *tracker,
			  unsigned long iova, unsigned long last,
			  unsigned int flags, struct iommu_dirty_sink *to)
{
	struct iommufd_dirty_ledger *ledger = &tracker->ledger;
	struct io_pagetable *iopt = &tracker->ioas->iopt;
	bool keeps = flags & IOMMU_DIRTY_WALK_NO_CLEAR;
	bool own = to == &ledger->sink;
	struct iommufd_dirty_feed feed;
	bool reserves;
	int rc = 0;

	/* The tracker's own ledger is fed like those of all other trackers */
	iommufd_dirty_feed_init(&feed, iopt, own && !keeps ? NULL : tracker,
				own && !keeps ? NULL : to);
	if (!keeps && harvest_cuts(iopt, iova, last)) {
		iommufd_dirty_feed_window(&feed, iova, last);
		flags |= IOMMU_DIRTY_WALK_WHOLE;
	}
	if (own)
		rc = harvest_reserve(tracker, iova, last);
	/* A hole of any size needs nothing of others */
	reserves = tracker->passive && !keeps &&
		   iommufd_dirty_area_first(iopt, iova, last);
	if (!rc && reserves)
		rc = harvest_reserve_others(tracker, iova, last);
	if (!rc && !tracker->domain)
		harvest_areas(tracker, iova, last,
			      harvest_sink(&feed, flags, NULL), to);
	if (!rc)
		rc = harvest_domains(tracker, &feed, iova, last, flags);
	if (!rc && to && !own)
		harvest_recorded(tracker, iova, last, flags, to);
	harvest_trim(ledger, iova, last);
	if (reserves)
		harvest_trim_others(tracker, iova, last);
	return rc;
}

/* All locks of a harvest but iova_rwsem are held */
static int harvest_locked(struct iommufd_dirty_tracker *tracker,
			  unsigned long iova, unsigned long *last,
			  unsigned int flags, struct iommu_dirty_sink *to)
{
	struct io_pagetable *iopt = &tracker->ioas->iopt;
	int rc;

	if (down_read_killable(&iopt->iova_rwsem))
		return -EINTR;
	*last = iommufd_dirty_harvest_bound(tracker, iova, *last);
	rc = harvest_window(tracker, iova, *last, flags, to);
	up_read(&iopt->iova_rwsem);
	return rc;
}

/**
 * iommufd_dirty_harvest_lock() - Take the locks of a harvest but iova_rwsem
 * @iopt: The IOAS
 * @iova: A byte of the window to harvest
 *
 * Return: 0, or -EINTR if killed.
 */
int iommufd_dirty_harvest_lock(struct io_pagetable *iopt, unsigned long iova)
{
	if (down_read_killable(&iopt->domains_rwsem))
		return -EINTR;
	if (down_read_killable(&iopt->dirty.attach_rwsem))
		goto out_domains;
	if (mutex_lock_killable(iommufd_dirty_window_lock(iopt, iova)))
		goto out_attach;
	return 0;

out_attach:
	up_read(&iopt->dirty.attach_rwsem);
out_domains:
	up_read(&iopt->domains_rwsem);
	return -EINTR;
}

/**
 * iommufd_dirty_harvest_unlock() - Drop the locks of iommufd_dirty_harvest_lock()
 * @iopt: The IOAS
 * @iova: A byte of the window
 */
void iommufd_dirty_harvest_unlock(struct io_pagetable *iopt, unsigned long iova)
{
	mutex_unlock(iommufd_dirty_window_lock(iopt, iova));
	up_read(&iopt->dirty.attach_rwsem);
	up_read(&iopt->domains_rwsem);
}

static int harvest(const struct iommufd_dirty_asked *asked, unsigned long iova,
		   unsigned long *last, unsigned int flags,
		   struct iommu_dirty_sink *sink)
{
	struct iommufd_dirty_tracker *tracker = asked->tracker;
	struct io_pagetable *iopt = &tracker->ioas->iopt;
	int rc;

	rc = iommufd_dirty_harvest_lock(iopt, iova);
	if (rc)
		return rc;
	if (iommufd_dirty_asked_valid(asked))
		rc = harvest_locked(tracker, iova, last, flags, sink);
	else
		rc = -ENODATA;
	iommufd_dirty_harvest_unlock(iopt, iova);
	return rc;
}

/* A tracker whose IOAS is gone has been stopped */
static int harvest_enter(const struct iommufd_dirty_tracker *tracker)
{
	int rc = iommufd_dirty_enter(tracker);

	return rc == -ENODEV ? -ENODATA : rc;
}

/**
 * iommufd_dirty_harvest() - Read and clear the dirty bits of a window
 * @asked: The tracker
 * @iova: First byte of the window
 * @last: In: last byte of the window, inclusive. Out: lower if that is more than a hole, or
 *	more than IOMMUFD_DIRTY_WINDOW bytes or HARVEST_MAX_AREAS areas
 * @flags: Combination of enum iommu_dirty_walk_flags
 * @sink: A sink that can take the whole window; or NULL to discard what is dirty; or the
 *	tracker's own ledger, to add what is dirty to it
 *
 * If it returns 0, the IOTLBs have been flushed for everything that was cleared.
 *
 * Return: 0; with nothing cleared, -ENODATA if the tracker is not in @asked->state or was
 * stopped since the call began, or its IOAS is gone, -EINTR if killed, or -ENOMEM, only
 * if the tracker is passive or @sink is its own ledger; -EIO if a driver failed.
 */
int iommufd_dirty_harvest(const struct iommufd_dirty_asked *asked,
			  unsigned long iova, unsigned long *last,
			  unsigned int flags, struct iommu_dirty_sink *sink)
{
	int rc = harvest_enter(asked->tracker);

	if (rc)
		return rc;
	rc = harvest(asked, iova, last, flags, sink);
	iommufd_dirty_exit(asked->tracker);
	return rc;
}

static int harvest_ledger(const struct iommufd_dirty_asked *asked,
			  unsigned long iova, unsigned long *last,
			  unsigned int flags, struct iommu_dirty_sink *sink)
{
	struct iommufd_dirty_tracker *tracker = asked->tracker;
	struct iommufd_dirty_ledger *ledger = &tracker->ledger;
	struct io_pagetable *iopt = &tracker->ioas->iopt;
	int rc = -EINTR;

	if (down_read_killable(&iopt->domains_rwsem))
		return rc;
	if (mutex_lock_killable(iommufd_dirty_window_lock(iopt, iova)))
		goto out_domains;

	if (!iommufd_dirty_asked_valid(asked)) {
		rc = -ENODATA;
		goto out_unlock;
	}
	if (down_read_killable(&iopt->iova_rwsem))
		goto out_unlock;
	rc = 0;
	*last = iommufd_dirty_harvest_bound(tracker, iova, *last);
	harvest_areas(tracker, iova, *last, NULL, sink);
	if (sink != &ledger->sink)
		harvest_recorded(tracker, iova, *last, flags, sink);
	up_read(&iopt->iova_rwsem);
	harvest_trim(ledger, iova, *last);
out_unlock:
	mutex_unlock(iommufd_dirty_window_lock(iopt, iova));
out_domains:
	up_read(&iopt->domains_rwsem);
	return rc;
}

/**
 * iommufd_dirty_harvest_ledger() - Read and clear the ledger of a window
 * @asked: The tracker
 * @iova: First byte of the window
 * @last: As for iommufd_dirty_harvest()
 * @flags: Combination of enum iommu_dirty_walk_flags
 * @sink: As for iommufd_dirty_harvest(), but not NULL
 *
 * This is enough if another tracker of the IOAS has just been harvested. A blind tracker
 * also marks everything that is mapped for writing.
 *
 * Return: 0, -ENODATA or -EINTR, as iommufd_dirty_harvest().
 */
int iommufd_dirty_harvest_ledger(const struct iommufd_dirty_asked *asked,
				 unsigned long iova, unsigned long *last,
				 unsigned int flags,
				 struct iommu_dirty_sink *sink)
{
	int rc = harvest_enter(asked->tracker);

	if (rc)
		return rc;
	rc = harvest_ledger(asked, iova, last, flags, sink);
	iommufd_dirty_exit(asked->tracker);
	return rc;
}

static int harvest_mark(const struct iommufd_dirty_asked *asked,
			const struct iommufd_dirty_range *runs, unsigned int nr)
{
	struct io_pagetable *iopt = &asked->tracker->ioas->iopt;
	unsigned int i;
	int rc = -ENODATA;

	/* STOP changes the state with it held for writing, then discards the ledger */
	if (down_read_killable(&iopt->domains_rwsem))
		return -EINTR;
	if (iommufd_dirty_asked_valid(asked)) {
		for (i = 0; i < nr; i++)
			iommufd_dirty_ledger_mark(&asked->tracker->ledger,
						  runs[i].iova, runs[i].last);
		rc = 0;
	}
	up_read(&iopt->domains_rwsem);
	return rc;
}

/**
 * iommufd_dirty_harvest_mark() - Mark runs in the ledger of a tracker
 * @asked: The tracker
 * @runs: The runs
 * @nr: Number of runs
 *
 * It takes the lock of no window: marks are harvested whenever they come, and what a
 * harvest looks at in the ledger is bounded in spite of them.
 *
 * Return: 0; -ENODATA if the tracker is not in @asked->state or was stopped since the
 * call began, or -EINTR if killed, with nothing marked.
 */
int iommufd_dirty_harvest_mark(const struct iommufd_dirty_asked *asked,
			       const struct iommufd_dirty_range *runs,
			       unsigned int nr)
{
	int rc = harvest_enter(asked->tracker);

	if (rc)
		return rc;
	rc = harvest_mark(asked, runs, nr);
	iommufd_dirty_exit(asked->tracker);
	return rc;
}

/* Find the next window for which the ledger has memory */
static bool wait_next(struct iommufd_dirty_ledger *ledger, unsigned long iova,
		      unsigned long last, struct iommufd_dirty_range *window)
{
	return iommufd_dirty_ledger_chunk(ledger, iova, last, &iova) &&
	       iommufd_dirty_window_next(IOMMUFD_DIRTY_WINDOW, iova, last,
					 window);
}

/* Wait for whoever harvests the window, and free what the ledger does not need */
static int wait_window(struct iommufd_dirty_tracker *tracker,
		       unsigned long iova, unsigned long last)
{
	struct io_pagetable *iopt = &tracker->ioas->iopt;
	int rc;

	/* There can be very many windows, with locks that nobody holds */
	if (fatal_signal_pending(current))
		return -EINTR;
	if (down_read_killable(&iopt->domains_rwsem))
		return -EINTR;
	rc = mutex_lock_killable(iommufd_dirty_window_lock(iopt, iova));
	if (!rc) {
		iommufd_dirty_ledger_trim(&tracker->ledger, iova, last);
		mutex_unlock(iommufd_dirty_window_lock(iopt, iova));
	}
	up_read(&iopt->domains_rwsem);
	return rc;
}

/* Wait for all harvests of the range: of each of its windows, or with each lock */
static int wait_locks(struct iommufd_dirty_tracker *tracker, unsigned long iova,
		      unsigned long last)
{
	struct iommufd_dirty_iopt *dirty = &tracker->ioas->iopt.dirty;
	struct iommufd_dirty_range window;
	unsigned int i;
	int rc = 0;

	if (last - iova < IOMMUFD_DIRTY_WINDOW_LOCKS * IOMMUFD_DIRTY_WINDOW) {
		for_each_dirty_range(window, iommufd_dirty_window_next,
				     IOMMUFD_DIRTY_WINDOW, iova, last) {
			rc = wait_window(tracker, window.iova, window.last);
			if (rc)
				break;
		}
		return rc;
	}
	/* A HWPT that joins marks and flushes without a lock of a window */
	if (down_read_killable(&tracker->ioas->iopt.domains_rwsem))
		return -EINTR;
	up_read(&tracker->ioas->iopt.domains_rwsem);
	for (i = 0; i < IOMMUFD_DIRTY_WINDOW_LOCKS; i++) {
		if (mutex_lock_killable(&dirty->window_locks[i]))
			return -EINTR;
		mutex_unlock(&dirty->window_locks[i]);
	}
	for_each_dirty_range(window, wait_next, &tracker->ledger, iova, last) {
		rc = wait_window(tracker, window.iova, window.last);
		if (rc)
			break;
	}
	return rc;
}

/**
 * iommufd_dirty_harvest_wait() - Wait for harvests that are under way
 * @tracker: A tracker of the IOAS
 * @iova: First byte of a range that was read from its ledger
 * @last: Last byte, inclusive
 *
 * A harvest marks in the ledgers of other trackers before it flushes the IOTLB, and
 * the data of the last write is in memory only after the flush. A reader of a ledger
 * outside of a harvest must wait for the flush before the pages are copied. Ledger
 * memory that the range does not need any more is freed.
 *
 * Return: 0, or -EINTR if killed.
 */
int iommufd_dirty_harvest_wait(struct iommufd_dirty_tracker *tracker,
			       unsigned long iova, unsigned long last)
{
	int rc = harvest_enter(tracker);

	if (rc)
		return rc;
	rc = wait_locks(tracker, iova, last);
	iommufd_dirty_exit(tracker);
	return rc;
}
