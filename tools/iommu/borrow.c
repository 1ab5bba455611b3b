// SPDX-License-Identifier: GPL-2.0-only
/*
 * Borrows the iommufds of another process and lists what is in them, with pidfd_getfd(2),
 * which requires the right to trace that process. A VFIO container is an iommufd, too, if
 * iommufd replaces VFIO's native type1 containers.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/iommufd.h>

#include "iommu-dirty.h"

/* Since Linux 6.10: every kernel with trackers has it */
#ifndef F_DUPFD_QUERY
#define F_DUPFD_QUERY	1027
#endif

/* A process that has more of them is not observed: it could keep the observer busy */
#define MAX_FILES	4096

static int entry_number(const char *name)
{
	char *end;
	long value = strtol(name, &end, 10);

	return *name && !*end ? value : -1;
}

/* Descriptors of a process that may be iommufds */
struct numbers {
	int *all;		/* must be freed */
	size_t num;
};

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

static bool may_be_iommufd(DIR *dir, const char *name)
{
	char link[64];
	ssize_t len = readlinkat(dirfd(dir), name, link, sizeof(link) - 1);

	if (len < 0)
		return false;
	link[len] = 0;
	return !strcmp(link, "/dev/iommu") || !strcmp(link, "/dev/vfio/vfio");
}

/*
 * Finds them in one pass, lowest first; returns 0 or -errno. If there are more than @most,
 * *@numbers has @most + 1 of them
 */
static int find_files(int pid, size_t most, struct numbers *numbers)
{
	struct dirent *entry;
	char path[64];
	DIR *dir;

	*numbers = (struct numbers){ .all = calloc(most + 1, sizeof(int)) };
	if (!numbers->all)
		return -ENOMEM;
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir)
		return errno == ENOENT ? -ESRCH : -errno;
	while (numbers->num <= most && (entry = readdir(dir))) {
		int fd = entry_number(entry->d_name);

		if (fd >= 0 && may_be_iommufd(dir, entry->d_name))
			numbers->all[numbers->num++] = fd;
	}
	closedir(dir);
	qsort(numbers->all, numbers->num, sizeof(int), by_number);
	return 0;
}

/*
 * Refers to this process even if its PID is reused: find_files() may then see files of
 * the new process, but they are not borrowed
 */
static int open_process(int pid)
{
	int pidfd = syscall(SYS_pidfd_open, pid, 0);

	return pidfd < 0 ? -errno : pidfd;
}

static int borrow(int pidfd, int fd)
{
	int got = syscall(SYS_pidfd_getfd, pidfd, fd, 0);

	return got < 0 ? -errno : got;
}

/*
 * Returns 0 for an iommufd. A native VFIO container fails an ioctl that only an iommufd
 * has: with -ENOTTY, or with -EINVAL while it has no device
 */
static int ask_iommufd(int fd)
{
	struct iommu_ioas_iova_ranges cmd = { .size = sizeof(cmd) };

	/* No object has id 0 */
	return !ioctl(fd, IOMMU_IOAS_IOVA_RANGES, &cmd) || errno == ENOENT ? 0 : -errno;
}

/* Whether this open file is known: its owner may have several descriptors for it */
static bool is_known(const struct observer *o, int fd)
{
	size_t i;

	for (i = 0; i < o->num_files; i++)
		if (fcntl(o->files[i].fd, F_DUPFD_QUERY, fd) == 1)
			return true;
	return false;
}

static int add_file(struct observer *o, int fd, int number)
{
	struct iommufd *more = realloc(o->files, (o->num_files + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	o->files = more;
	more[o->num_files++] = (struct iommufd){ .fd = fd, .number = number };
	return 0;
}

/* Takes @fd over if it is a new iommufd, else closes it; 0 or -errno */
static int take_file(struct observer *o, int fd, int number)
{
	int rc = ask_iommufd(fd);

	if (!rc && !is_known(o, fd)) {
		rc = add_file(o, fd, number);
		if (!rc)
			return 0;
	} else {
		o->has_container |= rc == -ENOTTY;
		rc = 0;
	}
	close(fd);
	return rc;
}

/*
 * Tells why nothing was found, if that is the kernel. It is not asked before: in a
 * container without /dev/iommu, the iommufds of others can still be observed.
 */
static bool kernel_lacks_trackers(void)
{
	int rc = probe_kernel();

	if (rc == -ENOTTY)
		complain(0, "the kernel has no dirty trackers");
	else if (rc == -ENOENT)
		complain(0, "the kernel has no iommufd, or /dev/iommu is missing");
	return rc == -ENOTTY || rc == -ENOENT;
}

static int borrow_numbers(struct observer *o, int pid, int pidfd, const struct numbers *numbers)
{
	size_t i;
	int fd;

	if (numbers->num > MAX_FILES)
		return complain(EXIT_FAILED, "process %d has more than %d descriptors of iommufds",
				pid, MAX_FILES);
	for (i = 0; i < numbers->num; i++) {
		fd = borrow(pidfd, numbers->all[i]);
		/* It has been closed since */
		if (fd == -EBADF)
			continue;
		if (fd < 0)
			return complain(EXIT_FAILED, "cannot borrow the iommufd of process %d: %s",
					pid, strerror(-fd));
		if (take_file(o, fd, numbers->all[i]))
			return complain(EXIT_FAILED, "out of memory");
	}
	return EXIT_OK;
}

static int borrow_from(struct observer *o, int pid, int pidfd)
{
	struct numbers numbers;
	int rc = find_files(pid, MAX_FILES, &numbers);

	if (!rc)
		rc = borrow_numbers(o, pid, pidfd, &numbers);
	else if (rc == -ESRCH)
		rc = complain(EXIT_NOTHING, "there is no process %d", pid);
	else
		rc = complain(EXIT_FAILED, "the files of process %d: %s", pid, strerror(-rc));
	free(numbers.all);
	return rc;
}

static int borrow_all(struct observer *o, int pid)
{
	int pidfd = open_process(pid), rc;

	if (pidfd == -ESRCH)
		return complain(EXIT_NOTHING, "there is no process %d", pid);
	if (pidfd < 0)
		return complain(EXIT_FAILED, "process %d: %s", pid, strerror(-pidfd));
	o->pidfd = pidfd;
	rc = borrow_from(o, pid, pidfd);
	if (rc)
		return rc;
	if (!o->num_files && kernel_lacks_trackers())
		return EXIT_NO_KERNEL;
	if (!o->num_files)
		return complain(EXIT_NOTHING, "process %d has no iommufd%s", pid,
				o->has_container ? ", but a VFIO container that is none" : "");
	if (o->has_container && !o->told_container)
		complain(0, "process %d has a VFIO container that is no iommufd, and not observed",
			 pid);
	o->told_container = o->has_container;
	return EXIT_OK;
}

static bool is_denied(int rc)
{
	return rc == -EACCES || rc == -EPERM;
}

static int add_owner(struct owners *owners, int pid)
{
	int *more = realloc(owners->pids, (owners->num + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	owners->pids = more;
	more[owners->num++] = pid;
	return 0;
}

int borrow_owners(struct owners *owners)
{
	DIR *proc = opendir("/proc");
	struct numbers numbers;
	struct dirent *entry;
	int pid, found, rc = 0;

	*owners = (struct owners){};
	while (proc && !rc && (entry = readdir(proc))) {
		pid = entry_number(entry->d_name);
		if (pid <= 0)
			continue;
		found = find_files(pid, 0, &numbers);
		if (numbers.num)
			rc = add_owner(owners, pid);
		free(numbers.all);
		owners->hidden += is_denied(found);
	}
	if (proc)
		closedir(proc);
	return rc;
}

/* Whether the device is in this iommufd: 1, 0, or -errno, -ENOTTY if LIST is missing */
static int has_device(int fd, const char *device)
{
	struct idirty_object **objects;
	struct idirty *ctx;
	int rc, found = 0;
	size_t num, i;

	rc = idirty_open(fd, &ctx);
	if (rc)
		return rc;
	rc = idirty_list(ctx, &objects, &num);
	if (!rc) {
		for (i = 0; i < num; i++)
			found |= objects[i]->type == IDIRTY_OBJECT_DEVICE &&
				 !strcmp(objects[i]->name, device);
		idirty_free(objects);
	}
	idirty_close(ctx);
	return rc ? rc : found;
}

/* Search of all processes for the iommufd that has @device */
struct search {
	const char *device;
	int fd;			/* the iommufd, or -1 */
	int number;		/* as in struct iommufd */
	int pidfd;		/* of its process */
	bool denied;		/* some processes may not be traced */
	bool no_trackers;	/* the kernel has no trackers */
};

static void search_file(struct search *s, int fd, int number)
{
	int rc = has_device(fd, s->device);

	if (rc > 0) {
		s->fd = fd;
		s->number = number;
		return;
	}
	/* -ENOTTY of a native VFIO container says nothing about the kernel */
	s->no_trackers |= rc == -ENOTTY && !ask_iommufd(fd);
	close(fd);
}

static void search_process(struct search *s, int pid)
{
	int pidfd = open_process(pid), fd;
	struct numbers numbers;
	size_t i;

	if (pidfd < 0)
		return;
	s->denied |= is_denied(find_files(pid, MAX_FILES, &numbers));
	for (i = 0; i < numbers.num && s->fd < 0; i++) {
		fd = borrow(pidfd, numbers.all[i]);
		if (fd >= 0)
			search_file(s, fd, numbers.all[i]);
		s->denied |= is_denied(fd);
	}
	free(numbers.all);
	if (s->fd >= 0)
		s->pidfd = pidfd;
	else
		close(pidfd);
}

static int borrow_of_device(struct observer *o, const char *device)
{
	struct search s = { .device = device, .fd = -1 };
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	while (proc && s.fd < 0 && (entry = readdir(proc))) {
		int pid = entry_number(entry->d_name);

		if (pid > 0 && pid != getpid())
			search_process(&s, pid);
	}
	if (proc)
		closedir(proc);
	if (s.fd < 0 && s.no_trackers)
		return complain(EXIT_NO_KERNEL, "the kernel has no dirty trackers");
	if (s.fd < 0 && s.denied)
		return complain(EXIT_FAILED,
				"no process with %s in its iommufd, of those that may be traced",
				device);
	if (s.fd < 0 && kernel_lacks_trackers())
		return EXIT_NO_KERNEL;
	if (s.fd < 0)
		return complain(EXIT_NOTHING, "no process with %s in its iommufd", device);
	o->pidfd = s.pidfd;
	if (!add_file(o, s.fd, s.number))
		return EXIT_OK;
	close(s.fd);
	return complain(EXIT_FAILED, "out of memory");
}

static int borrow_wanted(struct observer *o, const struct observe_options *opt)
{
	int rc;

	if (opt->pid)
		return borrow_all(o, opt->pid);
	if (opt->device)
		return borrow_of_device(o, opt->device);
	rc = ask_iommufd(opt->fd);
	if (rc)
		return complain(EXIT_FAILED, "file descriptor %d is no iommufd: %s", opt->fd,
				strerror(-rc));
	if (add_file(o, opt->fd, opt->fd))
		return complain(EXIT_FAILED, "out of memory");
	return EXIT_OK;
}

int borrow_files(struct observer *o, const struct observe_options *opt)
{
	int rc = borrow_wanted(o, opt);
	char text[200];
	size_t i;

	for (i = 0; !rc && i < o->num_files; i++) {
		struct iommufd *file = &o->files[i];

		if (idirty_open(file->fd, &file->ctx) ||
		    idirty_list(file->ctx, &file->objects, &file->num_objects))
			rc = complain(idirty_last_error()->code == ENOTTY ? EXIT_NO_KERNEL :
									   EXIT_FAILED, "%s",
				      idirty_strerror(idirty_last_error(), text, sizeof(text)));
	}
	return rc;
}

/* An inherited file, too: it would keep what the other program has closed */
void return_files(struct observer *o)
{
	size_t i;

	for (i = 0; i < o->num_files; i++) {
		struct iommufd *file = &o->files[i];

		idirty_close(file->ctx);
		file->ctx = NULL;
		if (file->fd >= 0)
			close(file->fd);
		file->fd = -1;
	}
}

void forget_files(struct observer *o)
{
	return_files(o);
	while (o->num_files)
		idirty_free(o->files[--o->num_files].objects);
	free(o->files);
	o->files = NULL;
	if (o->pidfd >= 0)
		close(o->pidfd);
	o->pidfd = -1;
}

const char *object_type_text(uint32_t type)
{
	static const char *const names[] = {
		[IDIRTY_OBJECT_IOAS] = "IOAS",
		[IDIRTY_OBJECT_HWPT] = "HWPT",
		[IDIRTY_OBJECT_HWPT_NESTED] = "nested HWPT",
		[IDIRTY_OBJECT_DEVICE] = "device",
		[IDIRTY_OBJECT_TRACKER] = "tracker",
	};

	return type < sizeof(names) / sizeof(*names) && names[type] ? names[type] : "unknown";
}
