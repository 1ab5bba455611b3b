// SPDX-License-Identifier: GPL-2.0-only
/*
 * The provider for an IOAS: the dirty bits in the IO page tables of all of its
 * HWPTs. read.c harvests window by window into a sink, tracker.c clears what is
 * stale at START.
 *
 * A harvest holds attach_rwsem, so that all devices that use a domain are known
 * to the flush; domains_rwsem, so that HWPTs come and go only between two; and
 * iova_rwsem, so that the areas it walks stay mapped. They are held for reading;
 * harvest_mutex keeps out other harvests, and the per-HWPT ioctls, which clean
 * entries too, have been refused since START. All for one window at the most.
 * Areas whose pages are not set are just being mapped, and nobody knows of them
 * yet, or being unmapped.
 */
#include <linux/iommu.h>
#include <linux/sched/signal.h>

#include "dirty.h"
#include "../io_pagetable.h"

/* Areas that one harvest visits at the most, with the IOAS locked */
#define HARVEST_MAX_AREAS	1024

static bool area_is_trackable(struct iopt_area *area)
{
	return area->pages && (area->iommu_prot & IOMMU_WRITE);
}

/**
 * iommufd_dirty_next() - Find what is mapped next
 * @iopt: The IOAS
 * @iova: Where to start
 * @last: Where to end, inclusive
 * @next: Out: the first mapped byte of the range
 *
 * Return: false if nothing is mapped between @iova and @last.
 */
bool iommufd_dirty_next(struct io_pagetable *iopt, unsigned long iova,
			unsigned long last, unsigned long *next)
{
	struct iopt_area *area;

	down_read(&iopt->iova_rwsem);
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

	if (!iommu_dirty_walk_needs_flush(walk))
		return;
	iommu_iotlb_gather_init(&gather);
	/* SMMUv3 does not invalidate without a granule */
	gather.pgsize = BIT(__ffs(domain->pgsize_bitmap));
	iommu_iotlb_gather_add_range(&gather, walk->flush_iova,
				     walk->flush_last - walk->flush_iova + 1);
	iommu_iotlb_sync(domain, &gather);
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
	for (area = iopt_area_iter_first(iopt, iova, last); area && !rc;
	     area = iopt_area_iter_next(area, iova, last)) {
		if (!area_is_trackable(area))
			continue;
		walk.iova = max(iova, iopt_area_iova(area));
		walk.last = min(last, iopt_area_last_iova(area));
		rc = domain->dirty_ops->harvest(domain, &walk);
	}
	/* After an error, too, for what was cleaned before it */
	harvest_flush(domain, &walk);
	return rc ? -EIO : 0;
}

/**
 * iommufd_dirty_harvest() - Read and clear the dirty bits of a window
 * @tracker: The tracker
 * @state: The state that it has to be in
 * @iova: First byte of the window
 * @last: In: last byte of the window, inclusive. Out: less, if the window holds
 *	very many areas
 * @flags: Combination of enum iommu_dirty_walk_flags
 * @sink: Ready for the whole window, or NULL to forget what is dirty
 *
 * When it returns 0 the IOTLBs are flushed for all that was cleared.
 *
 * Return: 0, or -ENODATA if the tracker is not in @state, -EINTR if killed,
 * -EIO if a driver failed.
 */
int iommufd_dirty_harvest(struct iommufd_dirty_tracker *tracker,
			  enum iommu_dirty_state state, unsigned long iova,
			  unsigned long *last, unsigned int flags,
			  struct iommu_dirty_sink *sink)
{
	struct io_pagetable *iopt = &tracker->ioas->iopt;
	struct iommu_domain *domain;
	unsigned long index;
	int rc = 0;

	if (down_read_killable(&iopt->dirty.attach_rwsem))
		return -EINTR;
	if (down_read_killable(&iopt->domains_rwsem)) {
		rc = -EINTR;
		goto out_attach;
	}
	if (tracker->state != state) {
		rc = -ENODATA;
		goto out_domains;
	}
	if (mutex_lock_killable(&iopt->dirty.harvest_mutex)) {
		rc = -EINTR;
		goto out_domains;
	}
	if (down_read_killable(&iopt->iova_rwsem)) {
		rc = -EINTR;
		goto out_harvest;
	}

	*last = harvest_bound(iopt, iova, *last);
	xa_for_each(&iopt->domains, index, domain) {
		/* Off the list of HWPTs, being destroyed: no device uses it */
		if (!iommufd_dirty_domain_capable(domain))
			continue;
		rc = harvest_domain(iopt, domain, iova, *last, flags, sink);
		if (rc)
			break;
		cond_resched();
	}
	up_read(&iopt->iova_rwsem);
out_harvest:
	mutex_unlock(&iopt->dirty.harvest_mutex);
out_domains:
	up_read(&iopt->domains_rwsem);
out_attach:
	up_read(&iopt->dirty.attach_rwsem);
	return rc;
}

/**
 * iommufd_dirty_forget() - Clear what was dirty before START
 * @tracker: The tracker, in IOMMU_DIRTY_STATE_STARTING
 *
 * Return: 0, or as iommufd_dirty_harvest().
 */
int iommufd_dirty_forget(struct iommufd_dirty_tracker *tracker)
{
	struct io_pagetable *iopt = &tracker->ioas->iopt;
	unsigned long iova = 0;

	while (iommufd_dirty_next(iopt, iova, ULONG_MAX, &iova)) {
		unsigned long last = iova | (IOMMUFD_DIRTY_WINDOW - 1);
		int rc;

		if (fatal_signal_pending(current))
			return -EINTR;
		rc = iommufd_dirty_harvest(tracker, IOMMU_DIRTY_STATE_STARTING,
					   iova, &last, 0, NULL);
		if (rc)
			return rc;
		if (last == ULONG_MAX)
			break;
		iova = last + 1;
		cond_resched();
	}
	return 0;
}
