/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What iommufd's own files need of the dirty trackers. Included by
 * iommufd_private.h ahead of struct io_pagetable; with CONFIG_IOMMUFD_DIRTY
 * off everything in here is empty.
 */
#ifndef __IOMMUFD_DIRTY_HOOKS_H
#define __IOMMUFD_DIRTY_HOOKS_H

#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/types.h>
#include <uapi/linux/iommufd_dirty.h>

struct io_pagetable;
struct iommu_domain;
struct iommufd_device;
struct iommufd_dirty_tracker;
struct iommufd_hw_pagetable;
struct iommufd_hwpt_paging;
struct iommufd_ioas;
struct iommufd_object;
struct iommufd_ucmd;

#ifdef CONFIG_IOMMUFD_DIRTY
/**
 * struct iommufd_dirty_iopt - Dirty tracking of an IOAS, in struct io_pagetable
 * @attach_rwsem: Held for writing while a device is attached to a HWPT of the
 *	IOAS or detached from it, for reading where all that are must be known.
 *	Lock order: see dirty.h
 * @harvest_mutex: One harvest at a time, so that walkers may clean by plain
 *	stores
 * @tracker: The tracker that is starting or running on the IOAS, or NULL.
 *	Written with iommufd_ioas::mutex and domains_rwsem for writing held,
 *	read with either
 * @hwpt_calls: IOMMU_HWPT_GET_DIRTY_BITMAP and IOMMU_HWPT_SET_DIRTY_TRACKING
 *	calls under way; protected by iommufd_ioas::mutex
 */
struct iommufd_dirty_iopt {
	struct rw_semaphore attach_rwsem;
	struct mutex harvest_mutex;	/* one harvest at a time */
	struct iommufd_dirty_tracker *tracker;
	unsigned int hwpt_calls;
};

/**
 * struct iommufd_dirty_hwpt - Dirty tracking of a HWPT by the per-HWPT ioctls
 * @by_ioctl: IOMMU_HWPT_SET_DIRTY_TRACKING has enabled it; protected by
 *	iommufd_ioas::mutex
 */
struct iommufd_dirty_hwpt {
	bool by_ioctl;
};

void iommufd_dirty_init_iopt(struct io_pagetable *iopt);
bool iommufd_dirty_capable(struct iommufd_device *idev, u32 flags);
u32 iommufd_dirty_auto_flags(struct iommufd_device *idev, ioasid_t pasid);
bool iommufd_dirty_auto_retry(u32 *flags, long err);
void iommufd_dirty_attach_begin(struct iommufd_hw_pagetable *hwpt,
				struct iommufd_hw_pagetable *old);
void iommufd_dirty_attach_end(struct iommufd_hw_pagetable *hwpt,
			      struct iommufd_hw_pagetable *old);
int iommufd_dirty_add_domain(struct io_pagetable *iopt,
			     struct iommu_domain *domain);
int iommufd_dirty_add_access(struct io_pagetable *iopt);
int iommufd_dirty_hwpt_begin(struct iommufd_hwpt_paging *hwpt);
void iommufd_dirty_hwpt_end(struct iommufd_hwpt_paging *hwpt);
void iommufd_dirty_hwpt_set_end(struct iommufd_hwpt_paging *hwpt, bool enable,
				int rc);

int iommufd_dirty_tracker_alloc(struct iommufd_ucmd *ucmd);
int iommufd_dirty_tracker_info(struct iommufd_ucmd *ucmd);
int iommufd_dirty_tracker_start(struct iommufd_ucmd *ucmd);
int iommufd_dirty_tracker_stop(struct iommufd_ucmd *ucmd);
int iommufd_dirty_tracker_read(struct iommufd_ucmd *ucmd);
void iommufd_dirty_tracker_destroy(struct iommufd_object *obj);
#else
struct iommufd_dirty_iopt {};
struct iommufd_dirty_hwpt {};

static inline void iommufd_dirty_init_iopt(struct io_pagetable *iopt)
{
}

static inline bool iommufd_dirty_capable(struct iommufd_device *idev, u32 flags)
{
	return false;
}

static inline u32 iommufd_dirty_auto_flags(struct iommufd_device *idev,
					   ioasid_t pasid)
{
	return 0;
}

static inline bool iommufd_dirty_auto_retry(u32 *flags, long err)
{
	return false;
}

static inline void iommufd_dirty_attach_begin(struct iommufd_hw_pagetable *hwpt,
					      struct iommufd_hw_pagetable *old)
{
}

static inline void iommufd_dirty_attach_end(struct iommufd_hw_pagetable *hwpt,
					    struct iommufd_hw_pagetable *old)
{
}

static inline int iommufd_dirty_add_domain(struct io_pagetable *iopt,
					   struct iommu_domain *domain)
{
	return 0;
}

static inline int iommufd_dirty_add_access(struct io_pagetable *iopt)
{
	return 0;
}

static inline int iommufd_dirty_hwpt_begin(struct iommufd_hwpt_paging *hwpt)
{
	return 0;
}

static inline void iommufd_dirty_hwpt_end(struct iommufd_hwpt_paging *hwpt)
{
}

static inline void iommufd_dirty_hwpt_set_end(struct iommufd_hwpt_paging *hwpt,
					      bool enable, int rc)
{
}
#endif
#endif
