/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A software IOMMU for tests: page tables in the formats of real hardware, and
 * devices that do DMA through them. See Documentation/driver-api/iommu_dirty.rst.
 *
 *   fmt.c    the formats, as their hardware and their writer see them
 *   table.c  builds and looks up page tables
 *   iommu.c  the IOMMU driver: domains, attaching, dirty tracking
 *   dma.c    the hardware: ports with translation caches, threads that write
 *   provider.c  the devices' own log of what they write
 *   vfio.c   the devices' registers, for user space
 *   main.c   makes the devices
 *
 * Locks, in this order: soft_log::provider_mutex, iommufd's of a provider,
 * soft_device::lock (registers), soft_attach_lock, soft_port::lock, soft_log::lock.
 * Within any of them: soft_device::inject_lock.
 */
#ifndef __IOMMU_DIRTY_SOFT_H
#define __IOMMU_DIRTY_SOFT_H

#include <linux/atomic.h>
#include <linux/iommu.h>
#include <linux/iommu_dirty.h>
#include <linux/iommufd_dirty.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/sizes.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#define SOFT_ENTRIES	512	/* of a table */
#define SOFT_TLB	256	/* translations that a port caches */
#define SOFT_THREADS	8	/* at most, of a device */
#define SOFT_BUF_SIZE	4096

/* Commands of a device, as of QEMU's edu device */
#define SOFT_CMD_RUN	BIT_ULL(0)
#define SOFT_CMD_TO_RAM	BIT_ULL(1)

/**
 * struct soft_fmt - A page-table format with a granule of 4 KiB
 * @name: Its name in the names of devices
 * @id: Its name in the user's API
 * @walk: The dirty walker under test
 * @bits: Bits of an IOVA
 * @top_level: Level of the root, counted from 0
 * @root_order: log2 of the tables that stand side by side as the root
 * @level_shift: Where an entry that points to a table tells its level, from 1
 *	on; 0: nowhere
 * @addr_shift: How far an address is shifted to the right in an entry
 * @addr: Bits of the address in an entry
 * @present: Bit of an entry that maps memory or points to a table
 * @table: Bits of an entry that points to a table
 * @table_accessed: Bit that hardware sets there, or 0
 * @leaf: Bits of a read-only, not yet accessed entry of level 0
 * @huge: Bits of it to invert above level 0
 * @leaf_mask: Which of them tell it from an entry that points to a table
 * @write: Bit to add for an entry that can be written to
 * @accessed: Bit that hardware sets at any access, 0 if @leaf has it
 * @dirty: Bit that hardware inverts at the first write
 * @dirty_writes: An entry that is dirty can be written to, whatever @write says,
 *	and the latter counts only where hardware sets dirty bits
 * @always: Hardware cannot be kept from that in a domain that has it
 */
struct soft_fmt {
	const char *name;
	enum iommu_dirty_format id;
	void (*walk)(const struct iommu_dirty_table *table,
		     struct iommu_dirty_walk *walk);
	unsigned int bits;
	unsigned int top_level;
	unsigned int root_order;
	unsigned int level_shift;
	unsigned int addr_shift;
	u64 addr;
	u64 present;
	u64 table;
	u64 table_accessed;
	u64 leaf;
	u64 huge;
	u64 leaf_mask;
	u64 write;
	u64 accessed;
	u64 dirty;
	bool dirty_writes;
	bool always;
};

extern const struct soft_fmt soft_fmts[];
extern const unsigned int soft_nr_fmts;

/**
 * struct soft_domain - A page table
 * @domain: What the IOMMU core sees
 * @dev: The device that it was made for, whose faults it has
 * @fmt: Its format
 * @root: The root
 * @tracking: set_dirty_tracking() is on
 */
struct soft_domain {
	struct iommu_domain domain;
	struct soft_device *dev;
	const struct soft_fmt *fmt;
	u64 *root;
	bool tracking;
};

/* Of IOMMU_HWPT_ALLOC, for a HWPT that is nested in one of this IOMMU */
#define SOFT_HWPT_DATA		0x50f7

/**
 * struct soft_hwpt_data - What its first stage does
 * @offset: Added to each IOVA, which gives an IOVA of the second stage
 */
struct soft_hwpt_data {
	u64 offset;
};

/**
 * struct soft_nested - A first stage
 * @domain: What the IOMMU core sees
 * @parent: The second stage; iommufd keeps it
 * @offset: As of struct soft_hwpt_data
 */
struct soft_nested {
	struct iommu_domain domain;
	struct soft_domain *parent;
	u64 offset;
};

/**
 * struct soft_xlat - A cached translation of 4 KiB
 * @pfn: IOVA >> 12, behind the first stage
 * @phys: Where it is mapped to
 * @valid: There is one
 * @write: Writes need no new walk: the entry is dirty, or need not become so
 */
struct soft_xlat {
	unsigned long pfn;
	phys_addr_t phys;
	bool valid;
	bool write;
};

/**
 * struct soft_port - What does DMA: one after the other, by its own cache
 * @lock: Held during each DMA, so that who invalidates the cache waits for it
 * @domain: What the device is attached to, NULL: blocked
 * @offset: What its first stage adds to an IOVA
 * @dev: The device
 * @task: The thread of a port that writes by itself
 * @number: Number of the last write of that thread
 * @tlb: The translation cache
 */
struct soft_port {
	spinlock_t lock;	/* the cache, and a DMA under way */
	struct soft_domain *domain;
	u64 offset;
	struct soft_device *dev;
	struct task_struct *task;
	u64 number;
	struct soft_xlat tlb[SOFT_TLB];
};

/**
 * struct soft_storm - What the threads of a device do
 * @iova: First byte of the window that they write to
 * @length: Its bytes
 * @seed: Of the random numbers
 * @threads: How many threads
 * @limit: Writes of each thread, 0: until stopped
 * @sequential: In ascending order instead of at random
 */
struct soft_storm {
	u64 iova;
	u64 length;
	u64 seed;
	u64 threads;
	u64 limit;
	u64 sequential;
};

/* What soft_log_offer() registers */
enum {
	SOFT_PROVIDER_NONE,
	SOFT_PROVIDER_PLAIN,	/* is stopped and started for an UPDATE */
	SOFT_PROVIDER_LIVE,	/* updates its ranges live */
	SOFT_PROVIDER_BUSY,	/* cannot tell whether the device is quiescent */
};

/**
 * enum soft_op - The op that shall fail
 * @SOFT_OP_START: Of the log
 * @SOFT_OP_STOP: Of the log, which stops all the same
 * @SOFT_OP_READ: Of the log, which forgets what it was asked for
 * @SOFT_OP_UPDATE: Of the log
 * @SOFT_OP_HOLD: Of the log: the device does its last DMA again, to memory, and is
 *	held only then
 * @SOFT_OP_RELEASE: Of the log: the device may have written while it was held
 * @SOFT_OP_ENABLE: Of a page table: dirty tracking stays off
 * @SOFT_OP_DISABLE: Of a page table: it stays on
 * @SOFT_OP_HARVEST: Of a page table: only the first half of the range is walked
 */
enum soft_op {
	SOFT_OP_START = 1,
	SOFT_OP_STOP,
	SOFT_OP_READ,
	SOFT_OP_UPDATE,
	SOFT_OP_HOLD,
	SOFT_OP_RELEASE,
	SOFT_OP_ENABLE,
	SOFT_OP_DISABLE,
	SOFT_OP_HARVEST,
};

/**
 * struct soft_inject - What is wrong with a device's log, and with the page tables
 *	that are made for it, for tests
 * @op: enum soft_op
 * @error: The errno that it returns; the nearest one if it is none
 * @skip: How many calls succeed before that
 * @count: How many fail then
 * @stray: IOVA of a page that each report marks too, 0: none
 * @granule: Smallest page size, a power of two, 0: 4 KiB
 * @max_ranges: The most ranges, 0: unknown
 * @max_span: The widest span, 0: unknown
 * @hold_flush: As long as it is 1, flushes of the IOTLB wait, but those of tasks
 *	that exit
 * @untrackable: 1: new page tables cannot be tracked, as without the hardware
 * @late_dirty: 1: a write sets the dirty bit with no other look at the entry, as late
 *	as can be: when somebody has changed it since
 * @slow: Microseconds that each report of the log takes
 * @multiple: Ranges are multiples of so many pages, 0: 1; at most 2^30
 */
struct soft_inject {
	u64 op;
	u64 error;
	u64 skip;
	u64 count;
	u64 stray;
	u64 granule;
	u64 max_ranges;
	u64 max_span;
	u64 hold_flush;
	u64 untrackable;
	u64 late_dirty;
	u64 slow;
	u64 multiple;
};

/**
 * struct soft_log_range - A range that is logged
 * @iova: First byte
 * @last: Last byte, inclusive
 * @bits: A bit for each page that has been written to
 */
struct soft_log_range {
	unsigned long iova;
	unsigned long last;
	unsigned long *bits;
};

/**
 * struct soft_log_ranges - All of them
 * @shift: log2 of the page size
 * @nr: How many
 * @range: The ranges
 */
struct soft_log_ranges {
	unsigned int shift;
	unsigned int nr;
	struct soft_log_range range[];
};

/**
 * struct soft_log - A device's own log of what it writes
 * @provider: What iommufd sees of it
 * @provider_mutex: Held while a provider is registered or unregistered
 * @lock: Held while a write is logged, and while @ranges is exchanged
 * @ranges: What is logged, NULL: nothing
 */
struct soft_log {
	struct iommufd_dirty_provider provider;
	struct mutex provider_mutex;	/* see above */
	spinlock_t lock;		/* see above */
	struct soft_log_ranges *ranges;
};

/**
 * struct soft_device - A device
 * @pdev: On the platform bus
 * @fmt: Format of the page tables that it can use
 * @list: In soft_devices, which does not change once there are users
 * @domain: What it is attached to; protected by soft_attach_lock
 * @lock: Registers and buffer
 * @src: Register: source of a DMA
 * @dst: Register: destination of a DMA
 * @cnt: Register: bytes of a DMA
 * @storm: Registers of the threads
 * @running: Threads that have not ended
 * @faults: DMAs that the page table did not allow
 * @log: What it has written, if somebody wants to know
 * @inject_lock: Held while @inject is written and while a fault is counted
 * @inject: What shall go wrong
 * @flushes: Who waits for soft_inject::hold_flush
 * @held: How many do, or are writes that wait for soft_inject::late_dirty
 * @buf: What is copied from and to memory
 * @ports: The first serves the registers, the others one thread each
 */
struct soft_device {
	struct platform_device pdev;
	const struct soft_fmt *fmt;
	struct list_head list;
	struct soft_domain *domain;
	struct mutex lock;	/* registers and buffer */
	u64 src;
	u64 dst;
	u64 cnt;
	struct soft_storm storm;
	atomic_t running;
	atomic64_t faults;
	struct soft_log log;
	spinlock_t inject_lock;	/* see above */
	struct soft_inject inject;
	wait_queue_head_t flushes;
	atomic_t held;
	u8 buf[SOFT_BUF_SIZE];
	struct soft_port ports[1 + SOFT_THREADS];
};

extern struct list_head soft_devices;
extern struct iommu_device soft_iommu;
extern const struct iommu_ops soft_iommu_ops;
extern struct platform_driver soft_vfio_driver;

static inline struct soft_domain *to_soft_domain(struct iommu_domain *domain)
{
	return container_of(domain, struct soft_domain, domain);
}

static inline struct soft_device *to_soft_device(struct device *dev)
{
	return container_of(to_platform_device(dev), struct soft_device, pdev);
}

static inline unsigned int soft_shift(unsigned int level)
{
	return 12 + 9 * level;
}

/* Does the entry point to a table? */
static inline bool soft_is_table(const struct soft_fmt *fmt, u64 pte,
				 unsigned int level)
{
	return level && ((pte ^ fmt->leaf ^ fmt->huge) & fmt->leaf_mask);
}

static inline bool soft_is_dirty(const struct soft_fmt *fmt, u64 pte)
{
	return (pte ^ fmt->leaf) & fmt->dirty;
}

static inline phys_addr_t soft_phys(const struct soft_fmt *fmt, u64 pte)
{
	return (pte & fmt->addr) << fmt->addr_shift;
}

int soft_table_init(struct soft_domain *domain);
void soft_table_free(struct soft_domain *domain);
int soft_table_map(struct soft_domain *domain, unsigned long iova,
		   phys_addr_t phys, size_t size, int prot, gfp_t gfp);
void soft_table_unmap(struct soft_domain *domain, unsigned long iova,
		      size_t size, struct list_head *freelist);
u64 *soft_table_lookup(struct soft_domain *domain, unsigned long iova,
		       unsigned int *level, bool set_accessed);

int soft_fault(struct soft_device *sdev, enum soft_op op);
bool soft_updates_bits(const struct soft_domain *domain);
void soft_dma_init(struct soft_device *sdev);
void soft_dma_attach(struct soft_device *sdev, struct soft_domain *domain,
		     u64 offset);
void soft_dma_invalidate(struct soft_domain *domain, unsigned long first,
			 unsigned long last);
void soft_dma_run(struct soft_device *sdev, u64 cmd);
int soft_storm_start(struct soft_device *sdev);
void soft_storm_stop(struct soft_device *sdev);

void soft_log_init(struct soft_log *log);
void soft_log_write(struct soft_log *log, unsigned long iova, size_t len);
int soft_log_offer(struct soft_log *log, struct iommufd_device *idev, u64 kind);

#endif
