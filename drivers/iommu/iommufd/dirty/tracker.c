// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a dirty tracker: START enables dirty tracking in the domain of
 * every HWPT of the IOAS or in none and then clears what is dirty already, STOP
 * and the destruction of the object disable it. Called by ioctl.c and by
 * iommufd's object destruction, without locks.
 *
 * iommufd_ioas::mutex keeps HWPTs from being added to and removed from the
 * list meanwhile, attach_rwsem devices from being attached to them and detached:
 * a driver enables what it finds attached, and looks at the domain when it
 * attaches. domains_rwsem, held for writing where the state changes, keeps out
 * harvests, which look at the state, and mapping: a driver may build new entries
 * differently while it tracks.
 */
#define pr_fmt(fmt) "iommufd: " fmt

#include <linux/iommu.h>

#include "dirty.h"

static void tracker_lock(struct iommufd_ioas *ioas)
{
	lockdep_assert_held(&ioas->mutex);

	down_read(&ioas->iopt.dirty.attach_rwsem);
	down_write(&ioas->iopt.domains_rwsem);
}

static void tracker_unlock(struct iommufd_ioas *ioas)
{
	up_write(&ioas->iopt.domains_rwsem);
	up_read(&ioas->iopt.dirty.attach_rwsem);
}

static int tracker_enable_hw(struct iommufd_hwpt_paging *hwpt)
{
	struct iommu_domain *domain = hwpt->common.domain;

	return domain->dirty_ops->set_dirty_tracking(domain, true);
}

static int tracker_disable_hw(struct iommufd_hwpt_paging *hwpt)
{
	struct iommu_domain *domain = hwpt->common.domain;
	int rc;

	rc = domain->dirty_ops->set_dirty_tracking(domain, false);
	if (rc)
		pr_warn_ratelimited("HWPT %u: dirty tracking stays on: %d\n",
				    hwpt->common.obj.id, rc);
	return rc;
}

static void tracker_set_state(struct iommufd_dirty_tracker *tracker,
			      enum iommu_dirty_state state)
{
	struct io_pagetable *iopt = &tracker->ioas->iopt;

	lockdep_assert_held(&tracker->ioas->mutex);
	lockdep_assert_held_write(&iopt->domains_rwsem);

	tracker->state = state;
	iopt->dirty.tracker =
		state == IOMMU_DIRTY_STATE_STOPPED ? NULL : tracker;
}

/* Does anybody else use the dirty bits of the IOAS? */
static bool tracker_ioas_busy(struct iommufd_ioas *ioas)
{
	struct iommufd_hwpt_paging *hwpt;

	lockdep_assert_held(&ioas->mutex);

	if (ioas->iopt.dirty.tracker || ioas->iopt.dirty.hwpt_calls)
		return true;
	list_for_each_entry(hwpt, &ioas->hwpt_list, hwpt_item)
		if (hwpt->dirty.by_ioctl)
			return true;
	return false;
}

/* Enable all HWPTs or none, and enter IOMMU_DIRTY_STATE_STARTING. */
static int tracker_enable(struct iommufd_dirty_tracker *tracker,
			  struct iommu_dirty_member *failed)
{
	struct iommufd_ioas *ioas = tracker->ioas;
	struct iommufd_hwpt_paging *hwpt;
	int rc;

	tracker_lock(ioas);
	rc = iommufd_dirty_first_untrackable(ioas, failed);
	if (rc)
		goto out_unlock;
	list_for_each_entry(hwpt, &ioas->hwpt_list, hwpt_item) {
		rc = tracker_enable_hw(hwpt);
		if (rc)
			goto err_disable;
	}
	tracker_set_state(tracker, IOMMU_DIRTY_STATE_STARTING);
	goto out_unlock;

err_disable:
	iommufd_dirty_describe_hwpt(hwpt, failed);
	failed->reason = IOMMU_DIRTY_REASON_ENABLE_FAILED;
	rc = -EOPNOTSUPP;
	list_for_each_entry_continue_reverse(hwpt, &ioas->hwpt_list, hwpt_item)
		tracker_disable_hw(hwpt);
out_unlock:
	tracker_unlock(ioas);
	return rc;
}

/* Enter IOMMU_DIRTY_STATE_STOPPED. */
static int tracker_disable(struct iommufd_dirty_tracker *tracker)
{
	struct iommufd_ioas *ioas = tracker->ioas;
	struct iommufd_hwpt_paging *hwpt;
	int rc = 0;

	tracker_lock(ioas);
	tracker_set_state(tracker, IOMMU_DIRTY_STATE_STOPPED);
	/* Go on after a failure: as little as possible stays enabled */
	list_for_each_entry(hwpt, &ioas->hwpt_list, hwpt_item)
		if (tracker_disable_hw(hwpt))
			rc = -EIO;
	tracker_unlock(ioas);
	return rc;
}

/**
 * iommufd_dirty_start() - Start a tracker
 * @tracker: The tracker
 * @failed: Out: after -EOPNOTSUPP, the member that cannot be tracked
 *
 * Return: see struct iommu_dirty_tracker_start.
 */
int iommufd_dirty_start(struct iommufd_dirty_tracker *tracker,
			struct iommu_dirty_member *failed)
{
	struct iommufd_ioas *ioas = tracker->ioas;
	int rc;

	if (mutex_lock_killable(&ioas->mutex))
		return -EINTR;
	if (tracker->state != IOMMU_DIRTY_STATE_STOPPED)
		rc = -EALREADY;
	else if (tracker_ioas_busy(ioas))
		rc = -EBUSY;
	else
		rc = tracker_enable(tracker, failed);
	mutex_unlock(&ioas->mutex);
	if (rc)
		return rc;

	/* Long, so without the mutex; the state keeps others out */
	rc = iommufd_dirty_forget(tracker);

	mutex_lock(&ioas->mutex);
	if (rc) {
		tracker_disable(tracker);
	} else {
		tracker_lock(ioas);
		tracker_set_state(tracker, IOMMU_DIRTY_STATE_RUNNING);
		tracker_unlock(ioas);
	}
	mutex_unlock(&ioas->mutex);
	return rc;
}

/**
 * iommufd_dirty_stop() - Stop a tracker
 * @tracker: The tracker
 *
 * Return: see struct iommu_dirty_tracker_stop.
 */
int iommufd_dirty_stop(struct iommufd_dirty_tracker *tracker)
{
	int rc = 0;

	mutex_lock(&tracker->ioas->mutex);
	if (tracker->state == IOMMU_DIRTY_STATE_STARTING)
		rc = -EBUSY;
	else if (tracker->state == IOMMU_DIRTY_STATE_RUNNING)
		rc = tracker_disable(tracker);
	mutex_unlock(&tracker->ioas->mutex);
	return rc;
}

/**
 * iommufd_dirty_tracker_destroy() - Destroy the object
 * @obj: The tracker's object, with no user left
 */
void iommufd_dirty_tracker_destroy(struct iommufd_object *obj)
{
	struct iommufd_dirty_tracker *tracker =
		container_of(obj, struct iommufd_dirty_tracker, obj);

	/* Nothing to do about a failure here; it has been logged */
	iommufd_dirty_stop(tracker);
	refcount_dec(&tracker->ioas->obj.users);
}
