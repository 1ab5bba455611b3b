// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device of the demo: an edu device that moves pages of a file, by way of
 * its own buffer, from a staging page to the memory that is being migrated.
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

static size_t file_size(int fd)
{
	struct stat st;
	uint64_t size;

	check(fstat(fd, &st));
	if (S_ISREG(st.st_mode))
		return st.st_size;
	if (ioctl(fd, BLKGETSIZE64, &size))
		fatal("neither a file nor a block device");
	return size;
}

/* The whole file, its last page filled up with zeroes */
static void load_file(struct device *dev, const char *name)
{
	int fd = open(name, O_RDONLY);
	size_t size, done;
	ssize_t n;

	if (fd < 0)
		fatal("%s: %s", name, strerror(errno));
	size = file_size(fd);
	if (size > dev->opt->size)
		size = dev->opt->size;
	if (!size)
		fatal("%s is empty", name);
	dev->file_pages = (size + PAGE - 1) / PAGE;
	dev->file = mem_alloc(dev->file_pages * PAGE);
	for (done = 0; done < size; done += n) {
		n = read(fd, (char *)dev->file + done, size - done);
		if (n <= 0)
			fatal("%s: cannot read it", name);
	}
	close(fd);
}

void device_open(struct device *dev, const struct options *opt, void *mem)
{
	dev->opt = opt;
	load_file(dev, opt->file);
	dev->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (dev->iommufd < 0)
		fatal("/dev/iommu: %s", strerror(errno));
	dev->ioas = ioas_alloc(dev->iommufd);
	ioas_set_huge_pages(dev->iommufd, dev->ioas, false);
	if (!edu_count())
		fatal("there is no edu device");
	edu_open(&dev->edu, 0, dev->iommufd);
	edu_attach(&dev->edu, dev->ioas);

	dev->stage = mem_alloc(PAGE);
	check(__ioas_map(dev->iommufd, dev->ioas, dev->stage, PAGE,
			 DEVICE_STAGE_IOVA, IOMMU_IOAS_MAP_READABLE));
	ioas_map(dev->iommufd, dev->ioas, mem, opt->size, DEVICE_MEM_IOVA);
}

/* Page @from of the file to page @to of the memory */
static void copy_page(struct device *dev, size_t from, size_t to, uint64_t stamp)
{
	memcpy(dev->stage, (char *)dev->file + from * PAGE, PAGE);
	dev->stage[0] ^= stamp;
	edu_dma_from(&dev->edu, DEVICE_STAGE_IOVA, 0, PAGE);
	edu_dma_to(&dev->edu, DEVICE_MEM_IOVA + to * PAGE, 0, PAGE);
}

static bool stopped(struct device *dev)
{
	return __atomic_load_n(&dev->stop, __ATOMIC_ACQUIRE);
}

/* One tick's worth of writes; a stamp makes each differ from the one before */
static void rewrite(struct device *dev, unsigned int num)
{
	size_t pages = dev->opt->size / PAGE;

	while (num-- && !stopped(dev)) {
		size_t to = (dev->rewritten + random_below(WINDOW)) % pages;

		dev->rewritten++;
		copy_page(dev, random_below(dev->file_pages), to, dev->rewritten);
	}
}

static void *device_run(void *arg)
{
	struct device *dev = arg;
	double begin = now();
	size_t due;

	for (; dev->copied < dev->file_pages && !stopped(dev); dev->copied++)
		copy_page(dev, dev->copied, dev->copied, 0);

	for (begin = now(); !stopped(dev); usleep(TICK_US)) {
		/* Not more than a tick's, even if the last one came late */
		due = (now() - begin) * dev->opt->writes;
		begin = now();
		rewrite(dev, due < dev->opt->writes / 20 ? due :
						dev->opt->writes / 20);
	}
	return NULL;
}

void device_start(struct device *dev)
{
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
	edu_close(&dev->edu);
	close(dev->iommufd);
}
