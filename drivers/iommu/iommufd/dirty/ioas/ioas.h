/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * IOAS trackers: dirty bits in the IO page tables of the HWPTs, and writes by
 * software. Included by the files of this folder, hooks.c, hwpt.c and tracker.c.
 */
#ifndef __IOMMUFD_DIRTY_IOAS_H
#define __IOMMUFD_DIRTY_IOAS_H

#include <linux/hash.h>
#include <linux/kref.h>
#include <linux/lockdep.h>
#include <linux/rwsem.h>

#include "../dirty.h"

/* How often a harvest retries taking an iopt_pages::mutex held by a task that pins */
#define IOMMUFD_DIRTY_PATIENCE		64

/**
 * struct iommufd_dirty_anchor - Outlives an IOAS for its trackers
 * @kref: References of the IOAS and of its trackers
 * @rwsem: Held for reading while a tracker uses the IOAS, for writing when it goes
 * @gone: The IOAS has been destroyed; protected by @rwsem
 */
struct iommufd_dirty_anchor {
	struct kref kref;
	struct rw_semaphore rwsem;
	bool gone;
};

/*
 * True if a tracker covers all of the IOAS. The list of trackers must not change
 * meanwhile.
 */
static inline bool iommufd_dirty_watched(const struct io_pagetable *iopt)
{
	return iopt->dirty.num_trackers;
}

/* True if the IOMMU driver can harvest dirty bits of the domain */
static inline bool iommufd_dirty_domain_capable(struct iommu_domain *domain)
{
	return domain->dirty_ops && domain->dirty_ops->harvest;
}

/*
 * True if the domain is tracked while a tracker runs on its IOAS.
 * iommu_domain::dirty_failed is changed with iommufd_ioas::mutex and domains_rwsem
 * held, and read with either held.
 */
static inline bool iommufd_dirty_domain_tracked(struct iommu_domain *domain)
{
	return iommufd_dirty_domain_capable(domain) && !domain->dirty_failed;
}

/* True if an entry of the domain can be larger than a window */
static inline bool iommufd_dirty_domain_wide(struct iommu_domain *domain)
{
	return iommufd_dirty_domain_capable(domain) &&
	       domain->pgsize_bitmap >= 2 * IOMMUFD_DIRTY_WINDOW;
}

/**
 * iommufd_dirty_window_lock() - The lock of a window of an IOAS
 * @iopt: The IOAS
 * @iova: A byte of the window
 *
 * Whoever walks to clean entries, or uses what is reserved in ledgers, does so within one
 * window of IOMMUFD_DIRTY_WINDOW bytes, and holds its lock from before the first mark
 * until the flush is done.
 *
 * Context: domains_rwsem is held: with the set of domains, the lock of a window can
 * change.
 * Return: the lock, which some other windows share.
 */
static inline struct mutex *iommufd_dirty_window_lock(struct io_pagetable *iopt,
						      unsigned long iova)
{
	struct iommufd_dirty_iopt *dirty = &iopt->dirty;

	lockdep_assert_held(&iopt->domains_rwsem);

	/* Without the hash, threads that read equal parts would take turns */
	return &dirty->window_locks[dirty->wide ? 0 :
				    hash_long(iova >> IOMMUFD_DIRTY_WINDOW_SHIFT,
					      IOMMUFD_DIRTY_WINDOW_LOCKS_SHIFT)];
}

/* No harvest of the window runs but that of the caller */
static inline void iommufd_dirty_assert_window(struct io_pagetable *iopt,
					       unsigned long iova)
{
	lockdep_assert(lockdep_is_held(iommufd_dirty_window_lock(iopt, iova)) ||
		       lockdep_is_held_type(&iopt->domains_rwsem, 0));
}

/* True if devices can write to an area, and what they write to is memory */
static inline bool iommufd_dirty_area_counts(struct iopt_area *area,
					     struct iopt_pages *pages)
{
	return (area->iommu_prot & IOMMU_WRITE) &&
	       iommufd_dirty_is_memory(pages);
}

/* Iterate over these areas of a range; iova_rwsem is held */
static inline struct iopt_area *
iommufd_dirty_writable(struct iopt_area *area, unsigned long iova,
		       unsigned long last)
{
	while (area && !(area->pages &&
			 iommufd_dirty_area_counts(area, area->pages)))
		area = iopt_area_iter_next(area, iova, last);
	return area;
}

static inline struct iopt_area *
iommufd_dirty_area_first(struct io_pagetable *iopt, unsigned long iova,
			 unsigned long last)
{
	return iommufd_dirty_writable(iopt_area_iter_first(iopt, iova, last),
				      iova, last);
}

static inline struct iopt_area *
iommufd_dirty_area_next(struct iopt_area *area, unsigned long iova,
			unsigned long last)
{
	return iommufd_dirty_writable(iopt_area_iter_next(area, iova, last),
				      iova, last);
}

/**
 * struct iommufd_dirty_feed - A sink that marks for every running tracker
 * @sink: The sink that is passed to the walkers
 * @iopt: The IOAS
 * @domain: The domain that is walked; NULL for what is not found in one domain alone, or
 *	is about to be unmapped: classic tracking does not record that
 * @reader: The tracker that gets its marks through @to instead of its ledger, or NULL
 * @to: The destination of @reader, or NULL
 * @iova: First byte that @to can take; marks outside go to the ledger of @reader
 * @last: Last byte that @to can take, inclusive
 */
struct iommufd_dirty_feed {
	struct iommu_dirty_sink sink;
	struct io_pagetable *iopt;
	struct iommu_domain *domain;
	struct iommufd_dirty_tracker *reader;
	struct iommu_dirty_sink *to;
	unsigned long iova;
	unsigned long last;
};

/* anchor.c */
struct iommufd_dirty_anchor *iommufd_dirty_anchor_get(struct iommufd_ioas *ioas);
void iommufd_dirty_anchor_put(struct iommufd_dirty_anchor *anchor);
int iommufd_dirty_enter(const struct iommufd_dirty_tracker *tracker);
void iommufd_dirty_exit(const struct iommufd_dirty_tracker *tracker);

/* enable.c */
int iommufd_dirty_enable(struct iommufd_dirty_tracker *tracker,
			 struct iommu_dirty_member *failed);
void iommufd_dirty_enable_failed(struct iommufd_ioas *ioas);
int iommufd_dirty_disable(struct iommufd_dirty_tracker *tracker);

/* unmap.c */
void iommufd_dirty_mark_mapped(struct io_pagetable *iopt);

/* start.c */
bool iommufd_dirty_window_mapped(struct iommufd_dirty_tracker *tracker,
				 unsigned long iova, unsigned long last,
				 struct iommufd_dirty_range *window);
void iommufd_dirty_abandon(struct work_struct *work);
bool iommufd_dirty_all_degraded(struct io_pagetable *iopt);
int iommufd_dirty_forget(struct iommufd_dirty_tracker *tracker,
			 enum iommu_dirty_state state);

/* split.c */
void iommufd_dirty_split_dirty(struct io_pagetable *iopt,
			       struct iommu_domain *domain, unsigned long iova,
			       unsigned long last,
			       struct iommu_dirty_sink *sink);
int iommufd_dirty_split(struct iommufd_dirty_tracker *tracker);
int iommufd_dirty_split_prepare(struct iommufd_ioas *ioas);
void iommufd_dirty_merge(struct iommufd_dirty_tracker *tracker);

/* members.c */
bool iommufd_dirty_untracked(struct io_pagetable *iopt);
bool iommufd_dirty_blind(struct iommufd_dirty_tracker *tracker);
void iommufd_dirty_describe_hwpt(struct iommufd_hwpt_paging *hwpt,
				 struct iommu_dirty_member *member);
int iommufd_dirty_first_untrackable(struct iommufd_ioas *ioas,
				    struct iommu_dirty_member *member);
int iommufd_dirty_ioas_info(struct iommufd_dirty_tracker *tracker,
			    struct iommu_dirty_tracker_info *cmd,
			    struct iommufd_dirty_info *info);

/* harvest.c */
bool iommufd_dirty_mapped_next(struct io_pagetable *iopt, unsigned long iova,
			       unsigned long last,
			       struct iommufd_dirty_range *mapped);
unsigned long iommufd_dirty_harvest_bound(struct iommufd_dirty_tracker *tracker,
					  unsigned long iova,
					  unsigned long last);
int iommufd_dirty_harvest_lock(struct io_pagetable *iopt, unsigned long iova);
void iommufd_dirty_harvest_unlock(struct io_pagetable *iopt,
				  unsigned long iova);
int iommufd_dirty_harvest_area(struct io_pagetable *iopt,
			       struct iommu_domain *domain, unsigned long iova,
			       unsigned long last, unsigned int flags,
			       struct iommu_dirty_sink *sink);
int iommufd_dirty_harvest(const struct iommufd_dirty_asked *asked,
			  unsigned long iova, unsigned long *last,
			  unsigned int flags, struct iommu_dirty_sink *sink);
int iommufd_dirty_harvest_ledger(const struct iommufd_dirty_asked *asked,
				 unsigned long iova, unsigned long *last,
				 unsigned int flags,
				 struct iommu_dirty_sink *sink);
int iommufd_dirty_harvest_mark(const struct iommufd_dirty_asked *asked,
			       const struct iommufd_dirty_range *runs,
			       unsigned int nr);
int iommufd_dirty_harvest_wait(struct iommufd_dirty_tracker *tracker,
			       unsigned long iova, unsigned long last);

/* access.c */
void iommufd_dirty_mark_pinned(struct iopt_area *area, unsigned long iova,
			       unsigned long last,
			       struct iommu_dirty_sink *sink,
			       unsigned int *patience);

/* feed.c */
void iommufd_dirty_feed_init(struct iommufd_dirty_feed *feed,
			     struct io_pagetable *iopt,
			     struct iommufd_dirty_tracker *reader,
			     struct iommu_dirty_sink *to);
void iommufd_dirty_feed_window(struct iommufd_dirty_feed *feed,
			       unsigned long iova, unsigned long last);
struct iommu_dirty_sink *
iommufd_dirty_feed_sink(struct iommufd_dirty_feed *feed,
			struct iommu_domain *domain);

#endif
