// SPDX-License-Identifier: GPL-2.0-only
/*
 * The code of the trace events, which tracker.c, hooks.c and ioctl_read.c call.
 */
#include <linux/types.h>

#define CREATE_TRACE_POINTS
#include <trace/events/iommufd_dirty.h>
