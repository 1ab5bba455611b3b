/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interface of dirty.c to VFIO's core, through which iommufd's dirty trackers use
 * a device's DMA logging. With CONFIG_IOMMUFD_DIRTY off, the inlines call the driver
 * directly.
 */
#ifndef __VFIO_DIRTY_H
#define __VFIO_DIRTY_H

#include <linux/vfio.h>

#ifdef CONFIG_IOMMUFD_DIRTY
int vfio_dirty_open(struct vfio_device *device);
void vfio_dirty_close(struct vfio_device *device);
struct file *vfio_dirty_set_state(struct vfio_device *device,
				  enum vfio_device_mig_state state);
int vfio_dirty_log_start(struct vfio_device *device,
			 struct rb_root_cached *ranges, u32 nnodes,
			 u64 *page_size);
int vfio_dirty_log_stop(struct vfio_device *device);
int vfio_dirty_log_read(struct vfio_device *device, unsigned long iova,
			size_t length, struct iova_bitmap *bitmap);
#else
static inline int vfio_dirty_open(struct vfio_device *device)
{
	return 0;
}

static inline void vfio_dirty_close(struct vfio_device *device)
{
}

static inline struct file *
vfio_dirty_set_state(struct vfio_device *device,
		     enum vfio_device_mig_state state)
{
	return device->mig_ops->migration_set_state(device, state);
}

static inline int vfio_dirty_log_start(struct vfio_device *device,
				       struct rb_root_cached *ranges,
				       u32 nnodes, u64 *page_size)
{
	return device->log_ops->log_start(device, ranges, nnodes, page_size);
}

static inline int vfio_dirty_log_stop(struct vfio_device *device)
{
	return device->log_ops->log_stop(device);
}

static inline int vfio_dirty_log_read(struct vfio_device *device,
				      unsigned long iova, size_t length,
				      struct iova_bitmap *dirty)
{
	return device->log_ops->log_read_and_clear(device, iova, length, dirty);
}
#endif

#endif
