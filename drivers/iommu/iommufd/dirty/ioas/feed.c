// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sink that gives every tracker its share: what is cleaned for one consumer
 * goes to its destination and into the ledgers of all other running trackers of
 * the IOAS. Used by harvest.c and unmap.c around each walk that cleans.
 *
 * domains_rwsem is held from iommufd_dirty_feed_init() on for as long as the
 * feed is used, so that the list of trackers stays.
 *
 * No memory is reserved for the ledgers: nobody shall fail for the sake of another
 * one's tracker. Where there is none, a ledger records more than is dirty.
 */
#include <linux/sched.h>

#include "ioas.h"

/* The tracker after @tracker, or the first one, whose ledger gets a share */
static struct iommufd_dirty_tracker *
feed_next(const struct iommufd_dirty_feed *feed,
	  struct iommufd_dirty_tracker *tracker)
{
	struct list_head *trackers = &feed->iopt->dirty.trackers;

	tracker = list_prepare_entry(tracker, trackers, item);
	list_for_each_entry_continue(tracker, trackers, item)
		if (tracker != feed->reader &&
		    tracker->state == IOMMU_DIRTY_STATE_RUNNING)
			return tracker;
	return NULL;
}

static struct iommufd_dirty_tracker *
feed_first(const struct iommufd_dirty_feed *feed)
{
	return feed_next(feed, NULL);
}

/* Entries may reach beyond what @to is ready for; the rest of them is for later */
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
 * iommufd_dirty_feed_init() - Make a sink for walks that clean
 * @feed: The feed
 * @iopt: The IOAS
 * @reader: The tracker whose ledger is left out, or NULL
 * @to: Its destination instead, or NULL
 *
 * Return: the sink to use: @to itself if there is nobody else, NULL if there is
 * nobody at all.
 */
struct iommu_dirty_sink *
iommufd_dirty_feed_init(struct iommufd_dirty_feed *feed,
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
	return feed_first(feed) ? &feed->sink : to;
}

/**
 * iommufd_dirty_feed_window() - Make a sink for a walk of whole entries
 * @feed: The feed, initialized
 * @iova: First byte that the reader's destination is ready for
 * @last: Last byte, inclusive
 *
 * What is marked outside of that goes into the reader's ledger.
 *
 * Return: the sink to use, NULL if there is nobody at all.
 */
struct iommu_dirty_sink *
iommufd_dirty_feed_window(struct iommufd_dirty_feed *feed, unsigned long iova,
			  unsigned long last)
{
	feed->iova = iova;
	feed->last = last;
	return feed->to || feed_first(feed) ? &feed->sink : NULL;
}
