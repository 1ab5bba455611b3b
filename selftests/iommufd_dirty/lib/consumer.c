// SPDX-License-Identifier: GPL-2.0-only
/*
 * A consumer works like a migration: it has a tracker and copies only the pages that
 * the tracker reports. After all writes have ended and everything was read, the copy
 * must equal the memory. Each page has one word for devices and one for software.
 */
#include <string.h>

#include "lib.h"

#define WORDS	(SZ_4K / 8)

void consumer_open(struct consumer *c, int fd, __u32 ioas, const __u64 *mem,
		   __u64 iova, size_t pages)
{
	*c = (struct consumer) {
		.fd = fd,
		.tracker = tracker_alloc(fd, ioas),
		.mem = mem,
		.iova = iova,
		.pages = pages,
		.copy = mem_alloc(pages * sizeof(*c->copy)),
		.bitmap = mem_alloc(bitmap_bytes(iova, pages * SZ_4K, SZ_4K)),
	};
	pthread_mutex_init(&c->lock, NULL);
}

void consumer_close(struct consumer *c)
{
	mem_free(c->copy, c->pages * sizeof(*c->copy));
	mem_free(c->bitmap, bitmap_bytes(c->iova, c->pages * SZ_4K, SZ_4K));
}

static struct page_words words_of(const struct consumer *c, size_t page)
{
	const __u64 *words = &c->mem[page * WORDS];

	return (struct page_words) {
		.dma = __atomic_load_n(&words[0], __ATOMIC_ACQUIRE),
		.cpu = __atomic_load_n(&words[1], __ATOMIC_ACQUIRE),
	};
}

static void copy_page(struct consumer *c, size_t page)
{
	c->copy[page] = words_of(c, page);
	c->reported++;
}

static struct read_args consumer_args(struct consumer *c, size_t first, size_t num)
{
	memset(c->bitmap, 0, bitmap_bytes(c->iova, num * SZ_4K, SZ_4K));
	return (struct read_args) {
		.fd = c->fd,
		.tracker = c->tracker,
		.iova = c->iova + first * SZ_4K,
		.length = num * SZ_4K,
		.page_size = SZ_4K,
		.data = c->bitmap,
	};
}

/* Called after failed calls, too: they may have reported pages */
static void copy_bitmap(struct consumer *c, size_t first, size_t num)
{
	size_t i;

	for (i = 0; i < num; i++)
		if (bitmap_test(c->bitmap, i))
			copy_page(c, first + i);
}

int __consumer_read(struct consumer *c, __u32 flags, void *bad)
{
	struct read_args args;
	int rc;

	pthread_mutex_lock(&c->lock);
	args = consumer_args(c, 0, c->pages);
	args.flags = flags;
	if (bad)
		args.data = bad;
	rc = __tracker_read(&args);
	copy_bitmap(c, 0, c->pages);
	pthread_mutex_unlock(&c->lock);
	return rc;
}

int __consumer_scan(struct consumer *c, unsigned int room)
{
	struct iommu_dirty_run runs[CONSUMER_RUNS];
	struct scan_args args = {
		.fd = c->fd,
		.tracker = c->tracker,
		.iova = c->iova,
		.length = c->pages * SZ_4K,
		.page_size = SZ_4K,
		.runs = runs,
		.num_runs = room,
	};
	unsigned int i;
	__u64 iova;
	int rc;

	pthread_mutex_lock(&c->lock);
	rc = __tracker_scan(&args);
	for (i = 0; i < args.num_runs; i++)
		for (iova = runs[i].iova; iova < runs[i].iova + runs[i].length;
		     iova += SZ_4K)
			copy_page(c, (iova - c->iova) / SZ_4K);
	pthread_mutex_unlock(&c->lock);
	return rc;
}

int __consumer_unmap(struct consumer *c, size_t first, size_t num)
{
	struct read_args args;
	__u64 unmapped;
	int rc;

	pthread_mutex_lock(&c->lock);
	args = consumer_args(c, first, num);
	rc = __tracker_unmap(&args, &unmapped);
	copy_bitmap(c, first, num);
	pthread_mutex_unlock(&c->lock);
	return rc;
}

size_t consumer_differing(const struct consumer *c)
{
	size_t missed = 0, page;

	for (page = 0; page < c->pages; page++) {
		struct page_words now = words_of(c, page);

		if (memcmp(&c->copy[page], &now, sizeof(now)))
			missed++;
	}
	return missed;
}

size_t consumer_missed(struct consumer *c)
{
	check(__consumer_read(c, 0, NULL));
	return consumer_differing(c);
}
