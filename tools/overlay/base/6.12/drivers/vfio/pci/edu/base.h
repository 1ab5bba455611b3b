/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between base kernels for a driver that uses vfio-pci-core. This is the one
 * for Linux 6.12. Included by main.c.
 */
#ifndef _EDU_VFIO_PCI_BASE_H_
#define _EDU_VFIO_PCI_BASE_H_

#include <linux/vfio_pci_core.h>

static inline int edu_map_bar(struct vfio_pci_core_device *core)
{
	return vfio_pci_core_setup_barmap(core, 0);
}

/* Operations that later kernels have added */
#define EDU_BASE_OPS

#endif
