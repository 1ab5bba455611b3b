// SPDX-License-Identifier: GPL-2.0-only
/*
 * Splits large entries of an IOAS's IO page tables for trackers that were started with
 * IOMMU_DIRTY_START_SPLIT or _SPLIT_LAZY, and merges them again once no such tracker is
 * left. The drivers do both, with the flushes.
 *
 * start.c splits everything before START of an eager tracker returns, and merges after
 * STOP, window by window. harvest.c splits what a READ is about to find dirty, for both
 * kinds of tracker: so what an eager one could not split is split later. iommufd calls
 * when something was mapped, or a HWPT has joined, while an eager tracker runs.
 *
 * Why new mappings are split, and not mapped with small entries: only tables that come
 * from a split become large entries again.
 *
 * The locks of a harvest are held, so that nobody else cleans entries, the areas stay
 * mapped, and a flush reaches all devices. Besides, iopt_pages::mutex of the area: under it,
 * iommufd reads back what a domain maps, and a driver may read an entry twice for that.
 * A merge also frees tables, so it has iova_rwsem for writing.
 *
 * Harvests of other windows proceed in parallel, but split_mutex allows one split or merge
 * of the IOAS at a time: two could otherwise find each other's iopt_pages::mutex taken. The
 * lock of a window is enough for the entries: one that is split or merged lies within a
 * window, like those that it becomes, unless all windows have the same lock.
 *
 * iopt_pages::mutex can be held for an arbitrarily long time by a task that pins pages.
 * Harvests that look for pinned pages take it with split_mutex, too. Nobody waits for it
 * with the IOAS locked. If it is contended, entries stay as they are, which is coarse but
 * correct; START waits without locks and tries again, and so does a merge, for a moment.
 */
#include <linux/iommu.h>
#include <linux/iommu_dirty_split.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "ioas.h"

/* Fail rather than let the OOM killer end the user, which only loses precision */
#define SPLIT_GFP	(GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)
/* The same with less effort: the next READ tries again */
#define LAZY_GFP	(GFP_KERNEL_ACCOUNT | __GFP_NORETRY | __GFP_NOWARN)

/* No granule has smaller tables: those of level 0, and one that points to them */
#define MERGE_ORPHANS	(IOMMUFD_DIRTY_WINDOW / SZ_2M + 1)

/* How long a whole merge waits for tasks that pin pages; most of them take microseconds */
#define MERGE_PATIENCE	(HZ / 4)

/* True if the driver can split entries of the domain */
static bool domain_splits(struct iommu_domain *domain)
{
	return iommufd_dirty_domain_tracked(domain) && domain->dirty_ops->split;
}

/* INFO reads the numbers of a domain at any time. They change under split_mutex */
static void count(unsigned long *number, unsigned long more)
{
	WRITE_ONCE(*number, *number + more);
}

/* The locks under which nobody else walks the domain or cleans its entries */
static void assert_locks(struct iopt_area *area, struct iopt_pages *pages,
			 unsigned long iova)
{
	struct io_pagetable *iopt = area->iopt;

	lockdep_assert_held(&iopt->domains_rwsem);
	iommufd_dirty_assert_window(iopt, iova);
	lockdep_assert_held(&iopt->dirty.split_mutex);
	lockdep_assert_held(&pages->mutex);
}

/*
 * Split entries of @iova to @last, within the area, in one domain. Returns 0, -ENOMEM, or
 * -EBUSY if a task is pinning pages; with these, entries have stayed large. The caller
 * counts -EBUSY, unless it tries again. split_mutex is held.
 */
static int split_area(struct iopt_area *area, struct iopt_pages *pages,
		      struct iommu_domain *domain, unsigned long iova,
		      unsigned long last, unsigned int flags,
		      struct iommu_dirty_sink *sink, gfp_t gfp)
{
	struct iommu_dirty_split split;
	int rc;

	if (!mutex_trylock(&pages->mutex))
		return -EBUSY;
	assert_locks(area, pages, iova);
	iommu_dirty_split_init(&split, sink, NULL, flags);
	split.iova = iova;
	split.last = last;
	rc = domain->dirty_ops->split(domain, &split, gfp);
	mutex_unlock(&pages->mutex);

	/* The hardware cannot; INFO reports why */
	if (rc == -EOPNOTSUPP)
		return 0;
	count(&domain->dirty_split, split.done);
	count(&domain->dirty_unsplit, split.left + (rc != 0));
	return rc;
}

/* True if an eager tracker has split everything, or its START will: do not look again */
static bool all_split(const struct iommufd_dirty_iopt *dirty)
{
	return dirty->num_eager && !READ_ONCE(dirty->unsplit);
}

/**
 * iommufd_dirty_split_dirty() - Split the dirty large entries of a window
 * @iopt: The IOAS
 * @domain: The domain
 * @iova: First byte of the window
 * @last: Last byte, inclusive
 * @sink: Where to mark the entries, as a whole, or NULL
 *
 * A harvest calls it before its walk, which then finds only what is written from now on.
 * It cannot fail: what is not split stays dirty for the walk.
 *
 * Context: The locks of a harvest are held.
 */
void iommufd_dirty_split_dirty(struct io_pagetable *iopt,
			       struct iommu_domain *domain, unsigned long iova,
			       unsigned long last,
			       struct iommu_dirty_sink *sink)
{
	struct iopt_area *area;
	int rc;

	if (iopt->disable_large_pages || !domain_splits(domain) ||
	    all_split(&iopt->dirty))
		return;
	for (area = iommufd_dirty_area_first(iopt, iova, last); area;
	     area = iommufd_dirty_area_next(area, iova, last)) {
		if (mutex_lock_killable(&iopt->dirty.split_mutex))
			return;
		rc = split_area(area, area->pages, domain,
				max(iova, iopt_area_iova(area)),
				min(last, iopt_area_last_iova(area)),
				IOMMU_DIRTY_SPLIT_DIRTY, sink, LAZY_GFP);
		if (rc == -EBUSY)
			count(&domain->dirty_unsplit, 1);
		mutex_unlock(&iopt->dirty.split_mutex);
	}
}

/* Split a window of an area in all domains; returns as split_area() */
static int split_domains(struct iopt_area *area, struct iopt_pages *pages,
			 unsigned long iova, unsigned long last)
{
	struct io_pagetable *iopt = area->iopt;
	struct iommufd_dirty_feed feed;
	struct iommu_domain *domain;
	unsigned long index;
	int rc;

	iommufd_dirty_feed_init(&feed, iopt, NULL, NULL);
	xa_for_each(&iopt->domains, index, domain) {
		if (!domain_splits(domain))
			continue;
		rc = split_area(area, pages, domain, iova, last, 0,
				iommufd_dirty_feed_sink(&feed, domain),
				SPLIT_GFP);
		if (rc)
			return rc;
		cond_resched();
	}
	return 0;
}

/*
 * Split a window; all locks are held. Lowers @last if it is to continue elsewhere. Returns
 * 0, -ENOMEM, -EINTR if killed, or -EBUSY with nothing done.
 */
static int split_areas(struct io_pagetable *iopt, unsigned long iova,
		       unsigned long *last)
{
	struct iopt_area *area;
	int rc;

	for (area = iommufd_dirty_area_first(iopt, iova, *last); area;
	     area = iommufd_dirty_area_next(area, iova, *last)) {
		unsigned long first = max(iova, iopt_area_iova(area));

		if (mutex_lock_killable(&iopt->dirty.split_mutex))
			return -EINTR;
		rc = split_domains(area, area->pages, first,
				   min(*last, iopt_area_last_iova(area)));
		mutex_unlock(&iopt->dirty.split_mutex);
		if (rc == -EBUSY && first > iova) {
			*last = first - 1;
			return 0;
		}
		if (rc)
			return rc;
	}
	return 0;
}

static int split_window(const struct iommufd_dirty_asked *asked,
			unsigned long iova, unsigned long *last)
{
	struct iommufd_dirty_tracker *tracker = asked->tracker;
	struct io_pagetable *iopt = &tracker->ioas->iopt;
	int rc;

	rc = iommufd_dirty_harvest_lock(iopt, iova);
	if (rc)
		return rc;
	if (!iommufd_dirty_asked_valid(asked)) {
		rc = -ENODATA;
	} else if (down_read_killable(&iopt->iova_rwsem)) {
		rc = -EINTR;
	} else {
		*last = iommufd_dirty_harvest_bound(tracker, iova, *last);
		if (!iopt->disable_large_pages)
			rc = split_areas(iopt, iova, last);
		up_read(&iopt->iova_rwsem);
	}
	iommufd_dirty_harvest_unlock(iopt, iova);
	return rc;
}

/* The same without the IOAS locked; waits for tasks that pin pages */
static int split_wait(const struct iommufd_dirty_asked *asked,
		      unsigned long iova, unsigned long *last)
{
	unsigned long stop = *last;
	int rc;

	do {
		if (fatal_signal_pending(current))
			return -EINTR;
		rc = iommufd_dirty_enter(asked->tracker);
		if (rc)
			return rc == -ENODEV ? -ENODATA : rc;
		*last = stop;
		rc = split_window(asked, iova, last);
		iommufd_dirty_exit(asked->tracker);
		if (rc == -EBUSY)
			schedule_timeout_killable(1);
	} while (rc == -EBUSY);
	return rc;
}

/**
 * iommufd_dirty_split() - Split all large entries of an IOAS
 * @tracker: A tracker of the IOAS that is starting
 *
 * What is dirty in them goes to the ledgers of the running trackers. Where entries cannot be
 * split, they stay large.
 *
 * Return: 0, -ENODATA if the tracker is stopped meanwhile, -EINTR if killed, or -ENOMEM.
 */
int iommufd_dirty_split(struct iommufd_dirty_tracker *tracker)
{
	struct iommufd_dirty_asked asked = {
		.tracker = tracker,
		.state = IOMMU_DIRTY_STATE_STARTING,
		.stops = READ_ONCE(tracker->stops),
	};
	struct iommufd_dirty_range window;
	int rc;

	for_each_dirty_range(window, iommufd_dirty_window_mapped, tracker, 0,
			     ULONG_MAX) {
		rc = split_wait(&asked, window.iova, &window.last);
		if (rc)
			return rc;
	}
	return 0;
}

/* The entries of an area stay large for now, in all domains */
static void count_unsplit(struct io_pagetable *iopt)
{
	struct iommu_domain *domain;
	unsigned long index;

	xa_for_each(&iopt->domains, index, domain)
		if (domain_splits(domain))
			count(&domain->dirty_unsplit, 1);
}

/**
 * iommufd_dirty_mapped() - An area was mapped in all domains of its IOAS
 * @area: The area, not in use yet
 * @pages: Its pages
 *
 * Called only while an eager tracker starts or runs. Mapping does not fail because of it.
 *
 * Context: domains_rwsem is held for reading.
 */
void iommufd_dirty_mapped(struct iopt_area *area, struct iopt_pages *pages)
{
	struct io_pagetable *iopt = area->iopt;
	struct iommufd_dirty_range window;
	int rc;

	lockdep_assert_held(&iopt->domains_rwsem);

	if (iopt->disable_large_pages || !iommufd_dirty_area_counts(area, pages))
		return;
	for_each_dirty_range(window, iommufd_dirty_window_next,
			     IOMMUFD_DIRTY_WINDOW, iopt_area_iova(area),
			     iopt_area_last_iova(area)) {
		down_read(&iopt->dirty.attach_rwsem);
		mutex_lock(iommufd_dirty_window_lock(iopt, window.iova));
		mutex_lock(&iopt->dirty.split_mutex);
		rc = fatal_signal_pending(current) ?
			     -EINTR :
			     split_domains(area, pages, window.iova,
					   window.last);
		if (rc)
			WRITE_ONCE(iopt->dirty.unsplit, true);
		if (rc == -EBUSY)
			count_unsplit(iopt);
		mutex_unlock(&iopt->dirty.split_mutex);
		mutex_unlock(iommufd_dirty_window_lock(iopt, window.iova));
		up_read(&iopt->dirty.attach_rwsem);
		if (rc && rc != -EBUSY)
			return;
	}
}

static int split_joined(struct iopt_area *area, struct iommu_domain *domain,
			struct iommu_dirty_sink *sink)
{
	struct iommufd_dirty_range window;
	int rc;

	for_each_dirty_range(window, iommufd_dirty_window_next,
			     IOMMUFD_DIRTY_WINDOW, iopt_area_iova(area),
			     iopt_area_last_iova(area)) {
		mutex_lock(&area->iopt->dirty.split_mutex);
		/* A task that the OOM killer has chosen must not use up the reserves */
		if (fatal_signal_pending(current))
			rc = -EINTR;
		else
			rc = split_area(area, area->pages, domain, window.iova,
					window.last, 0, sink, SPLIT_GFP);
		if (rc)
			area->iopt->dirty.unsplit = true;
		if (rc == -EBUSY)
			count(&domain->dirty_unsplit, 1);
		mutex_unlock(&area->iopt->dirty.split_mutex);
		if (rc && rc != -EBUSY)
			return rc;
	}
	return 0;
}

/**
 * iommufd_dirty_joined() - All areas of an IOAS were mapped in a new domain
 * @iopt: The IOAS
 * @domain: The domain
 *
 * Called only while an eager tracker starts or runs. Joining does not fail because of it. It
 * takes all areas at once, as mapping them has just done, which is slower.
 *
 * Context: domains_rwsem is held for writing, which excludes all harvests, and iova_rwsem.
 * Devices that use the domain are not attached or detached meanwhile.
 */
void iommufd_dirty_joined(struct io_pagetable *iopt,
			  struct iommu_domain *domain)
{
	struct iommufd_dirty_feed feed;
	struct iommu_dirty_sink *sink;
	struct iopt_area *area;

	lockdep_assert_held_write(&iopt->domains_rwsem);

	if (iopt->disable_large_pages || !domain_splits(domain))
		return;
	iommufd_dirty_feed_init(&feed, iopt, NULL, NULL);
	sink = iommufd_dirty_feed_sink(&feed, domain);
	for (area = iommufd_dirty_area_first(iopt, 0, ULONG_MAX); area;
	     area = iommufd_dirty_area_next(area, 0, ULONG_MAX)) {
		if (split_joined(area, domain, sink))
			return;
		cond_resched();
	}
}

/**
 * iommufd_dirty_split_prepare() - Allocate what a later merge needs
 * @ioas: The IOAS
 *
 * So that a merge cannot fail for lack of memory. It is freed with the IOAS.
 *
 * Context: iommufd_ioas::mutex is held.
 * Return: 0 or -ENOMEM.
 */
int iommufd_dirty_split_prepare(struct iommufd_ioas *ioas)
{
	struct iommufd_dirty_iopt *dirty = &ioas->iopt.dirty;

	lockdep_assert_held(&ioas->mutex);

	if (!dirty->orphans)
		dirty->orphans = kvmalloc_array(MERGE_ORPHANS,
						sizeof(*dirty->orphans),
						GFP_KERNEL_ACCOUNT);
	return dirty->orphans ? 0 : -ENOMEM;
}

static void merge_domain(struct iopt_area *area, struct iommu_domain *domain,
			 unsigned long iova, unsigned long last,
			 struct iommu_dirty_sink *sink)
{
	struct iommu_dirty_split split;
	int rc;

	if (!domain_splits(domain))
		return;
	assert_locks(area, area->pages, iova);
	lockdep_assert_held_write(&area->iopt->iova_rwsem);

	iommu_dirty_split_init(&split, sink, NULL, 0);
	split.iova = iova;
	split.last = last;
	split.orphans = area->iopt->dirty.orphans;
	split.max_orphans = MERGE_ORPHANS;
	do {
		rc = domain->dirty_ops->merge(domain, &split);
		if (rc != -EOPNOTSUPP)
			count(&domain->dirty_merged, split.done);
	} while (rc == -ENOSPC);
	if (!rc)
		count(&domain->dirty_unmerged, split.left);
}

/* Returns -EAGAIN with nothing done if a task is pinning pages and @waits */
static int merge_domains(struct iopt_area *area, unsigned long iova,
			 unsigned long last, bool waits)
{
	struct io_pagetable *iopt = area->iopt;
	struct iommufd_dirty_feed feed;
	struct iommu_domain *domain;
	unsigned long index;

	iommufd_dirty_feed_init(&feed, iopt, NULL, NULL);
	if (!mutex_trylock(&area->pages->mutex)) {
		if (waits)
			return -EAGAIN;
		xa_for_each(&iopt->domains, index, domain)
			if (domain_splits(domain))
				count(&domain->dirty_unmerged, 1);
		return 0;
	}
	xa_for_each(&iopt->domains, index, domain)
		merge_domain(area, domain, iova, last,
			     iommufd_dirty_feed_sink(&feed, domain));
	mutex_unlock(&area->pages->mutex);
	return 0;
}

/*
 * Merge a window; all locks are held. Lowers @last if it is to continue elsewhere. Returns
 * as merge_domains().
 */
static int merge_areas(struct io_pagetable *iopt, unsigned long iova,
		       unsigned long *last, bool waits)
{
	struct iopt_area *area;

	for (area = iommufd_dirty_area_first(iopt, iova, *last); area;
	     area = iommufd_dirty_area_next(area, iova, *last)) {
		unsigned long first = max(iova, iopt_area_iova(area));
		int rc;

		mutex_lock(&iopt->dirty.split_mutex);
		rc = merge_domains(area, first,
				   min(*last, iopt_area_last_iova(area)),
				   waits);
		mutex_unlock(&iopt->dirty.split_mutex);
		cond_resched();
		if (!rc)
			continue;
		if (first == iova)
			return rc;
		*last = first - 1;
		break;
	}
	return 0;
}

/*
 * Returns 0, -EAGAIN, -EINTR if killed, -EBUSY if entries must stay small, or another error
 * if the IOAS goes
 */
static int merge_window(struct iommufd_dirty_tracker *tracker,
			unsigned long iova, unsigned long *last, bool waits)
{
	struct io_pagetable *iopt = &tracker->ioas->iopt;
	int rc;

	rc = iommufd_dirty_enter(tracker);
	if (rc)
		return rc;
	rc = iommufd_dirty_harvest_lock(iopt, iova);
	if (rc)
		goto out_exit;
	if (down_write_killable(&iopt->iova_rwsem)) {
		rc = -EINTR;
		goto out_unlock;
	}
	if (iopt->dirty.num_split || iopt->disable_large_pages) {
		rc = -EBUSY;
	} else {
		*last = iommufd_dirty_harvest_bound(tracker, iova, *last);
		rc = merge_areas(iopt, iova, last, waits);
	}
	up_write(&iopt->iova_rwsem);
out_unlock:
	iommufd_dirty_harvest_unlock(iopt, iova);
out_exit:
	iommufd_dirty_exit(tracker);
	return rc;
}

/**
 * iommufd_dirty_merge() - Merge what was split, if no tracker needs it any more
 * @tracker: A tracker of the IOAS that has split entries and was stopped
 *
 * What is dirty goes to the ledgers of the running trackers. A START that splits, or a fatal
 * signal, ends it. Entries that stay small are of no harm.
 *
 * Context: takes the locks of a harvest, with iova_rwsem for writing, for one window at
 * a time.
 */
void iommufd_dirty_merge(struct iommufd_dirty_tracker *tracker)
{
	unsigned long patience = jiffies + MERGE_PATIENCE;
	struct iommufd_dirty_range window;
	int rc;

	/* The file of the iommufd is being closed, so the IOAS goes, too */
	if (tracker->holds && (current->flags & PF_EXITING))
		return;
	for_each_dirty_range(window, iommufd_dirty_window_mapped, tracker, 0,
			     ULONG_MAX) {
		unsigned long stop = window.last;

		do {
			if (fatal_signal_pending(current))
				return;
			window.last = stop;
			rc = merge_window(tracker, window.iova, &window.last,
					  time_before(jiffies, patience));
			if (rc == -EAGAIN)
				schedule_timeout_killable(1);
		} while (rc == -EAGAIN);
		if (rc)
			return;
	}
}
