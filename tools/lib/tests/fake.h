/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * A minimal kernel that answers the library's ioctls for one IOAS of a few pages. It
 * has an array entry for each page, so that the library's bitmap code is compared
 * with something that is not a bitmap. Used by the unit tests.
 */
#ifndef _FAKE_H
#define _FAKE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <linux/iommufd_dirty.h>
#include <linux/vfio.h>

#define FAKE_IOAS	7
#define FAKE_HWPT	9
/* The IOAS as a target that has a fallback */
#define FAKE_TARGET(vfio_fd, hwpts, num) \
	{ sizeof(struct idirty_target), 0, FAKE_IOAS, vfio_fd, hwpts, num }
#define FAKE_DEVICE	11
#define FAKE_DEVICE_FD	1000
#define FAKE_PAGES	4096
#define FAKE_IOVA	0x100000000ULL
#define FAKE_SIZE	(FAKE_PAGES * 4096ULL)

/* Whether the kernel has trackers */
extern bool fake_has_trackers;
/* Whether the kernel knows the flags of ALLOC */
extern bool fake_has_flags;
/* If not 0, START fails with this reason for FAKE_HWPT */
extern uint32_t fake_reason;
/* If not 0, the next call of this ioctl fails with this errno */
extern unsigned long fake_fail_cmd;
extern int fake_fail_errno;
/* Pages of an IO-PTE of the HWPT; 1 after a reset */
extern unsigned int fake_entry;
/* Whether the pages of the IOAS are mapped; an UNMAP without trackers needs it */
extern bool fake_mapped;
/* The smallest page size of the device's log, in bytes */
extern uint64_t fake_log_size;
/* Ranges of the last VFIO START, if it has succeeded */
extern struct vfio_device_feature_dma_logging_range fake_ranges[256];
extern unsigned int fake_num_ranges;
/* What a tracker of the device covers; a length of 0: the tracker is stopped */
extern struct iommu_dirty_run fake_covered;
/* Whether IOMMU_OPTION_DIRTY_TRACKABLE is set on the IOAS */
extern bool fake_trackable;
/* Reads of HWPTs and of VFIO devices since the reset */
extern unsigned int fake_reads;
/* A READ of this tracker fails after fake_fault_length bytes; 0: none does */
extern uint32_t fake_fault_id;
extern uint64_t fake_fault_length;
/* A READ from here or beyond fails with ESTALE; 0: none does */
extern uint64_t fake_stale_iova;
/* The current time, and the duration of a READ */
extern uint64_t fake_now_ns, fake_read_ns;
/* STARTs, and STOPs of HWPTs and of VFIO devices, since the reset */
extern unsigned int fake_started, fake_stopped;

void fake_reset(void);
/* Random numbers, the same in each run */
uint64_t fake_below(uint64_t limit);
/* The device writes to a page, which becomes dirty for all running trackers */
void fake_write(unsigned int page);
/* The IOAS is destroyed; its trackers have files of their own */
void fake_destroy_ioas(void);
/* The library calls these instead of ioctl() and clock_gettime() */
int __wrap_ioctl(int fd, unsigned long cmd, ...);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);
/* Examples call this instead of clock_nanosleep() */
int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *time,
			   struct timespec *left);

#define expect(cond)								\
do {										\
	if (!(cond)) {								\
		printf("not ok - %s:%d: %s\n", __FILE__, __LINE__, #cond);	\
		exit(1);							\
	}									\
} while (0)

#define ok(name) printf("ok - %s\n", name)

#endif
