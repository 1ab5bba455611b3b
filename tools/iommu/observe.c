// SPDX-License-Identifier: GPL-2.0-only
/*
 * Trackers on the iommufds of another process. Every IOAS gets a tracker of its own for
 * this program, so the trackers of the owner still report every page.
 */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "iommu-dirty.h"

#define SCAN_RUNS	4096

static const struct argp_option target_options[] = {
	{ "pid", 'p', "PID", 0, "observe all iommufds of this process", 0 },
	{ "device", 'd', "ADDRESS", 0, "observe the iommufd that has this device", 0 },
	{ "fd", 'f', "FD", 0, "observe an iommufd that was inherited", 0 },
	{ "json", 'j', NULL, 0, "as JSON", 0 },
	{ 0 }
};

static const struct argp_option observe_argp_options[] = {
	{ "page-size", 's', "BYTES", 0, "count in pages of this size (4K)", 0 },
	{ "seconds", 't', "N", 0, "for how long (1)", 0 },
	{ 0 }
};

static error_t target_parse(int key, char *arg, struct argp_state *state)
{
	struct observe_options *opt = state->input;

	switch (key) {
	case 'p':
		opt->pid = parse_number(state, arg, 1, 1 << 30);
		break;
	case 'f':
		opt->fd = parse_number(state, arg, 0, 1 << 20);
		break;
	case 'd':
		opt->device = arg;
		break;
	case 'j':
		opt->json = true;
		break;
	case ARGP_KEY_END:
		if (!opt->optional && !opt->pid + !opt->device + !(opt->fd + 1) != 2)
			argp_error(state, "one of --pid, --device and --fd is needed");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

const struct argp target_argp = { .options = target_options, .parser = target_parse };
static const struct argp_child target_children[] = { { &target_argp, 0, NULL, 0 }, { 0 } };

static error_t observe_parse(int key, char *arg, struct argp_state *state)
{
	struct observe_options *opt = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = opt;
		break;
	case 's':
		opt->page_size = parse_number(state, arg, 4096, 1ULL << 40);
		if (opt->page_size & (opt->page_size - 1))
			argp_error(state, "the page size is not a power of two");
		break;
	case 't':
		opt->seconds = parse_number(state, arg, 1, 1000000);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

const struct argp observe_argp = {
	.options = observe_argp_options,
	.parser = observe_parse,
	.children = target_children,
};

double seconds_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

void sleep_until(double when)
{
	struct timespec ts = { .tv_sec = when };

	ts.tv_nsec = (when - ts.tv_sec) * 1e9;
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

/* Number of devices whose page table belongs to the IOAS */
static uint32_t count_devices(const struct iommufd *file, uint32_t ioas)
{
	const struct idirty_object *objects = file->objects;
	size_t num = file->num_objects, i, j;
	uint32_t count = 0;

	for (i = 0; i < num; i++) {
		if (objects[i].type != IDIRTY_OBJECT_DEVICE || !objects[i].parent_id)
			continue;
		for (j = 0; j < num; j++)
			if (objects[j].id == objects[i].parent_id)
				count += objects[j].parent_id == ioas;
	}
	return count;
}

/* With several iommufds, the owner's file descriptor distinguishes equal ids */
static void name_ioas(struct watched *w, const struct observer *o)
{
	w->fd = o->num_files > 1 ? w->file->number : -1;
	if (w->fd >= 0)
		snprintf(w->name, sizeof(w->name), "%d:%u", w->fd, w->ioas);
	else
		snprintf(w->name, sizeof(w->name), "%u", w->ioas);
}

/* A signal that comes before the keeper knows of the tracker would leave it */
int observe_alloc(const struct iommufd *file, const struct idirty_target *target,
		  struct idirty_tracker **tracker)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	rc = idirty_alloc(file->ctx, target, tracker);
	if (!rc && keeper_keep(file->fd, idirty_tracker_id(*tracker))) {
		idirty_destroy(*tracker);
		rc = complain(-EIO, "the process that keeps the trackers has died");
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return rc;
}

/* Once it is destroyed, its id may be that of another object: the keeper forgets it first */
void observe_free(const struct iommufd *file, struct idirty_tracker *tracker)
{
	sigset_t all, before;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	keeper_forget(file->fd, idirty_tracker_id(tracker));
	idirty_destroy(tracker);
	sigprocmask(SIG_SETMASK, &before, NULL);
}

static int watch_ioas(struct observer *o, const struct iommufd *file, uint32_t ioas, bool start)
{
	struct watched *w = &o->watched[o->num];
	struct idirty_target target = IDIRTY_TARGET(ioas);
	char text[200];
	int rc;

	*w = (struct watched){ .file = file, .ioas = ioas };
	w->devices = count_devices(file, ioas);
	name_ioas(w, o);
	rc = observe_alloc(file, &target, &w->tracker);
	if (rc)
		return complain(rc == -ENOTTY ? EXIT_NO_KERNEL : EXIT_FAILED, "IOAS %s: %s",
				w->name,
				idirty_strerror(idirty_last_error(), text, sizeof(text)));
	o->num++;
	if (start && idirty_start(w->tracker, 0, NULL, 0, NULL)) {
		idirty_strerror(idirty_last_error(), w->reason, sizeof(w->reason));
		o->untracked++;
		complain(0, "IOAS %s: %s", w->name, w->reason);
	}
	return EXIT_OK;
}

static int watch_file(struct observer *o, struct iommufd *file, bool start)
{
	struct watched *more;
	char text[200];
	size_t i;
	int rc;

	if (idirty_open(file->fd, &file->ctx))
		return complain(EXIT_FAILED, "out of memory");
	rc = idirty_list(file->ctx, &file->objects, &file->num_objects);
	if (rc)
		return complain(rc == -ENOTTY ? EXIT_NO_KERNEL : EXIT_FAILED, "%s",
				idirty_strerror(idirty_last_error(), text, sizeof(text)));
	more = realloc(o->watched, (o->num + file->num_objects + 1) * sizeof(*more));
	if (!more)
		return complain(EXIT_FAILED, "out of memory");
	o->watched = more;
	for (i = 0; !rc && i < file->num_objects; i++)
		if (file->objects[i].type == IDIRTY_OBJECT_IOAS)
			rc = watch_ioas(o, file, file->objects[i].id, start);
	return rc;
}

int observe_open(struct observer *o, const struct observe_options *opt)
{
	size_t i;
	int rc;

	*o = (struct observer){ .pidfd = -1 };
	rc = borrow_files(o, opt);
	if (!rc && keeper_start(o))
		rc = complain(EXIT_FAILED, "no process to keep the trackers: %s", strerror(errno));
	for (i = 0; !rc && i < o->num_files; i++)
		rc = watch_file(o, &o->files[i], !opt->stopped);
	if (!rc && !o->num)
		rc = complain(EXIT_NOTHING, "the iommufd has no IO address space");
	if (!rc && o->untracked == o->num)
		rc = EXIT_FAILED;
	if (rc)
		observe_close(o);
	return rc;
}

int observe_result(const struct observer *o)
{
	return o->untracked || o->has_container ? EXIT_FAILED : EXIT_OK;
}

void observe_close(struct observer *o)
{
	while (o->num) {
		o->num--;
		observe_free(o->watched[o->num].file, o->watched[o->num].tracker);
	}
	keeper_end();
	free(o->watched);
	while (o->num_files) {
		struct iommufd *file = &o->files[--o->num_files];

		idirty_free(file->objects);
		idirty_close(file->ctx);
		if (file->own_fd)
			close(file->fd);
	}
	free(o->files);
	if (o->pidfd >= 0)
		close(o->pidfd);
}

int observe_wait(const struct observer *o, double when)
{
	struct pollfd ended = { .fd = o->pidfd, .events = POLLIN };
	double left;

	for (left = when - seconds_now(); left > 0; left = when - seconds_now())
		/* poll() counts in ints; sleep_until() is exact */
		if (poll(&ended, 1, fmin(left * 1e3, 1e6)) > 0)
			return -ESRCH;
	sleep_until(when);
	return 0;
}

int observe_end(struct observer *o, int rc)
{
	observe_close(o);
	return rc == -ESRCH ? complain(EXIT_NOTHING, "the observed process has ended") : rc;
}

int observe_scan(struct watched *w, uint64_t page_size, observe_run_fn *fn, void *arg)
{
	static struct idirty_range runs[SCAN_RUNS];
	struct idirty_scan scan = {
		.length = UINT64_MAX,
		.page_size = page_size,
		.runs = runs,
	};
	uint32_t i;
	int rc;

	while (scan.length) {
		scan.num_runs = SCAN_RUNS;
		rc = idirty_scan(&w->tracker, 1, &scan);
		for (i = 0; i < scan.num_runs; i++) {
			int stop = fn(arg, &runs[i]);

			if (stop)
				return stop;
		}
		if (rc)
			return rc;
		scan.iova += scan.out_length;
		scan.length -= scan.out_length;
	}
	return 0;
}
