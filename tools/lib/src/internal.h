/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the library share.
 *
 *   open.c	struct idirty, LIST
 *   tracker.c	ALLOC, START, UPDATE, STOP, destruction
 *   info.c	INFO
 *   read.c	READ, SCAN, UNMAP
 *   hwpt.c	the same where there are only IOMMU_HWPT_SET_DIRTY_TRACKING and
 *		IOMMU_HWPT_GET_DIRTY_BITMAP
 *   vfio.c	the same where there is only VFIO's DMA logging
 *   threads.c	READ by several threads
 *   error.c	errors as text
 *   bitmap.c	what is in a bitmap
 *   map.c	IOVA to host addresses
 *   precopy.c	rounds of a migration
 */
#ifndef _IDIRTY_INTERNAL_H
#define _IDIRTY_INTERNAL_H

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "iommudirty.h"

#include <linux/iommufd_dirty.h>

#define MIN_PAGE	4096ULL

struct idirty {
	int fd;
};

/**
 * struct fallback - What stands in for a tracker
 * @start: Enable, or fail and enable nothing
 * @stop: Disable
 * @read: Set the bits of dirty pages of @iova, @length, in units of 4 KiB and
 *	aligned to it, in a bitmap of the caller's own
 */
struct fallback {
	int (*start)(struct idirty_tracker *t, const struct idirty_range *ranges,
		     size_t num, uint64_t *page_size);
	int (*stop)(struct idirty_tracker *t);
	int (*read)(struct idirty_tracker *t, uint32_t flags, uint64_t iova,
		    uint64_t length, void *bitmap);
	uint32_t weak;
};

extern const struct fallback fallback_hwpt;
extern const struct fallback fallback_vfio;

/**
 * struct idirty_tracker - A tracker
 * @ctx: Where it was made
 * @id: Of the kernel's object, 0 if there is none
 * @target: What it was made for; @hwpts is its own
 * @backend: What it is made of
 * @fallback: NULL for IDIRTY_BACKEND_TRACKER
 * @lock: Protects what follows; of a fallback, one ioctl at a time
 * @covered: What of a device is tracked, in ascending order
 * @num_covered: How many ranges that are
 * @running: It is started
 * @reads: Calls that have succeeded
 * @pages: Pages that they have reported
 */
struct idirty_tracker {
	struct idirty *ctx;
	uint32_t id;
	struct idirty_target target;
	enum idirty_backend backend;
	const struct fallback *fallback;
	pthread_mutex_t lock;
	struct idirty_range *covered;
	size_t num_covered;
	bool running;
	uint64_t reads;
	uint64_t pages;
};

/* An ioctl of @verb; 0 or -errno, remembered for idirty_last_error() */
int call(enum idirty_verb verb, int fd, unsigned long cmd, void *arg);
/* Remembers an error, and returns it */
int failed(enum idirty_verb verb, int rc);
/* Adds to what was remembered */
struct idirty_error *last_error(void);

/* Sets a bit atomically; true if it was clear */
bool bit_set(void *bitmap, uint64_t bit);
int check_range(enum idirty_verb verb, uint64_t iova, uint64_t length,
		uint64_t page_size);

#endif
