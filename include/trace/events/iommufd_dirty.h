/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trace events of the dirty trackers. Ids are object ids of the iommufd file: a tracker's
 * own, or 0 if it has a file; that of a HWPT for its classic tracking; that of a device
 * for the log of its user. rc is 0 or a negative errno.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM iommufd_dirty

#if !defined(_TRACE_IOMMUFD_DIRTY_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_IOMMUFD_DIRTY_H

#include <linux/tracepoint.h>

DECLARE_EVENT_CLASS(iommufd_dirty_tracker,
	TP_PROTO(u32 tracker, int rc),
	TP_ARGS(tracker, rc),
	TP_STRUCT__entry(
		__field(u32, tracker)
		__field(int, rc)
	),
	TP_fast_assign(
		__entry->tracker = tracker;
		__entry->rc = rc;
	),
	TP_printk("tracker=%u rc=%d", __entry->tracker, __entry->rc)
);

/* A START has finished */
DEFINE_EVENT(iommufd_dirty_tracker, iommufd_dirty_start,
	TP_PROTO(u32 tracker, int rc),
	TP_ARGS(tracker, rc)
);

/* A STOP has finished, or an implicit one by destruction or a failing START */
DEFINE_EVENT(iommufd_dirty_tracker, iommufd_dirty_stop,
	TP_PROTO(u32 tracker, int rc),
	TP_ARGS(tracker, rc)
);

/* An UPDATE has finished */
DEFINE_EVENT(iommufd_dirty_tracker, iommufd_dirty_update,
	TP_PROTO(u32 tracker, int rc),
	TP_ARGS(tracker, rc)
);

/* A READ or SCAN has failed because of this tracker, or an UNMAP has failed */
DEFINE_EVENT(iommufd_dirty_tracker, iommufd_dirty_error,
	TP_PROTO(u32 tracker, int rc),
	TP_ARGS(tracker, rc)
);

/* From now on, everything that is mapped for writing in an IOAS is reported as dirty */
TRACE_EVENT(iommufd_dirty_degraded,
	TP_PROTO(u32 ioas),
	TP_ARGS(ioas),
	TP_STRUCT__entry(
		__field(u32, ioas)
	),
	TP_fast_assign(
		__entry->ioas = ioas;
	),
	TP_printk("ioas=%u", __entry->ioas)
);

/*
 * What a READ or SCAN has found for one of its trackers. length is the processed part
 * of the range, in bytes; ns is the duration of the whole call.
 */
TRACE_EVENT(iommufd_dirty_harvest,
	TP_PROTO(u32 tracker, u64 iova, u64 length, u64 pages, u64 ns, int rc),
	TP_ARGS(tracker, iova, length, pages, ns, rc),
	TP_STRUCT__entry(
		__field(u32, tracker)
		__field(u64, iova)
		__field(u64, length)
		__field(u64, pages)
		__field(u64, ns)
		__field(int, rc)
	),
	TP_fast_assign(
		__entry->tracker = tracker;
		__entry->iova = iova;
		__entry->length = length;
		__entry->pages = pages;
		__entry->ns = ns;
		__entry->rc = rc;
	),
	TP_printk("tracker=%u iova=%#llx length=%#llx pages=%llu ns=%llu rc=%d",
		  __entry->tracker, __entry->iova, __entry->length,
		  __entry->pages, __entry->ns, __entry->rc)
);

/* An UNMAP has finished. unmapped is in bytes */
TRACE_EVENT(iommufd_dirty_unmap,
	TP_PROTO(u32 tracker, u64 iova, u64 unmapped, u64 pages, int rc),
	TP_ARGS(tracker, iova, unmapped, pages, rc),
	TP_STRUCT__entry(
		__field(u32, tracker)
		__field(u64, iova)
		__field(u64, unmapped)
		__field(u64, pages)
		__field(int, rc)
	),
	TP_fast_assign(
		__entry->tracker = tracker;
		__entry->iova = iova;
		__entry->unmapped = unmapped;
		__entry->pages = pages;
		__entry->rc = rc;
	),
	TP_printk("tracker=%u iova=%#llx unmapped=%#llx pages=%llu rc=%d",
		  __entry->tracker, __entry->iova, __entry->unmapped,
		  __entry->pages, __entry->rc)
);

/* A MARK has finished, of a bitmap for a range or of a number of runs */
TRACE_EVENT(iommufd_dirty_mark,
	TP_PROTO(u32 tracker, u64 iova, u64 length, u32 runs, int rc),
	TP_ARGS(tracker, iova, length, runs, rc),
	TP_STRUCT__entry(
		__field(u32, tracker)
		__field(u64, iova)
		__field(u64, length)
		__field(u32, runs)
		__field(int, rc)
	),
	TP_fast_assign(
		__entry->tracker = tracker;
		__entry->iova = iova;
		__entry->length = length;
		__entry->runs = runs;
		__entry->rc = rc;
	),
	TP_printk("tracker=%u iova=%#llx length=%#llx runs=%u rc=%d",
		  __entry->tracker, __entry->iova, __entry->length,
		  __entry->runs, __entry->rc)
);

#endif

#include <trace/define_trace.h>
