/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The dirty tracker interface for the rest of iommufd. Included by
 * iommufd_private.h ahead of struct io_pagetable. Without CONFIG_IOMMUFD_DIRTY,
 * the structs are empty and the functions are stubs.
 */
#ifndef __IOMMUFD_DIRTY_HOOKS_H
#define __IOMMUFD_DIRTY_HOOKS_H

#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/types.h>
#include <uapi/linux/iommufd_dirty.h>

struct io_pagetable;
struct iommu_dirty_orphan;
struct iopt_area;
struct iopt_pages;
struct iommu_domain;
struct iommufd_ctx;
struct iommu_hwpt_get_dirty_bitmap;
struct iommufd_device;
struct iommufd_dirty_anchor;
struct iommufd_dirty_classic;
struct iommufd_dirty_device;
struct iommufd_hw_pagetable;
struct iommufd_hwpt_paging;
struct iommufd_ioas;
struct iommufd_object;
struct iommufd_ucmd;
struct vfio_info_cap_header;
struct vfio_iommu_type1_dma_unmap;

#ifdef CONFIG_IOMMUFD_DIRTY
#define IOMMUFD_DIRTY_WINDOW_LOCKS_SHIFT	6
#define IOMMUFD_DIRTY_WINDOW_LOCKS		BIT(IOMMUFD_DIRTY_WINDOW_LOCKS_SHIFT)

/**
 * struct iommufd_dirty_iopt - Dirty tracking of an IOAS, in struct io_pagetable
 * @attach_rwsem: Held for writing while a device is attached to a HWPT of the
 *	IOAS or detached from it, for reading where the set of attached devices
 *	must not change. Lock order: see dirty.h
 * @window_locks: Each serializes the harvests of some windows of IOVA, so that walkers
 *	can clean with plain stores, and no harvest trims what a SCAN has reserved. Only
 *	one of them is held at a time; see iommufd_dirty_window_lock()
 * @wide: An IO page table entry may be larger than a window: all windows have one lock.
 *	Changed with domains_rwsem held for writing, read with it held
 * @trackers: The trackers that are starting or running on the IOAS, and those of
 *	its HWPTs. Changed with iommufd_ioas::mutex held, and domains_rwsem and
 *	iova_rwsem held for writing; read with any of them held
 * @num_trackers: How many of them cover all of the IOAS; protected as @trackers
 * @num_passive: How many of those are passive; protected as @trackers
 * @num_split: How many trackers split large entries; protected as @trackers
 * @num_eager: How many of those split entries before they are dirty; protected as
 *	@trackers
 * @split_mutex: Serializes splits, merges and the search for pinned pages, so that none
 *	finds iopt_pages::mutex taken by another one; protects the counts of a domain
 * @unsplit: While such a tracker runs: entries may nevertheless be large. Set under
 *	@split_mutex, or under domains_rwsem held for writing; cleared as @trackers
 * @orphans: Array for a merge, see ioas/split.c; NULL before the first tracker that
 *	splits. Set with iommufd_ioas::mutex held, used with @split_mutex held
 * @anchor: What its trackers hold instead of a reference to it; NULL before the
 *	first tracker; protected by iommufd_ioas::mutex
 * @patient: When harvests wait again for tasks that pin pages, in jiffies, after one gave
 *	up. A hint, no lock
 * @vfio_mutex: Serializes the calls of VFIO_IOMMU_DIRTY_PAGES, and of
 *	VFIO_IOMMU_UNMAP_DMA with a bitmap; taken before all other locks
 * @vfio_tracker_id: The tracker of VFIO_IOMMU_DIRTY_PAGES, 0 if there is none;
 *	protected by iommufd_ioas::mutex
 * @trackable: IOMMU_OPTION_DIRTY_TRACKABLE. No lock, only READ_ONCE() and
 *	WRITE_ONCE(): it is for HWPTs that are made later
 */
struct iommufd_dirty_iopt {
	struct rw_semaphore attach_rwsem;
	struct mutex window_locks[IOMMUFD_DIRTY_WINDOW_LOCKS]; /* see above */
	bool wide;
	struct list_head trackers;
	unsigned int num_trackers;
	unsigned int num_passive;
	unsigned int num_split;
	unsigned int num_eager;
	struct mutex split_mutex;	/* One user of iopt_pages::mutex at a time */
	bool unsplit;
	struct iommu_dirty_orphan *orphans;
	struct iommufd_dirty_anchor *anchor;
	unsigned long patient;
	struct mutex vfio_mutex;	/* One of type1's calls at a time */
	u32 vfio_tracker_id;
	bool trackable;
};

/**
 * struct iommufd_dirty_access - A range of pages that an access has pinned
 * @writes: The CPU may write to them without iommufd_access_mark_dirty(); protected
 *	by iopt_pages::mutex
 */
struct iommufd_dirty_access {
	bool writes;
};

/**
 * struct iommufd_dirty_idev - Dirty tracking of a bound device
 * @device: State shared by the provider and the trackers, NULL if the device never
 *	had either; protected by a mutex of provider.c
 */
struct iommufd_dirty_idev {
	struct iommufd_dirty_device *device;
};

/**
 * struct iommufd_dirty_hwpt - Dirty tracking of a HWPT by the per-HWPT ioctls
 * @classic: Made by the first IOMMU_HWPT_SET_DIRTY_TRACKING that enables it, under
 *	iommufd_ioas::mutex; freed with the HWPT
 */
struct iommufd_dirty_hwpt {
	struct iommufd_dirty_classic *classic;
};

/* Checked before the unmap hooks: without a tracker, unmapping costs nothing more */
static inline bool iommufd_dirty_active(const struct iommufd_dirty_iopt *dirty)
{
	return !list_empty(&dirty->trackers);
}

/* Checked before the map hooks, for the same reason; domains_rwsem is held */
static inline bool iommufd_dirty_eager(const struct iommufd_dirty_iopt *dirty)
{
	return dirty->num_eager;
}

void iommufd_dirty_init_iopt(struct io_pagetable *iopt);
bool iommufd_dirty_capable(struct iommufd_device *idev, u32 flags);
u32 iommufd_dirty_auto_flags(struct iommufd_ioas *ioas,
			     struct iommufd_device *idev, ioasid_t pasid);
bool iommufd_dirty_auto_retry(u32 *flags, long err);
void iommufd_dirty_limit_entries(struct iommufd_ioas *ioas,
				 struct iommu_domain *domain, u32 flags,
				 bool auto_domain);
void iommufd_dirty_attach_begin(struct iommufd_hw_pagetable *hwpt,
				struct iommufd_hw_pagetable *old);
void iommufd_dirty_attach_end(struct iommufd_hw_pagetable *hwpt,
			      struct iommufd_hw_pagetable *old);
int iommufd_dirty_add_domain(struct io_pagetable *iopt,
			     struct iommu_domain *domain);
void iommufd_dirty_fill_failed(struct io_pagetable *iopt);
void iommufd_dirty_remove_domain(struct io_pagetable *iopt,
				 struct iommu_domain *domain);
void iommufd_dirty_mapped(struct iopt_area *area, struct iopt_pages *pages);
void iommufd_dirty_joined(struct io_pagetable *iopt,
			  struct iommu_domain *domain);
void iommufd_dirty_unmap_begin(struct iopt_area *area,
			       struct iopt_pages *pages);
void iommufd_dirty_unmap_end(struct iopt_area *area, struct iopt_pages *pages);
void iommufd_dirty_wrote(struct iopt_area *area, unsigned long iova,
			 unsigned long last);
void iommufd_dirty_pin(struct iommufd_dirty_access *access, unsigned int flags);
void iommufd_dirty_unpin(struct iopt_area *area,
			 struct iommufd_dirty_access *access,
			 unsigned long index, unsigned long last_index);
void iommufd_dirty_device_unbound(struct iommufd_device *idev);
void iommufd_dirty_ioas_destroyed(struct iommufd_ioas *ioas);
int iommufd_dirty_hwpt_set(struct iommufd_hwpt_paging *hwpt, bool enable);
int iommufd_dirty_hwpt_get(struct iommufd_hwpt_paging *hwpt,
			   struct iommu_hwpt_get_dirty_bitmap *cmd);
void iommufd_dirty_hwpt_destroyed(struct iommufd_hwpt_paging *hwpt);

/* Flags of VFIO_IOMMU_UNMAP_DMA for which iommufd_dirty_vfio_unmap() is called */
#define IOMMUFD_DIRTY_VFIO_UNMAP_FLAGS	VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP
int iommufd_dirty_vfio_pages(struct iommufd_ctx *ictx,
			     struct iommufd_ioas *ioas, void __user *arg);
int iommufd_dirty_vfio_unmap(struct iommufd_ctx *ictx,
			     struct iommufd_ioas *ioas, void __user *arg,
			     const struct vfio_iommu_type1_dma_unmap *unmap,
			     unsigned long *unmapped);
int iommufd_dirty_vfio_fill_cap(struct iommufd_ioas *ioas,
				struct vfio_info_cap_header __user *cur,
				size_t avail);

int iommufd_dirty_option(struct iommufd_ucmd *ucmd);
int iommufd_dirty_tracker_alloc(struct iommufd_ucmd *ucmd);
int iommufd_dirty_tracker_info(struct iommufd_ucmd *ucmd);
int iommufd_dirty_list(struct iommufd_ucmd *ucmd);
int iommufd_dirty_tracker_start(struct iommufd_ucmd *ucmd);
int iommufd_dirty_tracker_stop(struct iommufd_ucmd *ucmd);
int iommufd_dirty_tracker_read(struct iommufd_ucmd *ucmd);
int iommufd_dirty_tracker_scan(struct iommufd_ucmd *ucmd);
int iommufd_dirty_tracker_unmap(struct iommufd_ucmd *ucmd);
int iommufd_dirty_tracker_update(struct iommufd_ucmd *ucmd);
int iommufd_dirty_tracker_mark(struct iommufd_ucmd *ucmd);
void iommufd_dirty_object_destroy(struct iommufd_object *obj);
#else
struct iommufd_dirty_iopt {};
struct iommufd_dirty_access {};
struct iommufd_dirty_idev {};
struct iommufd_dirty_hwpt {};

static inline bool iommufd_dirty_active(const struct iommufd_dirty_iopt *dirty)
{
	return false;
}

static inline bool iommufd_dirty_eager(const struct iommufd_dirty_iopt *dirty)
{
	return false;
}

static inline void iommufd_dirty_init_iopt(struct io_pagetable *iopt)
{
}

static inline bool iommufd_dirty_capable(struct iommufd_device *idev, u32 flags)
{
	return false;
}

static inline u32 iommufd_dirty_auto_flags(struct iommufd_ioas *ioas,
					   struct iommufd_device *idev,
					   ioasid_t pasid)
{
	return 0;
}

static inline bool iommufd_dirty_auto_retry(u32 *flags, long err)
{
	return false;
}

static inline void iommufd_dirty_limit_entries(struct iommufd_ioas *ioas,
					       struct iommu_domain *domain,
					       u32 flags, bool auto_domain)
{
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

static inline void iommufd_dirty_fill_failed(struct io_pagetable *iopt)
{
}

static inline void iommufd_dirty_remove_domain(struct io_pagetable *iopt,
					       struct iommu_domain *domain)
{
}

static inline void iommufd_dirty_mapped(struct iopt_area *area,
					struct iopt_pages *pages)
{
}

static inline void iommufd_dirty_joined(struct io_pagetable *iopt,
					struct iommu_domain *domain)
{
}

static inline void iommufd_dirty_unmap_begin(struct iopt_area *area,
					     struct iopt_pages *pages)
{
}

static inline void iommufd_dirty_unmap_end(struct iopt_area *area,
					   struct iopt_pages *pages)
{
}

static inline void iommufd_dirty_wrote(struct iopt_area *area,
				       unsigned long iova, unsigned long last)
{
}

static inline void iommufd_dirty_pin(struct iommufd_dirty_access *access,
				     unsigned int flags)
{
}

static inline void iommufd_dirty_unpin(struct iopt_area *area,
				       struct iommufd_dirty_access *access,
				       unsigned long index,
				       unsigned long last_index)
{
}

static inline void iommufd_dirty_device_unbound(struct iommufd_device *idev)
{
}

static inline void iommufd_dirty_ioas_destroyed(struct iommufd_ioas *ioas)
{
}

static inline int iommufd_dirty_hwpt_set(struct iommufd_hwpt_paging *hwpt,
					 bool enable)
{
	return -ENOIOCTLCMD;
}

static inline int
iommufd_dirty_hwpt_get(struct iommufd_hwpt_paging *hwpt,
		       struct iommu_hwpt_get_dirty_bitmap *cmd)
{
	return -ENOIOCTLCMD;
}

static inline void
iommufd_dirty_hwpt_destroyed(struct iommufd_hwpt_paging *hwpt)
{
}

#define IOMMUFD_DIRTY_VFIO_UNMAP_FLAGS	0

static inline int iommufd_dirty_vfio_pages(struct iommufd_ctx *ictx,
					   struct iommufd_ioas *ioas,
					   void __user *arg)
{
	return -ENOIOCTLCMD;
}

static inline int
iommufd_dirty_vfio_unmap(struct iommufd_ctx *ictx, struct iommufd_ioas *ioas,
			 void __user *arg,
			 const struct vfio_iommu_type1_dma_unmap *unmap,
			 unsigned long *unmapped)
{
	return -EINVAL;
}

static inline int iommufd_dirty_option(struct iommufd_ucmd *ucmd)
{
	return -EOPNOTSUPP;
}
#endif
#endif
