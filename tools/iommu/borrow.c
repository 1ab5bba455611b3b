// SPDX-License-Identifier: GPL-2.0-only
/*
 * The iommufds of another process, for observe.c. They are borrowed with
 * pidfd_getfd(2), which takes the right to trace that process. A VFIO container is
 * an iommufd, too, where iommufd stands in for VFIO's own type1.
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

/* Since Linux 6.10, which is before there were trackers */
#ifndef F_DUPFD_QUERY
#define F_DUPFD_QUERY	1027
#endif

static int entry_number(const char *name)
{
	char *end;
	long value = strtol(name, &end, 10);

	return *name && !*end ? value : -1;
}

/* The next file of a process that may be an iommufd, from descriptor @from on, or -errno */
static int find_file(int pid, int from)
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
		if (!strcmp(link, "/dev/iommu") || !strcmp(link, "/dev/vfio/vfio"))
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

/*
 * 0, or what a container of VFIO's own says to a question that only an iommufd has
 * an answer to: -ENOTTY, or -EINVAL as long as it has no device
 */
static int ask_iommufd(int fd)
{
	struct iommu_ioas_iova_ranges cmd = { .size = sizeof(cmd) };

	/* No object has the id 0 */
	return !ioctl(fd, IOMMU_IOAS_IOVA_RANGES, &cmd) || errno == ENOENT ? 0 : -errno;
}

/* One open file, however many descriptors its owner has for it */
static bool is_known(const struct observer *o, int fd)
{
	size_t i;

	for (i = 0; i < o->num_files; i++)
		if (fcntl(o->files[i].fd, F_DUPFD_QUERY, fd) == 1)
			return true;
	return false;
}

static int add_file(struct observer *o, int fd, int number, bool own)
{
	struct iommufd *more = realloc(o->files, (o->num_files + 1) * sizeof(*more));

	if (!more)
		return -ENOMEM;
	o->files = more;
	more[o->num_files++] = (struct iommufd){ .fd = fd, .number = number, .own_fd = own };
	return 0;
}

/* Takes it over if it is an iommufd; 0 or -errno */
static int take_file(struct observer *o, int fd, int number)
{
	int rc = ask_iommufd(fd);

	if (!rc && !is_known(o, fd)) {
		rc = add_file(o, fd, number, true);
		if (!rc)
			return 0;
	} else {
		o->has_container |= rc == -ENOTTY;
		rc = 0;
	}
	close(fd);
	return rc;
}

static int borrow_all(struct observer *o, int pid)
{
	int number, fd, rc;

	for (number = find_file(pid, 0); number >= 0; number = find_file(pid, number + 1)) {
		fd = borrow(pid, number);
		/* It was closed meanwhile */
		if (fd == -EBADF)
			continue;
		if (fd < 0)
			return complain(EXIT_FAILED, "cannot borrow the iommufd of process %d: %s",
					pid, strerror(-fd));
		rc = take_file(o, fd, number);
		if (rc)
			return complain(EXIT_FAILED, "out of memory");
	}
	if (number == -ESRCH)
		return complain(EXIT_NOTHING, "there is no process %d", pid);
	if (number != -ENOENT)
		return complain(EXIT_FAILED, "the files of process %d: %s", pid,
				strerror(-number));
	if (!o->num_files)
		return complain(EXIT_NOTHING, "process %d has no iommufd%s", pid,
				o->has_container ? ", but a VFIO container that is none" : "");
	if (o->has_container)
		complain(0, "process %d has a VFIO container that is no iommufd: %s", pid,
			 "it is not observed");
	return EXIT_OK;
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
static int borrow_of_device(const char *device, int *number)
{
	DIR *proc = opendir("/proc");
	int found = -ENOENT, denied = 0;
	struct dirent *entry;

	while (proc && found < 0 && (entry = readdir(proc))) {
		int pid = entry_number(entry->d_name), from;

		if (pid <= 0 || pid == getpid())
			continue;
		for (from = find_file(pid, 0); from >= 0 && found < 0;
		     from = find_file(pid, from + 1)) {
			int fd = borrow(pid, from);

			*number = from;
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

int borrow_files(struct observer *o, const struct observe_options *opt)
{
	int fd = opt->fd, number = fd;

	if (opt->pid)
		return borrow_all(o, opt->pid);
	if (opt->device)
		fd = borrow_of_device(opt->device, &number);
	if (fd == -EACCES)
		return complain(EXIT_FAILED,
				"no process with %s in its iommufd, of those that may be traced",
				opt->device);
	if (fd < 0)
		return complain(EXIT_NOTHING, "no process with %s in its iommufd", opt->device);
	if (add_file(o, fd, number, opt->device))
		return complain(EXIT_FAILED, "out of memory");
	return EXIT_OK;
}
