/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A kernel in small: it answers the ioctls of the library for one IOAS of a few
 * pages. A page is an entry of an array, so that what the library makes of a
 * bitmap is compared with something that is none.
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
#define FAKE_DEVICE	11
#define FAKE_DEVICE_FD	1000
#define FAKE_PAGES	4096
#define FAKE_IOVA	0x100000000ULL
#define FAKE_SIZE	(FAKE_PAGES * 4096ULL)

/* Which verbs there are */
extern bool fake_has_trackers;
/* START fails, about FAKE_HWPT and for this reason */
extern uint32_t fake_reason;
/* An ioctl that fails next, and how */
extern unsigned long fake_fail_cmd;
extern int fake_fail_errno;
/* Pages of an IO-PTE of the HWPT; 1 if not set */
extern unsigned int fake_entry;
/* Whether the pages of the IOAS are mapped; an UNMAP without trackers needs it */
extern bool fake_mapped;
/* The device logs by pages of so many bytes at the least */
extern uint64_t fake_log_size;
/* Ranges of VFIO's START, if it has succeeded */
extern struct vfio_device_feature_dma_logging_range fake_ranges[256];
extern unsigned int fake_num_ranges;
/* What a tracker of the device covers; a length of 0: it is stopped */
extern struct iommu_dirty_run fake_covered;
/* Reads of HWPTs and of VFIO devices since the reset */
extern unsigned int fake_reads;
/* A READ of this tracker gets so far only, and fails; 0: of none */
extern uint32_t fake_fault_id;
extern uint64_t fake_fault_length;
/* What time it is, and how long a READ takes */
extern uint64_t fake_now_ns, fake_read_ns;
/* Of all calls since ever */
extern unsigned int fake_started, fake_stopped;

void fake_reset(void);
/* The same random numbers in each run */
uint64_t fake_below(uint64_t limit);
/* The device writes to a page: it gets dirty for all trackers */
void fake_write(unsigned int page);
/* Called by the library in the place of ioctl() and clock_gettime() */
int __wrap_ioctl(int fd, unsigned long cmd, ...);
int __wrap_clock_gettime(clockid_t clock, struct timespec *ts);

#define expect(cond)								\
do {										\
	if (!(cond)) {								\
		printf("not ok - %s:%d: %s\n", __FILE__, __LINE__, #cond);	\
		exit(1);							\
	}									\
} while (0)

#define ok(name) printf("ok - %s\n", name)

#endif
