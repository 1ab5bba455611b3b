// SPDX-License-Identifier: GPL-2.0-only
/*
 * Keeps trackers from using an IOAS that has been destroyed. A reference to the IOAS
 * would do, too, but would make IOMMU_DESTROY fail because somebody observes it, and
 * would keep a closed iommufd alive. So trackers hold an anchor, which outlives the IOAS,
 * and look whether the IOAS still exists each time before they use it. Called by
 * tracker.c and the files of this folder.
 */
#include <linux/slab.h>

#include "ioas.h"

/**
 * iommufd_dirty_anchor_get() - Get the anchor of an IOAS
 * @ioas: The IOAS, with a reference held
 *
 * Return: the anchor, with a reference for the caller, or NULL without memory.
 */
struct iommufd_dirty_anchor *iommufd_dirty_anchor_get(struct iommufd_ioas *ioas)
{
	struct iommufd_dirty_iopt *dirty = &ioas->iopt.dirty;
	struct iommufd_dirty_anchor *anchor;

	mutex_lock(&ioas->mutex);
	anchor = dirty->anchor;
	if (!anchor) {
		anchor = kzalloc_obj(*anchor, GFP_KERNEL_ACCOUNT);
		if (!anchor)
			goto out_unlock;
		kref_init(&anchor->kref);
		init_rwsem(&anchor->rwsem);
		dirty->anchor = anchor;
	}
	kref_get(&anchor->kref);
out_unlock:
	mutex_unlock(&ioas->mutex);
	return anchor;
}

static void anchor_free(struct kref *kref)
{
	kfree(container_of(kref, struct iommufd_dirty_anchor, kref));
}

/**
 * iommufd_dirty_anchor_put() - Drop a reference
 * @anchor: The anchor
 */
void iommufd_dirty_anchor_put(struct iommufd_dirty_anchor *anchor)
{
	kref_put(&anchor->kref, anchor_free);
}

/**
 * iommufd_dirty_enter() - Begin to use the IOAS of a tracker
 * @tracker: An IOAS tracker
 *
 * The IOAS exists until iommufd_dirty_exit(). Its destruction waits for that, so the
 * caller must not access user memory in between.
 *
 * Return: 0, -ENODEV if the IOAS has been destroyed, or -EINTR if killed.
 */
int iommufd_dirty_enter(const struct iommufd_dirty_tracker *tracker)
{
	struct iommufd_dirty_anchor *anchor = tracker->anchor;

	if (down_read_killable(&anchor->rwsem))
		return -EINTR;
	if (!anchor->gone)
		return 0;
	up_read(&anchor->rwsem);
	return -ENODEV;
}

/**
 * iommufd_dirty_exit() - Stop using the IOAS
 * @tracker: The tracker
 */
void iommufd_dirty_exit(const struct iommufd_dirty_tracker *tracker)
{
	up_read(&tracker->anchor->rwsem);
}
