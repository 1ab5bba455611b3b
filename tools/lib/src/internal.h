/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the library share.
 *
 *   open.c	struct idirty, LIST
 *   tracker.c	ALLOC, START, UPDATE, STOP, destruction
 *   info.c	INFO
 *   read.c	READ, UNMAP
 *   scan.c	SCAN
 *   block.c	what was read and waits for a reader
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

/* Trackers of one ioctl; each kernel takes as many */
#define BATCH		64

/* Ranges that VFIO takes at the most */
#define VFIO_RANGES	256

/* What is read at once at the most; no IO-PTE lies across a multiple of it */
#define WINDOW		(64ULL << 30)

struct idirty {
	int fd;
};

/**
 * struct block - Dirty pages that were read
 * @next: The next one that the tracker has
 * @from: What the bits stand for begins here; the first bit is that of its page
 * @last: And ends here
 * @page_size: Of a bit
 * @pages: How many bits there are
 * @bits: In whole pages of memory of their own
 */
struct block {
	struct block *next;
	uint64_t from;
	uint64_t last;
	uint64_t page_size;
	uint64_t pages;
	uint8_t *bits;
};

/**
 * struct fallback - What stands in for a tracker
 * @start: Enable, or fail and enable nothing; says what is tracked in the end, in
 *	the place of what was asked for
 * @stop: Disable
 * @window: What to read at once for the range from @iova to @last: from *@first on,
 *	in whole 4 KiB pages, up to *@end inclusive; it may be more than was asked
 *	for. False: nothing is tracked there
 * @read: Set the bits of the dirty pages of such a window, in units of 4 KiB. The
 *	bitmap is that of a struct block
 * @weak: Of enum idirty_weakness
 *
 * All are called with the tracker's lock held.
 */
struct fallback {
	int (*start)(struct idirty_tracker *t, struct idirty_range *ranges,
		     size_t *num, uint64_t *page_size);
	int (*stop)(struct idirty_tracker *t);
	bool (*window)(const struct idirty_tracker *t, uint64_t iova, uint64_t last,
		       uint64_t *first, uint64_t *end);
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
 * @life: One START, UPDATE or STOP at a time; taken before @lock
 * @lock: Protects what follows; of a fallback, one ioctl at a time
 * @covered: What of a device is tracked, in ascending order
 * @num_covered: How many ranges that are
 * @page_size: By which a fallback tracks them
 * @blocks: What was read and waits for a reader
 * @scan_from: The caller takes this for the beginning of a mapping: a SCAN began here,
 *	and those that go on from where it had no room begin in the middle
 * @scan_last: And this for the end of one
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
	pthread_mutex_t life;
	pthread_mutex_t lock;
	struct idirty_range *covered;
	size_t num_covered;
	uint64_t page_size;
	struct block *blocks;
	uint64_t scan_from;
	uint64_t scan_last;
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
#define READ_FLAGS	(IDIRTY_READ_NO_CLEAR | IDIRTY_READ_SPARSE)

int check_range(enum idirty_verb verb, uint64_t iova, uint64_t length,
		uint64_t page_size);
/* How many trackers from the first on one ioctl can take */
size_t batch_size(struct idirty_tracker *const *trackers, size_t num);

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* A block without dirty pages, for @from to @last; NULL: no memory */
struct block *block_new(uint64_t from, uint64_t last, uint64_t page_size);
void block_free(struct block *b);
/* All of it is dirty */
void block_fill(struct block *b);
/* Pages from @first on, up to before @end, are clean */
void block_clear(struct block *b, uint64_t first, uint64_t end);
/*
 * Marks what is in the range of a READ in the bitmap of that, and then makes it
 * clean, unless @keep. Returns how many bits are new.
 */
uint64_t block_give(struct block *b, const struct idirty_read *read, bool keep);
/* The block is the tracker's from here on */
void blocks_keep(struct idirty_tracker *t, struct block *b);
/* As block_give(), of all that the tracker has */
uint64_t blocks_give(struct idirty_tracker *t, const struct idirty_read *read, bool keep);
void blocks_drop(struct idirty_tracker *t);

#endif
