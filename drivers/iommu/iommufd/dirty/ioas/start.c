// SPDX-License-Identifier: GPL-2.0-only
/*
 * START and STOP of IOAS trackers, and of the classic tracking of HWPTs. START enables
 * dirty tracking in the domains where it is off, splits large entries if it was asked
 * to, then clears what is dirty already, or hands it to the running trackers. STOP merges
 * what was split (split.c). Called by tracker.c with no lock held other than
 * vfio_mutex or that of the classic tracking, and when an IOAS is destroyed.
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
#include <linux/iommu.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
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

/* LIST reads the number without a lock */
static void tracker_count(struct iommufd_dirty_tracker *tracker, int change)
{
	struct iommufd_dirty_iopt *dirty = &tracker->ioas->iopt.dirty;

	if (tracker->domain)
		return;
	WRITE_ONCE(dirty->num_trackers, dirty->num_trackers + change);
	if (tracker->passive)
		dirty->num_passive += change;
	if (tracker->splits)
		dirty->num_split += change;
	if (tracker->splits == IOMMUFD_DIRTY_SPLIT_EAGER)
		dirty->num_eager += change;
	if (!dirty->num_eager)
		dirty->unsplit = false;
}

static void tracker_set_state(struct iommufd_dirty_tracker *tracker,
			      enum iommu_dirty_state state)
{
	struct io_pagetable *iopt = &tracker->ioas->iopt;

	lockdep_assert_held(&tracker->ioas->mutex);
	lockdep_assert_held_write(&iopt->domains_rwsem);
	lockdep_assert_held_write(&iopt->iova_rwsem);

	if (tracker->state == IOMMU_DIRTY_STATE_STOPPED) {
		list_add_tail(&tracker->item, &iopt->dirty.trackers);
		tracker_count(tracker, 1);
	}
	if (state == IOMMU_DIRTY_STATE_STOPPED) {
		list_del(&tracker->item);
		tracker_count(tracker, -1);
		WRITE_ONCE(tracker->stops, tracker->stops + 1);
	}
	WRITE_ONCE(tracker->state, state);
}

/**
 * iommufd_dirty_all_degraded() - Check whether all trackers use degraded mode
 * @iopt: The IOAS
 *
 * Abandoned trackers do not count, nor does the classic tracking of a HWPT.
 *
 * Context: domains_rwsem is held.
 * Return: true if each tracker treats what cannot be tracked as dirty.
 */
bool iommufd_dirty_all_degraded(struct io_pagetable *iopt)
{
	struct iommufd_dirty_tracker *tracker;

	lockdep_assert_held(&iopt->domains_rwsem);

	list_for_each_entry(tracker, &iopt->dirty.trackers, item)
		if (!tracker->degraded && !tracker->domain &&
		    !READ_ONCE(tracker->abandoned))
			return false;
	return true;
}

/* Enter IOMMU_DIRTY_STATE_STARTING; iommufd_ioas::mutex is held */
static int tracker_enable(struct iommufd_dirty_tracker *tracker,
			  struct iommufd_dirty_start_args *req)
{
	struct iommufd_ioas *ioas = tracker->ioas;
	bool degraded = req->degraded;
	int rc;

	rc = tracker_lock_killable(ioas);
	if (rc)
		return rc;
	tracker->degraded = degraded;
	if (!degraded && !tracker->domain) {
		iommufd_dirty_enable_failed(ioas);
		rc = iommufd_dirty_first_untrackable(ioas, &req->failed);
	}
	if (!rc)
		rc = iommufd_dirty_enable(tracker, &req->failed);
	if (!rc) {
		if (degraded && !iommufd_dirty_watched(&ioas->iopt) &&
		    iommufd_dirty_untracked(&ioas->iopt))
			trace_iommufd_dirty_degraded(ioas->obj.id);
		tracker->splits = req->splits;
		tracker_set_state(tracker, IOMMU_DIRTY_STATE_STARTING);
	}
	tracker_unlock(ioas);
	return rc;
}

/* Enter IOMMU_DIRTY_STATE_STOPPED; called after tracker_lock(), drops its locks */
static int tracker_disable(struct iommufd_dirty_tracker *tracker)
{
	struct iommufd_ioas *ioas = tracker->ioas;
	int rc;

	tracker_set_state(tracker, IOMMU_DIRTY_STATE_STOPPED);
	WRITE_ONCE(tracker->abandoned, false);
	rc = iommufd_dirty_disable(tracker);
	tracker_unlock(ioas);
	iommufd_dirty_ledger_purge(&tracker->ledger);
	return rc;
}

/* Stop the tracker if it is still abandoned; false if a lock is contended */
static bool tracker_try_abandon(struct iommufd_dirty_tracker *tracker)
{
	struct iommufd_dirty_anchor *anchor = tracker->anchor;
	struct iommufd_ioas *ioas = tracker->ioas;
	bool done;

	if (!down_read_trylock(&anchor->rwsem))
		return false;
	/* An IOAS that goes stops its trackers */
	done = anchor->gone;
	if (!done && mutex_trylock(&ioas->mutex)) {
		done = !READ_ONCE(tracker->abandoned);
		if (!done && tracker_trylock(ioas)) {
			tracker_disable(tracker);
			done = true;
		}
		mutex_unlock(&ioas->mutex);
	}
	up_read(&anchor->rwsem);
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

/* Without an IOAS there is nothing; if killed, true: the caller notices the signal */
static bool ioas_next(struct iommufd_dirty_tracker *tracker,
		      unsigned long iova, unsigned long last,
		      unsigned long *next)
{
	int rc = iommufd_dirty_enter(tracker);
	struct iommufd_dirty_range mapped;
	bool found;

	*next = iova;
	if (rc)
		return rc == -EINTR;
	found = iommufd_dirty_mapped_next(&tracker->ioas->iopt, iova, last,
					  &mapped);
	*next = mapped.iova;
	iommufd_dirty_exit(tracker);
	return found;
}

/**
 * iommufd_dirty_window_mapped() - Find the next window that has a mapping
 * @tracker: An IOAS tracker
 * @iova: Where to start
 * @last: Where to end, inclusive
 * @window: Out: the window
 *
 * For for_each_dirty_range().
 *
 * Return: false if there is none. If killed, true: the caller notices the signal.
 */
bool iommufd_dirty_window_mapped(struct iommufd_dirty_tracker *tracker,
				 unsigned long iova, unsigned long last,
				 struct iommufd_dirty_range *window)
{
	return ioas_next(tracker, iova, last, &iova) &&
	       iommufd_dirty_window_next(IOMMUFD_DIRTY_WINDOW, iova, last,
					 window);
}

/**
 * iommufd_dirty_forget() - Clear what the domains of a tracker hold as dirty
 * @tracker: An IOAS tracker; what its ledger holds stays dirty
 * @state: The state that it is in
 *
 * It goes to the ledgers of the other running trackers.
 *
 * Return: 0, -ENODATA if the tracker is stopped meanwhile, -EINTR if killed, or -EIO if
 * a driver failed.
 */
int iommufd_dirty_forget(struct iommufd_dirty_tracker *tracker,
			 enum iommu_dirty_state state)
{
	struct iommufd_dirty_asked asked = {
		.tracker = tracker,
		.state = state,
		.stops = READ_ONCE(tracker->stops),
	};
	struct iommufd_dirty_range window;
	int rc;

	iommufd_dirty_break_wait(IOMMUFD_DIRTY_BREAK_FORGET);
	for_each_dirty_range(window, iommufd_dirty_window_mapped, tracker, 0,
			     ULONG_MAX) {
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
	struct list_head *trackers = &tracker->ioas->iopt.dirty.trackers;

	if (tracker->state != IOMMU_DIRTY_STATE_STOPPED)
		return -EALREADY;
	/* There are no more HWPTs than domains to walk */
	if (!tracker->domain &&
	    iommufd_dirty_count(trackers, tracker->passive) >=
		    IOMMUFD_DIRTY_MAX_TRACKERS)
		return -EUSERS;
	return 0;
}

/* Enter IOMMU_DIRTY_STATE_STARTING */
static int start_begin(struct iommufd_dirty_tracker *tracker,
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
	if (!rc && req->splits)
		rc = iommufd_dirty_split_prepare(ioas);
	if (!rc)
		rc = tracker_enable(tracker, req);
	mutex_unlock(&ioas->mutex);
	return rc;
}

/*
 * Enter IOMMU_DIRTY_STATE_RUNNING, or stop if @rc is an error. Returns false if killed
 * while waiting for a lock: the tracker is still starting then.
 */
static bool start_end(struct iommufd_dirty_tracker *tracker, int rc)
{
	struct iommufd_ioas *ioas = tracker->ioas;

	if (mutex_lock_killable(&ioas->mutex))
		return false;
	if (tracker_lock_killable(ioas)) {
		mutex_unlock(&ioas->mutex);
		return false;
	}
	if (rc) {
		tracker_disable(tracker);
	} else {
		tracker_set_state(tracker, IOMMU_DIRTY_STATE_RUNNING);
		tracker_unlock(ioas);
	}
	mutex_unlock(&ioas->mutex);
	return true;
}

/* Between start_begin() and start_end(), which gets what this returns */
static int start_prepare(struct iommufd_dirty_tracker *tracker,
			 const struct iommufd_dirty_start_args *req)
{
	int rc = 0;

	/* First, as it reports nothing to this tracker: that would be forgotten anyway */
	if (req->splits == IOMMUFD_DIRTY_SPLIT_EAGER)
		rc = iommufd_dirty_split(tracker);
	if (!rc)
		rc = iommufd_dirty_forget(tracker, IOMMU_DIRTY_STATE_STARTING);
	return rc;
}

static int ioas_start(struct iommufd_dirty_tracker *tracker,
		      struct iommufd_dirty_start_args *req)
{
	bool ended = false;
	int rc, rc_prepare;

	rc = iommufd_dirty_enter(tracker);
	if (rc)
		return rc;
	rc = start_begin(tracker, req);
	iommufd_dirty_exit(tracker);
	if (rc)
		return rc;

	/* This can take long, so drop the locks; STARTING keeps START and STOP out */
	rc_prepare = start_prepare(tracker, req);

	rc = iommufd_dirty_enter(tracker);
	/* An IOAS that goes stops its trackers */
	if (rc == -ENODEV)
		return rc;
	if (!rc) {
		ended = start_end(tracker, rc_prepare);
		iommufd_dirty_exit(tracker);
	}
	if (ended && rc_prepare && req->splits)
		iommufd_dirty_merge(tracker);
	if (ended)
		return rc_prepare;
	/* A killed task must not wait for the holders of the locks */
	WRITE_ONCE(tracker->abandoned, true);
	queue_delayed_work(system_unbound_wq, &tracker->abandon, 0);
	return -EINTR;
}

/* Sets @merges if what the tracker has split is to be merged now */
static int stop_locked(struct iommufd_dirty_tracker *tracker, bool killable,
		       bool *merges)
{
	struct iommufd_ioas *ioas = tracker->ioas;
	int rc;

	if (!killable)
		mutex_lock(&ioas->mutex);
	else if (mutex_lock_killable(&ioas->mutex))
		return -EINTR;

	rc = tracker_abandon(tracker, killable);
	if (tracker->state == IOMMU_DIRTY_STATE_STARTING) {
		rc = rc ? rc : -EBUSY;
	} else if (tracker->state == IOMMU_DIRTY_STATE_RUNNING) {
		rc = tracker_lock_how(ioas, killable);
		if (!rc)
			rc = tracker_disable(tracker);
	}
	if (tracker->state == IOMMU_DIRTY_STATE_STOPPED) {
		*merges = tracker->splits;
		/* Once is enough */
		tracker->splits = IOMMUFD_DIRTY_SPLIT_NEVER;
	}
	mutex_unlock(&ioas->mutex);
	return rc;
}

static int ioas_stop(struct iommufd_dirty_tracker *tracker, bool killable)
{
	struct iommufd_dirty_anchor *anchor = tracker->anchor;
	bool merges = false;
	int rc = 0;

	if (!killable) {
		/* The tracker may be about to be freed */
		cancel_delayed_work_sync(&tracker->abandon);
		down_read(&anchor->rwsem);
	} else if (down_read_killable(&anchor->rwsem)) {
		return -EINTR;
	}
	/* An IOAS that goes stops its trackers */
	if (!anchor->gone)
		rc = stop_locked(tracker, killable, &merges);
	up_read(&anchor->rwsem);
	/* This can take long, so drop the locks */
	if (merges)
		iommufd_dirty_merge(tracker);
	return rc;
}

/**
 * iommufd_dirty_ioas_destroyed() - An IOAS is being destroyed
 * @ioas: The IOAS, without HWPTs and accesses, and with nobody else using it
 *
 * Its trackers end. They are passive or have a file: all others hold a reference to it.
 */
void iommufd_dirty_ioas_destroyed(struct iommufd_ioas *ioas)
{
	struct iommufd_dirty_anchor *anchor = ioas->iopt.dirty.anchor;
	struct iommufd_dirty_tracker *tracker, *next;

	if (!anchor)
		return;
	down_write(&anchor->rwsem);
	anchor->gone = true;
	mutex_lock(&ioas->mutex);
	list_for_each_entry_safe(tracker, next, &ioas->iopt.dirty.trackers,
				 item) {
		tracker_lock(ioas);
		tracker_disable(tracker);
	}
	mutex_unlock(&ioas->mutex);
	up_write(&anchor->rwsem);
	kvfree(ioas->iopt.dirty.orphans);
	iommufd_dirty_anchor_put(anchor);
}

static void ioas_release(struct iommufd_dirty_tracker *tracker)
{
	if (tracker->holds)
		refcount_dec(&tracker->ioas->obj.users);
	iommufd_dirty_anchor_put(tracker->anchor);
}

const struct iommufd_dirty_scope iommufd_dirty_ioas_scope = {
	.start = ioas_start,
	.stop = ioas_stop,
	.info = iommufd_dirty_ioas_info,
	.next = ioas_next,
	.harvest = iommufd_dirty_harvest,
	.harvest_ledger = iommufd_dirty_harvest_ledger,
	.mark = iommufd_dirty_harvest_mark,
	.wait = iommufd_dirty_harvest_wait,
	.release = ioas_release,
};
