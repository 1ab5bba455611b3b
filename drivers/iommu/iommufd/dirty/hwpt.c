// SPDX-License-Identifier: GPL-2.0-only
/*
 * Classic tracking: IOMMU_HWPT_SET_DIRTY_TRACKING and IOMMU_HWPT_GET_DIRTY_BITMAP on a
 * HWPT whose driver can harvest. Called by iommufd's hw_pagetable.c without locks.
 *
 * They have a tracker of their own, which covers one domain. So they get every dirty page
 * whatever other trackers do, and take none away from them. Otherwise they do what
 * iommufd does without trackers: writes by software and unmapped pages are not reported,
 * and a bitmap ends at the first hole.
 */
#include <linux/bitops.h>
#include <linux/iommu.h>
#include <linux/ktime.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <trace/events/iommufd_dirty.h>
#include <uapi/linux/iommufd.h>

#include "ioas/ioas.h"
#include "object.h"

/* How many bytes are mapped without a hole; at least one page, or 0 */
static unsigned long classic_length(struct io_pagetable *iopt,
				    unsigned long iova, unsigned long last)
{
	struct iommufd_dirty_range mapped;
	unsigned long length = 0;

	for_each_dirty_range(mapped, iommufd_dirty_mapped_next, iopt, iova, last) {
		if (mapped.iova - iova > length ||
		    fatal_signal_pending(current))
			break;
		length = mapped.last - iova + 1;
	}
	return length;
}

/*
 * The caller of a failed call cannot know which bits were set before it failed. So check
 * all of the bitmap before anything is cleared.
 */
static int classic_report(struct iommufd_dirty_tracker *tracker,
			  const struct iommu_hwpt_get_dirty_bitmap *cmd)
{
	struct iommufd_dirty_request req = {
		.iova = cmd->iova,
		/* As before: a size that is no power of two means its lowest bit */
		.page_size = 1UL << __ffs(cmd->page_size),
		.data = cmd->data,
	};
	struct iommufd_dirty_asked asked;
	u64 begin = ktime_get_ns();
	int rc;

	req.length = classic_length(&tracker->ioas->iopt, cmd->iova,
				    cmd->iova + (cmd->length - 1));
	if (!req.length)
		return 0;
	if (cmd->flags & IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR)
		req.flags = IOMMU_DIRTY_WALK_NO_CLEAR;
	iommufd_dirty_ask(&asked, tracker);
	rc = iommufd_dirty_check_bitmap(&asked, &req);
	if (!rc)
		rc = iommufd_dirty_read(&asked, 1, &req);
	trace_iommufd_dirty_harvest(tracker->id, req.iova, req.out_length,
				    asked.added, ktime_get_ns() - begin, rc);
	/* Tracking is or was turned off */
	return rc == -ENODATA ? 0 : rc;
}

/**
 * iommufd_dirty_hwpt_get() - IOMMU_HWPT_GET_DIRTY_BITMAP
 * @hwpt: The HWPT
 * @cmd: Arguments, with checked flags
 *
 * Nothing is cleared if a part of the bitmap that stands for mapped IOVA cannot be
 * written.
 *
 * Return: 0, also at a hole and while tracking is off; -EINVAL or -EOVERFLOW for a range
 * that is not valid; -EFAULT, -ENOMEM, -EINTR if killed, -EIO if a driver failed;
 * -ENOIOCTLCMD if the driver cannot harvest.
 */
int iommufd_dirty_hwpt_get(struct iommufd_hwpt_paging *hwpt,
			   struct iommu_hwpt_get_dirty_bitmap *cmd)
{
	struct iommufd_dirty_classic *classic;
	int rc;

	if (!iommufd_dirty_domain_capable(hwpt->common.domain))
		return -ENOIOCTLCMD;
	rc = iommufd_check_iova_range(&hwpt->ioas->iopt, cmd);
	if (rc)
		return rc;
	/* Pairs with classic_get() */
	classic = smp_load_acquire(&hwpt->dirty.classic);
	if (!classic ||
	    READ_ONCE(classic->tracker.state) != IOMMU_DIRTY_STATE_RUNNING)
		return 0;
	return classic_report(&classic->tracker, cmd);
}

static struct iommufd_dirty_classic *classic_new(struct iommufd_hwpt_paging *hwpt)
{
	struct iommufd_dirty_classic *classic;
	int rc;

	classic = kzalloc_obj(*classic, GFP_KERNEL_ACCOUNT);
	if (!classic)
		return ERR_PTR(-ENOMEM);
	mutex_init(&classic->mutex);
	rc = iommufd_dirty_tracker_init(&classic->tracker, hwpt->ioas, NULL);
	if (rc) {
		kfree(classic);
		return ERR_PTR(rc);
	}
	classic->tracker.id = hwpt->common.obj.id;
	classic->tracker.domain = hwpt->common.domain;
	return classic;
}

static void classic_free(struct iommufd_dirty_classic *classic)
{
	iommufd_dirty_tracker_fini(&classic->tracker);
	mutex_destroy(&classic->mutex);
	kfree(classic);
}

/* Get the classic tracking of a HWPT, which exists from the first SET on */
static struct iommufd_dirty_classic *classic_get(struct iommufd_hwpt_paging *hwpt)
{
	struct iommufd_dirty_classic *new, *classic;

	/* Pairs with the store below, as others read it without the mutex */
	classic = smp_load_acquire(&hwpt->dirty.classic);
	if (classic)
		return classic;
	new = classic_new(hwpt);
	if (IS_ERR(new))
		return new;
	mutex_lock(&hwpt->ioas->mutex);
	classic = hwpt->dirty.classic;
	if (!classic) {
		/* Once it can be seen, it is initialized */
		smp_store_release(&hwpt->dirty.classic, new);
	}
	mutex_unlock(&hwpt->ioas->mutex);
	if (!classic)
		return new;
	classic_free(new);
	return classic;
}

/* Enabling it again clears what is dirty */
static int classic_enable(struct iommufd_dirty_tracker *tracker)
{
	struct iommufd_dirty_start_args req = {};
	int rc;

	rc = iommufd_dirty_start(tracker, &req);
	if (rc != -EALREADY)
		return rc;
	iommufd_dirty_ledger_clear(&tracker->ledger, 0, ULONG_MAX);
	return iommufd_dirty_forget(tracker, IOMMU_DIRTY_STATE_RUNNING);
}

/**
 * iommufd_dirty_hwpt_set() - IOMMU_HWPT_SET_DIRTY_TRACKING
 * @hwpt: The HWPT
 * @enable: Whether to enable or to disable it
 *
 * Return: 0 or what the driver returns; -EINTR if killed, -ENOMEM, -EIO if the driver
 * failed to clear dirty bits; -ENOIOCTLCMD if it cannot harvest.
 */
int iommufd_dirty_hwpt_set(struct iommufd_hwpt_paging *hwpt, bool enable)
{
	struct iommufd_dirty_classic *classic;
	int rc;

	if (!iommufd_dirty_domain_capable(hwpt->common.domain))
		return -ENOIOCTLCMD;
	/* Pairs with classic_get() */
	if (!enable && !smp_load_acquire(&hwpt->dirty.classic))
		return 0;
	classic = classic_get(hwpt);
	if (IS_ERR(classic))
		return PTR_ERR(classic);
	if (mutex_lock_killable(&classic->mutex))
		return -EINTR;
	if (enable)
		rc = classic_enable(&classic->tracker);
	else
		rc = iommufd_dirty_stop(&classic->tracker, true);
	mutex_unlock(&classic->mutex);
	return rc;
}

/**
 * iommufd_dirty_hwpt_destroyed() - A HWPT is being destroyed
 * @hwpt: The HWPT, with nobody else using it
 *
 * Context: If it was visible to userspace, no lock is held.
 */
void iommufd_dirty_hwpt_destroyed(struct iommufd_hwpt_paging *hwpt)
{
	if (hwpt->dirty.classic)
		classic_free(hwpt->dirty.classic);
}
