// SPDX-License-Identifier: GPL-2.0-only
/*
 * START and STOP of IOAS trackers. The first START enables dirty tracking in the
 * domains of all HWPTs or of none; in degraded mode, of those that can be tracked.
 * Each START clears what is dirty already, or hands it to the running trackers. The
 * last STOP disables tracking. Called by tracker.c with no lock other than vfio_mutex
 * held.
 *
 * These locks are held where the state of a tracker changes:
 *   iommufd_ioas::mutex	the list of HWPTs cannot change
 *   domains_rwsem		for writing: keeps out harvests, which check the state,
 *				and mapping, as a driver may build entries differently
 *				while it tracks
 *   attach_rwsem		for reading: no device is attached or detached. A driver
 *				enables tracking for attached devices, and checks the
 *				domain when it attaches one
 *   iova_rwsem			for writing: keeps out writes by software
 */
#define pr_fmt(fmt) "iommufd: " fmt

#include <linux/iommu.h>
#include <linux/sched/signal.h>
#include <trace/events/iommufd_dirty.h>

#include "../tests/break.h"
#include "ioas.h"

/* How often to retry to stop a tracker whose START was killed */
#define ABANDON_JIFFIES		max(HZ / 50, 1)

static void tracker_lock(struct iommufd_ioas *ioas)
{
	lockdep_assert_held(&ioas->mutex);

	down_write(&ioas->iopt.domains_rwsem);
	down_read(&ioas->iopt.dirty.attach_rwsem);
	down_write(&ioas->iopt.iova_rwsem);
}

static bool tracker_trylock(struct iommufd_ioas *ioas)
{
	struct io_pagetable *iopt = &ioas->iopt;

	lockdep_assert_held(&ioas->mutex);

	if (!down_write_trylock(&iopt->domains_rwsem))
		return false;
	if (!down_read_trylock(&iopt->dirty.attach_rwsem))
		goto out_domains;
	if (!down_write_trylock(&iopt->iova_rwsem))
		goto out_attach;
	return true;

out_attach:
	up_read(&iopt->dirty.attach_rwsem);
out_domains:
	up_write(&iopt->domains_rwsem);
	return false;
}

static int tracker_lock_killable(struct iommufd_ioas *ioas)
{
	struct io_pagetable *iopt = &ioas->iopt;

	lockdep_assert_held(&ioas->mutex);

	if (down_write_killable(&iopt->domains_rwsem))
		return -EINTR;
	if (down_read_killable(&iopt->dirty.attach_rwsem))
		goto out_domains;
	/* An access that pins pages holds it while they are faulted in */
	if (down_write_killable(&iopt->iova_rwsem))
		goto out_attach;
	return 0;

out_attach:
	up_read(&iopt->dirty.attach_rwsem);
out_domains:
	up_write(&iopt->domains_rwsem);
	return -EINTR;
}

static int tracker_lock_how(struct iommufd_ioas *ioas, bool killable)
{
	if (killable)
		return tracker_lock_killable(ioas);
	tracker_lock(ioas);
	return 0;
}

static void tracker_unlock(struct iommufd_ioas *ioas)
{
	up_write(&ioas->iopt.iova_rwsem);
	up_read(&ioas->iopt.dirty.attach_rwsem);
	up_write(&ioas->iopt.domains_rwsem);
}

static int tracker_enable_hw(struct iommufd_hwpt_paging *hwpt)
{
	struct iommu_domain *domain = hwpt->common.domain;

	lockdep_assert_held(&hwpt->ioas->iopt.dirty.attach_rwsem);

	return domain->dirty_ops->set_dirty_tracking(domain, true);
}

static int tracker_disable_hw(struct iommufd_hwpt_paging *hwpt)
{
	struct iommu_domain *domain = hwpt->common.domain;
	int rc;

	lockdep_assert_held(&hwpt->ioas->iopt.dirty.attach_rwsem);

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
	lockdep_assert_held_write(&iopt->iova_rwsem);

	if (tracker->state == IOMMU_DIRTY_STATE_STOPPED) {
		iommufd_dirty_ledger_charge(&tracker->ledger);
		list_add_tail(&tracker->item, &iopt->dirty.trackers);
	}
	if (state == IOMMU_DIRTY_STATE_STOPPED) {
		list_del(&tracker->item);
		WRITE_ONCE(tracker->stops, tracker->stops + 1);
	}
	WRITE_ONCE(tracker->state, state);
}

/**
 * iommufd_dirty_all_degraded() - Check whether all trackers use degraded mode
 * @iopt: The IOAS
 *
 * Abandoned trackers do not count.
 *
 * Context: domains_rwsem is held.
 * Return: true if each tracker treats what cannot be tracked as dirty.
 */
bool iommufd_dirty_all_degraded(struct io_pagetable *iopt)
{
	struct iommufd_dirty_tracker *tracker;

	lockdep_assert_held(&iopt->domains_rwsem);

	list_for_each_entry(tracker, &iopt->dirty.trackers, item)
		if (!tracker->degraded && !READ_ONCE(tracker->abandoned))
			return false;
	return true;
}

/* True if the per-HWPT ioctls use the dirty bits of the IOAS */
static bool tracker_ioas_busy(struct iommufd_ioas *ioas)
{
	struct iommufd_hwpt_paging *hwpt;

	lockdep_assert_held(&ioas->mutex);

	if (ioas->iopt.dirty.hwpt_calls)
		return true;
	list_for_each_entry(hwpt, &ioas->hwpt_list, hwpt_item)
		if (hwpt->dirty.by_ioctl)
			return true;
	return false;
}

static void tracker_disable_all(struct iommufd_ioas *ioas, int *rc)
{
	struct iommufd_hwpt_paging *hwpt;

	/* Continue after a failure, to leave as little as possible enabled */
	list_for_each_entry(hwpt, &ioas->hwpt_list, hwpt_item) {
		hwpt->common.domain->dirty_failed = false;
		if (iommufd_dirty_domain_capable(hwpt->common.domain) &&
		    tracker_disable_hw(hwpt))
			*rc = -EIO;
	}
}

/* Enable all HWPTs or none; degraded mode enables those that it can */
static int tracker_enable_all(struct iommufd_ioas *ioas, bool degraded,
			      struct iommu_dirty_member *failed)
{
	struct iommufd_hwpt_paging *hwpt;

	list_for_each_entry(hwpt, &ioas->hwpt_list, hwpt_item) {
		if (!iommufd_dirty_domain_capable(hwpt->common.domain) ||
		    !tracker_enable_hw(hwpt))
			continue;
		if (degraded) {
			hwpt->common.domain->dirty_failed = true;
			continue;
		}
		iommufd_dirty_describe_hwpt(hwpt, failed);
		failed->reason = IOMMU_DIRTY_REASON_ENABLE_FAILED;
		list_for_each_entry_continue_reverse(hwpt, &ioas->hwpt_list,
						     hwpt_item)
			tracker_disable_hw(hwpt);
		return -ENXIO;
	}
	return 0;
}

/* Enter IOMMU_DIRTY_STATE_STARTING; iommufd_ioas::mutex is held */
static int tracker_enable(struct iommufd_dirty_tracker *tracker, bool degraded,
			  struct iommu_dirty_member *failed)
{
	struct iommufd_ioas *ioas = tracker->ioas;
	bool first = list_empty(&ioas->iopt.dirty.trackers);
	int rc;

	rc = tracker_lock_killable(ioas);
	if (rc)
		return rc;
	if (!degraded)
		rc = iommufd_dirty_first_untrackable(ioas, failed);
	if (!rc && first)
		rc = tracker_enable_all(ioas, degraded, failed);
	if (!rc) {
		if (first && iommufd_dirty_untracked(&ioas->iopt))
			trace_iommufd_dirty_degraded(ioas->obj.id);
		tracker->degraded = degraded;
		tracker_set_state(tracker, IOMMU_DIRTY_STATE_STARTING);
	}
	tracker_unlock(ioas);
	return rc;
}

/* Enter IOMMU_DIRTY_STATE_STOPPED; called after tracker_lock(), drops its locks */
static int tracker_disable(struct iommufd_dirty_tracker *tracker)
{
	struct iommufd_ioas *ioas = tracker->ioas;
	int rc = 0;

	tracker_set_state(tracker, IOMMU_DIRTY_STATE_STOPPED);
	WRITE_ONCE(tracker->abandoned, false);
	if (list_empty(&ioas->iopt.dirty.trackers))
		tracker_disable_all(ioas, &rc);
	tracker_unlock(ioas);
	iommufd_dirty_ledger_purge(&tracker->ledger);
	return rc;
}

/* Stop the tracker if it is still abandoned; false if a lock is contended */
static bool tracker_try_abandon(struct iommufd_dirty_tracker *tracker)
{
	struct iommufd_ioas *ioas = tracker->ioas;
	bool done;

	if (!mutex_trylock(&ioas->mutex))
		return false;
	done = !READ_ONCE(tracker->abandoned);
	if (!done && tracker_trylock(ioas)) {
		tracker_disable(tracker);
		done = true;
	}
	mutex_unlock(&ioas->mutex);
	return done;
}

/* Stop the tracker if it is still abandoned, and wait for the locks */
static int tracker_abandon(struct iommufd_dirty_tracker *tracker, bool killable)
{
	int rc;

	lockdep_assert_held(&tracker->ioas->mutex);

	if (!READ_ONCE(tracker->abandoned))
		return 0;
	rc = tracker_lock_how(tracker->ioas, killable);
	return rc ? rc : tracker_disable(tracker);
}

/**
 * iommufd_dirty_abandon() - Stop a tracker whose START was killed
 * @work: iommufd_dirty_tracker::abandon
 *
 * Userspace controls how long the locks are held, and for how many trackers, so the
 * worker must not wait for them. If it never gets them, the next START or STOP of the
 * tracker does the work.
 */
void iommufd_dirty_abandon(struct work_struct *work)
{
	struct iommufd_dirty_tracker *tracker =
		container_of(to_delayed_work(work),
			     struct iommufd_dirty_tracker, abandon);

	if (!tracker_try_abandon(tracker))
		queue_delayed_work(system_unbound_wq, &tracker->abandon,
				   ABANDON_JIFFIES);
}

/* Find the next window that has a mapping, for for_each_dirty_range() */
static bool forget_next(struct io_pagetable *iopt, unsigned long iova,
			unsigned long last, struct iommufd_dirty_range *window)
{
	return iommufd_dirty_next_mapped(iopt, iova, last, &iova) &&
	       iommufd_dirty_window_next(IOMMUFD_DIRTY_WINDOW, iova, last,
					 window);
}

/* Clear what was dirty before START; it goes to the ledgers of running trackers */
static int tracker_forget(struct iommufd_dirty_tracker *tracker)
{
	struct io_pagetable *iopt = &tracker->ioas->iopt;
	struct iommufd_dirty_asked asked = {
		.tracker = tracker,
		.state = IOMMU_DIRTY_STATE_STARTING,
		.stops = tracker->stops,
	};
	struct iommufd_dirty_range window;
	int rc;

	iommufd_dirty_break_wait(IOMMUFD_DIRTY_BREAK_FORGET);
	for_each_dirty_range(window, forget_next, iopt, 0, ULONG_MAX) {
		if (fatal_signal_pending(current))
			return -EINTR;
		rc = iommufd_dirty_harvest(&asked, window.iova, &window.last, 0,
					   NULL);
		if (rc)
			return rc;
	}
	return 0;
}

static int tracker_check_start(struct iommufd_dirty_tracker *tracker)
{
	struct iommufd_ioas *ioas = tracker->ioas;

	if (tracker->state != IOMMU_DIRTY_STATE_STOPPED)
		return -EALREADY;
	if (tracker_ioas_busy(ioas))
		return -EBUSY;
	if (list_count_nodes(&ioas->iopt.dirty.trackers) >=
	    IOMMUFD_DIRTY_MAX_TRACKERS)
		return -EUSERS;
	return 0;
}

static int ioas_start(struct iommufd_dirty_tracker *tracker,
		      struct iommufd_dirty_start_args *req)
{
	struct iommufd_ioas *ioas = tracker->ioas;
	int rc;

	if (mutex_lock_killable(&ioas->mutex))
		return -EINTR;
	/* Ignore -EIO: START does not care if tracking is still enabled in hardware */
	rc = tracker_abandon(tracker, true);
	if (rc != -EINTR)
		rc = tracker_check_start(tracker);
	if (!rc)
		rc = tracker_enable(tracker, req->degraded, &req->failed);
	mutex_unlock(&ioas->mutex);
	if (rc)
		return rc;

	/* This can take long, so drop the mutex; STARTING keeps START and STOP out */
	rc = tracker_forget(tracker);

	if (mutex_lock_killable(&ioas->mutex))
		goto err_abandon;
	if (tracker_lock_killable(ioas)) {
		mutex_unlock(&ioas->mutex);
		goto err_abandon;
	}
	if (rc) {
		tracker_disable(tracker);
	} else {
		tracker_set_state(tracker, IOMMU_DIRTY_STATE_RUNNING);
		tracker_unlock(ioas);
	}
	mutex_unlock(&ioas->mutex);
	return rc;

err_abandon:
	/* A killed task must not wait for the holders of the locks */
	WRITE_ONCE(tracker->abandoned, true);
	queue_delayed_work(system_unbound_wq, &tracker->abandon, 0);
	return -EINTR;
}

static int ioas_stop(struct iommufd_dirty_tracker *tracker, bool killable)
{
	struct iommufd_ioas *ioas = tracker->ioas;
	int rc;

	if (!killable) {
		/* The tracker may be about to be freed */
		cancel_delayed_work_sync(&tracker->abandon);
		mutex_lock(&ioas->mutex);
	} else if (mutex_lock_killable(&ioas->mutex)) {
		return -EINTR;
	}

	rc = tracker_abandon(tracker, killable);
	if (tracker->state == IOMMU_DIRTY_STATE_STARTING) {
		rc = rc ? rc : -EBUSY;
	} else if (tracker->state == IOMMU_DIRTY_STATE_RUNNING) {
		rc = tracker_lock_how(ioas, killable);
		if (!rc)
			rc = tracker_disable(tracker);
	}
	mutex_unlock(&ioas->mutex);
	return rc;
}

static bool ioas_next(struct iommufd_dirty_tracker *tracker,
		      unsigned long iova, unsigned long last,
		      unsigned long *next)
{
	return iommufd_dirty_next_mapped(&tracker->ioas->iopt, iova, last,
					 next);
}

static unsigned int ioas_window_shift(struct iommufd_dirty_tracker *tracker)
{
	return IOMMUFD_DIRTY_WINDOW_SHIFT;
}

static void ioas_release(struct iommufd_dirty_tracker *tracker)
{
	refcount_dec(&tracker->ioas->obj.users);
}

const struct iommufd_dirty_scope iommufd_dirty_ioas_scope = {
	.start = ioas_start,
	.stop = ioas_stop,
	.info = iommufd_dirty_ioas_info,
	.next = ioas_next,
	.window_shift = ioas_window_shift,
	.harvest = iommufd_dirty_harvest,
	.harvest_ledger = iommufd_dirty_harvest_ledger,
	.mark = iommufd_dirty_harvest_mark,
	.wait = iommufd_dirty_harvest_wait,
	.release = ioas_release,
};
