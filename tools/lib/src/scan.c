// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * SCAN: by the ioctl, or by READs if one ioctl is not enough. Dirty pages for which
 * there is then no room wait in their tracker for the next SCAN, READ or UNMAP.
 */
#include "internal.h"

/**
 * struct merge - A SCAN by READs
 * @trackers: The trackers of the caller
 * @num: Number of trackers
 * @blocks: For each tracker, what was read from it; then one for the union of all
 * @scan: The request of the caller
 * @room: Number of runs that the caller has room for
 * @n: Number of runs found so far
 */
struct merge {
	struct idirty_tracker *const *trackers;
	size_t num;
	struct block **blocks;
	struct idirty_scan_args *scan;
	size_t room;
	size_t n;
};

/* Returns false if there is no room */
static bool run_append(struct merge *m, const struct idirty_range *run)
{
	struct idirty_range *at = m->scan->runs + m->n;

	if (m->n && at[-1].iova + at[-1].length == run->iova) {
		at[-1].length += run->length;
		return true;
	}
	if (m->n == m->room)
		return false;
	*at = *run;
	m->n++;
	return true;
}

static void blocks_done(struct merge *m)
{
	bool keep = m->scan->flags & IDIRTY_READ_NO_CLEAR;
	size_t i;

	for (i = 0; i < m->num && m->blocks[i]; i++) {
		if (keep) {
			block_free(m->blocks[i]);
		} else {
			pthread_mutex_lock(&m->trackers[i]->lock);
			blocks_keep(m->trackers[i], m->blocks[i]);
			pthread_mutex_unlock(&m->trackers[i]->lock);
		}
	}
	block_free(m->blocks[m->num]);
	memset(m->blocks, 0, (m->num + 1) * sizeof(*m->blocks));
}

/*
 * Allocates all memory first, so that nothing is read that cannot be kept. If a READ
 * fails, *@done is the number of bytes that the failing tracker has dealt with.
 */
static int blocks_read(struct merge *m, uint64_t iova, uint64_t last, uint64_t *done)
{
	uint64_t ps = m->scan->page_size;
	struct block *all;
	uint64_t byte;
	size_t i;
	int rc;

	for (i = 0; i <= m->num; i++) {
		m->blocks[i] = block_new(iova, last, ps);
		if (!m->blocks[i])
			return failed(IDIRTY_VERB_SCAN, -ENOMEM);
	}
	all = m->blocks[m->num];
	for (i = 0; i < m->num; i++) {
		struct idirty_read_args read = {
			.flags = m->scan->flags,
			.iova = iova,
			.length = last - iova + 1,
			.page_size = ps,
			.bitmap = m->blocks[i]->bits,
		};

		rc = read_trackers(m->trackers + i, 1, &read, NULL);
		if (rc) {
			last_error()->tracker = i + 1;
			*done = read.out_length;
			return rc;
		}
		for (byte = 0; byte < (all->pages + 7) / 8; byte++)
			all->bits[byte] |= m->blocks[i]->bits[byte];
	}
	return 0;
}

/* Returns the IOVA up to which, exclusive, there was room for all runs */
static uint64_t blocks_emit(struct merge *m, uint64_t iova, uint64_t last)
{
	struct idirty_range range = { iova, last - iova + 1 }, run;
	struct block *all = m->blocks[m->num];
	uint64_t ps = m->scan->page_size, pos = 0, stop = last + 1, end = all->pages;
	size_t i;

	while (idirty_bitmap_next_run(all->bits, &range, ps, &pos, &run)) {
		uint64_t first = run.iova / ps - iova / ps;

		if (!run_append(m, &run)) {
			stop = run.iova;
			end = first;
			break;
		}
		m->scan->out_pages += pos - first;
	}
	for (i = 0; i < m->num; i++)
		block_clear(m->blocks[i], 0, end);
	return stop;
}

/* Remembers the range; a SCAN within it may resume one that ran out of room */
static void scan_remember(struct idirty_tracker *t, uint64_t iova, uint64_t last)
{
	pthread_mutex_lock(&t->lock);
	if (iova < t->scan_from || last > t->scan_last || !t->scan_last) {
		t->scan_from = iova;
		t->scan_last = last;
	}
	pthread_mutex_unlock(&t->lock);
}

static int scan_by_reads(struct idirty_tracker *const *trackers, size_t num,
			 struct idirty_scan_args *scan, size_t room)
{
	struct merge m = { .trackers = trackers, .num = num, .scan = scan, .room = room };
	uint64_t last = scan->iova + (scan->length - 1);
	uint64_t iova = scan->iova, end, stop, done = 0;
	struct idirty_error uncovered = {};
	size_t i;
	int rc = 0;

	for (i = 0; i < num; i++)
		scan_remember(trackers[i], iova, last);
	m.blocks = calloc(num + 1, sizeof(*m.blocks));
	if (!m.blocks)
		return failed(IDIRTY_VERB_SCAN, -ENOMEM);
	for (;;) {
		end = min_u64(last, iova | (WINDOW - 1));
		rc = blocks_read(&m, iova, end, &done);
		if (rc == -ERANGE && done) {
			/* Retry as far as all of them cover; pages that were read wait */
			uncovered = *last_error();
			blocks_done(&m);
			end = iova + (done - 1);
			last = end;
			rc = blocks_read(&m, iova, end, &done);
		}
		stop = rc ? iova : blocks_emit(&m, iova, end);
		blocks_done(&m);
		/* If the range ends at the last byte there is, stop is 0 */
		scan->out_length = stop - scan->iova;
		if (rc || end == last || stop != end + 1 || m.n == room)
			break;
		iova = stop;
	}
	free(m.blocks);
	scan->num_runs = m.n;
	/* If there was no room for some runs, the next SCAN has to return them first */
	if (!rc && uncovered.code && stop == end + 1) {
		*last_error() = uncovered;
		return -ERANGE;
	}
	return rc;
}

/* True if one ioctl can report everything */
static bool one_ioctl(struct idirty_tracker *const *trackers, size_t num)
{
	bool kept = false;
	size_t i;

	for (i = 0; i < num; i++) {
		pthread_mutex_lock(&trackers[i]->lock);
		kept |= !!trackers[i]->blocks;
		pthread_mutex_unlock(&trackers[i]->lock);
	}
	return !kept && batch_size(trackers, num) == num;
}

static int scan_trackers(struct idirty_tracker *const *trackers, size_t num,
			 struct idirty_scan_args *scan)
{
	struct iommu_dirty_read_tracker entries[BATCH] = {};
	struct iommu_dirty_tracker_scan cmd = {
		.size = sizeof(cmd),
		.flags = scan->flags,
		.trackers = (uintptr_t)entries,
		.num_trackers = num,
		.tracker_len = sizeof(entries[0]),
		.iova = scan->iova,
		.length = scan->length,
		.page_size = scan->page_size,
		.runs = (uintptr_t)scan->runs,
		.num_runs = min_u64(scan->num_runs, UINT32_MAX),
	};
	size_t room = scan->num_runs;
	size_t i;
	int rc;

	scan->num_runs = 0;
	scan->out_length = 0;
	scan->out_pages = 0;
	if (!num || !room)
		return blame(num ? "num_runs" : "num", "is 0",
			     failed(IDIRTY_VERB_SCAN, -EINVAL));
	if (!scan->runs)
		return blame("runs", "is NULL", failed(IDIRTY_VERB_SCAN, -EFAULT));
	if (scan->flags & ~READ_FLAGS)
		return unknown_flags(IDIRTY_VERB_SCAN);
	rc = check_range(IDIRTY_VERB_SCAN, scan->iova, scan->length, scan->page_size);
	if (rc)
		return rc;
	if (!one_ioctl(trackers, num))
		return scan_by_reads(trackers, num, scan, room);

	for (i = 0; i < num; i++)
		entries[i].tracker_id = trackers[i]->id;
	rc = call(IDIRTY_VERB_SCAN, trackers[0]->fd, IOMMU_DIRTY_TRACKER_SCAN,
		  &cmd);
	for (i = 0; rc && i < num; i++)
		if (entries[i].out_error)
			last_error()->tracker = i + 1;
	scan->num_runs = cmd.num_runs;
	scan->out_length = cmd.out_length;
	scan->out_pages = cmd.out_pages;
	return rc;
}

int idirty_scan(struct idirty_tracker *const *trackers, size_t num,
		struct idirty_scan_args *scan)
{
	struct idirty_scan_args args;
	int rc = args_copy(IDIRTY_VERB_SCAN, &args, sizeof(args), SCAN_1_0, scan);

	if (rc)
		return report(rc);
	rc = scan_trackers(trackers, num, &args);
	args_return(scan, &args, sizeof(args));
	return report(rc);
}
