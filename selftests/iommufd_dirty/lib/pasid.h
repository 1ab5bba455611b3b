/* SPDX-License-Identifier: GPL-2.0-only */
/* PASIDs of a device, as of Linux 6.15. */
#ifndef _IOMMUFD_DIRTY_LIB_PASID_H
#define _IOMMUFD_DIRTY_LIB_PASID_H

#include "devices.h"

/* As in the kernel's <linux/iommufd.h> and drivers/iommu/soft/soft.h */
#define HWPT_ALLOC_PASID	0x8
#define SOFT_PASIDS		4	/* the first one is 1 */

/* pasid.c: attaches a PASID, or replaces what it is attached to */
int __pasid_attach(struct edu *edu, __u32 pasid, __u32 pt);
void pasid_attach(struct edu *edu, __u32 pasid, __u32 pt);
void pasid_detach(struct edu *edu, __u32 pasid);
/* A device of the software IOMMU does its DMA with that PASID from now on; 0: without */
void pasid_use(struct edu *edu, __u32 pasid);

#endif
