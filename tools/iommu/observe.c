// SPDX-License-Identifier: GPL-2.0-only
/*
 * Trackers on the iommufd of another process. Its file is borrowed with
 * pidfd_getfd(2), which takes the right to trace that process. Every IOAS in it
 * gets a tracker of ours, so its owner's own trackers still report every page.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "iommu-dirty.h"

#define SCAN_RUNS	4096

static const struct argp_option target_options[] = {
	{ "pid", 'p', "PID", 0, "observe the iommufd of this process", 0 },
	{ "device", 'd', "ADDRESS", 0, "observe the process that has this device", 0 },
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

static int entry_number(const char *name)
{
	char *end;
	long value = strtol(name, &end, 10);

	return *name && !*end ? value : -1;
}

/* The next /dev/iommu of a process from file descriptor @from on, or -errno */
static int find_iommufd(int pid, int from)
{
	char path[64], link[64];
	struct dirent *entry;
	int best = -ENOENT;
	ssize_t len;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? -ESRCH : -errno;
	while ((entry = readdir(dir))) {
		int fd = entry_number(entry->d_name);

		if (fd < from || (best >= 0 && fd > best))
			continue;
		len = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);
		if (len < 0)
			continue;
		link[len] = 0;
		if (!strcmp(link, "/dev/iommu"))
			best = fd;
	}
	closedir(dir);
	return best;
}

static int borrow(int pid, int fd)
{
	int pidfd = syscall(SYS_pidfd_open, pid, 0);
	int got, err;

	if (pidfd < 0)
		return -errno;
	got = syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	err = errno;
	close(pidfd);
	return got < 0 ? -err : got;
}

/* Is the device in this iommufd? */
static bool has_device(int fd, const char *device)
{
	struct idirty_object *objects;
	bool found = false;
	struct idirty *ctx;
	size_t num, i;

	if (idirty_open(fd, &ctx))
		return false;
	if (!idirty_list(ctx, &objects, &num)) {
		for (i = 0; i < num; i++)
			found |= objects[i].type == IDIRTY_OBJECT_DEVICE &&
				 !strcmp(objects[i].name, device);
		idirty_free(objects);
	}
	idirty_close(ctx);
	return found;
}

static bool is_denied(int rc)
{
	return rc == -EACCES || rc == -EPERM;
}

/* -EACCES: there is none among the processes that this one may look into */
static int borrow_of_device(const char *device)
{
	DIR *proc = opendir("/proc");
	int found = -ENOENT, denied = 0;
	struct dirent *entry;

	while (proc && found < 0 && (entry = readdir(proc))) {
		int pid = entry_number(entry->d_name), from;

		if (pid <= 0 || pid == getpid())
			continue;
		for (from = find_iommufd(pid, 0); from >= 0 && found < 0;
		     from = find_iommufd(pid, from + 1)) {
			int fd = borrow(pid, from);

			if (fd >= 0 && has_device(fd, device))
				found = fd;
			else if (fd >= 0)
				close(fd);
			denied |= is_denied(fd);
		}
		denied |= is_denied(from);
	}
	if (proc)
		closedir(proc);
	return found < 0 && denied ? -EACCES : found;
}

static int get_fd(struct observer *o, const struct observe_options *opt)
{
	int from;

	if (opt->fd >= 0) {
		o->fd = opt->fd;
		return EXIT_OK;
	}
	if (opt->device) {
		o->fd = borrow_of_device(opt->device);
		if (o->fd == -EACCES)
			return complain(EXIT_FAILED,
					"no process with %s in its iommufd, of those that may be traced",
					opt->device);
		if (o->fd < 0)
			return complain(EXIT_NOTHING, "no process with %s in its iommufd",
					opt->device);
	} else {
		from = find_iommufd(opt->pid, 0);
		if (from == -ESRCH)
			return complain(EXIT_NOTHING, "there is no process %d", opt->pid);
		if (from == -ENOENT)
			return complain(EXIT_NOTHING, "process %d has no iommufd", opt->pid);
		if (from < 0)
			return complain(EXIT_FAILED, "the files of process %d: %s", opt->pid,
					strerror(-from));
		o->fd = borrow(opt->pid, from);
		if (o->fd < 0)
			return complain(EXIT_FAILED, "cannot borrow the iommufd of process %d: %s",
					opt->pid, strerror(-o->fd));
	}
	o->own_fd = true;
	return EXIT_OK;
}

/* Devices whose page table belongs to an IOAS */
static uint32_t count_devices(const struct idirty_object *objects, size_t num, uint32_t ioas)
{
	uint32_t count = 0;
	size_t i, j;

	for (i = 0; i < num; i++) {
		if (objects[i].type != IDIRTY_OBJECT_DEVICE || !objects[i].parent_id)
			continue;
		for (j = 0; j < num; j++)
			if (objects[j].id == objects[i].parent_id)
				count += objects[j].parent_id == ioas;
	}
	return count;
}

static int watch_ioas(struct observer *o, uint32_t ioas, uint32_t devices, bool start)
{
	struct watched *w = &o->watched[o->num];
	struct idirty_target target = IDIRTY_TARGET(ioas);
	char text[200];
	int rc;

	*w = (struct watched){ .ioas = ioas, .devices = devices };
	rc = idirty_alloc(o->ctx, &target, &w->tracker);
	if (rc)
		return complain(rc == -ENOTTY ? EXIT_NO_KERNEL : EXIT_FAILED, "IOAS %u: %s", ioas,
				idirty_strerror(idirty_last_error(), text, sizeof(text)));
	o->num++;
	if (start && idirty_start(w->tracker, 0, NULL, 0, NULL)) {
		idirty_strerror(idirty_last_error(), w->reason, sizeof(w->reason));
		o->untracked++;
		complain(0, "IOAS %u: %s", ioas, w->reason);
	}
	return EXIT_OK;
}

static int watch_all(struct observer *o, bool start)
{
	struct idirty_object *objects;
	char text[200];
	size_t num, i;
	int rc;

	rc = idirty_list(o->ctx, &objects, &num);
	if (rc)
		return complain(rc == -ENOTTY ? EXIT_NO_KERNEL : EXIT_FAILED, "%s",
				idirty_strerror(idirty_last_error(), text, sizeof(text)));
	o->watched = calloc(num + 1, sizeof(*o->watched));
	rc = o->watched ? EXIT_OK : complain(EXIT_FAILED, "out of memory");
	for (i = 0; !rc && i < num; i++)
		if (objects[i].type == IDIRTY_OBJECT_IOAS)
			rc = watch_ioas(o, objects[i].id,
					count_devices(objects, num, objects[i].id), start);
	idirty_free(objects);
	if (!rc && !o->num)
		rc = complain(EXIT_NOTHING, "the iommufd has no IO address space");
	return rc || o->untracked < o->num ? rc : EXIT_FAILED;
}

int observe_open(struct observer *o, const struct observe_options *opt)
{
	int rc;

	*o = (struct observer){ .fd = -1 };
	rc = get_fd(o, opt);
	if (!rc && idirty_open(o->fd, &o->ctx))
		rc = complain(EXIT_FAILED, "out of memory");
	if (!rc)
		rc = watch_all(o, !opt->stopped);
	if (rc)
		observe_close(o);
	return rc;
}

int observe_result(const struct observer *o)
{
	return o->untracked ? EXIT_FAILED : EXIT_OK;
}

void observe_close(struct observer *o)
{
	while (o->num)
		idirty_destroy(o->watched[--o->num].tracker);
	free(o->watched);
	idirty_close(o->ctx);
	if (o->own_fd)
		close(o->fd);
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
