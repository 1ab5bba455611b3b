// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO type1's dirty page tracking on an iommufd that replaces a container:
 * VFIO_IOMMU_DIRTY_PAGES, the migration capability, and unmapping with a bitmap.
 * A tracker of the compatibility IOAS serves the first and the last. Called from
 * iommufd/vfio_compat.c with a reference to that IOAS and without locks, except
 * iommufd_dirty_vfio_fill_cap(), for which iova_rwsem is held for reading.
 *
 * Type1 treats a page as dirty if it knows nothing about it. So does this: the
 * tracker runs in degraded mode. It is an ordinary object, created by the first
 * START and kept for the next one.
 */
#include <linux/align.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>

#include "ioas/ioas.h"
#include "object.h"

/*
 * Whole words, as in type1. The maximum stands for half of the address space, because
 * QEMU multiplies it out to bytes of IOVA.
 */
#define BITMAP_BYTES(pages)	(ALIGN(pages, 64) / 8)
#define BITMAP_SIZE_MAX		(BIT_ULL(63 - PAGE_SHIFT) / 8)

static void compat_put(struct iommufd_ctx *ictx,
		       struct iommufd_dirty_object *object)
{
	iommufd_put_object(ictx, &object->obj);
}

/* Get the tracker that serves the container, or NULL; the caller must put it */
static struct iommufd_dirty_object *compat_get(struct iommufd_ctx *ictx,
					       struct iommufd_ioas *ioas)
{
	struct iommufd_dirty_object *object;
	struct iommufd_object *obj;
	u32 id;

	mutex_lock(&ioas->mutex);
	id = ioas->iopt.dirty.vfio_tracker_id;
	mutex_unlock(&ioas->mutex);
	if (!id)
		return NULL;
	obj = iommufd_get_object(ictx, id, IOMMUFD_OBJ_DIRTY_TRACKER);
	if (IS_ERR(obj))
		return NULL;
	object = container_of(obj, struct iommufd_dirty_object, obj);
	/* Userspace may have destroyed it, and its id may have been reused */
	if (object->tracker.ioas != ioas || !object->tracker.vfio_compat) {
		compat_put(ictx, object);
		return NULL;
	}
	return object;
}

static int compat_make_tracker(struct iommufd_ctx *ictx,
			       struct iommufd_ioas *ioas)
{
	struct iommufd_dirty_object *object;

	lockdep_assert_held(&ioas->iopt.dirty.vfio_mutex);

	object = iommufd_dirty_object_new(ictx, ioas, NULL, 0);
	if (IS_ERR(object))
		return PTR_ERR(object);
	object->tracker.vfio_compat = true;
	mutex_lock(&ioas->mutex);
	ioas->iopt.dirty.vfio_tracker_id = object->obj.id;
	mutex_unlock(&ioas->mutex);
	iommufd_object_finalize(ictx, &object->obj);
	return 0;
}

static int compat_start(struct iommufd_ctx *ictx, struct iommufd_ioas *ioas)
{
	struct iommufd_dirty_start_args req = { .degraded = true };
	struct iommufd_dirty_object *object;
	enum iommu_dirty_state state;
	int rc;

	object = compat_get(ictx, ioas);
	if (!object) {
		rc = compat_make_tracker(ictx, ioas);
		if (rc)
			return rc;
		object = compat_get(ictx, ioas);
		if (!object)
			return -EBUSY;
	}
	rc = iommufd_dirty_start(&object->tracker, &req);
	/* Userspace can also start it as an ordinary tracker */
	state = READ_ONCE(object->tracker.state);
	if (rc == -EALREADY)
		rc = state == IOMMU_DIRTY_STATE_RUNNING ? 0 : -EBUSY;
	compat_put(ictx, object);
	return rc;
}

static int compat_stop(struct iommufd_ctx *ictx, struct iommufd_ioas *ioas)
{
	struct iommufd_dirty_object *object = compat_get(ictx, ioas);
	int rc;

	if (!object)
		return 0;
	rc = iommufd_dirty_stop(&object->tracker, true);
	compat_put(ictx, object);
	return rc;
}

/* One at a time, as in type1: once START has returned, all writes are tracked */
static int compat_switch(struct iommufd_ctx *ictx, struct iommufd_ioas *ioas,
			 u32 flags)
{
	int rc;

	if (mutex_lock_killable(&ioas->iopt.dirty.vfio_mutex))
		return -EINTR;
	if (flags == VFIO_IOMMU_DIRTY_PAGES_FLAG_START)
		rc = compat_start(ictx, ioas);
	else
		rc = compat_stop(ictx, ioas);
	mutex_unlock(&ioas->iopt.dirty.vfio_mutex);
	return rc;
}

/* Check a bitmap as type1 does */
static int compat_request(struct iommufd_dirty_request *req, u64 iova, u64 size,
			  const struct vfio_bitmap *bitmap)
{
	u64 last;

	if (!size || check_add_overflow(iova, size - 1, &last))
		return -EINVAL;
	/* Only the smallest page size */
	if (bitmap->pgsize != PAGE_SIZE || !IS_ALIGNED(iova | size, PAGE_SIZE))
		return -EINVAL;
	if (bitmap->size > BITMAP_SIZE_MAX ||
	    bitmap->size < BITMAP_BYTES(size / PAGE_SIZE))
		return -EINVAL;
	/* The bits are cleared before READ checks the bitmap's address range */
	if (!access_ok(bitmap->data, BITMAP_BYTES(size / PAGE_SIZE)))
		return -EFAULT;

	*req = (struct iommufd_dirty_request){
		.iova = iova,
		.length = size,
		.page_size = PAGE_SIZE,
		.data = (uintptr_t)bitmap->data,
	};
	return 0;
}

/*
 * Type1 stores the bits of each mapping up to the end of the last word, and leaves the
 * bits of holes alone. READ only ever sets bits, so clear them first.
 */
static int compat_clear_bits(const struct iommufd_dirty_request *req,
			     unsigned long iova, unsigned long last)
{
	u8 __user *bitmap = u64_to_user_ptr(req->data);
	unsigned long first = (iova - req->iova) / PAGE_SIZE;
	unsigned long end = ALIGN((last - req->iova) / PAGE_SIZE + 1, 64);
	u8 keep;

	if (first % 8) {
		if (get_user(keep, bitmap + first / 8) ||
		    put_user(keep & (BIT(first % 8) - 1), bitmap + first / 8))
			return -EFAULT;
		first = ALIGN(first, 8);
	}
	return clear_user(bitmap + first / 8, (end - first) / 8) ? -EFAULT : 0;
}

static int compat_clear_bitmap(struct io_pagetable *iopt,
			       const struct iommufd_dirty_request *req)
{
	unsigned long last = req->iova + (req->length - 1);
	struct iommufd_dirty_range mapped;
	int rc;

	for_each_dirty_range(mapped, iommufd_dirty_mapped_next, iopt, req->iova,
			     last) {
		if (fatal_signal_pending(current))
			return -EINTR;
		rc = compat_clear_bits(req, mapped.iova, mapped.last);
		if (rc)
			return rc;
	}
	return 0;
}

/* Clear the bitmap, but only if tracking is on */
static int compat_prepare(struct iommufd_dirty_asked *asked,
			  struct iommufd_dirty_request *req)
{
	if (iommufd_dirty_check_running(asked, 1, req))
		return -EINVAL;
	return compat_clear_bitmap(&asked->tracker->ioas->iopt, req);
}

/* READ, or UNMAP if @unmapped is set; excludes START and STOP, as in type1 */
static int compat_report(struct iommufd_ctx *ictx, struct iommufd_ioas *ioas,
			 struct iommufd_dirty_request *req,
			 unsigned long *unmapped)
{
	struct iommufd_dirty_object *object;
	struct iommufd_dirty_asked asked;
	int rc = -EINVAL;

	if (mutex_lock_killable(&ioas->iopt.dirty.vfio_mutex))
		return -EINTR;
	object = compat_get(ictx, ioas);
	if (!object)
		goto out_unlock;
	iommufd_dirty_ask(&asked, &object->tracker);
	rc = compat_prepare(&asked, req);
	if (!rc && unmapped)
		rc = iommufd_dirty_unmap(&asked, req, unmapped);
	else if (!rc)
		rc = iommufd_dirty_read(&asked, 1, req);
	compat_put(ictx, object);
out_unlock:
	mutex_unlock(&ioas->iopt.dirty.vfio_mutex);
	return rc == -ENODATA ? -EINVAL : rc;
}

static int compat_get_dirty(struct iommufd_ctx *ictx,
			    struct iommufd_ioas *ioas, void __user *arg)
{
	struct vfio_iommu_type1_dirty_bitmap_get range;
	struct iommufd_dirty_request req;
	int rc;

	if (copy_from_user(&range, arg, sizeof(range)))
		return -EFAULT;
	rc = compat_request(&req, range.iova, range.size, &range.bitmap);
	return rc ? rc : compat_report(ictx, ioas, &req, NULL);
}

/**
 * iommufd_dirty_vfio_pages() - ioctl(VFIO_IOMMU_DIRTY_PAGES)
 * @ictx: The iommufd
 * @ioas: The compatibility IOAS
 * @arg: struct vfio_iommu_type1_dirty_bitmap
 *
 * Unlike in type1, the range of a bitmap may begin and end within mappings.
 *
 * Return: as type1: 0, -EACCES for type1 that is not type1v2, -EINVAL for
 * arguments out of range and for a bitmap while tracking is off; or an error of
 * START, STOP or READ.
 */
int iommufd_dirty_vfio_pages(struct iommufd_ctx *ictx,
			     struct iommufd_ioas *ioas, void __user *arg)
{
	size_t minsz = offsetofend(struct vfio_iommu_type1_dirty_bitmap, flags);
	struct vfio_iommu_type1_dirty_bitmap cmd;

	/* Set by VFIO_SET_IOMMU for type1 that is not type1v2 */
	if (READ_ONCE(ioas->iopt.disable_large_pages))
		return -EACCES;
	if (copy_from_user(&cmd, arg, minsz))
		return -EFAULT;
	if (cmd.argsz < minsz)
		return -EINVAL;

	switch (cmd.flags) {
	case VFIO_IOMMU_DIRTY_PAGES_FLAG_START:
	case VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP:
		return compat_switch(ictx, ioas, cmd.flags);
	case VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP:
		if (cmd.argsz - minsz <
		    sizeof(struct vfio_iommu_type1_dirty_bitmap_get))
			return -EINVAL;
		return compat_get_dirty(ictx, ioas, arg + minsz);
	default:
		return -EINVAL;
	}
}

/**
 * iommufd_dirty_vfio_unmap() - VFIO_IOMMU_UNMAP_DMA with a bitmap
 * @ictx: The iommufd
 * @ioas: The compatibility IOAS
 * @arg: Where @unmap was copied from; a struct vfio_bitmap follows
 * @unmap: The arguments
 * @unmapped: Out: how many bytes were unmapped
 *
 * Return: as UNMAP; -EINVAL if the bitmap exceeds type1's limits or tracking is
 * off.
 */
int iommufd_dirty_vfio_unmap(struct iommufd_ctx *ictx,
			     struct iommufd_ioas *ioas, void __user *arg,
			     const struct vfio_iommu_type1_dma_unmap *unmap,
			     unsigned long *unmapped)
{
	struct iommufd_dirty_request req;
	struct vfio_bitmap bitmap;
	int rc;

	if (unmap->argsz < sizeof(*unmap) + sizeof(bitmap))
		return -EINVAL;
	if (copy_from_user(&bitmap, arg + sizeof(*unmap), sizeof(bitmap)))
		return -EFAULT;
	rc = compat_request(&req, unmap->iova, unmap->size, &bitmap);
	return rc ? rc : compat_report(ictx, ioas, &req, unmapped);
}

/**
 * iommufd_dirty_vfio_fill_cap() - Write the migration capability of
 *	VFIO_IOMMU_GET_INFO
 * @ioas: The compatibility IOAS
 * @cur: Where to write it
 * @avail: Number of bytes available at @cur; nothing is written if they are too few
 *
 * Return: the size of the capability, or -EFAULT.
 */
int iommufd_dirty_vfio_fill_cap(struct iommufd_ioas *ioas,
				struct vfio_info_cap_header __user *cur,
				size_t avail)
{
	struct vfio_iommu_type1_info_cap_migration cap = {
		.header = {
			.id = VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION,
			.version = 1,
		},
		.pgsize_bitmap = PAGE_SIZE,
		.max_dirty_bitmap_size = BITMAP_SIZE_MAX,
	};

	if (avail >= sizeof(cap) && copy_to_user(cur, &cap, sizeof(cap)))
		return -EFAULT;
	return sizeof(cap);
}
