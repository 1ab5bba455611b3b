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
#include <linux/iommu.h>
#include <linux/iova_bitmap.h>
#include <linux/minmax.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <uapi/linux/iommufd.h>

#include "ioas/ioas.h"
#include "object.h"

/**
 * struct classic_report - One IOMMU_HWPT_GET_DIRTY_BITMAP
 * @sink: The sink that a harvest marks in
 * @asked: The tracker
 * @flags: Combination of enum iommu_dirty_walk_flags
 * @bitmap: The user's bitmap, with the window in question pinned
 * @taken: What has been reported, to be dirty again if the call fails
 */
struct classic_report {
	struct iommu_dirty_sink sink;
	struct iommufd_dirty_asked asked;
	unsigned int flags;
	struct iova_bitmap *bitmap;
	struct iommufd_dirty_ledger taken;
};

static void classic_mark_range(struct iommu_dirty_sink *sink,
			       unsigned long iova, unsigned long last)
{
	struct classic_report *report =
		container_of(sink, struct classic_report, sink);

	iova_bitmap_set(report->bitmap, iova, last - iova + 1);
	iommufd_dirty_ledger_mark(&report->taken, iova, last);
}

static const struct iommu_dirty_sink_ops classic_sink_ops = {
	.mark_mask = iommu_dirty_mark_runs,
	.mark_range = classic_mark_range,
};

/* Find the last byte of the mapping at @iova, up to @last; false if there is none */
static bool classic_mapped(struct io_pagetable *iopt, unsigned long iova,
			   unsigned long *last)
{
	struct iopt_area *area;

	down_read(&iopt->iova_rwsem);
	area = iopt_area_iter_first(iopt, iova, iova);
	if (area)
		*last = min(*last, iopt_area_last_iova(area));
	up_read(&iopt->iova_rwsem);
	return area;
}

/* Report a part of the range; its bits are pinned. -EINVAL at a hole */
static int classic_fill(struct iova_bitmap *bitmap, unsigned long iova,
			size_t length, void *opaque)
{
	struct classic_report *report = opaque;
	struct iommufd_dirty_tracker *tracker = report->asked.tracker;
	struct iommufd_dirty_range window;
	int rc;

	report->bitmap = bitmap;
	for_each_dirty_range(window, iommufd_dirty_window_next,
			     IOMMUFD_DIRTY_WINDOW, iova, iova + (length - 1)) {
		if (fatal_signal_pending(current))
			return -EINTR;
		if (!classic_mapped(&tracker->ioas->iopt, window.iova,
				    &window.last))
			return -EINVAL;
		rc = iommufd_dirty_harvest(&report->asked, window.iova,
					   &window.last, report->flags,
					   &report->sink);
		if (rc)
			return rc;
	}
	return 0;
}

/* Nothing is reported while tracking is off, but the bitmap is accessed all the same */
static int classic_fill_none(struct iova_bitmap *bitmap, unsigned long iova,
			     size_t length, void *opaque)
{
	return -EINVAL;
}

/*
 * The caller of a failed call cannot know which bits were set before it failed. No lock
 * keeps the tracker running, so a later SET may find some of these pages dirty.
 */
static void classic_restore(struct classic_report *report, unsigned long iova,
			    unsigned long last)
{
	struct iommufd_dirty_tracker *tracker = report->asked.tracker;
	struct iommufd_dirty_range run;

	if ((report->flags & IOMMU_DIRTY_WALK_NO_CLEAR) ||
	    !iommufd_dirty_asked_valid(&report->asked))
		return;
	for_each_dirty_range(run, iommufd_dirty_ledger_run, &report->taken,
			     iova, last)
		iommufd_dirty_ledger_mark(&tracker->ledger, run.iova, run.last);
}

static int classic_report(struct iommufd_dirty_tracker *tracker,
			  const struct iommu_hwpt_get_dirty_bitmap *cmd,
			  struct iova_bitmap *bitmap)
{
	struct classic_report *report;
	int rc;

	report = kzalloc(sizeof(*report), GFP_KERNEL_ACCOUNT);
	if (!report)
		return -ENOMEM;
	report->sink.ops = &classic_sink_ops;
	iommufd_dirty_ledger_init(&report->taken);
	iommufd_dirty_ask(&report->asked, tracker);
	if (cmd->flags & IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR)
		report->flags = IOMMU_DIRTY_WALK_NO_CLEAR;

	rc = iova_bitmap_for_each(bitmap, report, classic_fill);
	if (rc && rc != -EINVAL)
		classic_restore(report, cmd->iova,
				cmd->iova + (cmd->length - 1));
	iommufd_dirty_ledger_fini(&report->taken);
	kfree(report);
	return rc;
}

/**
 * iommufd_dirty_hwpt_get() - IOMMU_HWPT_GET_DIRTY_BITMAP
 * @hwpt: The HWPT
 * @cmd: Arguments, with checked flags
 *
 * After an error, everything that was dirty is dirty still.
 *
 * Return: 0, also at a hole and while tracking is off; -EINVAL or -EOVERFLOW for a range
 * that is not valid; -EFAULT, -ENOMEM, -EINTR if killed, -EIO if a driver failed;
 * -ENOIOCTLCMD if the driver cannot harvest.
 */
int iommufd_dirty_hwpt_get(struct iommufd_hwpt_paging *hwpt,
			   struct iommu_hwpt_get_dirty_bitmap *cmd)
{
	struct iommufd_dirty_classic *classic;
	struct iova_bitmap *bitmap;
	int rc;

	if (!iommufd_dirty_domain_capable(hwpt->common.domain))
		return -ENOIOCTLCMD;
	rc = iommufd_check_iova_range(&hwpt->ioas->iopt, cmd);
	if (rc)
		return rc;
	bitmap = iova_bitmap_alloc(cmd->iova, cmd->length, cmd->page_size,
				   u64_to_user_ptr(cmd->data));
	if (IS_ERR(bitmap))
		return -ENOMEM;

	classic = smp_load_acquire(&hwpt->dirty.classic);
	if (classic &&
	    READ_ONCE(classic->tracker.state) == IOMMU_DIRTY_STATE_RUNNING)
		rc = classic_report(&classic->tracker, cmd, bitmap);
	else
		rc = iova_bitmap_for_each(bitmap, NULL, classic_fill_none);
	iova_bitmap_free(bitmap);
	/* A hole, or tracking is or was turned off: the bitmap has what is known */
	return rc == -EINVAL || rc == -ENODATA ? 0 : rc;
}

static struct iommufd_dirty_classic *classic_new(struct iommufd_hwpt_paging *hwpt)
{
	struct iommufd_dirty_classic *classic;
	int rc;

	classic = kzalloc(sizeof(*classic), GFP_KERNEL_ACCOUNT);
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

	classic = smp_load_acquire(&hwpt->dirty.classic);
	if (classic)
		return classic;
	new = classic_new(hwpt);
	if (IS_ERR(new))
		return new;
	mutex_lock(&hwpt->ioas->mutex);
	classic = hwpt->dirty.classic;
	if (!classic)
		smp_store_release(&hwpt->dirty.classic, new);
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
