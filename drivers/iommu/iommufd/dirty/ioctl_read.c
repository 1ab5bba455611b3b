// SPDX-License-Identifier: GPL-2.0-only
/*
 * READ, SCAN and UNMAP: check the arguments, look up the trackers, copy out the
 * results. Called from iommufd's ioctl table, without locks.
 *
 * The out fields are written once before anything is harvested, so that a call
 * that cannot return its results fails early.
 */
#include <linux/ktime.h>
#include <linux/log2.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <trace/events/iommufd_dirty.h>

#include "object.h"

/* Size of the first version of the struct */
#define TRACKER_MIN_LEN offsetofend(struct iommu_dirty_read_tracker, out_pages)

#define READ_FLAGS	(IOMMU_DIRTY_READ_NO_CLEAR | IOMMU_DIRTY_READ_SPARSE)

/* The trackers of a call, and its state for each of them */
struct tracker_set {
	void __user *user;
	unsigned int len;
	struct iommu_dirty_read_tracker entries[IOMMUFD_DIRTY_MAX_TRACKERS];
	struct iommufd_dirty_asked asked[IOMMUFD_DIRTY_MAX_TRACKERS];
	unsigned int nr;
	u64 begin;
};

/**
 * iommufd_dirty_check_request() - Check the range and the page size of a request
 * @req: The request
 *
 * Return: 0, -EINVAL or -EOVERFLOW, see struct iommu_dirty_tracker_read.
 */
int iommufd_dirty_check_request(const struct iommufd_dirty_request *req)
{
	unsigned long last;

	if (!req->length || !is_power_of_2(req->page_size) ||
	    req->page_size < SZ_4K)
		return -EINVAL;
	if (check_add_overflow(req->iova, req->length - 1, &last))
		return -EOVERFLOW;
	return 0;
}

static int set_respond(struct tracker_set *set)
{
	unsigned int i;

	for (i = 0; i < set->nr; i++) {
		set->entries[i].out_pages = set->asked[i].added;
		if (iommufd_dirty_copy_out(set->user + (size_t)i * set->len,
					   set->len, &set->entries[i],
					   sizeof(set->entries[i])))
			return -EFAULT;
	}
	return 0;
}

static void set_put(struct iommufd_ucmd *ucmd, struct tracker_set *set)
{
	while (set->nr)
		iommufd_dirty_put(ucmd, set->asked[--set->nr].tracker);
	kfree(set);
}

static int set_add(struct iommufd_ucmd *ucmd, struct tracker_set *set)
{
	struct iommu_dirty_read_tracker *entry = &set->entries[set->nr];
	struct iommufd_dirty_tracker *tracker;
	int rc;

	rc = copy_struct_from_user(entry, sizeof(*entry),
				   set->user + (size_t)set->nr * set->len,
				   set->len);
	if (rc)
		return rc;
	entry->out_error = 0;
	tracker = iommufd_dirty_get(ucmd, entry->tracker_id);
	if (IS_ERR(tracker))
		return PTR_ERR(tracker);
	iommufd_dirty_ask(&set->asked[set->nr++], tracker);
	return 0;
}

static struct tracker_set *set_get(struct iommufd_ucmd *ucmd, u64 user,
				   u32 num, u32 len)
{
	struct tracker_set *set;
	int rc;

	if (!num || num > IOMMUFD_DIRTY_MAX_TRACKERS ||
	    len < TRACKER_MIN_LEN || len > PAGE_SIZE)
		return ERR_PTR(-EINVAL);

	set = kzalloc_obj(*set, GFP_KERNEL_ACCOUNT);
	if (!set)
		return ERR_PTR(-ENOMEM);
	set->begin = ktime_get_ns();
	set->user = u64_to_user_ptr(user);
	set->len = len;
	do {
		rc = set_add(ucmd, set);
		if (rc)
			goto err_put;
	} while (set->nr != num);
	rc = set_respond(set);
	if (rc)
		goto err_put;
	return set;

err_put:
	set_put(ucmd, set);
	return ERR_PTR(rc);
}

static void set_trace(const struct tracker_set *set, int rc,
		      const struct iommufd_dirty_request *req)
{
	u64 ns = ktime_get_ns() - set->begin;
	unsigned int i;

	for (i = 0; i < set->nr; i++)
		trace_iommufd_dirty_harvest(set->entries[i].tracker_id,
					    req->iova, req->out_length,
					    set->asked[i].added, ns, rc);
	if (req->failed)
		trace_iommufd_dirty_error(set->entries[req->failed - 1].tracker_id,
					  rc);
}

/*
 * Shorten the range to the part that all trackers cover. Returns 1 plus the index of the
 * tracker that covers the least, 0 if the range is unchanged, or a negative errno.
 */
static int set_shorten(struct tracker_set *set,
		       struct iommufd_dirty_request *req)
{
	unsigned long length = req->length;
	unsigned int i;
	int least = 0;
	int rc;

	for (i = 0; i < set->nr && !req->sparse; i++) {
		struct iommufd_dirty_asked *asked = &set->asked[i];

		if (!asked->tracker->scope->covers)
			continue;
		rc = asked->tracker->scope->covers(asked->tracker, req->iova,
						   &length, &asked->lost);
		if (rc) {
			req->failed = i + 1;
			return rc;
		}
		if (length < req->length)
			least = i + 1;
		req->length = length;
	}
	return least;
}

/* Report a range up to where the first tracker stops covering it, then -ERANGE */
static int set_report(struct tracker_set *set, struct iommufd_dirty_request *req,
		      int (*report)(struct iommufd_dirty_asked *asked,
				    unsigned int nr,
				    struct iommufd_dirty_request *req))
{
	int least = set_shorten(set, req);
	int rc = 0;

	if (least < 0)
		return least;
	if (req->length)
		rc = report(set->asked, set->nr, req);
	if (!rc && least && req->out_length == req->length) {
		req->failed = least;
		rc = -ERANGE;
	}
	return rc;
}

/*
 * Run READ or SCAN with the trackers that the user names. Updates the statistics, emits
 * the trace events, and copies out the result of each tracker.
 */
static int set_run(struct iommufd_ucmd *ucmd, u64 user, u32 num, u32 len,
		   struct iommufd_dirty_request *req,
		   int (*report)(struct iommufd_dirty_asked *asked,
				 unsigned int nr,
				 struct iommufd_dirty_request *req))
{
	struct tracker_set *set;
	unsigned int i;
	int rc;

	rc = iommufd_dirty_check_request(req);
	if (rc)
		return rc;
	set = set_get(ucmd, user, num, len);
	if (IS_ERR(set))
		return PTR_ERR(set);

	rc = set_report(set, req, report);
	if (req->failed)
		set->entries[req->failed - 1].out_error = -rc;
	for (i = 0; i < set->nr; i++) {
		if (!rc)
			atomic64_inc(&set->asked[i].tracker->reads);
		atomic64_add(set->asked[i].added, &set->asked[i].tracker->pages);
	}
	set_trace(set, rc, req);
	if (set_respond(set))
		rc = -EFAULT;
	set_put(ucmd, set);
	return rc;
}

/**
 * iommufd_dirty_tracker_read() - ioctl(IOMMU_DIRTY_TRACKER_READ)
 * @ucmd: The call
 *
 * Return: see struct iommu_dirty_tracker_read.
 */
int iommufd_dirty_tracker_read(struct iommufd_ucmd *ucmd)
{
	struct iommu_dirty_tracker_read *cmd = ucmd->cmd;
	struct iommufd_dirty_request req = {
		.flags = cmd->flags & IOMMU_DIRTY_READ_NO_CLEAR ?
				 IOMMU_DIRTY_WALK_NO_CLEAR : 0,
		.sparse = cmd->flags & IOMMU_DIRTY_READ_SPARSE,
		.iova = cmd->iova,
		.length = cmd->length,
		.page_size = cmd->page_size,
		.data = cmd->data,
	};
	int rc;

	cmd->out_length = 0;
	cmd->out_pages = 0;
	if (iommufd_ucmd_respond(ucmd, sizeof(*cmd)))
		return -EFAULT;
	if (cmd->flags & ~READ_FLAGS)
		return -EOPNOTSUPP;
	rc = set_run(ucmd, cmd->trackers, cmd->num_trackers,
		     cmd->tracker_len, &req, iommufd_dirty_read);
	cmd->out_length = req.out_length;
	cmd->out_pages = req.out_pages;
	return iommufd_ucmd_respond(ucmd, sizeof(*cmd)) ? -EFAULT : rc;
}

/**
 * iommufd_dirty_tracker_scan() - ioctl(IOMMU_DIRTY_TRACKER_SCAN)
 * @ucmd: The call
 *
 * Return: see struct iommu_dirty_tracker_scan.
 */
int iommufd_dirty_tracker_scan(struct iommufd_ucmd *ucmd)
{
	struct iommu_dirty_tracker_scan *cmd = ucmd->cmd;
	struct iommufd_dirty_request req = {
		.flags = cmd->flags & IOMMU_DIRTY_READ_NO_CLEAR ?
				 IOMMU_DIRTY_WALK_NO_CLEAR : 0,
		.sparse = cmd->flags & IOMMU_DIRTY_READ_SPARSE,
		.iova = cmd->iova,
		.length = cmd->length,
		.page_size = cmd->page_size,
		.data = cmd->runs,
		.room = cmd->num_runs,
	};
	int rc;

	cmd->num_runs = 0;
	cmd->out_length = 0;
	cmd->out_pages = 0;
	if (iommufd_ucmd_respond(ucmd, sizeof(*cmd)))
		return -EFAULT;
	if ((cmd->flags & ~READ_FLAGS) || cmd->__reserved)
		return -EOPNOTSUPP;
	if (!req.room)
		return -EINVAL;
	rc = set_run(ucmd, cmd->trackers, cmd->num_trackers,
		     cmd->tracker_len, &req, iommufd_dirty_scan);
	cmd->num_runs = req.num_runs;
	cmd->out_length = req.out_length;
	cmd->out_pages = req.out_pages;
	return iommufd_ucmd_respond(ucmd, sizeof(*cmd)) ? -EFAULT : rc;
}

/**
 * iommufd_dirty_tracker_unmap() - ioctl(IOMMU_DIRTY_TRACKER_UNMAP)
 * @ucmd: The call
 *
 * Return: see struct iommu_dirty_tracker_unmap.
 */
int iommufd_dirty_tracker_unmap(struct iommufd_ucmd *ucmd)
{
	struct iommu_dirty_tracker_unmap *cmd = ucmd->cmd;
	struct iommufd_dirty_request req = {
		.iova = cmd->iova,
		.length = cmd->length,
		.page_size = cmd->page_size,
		.data = cmd->data,
	};
	struct iommufd_dirty_tracker *tracker;
	struct iommufd_dirty_asked asked;
	unsigned long unmapped = 0;
	int rc;

	cmd->out_unmapped = 0;
	cmd->out_length = 0;
	cmd->out_pages = 0;
	if (iommufd_ucmd_respond(ucmd, sizeof(*cmd)))
		return -EFAULT;
	if (cmd->flags || cmd->__reserved)
		return -EOPNOTSUPP;
	rc = iommufd_dirty_check_request(&req);
	if (rc)
		return rc;
	tracker = iommufd_dirty_get(ucmd, cmd->tracker_id);
	if (IS_ERR(tracker))
		return PTR_ERR(tracker);
	/* Observers may not unmap, and hold no reference to the IOAS */
	if (!tracker->holds) {
		iommufd_dirty_put(ucmd, tracker);
		return -EINVAL;
	}

	iommufd_dirty_ask(&asked, tracker);
	rc = iommufd_dirty_unmap(&asked, &req, &unmapped);
	trace_iommufd_dirty_unmap(cmd->tracker_id, req.iova, unmapped,
				  req.out_pages, rc);
	if (rc)
		trace_iommufd_dirty_error(cmd->tracker_id, rc);
	cmd->out_unmapped = unmapped;
	cmd->out_length = req.out_length;
	cmd->out_pages = req.out_pages;
	if (!rc)
		atomic64_inc(&tracker->reads);
	atomic64_add(req.out_pages, &tracker->pages);
	iommufd_dirty_put(ucmd, tracker);
	return iommufd_ucmd_respond(ucmd, sizeof(*cmd)) ? -EFAULT : rc;
}
