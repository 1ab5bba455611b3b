/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between base kernels for a driver that uses vfio-pci-core. This is the one
 * for Linux 7.3. Included by main.c.
 */
#ifndef _EDU_VFIO_PCI_BASE_H_
#define _EDU_VFIO_PCI_BASE_H_

#include <linux/err.h>
#include <linux/vfio_pci_core.h>

/* vfio_pci_core_enable() has mapped it */
static inline int edu_map_bar(struct vfio_pci_core_device *core)
{
	return PTR_ERR_OR_ZERO(vfio_pci_core_get_iomap(core, 0));
}

#define EDU_BASE_OPS \
	.get_region_info_caps = vfio_pci_ioctl_get_region_info, \
	.match_token_uuid = vfio_pci_core_match_token_uuid, \
	.pasid_attach_ioas = vfio_iommufd_physical_pasid_attach_ioas, \
	.pasid_detach_ioas = vfio_iommufd_physical_pasid_detach_ioas,

#endif
