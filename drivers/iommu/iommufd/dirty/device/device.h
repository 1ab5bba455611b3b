/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Device trackers, which the device's driver feeds. Included by the files of this
 * folder, ioctl.c and tracker.c. The trackers of a device share a struct
 * iommufd_dirty_device.
 */
#ifndef __IOMMUFD_DIRTY_DEVICE_H
#define __IOMMUFD_DIRTY_DEVICE_H

#include <linux/kref.h>

#include "../dirty.h"
#include "ranges.h"

/**
 * struct iommufd_dirty_device - A device that is tracked by its driver
 * @kref: References of the bound device and of its trackers
 * @id: Object id of the device
 * @config_mutex: Held throughout START, STOP, UPDATE, and registering and
 *	unregistering a provider, so that there is one of them at a time
 * @lock: Held while an op of the provider runs, except hold and release, which may
 *	run without it. The members below are changed with both locks held, and read
 *	with either held
 * @provider: The provider that the driver has registered, or NULL
 * @unbound: The device is not bound any more
 * @blind: Nothing is tracked, because the provider failed to start again after it
 *	was stopped for an UPDATE, or was unregistered: all of @armed is treated as
 *	dirty
 * @quiet: The last provider was unregistered with iommufd_dirty_provider::quiet set,
 *	so unbinding the device does not make @armed dirty again
 * @failed: The provider has failed to report since it was started. Only the first
 *	failure returns an error; what it fails to report is always treated as dirty.
 *	Protected by @lock alone
 * @trackers: The trackers that are starting or running, and @log while it runs
 * @num_trackers: How many of them there are without @log
 * @log: The tracker of the user, running while VFIO_DEVICE_FEATURE_DMA_LOGGING_START is
 *	in effect
 * @by_user: The provider was started by the user's own call
 * @unshareable: That call has ranges or a page size that iommufd would not have chosen:
 *	to share them, the provider must be started again
 * @armed: The ranges that the provider tracks, or that are treated as dirty if @blind
 *	is set. NULL if no tracker covers anything, or the device is unbound
 * @page_size: Page size, in bytes, that the provider tracks by
 * @asked_size: Page size, in bytes, that it was asked to track by; the ranges of @armed
 *	are multiples of it
 */
struct iommufd_dirty_device {
	struct kref kref;
	u32 id;
	struct mutex config_mutex;	/* one change at a time */
	struct mutex lock;		/* one op of the provider at a time */
	struct iommufd_dirty_provider *provider;
	bool unbound;
	bool blind;
	bool quiet;
	bool failed;
	struct list_head trackers;
	unsigned int num_trackers;
	struct iommufd_dirty_tracker log;
	bool by_user;
	bool unshareable;
	struct iommufd_dirty_ranges *armed;
	u64 page_size;
	u64 asked_size;
};

/**
 * struct iommufd_dirty_claim - Sets of ranges for a tracker to take
 * @ranges: See struct iommufd_dirty_tracker
 * @covered: Same
 * @page_size: Same
 */
struct iommufd_dirty_claim {
	struct iommufd_dirty_ranges *ranges;
	struct iommufd_dirty_ranges *covered;
	u64 page_size;
};

/* True if the device's user logs; either lock is held */
static inline bool
iommufd_dirty_logging(const struct iommufd_dirty_device *device)
{
	return device->log.state == IOMMU_DIRTY_STATE_RUNNING;
}

/* start.c */
int iommufd_dirty_device_start(struct iommufd_dirty_tracker *tracker,
			       struct iommufd_dirty_start_args *req);
int iommufd_dirty_device_stop(struct iommufd_dirty_tracker *tracker);
void iommufd_dirty_device_drop(struct iommufd_dirty_tracker *tracker);

/* fit.c */
int iommufd_dirty_device_fit(struct iommufd_dirty_device *device,
			     struct iommufd_dirty_ranges *ranges,
			     u64 *page_size, bool live);
bool iommufd_dirty_device_aligned(struct iommufd_dirty_device *device,
				  const struct iommufd_dirty_ranges *ranges,
				  u64 page_size);

/* cover.c */
int iommufd_dirty_device_claim(struct iommufd_dirty_claim *claim,
			       const struct iommufd_dirty_start_args *req);
void iommufd_dirty_device_unclaim(struct iommufd_dirty_claim *claim);
void iommufd_dirty_device_settle(struct iommufd_dirty_device *device,
				 struct iommufd_dirty_claim *claim,
				 struct iommufd_dirty_start_args *req);
void iommufd_dirty_device_take(struct iommufd_dirty_tracker *tracker,
			       struct iommufd_dirty_claim *claim);
void iommufd_dirty_device_cover(struct iommufd_dirty_tracker *tracker,
				struct iommufd_dirty_ranges **covered);
int iommufd_dirty_device_covers(struct iommufd_dirty_tracker *tracker,
				unsigned long iova, unsigned long *length,
				u64 *lost);

/* update.c */
int iommufd_dirty_device_rearm(struct iommufd_dirty_tracker *tracker,
			       const struct iommufd_dirty_start_args *req,
			       bool gap_dirty);
int iommufd_dirty_update(struct iommufd_dirty_tracker *tracker,
			 struct iommufd_dirty_start_args *req);

/* harvest.c */
void iommufd_dirty_device_mark(struct iommufd_dirty_device *device,
			       const struct iommufd_dirty_ranges *ranges,
			       unsigned long iova, unsigned long last);
void iommufd_dirty_device_mark_gain(struct iommufd_dirty_tracker *tracker,
				    const struct iommufd_dirty_ranges *covered);
int iommufd_dirty_device_keep(struct iommufd_dirty_device *device,
			      bool leaving);
int iommufd_dirty_device_keep_log(struct iommufd_dirty_device *device,
				  unsigned long iova, unsigned long last);
int iommufd_dirty_device_update(struct iommufd_dirty_device *device,
				const struct iommufd_dirty_ranges *ranges);
int iommufd_dirty_device_harvest(const struct iommufd_dirty_asked *asked,
				 unsigned long iova, unsigned long *last,
				 unsigned int flags,
				 struct iommu_dirty_sink *sink);
int iommufd_dirty_device_harvest_mark(const struct iommufd_dirty_asked *asked,
				      const struct iommufd_dirty_range *runs,
				      unsigned int nr);
int iommufd_dirty_device_harvest_ledger(const struct iommufd_dirty_asked *asked,
					unsigned long iova, unsigned long *last,
					unsigned int flags,
					struct iommu_dirty_sink *sink);

/* provider.c */
struct iommufd_dirty_device *
iommufd_dirty_device_get(struct iommufd_device *idev);
struct iommufd_dirty_device *
iommufd_dirty_device_hold(struct iommufd_dirty_device *device);
void iommufd_dirty_device_put(struct iommufd_dirty_device *device);

#endif
