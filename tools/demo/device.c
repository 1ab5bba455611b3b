// SPDX-License-Identifier: GPL-2.0-only
/*
 * The thread that drives the device of the demo.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/fs.h>

#include "migrate.h"

#define WINDOW	1024	/* pages that are rewritten in the same second */
#define TICK_US	10000

size_t file_size(const char *name, size_t max)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	struct stat st;
	uint64_t size;

	if (fd < 0)
		fatal("%s: %s", name, strerror(errno));
	check(fstat(fd, &st));
	size = st.st_size;
	if (!S_ISREG(st.st_mode) && ioctl(fd, BLKGETSIZE64, &size))
		fatal("%s is neither a file nor a block device", name);
	close(fd);
	return size < max ? size : max;
}

void device_open(struct device *dev, struct options *opt)
{
	const char *reason;

	dev->opt = opt;
	dev->ops = opt->device;
	dev->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (dev->iommufd < 0)
		fatal("/dev/iommu: %s", strerror(errno));
	dev->ioas = ioas_alloc(dev->iommufd);
	ioas_set_huge_pages(dev->iommufd, dev->ioas, false);
	reason = dev->ops->open(dev);
	if (reason)
		fatal("%s", reason);
	if (!opt->size)
		opt->size = (dev->disk_size + PAGE - 1) / PAGE * PAGE;
	if (dev->disk_size > opt->size)
		dev->disk_size = opt->size;
	if (!dev->disk_size)
		fatal("%s is empty", opt->file);
}

void device_map(struct device *dev, void *mem)
{
	ioas_map(dev->iommufd, dev->ioas, mem, dev->opt->size, DEVICE_MEM_IOVA);
}

static bool stopped(struct device *dev)
{
	return __atomic_load_n(&dev->stop, __ATOMIC_ACQUIRE);
}

bool device_done(struct device *dev)
{
	return !__atomic_load_n(&dev->copying, __ATOMIC_ACQUIRE);
}

/* Waits for the next tick; returns how many units are due since the last one */
static size_t tick(struct device *dev, double *last)
{
	size_t rate = dev->opt->writes / dev->ops->unit;
	size_t most = rate / 20 + 1, due;
	double begin = *last;

	usleep(TICK_US);
	*last = now();
	due = (*last - begin) * rate + 1;
	/* Not more than a few ticks', even if this one came late */
	return due < most ? due : most;
}

/* The units of the disk in an order that jumps about: each once */
static void copy_disk(struct device *dev)
{
	size_t unit = dev->ops->unit, due, i;
	size_t units = (dev->disk_size + unit * PAGE - 1) / (unit * PAGE);
	uint32_t *order = mem_alloc(units * sizeof(*order));
	double last = now();

	for (i = 0; i < units; i++) {
		size_t other = random_below(i + 1);

		order[i] = order[other];
		order[other] = i;
	}
	for (i = 0; i < units && !stopped(dev);)
		for (due = tick(dev, &last); due && i < units; due--, i++)
			dev->ops->copy(dev, order[i] * unit, order[i] * unit, 0);
	dev->copied = i * unit;
	__atomic_store_n(&dev->copying, i < units, __ATOMIC_RELEASE);
	mem_free(order, units * sizeof(*order));
}

/* A stamp makes each page differ from the one before */
static void rewrite(struct device *dev)
{
	size_t pages = dev->opt->size / PAGE;
	size_t disk_pages = (dev->disk_size + PAGE - 1) / PAGE, due;
	double last = now();

	while (!stopped(dev))
		for (due = tick(dev, &last); due; due--) {
			size_t to = (dev->rewritten + random_below(WINDOW)) % pages;

			dev->rewritten++;
			dev->ops->copy(dev, random_below(disk_pages), to,
				       dev->rewritten);
		}
}

static void *device_run(void *arg)
{
	struct device *dev = arg;

	copy_disk(dev);
	if (dev->ops->rewrites)
		rewrite(dev);
	return NULL;
}

void device_start(struct device *dev)
{
	dev->copying = true;
	if (pthread_create(&dev->thread, NULL, device_run, dev))
		fatal("pthread_create failed");
}

void device_stop(struct device *dev)
{
	__atomic_store_n(&dev->stop, true, __ATOMIC_RELEASE);
	pthread_join(dev->thread, NULL);
}

void device_close(struct device *dev)
{
	dev->ops->close(dev);
	close(dev->iommufd);
}
