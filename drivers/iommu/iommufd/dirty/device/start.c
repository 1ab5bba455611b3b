// SPDX-License-Identifier: GPL-2.0-only
/*
 * START, STOP and INFO of device trackers, and the operations of their scope. The
 * first START arms the device's provider, the last STOP disarms it. Further trackers
 * share what is armed, and each of them gets every dirty page. Called by tracker.c,
 * info.c, read.c and scan.c without locks, and by log.c.
 *
 * START and STOP hold iommufd_dirty_device::config_mutex throughout. They hold
 * iommufd_dirty_device::lock only while something changes or an op of the provider runs,
 * so reads proceed in between. INFO and the other operations hold only the latter.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "device.h"

/* LIST reads the number without a lock */
static void device_count(struct iommufd_dirty_tracker *tracker, int change)
{
	struct iommufd_dirty_device *device = tracker->device;

	if (!tracker->user_log)
		WRITE_ONCE(device->num_trackers,
			   device->num_trackers + change);
}

static void device_set_state(struct iommufd_dirty_tracker *tracker,
			     enum iommu_dirty_state state)
{
	struct iommufd_dirty_device *device = tracker->device;

	lockdep_assert_held(&device->config_mutex);

	mutex_lock(&device->lock);
	if (tracker->state == IOMMU_DIRTY_STATE_STOPPED) {
		list_add_tail(&tracker->item, &device->trackers);
		device_count(tracker, 1);
	}
	if (state == IOMMU_DIRTY_STATE_STOPPED) {
		list_del(&tracker->item);
		device_count(tracker, -1);
		WRITE_ONCE(tracker->stops, tracker->stops + 1);
	}
	WRITE_ONCE(tracker->state, state);
	mutex_unlock(&device->lock);
}

static void device_describe(const struct iommufd_dirty_device *device,
			    u32 reason, struct iommu_dirty_member *member)
{
	*member = (struct iommu_dirty_member){
		.type = IOMMU_DIRTY_MEMBER_DEVICE,
		.id = device->id,
		.reason = reason,
	};
}

/*
 * True if iommufd can query the provider that the user's call has started: iommufd must
 * know where each of its ranges begins, and drivers may lose bits beyond a multiple of 64
 * pages
 */
static bool device_shareable(struct iommufd_dirty_device *device,
			     const struct iommufd_dirty_ranges *ranges,
			     const struct iommufd_dirty_start_args *req)
{
	u64 size = req->call->page_size;

	return !req->call->changed && ranges->nr == req->call->nr &&
	       size >= SZ_4K && is_power_of_2(size) &&
	       iommufd_dirty_device_aligned(device, ranges, size);
}

/* Start the provider; on success the device owns @ranges */
static int device_arm(struct iommufd_dirty_device *device,
		      struct iommufd_dirty_ranges *ranges,
		      struct iommufd_dirty_start_args *req)
{
	u64 asked = req->page_size;
	int rc;

	mutex_lock(&device->lock);
	if (req->call) {
		rc = req->call->driver(req->call);
	} else {
		rc = iommufd_dirty_device_fit(device, ranges, &req->page_size,
					      false);
	}
	if (!rc) {
		device->armed = ranges;
		device->by_user = req->call;
		device->unshareable = req->call &&
				      !device_shareable(device, ranges, req);
		if (device->by_user && !device->unshareable)
			req->page_size = req->call->page_size;
		device->page_size = req->page_size;
		device->asked_size = asked;
		device->failed = false;
	}
	mutex_unlock(&device->lock);
	return rc;
}

static int device_start_first(struct iommufd_dirty_tracker *tracker,
			      struct iommufd_dirty_start_args *req)
{
	struct iommufd_dirty_ranges *armed;
	int rc;

	armed = iommufd_dirty_ranges_union(req->ranges, NULL);
	if (!armed)
		return -ENOMEM;
	rc = device_arm(tracker->device, armed, req);
	if (rc) {
		kvfree(armed);
		return rc;
	}
	device_set_state(tracker, IOMMU_DIRTY_STATE_RUNNING);
	return 0;
}

/*
 * True if the device tracks by larger pages than asked for because of others, who do not
 * object to a gap
 */
static bool device_too_coarse(const struct iommufd_dirty_tracker *tracker,
			      const struct iommufd_dirty_start_args *req)
{
	const struct iommufd_dirty_device *device = tracker->device;

	if (tracker->passive || iommufd_dirty_logging(device) ||
	    device->asked_size <= req->page_size)
		return false;
	return tracker->user_log ||
	       !iommufd_dirty_count(&device->trackers, false);
}

/* Drop the ranges that are not tracked; in degraded mode everything there is dirty */
static void device_drop_untracked(struct iommufd_dirty_device *device,
				  struct iommufd_dirty_ranges *ranges)
{
	struct iommufd_dirty_range range, part;
	unsigned int i, nr = 0;

	for (i = 0; i < ranges->nr; i++) {
		range = ranges->range[i];
		if (iommufd_dirty_ranges_next(device->armed, range.iova,
					      range.last, &part) &&
		    part.iova <= range.iova && part.last >= range.last)
			ranges->range[nr++] = range;
	}
	ranges->nr = nr;
}

/* Make the provider track what the tracker asks for besides what it tracks for others */
static int device_share(struct iommufd_dirty_tracker *tracker,
			struct iommufd_dirty_start_args *req)
{
	struct iommufd_dirty_device *device = tracker->device;
	int rc;

	if (!device->blind && !device->unshareable &&
	    iommufd_dirty_ranges_cover(device->armed, req->ranges) &&
	    !device_too_coarse(tracker, req))
		return 0;
	rc = iommufd_dirty_device_rearm(tracker, req, true);
	if (rc != -EBUSY || !req->degraded)
		return rc;
	if (device->unshareable)
		return -ENXIO;
	device_drop_untracked(device, req->ranges);
	return req->ranges->nr ? 0 : -ENXIO;
}

/* Others rely on what is tracked, and they are not all passive */
static bool device_used(const struct iommufd_dirty_device *device)
{
	return iommufd_dirty_logging(device) ||
	       iommufd_dirty_count(&device->trackers, false);
}

static int device_start_next(struct iommufd_dirty_tracker *tracker,
			     struct iommufd_dirty_start_args *req)
{
	struct iommufd_dirty_device *device = tracker->device;
	int rc;

	/* Running trackers treat everything as dirty; nothing is tracked to share */
	if (device->blind && (tracker->passive || device_used(device)) &&
	    !tracker->user_log)
		return -EIO;
	rc = device_share(tracker, req);
	if (rc)
		return rc;
	/* What is dirty already goes to the ledgers of the other trackers only */
	device_set_state(tracker, IOMMU_DIRTY_STATE_STARTING);
	rc = iommufd_dirty_device_keep(device, false);
	device_set_state(tracker, rc ? IOMMU_DIRTY_STATE_STOPPED :
				       IOMMU_DIRTY_STATE_RUNNING);
	if (rc)
		iommufd_dirty_ledger_purge(&tracker->ledger);
	return rc;
}

/* Degraded mode if nothing can be tracked: everything is always dirty */
static void device_start_blind(struct iommufd_dirty_tracker *tracker,
			       struct iommufd_dirty_claim *claim,
			       struct iommufd_dirty_start_args *req)
{
	kvfree(claim->covered);
	claim->covered = NULL;
	iommufd_dirty_device_take(tracker, claim);
	req->ranges->nr = 0;
	device_set_state(tracker, IOMMU_DIRTY_STATE_RUNNING);
}

/**
 * iommufd_dirty_device_start() - START with the device locked
 * @tracker: A device tracker
 * @req: As for iommufd_dirty_start()
 *
 * Context: config_mutex is held.
 * Return: see struct iommu_dirty_tracker_start; what req->call returns.
 */
int iommufd_dirty_device_start(struct iommufd_dirty_tracker *tracker,
			       struct iommufd_dirty_start_args *req)
{
	struct iommufd_dirty_device *device = tracker->device;
	struct iommufd_dirty_claim claim;
	int rc;

	lockdep_assert_held(&device->config_mutex);

	if (tracker->state != IOMMU_DIRTY_STATE_STOPPED)
		return -EALREADY;
	if (device->unbound ||
	    (device->provider && READ_ONCE(device->provider->leaving)))
		return -ENODEV;
	if (!tracker->user_log &&
	    iommufd_dirty_count(&device->trackers, tracker->passive) >=
		    IOMMUFD_DIRTY_MAX_TRACKERS)
		return -EUSERS;
	rc = iommufd_dirty_device_claim(&claim, req);
	if (rc)
		return rc;
	tracker->degraded = req->degraded;
	if (!device->provider)
		rc = -ENXIO;
	else if (device->armed)
		rc = device_start_next(tracker, req);
	else
		rc = device_start_first(tracker, req);
	if (!rc) {
		/* Without what a degraded tracker does not get */
		iommufd_dirty_ranges_copy(claim.ranges, req->ranges);
		iommufd_dirty_device_settle(device, &claim, req);
		iommufd_dirty_device_take(tracker, &claim);
	} else if (rc == -ENXIO && req->degraded) {
		device_start_blind(tracker, &claim, req);
		rc = 0;
	} else {
		iommufd_dirty_device_unclaim(&claim);
	}
	if (rc == -ENXIO)
		device_describe(device,
				device->provider ?
					IOMMU_DIRTY_REASON_ENABLE_FAILED :
					IOMMU_DIRTY_REASON_NO_DRIVER,
				&req->failed);
	return rc;
}

static int device_start(struct iommufd_dirty_tracker *tracker,
			struct iommufd_dirty_start_args *req)
{
	struct iommufd_dirty_device *device = tracker->device;
	int rc;

	if (mutex_lock_killable(&device->config_mutex))
		return -EINTR;
	rc = iommufd_dirty_device_start(tracker, req);
	mutex_unlock(&device->config_mutex);
	return rc;
}

/* True if a tracker relies on what the provider tracks */
static bool device_needed(const struct iommufd_dirty_device *device)
{
	struct iommufd_dirty_tracker *tracker;

	lockdep_assert_held(&device->config_mutex);

	list_for_each_entry(tracker, &device->trackers, item)
		if (tracker->covered)
			return true;
	return false;
}

static int device_disarm(struct iommufd_dirty_device *device, bool stop)
{
	int rc = 0;

	mutex_lock(&device->lock);
	if (stop && device->provider && !device->blind)
		rc = device->provider->ops->stop(device->provider);
	kvfree(device->armed);
	device->armed = NULL;
	device->blind = false;
	mutex_unlock(&device->lock);
	return rc;
}

static int device_end(struct iommufd_dirty_tracker *tracker, bool stop)
{
	struct iommufd_dirty_device *device = tracker->device;
	struct iommufd_dirty_claim none = {};
	int rc = 0;

	lockdep_assert_held(&device->config_mutex);

	if (tracker->state != IOMMU_DIRTY_STATE_RUNNING)
		return 0;
	device_set_state(tracker, IOMMU_DIRTY_STATE_STOPPED);
	if (device->armed && !device_needed(device)) {
		rc = device_disarm(device, stop);
	} else if (tracker->user_log) {
		/* The next call of the user may have other ranges */
		mutex_lock(&device->lock);
		device->by_user = false;
		mutex_unlock(&device->lock);
	}
	iommufd_dirty_ledger_purge(&tracker->ledger);
	iommufd_dirty_device_take(tracker, &none);
	return rc;
}

/**
 * iommufd_dirty_device_stop() - STOP with the device locked
 * @tracker: A device tracker
 *
 * Context: config_mutex is held.
 * Return: 0, or what iommufd_dirty_provider_ops::stop returns.
 */
int iommufd_dirty_device_stop(struct iommufd_dirty_tracker *tracker)
{
	return device_end(tracker, true);
}

/**
 * iommufd_dirty_device_drop() - The same, but do not call the provider
 * @tracker: A device tracker
 *
 * Context: config_mutex is held.
 */
void iommufd_dirty_device_drop(struct iommufd_dirty_tracker *tracker)
{
	device_end(tracker, false);
}

static int device_stop(struct iommufd_dirty_tracker *tracker, bool killable)
{
	struct iommufd_dirty_device *device = tracker->device;
	int rc;

	if (!killable)
		mutex_lock(&device->config_mutex);
	else if (mutex_lock_killable(&device->config_mutex))
		return -EINTR;
	rc = iommufd_dirty_device_stop(tracker);
	mutex_unlock(&device->config_mutex);
	return rc ? -EIO : 0;
}

static int device_info(struct iommufd_dirty_tracker *tracker,
		       struct iommu_dirty_tracker_info *cmd,
		       struct iommufd_dirty_info *info)
{
	struct iommufd_dirty_device *device = tracker->device;
	struct iommufd_dirty_caps caps = {};
	struct iommu_dirty_member member;

	if (mutex_lock_killable(&device->lock))
		return -EINTR;
	if (device->provider) {
		device_describe(device, IOMMU_DIRTY_REASON_OK, &member);
		device->provider->ops->get_caps(device->provider, &caps);
		if (device->provider->ops->update)
			member.flags |= IOMMU_DIRTY_MEMBER_LIVE;
		if (caps.quiesces)
			member.flags |= IOMMU_DIRTY_MEMBER_QUIESCES;
		if (caps.quiesces_p2p)
			member.flags |= IOMMU_DIRTY_MEMBER_QUIESCES_P2P;
		if (tracker->state == IOMMU_DIRTY_STATE_RUNNING &&
		    tracker->covered && !device->blind)
			member.flags |= IOMMU_DIRTY_MEMBER_TRACKED;
		member.io_page_sizes = caps.page_sizes;
	} else {
		device_describe(device,
				device->unbound ? IOMMU_DIRTY_REASON_UNBOUND :
						  IOMMU_DIRTY_REASON_NO_DRIVER,
				&member);
	}
	cmd->out_state = tracker->state;
	cmd->out_max_ranges = caps.max_ranges;
	cmd->out_max_span = caps.max_span;
	if (tracker->state == IOMMU_DIRTY_STATE_RUNNING) {
		if (tracker->degraded)
			cmd->out_flags |= IOMMU_DIRTY_TRACKER_DEGRADED;
		if (!tracker->covered ||
		    (device->armed && (device->blind || device->failed)))
			cmd->out_flags |= IOMMU_DIRTY_TRACKER_BLIND;
		if (tracker->covered && device->armed) {
			cmd->out_num_ranges = tracker->covered->nr;
			cmd->out_tracked_page_size = device->page_size;
		}
	}
	mutex_unlock(&device->lock);
	iommufd_dirty_info_add(info, &member);
	return 0;
}

static bool device_next(struct iommufd_dirty_tracker *tracker,
			unsigned long iova, unsigned long last,
			unsigned long *next)
{
	struct iommufd_dirty_device *device = tracker->device;
	struct iommufd_dirty_range part;
	bool found;

	mutex_lock(&device->lock);
	/* In degraded mode, what is not covered is dirty */
	if (tracker->state == IOMMU_DIRTY_STATE_RUNNING && tracker->degraded) {
		part.iova = iova;
		found = true;
	} else {
		found = iommufd_dirty_ranges_next(device->armed, iova, last,
						  &part);
	}
	mutex_unlock(&device->lock);
	if (found)
		*next = max(iova, part.iova);
	return found;
}

/* Data that a harvest for another tracker has marked may not be in memory yet */
static int device_wait(struct iommufd_dirty_tracker *tracker,
		       unsigned long iova, unsigned long last)
{
	if (mutex_lock_killable(&tracker->device->lock))
		return -EINTR;
	mutex_unlock(&tracker->device->lock);
	iommufd_dirty_ledger_trim(&tracker->ledger, iova, last);
	return 0;
}

static void device_release(struct iommufd_dirty_tracker *tracker)
{
	iommufd_dirty_device_put(tracker->device);
}

const struct iommufd_dirty_scope iommufd_dirty_device_scope = {
	.start = device_start,
	.stop = device_stop,
	.info = device_info,
	.next = device_next,
	.covers = iommufd_dirty_device_covers,
	.harvest = iommufd_dirty_device_harvest,
	.harvest_ledger = iommufd_dirty_device_harvest_ledger,
	.mark = iommufd_dirty_device_harvest_mark,
	.wait = device_wait,
	.release = device_release,
};
