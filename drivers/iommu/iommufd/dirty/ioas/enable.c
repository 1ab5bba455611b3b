// SPDX-License-Identifier: GPL-2.0-only
/*
 * Dirty tracking in the hardware: on in a domain while somebody needs it there, a tracker
 * of the IOAS or the classic tracking of its HWPT. Called by start.c.
 *
 * Who needs it follows from the list of trackers. So it is enabled before a tracker is
 * added to the list, and disabled after one was removed.
 */
#define pr_fmt(fmt) "iommufd: " fmt

#include <linux/iommu.h>

#include "ioas.h"

/* True if tracking is needed in the domain */
static bool domain_used(struct io_pagetable *iopt, struct iommu_domain *domain)
{
	struct iommufd_dirty_tracker *tracker;

	list_for_each_entry(tracker, &iopt->dirty.trackers, item)
		if (!tracker->domain || tracker->domain == domain)
			return true;
	return false;
}

/* Each change is made with these locks held; see start.c */
static void assert_locks(struct iommufd_ioas *ioas)
{
	lockdep_assert_held(&ioas->mutex);
	lockdep_assert_held_write(&ioas->iopt.domains_rwsem);
	lockdep_assert_held(&ioas->iopt.dirty.attach_rwsem);
}

/* Enable tracking, unless it is on already. Returns what the driver returns */
static int domain_enable(struct iommufd_ioas *ioas, struct iommu_domain *domain)
{
	if (domain_used(&ioas->iopt, domain) && !domain->dirty_failed)
		return 0;
	return domain->dirty_ops->set_dirty_tracking(domain, true);
}

/* Disable tracking, unless it is still needed */
static int domain_disable(struct iommufd_ioas *ioas, struct iommu_domain *domain)
{
	int rc;

	if (domain_used(&ioas->iopt, domain))
		return 0;
	rc = domain->dirty_ops->set_dirty_tracking(domain, false);
	if (rc)
		pr_warn_ratelimited("IOAS %u: dirty tracking stays on: %d\n",
				    ioas->obj.id, rc);
	return rc;
}

static int enable_all(struct iommufd_dirty_tracker *tracker,
		      struct iommu_dirty_member *failed)
{
	struct iommufd_ioas *ioas = tracker->ioas;
	struct iommufd_hwpt_paging *hwpt;
	struct iommu_domain *domain;

	/* It is on, or has failed, in each domain that can be tracked */
	if (iommufd_dirty_watched(&ioas->iopt))
		return 0;
	list_for_each_entry(hwpt, &ioas->hwpt_list, hwpt_item) {
		domain = hwpt->common.domain;
		if (!iommufd_dirty_domain_capable(domain) ||
		    !domain_enable(ioas, domain))
			continue;
		if (tracker->degraded) {
			domain->dirty_failed = true;
			continue;
		}
		iommufd_dirty_describe_hwpt(hwpt, failed);
		failed->reason = IOMMU_DIRTY_REASON_ENABLE_FAILED;
		list_for_each_entry_continue_reverse(hwpt, &ioas->hwpt_list,
						     hwpt_item)
			if (iommufd_dirty_domain_capable(hwpt->common.domain))
				domain_disable(ioas, hwpt->common.domain);
		return -ENXIO;
	}
	return 0;
}

/**
 * iommufd_dirty_enable() - Enable tracking for a tracker that is about to start
 * @tracker: An IOAS tracker, not in the list yet
 * @failed: Out: after -ENXIO, the HWPT whose driver failed
 *
 * It is enabled in the domains of all HWPTs or of none, in degraded mode in those that
 * can be tracked. For a HWPT's classic tracking it is enabled in its domain.
 *
 * Context: iommufd_ioas::mutex and, for writing, domains_rwsem are held, and
 * attach_rwsem.
 * Return: 0 or -ENXIO; for classic tracking, what the driver returns.
 */
int iommufd_dirty_enable(struct iommufd_dirty_tracker *tracker,
			 struct iommu_dirty_member *failed)
{
	assert_locks(tracker->ioas);

	return tracker->domain ? domain_enable(tracker->ioas, tracker->domain) :
				 enable_all(tracker, failed);
}

/**
 * iommufd_dirty_enable_failed() - Enable tracking where it failed before
 * @ioas: The IOAS
 *
 * A degraded tracker goes without, but one that is about to start may need it. The running
 * ones then get what was written before as dirty: they treat no more as dirty from now on.
 *
 * Context: as for iommufd_dirty_enable(), and iova_rwsem is held for writing.
 */
void iommufd_dirty_enable_failed(struct iommufd_ioas *ioas)
{
	struct iommufd_hwpt_paging *hwpt;
	struct iommu_domain *domain;

	assert_locks(ioas);

	list_for_each_entry(hwpt, &ioas->hwpt_list, hwpt_item) {
		domain = hwpt->common.domain;
		if (!domain->dirty_failed ||
		    domain->dirty_ops->set_dirty_tracking(domain, true))
			continue;
		domain->dirty_failed = false;
		/* Only tracked domains are split */
		ioas->iopt.dirty.unsplit = true;
		iommufd_dirty_mark_mapped(&ioas->iopt);
	}
}

static int disable_all(struct iommufd_ioas *ioas)
{
	struct iommufd_hwpt_paging *hwpt;
	struct iommu_domain *domain;
	int rc = 0;

	if (iommufd_dirty_watched(&ioas->iopt))
		return 0;
	/* Continue after a failure, to leave as little as possible enabled */
	list_for_each_entry(hwpt, &ioas->hwpt_list, hwpt_item) {
		domain = hwpt->common.domain;
		domain->dirty_failed = false;
		if (iommufd_dirty_domain_capable(domain) &&
		    domain_disable(ioas, domain))
			rc = -EIO;
	}
	return rc;
}

/**
 * iommufd_dirty_disable() - Disable tracking where nobody needs it any more
 * @tracker: An IOAS tracker that has been removed from the list
 *
 * Context: as for iommufd_dirty_enable().
 * Return: 0, or -EIO if it stays on somewhere; for classic tracking, what the driver
 * returns.
 */
int iommufd_dirty_disable(struct iommufd_dirty_tracker *tracker)
{
	assert_locks(tracker->ioas);

	return tracker->domain ? domain_disable(tracker->ioas, tracker->domain) :
				 disable_all(tracker->ioas);
}
