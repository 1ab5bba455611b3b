/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * libiommudirty: find out which pages devices have written
 *
 * One function per verb of <linux/iommufd_dirty.h>, plus the helpers that every
 * caller would otherwise write itself. The manual starts at libiommudirty(3).
 *
 * Functions that return int return 0 or a negative errno, unless their manual
 * page says otherwise. On failure idirty_last_error() has the details for this
 * thread. Sizes, lengths and addresses are in bytes.
 *
 * Later versions of the library add fields to the ends of the structs. So a struct
 * that the caller allocates begins with its sizeof() in @size, and is otherwise 0
 * where nothing is set. Of those that the library allocates, the caller uses pointers
 * only. struct idirty_range never changes.
 *
 * Threads: any number of threads may use one struct idirty and one tracker at
 * the same time, but idirty_destroy() and idirty_close() must come after all
 * other calls with the same object. All other objects are for one thread at a time.
 */
#ifndef _IOMMUDIRTY_H
#define _IOMMUDIRTY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Version of this header; idirty_version() returns that of the library */
#define IDIRTY_VERSION_MAJOR	1
#define IDIRTY_VERSION_MINOR	0
#define IDIRTY_VERSION_PATCH	0
#define IDIRTY_VERSION		"1.0.0"

struct idirty;
struct idirty_tracker;
struct idirty_map;
struct idirty_precopy;

/* What implements a tracker */
enum idirty_backend {
	IDIRTY_BACKEND_TRACKER = 1,	/* dirty trackers of the kernel */
	IDIRTY_BACKEND_HWPT = 2,	/* per-HWPT dirty tracking */
	IDIRTY_BACKEND_VFIO = 3,	/* DMA logging of a VFIO device */
};

/* How a fallback is weaker than a tracker */
enum idirty_weakness {
	IDIRTY_WEAK_LATE_HWPT = 1 << 0,	/* HWPTs not named, or that join later, are not tracked */
	IDIRTY_WEAK_UNMAP = 1 << 1,	/* unmapping loses dirty pages */
	IDIRTY_WEAK_HOLES = 1 << 2,	/* a range is read up to its first hole only */
	IDIRTY_WEAK_RANGES = 1 << 3,	/* only the ranges given to START are tracked */
	IDIRTY_WEAK_SOFTWARE = 1 << 4,	/* writes by software are not seen */
	IDIRTY_WEAK_EXCLUSIVE = 1 << 5,	/* another reader takes dirty pages away */
	IDIRTY_WEAK_PARTIAL = 1 << 6,	/* reading part of a mapping loses the rest */
	IDIRTY_WEAK_REWRITE = 1 << 7,	/* SMMUv3: a second write to a page may be missed */
	IDIRTY_WEAK_ONE_DEVICE = 1 << 8,	/* one device only, whatever the target */
	IDIRTY_WEAK_VERBS = 1 << 9,	/* no IDIRTY_READ_NO_CLEAR, no idirty_unmap() */
};

enum idirty_verb {
	IDIRTY_VERB_NONE,
	IDIRTY_VERB_ALLOC,
	IDIRTY_VERB_INFO,
	IDIRTY_VERB_START,
	IDIRTY_VERB_STOP,
	IDIRTY_VERB_READ,
	IDIRTY_VERB_SCAN,
	IDIRTY_VERB_UNMAP,
	IDIRTY_VERB_UPDATE,
	IDIRTY_VERB_DESTROY,
	IDIRTY_VERB_LIST,
	IDIRTY_VERB_PRECOPY,
	IDIRTY_VERB_MARK,
	IDIRTY_VERB_OPEN,	/* idirty_open() */
	IDIRTY_VERB_MAP,	/* idirty_map_*() */
	IDIRTY_VERB_OPTION,	/* idirty_set_trackable() */
};

/* Why this thread's last failed call failed */
struct idirty_error {
	uint32_t size;
	int code;		/* positive errno */
	enum idirty_verb verb;
	uint32_t tracker;	/* its index in the call plus 1; 0 if none */
	uint32_t member_type;	/* START: the member that cannot be tracked */
	uint32_t member_id;
	uint32_t reason;	/* enum idirty_reason */
	const char *argument;	/* the wrong argument or field; NULL if none is known */
	const char *why;	/* what is wrong with it */
	size_t entry;		/* its index plus 1, if the argument is an array; or 0 */
};

struct idirty_range {
	uint64_t iova;
	uint64_t length;
};

/* Values as in <linux/iommufd_dirty.h>, from here to the flags of UPDATE */
enum idirty_reason {
	IDIRTY_REASON_OK = 0,		/* it can be tracked */
	IDIRTY_REASON_NO_DRIVER = 1,
	IDIRTY_REASON_NO_HW = 2,
	IDIRTY_REASON_NOT_REQUESTED = 3,
	IDIRTY_REASON_NEST_PARENT = 4,
	IDIRTY_REASON_ENABLE_FAILED = 5,
	IDIRTY_REASON_INCOHERENT = 6,
	IDIRTY_REASON_UNBOUND = 7,
	IDIRTY_REASON_NO_BBML = 8,	/* only for splitting */
};

enum idirty_format {
	IDIRTY_FORMAT_UNKNOWN = 0,
	IDIRTY_FORMAT_VTD_SS = 1,
	IDIRTY_FORMAT_VTD_FS = 2,
	IDIRTY_FORMAT_AMD_V1 = 3,
	IDIRTY_FORMAT_AMD_V2 = 4,
	IDIRTY_FORMAT_ARM_S1 = 5,
	IDIRTY_FORMAT_ARM_S2 = 6,
	IDIRTY_FORMAT_RISCV = 7,
};

struct idirty_member {
	uint32_t type;		/* enum idirty_member_type */
	uint32_t id;
	uint32_t format;	/* enum idirty_format */
	uint32_t reason;	/* enum idirty_reason */
	uint32_t flags;		/* mask of enum idirty_member_flags */
	uint32_t split_reason;	/* enum idirty_reason: why entries of the HWPT cannot be split */
	uint64_t io_page_sizes;		/* that an entry can have */
	uint64_t io_page_sizes_used;	/* of a HWPT: that entries have now */
	uint64_t split;		/* of a HWPT, since it was made: large entries that were split */
	uint64_t unsplit;	/* how often entries stayed large */
	uint64_t merged;	/* tables that are large entries again */
	uint64_t unmerged;	/* how often a table could not become one */
};

struct idirty_tracker_info {
	enum idirty_backend backend;
	uint32_t weak;		/* mask of enum idirty_weakness, 0 if none */
	uint32_t target_id;
	uint32_t state;		/* enum idirty_state */
	uint32_t flags;		/* mask of enum idirty_tracker_flags */
	uint32_t max_trackers;
	uint64_t page_sizes;
	uint64_t reads;
	uint64_t pages;
	uint32_t max_ranges;	/* of a device; 0 if unknown */
	uint32_t num_ranges;	/* of a device, while tracked */
	uint64_t max_span;	/* of a device; 0 if unknown */
	uint64_t tracked_page_size;
	size_t num_members;
	const struct idirty_member *const *members;
};

struct idirty_object {
	uint32_t type;		/* enum idirty_object_type */
	uint32_t id;
	uint32_t parent_id;
	uint32_t flags;		/* mask of enum idirty_object_flags */
	uint32_t state;		/* enum idirty_state */
	uint32_t num_trackers;	/* of an IOAS or a device: starting or running */
	char name[40];
};

enum idirty_object_type {
	IDIRTY_OBJECT_IOAS = 1,
	IDIRTY_OBJECT_HWPT = 2,
	IDIRTY_OBJECT_HWPT_NESTED = 3,
	IDIRTY_OBJECT_DEVICE = 4,
	IDIRTY_OBJECT_TRACKER = 5,
};

enum idirty_object_flags {
	IDIRTY_OBJECT_AUTO = 1 << 1,	/* HWPT: made when a device was attached */
	IDIRTY_OBJECT_PASSIVE = 1 << 2,	/* tracker */
	IDIRTY_OBJECT_TYPE1 = 1 << 3,	/* tracker: serves VFIO_IOMMU_DIRTY_PAGES */
	IDIRTY_OBJECT_PASID = 1 << 4,	/* HWPT: PASIDs may be attached */
};

/* HWPT, device: RUNNING if tracking was enabled without a tracker */
enum idirty_state {
	IDIRTY_STATE_STOPPED = 0,
	IDIRTY_STATE_STARTING = 1,
	IDIRTY_STATE_RUNNING = 2,
};

enum idirty_member_flags {
	IDIRTY_MEMBER_TRACKED = 1 << 0,
	IDIRTY_MEMBER_AUTO = 1 << 1,
	IDIRTY_MEMBER_LIVE = 1 << 2,	/* device: UPDATE works whatever it is doing */
	IDIRTY_MEMBER_QUIESCES = 1 << 3,	/* device: it has states without DMA */
	IDIRTY_MEMBER_QUIESCES_P2P = 1 << 4,	/* P2P states are among them */
	IDIRTY_MEMBER_SPLITS = 1 << 5,	/* HWPT: IDIRTY_START_SPLIT* have an effect */
};

enum idirty_member_type {
	IDIRTY_MEMBER_HWPT = 1,
	IDIRTY_MEMBER_ACCESS = 2,
	IDIRTY_MEMBER_DEVICE = 3,
};

enum idirty_tracker_flags {
	IDIRTY_TRACKER_DEGRADED = 1 << 0,
	IDIRTY_TRACKER_BLIND = 1 << 1,
	IDIRTY_TRACKER_PASSIVE = 1 << 2,
	IDIRTY_TRACKER_GONE = 1 << 3,	/* the IOAS has been destroyed */
};

#define IDIRTY_ALLOC_PASSIVE	0x1U	/* makes no call of others fail */
#define IDIRTY_ALLOC_FILE	0x2U	/* has a file of its own */
#define IDIRTY_START_DEGRADED	0x1U
#define IDIRTY_START_SPLIT	0x2U	/* split large entries at once */
#define IDIRTY_START_SPLIT_LAZY	0x4U	/* split a large entry once it was dirty */
#define IDIRTY_READ_NO_CLEAR	0x1U
#define IDIRTY_READ_SPARSE	0x2U
#define IDIRTY_UPDATE_GAP_DIRTY	0x1U

/*
 * What to track. On a kernel without trackers, @hwpts or @vfio_fd selects the
 * fallback, which has no @flags. If neither is given, idirty_alloc() fails with
 * -ENOTTY.
 */
struct idirty_target {
	uint32_t size;
	uint32_t flags;			/* IDIRTY_ALLOC_* */
	uint32_t id;			/* of the IOAS or the device */
	int vfio_fd;			/* of the device, or -1 */
	const uint32_t *hwpts;		/* made with IOMMU_HWPT_ALLOC_DIRTY_TRACKING */
	size_t num_hwpts;
};

#define IDIRTY_TARGET(i) { sizeof(struct idirty_target), 0, (uint32_t)(i), -1, NULL, 0 }

struct idirty_read_args {
	uint32_t size;
	uint32_t flags;		/* IDIRTY_READ_* */
	uint64_t iova;
	uint64_t length;
	uint64_t page_size;
	void *bitmap;
	uint64_t out_length;	/* valid after an error too */
	uint64_t out_pages;
};

struct idirty_scan_args {
	uint32_t size;
	uint32_t flags;		/* IDIRTY_READ_* */
	uint64_t iova;
	uint64_t length;
	uint64_t page_size;
	struct idirty_range *runs;
	size_t num_runs;	/* in: room in runs; out: runs returned */
	uint64_t out_length;	/* less than length if runs was too small */
	uint64_t out_pages;
};

struct idirty_unmap_args {
	uint32_t size;
	uint32_t flags;		/* none yet */
	uint64_t iova;
	uint64_t length;
	uint64_t page_size;
	void *bitmap;
	uint64_t out_unmapped;
	uint64_t out_length;
	uint64_t out_pages;
};

/* A bitmap as for idirty_read(), or runs; with runs, the range and page size are 0 */
struct idirty_mark_args {
	uint32_t size;
	uint32_t flags;		/* none yet */
	uint64_t iova;
	uint64_t length;
	uint64_t page_size;
	const void *bitmap;
	const struct idirty_range *runs;
	size_t num_runs;	/* 0: bitmap */
};

/*
 * Copy a page only after all READs into its bitmap have returned, not as soon as
 * its bit is set: see idirty_read(3).
 */

/* libiommudirty(3) */
const char *idirty_version(void);

/*
 * The verbs: idirty_open(3), idirty_set_trackable(3), idirty_alloc(3), idirty_start(3),
 * idirty_read(3)
 */
int idirty_open(int iommufd, struct idirty **ctx);
void idirty_close(struct idirty *ctx);
int idirty_fd(const struct idirty *ctx);
int idirty_list(struct idirty *ctx, struct idirty_object ***objects, size_t *num);
int idirty_set_trackable(struct idirty *ctx, uint32_t ioas_id, int trackable);
int idirty_alloc(struct idirty *ctx, const struct idirty_target *target,
		 struct idirty_tracker **tracker);
int idirty_adopt(int fd, struct idirty_tracker **tracker);
int idirty_destroy(struct idirty_tracker *tracker);
uint32_t idirty_tracker_id(const struct idirty_tracker *tracker);
int idirty_tracker_fd(const struct idirty_tracker *tracker);
enum idirty_backend idirty_tracker_backend(const struct idirty_tracker *tracker);
int idirty_info(struct idirty_tracker *tracker, struct idirty_tracker_info **info);
int idirty_start(struct idirty_tracker *tracker, uint32_t flags,
		 const struct idirty_range *ranges, size_t num,
		 uint64_t *page_size);
int idirty_update(struct idirty_tracker *tracker, uint32_t flags,
		  const struct idirty_range *ranges, size_t num,
		  uint64_t *page_size);
int idirty_covered(struct idirty_tracker *tracker, struct idirty_range **ranges,
		   size_t *num);
int idirty_stop(struct idirty_tracker *tracker);
int idirty_read(struct idirty_tracker *const *trackers, size_t num,
		struct idirty_read_args *read, uint64_t *pages);
int idirty_read_threads(struct idirty_tracker *const *trackers, size_t num,
			struct idirty_read_args *read, unsigned int threads);
int idirty_scan(struct idirty_tracker *const *trackers, size_t num,
		struct idirty_scan_args *scan);
int idirty_unmap(struct idirty_tracker *tracker, struct idirty_unmap_args *unmap);
int idirty_mark(struct idirty_tracker *tracker, const struct idirty_mark_args *mark);
/* Frees what idirty_info(), idirty_covered() and idirty_list() have allocated */
void idirty_free(void *mem);

/* idirty_strerror(3) */
const struct idirty_error *idirty_last_error(void);
const char *idirty_strerror(const struct idirty_error *error, char *buf,
			    size_t size);
const char *idirty_reason_text(uint32_t reason);
const char *idirty_format_text(uint32_t format);
const char *idirty_backend_text(enum idirty_backend backend);
const char *idirty_weakness_text(uint32_t weakness);

/*
 * idirty_set_log(3). IDIRTY_LOG_ERROR: a call is about to return this error.
 * IDIRTY_LOG_NOTE: something that no call returns
 */
enum idirty_log_level {
	IDIRTY_LOG_ERROR = 1,
	IDIRTY_LOG_NOTE = 2,
};

typedef void idirty_log_fn(void *arg, enum idirty_log_level level, const char *text);
void idirty_set_log(idirty_log_fn *fn, void *arg);

/* idirty_bitmap(3) */
uint64_t idirty_bitmap_pages(uint64_t iova, uint64_t length, uint64_t page_size);
size_t idirty_bitmap_bytes(uint64_t iova, uint64_t length, uint64_t page_size);
int idirty_bitmap_test(const void *bitmap, uint64_t page);
uint64_t idirty_bitmap_count(const void *bitmap, uint64_t pages);
int idirty_bitmap_next(const void *bitmap, uint64_t pages, uint64_t *first,
		       uint64_t *end);
int idirty_bitmap_next_run(const void *bitmap, const struct idirty_range *range,
			   uint64_t page_size, uint64_t *pos,
			   struct idirty_range *run);

/* idirty_map(3) */
typedef int idirty_host_fn(void *arg, void *host, uint64_t iova, uint64_t length);
int idirty_map_new(struct idirty_map **map);
void idirty_map_free(struct idirty_map *map);
int idirty_map_add(struct idirty_map *map, uint64_t iova, uint64_t length,
		   void *host);
int idirty_map_remove(struct idirty_map *map, uint64_t iova, uint64_t length);
void *idirty_map_find(const struct idirty_map *map, uint64_t iova,
		      uint64_t *length);
int idirty_map_run(const struct idirty_map *map, const struct idirty_range *run,
		   idirty_host_fn *fn, void *arg);

/* idirty_precopy(3) */
enum idirty_decision {
	IDIRTY_GO_ON = 0,
	IDIRTY_FINISH = 1,	/* quiesce and send the rest */
	IDIRTY_GIVE_UP = 2,	/* return; another run can go on */
};

struct idirty_round {
	unsigned int round;	/* starts at 1 */
	unsigned int stalled;	/* rounds in a row, up to this one, without gain */
	uint64_t sent_bytes;
	uint64_t send_ns;
	uint64_t read_ns;
	uint64_t dirty_bytes;	/* found by the READ at its end */
	uint64_t bandwidth;	/* bytes per second, over all rounds */
	uint64_t downtime_ns;	/* estimate if the migration finished now */
};

struct idirty_precopy_ops {
	uint32_t size;
	/* Sends a run completely before it returns */
	int (*send)(void *arg, uint64_t iova, uint64_t length);
	/* Called after each round; @proposed follows from the limits */
	enum idirty_decision (*decide)(void *arg, const struct idirty_round *round,
				       enum idirty_decision proposed);
	/* Stops all devices: no writes once it has returned 0 */
	int (*quiesce)(void *arg);
	/* Called if quiesce or a later step fails: lets the devices go on */
	void (*resume)(void *arg);
};

#define IDIRTY_PRECOPY_FORCE	0x1U	/* at a limit: finish anyway, else give up */
#define IDIRTY_PRECOPY_SPARSE	0x2U	/* READs with IDIRTY_READ_SPARSE */

struct idirty_precopy_limits {
	uint32_t size;
	uint32_t flags;		/* IDIRTY_PRECOPY_* */
	uint64_t downtime_ns;	/* finish if the estimate is at most this */
	unsigned int rounds;	/* limit of rounds; 0 for none */
	unsigned int stalled;	/* limit of rounds in a row without gain; 0 for none */
};

struct idirty_precopy_result {
	uint32_t size;
	unsigned int rounds;
	enum idirty_decision decision;	/* IDIRTY_FINISH or IDIRTY_GIVE_UP */
	uint64_t sent_bytes;
	uint64_t total_ns;
	uint64_t downtime_ns;	/* from the call of quiesce on */
};

int idirty_precopy_new(struct idirty_tracker *const *trackers, size_t num,
		       const struct idirty_range *ranges, size_t num_ranges,
		       uint64_t page_size, struct idirty_precopy **precopy);
void idirty_precopy_free(struct idirty_precopy *precopy);
int idirty_precopy_run(struct idirty_precopy *precopy,
		       const struct idirty_precopy_limits *limits,
		       const struct idirty_precopy_ops *ops, void *arg,
		       struct idirty_precopy_result *result);

#ifdef __cplusplus
}
#endif

#endif
