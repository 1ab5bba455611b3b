/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * Declarations shared by the files of the library.
 *
 *   args.c	structs of callers
 *   open.c	struct idirty, LIST, the option of an IOAS
 *   tracker.c	START, UPDATE, STOP
 *   alloc.c	ALLOC, DESTROY, and the files of trackers
 *   info.c	INFO
 *   read.c	READ, UNMAP
 *   scan.c	SCAN
 *   mark.c	MARK
 *   block.c	pages that were read and wait for a reader
 *   hwpt.c	fallback to IOMMU_HWPT_SET_DIRTY_TRACKING and
 *		IOMMU_HWPT_GET_DIRTY_BITMAP
 *   vfio.c	fallback to VFIO DMA logging
 *   threads.c	READ by several threads
 *   error.c	errors and their texts
 *   check.c	which argument is wrong
 *   log.c	log of errors
 *   bitmap.c	bits and runs of a bitmap
 *   map.c	IOVA to host addresses
 *   precopy.c	rounds of a migration
 *   values.c	values of the kernel
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

/* Most trackers per ioctl; every kernel takes this many */
#define BATCH		64

/* Most ranges that VFIO takes */
#define VFIO_RANGES	256

/* Most bytes read at once; no IO page table entry crosses a multiple of it */
#define WINDOW		(64ULL << 30)

struct idirty {
	int fd;
};

/**
 * struct block - Dirty pages that were read
 * @next: Next block of the same tracker
 * @from: First byte that the bits stand for; bit 0 is the page that holds it
 * @last: Last byte that the bits stand for
 * @page_size: Bytes per bit
 * @pages: Number of bits
 * @bits: The bitmap; no other data shares its pages of memory
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
 * struct fallback - Replacement for a kernel tracker
 * @start: Enable tracking, or fail and enable nothing. Overwrites the requested
 *	ranges and page size with those that are tracked
 * @stop: Disable tracking
 * @window: Choose what to read at once for the range from @iova to @last: from
 *	*@first to *@end, inclusive, in whole 4 KiB pages. The window may exceed the
 *	range. Returns false if nothing in the range is tracked
 * @read: Set the bits of the dirty pages of such a window, in units of 4 KiB. The
 *	bitmap is that of a struct block
 * @weak: Mask of enum idirty_weakness
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
 * @fd: File that takes its ioctls: its own file or the iommufd
 * @owns_fd: It has a file of its own
 * @id: Id of the kernel object, 0 for a fallback and in a file of its own
 * @target: What it was allocated for; @hwpts is the tracker's own copy
 * @backend: What implements it
 * @fallback: NULL for IDIRTY_BACKEND_TRACKER
 * @life: Serializes START, UPDATE and STOP; taken before @lock
 * @lock: Protects the fields below; also serializes the ioctls of a fallback
 * @covered: Ranges of a device that are tracked, in ascending order
 * @num_covered: Number of entries in @covered
 * @page_size: Page size that a fallback tracks by
 * @blocks: Pages that were read and wait for a reader
 * @scan_from: First byte of the last SCAN that was not part of an earlier one. It
 *	is treated as the start of a mapping; a SCAN that resumes one that ran out
 *	of room starts in the middle
 * @scan_last: Last byte of that SCAN, treated as the end of a mapping
 * @running: A fallback is started
 * @reads: READs of a fallback that have succeeded
 * @pages: Pages that READs of a fallback have reported
 */
struct idirty_tracker {
	int fd;
	bool owns_fd;
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

/* Issues an ioctl of @verb; returns 0 or -errno, which it records as the last error */
int call(enum idirty_verb verb, int fd, unsigned long cmd, void *arg);
/* Records an error and returns it */
int failed(enum idirty_verb verb, int rc);
/* Adds to the recorded error which argument is wrong and why, and returns @rc */
int blame(const char *argument, const char *why, int rc);
/* Same for an entry of an array */
int blame_entry(const char *argument, size_t index, const char *why, int rc);
/* Records that flags has an unknown bit, and returns -EOPNOTSUPP */
int unknown_flags(enum idirty_verb verb);
/* For adding to the recorded error */
struct idirty_error *last_error(void);

/* Logs the recorded error if @rc is not 0, and returns @rc; called once by each function */
int report(int rc);
/* Logs what no function returns */
void note(const char *what, const char *why);
/* The same about the recorded error */
void note_error(const char *what);

/* Sets a bit atomically; returns true if it was clear */
bool bit_set(void *bitmap, uint64_t bit);
#define READ_FLAGS	(IDIRTY_READ_NO_CLEAR | IDIRTY_READ_SPARSE)

/* Sizes of callers' structs in version 1.0 */
enum {
	TARGET_1_0 = offsetof(struct idirty_target, num_hwpts) + sizeof(size_t),
	READ_1_0 = offsetof(struct idirty_read_args, out_pages) + sizeof(uint64_t),
	SCAN_1_0 = offsetof(struct idirty_scan_args, out_pages) + sizeof(uint64_t),
	UNMAP_1_0 = offsetof(struct idirty_unmap_args, out_pages) + sizeof(uint64_t),
	MARK_1_0 = offsetof(struct idirty_mark_args, num_runs) + sizeof(size_t),
	LIMITS_1_0 = offsetof(struct idirty_precopy_limits, stalled) + sizeof(unsigned int),
	OPS_1_0 = offsetof(struct idirty_precopy_ops, resume) + sizeof(void (*)(void *)),
	RESULT_1_0 = offsetof(struct idirty_precopy_result, downtime_ns) + sizeof(uint64_t),
};

/*
 * Copies a caller's struct. @known is its size in this version, @first its size in 1.0.
 * Returns -EINVAL if the caller's is smaller than that, and -E2BIG if it has fields that
 * are unknown and not 0.
 */
int args_copy(enum idirty_verb verb, void *to, size_t known, size_t first, const void *from);
/* Copies such a struct back, as much of it as the caller knows */
void args_return(void *to, const void *from, size_t known);

int check_range(enum idirty_verb verb, uint64_t iova, uint64_t length,
		uint64_t page_size);
/*
 * Finds out which of these arguments has made the kernel return -EINVAL or -EOVERFLOW.
 * Returns true if it is one of them, and it is recorded.
 */
bool blame_range(uint64_t iova, uint64_t length, uint64_t page_size);
bool blame_ranges(const char *argument, const struct idirty_range *ranges, size_t num);
/* Copies the struct of a caller of idirty_read() */
int read_copy(struct idirty_read_args *to, const struct idirty_read_args *from);
/* Checks the arguments of a READ, and sets what it returns to 0 */
int read_check(size_t num, struct idirty_read_args *read);
/* A READ whose arguments, or those of a READ that it is part of, were checked */
int read_checked(struct idirty_tracker *const *trackers, size_t num,
		 struct idirty_read_args *read, uint64_t *pages);
/* idirty_read() and idirty_mark() with structs of this version */
int read_trackers(struct idirty_tracker *const *trackers, size_t num,
		  struct idirty_read_args *read, uint64_t *pages);
int mark_pages(struct idirty_tracker *t, const struct idirty_mark_args *mark);
/* idirty_stop(), without a report */
int stop_tracker(struct idirty_tracker *t);
/* Number of trackers, from the first on, that one ioctl can take */
size_t batch_size(struct idirty_tracker *const *trackers, size_t num);

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* A block for @from to @last inclusive, without dirty pages; NULL if out of memory */
struct block *block_new(uint64_t from, uint64_t last, uint64_t page_size);
void block_free(struct block *b);
/* Marks all of it dirty */
void block_fill(struct block *b);
/* Clears the pages from @first to @end (exclusive) */
void block_clear(struct block *b, uint64_t first, uint64_t end);
/*
 * Sets the bits of dirty pages in the range of a READ in its bitmap, and clears
 * them in the block unless @keep is set. Returns the number of newly set bits.
 */
uint64_t block_give(struct block *b, const struct idirty_read_args *read, bool keep);
/* Passes ownership of the block to the tracker */
void blocks_keep(struct idirty_tracker *t, struct block *b);
/* Like block_give(), for all blocks of the tracker */
uint64_t blocks_give(struct idirty_tracker *t, const struct idirty_read_args *read, bool keep);
void blocks_drop(struct idirty_tracker *t);

#endif
