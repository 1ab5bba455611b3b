// SPDX-License-Identifier: GPL-2.0-only
/*
 * Trackers on the iommufds of another process. Every IOAS gets a tracker of its own for
 * this program, so the trackers of the owner still report every page. The iommufds are
 * returned before the trackers start.
 */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "iommu-dirty.h"

#define SCAN_RUNS	4096
/* A program that has more of them is not observed: each takes a file descriptor */
#define MAX_IOASES	1024

static const struct argp_option target_options[] = {
	{ "pid", 'p', "PID", 0, "observe all iommufds of this process", 0 },
	{ "device", 'd', "ADDRESS", 0, "observe the iommufd that has this device", 0 },
	{ "fd", 'f', "FD", 0, "observe an iommufd that was inherited", 0 },
	{ "json", 'j', NULL, 0, "print JSON", 0 },
	{ 0 }
};

static const struct argp_option observe_argp_options[] = {
	{ "page-size", 's', "SIZE", 0, "count in pages of this size (4K)", 0 },
	{ "duration", 't', "TIME", 0, "measure for this long (1s)", 0 },
	{ 0 }
};

static error_t target_parse(int key, char *arg, struct argp_state *state)
{
	struct observe_options *opt = state->input;
	unsigned int targets;

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
		targets = (opt->pid > 0) + !!opt->device + (opt->fd >= 0);
		if (targets > 1)
			argp_error(state, "only one of --pid, --device and --fd can be observed");
		if (!targets && !opt->optional)
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
		opt->page_size = parse_page_size(state, arg);
		break;
	case 't':
		opt->duration = parse_time(state, arg, 0.001, 1e6);
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

/* The names of the devices whose page table belongs to the IOAS */
static json_t *list_devices(const struct iommufd *file, uint32_t ioas)
{
	struct idirty_object *const *objects = file->objects;
	size_t num = file->num_objects, i, j;
	json_t *devices = json_array();

	for (i = 0; i < num; i++) {
		if (objects[i]->type != IDIRTY_OBJECT_DEVICE || !objects[i]->parent_id)
			continue;
		for (j = 0; j < num; j++)
			if (objects[j]->id == objects[i]->parent_id &&
			    objects[j]->parent_id == ioas)
				json_array_append_new(devices, json_string(objects[i]->name));
	}
	return devices;
}

/* Whether PASIDs may write to the IOAS, of whichever device: LIST does not tell */
static bool has_pasids(const struct iommufd *file, uint32_t ioas)
{
	size_t i;

	for (i = 0; i < file->num_objects; i++)
		if (file->objects[i]->type == IDIRTY_OBJECT_HWPT &&
		    file->objects[i]->parent_id == ioas &&
		    file->objects[i]->flags & IDIRTY_OBJECT_PASID)
			return true;
	return false;
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

/* Describes a member that cannot be tracked like a failed START does */
static void tell_member(struct watched *w, const struct idirty_tracker_info *info)
{
	struct idirty_error error = { .size = sizeof(error),
				      .code = ENXIO, .verb = IDIRTY_VERB_START };
	size_t i;

	for (i = 0; i < info->num_members && !error.reason; i++) {
		error.member_type = info->members[i]->type;
		error.member_id = info->members[i]->id;
		error.reason = info->members[i]->reason;
	}
	if (!error.reason)
		error.member_type = 0;
	idirty_strerror(&error, w->reason, sizeof(w->reason));
}

static void tell_error(struct watched *w)
{
	idirty_strerror(idirty_last_error(), w->reason, sizeof(w->reason));
}

int observe_check(struct watched *w, int rc)
{
	struct idirty_tracker_info *info;

	if (rc)
		tell_error(w);
	if (idirty_info(w->tracker, &info)) {
		if (!rc) {
			rc = -idirty_last_error()->code;
			tell_error(w);
		}
	} else {
		if (info->flags & IDIRTY_TRACKER_GONE) {
			rc = -ESRCH;
		} else if (!rc && info->flags & IDIRTY_TRACKER_BLIND) {
			rc = -ENXIO;
			tell_member(w, info);
		}
		idirty_free(info);
	}
	if (rc)
		idirty_stop(w->tracker);
	return rc;
}

void observe_gone(struct watched *w)
{
	snprintf(w->reason, sizeof(w->reason), "the address space is gone");
}

int observe_start(struct watched *w, const struct idirty_range *ranges, size_t num)
{
	w->since = seconds_now();
	return observe_check(w, idirty_start(w->tracker, 0, ranges, num, NULL));
}

static int watch(const struct iommufd *file, uint32_t id, struct watched *w)
{
	struct idirty_target target = IDIRTY_TARGET(id);

	target.flags = IDIRTY_ALLOC_PASSIVE | IDIRTY_ALLOC_FILE;
	w->file = file;
	return idirty_alloc(file->ctx, &target, &w->tracker);
}

/* Whether the IOAS has been destroyed */
static bool is_gone(const struct watched *w)
{
	struct idirty_tracker_info *info;
	bool gone;

	if (idirty_info(w->tracker, &info))
		return false;
	gone = info->flags & IDIRTY_TRACKER_GONE;
	idirty_free(info);
	return gone;
}

/* Takes over the tracker that @old has for the IOAS; false if there is none */
static bool take_over(struct observer *old, const struct iommufd *file, uint32_t ioas,
		      struct watched *w)
{
	size_t i;

	for (i = 0; old && i < old->num; i++) {
		struct watched *from = &old->watched[i];

		if (!from->tracker || from->file->number != file->number || from->ioas != ioas ||
		    is_gone(from))
			continue;
		*w = *from;
		w->file = file;
		from->tracker = NULL;
		from->devices = NULL;
		json_decref(w->devices);
		return true;
	}
	return false;
}

static int watch_ioas(struct observer *o, struct observer *old, const struct iommufd *file,
		      uint32_t ioas)
{
	struct watched *w = &o->watched[o->num];
	char text[200];
	int rc;

	rc = take_over(old, file, ioas, w) ? 0 : watch(file, ioas, w);
	/* Destroyed since it was listed */
	if (rc == -ENOENT) {
		memset(w, 0, sizeof(*w));
		return EXIT_OK;
	}
	w->ioas = ioas;
	w->pasids = has_pasids(file, ioas);
	name_ioas(w, o);
	if (rc == -EOPNOTSUPP)
		return complain(EXIT_NO_KERNEL,
				"this kernel is too old: its trackers would disturb the observed program");
	if (rc)
		return complain(EXIT_FAILED, "IOAS %s: %s", w->name,
				idirty_strerror(idirty_last_error(), text, sizeof(text)));
	w->devices = list_devices(file, ioas);
	o->num++;
	return EXIT_OK;
}

static void watch_device(struct observer *o, const struct iommufd *file,
			 const struct idirty_object *device)
{
	struct watched *w = &o->devices[o->num_devices++];

	w->device = device;
	if (watch(file, device->id, w))
		tell_error(w);
}

/* Returns an exit code, after a complaint if there are too many */
static int check_number(const struct observer *o, const struct observe_options *opt)
{
	size_t i, j, num = 0;

	for (i = 0; i < o->num_files; i++)
		for (j = 0; j < o->files[i].num_objects; j++)
			num += o->files[i].objects[j]->type == IDIRTY_OBJECT_IOAS;
	if (num <= MAX_IOASES)
		return EXIT_OK;
	if (opt->pid > 0)
		return complain(EXIT_FAILED, "process %d has more than %d IO address spaces",
				opt->pid, MAX_IOASES);
	return complain(EXIT_FAILED, "the iommufd has more than %d IO address spaces", MAX_IOASES);
}

/* @old: may have trackers already, or NULL */
static int watch_files(struct observer *o, struct observer *old,
		       const struct observe_options *opt)
{
	int rc = check_number(o, opt);
	size_t i, j, num = 0;

	if (rc)
		return rc;
	for (i = 0; i < o->num_files; i++)
		num += o->files[i].num_objects;
	o->watched = calloc(num + 1, sizeof(*o->watched));
	o->devices = calloc(num + 1, sizeof(*o->devices));
	if (!o->watched || !o->devices)
		return complain(EXIT_FAILED, "out of memory");
	for (i = 0; i < o->num_files; i++) {
		const struct iommufd *file = &o->files[i];

		for (j = 0; !rc && j < file->num_objects; j++)
			if (file->objects[j]->type == IDIRTY_OBJECT_IOAS)
				rc = watch_ioas(o, old, file, file->objects[j]->id);
			else if (opt->devices && file->objects[j]->type == IDIRTY_OBJECT_DEVICE)
				watch_device(o, file, file->objects[j]);
	}
	if (!rc && !o->num && !opt->patient)
		rc = complain(EXIT_NOTHING, "the iommufd has no IO address space");
	return rc;
}

/* Returns 0, or -ESRCH if none is left */
static int start_all(struct observer *o)
{
	size_t i, gone = 0;

	for (i = 0; i < o->num; i++) {
		/* A tracker that was taken over runs, or cannot */
		int rc = o->watched[i].since ? 0 : observe_start(&o->watched[i], NULL, 0);

		if (rc == -ESRCH) {
			observe_gone(&o->watched[i]);
			gone++;
		}
	}
	return gone && gone == o->num ? -ESRCH : 0;
}

void observe_tell(struct observer *o)
{
	size_t i;

	for (i = 0; i < o->num; i++) {
		struct watched *w = &o->watched[i];

		if (*w->reason && !w->told)
			complain(0, "IOAS %s: %s", w->name, w->reason);
		w->told = *w->reason;
	}
}

int observe_open(struct observer *o, const struct observe_options *opt)
{
	int rc;

	*o = (struct observer){ .pidfd = -1, .signals = -1, .keys = -1 };
	rc = borrow_files(o, opt);
	if (!rc)
		rc = watch_files(o, NULL, opt);
	return_files(o);
	if (!rc && !opt->stopped)
		rc = start_all(o);
	if (rc != -ESRCH)
		observe_tell(o);
	if (!rc && !opt->patient && observe_untracked(o) == o->num)
		rc = EXIT_FAILED;
	return rc ? observe_end(o, rc) : EXIT_OK;
}

json_t *observe_to_json(const struct observer *o)
{
	json_t *all = json_array();
	size_t i;

	for (i = 0; i < o->num; i++) {
		const struct watched *w = &o->watched[i];

		json_array_append_new(all, json_pack("{s:o*, s:I, s:o, s:s*}", "fd",
						     fd_to_json(w->fd), "ioas",
						     (json_int_t)w->ioas, "devices",
						     json_incref(w->devices), "error",
						     *w->reason ? w->reason : NULL));
	}
	return all;
}

size_t observe_untracked(const struct observer *o)
{
	size_t i, num = 0;

	for (i = 0; i < o->num; i++)
		num += *o->watched[i].reason != 0;
	return num;
}

int observe_result(const struct observer *o)
{
	return observe_untracked(o) || o->has_container ? EXIT_FAILED : EXIT_OK;
}

/* A signal that is ignored, as under nohup(1), stays so: signalfd(2) would report it */
static void signals_to_end(sigset_t *set)
{
	static const int ends[] = { SIGHUP, SIGINT, SIGTERM };
	struct sigaction now;
	size_t i;

	sigemptyset(set);
	for (i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		if (!sigaction(ends[i], NULL, &now) && now.sa_handler != SIG_IGN)
			sigaddset(set, ends[i]);
}

static void observe_close(struct observer *o)
{
	sigset_t set;

	while (o->num) {
		json_decref(o->watched[--o->num].devices);
		idirty_destroy(o->watched[o->num].tracker);
	}
	while (o->num_devices)
		idirty_destroy(o->devices[--o->num_devices].tracker);
	free(o->watched);
	free(o->devices);
	forget_files(o);
	if (o->signals >= 0) {
		/* A signal that has ended the wait is still pending, and ends the program now */
		signals_to_end(&set);
		close(o->signals);
		sigprocmask(SIG_UNBLOCK, &set, NULL);
	}
}

void observe_signals(struct observer *o)
{
	sigset_t set;

	signals_to_end(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	o->signals = signalfd(-1, &set, SFD_CLOEXEC);
}

static bool has_ended(const struct observer *o)
{
	struct pollfd ended = { .fd = o->pidfd, .events = POLLIN };

	return poll(&ended, 1, 0) > 0;
}

int observe_refresh(struct observer *o, const struct observe_options *opt)
{
	struct observer now = {
		.pidfd = -1, .signals = -1, .keys = o->keys, .told_container = o->told_container,
	};
	int rc;

	if (opt->fd >= 0)
		return 0;
	if (has_ended(o))
		return -ESRCH;
	rc = borrow_files(&now, opt);
	if (!rc)
		rc = watch_files(&now, o, opt);
	return_files(&now);
	if (!rc)
		rc = start_all(&now);
	/* Destroys the trackers that were not taken over */
	observe_close(o);
	*o = now;
	return rc;
}

int observe_wait(const struct observer *o, double when)
{
	struct pollfd ends[] = {
		{ .fd = o->pidfd, .events = POLLIN },
		{ .fd = o->signals, .events = POLLIN },
		{ .fd = o->keys, .events = POLLIN },
	};
	double left;

	for (left = when - seconds_now(); left > 0; left = when - seconds_now())
		/* poll() counts in ints; sleep_until() is exact */
		if (poll(ends, 3, fmin(left * 1e3, 1e6)) > 0)
			return ends[0].revents ? -ESRCH : -EINTR;
	sleep_until(when);
	return 0;
}

/* A process that ends may have lost its IOASes already */
static int tell_gone(const struct observer *o)
{
	size_t i;

	for (i = 0; !has_ended(o) && i < o->num; i++) {
		if (is_gone(&o->watched[i]))
			return complain(EXIT_NOTHING,
					"IOAS %s is gone: the observed process has destroyed it, or is ending",
					o->watched[i].name);
	}
	return complain(EXIT_NOTHING, "the observed process has ended");
}

int observe_end(struct observer *o, int rc)
{
	if (rc == -ESRCH)
		rc = tell_gone(o);
	observe_close(o);
	return rc;
}

int observe_scan(struct watched *w, uint64_t page_size, observe_run_fn *fn, void *arg)
{
	static struct idirty_range runs[SCAN_RUNS];
	struct idirty_scan_args scan = {
		.size = sizeof(scan),
		.length = UINT64_MAX,
		.page_size = page_size,
		.runs = runs,
	};
	uint32_t i;
	int rc = 0;

	while (scan.length) {
		scan.num_runs = SCAN_RUNS;
		rc = idirty_scan(&w->tracker, 1, &scan);
		for (i = 0; i < scan.num_runs; i++) {
			int stop = fn(arg, &runs[i]);

			if (stop)
				return stop;
		}
		if (rc)
			break;
		scan.iova += scan.out_length;
		scan.length -= scan.out_length;
	}
	return observe_check(w, rc);
}
