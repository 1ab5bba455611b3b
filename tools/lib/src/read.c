// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * READ and UNMAP. Trackers of the kernel do all of the work. A fallback reads into
 * a bitmap of its own, and its bits are then added to the caller's bitmap. So dirty
 * state that it clears outside the caller's range is not lost, and the caller's bits
 * are set atomically.
 */
#include "internal.h"

/* Counts a finished READ of a fallback */
static void account(struct idirty_tracker *t, int rc, uint64_t pages)
{
	pthread_mutex_lock(&t->lock);
	t->reads += !rc;
	t->pages += pages;
	pthread_mutex_unlock(&t->lock);
}

/*
 * Reads one window from @iova on; *@end is its last byte. Dirty pages that the
 * kernel reports outside the range are kept for later readers; after a failure the
 * whole window is. Called with the lock of the tracker held.
 */
static int read_window(struct idirty_tracker *t, const struct idirty_read_args *read,
		       uint64_t iova, uint64_t *end, uint64_t *added)
{
	uint64_t last = read->iova + (read->length - 1), first;
	bool keep = read->flags & IDIRTY_READ_NO_CLEAR;
	struct block *b;
	bool tracked;
	int rc;

	if (!t->running)
		return failed(IDIRTY_VERB_READ, -ENODATA);
	*end = last;
	tracked = t->fallback->window(t, iova, last, &first, end);
	if ((t->fallback->weak & IDIRTY_WEAK_RANGES) &&
	    !(read->flags & IDIRTY_READ_SPARSE) && (!tracked || first > iova))
		return failed(IDIRTY_VERB_READ, -ERANGE);
	if (!tracked)
		return 0;
	b = block_new(first, *end, MIN_PAGE);
	if (!b)
		return failed(IDIRTY_VERB_READ, -ENOMEM);
	rc = t->fallback->read(t, read->flags, first, *end - first + 1, b->bits);
	/* It may have cleared anything before it failed */
	if (rc && !keep)
		block_fill(b);
	*added += block_give(b, read, rc || keep);
	if (keep)
		block_free(b);
	else
		blocks_keep(t, b);
	return rc;
}

static int read_fallback(struct idirty_tracker *t, const struct idirty_read_args *read,
			 uint64_t *added, uint64_t *done)
{
	uint64_t last = read->iova + (read->length - 1);
	uint64_t iova = read->iova, end;
	int rc;

	for (;;) {
		pthread_mutex_lock(&t->lock);
		rc = read_window(t, read, iova, &end, added);
		pthread_mutex_unlock(&t->lock);
		if (rc || end >= last)
			break;
		iova = end + 1;
		*done = iova - read->iova;
	}
	if (!rc)
		*done = read->length;
	account(t, rc, *added);
	return rc;
}

static int read_batch(struct idirty_tracker *const *trackers, size_t num,
		      struct idirty_read_args *read, uint64_t *pages)
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
	rc = call(IDIRTY_VERB_READ, trackers[0]->fd, IOMMU_DIRTY_TRACKER_READ,
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

size_t batch_size(struct idirty_tracker *const *trackers, size_t num)
{
	size_t n = 0;

	/* A file of its own takes no other tracker */
	if (num && trackers[0]->owns_fd)
		return 1;
	while (n < num && n < BATCH && !trackers[n]->fallback &&
	       trackers[n]->fd == trackers[0]->fd)
		n++;
	return n;
}

/* Reports pages that wait for a reader, in the first @done bytes of the range */
static uint64_t read_kept(struct idirty_tracker *t, const struct idirty_read_args *read,
			  uint64_t done)
{
	struct idirty_read_args part = *read;
	uint64_t added = 0;

	part.length = done;
	pthread_mutex_lock(&t->lock);
	if (done && t->blocks)
		added = blocks_give(t, &part, read->flags & IDIRTY_READ_NO_CLEAR);
	pthread_mutex_unlock(&t->lock);
	return added;
}

/* Reads as many trackers as one ioctl takes, or one fallback; returns how many */
static size_t read_some(struct idirty_tracker *const *trackers, size_t num,
			struct idirty_read_args *read, uint64_t *pages, int *rc)
{
	size_t n = batch_size(trackers, num), i;
	uint64_t added = 0, done = 0;

	if (n) {
		*rc = read_batch(trackers, n, read, pages);
		done = read->out_length;
	} else {
		n = 1;
		*rc = read_fallback(trackers[0], read, &added, &done);
		if (*rc)
			last_error()->tracker = 1;
		if (pages)
			pages[0] = added;
		read->out_pages += added;
		read->out_length = min_u64(read->out_length, done);
	}
	for (i = 0; i < n; i++) {
		added = read_kept(trackers[i], read, done);
		if (pages)
			pages[i] += added;
		read->out_pages += added;
	}
	return n;
}

int read_check(size_t num, struct idirty_read_args *read)
{
	read->out_length = 0;
	read->out_pages = 0;
	if (!num)
		return blame("num", "is 0", failed(IDIRTY_VERB_READ, -EINVAL));
	if (!read->bitmap)
		return blame("bitmap", "is NULL", failed(IDIRTY_VERB_READ, -EFAULT));
	if (read->flags & ~READ_FLAGS)
		return unknown_flags(IDIRTY_VERB_READ);
	return check_range(IDIRTY_VERB_READ, read->iova, read->length, read->page_size);
}

int read_checked(struct idirty_tracker *const *trackers, size_t num,
		 struct idirty_read_args *read, uint64_t *pages)
{
	struct idirty_error uncovered = {};
	uint64_t length = read->length;
	size_t i, n;
	int rc = 0;

	read->out_length = length;
	read->out_pages = 0;
	for (i = 0; i < num; i += n) {
		n = read_some(trackers + i, num - i, read, pages ? pages + i : NULL, &rc);
		if (rc && last_error()->tracker)
			last_error()->tracker += i;
		if (rc == -ERANGE && read->out_length) {
			/* Read the others only as far as this one covers */
			uncovered = *last_error();
			read->length = read->out_length;
			rc = 0;
		}
		if (rc) {
			/* The trackers after these were not read at all */
			if (i + n < num)
				read->out_length = 0;
			break;
		}
	}
	read->length = length;
	if (rc || !uncovered.code)
		return rc;
	*last_error() = uncovered;
	return -ERANGE;
}

int read_trackers(struct idirty_tracker *const *trackers, size_t num,
		  struct idirty_read_args *read, uint64_t *pages)
{
	int rc = read_check(num, read);

	return rc ? rc : read_checked(trackers, num, read, pages);
}

int read_copy(struct idirty_read_args *to, const struct idirty_read_args *from)
{
	return args_copy(IDIRTY_VERB_READ, to, sizeof(*to), READ_1_0, from);
}

int idirty_read(struct idirty_tracker *const *trackers, size_t num,
		struct idirty_read_args *read, uint64_t *pages)
{
	struct idirty_read_args args;
	int rc = read_copy(&args, read);

	if (rc)
		return report(rc);
	rc = read_trackers(trackers, num, &args, pages);
	args_return(read, &args, sizeof(args));
	return report(rc);
}

/* Reads first, then unmaps: writes between the two are lost */
static int unmap_fallback(struct idirty_tracker *t, struct idirty_unmap_args *unmap)
{
	struct idirty_read_args read = {
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
	int rc = read_trackers(&t, 1, &read, NULL);

	unmap->out_length = read.out_length;
	unmap->out_pages = read.out_pages;
	if (rc)
		return rc;
	rc = call(IDIRTY_VERB_UNMAP, t->fd, IOMMU_IOAS_UNMAP, &cmd);
	if (!rc)
		unmap->out_unmapped = cmd.length;
	return rc;
}

static const char no_ioas[] = "is that of a device, or passive";

static int unmap_range(struct idirty_tracker *t, struct idirty_unmap_args *unmap)
{
	struct iommu_dirty_tracker_unmap cmd = {
		.size = sizeof(cmd),
		.flags = unmap->flags,
		.tracker_id = t->id,
		.iova = unmap->iova,
		.length = unmap->length,
		.page_size = unmap->page_size,
		.data = (uintptr_t)unmap->bitmap,
	};
	const struct idirty_read_args kept = {
		.iova = unmap->iova,
		.page_size = unmap->page_size,
		.bitmap = unmap->bitmap,
	};
	int rc;

	unmap->out_unmapped = 0;
	unmap->out_length = 0;
	unmap->out_pages = 0;
	if (unmap->flags)
		return unknown_flags(IDIRTY_VERB_UNMAP);
	if (t->backend == IDIRTY_BACKEND_VFIO)
		return blame("tracker", no_ioas, failed(IDIRTY_VERB_UNMAP, -EINVAL));
	if (t->fallback)
		return unmap_fallback(t, unmap);
	rc = call(IDIRTY_VERB_UNMAP, t->fd, IOMMU_DIRTY_TRACKER_UNMAP, &cmd);
	if ((rc == -EINVAL || rc == -EOVERFLOW) &&
	    !blame_range(unmap->iova, unmap->length, unmap->page_size) && rc == -EINVAL)
		blame("tracker", no_ioas, rc);
	unmap->out_unmapped = cmd.out_unmapped;
	unmap->out_length = cmd.out_length;
	unmap->out_pages = cmd.out_pages + read_kept(t, &kept, cmd.out_length);
	return rc;
}

int idirty_unmap(struct idirty_tracker *tracker, struct idirty_unmap_args *unmap)
{
	struct idirty_unmap_args args;
	int rc = args_copy(IDIRTY_VERB_UNMAP, &args, sizeof(args), UNMAP_1_0, unmap);

	if (rc)
		return report(rc);
	rc = unmap_range(tracker, &args);
	args_return(unmap, &args, sizeof(args));
	return report(rc);
}
