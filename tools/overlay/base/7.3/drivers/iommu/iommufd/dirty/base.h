/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the dirty trackers need from iommufd and find in a different place in each base
 * kernel. This is the one for Linux 7.3. Included by dirty.h.
 */
#ifndef __IOMMUFD_DIRTY_BASE_H
#define __IOMMUFD_DIRTY_BASE_H

#include "../io_pagetable.h"
#include "../iommufd_private.h"

/* A mapped dma-buf is a device's memory, and can be revoked at any time */
static inline bool iommufd_dirty_is_memory(struct iopt_pages *pages)
{
	return !iopt_is_dmabuf(pages);
}

/* PASIDs of any device can be attached to the HWPT */
static inline bool iommufd_dirty_for_pasids(struct iommufd_hwpt_paging *hwpt)
{
	return hwpt->common.pasid_compat;
}

#endif
