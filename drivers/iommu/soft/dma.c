// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hardware of the software IOMMU: ports that translate addresses through a cache
 * and a page table, and do DMA. iommu.c attaches ports and invalidates their caches;
 * vfio.c starts DMAs and threads with soft_device::lock held.
 *
 * As in hardware, a dirty bit is set by compare-and-swap on the entry. A write through
 * a cached translation whose entry was dirty sets none. A read that fills the cache
 * sets none either: the next write walks again. Large entries have a cache of their own,
 * and so have pointers to tables, which a flush that is only for leaves does not
 * invalidate. A port holds its lock during a DMA of at most one page, so invalidating the
 * port waits for a copy or walk in progress.
 * For tests, soft_inject::late_dirty sets dirty bits by a plain OR, which no
 * specification should allow.
 */
#include <linux/delay.h>
#include <linux/io.h>
#include <linux/kthread.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/string.h>

#include "soft.h"

#define BUF		0x40000		/* address of the buffer */

LIST_HEAD(soft_devices);
/* Protects soft_device::attached and the PASIDs of ports */
static DEFINE_RWLOCK(soft_attach_lock);

/**
 * soft_updates_bits() - Check whether hardware sets accessed and dirty bits
 * @domain: The domain
 *
 * Return: true if it sets them.
 */
bool soft_updates_bits(const struct soft_domain *domain)
{
	return domain->domain.dirty_ops &&
	       (domain->fmt->always || READ_ONCE(domain->tracking));
}

static bool soft_may_write(const struct soft_fmt *fmt, u64 pte, bool update)
{
	if (!fmt->dirty_writes)
		return pte & fmt->write;
	return soft_is_dirty(fmt, pte) || (update && (pte & fmt->write));
}

/*
 * Waits until the entry changes, and sets the bits that were computed from @old. The
 * port is locked, so the wait must be too short for a lockup warning.
 */
static void soft_update_late(struct soft_device *sdev, u64 *pte, u64 old,
			     u64 new)
{
	unsigned int us;

	atomic_inc(&sdev->held);
	for (us = 0; READ_ONCE(*pte) == old && us < 5 * USEC_PER_SEC; us++)
		udelay(1);
	atomic_dec(&sdev->held);
	atomic64_or(new & ~old, (atomic64_t *)pte);
	atomic64_andnot(old & ~new, (atomic64_t *)pte);
}

static struct soft_xlat *soft_slot(struct soft_port *port, unsigned long iova,
				   bool large)
{
	return large ? &port->large[(iova >> 21) % SOFT_LARGE] :
		       &port->tlb[(iova >> 12) % SOFT_TLB];
}

static unsigned long soft_slot_size(bool large)
{
	return large ? SZ_2M : SZ_4K;
}

/* Returns the cached translation that a DMA can use, or NULL */
static struct soft_xlat *soft_cached(struct soft_port *port, unsigned long iova,
				     bool write)
{
	unsigned int large;

	for (large = 0; large < 2; large++) {
		struct soft_xlat *xlat = soft_slot(port, iova, large);

		if (xlat->valid && (xlat->write || !write) &&
		    xlat->iova == ALIGN_DOWN(iova, soft_slot_size(large)))
			return xlat;
	}
	return NULL;
}

/* Finds the entry; a walk begins with the table of level 0 if that is cached */
static u64 *soft_find(struct soft_port *port, unsigned long iova,
		      unsigned int *level, bool set_accessed)
{
	struct soft_cached_table *cached =
		&port->tables[(iova >> 21) % SOFT_TABLES];
	unsigned long start = ALIGN_DOWN(iova, SZ_2M);
	u64 *pte;

	if (cached->table && cached->iova == start) {
		*level = 0;
		return &cached->table[(iova - start) / SZ_4K];
	}
	pte = soft_table_lookup(port->to.domain, iova, level, set_accessed);
	if (pte && !*level) {
		cached->iova = start;
		cached->table = PTR_ALIGN_DOWN(pte, SZ_4K);
	}
	return pte;
}

/* Walks the page table, and caches the translation */
static struct soft_xlat *soft_walk(struct soft_port *port, unsigned long iova,
				   bool write)
{
	struct soft_domain *domain = port->to.domain;
	const struct soft_fmt *fmt = domain->fmt;
	bool update = soft_updates_bits(domain);
	bool late = write && READ_ONCE(port->dev->inject.late_dirty);
	struct soft_xlat *xlat;
	unsigned int level;
	u64 *pte, old, new;

again:
	pte = soft_find(port, iova, &level, update);
	if (!pte)
		return NULL;
	old = READ_ONCE(*pte);
	do {
		if (!(old & fmt->present))
			return NULL;
		/* It has been split since it was found */
		if (soft_is_table(fmt, old, level))
			goto again;
		if (write && !soft_may_write(fmt, old, update))
			return NULL;
		new = old;
		if (update)
			new |= fmt->accessed;
		if (update && write && !soft_is_dirty(fmt, old))
			new ^= fmt->dirty;
	} while (new != old && !late && !try_cmpxchg(pte, &old, new));
	if (new != old && late)
		soft_update_late(port->dev, pte, old, new);

	xlat = soft_slot(port, iova, level);
	xlat->iova = ALIGN_DOWN(iova, soft_slot_size(level));
	xlat->phys = soft_phys(fmt, new) +
		     xlat->iova % BIT(soft_shift(level));
	xlat->valid = true;
	xlat->write = soft_may_write(fmt, new, update) &&
		      (!update || soft_is_dirty(fmt, new));
	return xlat;
}

/* Copies whole words, as devices do: others read the memory concurrently */
static void soft_copy(void *to, const void *from, size_t len)
{
	size_t i;

	if (!IS_ALIGNED((unsigned long)to | (unsigned long)from | len, 8)) {
		memcpy(to, from, len);
		return;
	}
	for (i = 0; i < len; i += 8)
		WRITE_ONCE(*(u64 *)(to + i), READ_ONCE(*(u64 *)(from + i)));
}

/* @len bytes do not cross a multiple of 4 KiB. Returns false if it is not allowed */
static bool soft_dma(struct soft_port *port, unsigned long iova, void *buf,
		     size_t len, bool write)
{
	struct soft_xlat *xlat = NULL;
	unsigned long asked = iova;

	spin_lock(&port->lock);
	iova += port->to.offset;
	if (port->to.domain) {
		xlat = soft_cached(port, iova, write);
		if (!xlat)
			xlat = soft_walk(port, iova, write);
	}
	if (xlat) {
		void *mem = phys_to_virt(xlat->phys) + (iova - xlat->iova);

		soft_copy(write ? mem : buf, write ? buf : mem, len);
		if (write)
			soft_log_write(&port->dev->log, asked, len);
	}
	spin_unlock(&port->lock);

	if (!xlat)
		atomic64_inc(&port->dev->faults);
	return xlat;
}

/**
 * soft_dma_init() - Initialize the ports of a device
 * @sdev: The device
 */
void soft_dma_init(struct soft_device *sdev)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sdev->ports); i++) {
		spin_lock_init(&sdev->ports[i].lock);
		sdev->ports[i].dev = sdev;
	}
}

/* The DMAs of the port use another page table from now on; soft_attach_lock is held */
static void soft_port_attach(struct soft_port *port,
			     const struct soft_attach *to)
{
	spin_lock(&port->lock);
	port->to = *to;
	memset(port->tlb, 0, sizeof(port->tlb));
	memset(port->large, 0, sizeof(port->large));
	memset(port->tables, 0, sizeof(port->tables));
	spin_unlock(&port->lock);
}

/* The first half, or the other one; soft_attach_lock is held */
static void soft_attach_half(struct soft_device *sdev, ioasid_t pasid,
			     const struct soft_attach *to, bool ports)
{
	unsigned int i;

	if (!ports) {
		sdev->attached[pasid] = *to;
		return;
	}
	for (i = 0; i < ARRAY_SIZE(sdev->ports); i++)
		if (sdev->ports[i].pasid == pasid)
			soft_port_attach(&sdev->ports[i], to);
}

/**
 * soft_dma_attach() - Change the page table of a device, or of a PASID of it
 * @sdev: The device
 * @pasid: The PASID, or IOMMU_NO_PASID
 * @domain: The page table, or NULL for none
 * @offset: Offset that a first stage before it adds to IOVAs
 *
 * After it returns, no DMA uses the page table that was attached before.
 */
void soft_dma_attach(struct soft_device *sdev, ioasid_t pasid,
		     struct soft_domain *domain, u64 offset)
{
	const struct soft_attach to = { domain, offset };

	write_lock(&soft_attach_lock);
	soft_attach_half(sdev, pasid, &to, domain);
	if (READ_ONCE(sdev->inject.hold_attach)) {
		write_unlock(&soft_attach_lock);
		soft_pause(sdev, &sdev->inject.hold_attach);
		write_lock(&soft_attach_lock);
	}
	soft_attach_half(sdev, pasid, &to, !domain);
	write_unlock(&soft_attach_lock);
}

/**
 * soft_dma_set_pasid() - Choose the PASID of the DMAs of a port
 * @port: The port
 * @pasid: The PASID, or IOMMU_NO_PASID
 */
void soft_dma_set_pasid(struct soft_port *port, ioasid_t pasid)
{
	write_lock(&soft_attach_lock);
	if (port->pasid != pasid) {
		port->pasid = pasid;
		soft_port_attach(port, &port->dev->attached[pasid]);
	}
	write_unlock(&soft_attach_lock);
}

/* Returns true if the @size bytes at @iova overlap the range */
static bool soft_overlaps(unsigned long iova, unsigned long size,
			  unsigned long first, unsigned long last)
{
	return iova <= last && iova + (size - 1) >= first;
}

static void soft_port_invalidate(struct soft_port *port, unsigned long first,
				 unsigned long last, bool leaf)
{
	unsigned int i;

	spin_lock(&port->lock);
	for (i = 0; i < SOFT_TLB; i++)
		if (soft_overlaps(port->tlb[i].iova, SZ_4K, first, last))
			port->tlb[i].valid = false;
	for (i = 0; i < SOFT_LARGE; i++)
		if (soft_overlaps(port->large[i].iova, SZ_2M, first, last))
			port->large[i].valid = false;
	for (i = 0; i < SOFT_TABLES && !leaf; i++)
		if (soft_overlaps(port->tables[i].iova, SZ_2M, first, last))
			port->tables[i].table = NULL;
	spin_unlock(&port->lock);
}

/**
 * soft_dma_invalidate() - Invalidate cached translations of a range
 * @domain: The domain whose devices are invalidated
 * @first: First byte of the range
 * @last: Last byte of the range, inclusive
 * @leaf: Only leaves have changed: pointers to tables stay in the caches
 *
 * After it returns, no DMA uses leaves that were in the page table before; unless @leaf,
 * nor tables.
 */
void soft_dma_invalidate(struct soft_domain *domain, unsigned long first,
			 unsigned long last, bool leaf)
{
	struct soft_device *sdev;
	struct soft_port *port;
	unsigned int i;

	read_lock(&soft_attach_lock);
	list_for_each_entry(sdev, &soft_devices, list) {
		for (i = 0; i < ARRAY_SIZE(sdev->ports); i++) {
			port = &sdev->ports[i];
			if (sdev->attached[port->pasid].domain == domain)
				soft_port_invalidate(port, first, last, leaf);
		}
	}
	read_unlock(&soft_attach_lock);
}

/**
 * soft_dma_run() - Do the DMA that the registers describe
 * @sdev: The device
 * @cmd: The command, as for QEMU's edu device
 *
 * Context: soft_device::lock is held.
 */
void soft_dma_run(struct soft_device *sdev, u64 cmd)
{
	bool write = cmd & SOFT_CMD_TO_RAM;
	u64 iova = write ? sdev->dst : sdev->src;
	u64 at = (write ? sdev->src : sdev->dst) - BUF;
	u64 left = sdev->cnt;

	lockdep_assert_held(&sdev->lock);

	if (!(cmd & SOFT_CMD_RUN) || at > SOFT_BUF_SIZE || left > SOFT_BUF_SIZE - at)
		return;
	while (left) {
		size_t len = min(left, SZ_4K - iova % SZ_4K);

		soft_dma(&sdev->ports[0], iova, &sdev->buf[at], len, write);
		iova += len;
		at += len;
		left -= len;
	}
}

/* Does one write; one time in eight, a read of the same page comes first */
static void soft_storm_write(struct soft_port *port, struct rnd_state *rnd)
{
	const struct soft_storm *storm = &port->dev->storm;
	u64 pages = storm->length / SZ_4K;
	u64 random = (u64)prandom_u32_state(rnd) << 32 | prandom_u32_state(rnd);
	u64 page = storm->sequential ? port->number % pages :
				       (random >> 8) % pages;
	unsigned long iova = storm->iova + page * SZ_4K;
	u64 value;

	if (random % 8 == 0)
		soft_dma(port, iova, &value, sizeof(value), false);
	value = port->number + 1;
	value |= (u64)(port - port->dev->ports) << 48;
	value |= (u64)(port->dev->pdev.id + 1) << 56;
	soft_dma(port, iova, &value, sizeof(value), true);
	WRITE_ONCE(port->number, port->number + 1);
}

static int soft_storm_thread(void *data)
{
	struct soft_port *port = data;
	struct soft_device *sdev = port->dev;
	u64 left = sdev->storm.limit;
	struct rnd_state rnd;

	prandom_seed_state(&rnd, sdev->storm.seed + (port - sdev->ports));
	while (!kthread_should_stop()) {
		soft_storm_write(port, &rnd);
		if (left && !--left)
			break;
		if (port->number % 64 == 0)
			cond_resched();
	}
	atomic_dec(&sdev->running);
	return 0;
}

/**
 * soft_storm_start() - Start the threads of a device
 * @sdev: The device
 *
 * Context: soft_device::lock is held. soft_device::storm does not change while
 * threads read it: it is writable only after they have ended.
 * Return: 0 or a negative errno.
 */
int soft_storm_start(struct soft_device *sdev)
{
	struct soft_storm *storm = &sdev->storm;
	unsigned int i;

	lockdep_assert_held(&sdev->lock);

	if (storm->threads > SOFT_THREADS || storm->length < SZ_4K ||
	    storm->pasid >= SOFT_PASIDS)
		return -EINVAL;
	soft_storm_stop(sdev);
	for (i = 1; i <= storm->threads; i++) {
		struct soft_port *port = &sdev->ports[i];
		struct task_struct *task;

		task = kthread_create(soft_storm_thread, port, "%s/%u",
				      dev_name(&sdev->pdev.dev), i);
		if (IS_ERR(task)) {
			soft_storm_stop(sdev);
			return PTR_ERR(task);
		}
		soft_dma_set_pasid(port, storm->pasid);
		/* The thread may end before it is stopped */
		port->task = get_task_struct(task);
		atomic_inc(&sdev->running);
		wake_up_process(task);
	}
	return 0;
}

/**
 * soft_storm_stop() - Stop the threads of a device, and wait for them
 * @sdev: The device
 *
 * Context: soft_device::lock is held.
 */
void soft_storm_stop(struct soft_device *sdev)
{
	unsigned int i;

	lockdep_assert_held(&sdev->lock);

	for (i = 1; i <= SOFT_THREADS; i++) {
		if (!sdev->ports[i].task)
			continue;
		kthread_stop_put(sdev->ports[i].task);
		sdev->ports[i].task = NULL;
	}
	/* A thread that was stopped before it ran has not decremented the count */
	atomic_set(&sdev->running, 0);
}
