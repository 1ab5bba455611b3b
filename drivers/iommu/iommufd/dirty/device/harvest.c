// SPDX-License-Identifier: GPL-2.0-only
/*
 * Harvests from the provider of a device. read.c and scan.c harvest window by window
 * for a tracker, start.c does when a further tracker starts, and update.c and
 * provider.c do before the provider is stopped. Functions that need a lock held say so.
 *
 * A provider forgets what it has reported, so each report is marked at once where it
 * belongs: for the tracker that reads, in the sink of the call if it is within the
 * window, and in the tracker's own ledger otherwise; for all other trackers in their
 * ledgers. If the provider fails, it is unknown what it has forgotten, so everything
 * that it was asked for is treated as dirty. Only the first failure is also an error:
 * some drivers fail for good from then on, and READ must finish all the same.
 *
 * iommufd_dirty_device::lock is held while the provider is queried, for one window.
 */
#include <linux/jiffies.h>
#include <linux/log2.h>
#include <linux/sched/signal.h>

#include "device.h"

/* How long to query a provider that is being unregistered */
#define KEEP_JIFFIES		HZ

/* log2 of the pages that queries are aligned to: one bit per page fills a u64 */
#define PROVIDER_PAGES_SHIFT	6

/**
 * struct device_sink - The sink that a provider marks in
 * @sink: The sink that is passed to the provider
 * @device: The device
 * @reader: The tracker that gets marks within the window through @to; NULL if all
 *	trackers get them through their ledgers
 * @to: The sink of the call, or NULL
 * @iova: First byte of the window
 * @last: Last byte, inclusive
 */
struct device_sink {
	struct iommu_dirty_sink sink;
	struct iommufd_dirty_device *device;
	const struct iommufd_dirty_tracker *reader;
	struct iommu_dirty_sink *to;
	unsigned long iova;
	unsigned long last;
};

/* The user's log reports its own ranges only, so it must not keep more */
static void device_mark_ledger(struct iommufd_dirty_tracker *tracker,
			       unsigned long iova, unsigned long last)
{
	struct iommufd_dirty_range part;

	if (!tracker->user_log) {
		iommufd_dirty_ledger_mark(&tracker->ledger, iova, last);
		return;
	}
	for_each_dirty_range(part, iommufd_dirty_ranges_next, tracker->ranges,
			     iova, last)
		iommufd_dirty_ledger_mark(&tracker->ledger,
					  max(iova, part.iova),
					  min(last, part.last));
}

static void device_mark_range(struct iommu_dirty_sink *sink, unsigned long iova,
			      unsigned long last)
{
	struct device_sink *window = container_of(sink, struct device_sink,
						  sink);
	struct iommufd_dirty_tracker *tracker;

	list_for_each_entry(tracker, &window->device->trackers, item) {
		struct iommufd_dirty_ledger *ledger = &tracker->ledger;

		if (tracker->state != IOMMU_DIRTY_STATE_RUNNING)
			continue;
		if (tracker != window->reader) {
			device_mark_ledger(tracker, iova, last);
			continue;
		}
		if (iova < window->iova)
			iommufd_dirty_ledger_mark(ledger, iova,
						  min(last, window->iova - 1));
		if (last > window->last)
			iommufd_dirty_ledger_mark(ledger,
						  max(iova, window->last + 1),
						  last);
	}
	if (window->to && iova <= window->last && last >= window->iova)
		window->to->ops->mark_range(window->to,
					    max(iova, window->iova),
					    min(last, window->last));
}

static const struct iommu_dirty_sink_ops device_sink_ops = {
	.mark_mask = iommu_dirty_mark_runs,
	.mark_range = device_mark_range,
};

static void device_sink_init(struct device_sink *window,
			     struct iommufd_dirty_device *device,
			     const struct iommufd_dirty_tracker *reader,
			     struct iommu_dirty_sink *to, unsigned long iova,
			     unsigned long last)
{
	*window = (struct device_sink){
		.sink.ops = &device_sink_ops,
		.device = device,
		.reader = reader,
		.to = to,
		.iova = iova,
		.last = last,
	};
}

/**
 * iommufd_dirty_device_mark() - Mark what is tracked of a range as dirty
 * @device: The device
 * @ranges: The tracked ranges
 * @iova: First byte of the range
 * @last: Last byte, inclusive
 *
 * All running trackers report it in their next READ or SCAN.
 *
 * Context: iommufd_dirty_device::lock or config_mutex is held.
 */
void iommufd_dirty_device_mark(struct iommufd_dirty_device *device,
			       const struct iommufd_dirty_ranges *ranges,
			       unsigned long iova, unsigned long last)
{
	struct iommufd_dirty_range part;
	struct device_sink all;

	lockdep_assert(lockdep_is_held(&device->lock) ||
		       lockdep_is_held(&device->config_mutex));

	device_sink_init(&all, device, NULL, NULL, iova, last);
	for_each_dirty_range(part, iommufd_dirty_ranges_next, ranges, iova, last) {
		device_mark_range(&all.sink, max(iova, part.iova),
				  min(last, part.last));
	}
}

/* Pass on errors that are meaningful to userspace; report the others as -EIO */
static int device_error(int rc)
{
	if (rc == -EINTR || rc == -ENOMEM || rc == -EFAULT)
		return rc;
	return rc ? -EIO : 0;
}

/*
 * Query the provider for the part of a window that is in one of its ranges, aligned to
 * PROVIDER_PAGES_SHIFT: drivers may keep bits in words and clear whole words.
 */
static int device_read_range(struct iommufd_dirty_device *device,
			     const struct iommufd_dirty_range *range,
			     unsigned long iova, unsigned long last,
			     struct iommu_dirty_sink *sink)
{
	struct iommufd_dirty_provider *provider = device->provider;
	unsigned int shift = min_t(unsigned int, BITS_PER_LONG - 1,
				   ilog2(device->page_size) +
				   PROVIDER_PAGES_SHIFT);
	unsigned long first = max(iova, range->iova) - range->iova;
	unsigned long end = min(last, range->last) - range->iova;
	int rc;

	first = range->iova + (first >> shift << shift);
	end = range->iova + min(end | (BIT(shift) - 1),
				range->last - range->iova);
	rc = provider->ops->read_and_clear(provider, first, end, sink);
	if (!rc)
		return 0;
	iommufd_dirty_device_mark(device, device->armed, first, end);
	if (device->failed)
		return 0;
	device->failed = true;
	return device_error(rc);
}

/* Collect what the provider has for a window into @window */
static int device_collect(struct iommufd_dirty_device *device,
			  struct device_sink *window)
{
	unsigned long iova = window->iova, last = window->last;
	struct iommufd_dirty_range part;
	int rc = 0;

	lockdep_assert_held(&device->lock);

	/* Only the user covers anything, and reads by calls of its own */
	if (device->unshareable)
		return 0;
	for_each_dirty_range(part, iommufd_dirty_ranges_next, device->armed,
			     iova, last) {
		if (device->blind)
			device_mark_range(&window->sink, max(iova, part.iova),
					  min(last, part.last));
		else
			rc = device_read_range(device, &part, iova, last,
					       &window->sink);
		if (rc)
			break;
	}
	return rc;
}

/*
 * Reserve ledger memory for what the window may add for the tracker that reads. Without
 * it, a ledger is less exact; for very large windows that does not matter, as the device
 * tracks by large pages, or they are holes. Ledgers of other trackers are not reserved, as
 * a call must not fail because of them.
 */
static int device_reserve(struct iommufd_dirty_tracker *tracker,
			  const struct device_sink *window)
{
	struct iommufd_dirty_range part;
	int rc;

	if (window->last - window->iova >= IOMMUFD_DIRTY_LEDGER_LARGE)
		return 0;
	for_each_dirty_range(part, iommufd_dirty_ranges_next,
			     window->device->armed, window->iova,
			     window->last) {
		rc = iommufd_dirty_ledger_reserve(&tracker->ledger,
						  max(window->iova, part.iova),
						  min(window->last, part.last));
		if (rc)
			return rc;
	}
	return 0;
}

/* Bytes of a window. It has about the same number of pages, whatever their size */
static unsigned long device_window(const struct iommufd_dirty_device *device)
{
	unsigned int shift = IOMMUFD_DIRTY_WINDOW_SHIFT - 12;

	lockdep_assert(lockdep_is_held(&device->lock) ||
		       lockdep_is_held(&device->config_mutex));

	/* 0 until the first START */
	if (device->page_size)
		shift += ilog2(device->page_size);
	return BIT(clamp(shift, IOMMUFD_DIRTY_WINDOW_SHIFT, BITS_PER_LONG - 1));
}

/* Find the next window that is tracked, for for_each_dirty_range() */
static bool keep_next(const struct iommufd_dirty_device *device,
		      unsigned long iova, unsigned long last,
		      struct iommufd_dirty_range *window)
{
	return iommufd_dirty_ranges_next(device->armed, iova, last, window) &&
	       iommufd_dirty_window_next(device_window(device),
					 max(iova, window->iova),
					 min(last, window->last), window);
}

/**
 * iommufd_dirty_device_keep() - Harvest everything that is tracked into the ledgers
 * @device: The device
 * @leaving: The provider is being unregistered: treat what it has not reported within a
 *	second as dirty, and do not fail
 *
 * What the provider fails to report becomes dirty for all running trackers.
 *
 * Context: config_mutex is held.
 * Return: 0; unless @leaving is set, also -EINTR if killed, and -ENODEV if the provider
 * is about to be unregistered.
 */
int iommufd_dirty_device_keep(struct iommufd_dirty_device *device, bool leaving)
{
	unsigned long end = jiffies + KEEP_JIFFIES;
	struct iommufd_dirty_range window;
	struct device_sink all;

	lockdep_assert_held(&device->config_mutex);

	if (device->blind) {
		iommufd_dirty_device_mark(device, device->armed, 0, ULONG_MAX);
		return 0;
	}
	for_each_dirty_range(window, keep_next, device, 0, ULONG_MAX) {
		if (!leaving && fatal_signal_pending(current))
			return -EINTR;
		if (!leaving && READ_ONCE(device->provider->leaving))
			return -ENODEV;
		if (leaving && time_after(jiffies, end)) {
			iommufd_dirty_device_mark(device, device->armed,
						  window.iova, ULONG_MAX);
			return 0;
		}
		device_sink_init(&all, device, NULL, NULL, window.iova,
				 window.last);
		mutex_lock(&device->lock);
		if (device_collect(device, &all))
			iommufd_dirty_device_mark(device, device->armed,
						  window.iova, window.last);
		mutex_unlock(&device->lock);
	}
	return 0;
}

/**
 * iommufd_dirty_device_keep_log() - Harvest a range into the ledgers for the user's log
 * @device: The device
 * @iova: First byte of the range
 * @last: Last byte, inclusive
 *
 * Only what is armed is looked at, window by window, with iommufd_dirty_device::lock held.
 *
 * Return: 0; -EINVAL if the user does not log, or not any more; -EINTR if killed; -EIO if
 * the provider failed (or -EFAULT, -EINTR or -ENOMEM if it returns these).
 */
int iommufd_dirty_device_keep_log(struct iommufd_dirty_device *device,
				  unsigned long iova, unsigned long last)
{
	struct iommufd_dirty_range window;
	struct device_sink all;
	bool found;
	int rc;

	for (;;) {
		if (fatal_signal_pending(current) ||
		    mutex_lock_killable(&device->lock))
			return -EINTR;
		rc = iommufd_dirty_logging(device) ? 0 : -EINVAL;
		found = !rc && keep_next(device, iova, last, &window);
		if (found) {
			device_sink_init(&all, device, NULL, NULL, window.iova,
					 window.last);
			rc = device_collect(device, &all);
		}
		mutex_unlock(&device->lock);
		if (rc || !found || window.last >= last)
			break;
		iova = window.last + 1;
		cond_resched();
	}
	return rc;
}

/**
 * iommufd_dirty_device_update() - Make the provider change its ranges live
 * @device: The device
 * @ranges: The new ranges
 *
 * What the provider marks goes to the ledgers of all running trackers.
 *
 * Context: iommufd_dirty_device::lock is held.
 * Return: the return value of iommufd_dirty_provider_ops::update.
 */
int iommufd_dirty_device_update(struct iommufd_dirty_device *device,
				const struct iommufd_dirty_ranges *ranges)
{
	struct iommufd_dirty_provider *provider = device->provider;
	struct device_sink all;

	lockdep_assert_held(&device->lock);

	device_sink_init(&all, device, NULL, NULL, 0, ULONG_MAX);
	return provider->ops->update(provider, ranges->range, ranges->nr,
				     &all.sink);
}

/* SCAN can pass a hole of any size before it writes a run: save memory */
static void device_mark_hole(struct iommufd_dirty_tracker *tracker,
			     unsigned long iova, unsigned long last,
			     struct iommu_dirty_sink *sink)
{
	struct iommufd_dirty_ledger *ledger = &tracker->ledger;

	if (sink == &ledger->sink && !(iova % IOMMUFD_DIRTY_WINDOW) &&
	    last - iova >= IOMMUFD_DIRTY_WINDOW - 1)
		iommufd_dirty_ledger_mark_hole(ledger, iova, last);
	else
		sink->ops->mark_range(sink, iova, last);
}

/* Find the next hole between the ranges of a set, for for_each_dirty_range() */
static bool hole_next(const struct iommufd_dirty_ranges *ranges,
		      unsigned long iova, unsigned long last,
		      struct iommufd_dirty_range *hole)
{
	struct iommufd_dirty_range part;

	if (iommufd_dirty_ranges_next(ranges, iova, last, &part) &&
	    part.iova <= iova) {
		if (part.last >= last)
			return false;
		/* Ranges do not touch each other, so a hole follows each of them */
		iova = part.last + 1;
	}
	hole->iova = iova;
	hole->last = last;
	if (iommufd_dirty_ranges_next(ranges, iova, last, &part))
		hole->last = part.iova - 1;
	return true;
}

/* In degraded mode, a tracker reports what it does not cover as dirty */
static void device_mark_uncovered(struct iommufd_dirty_tracker *tracker,
				  unsigned long iova, unsigned long last,
				  struct iommu_dirty_sink *sink)
{
	struct iommufd_dirty_range hole;

	lockdep_assert(lockdep_is_held(&tracker->device->lock) ||
		       lockdep_is_held(&tracker->device->config_mutex));

	if (!tracker->degraded)
		return;
	for_each_dirty_range(hole, hole_next, tracker->covered, iova, last) {
		device_mark_hole(tracker, hole.iova, hole.last, sink);
	}
}

/**
 * iommufd_dirty_device_mark_gain() - Record what a tracker is about to cover newly
 * @tracker: A device tracker
 * @covered: What it is about to cover; the provider tracks that already
 *
 * In degraded mode, what the tracker has not covered so far is reported as dirty once
 * more. No lock keeps READs out: until the tracker covers it, a READ reports it anyway.
 *
 * Context: config_mutex is held.
 */
void iommufd_dirty_device_mark_gain(struct iommufd_dirty_tracker *tracker,
				    const struct iommufd_dirty_ranges *covered)
{
	struct iommufd_dirty_range part;

	lockdep_assert_held(&tracker->device->config_mutex);

	if (!tracker->degraded)
		return;
	for_each_dirty_range(part, iommufd_dirty_ranges_next, covered, 0,
			     ULONG_MAX) {
		device_mark_uncovered(tracker, part.iova, part.last,
				      &tracker->ledger.sink);
	}
}

/*
 * Lower @last so that there is one window to look at. A hole can have any size, but ends
 * where the tracker covers something, even if nothing is armed any more: the ledger can
 * record only a few holes without memory.
 */
static unsigned long harvest_bound(struct iommufd_dirty_tracker *tracker,
				   unsigned long iova, unsigned long last)
{
	struct iommufd_dirty_device *device = tracker->device;
	unsigned long size = device_window(device);
	struct iommufd_dirty_range part;

	last = iommufd_dirty_ledger_bound(&tracker->ledger, size, iova, last);
	if (iommufd_dirty_ranges_next(device->armed, iova, last, &part))
		last = iommufd_dirty_window_bound(size, iova, last, part.iova);
	if (iommufd_dirty_ranges_next(tracker->covered, iova, last, &part))
		last = iommufd_dirty_window_bound(size, iova, last, part.iova);
	return last;
}

/**
 * iommufd_dirty_device_harvest() - Read and clear a window
 * @asked: A device tracker
 * @iova: First byte of the window
 * @last: In: last byte of the window, inclusive. Out: lower if that is more than a hole, or
 *	more pages than the provider is queried for at a time
 * @flags: Combination of enum iommu_dirty_walk_flags
 * @sink: A sink that can take the whole window; or the tracker's own ledger, to add what
 *	is dirty to it
 *
 * Providers always forget what they report. So with IOMMU_DIRTY_WALK_NO_CLEAR, reports
 * go to the ledger first and are read from there.
 *
 * Return: 0, or -ENODATA if the tracker is not in @asked->state or was stopped since the
 * call began, -EINTR if killed, -ENOMEM; -EIO, -ENOMEM, -EINTR or -EFAULT if the provider
 * failed.
 */
int iommufd_dirty_device_harvest(const struct iommufd_dirty_asked *asked,
				 unsigned long iova, unsigned long *last,
				 unsigned int flags,
				 struct iommu_dirty_sink *sink)
{
	struct iommufd_dirty_tracker *tracker = asked->tracker;
	struct iommufd_dirty_device *device = tracker->device;
	struct iommufd_dirty_ledger *ledger = &tracker->ledger;
	bool keep = sink == &ledger->sink ||
		    (flags & IOMMU_DIRTY_WALK_NO_CLEAR);
	struct device_sink window;
	int rc = -ENODATA;

	if (mutex_lock_killable(&device->lock))
		return -EINTR;
	*last = harvest_bound(tracker, iova, *last);
	device_sink_init(&window, device, keep ? NULL : tracker,
			 keep ? NULL : sink, iova, *last);
	if (iommufd_dirty_asked_valid(asked))
		rc = keep ? device_reserve(tracker, &window) : 0;
	if (!rc)
		rc = device_collect(device, &window);
	if (!rc && sink)
		device_mark_uncovered(tracker, iova, *last, sink);
	if (!rc && sink && sink != &ledger->sink)
		iommufd_dirty_ledger_report(ledger, iova, *last, flags, sink);
	iommufd_dirty_ledger_trim(ledger, iova, *last);
	mutex_unlock(&device->lock);
	return rc;
}

/**
 * iommufd_dirty_device_harvest_ledger() - Read and clear the ledger of a window
 * @asked: A device tracker
 * @iova: First byte of the window
 * @last: As for iommufd_dirty_device_harvest()
 * @flags: Combination of enum iommu_dirty_walk_flags
 * @sink: As for iommufd_dirty_device_harvest(), but not NULL
 *
 * Return: 0, -ENODATA or -EINTR, as iommufd_dirty_device_harvest().
 */
int iommufd_dirty_device_harvest_ledger(const struct iommufd_dirty_asked *asked,
					unsigned long iova, unsigned long *last,
					unsigned int flags,
					struct iommu_dirty_sink *sink)
{
	struct iommufd_dirty_tracker *tracker = asked->tracker;
	struct iommufd_dirty_ledger *ledger = &tracker->ledger;
	int rc = -ENODATA;

	if (mutex_lock_killable(&tracker->device->lock))
		return -EINTR;
	*last = harvest_bound(tracker, iova, *last);
	if (iommufd_dirty_asked_valid(asked)) {
		device_mark_uncovered(tracker, iova, *last, sink);
		if (sink != &ledger->sink)
			iommufd_dirty_ledger_report(ledger, iova, *last, flags,
						    sink);
		iommufd_dirty_ledger_trim(ledger, iova, *last);
		rc = 0;
	}
	mutex_unlock(&tracker->device->lock);
	return rc;
}

/**
 * iommufd_dirty_device_harvest_mark() - Mark runs in the ledger of a tracker
 * @asked: A device tracker
 * @runs: The runs, which the tracker need not cover
 * @nr: Number of runs
 *
 * Return: 0; -ENODATA or -EINTR, as iommufd_dirty_device_harvest(), with nothing marked.
 */
int iommufd_dirty_device_harvest_mark(const struct iommufd_dirty_asked *asked,
				      const struct iommufd_dirty_range *runs,
				      unsigned int nr)
{
	struct iommufd_dirty_tracker *tracker = asked->tracker;
	int rc = -ENODATA;
	unsigned int i;

	if (mutex_lock_killable(&tracker->device->lock))
		return -EINTR;
	if (iommufd_dirty_asked_valid(asked)) {
		for (i = 0; i < nr; i++)
			iommufd_dirty_ledger_mark(&tracker->ledger,
						  runs[i].iova, runs[i].last);
		rc = 0;
	}
	mutex_unlock(&tracker->device->lock);
	return rc;
}
