// SPDX-License-Identifier: GPL-2.0-only
/*
 * Instantiates the trace events, which the verbs, the doors and ioas/start.c emit.
 */
#include <linux/types.h>

#define CREATE_TRACE_POINTS
#include <trace/events/iommufd_dirty.h>
