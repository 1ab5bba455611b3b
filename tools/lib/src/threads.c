// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * One READ by several threads. The kernel harvests different windows of an IOAS in
 * parallel, so the range is divided among the threads, and the trackers only where the
 * range is too short. All parts are read into the same bitmap, in which bits are set
 * atomically.
 */
#include <unistd.h>

#include "internal.h"

#define MAX_THREADS	64

/* Most parts of the range for a thread: some parts take longer than others */
#define MAX_PARTS	4

/* Fewest bytes of a part: the kernel harvests as many at a time */
#define PART		(1024ULL << 20)

/* A part begins with a byte of the bitmap, and should not share a cache line of it */
#define PART_PAGES	512

/* For fewer bytes than this, a thread takes longer to start than to read */
#define WORTH_A_THREAD	(8ULL << 30)

struct job {
	size_t first;
	size_t end;
	struct idirty_read_args read;
	struct idirty_error error;
	int rc;
};

/* The jobs are numbered by parts of the range, and within these by trackers */
struct work {
	struct idirty_tracker *const *trackers;
	unsigned int slices;	/* of the trackers */
	unsigned int parts;	/* of the range */
	uint64_t begin;		/* where the first part would begin if it were as long */
	uint64_t unit;		/* bytes of a part, but for the first and the last one */
	unsigned int next;	/* the next job that no thread does yet */
	struct job jobs[MAX_THREADS * MAX_PARTS];
};

static void *work_run(void *arg)
{
	struct work *work = arg;
	unsigned int i;

	for (;;) {
		struct job *job;

		i = __atomic_fetch_add(&work->next, 1, __ATOMIC_RELAXED);
		if (i >= work->parts * work->slices)
			return NULL;
		job = &work->jobs[i];
		job->rc = read_checked(work->trackers + job->first,
				       job->end - job->first, &job->read, NULL);
		if (job->rc)
			job->error = *last_error();
	}
}

/*
 * A fallback reads under a lock, so threads gain nothing from parts of the range; that of
 * an IOAS must not read a part of an IO page table entry.
 */
static bool one_part(const struct work *work, size_t num)
{
	size_t i;

	for (i = 0; i < num; i++)
		if (work->trackers[i]->fallback)
			return true;
	return false;
}

/* Divide the range, and the trackers only if that leaves threads without work */
static void work_divide(struct work *work, size_t num, const struct idirty_read_args *read,
			unsigned int threads)
{
	uint64_t unit = PART_PAGES * read->page_size;
	uint64_t begin = read->iova & ~(read->page_size - 1);
	uint64_t last = read->iova + (read->length - 1);

	/* If it overflows, no range has two parts */
	if (unit < PART)
		unit = unit >= read->page_size ? PART : 1ULL << 63;
	/* At a border that is one of the kernel's, too, no two threads wait for each other */
	begin -= begin & (unit - 1) & ~(8 * read->page_size - 1);
	work->parts = 1;
	work->begin = begin;
	work->unit = unit;
	if ((last - begin) / unit && !one_part(work, num)) {
		uint64_t units = (last - begin) / unit + 1, most = threads * MAX_PARTS;

		work->unit = unit * ((units - 1) / most + 1);
		work->parts = (last - begin) / work->unit + 1;
	}
	work->slices = 1;
	if (work->parts < threads)
		work->slices = min_u64(num, threads / work->parts);
}

static void work_fill(struct work *work, size_t num, const struct idirty_read_args *read)
{
	uint64_t first = read->iova & ~(read->page_size - 1);
	uint64_t last = read->iova + (read->length - 1);
	unsigned int part, slice;

	for (part = 0; part < work->parts; part++) {
		uint64_t begin = work->begin + part * work->unit;
		uint64_t from = part ? begin : read->iova;
		uint64_t end = part + 1 < work->parts ? begin + (work->unit - 1) : last;
		uint64_t pages = part ? (begin - first) / read->page_size : 0;

		for (slice = 0; slice < work->slices; slice++) {
			struct job *job = &work->jobs[part * work->slices + slice];

			job->first = num * slice / work->slices;
			job->end = num * (slice + 1) / work->slices;
			job->read = *read;
			job->read.iova = from;
			job->read.length = end - from + 1;
			job->read.bitmap = (uint8_t *)read->bitmap + pages / 8;
		}
	}
}

/* How far some of the trackers got; @failed: the job that has not reached its end, if any */
static uint64_t slice_done(const struct work *work, unsigned int slice,
			   const struct job **failed)
{
	uint64_t done = 0;
	unsigned int part;

	*failed = NULL;
	for (part = 0; part < work->parts && !*failed; part++) {
		const struct job *job = &work->jobs[part * work->slices + slice];

		done += job->read.out_length;
		if (job->rc)
			*failed = job;
	}
	/* What was read before may have been lost since */
	if (*failed && ((*failed)->rc == -ENODATA || (*failed)->rc == -ESTALE))
		done = 0;
	return done;
}

static int work_result(const struct work *work, struct idirty_read_args *read)
{
	const struct job *failed, *first = NULL;
	unsigned int i;

	read->out_length = read->length;
	read->out_pages = 0;
	for (i = 0; i < work->parts * work->slices; i++)
		read->out_pages += work->jobs[i].read.out_pages;
	for (i = 0; i < work->slices; i++) {
		uint64_t done = slice_done(work, i, &failed);

		if (done < read->out_length)
			read->out_length = done;
		if (failed && !first)
			first = failed;
	}
	if (!first)
		return 0;
	*last_error() = first->error;
	if (first->error.tracker)
		last_error()->tracker += first->first;
	return first->rc;
}

static unsigned int threads_for(uint64_t length)
{
	uint64_t worth = length / WORTH_A_THREAD;
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	return min_u64(worth ? worth : 1, cpus > 0 ? cpus : 1);
}

static int read_jobs(struct idirty_tracker *const *trackers, size_t num,
		     struct idirty_read_args *read, unsigned int threads)
{
	pthread_t thread[MAX_THREADS];
	unsigned int i, n = min_u64(threads ? threads : threads_for(read->length), MAX_THREADS);
	struct work *work;
	int rc = read_check(num, read);

	if (rc)
		return rc;
	if (n == 1)
		return read_checked(trackers, num, read, NULL);
	work = calloc(1, sizeof(*work));
	if (!work)
		return failed(IDIRTY_VERB_READ, -ENOMEM);
	work->trackers = trackers;
	work_divide(work, num, read, n);
	work_fill(work, num, read);

	n = min_u64(n, work->parts * work->slices);
	/* This thread works, too, so it does not matter if there is no other */
	for (i = 1; i < n; i++)
		if (pthread_create(&thread[i], NULL, work_run, work)) {
			note("READ", "a thread cannot be created");
			break;
		}
	n = i;
	work_run(work);
	for (i = 1; i < n; i++)
		pthread_join(thread[i], NULL);
	rc = work_result(work, read);
	free(work);
	return rc;
}

int idirty_read_threads(struct idirty_tracker *const *trackers, size_t num,
			struct idirty_read_args *read, unsigned int threads)
{
	struct idirty_read_args args;
	int rc = read_copy(&args, read);

	if (rc)
		return report(rc);
	rc = read_jobs(trackers, num, &args, threads);
	args_return(read, &args, sizeof(args));
	return report(rc);
}
