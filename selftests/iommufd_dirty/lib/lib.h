/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the test programs share: trackers, buffers, bitmaps, and the models that results
 * are compared with. The drivers of the devices are in tools/devices/.
 *
 * Of most calls there are two forms: __x() returns 0 or -errno, x() ends the
 * test if it fails.
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

#include "devices.h"

/* With the formats checked: lib_fatal() fails the running test */
void __printf(3, 4) lib_fatal(const char *file, int line, const char *fmt, ...);
void __printf(1, 2) lib_note(const char *fmt, ...);

/* tracker.c */
int __tracker_alloc(int fd, __u32 target, __u32 *tracker);
__u32 tracker_alloc(int fd, __u32 target);
int __tracker_info(int fd, struct iommu_dirty_tracker_info *info);
/* Fills at most @max members and returns how many there are */
__u32 tracker_members(int fd, __u32 tracker, struct iommu_dirty_member *members,
		      __u32 max);
__u32 tracker_state(int fd, __u32 tracker);
int __tracker_start(int fd, __u32 tracker, struct iommu_dirty_tracker_start *out);
int __tracker_start_flags(int fd, __u32 tracker, __u32 flags,
			  struct iommu_dirty_tracker_start *out);
void tracker_start(int fd, __u32 tracker);
int __tracker_stop(int fd, __u32 tracker);
void tracker_stop(int fd, __u32 tracker);

/* One READ of one tracker */
struct read_args {
	int fd;
	__u32 tracker;
	__u32 flags;
	__u64 iova;
	__u64 length;
	__u64 page_size;
	void *data;
	__u64 out_length;
	__u64 out_pages;
	__u32 out_error;	/* of the tracker */
};

int __tracker_read(struct read_args *args);
/* Returns the number of bits newly set; insists on out_length == length */
__u64 tracker_read(struct read_args *args);

/* One SCAN of one tracker */
struct scan_args {
	int fd;
	__u32 tracker;
	__u32 flags;
	__u64 iova;
	__u64 length;
	__u64 page_size;
	struct iommu_dirty_run *runs;
	__u32 num_runs;		/* in: room, out: how many there are */
	__u32 out_error;	/* of the tracker */
	__u64 out_length;
	__u64 out_pages;
};

int __tracker_scan(struct scan_args *args);
/*
 * Like tracker_read(), but by as many SCANs as it takes, each with room for @room
 * runs; insists on runs that are as they should be
 */
__u64 tracker_scan(struct read_args *args, __u32 room);
/* UNMAP; how much of the range was unmapped, also after an error */
int __tracker_unmap(struct read_args *args, __u64 *unmapped);

/* For trackers of devices; each rewrites @ranges, *@num and *@page_size */
int __device_start_flags(int fd, __u32 tracker, __u32 flags,
			 struct iommu_dirty_run *ranges, __u32 *num,
			 __u64 *page_size);
int __device_start(int fd, __u32 tracker, struct iommu_dirty_run *ranges,
		   __u32 *num, __u64 *page_size);
int __device_update(int fd, __u32 tracker, __u32 flags,
		    struct iommu_dirty_run *ranges, __u32 *num,
		    __u64 *page_size);
/* One range and 4 KiB, which the device must take as they are */
void device_start(int fd, __u32 tracker, __u64 iova, __u64 length);
void device_update(int fd, __u32 tracker, __u64 iova, __u64 length);

/* mock.c: iommufd's own test devices; -ENOTTY where CONFIG_IOMMUFD_TEST is off */
struct mock {
	__u32 id;		/* to be destroyed to get rid of it */
	__u32 dev_id;
	__u32 hwpt;
};

/* A device that cannot be tracked, attached to @pt */
int __mock_attach(int fd, __u32 pt, struct mock *mock);

/* feature.c: features of a device that VFIO's migration consists of */
struct log_range {	/* as struct vfio_device_feature_dma_logging_range */
	__u64 iova;
	__u64 length;
};

/* VFIO_DEVICE_FEATURE; @data, of @size bytes, is what comes back, too */
int __vfio_feature(int fd, __u32 flags, void *data, size_t size);
/* To a migration state; @data_fd is the stream that this opens, -1 if it does not */
int __mig_set(int fd, __u32 state, int *data_fd);
/* The same; returns the stream */
int mig_set(int fd, __u32 state);
__u32 mig_get(int fd);
/* @page_size: what is asked for, and what comes of it */
int __log_start(int fd, const struct log_range *ranges, __u32 num, __u64 *page_size);
int __log_report(int fd, __u64 iova, __u64 length, __u64 page_size, void *bitmap);
int __log_stop(int fd);
/* Reads what there is of a stream, behind @len bytes; returns the new length */
size_t mig_drain(int data, unsigned char *stream, size_t len, size_t room);
/* Has the device a migration driver? */
bool mig_capable(int fd);

/*
 * storm.c: kernel threads that write to a window at full speed, on devices of
 * the software IOMMU. Each writes a number that it has not written before to the
 * first 8 bytes of a page, and reads such bytes now and then.
 */
#define STORM_MAX_THREADS 8

struct storm {
	__u64 iova;
	__u64 length;
	__u64 seed;
	__u64 threads;
	__u64 limit;		/* writes of each thread, 0: until stopped */
	__u64 sequential;	/* 1: in ascending order, not at random */
};

int __storm_start(struct edu *edu, const struct storm *storm);
void storm_start(struct edu *edu, const struct storm *storm);
/* When it returns, nothing is written any more */
void storm_stop(struct edu *edu);
bool storm_running(struct edu *edu);
/* Writes done by all threads, and accesses that were not allowed, since ever */
__u64 storm_writes(struct edu *edu);
__u64 storm_faults(struct edu *edu);
/* Until @writes more are done; fails if the threads end before */
void storm_wait(struct edu *edu, __u64 writes);
/* The software IOMMU's switch that leaves out the IOTLB flush of a READ */
void storm_skip_flush(bool on);

/* The provider of dirty information that such a device registers for itself */
enum { PROVIDER_NONE, PROVIDER_PLAIN, PROVIDER_LIVE, PROVIDER_BUSY };

void soft_provider(struct edu *edu, unsigned int provider);

/*
 * What is wrong with it, and with the page tables that are made for the device; 0:
 * nothing. FAULT_HOLD: it repeats its last DMA, to memory, before it is held.
 * FAULT_RELEASE: it may have written while it was held. FAULT_HARVEST: all but the
 * first half of a mapping is left out.
 */
enum {
	FAULT_START = 1, FAULT_STOP, FAULT_READ, FAULT_UPDATE, FAULT_HOLD, FAULT_RELEASE,
	FAULT_ENABLE, FAULT_DISABLE, FAULT_HARVEST,
};

struct soft_faults {
	__u64 op;		/* FAULT_x: that op fails */
	__u64 error;		/* with this errno */
	__u64 skip;		/* after so many calls */
	__u64 count;		/* so many times */
	__u64 stray;		/* a page that each report marks too */
	__u64 granule;		/* the smallest page size */
	__u64 max_ranges;
	__u64 max_span;
	__u64 hold_flush;	/* 1: flushes of the IOTLB wait until it is 0 */
	__u64 untrackable;	/* 1: new page tables cannot be tracked */
	__u64 late_dirty;	/* 1: a dirty bit is set only when the entry has changed */
	__u64 slow;		/* microseconds that each report takes */
	__u64 multiple;		/* ranges are multiples of so many pages */
};

void soft_faults(struct edu *edu, struct soft_faults faults);
/* Until a flush waits, or a write for late_dirty */
void soft_wait_held(struct edu *edu);

/*
 * access.c: in-kernel software that uses an IOAS, if the kernel has
 * CONFIG_IOMMUFD_TEST; __access_create() returns a file or -errno
 */
int __access_create(int fd, __u32 ioas);
void access_destroy(int access);
int __access_write(int fd, int access, __u64 iova, const void *data, size_t len);
/* The same for an access that pins pages */
int __access_create_pins(int fd, __u32 ioas);
#define ACCESS_WRITE	0x1
#define ACCESS_SLOW	0x4	/* by copying to the user, not to the page */
/* Pinning: writes are told of. Writing: only tell. As IOMMUFD_ACCESS_PIN_MARKS */
#define ACCESS_MARKS	0x100
int __access_rw(int fd, int access, __u64 iova, void *data, size_t len, __u32 flags);
/* Returns what access_unpin() takes */
__u32 access_pin(int fd, int access, __u64 iova, size_t len, __u32 flags);
int __access_unpin(int fd, int access, __u32 pin);
void access_unpin(int fd, int access, __u32 pin);

/* mem.c, and devices.h */
void *mem_alloc_huge(size_t size);	/* NULL if there are no 2 MiB pages */
/* Pages of 1 GiB, in the order in which they lie in memory */
void *mem_alloc_giant(unsigned int pages);
void *mem_alloc_repeat(size_t chunk, size_t size);
void mem_fill(void *mem, __u64 value, size_t size);

/*
 * hold.c: a page at which whoever accesses it first waits, the kernel on behalf of
 * another thread, too
 */
struct hold {
	int fd;
	void *page;
};

void hold_open(struct hold *h);
/* At a page that nobody has accessed yet; it stays the caller's: close h->fd */
void hold_open_at(struct hold *h, void *page);
/* Until somebody waits */
void hold_wait(struct hold *h);
/* It is all zeroes, and nobody waits any more */
void hold_release(struct hold *h);
void hold_close(struct hold *h);
/*
 * Until the thread, of whatever process, sleeps where only what it waits for can wake
 * it, or a fatal signal, as for a lock of the kernel's; or @done is set
 */
void hold_wait_blocked(pid_t tid, const bool *done);

/* side.c: a call in a thread of its own */
struct side {
	int (*call)(void *arg);
	void *arg;
	pthread_t thread;
	pid_t tid;
	bool done;
	int rc;
};

void side_start(struct side *s, int (*call)(void *arg), void *arg);
/* Until it is done, or waits as hold_wait_blocked() has it; true: it is done */
bool side_wait(struct side *s);
/* Until it is done; returns what the call has returned */
int side_end(struct side *s);

/* bitmap.c */
bool bitmap_test(const void *bitmap, __u64 bit);
void bitmap_set(void *bitmap, __u64 bit);
__u64 bitmap_count(const void *bitmap, __u64 bits);
__u64 bitmap_bits(__u64 iova, __u64 length, __u64 page_size);
size_t bitmap_bytes(__u64 iova, __u64 length, __u64 page_size);

/* env.c: an iommufd file, an IOAS with 4 KiB IO-PTEs, attached edu devices */
#define ENV_STAGE_IOVA 0x10000000ULL
#define ENV_MAX_EDU 2

struct env {
	int fd;
	__u32 ioas;
	__u32 tracker;
	__u32 twin;
	unsigned int num_edu;
	struct edu edu[ENV_MAX_EDU];
	__u64 *stage;
	__u64 value;
};

/* NULL, or the reason why the test cannot run; attaches device 0 alone */
const char *env_open(struct env *env, unsigned int num_edu);
void env_close(struct env *env);
/* Maps the staging page into one more IOAS */
void env_map_stage(struct env *env, __u32 ioas);
/* A new value into the buffer of device @index; returns the value */
__u64 env_load(struct env *env, unsigned int index);
/* Writes 8 bytes of the device's buffer to @iova */
void env_store(struct env *env, unsigned int index, __u64 iova);
/*
 * A second tracker, which env_start() starts too: from now on env_read() does a
 * SCAN of it as well, and insists that both find the same
 */
void env_twin(struct env *env);
void env_start(struct env *env);
__u64 env_read(struct env *env, __u64 iova, __u64 length, __u64 page_size,
	       __u32 flags, void *data);

/*
 * oracle.c: the memory itself says what must be reported. @shadow is what a
 * reader who copies the reported pages, and only those, has of @mem.
 */
struct oracle {
	struct env *env;
	void *mem;
	__u64 iova;
	size_t pages;
	__u64 *shadow;
	void *bitmap;
	__u64 writes;
	__u64 lost;
	__u64 extra;
};

void oracle_open(struct oracle *o, struct env *env, size_t pages, __u64 iova);
void oracle_map(struct oracle *o, __u32 ioas);
void oracle_close(struct oracle *o);
__u64 oracle_page_iova(const struct oracle *o, size_t page);
void oracle_write(struct oracle *o, unsigned int index, size_t page);
/* Copies the pages in @o->bitmap; counts changed pages that are not in it */
void oracle_check(struct oracle *o);
/* The same while the device may be writing: only copies */
void oracle_copy(struct oracle *o);
/* READ all pages into a fresh @o->bitmap; returns the number of bits set */
__u64 oracle_read(struct oracle *o, __u32 flags);
/* Pages whose shadow differs from the memory */
size_t oracle_differing(const struct oracle *o);

/* writer.c: a thread that lets device 0 write 20 pages, @rounds times */
struct writer {
	struct oracle *o;
	pthread_t thread;
	unsigned int rounds;
	bool done;
};

void writer_start(struct writer *w, struct oracle *o, unsigned int rounds);
bool writer_done(struct writer *w);
/* After its end, a last READ and copy: how many pages differ from the copy? */
size_t writer_settle(struct writer *w);

/*
 * model.c: a set of dirty 4 KiB pages, and a naive READ on it. Pages of a
 * spread-out range are kept as a list of IOVAs.
 */
struct model {
	size_t num;
	__u64 *iova;
	bool *dirty;
};

void model_open(struct model *m, size_t num);
void model_close(struct model *m);
void model_set_all(struct model *m);
size_t model_num_dirty(const struct model *m);
/* What __tracker_read() has to do; returns the number of bits newly set */
__u64 model_read(struct model *m, const struct read_args *args, void *data);

/*
 * fail.c: allocations of the kernel that fail on demand
 */
/* False where the kernel cannot do that */
bool fail_setup(void);
/* The @nth allocation that this thread makes from now on fails; 0: none */
void fail_nth(unsigned int nth);
/* No failure any more; has there been one since fail_nth()? */
bool fail_nth_end(void);
/* The same; how many more could there have been until the failure? */
unsigned int fail_nth_left(void);
/* At the end of a thread that has used it: there is a file for each */
void fail_nth_close(void);

/*
 * consumer.c: a tracker, and a copy of the pages of @mem that it has reported. Can
 * be used by several threads at once.
 */
#define CONSUMER_RUNS	4

struct page_words {
	__u64 dma;		/* at offset 0 of a page */
	__u64 cpu;		/* at offset 8 */
};

struct consumer {
	int fd;
	__u32 tracker;
	const __u64 *mem;
	__u64 iova;
	size_t pages;
	struct page_words *copy;
	void *bitmap;
	__u64 reported;
	pthread_mutex_t lock;	/* from a call to the end of the copy */
};

/* @mem is, or will be, mapped at @iova of the IOAS */
void consumer_open(struct consumer *c, int fd, __u32 ioas, const __u64 *mem,
		   __u64 iova, size_t pages);
void consumer_close(struct consumer *c);
/* READ of everything, into @bad instead of a bitmap if it is not NULL; copy */
int __consumer_read(struct consumer *c, __u32 flags, void *bad);
/* SCAN of everything with room for @room runs, CONSUMER_RUNS at the most; copy */
int __consumer_scan(struct consumer *c, unsigned int room);
/* UNMAP @num pages from page @first on; copy */
int __consumer_unmap(struct consumer *c, size_t first, size_t num);
/* How many pages differ from the copy? */
size_t consumer_differing(const struct consumer *c);
/* The same after a last READ, when nobody writes */
size_t consumer_missed(struct consumer *c);

/*
 * ground.c: where calls fail. Devices write to @mem, two trackers run, @env.tracker
 * is stopped.
 */
#define GROUND_IOVA	(2 * SZ_1G - GROUND_SIZE / 2)
#define GROUND_PAGES	32
#define GROUND_SIZE	(GROUND_PAGES * SZ_4K)

struct pins {
	__u64 pinned;		/* pages */
	__u64 accounted;	/* KiB, of this process */
};

struct ground {
	struct env env;
	__u64 *mem;
	struct consumer first;
	struct consumer second;
	struct pins before;
	__u32 id;		/* for the test */
	bool attached;
};

/* NULL, or the reason why the test cannot run */
const char *ground_open(struct ground *g);
/* Close all files, with everything as it is; the memory stays */
void ground_abandon(struct ground *g);
/* Insists that no page is pinned any more, and frees the memory */
void ground_end(struct ground *g);
/* Both, and insists that no object is in use, and that no page is pinned any more */
void ground_close(struct ground *g);
int ground_map(struct ground *g);
/* Device @index writes a new value to some pages */
void ground_write(struct ground *g, unsigned int index);

/*
 * device.c: a tracker of an edu device with its migration driver, and a model of
 * what that device has written
 */
#define LOGGED_IOVA	0x40000000ULL
#define LOGGED_PAGES	256
#define LOGGED_SIZE	(LOGGED_PAGES * SZ_4K)
#define LOGGED_AT(page)	(LOGGED_IOVA + (page) * SZ_4K)

struct logged {
	struct env env;
	__u32 tracker;		/* of env.edu[0] */
	__u64 *mem;		/* mapped at LOGGED_IOVA */
	unsigned char got[LOGGED_PAGES / 8];
	unsigned char want[LOGGED_PAGES / 8];
};

/* NULL, or the reason why the test cannot run; the tracker is stopped */
const char *logged_open(struct logged *l);
/* The same with a device of the software IOMMU, whose provider is PROVIDER_x */
const char *logged_open_soft(struct logged *l, unsigned int provider);
/* Close its device and open it again with EDU_QUIRK_x; l->tracker is another one */
void logged_reopen(struct logged *l, unsigned int quirks);
void logged_close(struct logged *l);
/* START of l->tracker with all pages */
int __logged_start(struct logged *l);
/* UPDATE to a range of its pages */
int __logged_update(struct logged *l, __u32 flags, __u64 iova, __u64 length);
/* The device writes to a page, which the model marks */
void logged_write(struct logged *l, unsigned int page);
/* A READ of all pages into a fresh l->got */
struct read_args logged_args(struct logged *l, __u32 tracker);
/* Does it report what the model has, and no more? The model is empty then */
bool logged_exact(struct logged *l, __u32 tracker);
struct iommu_dirty_tracker_info logged_info(struct logged *l, __u32 tracker,
					    struct iommu_dirty_member *member);

/*
 * machine.c: a VM, which is memory and devices that use it, and a guest that keeps
 * these busy
 */
#define RAM_IOVA	0x40000000ULL
#define RAM_PAGES	64
#define RAM_SIZE	(RAM_PAGES * SZ_4K)
#define STAGE_IOVA	0x10000000ULL	/* where the guest puts what is to be written */
#define MACHINE_DEVICES	2

struct machine {
	int fd;
	__u32 ioas[MACHINE_DEVICES];
	struct edu edu[MACHINE_DEVICES];
	__u64 *ram;
	__u64 *stage;
};

struct guest {
	struct machine *m;
	unsigned int device;
	pthread_t thread;
	bool stop;
	unsigned int stores;
};

/* The edu devices from @first on; @apart: each in an IOAS of its own */
void machine_open(struct machine *m, unsigned int first, bool apart);
void machine_close(struct machine *m);
/* A thread that has one of the devices write to its own, odd or even, pages */
void guest_start(struct guest *g, struct machine *m, unsigned int device);
/* The guest's CPUs stop; nobody tells the devices anything any more */
void guest_stop(struct guest *g);

/* break.c: what the kernel can leave out, as its enum iommufd_dirty_break */
enum {
	BREAK_UNMAP, BREAK_ATTACH, BREAK_ACCESS, BREAK_FLUSH, BREAK_RECORD,
	BREAK_PROTECT, BREAK_RECHECK, BREAK_HURRY, BREAK_GAP, BREAK_FORGET,
};

/* False without CONFIG_IOMMUFD_DIRTY_BREAK; @bits is a mask of 1 << BREAK_x */
bool break_kernel(unsigned int bits);

#endif
