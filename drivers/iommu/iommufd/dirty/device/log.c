// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA logging by the user of a device (VFIO_DEVICE_FEATURE_DMA_LOGGING_START), which has a
 * tracker of its own. So it and the trackers of the device share what is armed, and each
 * gets every dirty page. While it is alone, the driver is called with the user's own
 * arguments and returns its own errors, as it would without trackers. Called by the
 * provider of the device without locks.
 *
 * iommufd_dirty_device::config_mutex is held while logging starts and stops, and lock
 * while the driver runs. A report holds only the latter, for one window at most, and none
 * while it marks in the user's bitmap.
 */
#include <linux/export.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/sizes.h>
#include <trace/events/iommufd_dirty.h>

#include "device.h"

/* Call the driver as if there were no trackers */
static int log_call(struct iommufd_dirty_device *device,
		    struct iommufd_dirty_log_call *call)
{
	int rc;

	mutex_lock(&device->lock);
	rc = call->driver(call);
	/* It has taken other ranges than those that are armed */
	if (!rc && iommufd_dirty_logging(device))
		device->unshareable = true;
	mutex_unlock(&device->lock);
	return rc;
}

static int log_start(struct iommufd_dirty_device *device,
		     struct iommufd_dirty_log_call *call,
		     struct iommufd_dirty_ranges *ranges)
{
	struct iommufd_dirty_start_args req = {
		.ranges = ranges,
		.page_size = SZ_4K,
	};
	bool valid = is_power_of_2(call->page_size);
	bool shared = device->armed;
	int rc;

	lockdep_assert_held(&device->config_mutex);

	/* Refused as by any driver, which is asked if it is the user's alone */
	if (iommufd_dirty_logging(device)) {
		rc = -EINVAL;
		if (!device->num_trackers && !device->blind)
			rc = log_call(device, call);
		return rc;
	}
	if (shared && (call->changed || !valid))
		return -EINVAL;
	if (valid)
		req.page_size = max_t(u64, call->page_size, SZ_4K);
	if (!shared)
		req.call = call;
	rc = iommufd_dirty_device_start(&device->log, &req);
	trace_iommufd_dirty_start(device->id, rc);
	if (!rc && shared)
		call->page_size = req.page_size;
	/* The driver's errors are returned as they are */
	return shared && rc == -ENXIO ? -EOPNOTSUPP : rc;
}

/**
 * iommufd_dirty_log_start() - Start logging for the user of a device
 * @idev: The device, with a provider
 * @call: The call; out: its page_size
 * @ranges: The ranges to log; if they are not valid, @call->changed is set
 *
 * Trackers of the device are not stopped for it. If more must be tracked for the user
 * than for them, and the driver cannot change that live, everything that was tracked is
 * dirty for them.
 *
 * Return: 0, or what the driver returns; while trackers run, an error of START, or
 * -EINVAL if the user is logging already or the arguments are not valid.
 */
int iommufd_dirty_log_start(struct iommufd_device *idev,
			    struct iommufd_dirty_log_call *call,
			    const struct iommufd_dirty_range *ranges)
{
	struct iommufd_dirty_device *device = idev->dirty.device;
	struct iommufd_dirty_ranges *set;
	unsigned int i;
	int rc = -EINTR;

	set = iommufd_dirty_ranges_alloc(call->nr);
	if (!set)
		return -ENOMEM;
	for (i = 0; i < call->nr; i++)
		set->range[i] = ranges[i];
	iommufd_dirty_ranges_normalize(set);
	if (!mutex_lock_killable(&device->config_mutex)) {
		rc = log_start(device, call, set);
		mutex_unlock(&device->config_mutex);
	}
	kvfree(set);
	return rc;
}
EXPORT_SYMBOL_NS_GPL(iommufd_dirty_log_start, "IOMMUFD");

/**
 * iommufd_dirty_log_stop() - Stop logging for the user of a device
 * @idev: The device, with a provider
 * @call: The call
 *
 * Return: 0, or what the driver returns.
 */
int iommufd_dirty_log_stop(struct iommufd_device *idev,
			   struct iommufd_dirty_log_call *call)
{
	struct iommufd_dirty_device *device = idev->dirty.device;
	int rc = 0;

	mutex_lock(&device->config_mutex);
	if (iommufd_dirty_logging(device)) {
		rc = iommufd_dirty_device_stop(&device->log);
		trace_iommufd_dirty_stop(device->id, rc);
	} else if (!device->armed) {
		rc = log_call(device, call);
	}
	mutex_unlock(&device->config_mutex);
	return rc;
}
EXPORT_SYMBOL_NS_GPL(iommufd_dirty_log_stop, "IOMMUFD");

/*
 * Let the driver report into the user's bitmap, if the user is alone with what its own
 * call has started or does not log. Returns false if iommufd must report.
 */
static bool log_read_alone(struct iommufd_dirty_device *device,
			   struct iommufd_dirty_log_call *call, int *rc)
{
	bool alone;

	if (mutex_lock_killable(&device->lock)) {
		*rc = -EINTR;
		return true;
	}
	alone = !device->armed ||
		(iommufd_dirty_logging(device) && device->by_user &&
		 (device->unshareable || !device->num_trackers) &&
		 !device->blind);
	if (alone)
		*rc = call->driver(call);
	mutex_unlock(&device->lock);
	return alone;
}

/* Find the next part of a range that the user logs, for for_each_dirty_range() */
static bool log_next(struct iommufd_dirty_device *device, unsigned long iova,
		     unsigned long last, struct iommufd_dirty_range *part)
{
	bool found;

	mutex_lock(&device->lock);
	found = iommufd_dirty_logging(device) &&
		iommufd_dirty_ranges_next(device->log.ranges, iova, last, part);
	mutex_unlock(&device->lock);
	if (found) {
		part->iova = max(part->iova, iova);
		part->last = min(part->last, last);
	}
	return found;
}

/* Put back what could not be reported, unless STOP has discarded all */
static void log_put_back(struct iommufd_dirty_device *device,
			 unsigned long stops,
			 const struct iommufd_dirty_range *run)
{
	mutex_lock(&device->lock);
	if (iommufd_dirty_logging(device) && device->log.stops == stops)
		iommufd_dirty_ledger_mark(&device->log.ledger, run->iova,
					  run->last);
	mutex_unlock(&device->lock);
}

/*
 * Move what the ledger holds to the user's bitmap. A mark after the ledger was cleared
 * stays there, so nothing is lost in between. Returns false if the bitmap fails: the
 * caller returns its error, and the user can try again.
 */
static bool log_move(struct iommufd_dirty_device *device,
		     struct iommufd_dirty_log_call *call,
		     const struct iommufd_dirty_range *part,
		     struct iommu_dirty_sink *sink)
{
	struct iommufd_dirty_ledger *ledger = &device->log.ledger;
	unsigned long stops = READ_ONCE(device->log.stops);
	struct iommufd_dirty_range run;

	for_each_dirty_range(run, iommufd_dirty_ledger_run, ledger, part->iova,
			     part->last) {
		iommufd_dirty_ledger_clear(ledger, run.iova, run.last);
		sink->ops->mark_range(sink, run.iova, run.last);
		if (call->failed(call)) {
			log_put_back(device, stops, &run);
			return false;
		}
	}
	iommufd_dirty_ledger_trim(ledger, part->iova, part->last);
	return true;
}

/* Report what the user logs; more may be tracked for others, and be in the ledger */
static void log_report(struct iommufd_dirty_device *device,
		       struct iommufd_dirty_log_call *call,
		       const struct iommufd_dirty_range *range,
		       struct iommu_dirty_sink *sink)
{
	struct iommufd_dirty_range part;

	for_each_dirty_range(part, log_next, device, range->iova, range->last)
		if (!log_move(device, call, &part, sink))
			break;
	/* A harvest for others may have marked before the data was in memory */
	mutex_lock(&device->lock);
	mutex_unlock(&device->lock);
}

/**
 * iommufd_dirty_log_read() - Report what the user of a device has logged
 * @idev: The device, with a provider
 * @call: The call; its driver function marks in the user's bitmap
 * @range: The range to report
 * @sink: Marks in the same bitmap; without locks, as it may access user memory
 *
 * Return: 0, or what the driver returns; while trackers run, an error of READ, or
 * -EINVAL if the user is not logging.
 */
int iommufd_dirty_log_read(struct iommufd_device *idev,
			   struct iommufd_dirty_log_call *call,
			   const struct iommufd_dirty_range *range,
			   struct iommu_dirty_sink *sink)
{
	struct iommufd_dirty_device *device = idev->dirty.device;
	int rc;

	if (!log_read_alone(device, call, &rc))
		rc = iommufd_dirty_device_keep_log(device, range->iova,
						   range->last);
	/* Others may have harvested something before they stopped */
	if (!rc)
		log_report(device, call, range, sink);
	return rc;
}
EXPORT_SYMBOL_NS_GPL(iommufd_dirty_log_read, "IOMMUFD");

/**
 * iommufd_dirty_log_end() - The user is closing the device
 * @idev: The device, with a provider that is about to be unregistered
 *
 * If the user is the only one who logs, the driver is not called: it stops logging by
 * itself.
 *
 * Return: true if trackers rely on the provider.
 */
bool iommufd_dirty_log_end(struct iommufd_device *idev)
{
	struct iommufd_dirty_device *device = idev->dirty.device;
	bool needed;

	mutex_lock(&device->config_mutex);
	if (iommufd_dirty_logging(device)) {
		iommufd_dirty_device_drop(&device->log);
		trace_iommufd_dirty_stop(device->id, 0);
	}
	needed = device->armed;
	mutex_unlock(&device->config_mutex);
	return needed;
}
EXPORT_SYMBOL_NS_GPL(iommufd_dirty_log_end, "IOMMUFD");
