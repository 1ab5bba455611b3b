/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trackers of a device, which its driver feeds. What they share is in struct
 * iommufd_dirty_device.
 */
#ifndef __IOMMUFD_DIRTY_DEVICE_H
#define __IOMMUFD_DIRTY_DEVICE_H

#include <linux/kref.h>

#include "../dirty.h"
#include "ranges.h"

/**
 * struct iommufd_dirty_device - A device that is tracked by its driver
 * @kref: The device and its trackers hold references
 * @id: Object id of the device
 * @config_mutex: Held for the whole of a START, STOP or UPDATE, so that there is
 *	one at a time
 * @lock: Held while an op of the provider runs. What follows is changed with both
 *	held and read with either
 * @provider: What the driver has registered, or NULL
 * @unbound: The device is gone
 * @blind: Nothing is tracked, because the provider failed to start again after it
 *	was stopped for an UPDATE, or has gone: all of @armed is taken for dirty
 * @quiet: Nor does it write any more, since the provider has gone
 * @failed: The provider has failed to report since it was started. Once is told by
 *	an error; from then on what it fails to report is taken for dirty
 * @trackers: Those that are starting or running
 * @armed: What the provider tracks, NULL if no tracker runs
 * @page_size: What it tracks by
 * @asked_size: What it was asked to track by: @armed is in multiples of this
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
	struct iommufd_dirty_ranges *armed;
	u64 page_size;
	u64 asked_size;
};

/**
 * struct iommufd_dirty_claim - What becomes of a tracker's sets of ranges
 * @ranges: See struct iommufd_dirty_tracker
 * @covered: Same
 * @page_size: Same
 */
struct iommufd_dirty_claim {
	struct iommufd_dirty_ranges *ranges;
	struct iommufd_dirty_ranges *covered;
	u64 page_size;
};

/* fit.c */
int iommufd_dirty_device_fit(struct iommufd_dirty_device *device,
			     struct iommufd_dirty_ranges *ranges,
			     u64 *page_size, bool live);

/* cover.c */
int iommufd_dirty_device_claim(struct iommufd_dirty_claim *claim,
			       const struct iommufd_dirty_start *req);
void iommufd_dirty_device_unclaim(struct iommufd_dirty_claim *claim);
void iommufd_dirty_device_settle(struct iommufd_dirty_device *device,
				 struct iommufd_dirty_claim *claim,
				 struct iommufd_dirty_start *req);
void iommufd_dirty_device_take(struct iommufd_dirty_tracker *tracker,
			       struct iommufd_dirty_claim *claim);
void iommufd_dirty_device_cover(struct iommufd_dirty_tracker *tracker,
				struct iommufd_dirty_ranges **covered);
int iommufd_dirty_device_covers(struct iommufd_dirty_tracker *tracker,
				unsigned long iova, unsigned long *length,
				u64 *lost);

/* update.c */
int iommufd_dirty_update(struct iommufd_dirty_tracker *tracker,
			 struct iommufd_dirty_start *req);

/* harvest.c */
void iommufd_dirty_device_mark(struct iommufd_dirty_device *device,
			       const struct iommufd_dirty_ranges *ranges,
			       unsigned long iova, unsigned long last);
unsigned int
iommufd_dirty_device_window_shift(const struct iommufd_dirty_device *device);
void iommufd_dirty_device_mark_gain(struct iommufd_dirty_tracker *tracker,
				    const struct iommufd_dirty_ranges *covered);
int iommufd_dirty_device_keep(struct iommufd_dirty_device *device,
			      bool leaving);
int iommufd_dirty_device_update(struct iommufd_dirty_device *device,
				const struct iommufd_dirty_ranges *ranges);
int iommufd_dirty_device_harvest(const struct iommufd_dirty_asked *asked,
				 unsigned long iova, unsigned long *last,
				 unsigned int flags,
				 struct iommu_dirty_sink *sink);
int iommufd_dirty_device_harvest_ledger(const struct iommufd_dirty_asked *asked,
					unsigned long iova, unsigned long last,
					unsigned int flags,
					struct iommu_dirty_sink *sink);

/* provider.c */
struct iommufd_dirty_device *
iommufd_dirty_device_get(struct iommufd_device *idev);
void iommufd_dirty_device_put(struct iommufd_dirty_device *device);

#endif
