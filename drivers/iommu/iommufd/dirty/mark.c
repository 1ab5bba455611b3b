// SPDX-License-Identifier: GPL-2.0-only
/*
 * MARK: make pages dirty again that were read but not delivered. The pages go to the
 * ledger of one tracker, as runs; other trackers are not affected. Called by
 * ioctl_mark.c with checked arguments and without locks. User memory is read without
 * locks of the scope.
 */
#include <linux/bitops.h>
#include <linux/log2.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "verbs.h"

/* Bits of the user's bitmap that are copied at a time */
#define MARK_BITS	4096

/* Runs that are marked with the locks held, and how many bytes they may have together */
#define MARK_RUNS	32
#define MARK_BYTES	(64UL * SZ_1G)

/*
 * Longer runs become coarse ranges of the ledger, which have few records and may stay
 * dirty where only a part is read. Shorter ones are split, so that they are exact.
 */
#define MARK_EXACT	BIT(44)
#define MARK_SPLIT	(32UL * SZ_1G)

/**
 * struct mark - A MARK under way
 * @asked: The tracker
 * @nr: Number of runs in @runs
 * @bytes: Bytes of IOVA in @runs
 * @runs: Runs that have not been marked yet
 */
struct mark {
	const struct iommufd_dirty_asked *asked;
	unsigned int nr;
	unsigned long bytes;
	struct iommufd_dirty_range runs[MARK_RUNS];
};

static int mark_flush(struct mark *mark)
{
	int rc;

	if (fatal_signal_pending(current))
		return -EINTR;
	cond_resched();
	rc = mark->asked->tracker->scope->mark(mark->asked, mark->runs,
					       mark->nr);
	mark->nr = 0;
	mark->bytes = 0;
	return rc;
}

static int mark_add(struct mark *mark, unsigned long iova, unsigned long last)
{
	unsigned long split = last - iova < MARK_EXACT ? MARK_SPLIT : 0;
	struct iommufd_dirty_range part;
	unsigned long bytes;
	int rc;

	for_each_dirty_range(part, iommufd_dirty_window_next, split, iova, last) {
		bytes = min(part.last - part.iova, MARK_BYTES);
		if (mark->nr == MARK_RUNS || mark->bytes + bytes > MARK_BYTES) {
			rc = mark_flush(mark);
			if (rc)
				return rc;
		}
		mark->runs[mark->nr++] = part;
		mark->bytes += bytes;
	}
	return 0;
}

/* Mark the pages of the set bits of @bits; bit 0 is page @page, counted from IOVA 0 */
static int mark_bits(struct mark *mark, const struct iommufd_dirty_request *req,
		     const void *bits, unsigned int nr, unsigned long page)
{
	unsigned long last = req->iova + (req->length - 1);
	unsigned int shift = ilog2(req->page_size);
	unsigned int bit = 0, end;
	int rc;

	for (;;) {
		bit = find_next_bit_le(bits, nr, bit);
		if (bit >= nr)
			return 0;
		end = find_next_zero_bit_le(bits, nr, bit);
		/* The end of the address space is 0 here, and the last byte right */
		rc = mark_add(mark, max(req->iova, (page + bit) << shift),
			      min(last, ((page + end) << shift) - 1));
		if (rc)
			return rc;
		bit = end;
	}
}

/**
 * iommufd_dirty_mark_bitmap() - Mark the pages of a user's bitmap as dirty
 * @asked: The tracker
 * @req: Range, page size and bitmap, as for READ
 *
 * Return: see struct iommu_dirty_tracker_mark.
 */
int iommufd_dirty_mark_bitmap(const struct iommufd_dirty_asked *asked,
			      const struct iommufd_dirty_request *req)
{
	unsigned int shift = ilog2(req->page_size);
	unsigned long first = req->iova >> shift;
	unsigned long end = ((req->iova + (req->length - 1)) >> shift) + 1;
	struct mark mark = { .asked = asked };
	DECLARE_BITMAP(bits, MARK_BITS);
	unsigned long page;
	u64 data_end;
	int rc;

	if (check_add_overflow(req->data, (u64)DIV_ROUND_UP(end - first, 8),
			       &data_end))
		return -EOVERFLOW;
	for (page = first; page < end; page += MARK_BITS) {
		unsigned int nr = min(end - page, MARK_BITS);
		void __user *from = u64_to_user_ptr(req->data) +
				    (page - first) / 8;

		/* The last word may be copied only in part */
		bits[BIT_WORD(nr - 1)] = 0;
		if (copy_from_user(bits, from, DIV_ROUND_UP(nr, 8)))
			return -EFAULT;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
		rc = mark_bits(&mark, req, bits, nr, page);
		/* Each flush takes the locks, so do none for an empty part */
		if (!rc && mark.nr)
			rc = mark_flush(&mark);
		if (rc)
			return rc;
	}
	/* Fails if the tracker does not run, even if no bit is set */
	return mark_flush(&mark);
}

static int mark_get_run(u64 user, u32 i, struct iommufd_dirty_range *range)
{
	const struct iommu_dirty_run __user *runs = u64_to_user_ptr(user);
	struct iommu_dirty_run run;
	u64 last;

	if (copy_from_user(&run, runs + i, sizeof(run)))
		return -EFAULT;
	if (!run.length)
		return -EINVAL;
	if (check_add_overflow(run.iova, run.length - 1, &last) ||
	    overflows_type(last, range->last))
		return -EOVERFLOW;
	range->iova = run.iova;
	range->last = last;
	return 0;
}

/**
 * iommufd_dirty_mark_user_runs() - Mark a user's runs as dirty
 * @asked: The tracker
 * @user: User address of an array of struct iommu_dirty_run
 * @num: Number of runs
 *
 * Return: see struct iommu_dirty_tracker_mark.
 */
int iommufd_dirty_mark_user_runs(const struct iommufd_dirty_asked *asked,
				 u64 user, u32 num)
{
	struct mark mark = { .asked = asked };
	struct iommufd_dirty_range range;
	int rc;
	u32 i;

	/* Check all of them first, so that a bad one changes nothing */
	for (i = 0; i < num; i++) {
		if (fatal_signal_pending(current))
			return -EINTR;
		rc = mark_get_run(user, i, &range);
		if (rc)
			return rc;
		cond_resched();
	}
	for (i = 0; i < num; i++) {
		rc = mark_get_run(user, i, &range);
		if (!rc)
			rc = mark_add(&mark, range.iova, range.last);
		if (rc)
			return rc;
	}
	return mark_flush(&mark);
}
