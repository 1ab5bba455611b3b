/* SPDX-License-Identifier: GPL-2.0-only */
/* Devices of the software IOMMU: traffic, providers, faults. */
#ifndef _IOMMUFD_DIRTY_LIB_SOFT_H
#define _IOMMUFD_DIRTY_LIB_SOFT_H

#include <stdbool.h>

#include "devices.h"

/*
 * soft.c: kernel threads of software IOMMU devices that write to a window at full
 * speed. Each write stores a value that the thread has not used before in the first
 * 8 bytes of a page. Now and then a thread also reads these bytes.
 */
#define STORM_MAX_THREADS 8

struct storm {
	__u64 iova;
	__u64 length;
	__u64 seed;
	__u64 threads;
	__u64 limit;		/* writes of each thread, 0: until stopped */
	__u64 sequential;	/* 1: in ascending order, 0: at random */
	__u64 pasid;		/* of all writes, 0: none */
};

int __storm_start(struct edu *edu, const struct storm *storm);
void storm_start(struct edu *edu, const struct storm *storm);
/* After it returns there are no more writes */
void storm_stop(struct edu *edu);
bool storm_running(struct edu *edu);
/* Attempted writes of all threads, and faulting accesses; never reset */
__u64 storm_writes(struct edu *edu);
__u64 storm_faults(struct edu *edu);
/* Waits for @writes more writes; fatal if the threads end first */
void storm_wait(struct edu *edu, __u64 writes);
/* Makes the software IOMMU skip the IOTLB flush of a READ */
void storm_skip_flush(bool on);

/* What it flushes after it has split or merged entries */
enum { SPLIT_FLUSH_FULL, SPLIT_FLUSH_LEAVES, SPLIT_FLUSH_NOTHING };

void soft_split_flush(unsigned int what);

/* Allocates a nested HWPT, whose first stage adds @offset to IOVAs; @flags as for the ioctl */
int __soft_nest(struct edu *edu, int iommufd, __u32 parent, __u32 flags, __u64 offset,
		__u32 *hwpt);

/*
 * Opens a device of another format than the devices of the test, without faults. Returns
 * NULL or the reason to skip
 */
const char *soft_open_other(struct edu *edu, int iommufd);

/* The dirty provider that such a device registers for itself */
enum { PROVIDER_NONE, PROVIDER_PLAIN, PROVIDER_LIVE, PROVIDER_BUSY };

void soft_provider(struct edu *edu, unsigned int provider);

/*
 * Faults of the provider and of page tables allocated for the device; 0: none.
 * FAULT_HOLD: the device repeats its last DMA to memory before it is held.
 * FAULT_RELEASE: the device may have written while it was held. FAULT_HARVEST: the
 * harvest fails after the first half of its range.
 */
enum {
	FAULT_START = 1, FAULT_STOP, FAULT_READ, FAULT_UPDATE, FAULT_HOLD, FAULT_RELEASE,
	FAULT_ENABLE, FAULT_DISABLE, FAULT_HARVEST, FAULT_ATTACH,
};

struct soft_faults {
	__u64 op;		/* FAULT_x: the op that fails */
	__u64 error;		/* with this errno */
	__u64 skip;		/* after this many calls */
	__u64 count;		/* this many times */
	__u64 stray;		/* IOVA of a page that each report marks, too */
	__u64 granule;		/* the smallest page size */
	__u64 max_ranges;
	__u64 max_span;
	__u64 hold_flush;	/* 1: IOTLB flushes wait until this is 0 */
	__u64 untrackable;	/* 1: new page tables cannot be tracked */
	__u64 late_dirty;	/* 1: delay setting a dirty bit until the entry changes */
	__u64 slow;		/* delay of each report in microseconds */
	__u64 multiple;		/* ranges are multiples of this many pages */
	__u64 hold_attach;	/* 1: attaching and detaching wait half-way until this is 0 */
};

void soft_faults(struct edu *edu, struct soft_faults faults);
/* The next call of an op fails, once */
void soft_fail_once(struct edu *edu, __u64 op, __u64 error);
/* Counts the calls of an op from now on, instead of a fault */
void soft_count(struct edu *edu, __u64 op);
__u64 soft_counted(struct edu *edu);
/* Waits until hold_flush, hold_attach or late_dirty holds a call or write */
void soft_wait_held(struct edu *edu);

#endif
