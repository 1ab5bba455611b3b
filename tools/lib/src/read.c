// SPDX-License-Identifier: GPL-2.0-only
/*
 * READ, SCAN and UNMAP. The kernel's trackers do all of it; a fallback reads
 * into a bitmap of its own, whose bits are then added to the caller's: so a bad
 * pointer of the caller costs no dirty bits, and bits are set atomically.
 */
#include "internal.h"

/* Trackers of one ioctl; each kernel takes as many */
#define BATCH	64

/* IOVA that a fallback reads at once */
#define CHUNK		(128ULL << 20)
#define CHUNK_BITS	(CHUNK / MIN_PAGE)

int check_range(enum idirty_verb verb, uint64_t iova, uint64_t length,
		uint64_t page_size)
{
	if (!length || page_size < MIN_PAGE || (page_size & (page_size - 1)))
		return failed(verb, -EINVAL);
	if (iova + (length - 1) < iova)
		return failed(verb, -EOVERFLOW);
	return 0;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* The dirty 4 KiB pages of @iova to @last, all within one chunk; marks them all if it fails */
static int chunk_read(struct idirty_tracker *t, uint32_t flags, uint64_t iova,
		      uint64_t last, uint64_t *bits)
{
	uint64_t first = iova & ~(MIN_PAGE - 1);
	uint64_t pages = (last - first) / MIN_PAGE + 1;
	int rc;

	pthread_mutex_lock(&t->lock);
	if (!t->running) {
		rc = failed(IDIRTY_VERB_READ, -ENODATA);
	} else {
		rc = t->fallback->read(t, flags, first, pages * MIN_PAGE, bits);
		/* What it has cleared before it failed nobody knows */
		if (rc && !(flags & IDIRTY_READ_NO_CLEAR))
			memset(bits, 0xff, (pages + 7) / 8);
	}
	pthread_mutex_unlock(&t->lock);
	return rc;
}

/* Counts a call that is over */
static void account(struct idirty_tracker *t, int rc, uint64_t pages)
{
	pthread_mutex_lock(&t->lock);
	t->reads += !rc;
	t->pages += pages;
	pthread_mutex_unlock(&t->lock);
}

static int read_fallback(struct idirty_tracker *t, struct idirty_read *read,
			 uint64_t *added, uint64_t *done)
{
	uint64_t last = read->iova + (read->length - 1);
	uint64_t iova = read->iova;
	uint64_t bits[CHUNK_BITS / 64];
	int rc;

	for (;;) {
		uint64_t stop = min_u64(last, iova | (CHUNK - 1));
		uint64_t first = iova & ~(MIN_PAGE - 1);
		uint64_t pages = (stop - first) / MIN_PAGE + 1;
		uint64_t page = 0, end;

		memset(bits, 0, sizeof(bits));
		rc = chunk_read(t, read->flags, iova, stop, bits);
		while (idirty_bitmap_next(bits, pages, &page, &end))
			for (; page < end; page++)
				*added += bit_set(read->bitmap,
						  (first + page * MIN_PAGE) / read->page_size -
						  read->iova / read->page_size);
		if (rc || stop == last)
			break;
		iova = stop + 1;
		*done = iova - read->iova;
	}
	if (!rc)
		*done = read->length;
	account(t, rc, *added);
	return rc;
}

static int read_batch(struct idirty_tracker *const *trackers, size_t num,
		      struct idirty_read *read, uint64_t *pages)
{
	struct iommu_dirty_read_tracker entries[BATCH] = {};
	struct iommu_dirty_tracker_read cmd = {
		.size = sizeof(cmd),
		.flags = read->flags,
		.trackers = (uintptr_t)entries,
		.num_trackers = num,
		.tracker_len = sizeof(entries[0]),
		.iova = read->iova,
		.length = read->length,
		.page_size = read->page_size,
		.data = (uintptr_t)read->bitmap,
	};
	size_t i;
	int rc;

	for (i = 0; i < num; i++)
		entries[i].tracker_id = trackers[i]->id;
	rc = call(IDIRTY_VERB_READ, trackers[0]->ctx->fd, IOMMU_DIRTY_TRACKER_READ,
		  &cmd);
	for (i = 0; i < num; i++) {
		if (pages)
			pages[i] = entries[i].out_pages;
		if (rc && entries[i].out_error)
			last_error()->tracker = i + 1;
	}
	read->out_length = min_u64(read->out_length, cmd.out_length);
	read->out_pages += cmd.out_pages;
	return rc;
}

/* How many trackers from the first on one ioctl can take */
static size_t batch_size(struct idirty_tracker *const *trackers, size_t num)
{
	size_t n = 0;

	while (n < num && n < BATCH && !trackers[n]->fallback &&
	       trackers[n]->ctx->fd == trackers[0]->ctx->fd)
		n++;
	return n;
}

int idirty_read(struct idirty_tracker *const *trackers, size_t num,
		struct idirty_read *read, uint64_t *pages)
{
	size_t i = 0, n;
	int rc;

	read->out_length = 0;
	read->out_pages = 0;
	if (!num)
		return failed(IDIRTY_VERB_READ, -EINVAL);
	if (read->flags & ~IDIRTY_READ_NO_CLEAR || read->__reserved)
		return failed(IDIRTY_VERB_READ, -EOPNOTSUPP);
	rc = check_range(IDIRTY_VERB_READ, read->iova, read->length, read->page_size);
	if (rc)
		return rc;

	read->out_length = read->length;
	for (; i < num; i += n) {
		n = batch_size(trackers + i, num - i);
		if (n) {
			rc = read_batch(trackers + i, n, read, pages ? pages + i : NULL);
		} else {
			uint64_t added = 0, done = 0;

			n = 1;
			rc = read_fallback(trackers[i], read, &added, &done);
			read->out_length = min_u64(read->out_length, done);
			read->out_pages += added;
			if (pages)
				pages[i] = added;
			if (rc)
				last_error()->tracker = 1;
		}
		if (rc) {
			if (last_error()->tracker)
				last_error()->tracker += i;
			/* The ones behind were not asked at all */
			if (i + n < num)
				read->out_length = 0;
			return rc;
		}
	}
	return 0;
}

/* Appends to the runs, or to the last of them; the caller knows there is room */
static void run_append(struct idirty_scan *scan, uint32_t *n, uint64_t iova,
		       uint64_t end)
{
	struct idirty_range *run = scan->runs + *n;

	if (*n && run[-1].iova + run[-1].length == iova) {
		run[-1].length = end - run[-1].iova;
		return;
	}
	*run = (struct idirty_range){ iova, end - iova };
	++*n;
}

/*
 * A range of 2 * n - 1 pages has at most n runs. So that much is read at once: no
 * run is ever without room, and nothing has to be kept for the next call.
 */
static int scan_by_reads(struct idirty_tracker *const *trackers, size_t num,
			 struct idirty_scan *scan, uint32_t room)
{
	uint64_t last = scan->iova + (scan->length - 1);
	uint64_t bits[CHUNK_BITS / 64];
	uint64_t ps = scan->page_size;
	uint64_t iova = scan->iova;
	uint32_t n = 0;
	int rc = 0;

	while (n < room) {
		uint64_t first = iova & ~(ps - 1);
		uint64_t pages = min_u64(2ULL * (room - n) - 1, CHUNK_BITS);
		uint64_t page = 0, end;
		struct idirty_read read = {
			.flags = scan->flags,
			.iova = iova,
			.page_size = ps,
			.bitmap = bits,
		};

		if ((last - first) / ps < pages)
			pages = (last - first) / ps + 1;
		read.length = min_u64(last - iova, first + (pages - 1) * ps + (ps - 1) - iova) + 1;
		memset(bits, 0, sizeof(bits));
		rc = idirty_read(trackers, num, &read, NULL);
		scan->out_pages += idirty_bitmap_count(bits, pages);
		while (idirty_bitmap_next(bits, pages, &page, &end)) {
			uint64_t begin = first + page * ps;
			uint64_t stop = first + end * ps;

			if (begin < iova)
				begin = iova;
			if (stop - 1 > last)
				stop = last + 1;
			run_append(scan, &n, begin, stop);
			page = end;
		}
		if (rc)
			break;
		scan->out_length = iova + read.length - scan->iova;
		if (iova + (read.length - 1) == last) {
			scan->out_length = scan->length;
			break;
		}
		iova += read.length;
	}
	scan->num_runs = n;
	return rc;
}

int idirty_scan(struct idirty_tracker *const *trackers, size_t num,
		struct idirty_scan *scan)
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
		.num_runs = scan->num_runs,
	};
	uint32_t room = scan->num_runs;
	size_t i;
	int rc;

	scan->num_runs = 0;
	scan->out_length = 0;
	scan->out_pages = 0;
	if (!num || !room)
		return failed(IDIRTY_VERB_SCAN, -EINVAL);
	if (scan->flags & ~IDIRTY_READ_NO_CLEAR)
		return failed(IDIRTY_VERB_SCAN, -EOPNOTSUPP);
	rc = check_range(IDIRTY_VERB_SCAN, scan->iova, scan->length, scan->page_size);
	if (rc)
		return rc;
	if (batch_size(trackers, num) != num)
		return scan_by_reads(trackers, num, scan, room);

	for (i = 0; i < num; i++)
		entries[i].tracker_id = trackers[i]->id;
	rc = call(IDIRTY_VERB_SCAN, trackers[0]->ctx->fd, IOMMU_DIRTY_TRACKER_SCAN,
		  &cmd);
	for (i = 0; rc && i < num; i++)
		if (entries[i].out_error)
			last_error()->tracker = i + 1;
	scan->num_runs = cmd.num_runs;
	scan->out_length = cmd.out_length;
	scan->out_pages = cmd.out_pages;
	return rc;
}

/* What is dirty is read first: what is written in between is lost */
static int unmap_fallback(struct idirty_tracker *t, struct idirty_unmap *unmap)
{
	struct idirty_read read = {
		.iova = unmap->iova,
		.length = unmap->length,
		.page_size = unmap->page_size,
		.bitmap = unmap->bitmap,
	};
	struct iommu_ioas_unmap cmd = {
		.size = sizeof(cmd),
		.ioas_id = t->target.id,
		.iova = unmap->iova,
		.length = unmap->length,
	};
	int rc = idirty_read(&t, 1, &read, NULL);

	unmap->out_length = read.out_length;
	unmap->out_pages = read.out_pages;
	if (rc)
		return rc;
	rc = call(IDIRTY_VERB_UNMAP, t->ctx->fd, IOMMU_IOAS_UNMAP, &cmd);
	if (!rc)
		unmap->out_unmapped = cmd.length;
	return rc;
}

int idirty_unmap(struct idirty_tracker *tracker, struct idirty_unmap *unmap)
{
	struct iommu_dirty_tracker_unmap cmd = {
		.size = sizeof(cmd),
		.flags = unmap->flags,
		.tracker_id = tracker->id,
		.iova = unmap->iova,
		.length = unmap->length,
		.page_size = unmap->page_size,
		.data = (uintptr_t)unmap->bitmap,
	};
	int rc;

	unmap->out_unmapped = 0;
	unmap->out_length = 0;
	unmap->out_pages = 0;
	if (unmap->flags || unmap->__reserved)
		return failed(IDIRTY_VERB_UNMAP, -EOPNOTSUPP);
	if (tracker->backend == IDIRTY_BACKEND_VFIO)
		return failed(IDIRTY_VERB_UNMAP, -EOPNOTSUPP);
	if (tracker->fallback)
		return unmap_fallback(tracker, unmap);
	rc = call(IDIRTY_VERB_UNMAP, tracker->ctx->fd, IOMMU_DIRTY_TRACKER_UNMAP, &cmd);
	unmap->out_unmapped = cmd.out_unmapped;
	unmap->out_length = cmd.out_length;
	unmap->out_pages = cmd.out_pages;
	return rc;
}
