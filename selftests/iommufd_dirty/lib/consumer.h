/* SPDX-License-Identifier: GPL-2.0-only */
/* A tracker, and a copy of the pages that it has reported. */
#ifndef _IOMMUFD_DIRTY_LIB_CONSUMER_H
#define _IOMMUFD_DIRTY_LIB_CONSUMER_H

#include <pthread.h>

#include "devices.h"

/*
 * consumer.c: a tracker, and a copy of the pages of @mem that it has reported. Safe
 * to use from several threads.
 */
#define CONSUMER_RUNS	4

struct page_words {
	__u64 dma;		/* at offset 0 of a page */
	__u64 cpu;		/* at offset 8 */
};

struct consumer {
	int fd;
	__u32 tracker;
	const __u64 *mem;
	__u64 iova;
	size_t pages;
	struct page_words *copy;
	void *bitmap;
	__u64 reported;
	pthread_mutex_t lock;	/* held across a call and its copy */
};

/* @mem is, or will be, mapped at @iova in the IOAS */
void consumer_open(struct consumer *c, int fd, __u32 ioas, const __u64 *mem,
		   __u64 iova, size_t pages);
void consumer_close(struct consumer *c);
/* READs all pages, into @bad instead of the bitmap if not NULL, and copies */
int __consumer_read(struct consumer *c, __u32 flags, void *bad);
/* SCANs all pages for up to @room runs (at most CONSUMER_RUNS), and copies */
int __consumer_scan(struct consumer *c, unsigned int room);
/* UNMAPs @num pages starting at page @first, and copies */
int __consumer_unmap(struct consumer *c, size_t first, size_t num);
/* Number of pages that differ from the copy */
size_t consumer_differing(const struct consumer *c);
/* The same after a last READ; nobody may be writing */
size_t consumer_missed(struct consumer *c);

#endif
