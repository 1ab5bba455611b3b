// SPDX-License-Identifier: GPL-2.0-only
/*
 * The feed, a sink that marks for every running tracker of the IOAS. What is cleaned
 * for one tracker goes to its destination and to the ledgers of all other running
 * trackers that cover the domain. Used by harvest.c and unmap.c for each walk that
 * cleans entries.
 *
 * domains_rwsem is held from iommufd_dirty_feed_init() until the last use of the
 * feed, so the list of trackers cannot change.
 *
 * No memory is reserved for the ledgers: a call must not fail because of another
 * tracker. A ledger that gets no memory records more than is dirty.
 */
#include <linux/sched.h>

#include "ioas.h"

/* Next tracker after @tracker, NULL: the first one, whose ledger is to be marked */
static struct iommufd_dirty_tracker *
feed_next(const struct iommufd_dirty_feed *feed,
	  struct iommufd_dirty_tracker *tracker)
{
	struct list_head *trackers = &feed->iopt->dirty.trackers;

	tracker = list_prepare_entry(tracker, trackers, item);
	list_for_each_entry_continue(tracker, trackers, item)
		if (tracker != feed->reader &&
		    tracker->state == IOMMU_DIRTY_STATE_RUNNING &&
		    (!tracker->domain || tracker->domain == feed->domain))
			return tracker;
	return NULL;
}

static struct iommufd_dirty_tracker *
feed_first(const struct iommufd_dirty_feed *feed)
{
	return feed_next(feed, NULL);
}

/* Entries may reach beyond what @to can take; record the rest for a later read */
static void feed_mark_reader(struct iommufd_dirty_feed *feed,
			     unsigned long iova, unsigned long last)
{
	unsigned long first = max(iova, feed->iova);
	unsigned long stop = min(last, feed->last);

	if (first <= stop)
		feed->to->ops->mark_range(feed->to, first, stop);
	if (iova < feed->iova)
		iommufd_dirty_ledger_mark(&feed->reader->ledger, iova,
					  min(last, feed->iova - 1));
	if (last > feed->last)
		iommufd_dirty_ledger_mark(&feed->reader->ledger,
					  max(iova, feed->last + 1), last);
}

static void feed_mark_mask(struct iommu_dirty_sink *sink, unsigned long iova,
			   unsigned int shift, u64 mask)
{
	struct iommufd_dirty_feed *feed =
		container_of(sink, struct iommufd_dirty_feed, sink);
	unsigned long first = iova + ((unsigned long)__ffs64(mask) << shift);
	unsigned long last = iova + ((unsigned long)fls64(mask) << shift) - 1;
	struct iommufd_dirty_tracker *tracker;

	if (first < feed->iova || last > feed->last) {
		iommu_dirty_mark_runs(sink, iova, shift, mask);
		return;
	}
	if (feed->to)
		feed->to->ops->mark_mask(feed->to, iova, shift, mask);
	for (tracker = feed_first(feed); tracker;
	     tracker = feed_next(feed, tracker)) {
		tracker->ledger.sink.ops->mark_mask(&tracker->ledger.sink, iova,
						    shift, mask);
		cond_resched();
	}
}

static void feed_mark_range(struct iommu_dirty_sink *sink, unsigned long iova,
			    unsigned long last)
{
	struct iommufd_dirty_feed *feed =
		container_of(sink, struct iommufd_dirty_feed, sink);
	struct iommufd_dirty_tracker *tracker;

	if (feed->to)
		feed_mark_reader(feed, iova, last);
	for (tracker = feed_first(feed); tracker;
	     tracker = feed_next(feed, tracker)) {
		iommufd_dirty_ledger_mark(&tracker->ledger, iova, last);
		cond_resched();
	}
}

static const struct iommu_dirty_sink_ops feed_sink_ops = {
	.mark_mask = feed_mark_mask,
	.mark_range = feed_mark_range,
};

/**
 * iommufd_dirty_feed_init() - Make a sink for walks that clean entries
 * @feed: The feed
 * @iopt: The IOAS
 * @reader: The tracker that gets its marks through @to instead of its ledger, or NULL
 * @to: The destination of @reader, or NULL
 *
 * Context: domains_rwsem is held.
 */
void iommufd_dirty_feed_init(struct iommufd_dirty_feed *feed,
			     struct io_pagetable *iopt,
			     struct iommufd_dirty_tracker *reader,
			     struct iommu_dirty_sink *to)
{
	lockdep_assert_held(&iopt->domains_rwsem);

	*feed = (struct iommufd_dirty_feed){
		.sink.ops = &feed_sink_ops,
		.iopt = iopt,
		.reader = reader,
		.to = to,
		.last = ULONG_MAX,
	};
}

/**
 * iommufd_dirty_feed_window() - Prepare for walks that mark whole entries
 * @feed: The feed, initialized
 * @iova: First byte that the reader's destination can take
 * @last: Last byte, inclusive
 *
 * Marks outside of that range go to the reader's ledger.
 */
void iommufd_dirty_feed_window(struct iommufd_dirty_feed *feed,
			       unsigned long iova, unsigned long last)
{
	feed->iova = iova;
	feed->last = last;
}

/**
 * iommufd_dirty_feed_sink() - Get the sink for the next walk
 * @feed: The feed
 * @domain: See struct iommufd_dirty_feed
 *
 * Return: the sink, valid until the next call; NULL if there is neither a destination
 * nor a ledger to mark. It is the destination itself if that is all there is.
 */
struct iommu_dirty_sink *
iommufd_dirty_feed_sink(struct iommufd_dirty_feed *feed,
			struct iommu_domain *domain)
{
	feed->domain = domain;
	if (feed_first(feed))
		return &feed->sink;
	/* The destination may not be able to take all of an entry */
	if (feed->to && (feed->iova || feed->last != ULONG_MAX))
		return &feed->sink;
	return feed->to;
}
