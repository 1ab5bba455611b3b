/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the dirty trackers need from iommufd and find in a different place in each base
 * kernel. This is the one for Linux 6.12. Included by dirty.h.
 */
#ifndef __IOMMUFD_DIRTY_BASE_H
#define __IOMMUFD_DIRTY_BASE_H

#include <linux/export.h>

#include "../io_pagetable.h"
#include "../iommufd_private.h"

/* Since Linux 6.13 the namespace is a string */
#undef EXPORT_SYMBOL_NS_GPL
#define EXPORT_SYMBOL_NS_GPL(sym, ns)	__EXPORT_SYMBOL(sym, "GPL", ns)

/* Returns the HWPT that a device is attached to, or NULL */
static inline struct iommufd_hw_pagetable *
iommufd_device_attached_hwpt(struct iommufd_device *idev)
{
	struct iommufd_device *cur;

	lockdep_assert_held(&idev->igroup->lock);

	/* Other devices of its group may be attached without it */
	list_for_each_entry(cur, &idev->igroup->device_list, group_item)
		if (cur == idev)
			return idev->igroup->hwpt;
	return NULL;
}

/* Only memory can be mapped */
static inline bool iommufd_dirty_is_memory(struct iopt_pages *pages)
{
	return true;
}

/* Users cannot attach PASIDs before Linux 6.15 */
static inline bool iommufd_dirty_for_pasids(struct iommufd_hwpt_paging *hwpt)
{
	return false;
}

#endif
