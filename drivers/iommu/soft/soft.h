/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A software IOMMU for tests: page tables in the formats of real hardware, and
 * devices that do DMA through them. See Documentation/driver-api/iommu_dirty.rst.
 *
 *   fmt.c    page-table formats, for table.c and dma.c
 *   table.c  builds and looks up page tables
 *   iommu.c  the IOMMU driver: domains, attaching, dirty tracking
 *   dma.c    the hardware: ports with translation caches, threads that write
 *   provider.c  a device's log of its writes
 *   vfio.c   the devices' registers, for user space
 *   main.c   creates the devices
 *   base.h   what differs between base kernels
 *   ops.h    functions that base.h makes ops of
 *
 * Lock order: soft_log::provider_mutex, iommufd's locks of a provider,
 * soft_device::lock (registers), soft_attach_lock, soft_port::lock, soft_log::lock.
 * soft_device::inject_lock nests inside any of them.
 */
#ifndef __IOMMU_DIRTY_SOFT_H
#define __IOMMU_DIRTY_SOFT_H

#include <linux/atomic.h>
#include <linux/iommu.h>
#include <linux/iommu_dirty.h>
#include <linux/iommu_dirty_split.h>
#include <linux/iommufd_dirty.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/platform_device.h>
#include <linux/sizes.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "base.h"

#define SOFT_ENTRIES	512	/* entries of a table */
#define SOFT_TLB	256	/* cached translations of a port */
#define SOFT_LARGE	16	/* the same, of entries above level 0 */
#define SOFT_TABLES	16	/* cached tables of level 0 of a port */
#define SOFT_THREADS	8	/* maximum, of a device */
#define SOFT_BUF_SIZE	4096
#define SOFT_PASID_BITS	2
#define SOFT_PASIDS	BIT(SOFT_PASID_BITS)	/* of a device; 0: without a PASID */

/* Commands of a device, as for QEMU's edu device */
#define SOFT_CMD_RUN	BIT_ULL(0)
#define SOFT_CMD_TO_RAM	BIT_ULL(1)

/**
 * struct soft_fmt - A page-table format with a granule of 4 KiB
 * @name: Name of the format in device names
 * @id: Its identifier in the uAPI
 * @walk: The dirty walker under test
 * @split: Splits large entries, under test
 * @merge: Merges them again, under test
 * @bits: Number of bits of an IOVA
 * @top_level: Level of the root, counted from 0
 * @root_order: log2 of the number of contiguous tables that form the root
 * @level_shift: Position of the level, 1 or more, in an entry that points to a
 *	table; 0 if entries have no such field
 * @addr_shift: Number of bits by which an entry shifts an address to the right
 * @addr: Address bits of an entry
 * @present: Bit of an entry that maps memory or points to a table
 * @table: Bits of an entry that points to a table
 * @table_accessed: Bit that hardware sets in such an entry, or 0
 * @leaf: Bits of a leaf of level 0 that is read-only and not accessed
 * @huge: Bits of @leaf to invert above level 0
 * @leaf_mask: Bits that distinguish a leaf from an entry that points to a table
 * @write: Bit to set in a writable leaf
 * @accessed: Bit that hardware sets on any access; 0 if it is in @leaf
 * @dirty: Bit that hardware inverts on the first write
 * @dirty_writes: A dirty leaf is writable regardless of @write, and @write has an
 *	effect only if hardware sets dirty bits
 * @always: Hardware always sets these bits in a domain with dirty tracking
 */
struct soft_fmt {
	const char *name;
	enum iommu_dirty_format id;
	void (*walk)(const struct iommu_dirty_table *table,
		     struct iommu_dirty_walk *walk);
	int (*split)(const struct iommu_dirty_table *table,
		     struct iommu_dirty_split *split);
	int (*merge)(const struct iommu_dirty_table *table,
		     struct iommu_dirty_split *split);
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
 * @domain: The IOMMU core's part
 * @dev: The device that it was allocated for, whose injected faults it has
 * @fmt: Its format
 * @root: The root table
 * @tracking: set_dirty_tracking() has enabled tracking
 */
struct soft_domain {
	struct iommu_domain domain;
	struct soft_device *dev;
	const struct soft_fmt *fmt;
	u64 *root;
	bool tracking;
};

/* Data type of IOMMU_HWPT_ALLOC for a HWPT that is nested in one of this IOMMU */
#define SOFT_HWPT_DATA		0x50f7

/**
 * struct soft_hwpt_data - The first stage of a nested HWPT
 * @offset: Added to an IOVA to get the IOVA of the second stage
 */
struct soft_hwpt_data {
	u64 offset;
};

/**
 * struct soft_nested - A first stage
 * @domain: The IOMMU core's part
 * @parent: The second stage; iommufd keeps it alive
 * @offset: As in struct soft_hwpt_data
 */
struct soft_nested {
	struct iommu_domain domain;
	struct soft_domain *parent;
	u64 offset;
};

/**
 * struct soft_xlat - A cached translation of 4 KiB, or of 2 MiB of a large entry
 * @iova: Its first byte, after the first stage
 * @phys: The physical address that it maps to
 * @valid: The translation is valid
 * @write: Writes need no walk: the entry is dirty, or hardware sets no dirty bits
 */
struct soft_xlat {
	unsigned long iova;
	phys_addr_t phys;
	bool valid;
	bool write;
};

/**
 * struct soft_cached_table - A cached pointer to a table of level 0
 * @iova: The first byte that the table maps, after the first stage
 * @table: The table; NULL: none
 *
 * A flush that is only for leaves does not invalidate it.
 */
struct soft_cached_table {
	unsigned long iova;
	u64 *table;
};

/**
 * struct soft_attach - What a device, or a PASID of it, is attached to
 * @domain: The page table; NULL: blocked
 * @offset: Offset that the first stage adds to an IOVA
 */
struct soft_attach {
	struct soft_domain *domain;
	u64 offset;
};

/**
 * struct soft_port - A port does one DMA at a time, through a translation cache
 * @lock: Held during each DMA, so that invalidating the cache waits for the DMA
 * @pasid: The PASID of its DMAs; protected by soft_attach_lock
 * @to: What the PASID is attached to
 * @dev: The device
 * @task: The thread that writes through this port, or NULL
 * @number: Number of the last write of @task
 * @tlb: The translation cache
 * @large: The same for large entries
 * @tables: The cache of tables
 */
struct soft_port {
	spinlock_t lock;	/* the cache, and a DMA in progress */
	ioasid_t pasid;
	struct soft_attach to;
	struct soft_device *dev;
	struct task_struct *task;
	u64 number;
	struct soft_xlat tlb[SOFT_TLB];
	struct soft_xlat large[SOFT_LARGE];
	struct soft_cached_table tables[SOFT_TABLES];
};

/**
 * struct soft_storm - Parameters of the threads of a device
 * @iova: First byte of the window that they write to
 * @length: Length of the window in bytes
 * @seed: Seed of the random numbers
 * @threads: Number of threads
 * @limit: Number of writes of each thread; 0: until stopped
 * @sequential: Write in ascending order instead of at random
 * @pasid: PASID of the writes; 0: none
 */
struct soft_storm {
	u64 iova;
	u64 length;
	u64 seed;
	u64 threads;
	u64 limit;
	u64 sequential;
	u64 pasid;
};

/* Kinds of provider that soft_log_offer() registers */
enum {
	SOFT_PROVIDER_NONE,
	SOFT_PROVIDER_PLAIN,	/* is stopped and restarted for an UPDATE */
	SOFT_PROVIDER_LIVE,	/* updates its ranges without a stop */
	SOFT_PROVIDER_BUSY,	/* does not know whether the device is quiescent */
};

/**
 * enum soft_op - The op that fails
 * @SOFT_OP_START: Start of the log
 * @SOFT_OP_STOP: Stop of the log, which stops nevertheless
 * @SOFT_OP_READ: Read of the log, which forgets the requested range
 * @SOFT_OP_UPDATE: Update of the log
 * @SOFT_OP_HOLD: Hold of the log: the device repeats its last DMA, to memory, before
 *	it is held
 * @SOFT_OP_RELEASE: Release of the log: the device may have written while it was held
 * @SOFT_OP_ENABLE: Enabling of dirty tracking in a page table: it stays off
 * @SOFT_OP_DISABLE: Disabling of dirty tracking in a page table: it stays on
 * @SOFT_OP_HARVEST: Harvest of a page table: only the first half is walked
 * @SOFT_OP_ATTACH: Attaching of the device, or of a PASID: it stays as it was
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
	SOFT_OP_ATTACH,
};

/**
 * struct soft_inject - Faults and limits of a device's log, and of the page tables that
 *	are allocated for the device, for tests
 * @op: enum soft_op
 * @error: The errno that it returns; an invalid one is clamped
 * @skip: Number of calls that succeed first
 * @count: Number of calls that fail after that
 * @stray: IOVA of a page that each report marks as well; 0: none
 * @granule: Smallest page size, a power of two; 0: 4 KiB
 * @max_ranges: Maximum number of ranges; 0: unknown
 * @max_span: Maximum span in bytes; 0: unknown
 * @hold_flush: 1: flushes of the IOTLB wait until it is 0, except in tasks that exit
 *	and in kernel threads
 * @untrackable: 1: new page tables cannot be tracked, as without the hardware
 * @late_dirty: 1: a write sets the dirty bit without a second look at the entry, and
 *	late: after the entry has changed
 * @slow: Microseconds that each report of the log takes
 * @multiple: Ranges are multiples of this many pages; 0: 1; at most 2^30
 * @hold_attach: 1: attaching and detaching wait half-way until it is 0: the device uses
 *	the page table already, or still, but invalidations do not reach it
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
	u64 hold_attach;
};

/**
 * struct soft_log_range - A logged range
 * @iova: First byte
 * @last: Last byte, inclusive
 * @bits: One bit for each page, set if it has been written to
 */
struct soft_log_range {
	unsigned long iova;
	unsigned long last;
	unsigned long *bits;
};

/**
 * struct soft_log_ranges - All logged ranges
 * @shift: log2 of the page size
 * @nr: Number of ranges
 * @range: The ranges
 */
struct soft_log_ranges {
	unsigned int shift;
	unsigned int nr;
	struct soft_log_range range[];
};

/**
 * struct soft_log - A device's log of its writes
 * @provider: iommufd's part
 * @provider_mutex: Held while a provider is registered or unregistered
 * @lock: Held while a write is logged, and while @ranges is replaced
 * @ranges: The logged ranges, or NULL
 */
struct soft_log {
	struct iommufd_dirty_provider provider;
	struct mutex provider_mutex;	/* see above */
	spinlock_t lock;		/* see above */
	struct soft_log_ranges *ranges;
};

/**
 * struct soft_device - A device
 * @pdev: The platform device
 * @fmt: Format of the page tables that it can use
 * @list: Entry in soft_devices, which does not change once there are users
 * @attached: What each PASID is attached to; protected by soft_attach_lock
 * @lock: Protects the registers and the buffer
 * @src: Register: source of a DMA
 * @dst: Register: destination of a DMA
 * @cnt: Register: bytes of a DMA
 * @storm: Registers of the threads
 * @running: Number of threads that have not ended
 * @faults: Number of DMAs that the page table did not allow
 * @log: The log of its writes
 * @inject_lock: Held while @inject is written and while a fault is counted
 * @inject: Injected faults and limits
 * @holds: Wait queue for soft_inject::hold_flush and hold_attach
 * @held: Number of waiters there, and of writes that soft_inject::late_dirty delays
 * @buf: Buffer that DMA copies from and to
 * @ports: The first port serves the registers, each other one a thread
 */
struct soft_device {
	struct platform_device pdev;
	const struct soft_fmt *fmt;
	struct list_head list;
	struct soft_attach attached[SOFT_PASIDS];
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
	wait_queue_head_t holds;
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

/* Returns true if a present entry points to a table */
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
		      size_t size, struct iommu_pages_list *freelist);
u64 *soft_table_lookup(struct soft_domain *domain, unsigned long iova,
		       unsigned int *level, bool set_accessed);

int soft_fault(struct soft_device *sdev, enum soft_op op);
void soft_pause(struct soft_device *sdev, const u64 *hold);
bool soft_updates_bits(const struct soft_domain *domain);
void soft_dma_init(struct soft_device *sdev);
void soft_dma_attach(struct soft_device *sdev, ioasid_t pasid,
		     struct soft_domain *domain, u64 offset);
void soft_dma_set_pasid(struct soft_port *port, ioasid_t pasid);
void soft_dma_invalidate(struct soft_domain *domain, unsigned long first,
			 unsigned long last, bool leaf);
void soft_dma_run(struct soft_device *sdev, u64 cmd);
int soft_storm_start(struct soft_device *sdev);
void soft_storm_stop(struct soft_device *sdev);

void soft_log_init(struct soft_log *log);
void soft_log_write(struct soft_log *log, unsigned long iova, size_t len);
int soft_log_offer(struct soft_log *log, struct iommufd_device *idev, u64 kind);

#endif
