// SPDX-License-Identifier: GPL-2.0-only
/*
 * The workload: memory, and the thread that drives its device. The drivers, of
 * tools/devices/, end the program when the device fails.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/fs.h>

#include "iommu-dirty.h"
#include "devices.h"
#include "workload.h"

#define WINDOW	1024	/* pages in the moving window that is rewritten */
#define TICK_US	10000

/* What the drivers need from the program that links them */
void lib_fatal(const char *file, int line, const char *fmt, ...)
{
	va_list args;

	(void)file;
	(void)line;
	fputs("iommu-dirty: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	_exit(EXIT_FAILURE);
}

/* Ignored: it only reports the seed of a test */
void lib_note(const char *fmt, ...)
{
	(void)fmt;
}

void *mem_alloc(size_t size)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (mem == MAP_FAILED)
		fatal("no %zu bytes of memory: %s", size, strerror(errno));
	return mem;
}

void mem_free(void *mem, size_t size)
{
	munmap(mem, size);
}

int file_size(const char *name, uint64_t *size)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	struct stat st;
	int rc = 0;

	if (fd < 0 || fstat(fd, &st))
		rc = -errno;
	else if (S_ISREG(st.st_mode))
		*size = st.st_size;
	else if (ioctl(fd, BLKGETSIZE64, size))
		rc = -errno;
	if (fd >= 0)
		close(fd);
	return rc;
}

const char *workload_open(struct workload *w, const struct workload_options *opt,
			  bool resuming)
{
	*w = (struct workload){ .opt = opt, .ops = opt->ops, .resuming = resuming };
	pthread_mutex_init(&w->gate, NULL);
	random_init();
	w->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (w->iommufd < 0)
		return "cannot open /dev/iommu";
	w->ioas = ioas_alloc(w->iommufd);
	/* Dirty bits per page, not per huge page */
	ioas_set_huge_pages(w->iommufd, w->ioas, false);
	return w->ops->open(w);
}

const char *workload_load(struct workload *w)
{
	const char *reason = w->ops->load(w);

	if (reason)
		return reason;
	if (!w->disk_size)
		return "the disk is empty";
	w->size = w->opt->size ?: (w->disk_size + PAGE - 1) / PAGE * PAGE;
	if (w->disk_size > w->size)
		w->disk_size = w->size;
	return NULL;
}

int workload_index(const struct workload *w,
		   bool (*match)(const char *name, const char *arg))
{
	char names[VFIO_MAX_DEVICES][32];
	unsigned int num = vfio_find(PCI_DEVICES, match, NULL, names), i;

	if (!w->opt->address)
		return 0;
	for (i = 0; i < num; i++)
		if (!strcmp(names[i], w->opt->address))
			return i;
	return -1;
}

int workload_map(struct workload *w, void *mem, uint64_t length, uint64_t iova)
{
	return __ioas_map(w->iommufd, w->ioas, mem, length, iova,
			  IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE);
}

static bool stopped(struct workload *w)
{
	return __atomic_load_n(&w->stop, __ATOMIC_ACQUIRE);
}

bool workload_done(struct workload *w)
{
	return !__atomic_load_n(&w->copying, __ATOMIC_ACQUIRE);
}

/* Waits for the next tick; returns the number of units due since the last one */
static size_t tick(struct workload *w, double *last)
{
	size_t rate = w->opt->writes / w->ops->unit;
	size_t most = rate / 20 + 1, due;
	double begin = *last;

	usleep(TICK_US);
	*last = seconds_now();
	due = (*last - begin) * rate + 1;
	/* No more than a few ticks' worth, even if this tick is late */
	return due < most ? due : most;
}

static void copy(struct workload *w, size_t from, size_t to, uint64_t stamp)
{
	pthread_mutex_lock(&w->gate);
	if (!stopped(w)) {
		w->ops->copy(w, from, to, stamp);
		w->written++;
	}
	pthread_mutex_unlock(&w->gate);
}

/* Copies each unit of the disk once, in random order */
static void copy_disk(struct workload *w)
{
	size_t unit = w->ops->unit, due, i;
	size_t units = (w->disk_size + unit * PAGE - 1) / (unit * PAGE);
	uint32_t *order = mem_alloc(units * sizeof(*order));
	double last = seconds_now();

	for (i = 0; i < units; i++) {
		size_t other = random_below(i + 1);

		order[i] = order[other];
		order[other] = i;
	}
	for (i = 0; i < units && !stopped(w);)
		for (due = tick(w, &last); due && i < units; due--, i++)
			copy(w, order[i] * unit, order[i] * unit, 0);
	w->copied = i * unit;
	__atomic_store_n(&w->copying, i < units, __ATOMIC_RELEASE);
	mem_free(order, units * sizeof(*order));
}

/* A new stamp for each write makes the page differ from the one before */
static void rewrite(struct workload *w)
{
	size_t pages = w->size / PAGE;
	size_t disk_pages = (w->disk_size + PAGE - 1) / PAGE, due;
	double last = seconds_now();

	while (!stopped(w))
		for (due = tick(w, &last); due; due--) {
			size_t to = (w->rewritten + random_below(WINDOW)) % pages;

			w->rewritten++;
			copy(w, random_below(disk_pages), to, w->rewritten);
		}
}

static void *workload_run(void *arg)
{
	struct workload *w = arg;

	copy_disk(w);
	if (w->ops->rewrites)
		rewrite(w);
	return NULL;
}

void workload_start(struct workload *w)
{
	w->copying = true;
	if (pthread_create(&w->thread, NULL, workload_run, w))
		fatal("no thread");
	w->started = true;
}

void workload_pause(struct workload *w)
{
	pthread_mutex_lock(&w->gate);
}

void workload_continue(struct workload *w)
{
	pthread_mutex_unlock(&w->gate);
}

size_t workload_written(struct workload *w)
{
	size_t written;

	pthread_mutex_lock(&w->gate);
	written = w->written;
	pthread_mutex_unlock(&w->gate);
	return written;
}

void workload_end(struct workload *w)
{
	__atomic_store_n(&w->stop, true, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&w->gate);
	pthread_join(w->thread, NULL);
	w->started = false;
}

void workload_close(struct workload *w)
{
	if (w->started) {
		workload_pause(w);
		workload_end(w);
	}
	if (w->priv)
		w->ops->close(w);
	if (w->iommufd >= 0)
		close(w->iommufd);
}
