/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who owns a tracker: an object of an iommufd (object.c), a file (file.c) or a HWPT
 * (hwpt.c). Included by the doors and by list.c.
 */
#ifndef __IOMMUFD_DIRTY_OBJECT_H
#define __IOMMUFD_DIRTY_OBJECT_H

#include "verbs.h"

/**
 * struct iommufd_dirty_object - A tracker with an object id
 * @obj: iommufd's object
 * @tracker: The tracker
 */
struct iommufd_dirty_object {
	struct iommufd_object obj;
	struct iommufd_dirty_tracker tracker;
};

/**
 * struct iommufd_dirty_call - An ioctl on the file of a tracker
 * @ucmd: The call; its ictx is NULL
 * @tracker: The tracker
 */
struct iommufd_dirty_call {
	struct iommufd_ucmd ucmd;
	struct iommufd_dirty_tracker *tracker;
};

/**
 * struct iommufd_dirty_classic - Classic tracking of a HWPT, by the per-HWPT ioctls
 * @mutex: Serializes IOMMU_HWPT_SET_DIRTY_TRACKING
 * @tracker: Records for IOMMU_HWPT_GET_DIRTY_BITMAP what others have harvested
 */
struct iommufd_dirty_classic {
	struct mutex mutex;	/* One SET at a time */
	struct iommufd_dirty_tracker tracker;
};

static inline void
iommufd_dirty_set_passive(struct iommufd_dirty_tracker *tracker, u32 flags)
{
	tracker->passive = flags & IOMMU_DIRTY_ALLOC_PASSIVE;
	tracker->ledger.observes = tracker->passive;
}

/* object.c */
struct iommufd_dirty_object *
iommufd_dirty_object_new(struct iommufd_ctx *ictx, struct iommufd_ioas *ioas,
			 struct iommufd_dirty_device *device, u32 flags);
struct iommufd_dirty_tracker *iommufd_dirty_get(struct iommufd_ucmd *ucmd,
						u32 id);
void iommufd_dirty_put(struct iommufd_ucmd *ucmd,
		       struct iommufd_dirty_tracker *tracker);

/* file.c */
int iommufd_dirty_file_new(struct iommufd_ioas *ioas,
			   struct iommufd_dirty_device *device, u32 flags,
			   struct file **filep);

#endif
