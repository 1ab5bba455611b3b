// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA logging by the user of a device (VFIO_DEVICE_FEATURE_DMA_LOGGING_START), which has a
 * tracker of its own. So it and the trackers of the device share what is armed, and each
 * gets every dirty page. While it is alone, the driver is called with the user's own
 * arguments and returns its own errors, as it would without trackers. Called by the
 * provider of the device without locks.
 *
 * iommufd_dirty_device::config_mutex is held throughout, and lock while the driver runs.
 */
#include <linux/export.h>
#include <linux/slab.h>

#include "device.h"

static struct iommufd_dirty_tracker *log_new(struct iommufd_dirty_device *device)
{
	struct iommufd_dirty_tracker *log;

	log = kzalloc(sizeof(*log), GFP_KERNEL_ACCOUNT);
	if (!log)
		return NULL;
	iommufd_dirty_ledger_init(&log->ledger);
	log->id = device->id;
	log->target_id = device->id;
	log->device = device;
	log->user_log = true;
	return log;
}

static void log_free(struct iommufd_dirty_tracker *log)
{
	iommufd_dirty_ledger_fini(&log->ledger);
	kfree(log);
}

/* Call the driver as if there were no trackers */
static int log_call(struct iommufd_dirty_device *device,
		    struct iommufd_dirty_log_call *call)
{
	int rc;

	mutex_lock(&device->lock);
	rc = call->driver(call);
	mutex_unlock(&device->lock);
	return rc;
}

static int log_start(struct iommufd_dirty_device *device,
		     struct iommufd_dirty_log_call *call,
		     struct iommufd_dirty_ranges *ranges)
{
	struct iommufd_dirty_start_args req = {
		.ranges = ranges,
		.page_size = call->page_size,
		.call = call,
	};
	struct iommufd_dirty_tracker *log;
	int rc;

	lockdep_assert_held(&device->config_mutex);

	if (device->log)
		return iommufd_dirty_log_alone(device) ?
			       log_call(device, call) : -EINVAL;
	log = log_new(device);
	if (!log)
		return -ENOMEM;
	rc = iommufd_dirty_device_start(log, &req);
	if (rc) {
		log_free(log);
		return rc;
	}
	call->page_size = req.page_size;
	mutex_lock(&device->lock);
	WRITE_ONCE(device->log, log);
	mutex_unlock(&device->lock);
	return 0;
}

/**
 * iommufd_dirty_log_start() - Start logging for the user of a device
 * @idev: The device, with a provider
 * @call: The call; out: its page_size
 * @ranges: The ranges to log, which do not overlap
 * @nr: Number of ranges, at least one
 *
 * Trackers of the device are not stopped for it. If more must be tracked for the user
 * than for them, and the driver cannot change that live, everything that was tracked is
 * dirty for them.
 *
 * Return: 0, or what the driver returns; while trackers run, an error of START, or
 * -EINVAL if the user is logging already.
 */
int iommufd_dirty_log_start(struct iommufd_device *idev,
			    struct iommufd_dirty_log_call *call,
			    const struct iommufd_dirty_range *ranges,
			    unsigned int nr)
{
	struct iommufd_dirty_device *device = idev->dirty.device;
	struct iommufd_dirty_ranges *set;
	unsigned int i;
	int rc = -EINTR;

	set = iommufd_dirty_ranges_alloc(nr);
	if (!set)
		return -ENOMEM;
	for (i = 0; i < nr; i++)
		set->range[i] = ranges[i];
	iommufd_dirty_ranges_normalize(set);
	if (!mutex_lock_killable(&device->config_mutex)) {
		rc = log_start(device, call, set);
		mutex_unlock(&device->config_mutex);
	}
	kvfree(set);
	return rc == -ENXIO ? -EOPNOTSUPP : rc;
}
EXPORT_SYMBOL_NS_GPL(iommufd_dirty_log_start, IOMMUFD);

/* The user's log, without its tracker in the list of the device */
static struct iommufd_dirty_tracker *log_take(struct iommufd_dirty_device *device)
{
	struct iommufd_dirty_tracker *log = device->log;

	lockdep_assert_held(&device->config_mutex);

	mutex_lock(&device->lock);
	WRITE_ONCE(device->log, NULL);
	mutex_unlock(&device->lock);
	return log;
}

/**
 * iommufd_dirty_log_stop() - Stop logging for the user of a device
 * @idev: The device, with a provider
 * @call: The call
 *
 * Return: 0, or what the driver returns; -EINTR if killed.
 */
int iommufd_dirty_log_stop(struct iommufd_device *idev,
			   struct iommufd_dirty_log_call *call)
{
	struct iommufd_dirty_device *device = idev->dirty.device;
	struct iommufd_dirty_tracker *log;
	int rc = 0;

	if (mutex_lock_killable(&device->config_mutex))
		return -EINTR;
	log = log_take(device);
	if (log) {
		rc = iommufd_dirty_device_stop(log);
		log_free(log);
	} else if (!device->armed) {
		rc = log_call(device, call);
	}
	mutex_unlock(&device->config_mutex);
	return rc;
}
EXPORT_SYMBOL_NS_GPL(iommufd_dirty_log_stop, IOMMUFD);

/* Alone: the driver marks, and the ledger has what others harvested before they stopped */
static int log_read_alone(struct iommufd_dirty_device *device,
			  struct iommufd_dirty_log_call *call,
			  const struct iommufd_dirty_range *range,
			  struct iommu_dirty_sink *sink)
{
	int rc;

	if (device->blind)
		iommufd_dirty_device_mark(device, device->armed, range->iova,
					  range->last);
	rc = device->blind ? 0 : log_call(device, call);
	if (!rc)
		iommufd_dirty_ledger_report(&device->log->ledger, range->iova,
					    range->last, 0, sink);
	return rc;
}

static int log_read_shared(struct iommufd_dirty_device *device,
			   const struct iommufd_dirty_range *range,
			   struct iommu_dirty_sink *sink)
{
	unsigned long size = BIT(iommufd_dirty_device_window_shift(device));
	struct iommufd_dirty_asked asked = {
		.tracker = device->log,
		.state = IOMMU_DIRTY_STATE_RUNNING,
		.stops = device->log->stops,
	};
	struct iommufd_dirty_range window;
	int rc;

	for_each_dirty_range(window, iommufd_dirty_window_next, size,
			     range->iova, range->last) {
		rc = iommufd_dirty_device_harvest(&asked, window.iova,
						  &window.last, 0, sink);
		if (rc)
			return rc;
	}
	return 0;
}

/**
 * iommufd_dirty_log_read() - Report what the user of a device has logged
 * @idev: The device, with a provider
 * @call: The call; its driver function marks in the user's bitmap
 * @range: The range to report
 * @sink: Marks in the same bitmap
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

	if (mutex_lock_killable(&device->config_mutex))
		return -EINTR;
	if (!device->log)
		rc = device->armed ? -EINVAL : log_call(device, call);
	else if (iommufd_dirty_log_alone(device))
		rc = log_read_alone(device, call, range, sink);
	else
		rc = log_read_shared(device, range, sink);
	mutex_unlock(&device->config_mutex);
	return rc;
}
EXPORT_SYMBOL_NS_GPL(iommufd_dirty_log_read, IOMMUFD);

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
	struct iommufd_dirty_tracker *log;
	bool needed;

	mutex_lock(&device->config_mutex);
	log = log_take(device);
	if (log) {
		iommufd_dirty_device_drop(log);
		log_free(log);
	}
	needed = device->armed;
	mutex_unlock(&device->config_mutex);
	return needed;
}
EXPORT_SYMBOL_NS_GPL(iommufd_dirty_log_end, IOMMUFD);
