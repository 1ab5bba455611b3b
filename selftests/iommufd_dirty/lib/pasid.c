// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attaches PASIDs of a device to HWPTs, and makes a device of the software IOMMU use
 * one. The structs of vfio.h have a PASID since Linux 6.15; an older kernel refuses the
 * flag.
 */
#include <errno.h>
#include <sys/ioctl.h>

#include "lib.h"

#define REG_PASID	0x1000a0	/* in drivers/iommu/soft/vfio.c */
#define WITH_PASID	0x1		/* VFIO_DEVICE_ATTACH_PASID, and _DETACH_ */

struct attach_pasid {	/* struct vfio_device_attach_iommufd_pt */
	__u32 argsz;
	__u32 flags;
	__u32 pt;
	__u32 pasid;
};

struct detach_pasid {	/* struct vfio_device_detach_iommufd_pt */
	__u32 argsz;
	__u32 flags;
	__u32 pasid;
};

int __pasid_attach(struct edu *edu, __u32 pasid, __u32 pt)
{
	struct attach_pasid cmd = {
		.argsz = sizeof(cmd),
		.flags = WITH_PASID,
		.pt = pt,
		.pasid = pasid,
	};

	return ioctl(edu->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd) ? -errno : 0;
}

void pasid_attach(struct edu *edu, __u32 pasid, __u32 pt)
{
	check(__pasid_attach(edu, pasid, pt));
}

void pasid_detach(struct edu *edu, __u32 pasid)
{
	struct detach_pasid cmd = {
		.argsz = sizeof(cmd),
		.flags = WITH_PASID,
		.pasid = pasid,
	};

	if (ioctl(edu->fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &cmd))
		fatal("detaching PASID %u: error %d", pasid, errno);
}

void pasid_use(struct edu *edu, __u32 pasid)
{
	edu_write(edu, REG_PASID, pasid);
}
