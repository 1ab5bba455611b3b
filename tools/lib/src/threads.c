// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * One READ by several threads. The kernel runs one harvest of an IOAS at a time, so
 * the trackers are divided among the threads, not the range. Each thread reads the
 * whole range into the same bitmap, in which bits are set atomically.
 */
#include "internal.h"

#define MAX_THREADS	64

struct job {
	struct idirty_tracker *const *trackers;
	size_t first;
	size_t end;
	struct idirty_read_args read;
	struct idirty_error error;
	int rc;
	bool started;
	pthread_t thread;
};

static void *job_run(void *arg)
{
	struct job *job = arg;

	job->rc = read_trackers(job->trackers + job->first, job->end - job->first,
				&job->read, NULL);
	if (job->rc)
		job->error = *last_error();
	return NULL;
}

static int read_jobs(struct idirty_tracker *const *trackers, size_t num,
		     struct idirty_read_args *read, unsigned int threads)
{
	struct job jobs[MAX_THREADS] = {};
	unsigned int i, n = threads < MAX_THREADS ? threads : MAX_THREADS;
	int rc = 0;

	if (n > num)
		n = num;
	if (n <= 1)
		return read_trackers(trackers, num, read, NULL);
	for (i = 0; i < n; i++) {
		struct job *job = &jobs[i];

		job->trackers = trackers;
		job->first = num * i / n;
		job->end = num * (i + 1) / n;
		job->read = *read;
		/* This thread does the last part, and any part that got no thread */
		if (i + 1 < n) {
			job->started = !pthread_create(&job->thread, NULL, job_run, job);
			if (!job->started)
				note("READ", "a thread cannot be created");
		}
		if (!job->started)
			job_run(job);
	}

	read->out_length = read->length;
	read->out_pages = 0;
	for (i = 0; i < n; i++) {
		struct job *job = &jobs[i];

		if (job->started)
			pthread_join(job->thread, NULL);
		read->out_pages += job->read.out_pages;
		if (job->read.out_length < read->out_length)
			read->out_length = job->read.out_length;
		if (job->rc && !rc) {
			rc = job->rc;
			*last_error() = job->error;
			if (job->error.tracker)
				last_error()->tracker += job->first;
		}
	}
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
