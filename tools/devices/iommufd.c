// SPDX-License-Identifier: GPL-2.0-only
/*
 * Wrappers for iommufd's ioctls on IO address spaces, mappings and hardware page tables.
 */
#include <errno.h>
#include <sys/ioctl.h>

#include <linux/iommufd_dirty.h>

#include "devices.h"

int __iommufd_ioctl(int fd, unsigned long cmd, void *arg)
{
	return ioctl(fd, cmd, arg) < 0 ? -errno : 0;
}

int __ioas_alloc(int fd, __u32 *ioas)
{
	struct iommu_ioas_alloc cmd = { .size = sizeof(cmd) };
	int rc = __iommufd_ioctl(fd, IOMMU_IOAS_ALLOC, &cmd);

	*ioas = cmd.out_ioas_id;
	return rc;
}

static int ioas_set(int fd, __u32 ioas, __u32 option, __u64 value)
{
	struct iommu_option cmd = {
		.size = sizeof(cmd),
		.option_id = option,
		.op = IOMMU_OPTION_OP_SET,
		.object_id = ioas,
		.val64 = value,
	};

	return __iommufd_ioctl(fd, IOMMU_OPTION, &cmd);
}

int __ioas_set_trackable(int fd, __u32 ioas, bool on)
{
	return ioas_set(fd, ioas, IOMMU_OPTION_DIRTY_TRACKABLE, on);
}

__u32 ioas_alloc(int fd)
{
	__u32 ioas;
	int rc;

	check(__ioas_alloc(fd, &ioas));
	rc = __ioas_set_trackable(fd, ioas, true);
	/* A kernel without trackers does not know the option */
	if (rc && rc != -EOPNOTSUPP)
		fatal("IOMMU_OPTION_DIRTY_TRACKABLE: error %d", -rc);
	return ioas;
}

int __ioas_map(int fd, __u32 ioas, void *va, size_t len, __u64 iova, __u32 flags)
{
	struct iommu_ioas_map cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | flags,
		.ioas_id = ioas,
		.user_va = (uintptr_t)va,
		.length = len,
		.iova = iova,
	};

	return __iommufd_ioctl(fd, IOMMU_IOAS_MAP, &cmd);
}

void ioas_map(int fd, __u32 ioas, void *va, size_t len, __u64 iova)
{
	check(__ioas_map(fd, ioas, va, len, iova,
			 IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE));
}

int __ioas_unmap(int fd, __u32 ioas, __u64 iova, __u64 len)
{
	struct iommu_ioas_unmap cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas,
		.iova = iova,
		.length = len,
	};

	return __iommufd_ioctl(fd, IOMMU_IOAS_UNMAP, &cmd);
}

void ioas_unmap(int fd, __u32 ioas, __u64 iova, __u64 len)
{
	check(__ioas_unmap(fd, ioas, iova, len));
}

void ioas_copy(int fd, __u32 dst, __u32 src, __u64 iova, __u64 len)
{
	struct iommu_ioas_copy cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.dst_ioas_id = dst,
		.src_ioas_id = src,
		.length = len,
		.dst_iova = iova,
		.src_iova = iova,
	};

	check(__iommufd_ioctl(fd, IOMMU_IOAS_COPY, &cmd));
}

void ioas_set_huge_pages(int fd, __u32 ioas, bool on)
{
	check(ioas_set(fd, ioas, IOMMU_OPTION_HUGE_PAGES, on));
}

void ioas_aperture(int fd, __u32 ioas, struct iommu_iova_range *low,
		   struct iommu_iova_range *high)
{
	struct iommu_iova_range ranges[64];
	struct iommu_ioas_iova_ranges cmd = {
		.size = sizeof(cmd),
		.ioas_id = ioas,
		.num_iovas = 64,
		.allowed_iovas = (uintptr_t)ranges,
	};

	check(__iommufd_ioctl(fd, IOMMU_IOAS_IOVA_RANGES, &cmd));
	if (!cmd.num_iovas)
		fatal("the IOAS allows no IOVA at all");
	*low = ranges[0];
	*high = ranges[cmd.num_iovas - 1];
}

int __hwpt_alloc(int fd, __u32 dev, __u32 pt, __u32 flags, __u32 *hwpt)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.dev_id = dev,
		.pt_id = pt,
		.data_type = IOMMU_HWPT_DATA_NONE,
	};
	int rc = __iommufd_ioctl(fd, IOMMU_HWPT_ALLOC, &cmd);

	*hwpt = cmd.out_hwpt_id;
	return rc;
}

__u32 hwpt_alloc(int fd, __u32 dev, __u32 pt, __u32 flags)
{
	__u32 hwpt;

	check(__hwpt_alloc(fd, dev, pt, flags, &hwpt));
	return hwpt;
}

__u64 hw_capabilities(int fd, __u32 dev)
{
	struct iommu_hw_info cmd = { .size = sizeof(cmd), .dev_id = dev };

	check(__iommufd_ioctl(fd, IOMMU_GET_HW_INFO, &cmd));
	return cmd.out_capabilities;
}

int __hwpt_set_dirty(int fd, __u32 hwpt, bool on)
{
	struct iommu_hwpt_set_dirty_tracking cmd = {
		.size = sizeof(cmd),
		.flags = on ? IOMMU_HWPT_DIRTY_TRACKING_ENABLE : 0,
		.hwpt_id = hwpt,
	};

	return __iommufd_ioctl(fd, IOMMU_HWPT_SET_DIRTY_TRACKING, &cmd);
}

int __hwpt_get_dirty(int fd, __u32 hwpt, __u64 iova, __u64 len, void *bitmap)
{
	struct iommu_hwpt_get_dirty_bitmap cmd = {
		.size = sizeof(cmd),
		.hwpt_id = hwpt,
		.iova = iova,
		.length = len,
		.page_size = SZ_4K,
		.data = (uintptr_t)bitmap,
	};

	return __iommufd_ioctl(fd, IOMMU_HWPT_GET_DIRTY_BITMAP, &cmd);
}

int __object_destroy(int fd, __u32 id)
{
	struct iommu_destroy cmd = { .size = sizeof(cmd), .id = id };

	return __iommufd_ioctl(fd, IOMMU_DESTROY, &cmd);
}

void object_destroy(int fd, __u32 id)
{
	check(__object_destroy(fd, id));
}
