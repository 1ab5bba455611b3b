/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The library of the test programs: trackers, buffers, bitmaps, and the models that
 * results are compared with. The device drivers are in tools/devices/.
 *
 * Most calls have two forms: __x() returns 0 or -errno, x() ends the test on
 * failure.
 */
#ifndef _IOMMUFD_DIRTY_LIB_H
#define _IOMMUFD_DIRTY_LIB_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <kselftest.h>
#include <linux/iommufd.h>
#include <linux/iommufd_dirty.h>
#include <linux/vfio.h>

#include "access.h"
#include "consumer.h"
#include "devices.h"
#include "dmabuf.h"
#include "env.h"
#include "fail.h"
#include "feature.h"
#include "ground.h"
#include "logged.h"
#include "machine.h"
#include "mem.h"
#include "oracle.h"
#include "pasid.h"
#include "side.h"
#include "soft.h"
#include "tracker.h"

/* Redeclared to check the formats; lib_fatal() fails the running test */
void __printf(3, 4) lib_fatal(const char *file, int line, const char *fmt, ...);
void __printf(1, 2) lib_note(const char *fmt, ...);
/* The monotonic clock, in nanoseconds */
__u64 lib_clock(void);

/* In a fixture: skip the test if @open returns a reason. @leave: "return" */
#define OPEN_OR_SKIP(leave, open)					\
	do {								\
		const char *__reason = (open);				\
									\
		if (__reason)						\
			SKIP(leave, "%s", __reason);			\
	} while (0)

#endif
