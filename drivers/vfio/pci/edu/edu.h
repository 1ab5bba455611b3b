/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VFIO driver for QEMU's edu device: what its files share.
 *
 * The user gets no mmap of BAR 0: each access of a register is a call of this
 * driver, which so knows every DMA, and can hold it back.
 *
 * Lock order: state_mutex, then mmap_lock (of a user whose bitmap is filled),
 * then the core's memory_lock. The lock of a migration file is inside of
 * state_mutex. No user memory is accessed under state_mutex but by
 * iova_bitmap_set().
 */
#ifndef _EDU_VFIO_PCI_H
#define _EDU_VFIO_PCI_H

#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/vfio_pci_core.h>

/* Registers, offsets in BAR 0 */
#define EDU_LIVENESS		0x04
#define EDU_FACTORIAL		0x08
#define EDU_STATUS		0x20
#define   EDU_STATUS_COMPUTING	0x01
#define   EDU_STATUS_IRQFACT	0x80
#define EDU_IRQ_STATUS		0x24
#define EDU_DMA_SRC		0x80
#define EDU_DMA_DST		0x88
#define EDU_DMA_CNT		0x90
#define EDU_DMA_CMD		0x98
#define   EDU_DMA_RUN		0x1
#define   EDU_DMA_TO_RAM	0x2
/* What of BAR 0 the user sees; behind it there is the state window */
#define EDU_REGS_SIZE		0x1000
#define EDU_BUF			0x40000
#define EDU_BUF_SIZE		0x1000
#define EDU_RAW			0x41000
#define EDU_WINDOW_VERSION	1

/* The module's parameter "quirks": what other devices do, for tests */
#define EDU_QUIRK_P2P_DMA	BIT(0)	/* a P2P state stops no DMA to memory */
#define EDU_QUIRK_WORDS		BIT(1)	/* logs multiples of 64 pages */
#define EDU_QUIRK_NOTSUPP	BIT(2)	/* what is too much is "not supported" */

/* The most ranges that can be logged, and the most pages of all together */
#define EDU_LOG_RANGES		8
#define EDU_LOG_PAGES		BIT(26)

/**
 * struct edu_state - all that the device consists of
 * @liveness: value that a read of the liveness register returns
 * @factorial: factorial register
 * @status: status register; COMPUTING is never set
 * @irq_status: interrupt status register
 * @src: DMA source
 * @dst: DMA destination
 * @cnt: DMA length in bytes
 * @cmd: last DMA command, which is over
 * @kept_cmd: a command that came in a P2P state, with EDU_DMA_RUN; or 0
 * @buf: the device's buffer
 *
 * It is the payload of the migration stream, and therefore little endian.
 */
struct edu_state {
	__le32 liveness;
	__le32 factorial;
	__le32 status;
	__le32 irq_status;
	__le64 src;
	__le64 dst;
	__le64 cnt;
	__le64 cmd;
	__le64 kept_cmd;
	__le32 buf[EDU_BUF_SIZE / 4];
};

/**
 * struct edu_log_range - a range that is logged
 * @start: first IOVA
 * @last: last IOVA, inclusive
 * @bits: a bit for each page that the range touches
 */
struct edu_log_range {
	u64 start;
	u64 last;
	unsigned long *bits;
};

struct edu_mig_file;

/**
 * struct edu_device - an edu device of a VFIO user
 * @core_device: what vfio-pci-core knows of it
 * @state_mutex: guards all that follows, but @quirks, @log_ops and
 *	@deferred_reset
 * @quirks: EDU_QUIRK_*; does not change
 * @log_ops: what VFIO's core calls; neither does this
 * @mig_state: migration state
 * @kept_cmd: a DMA command that waits for the end of a P2P state, or 0
 * @saving: file that state is read from, or NULL
 * @resuming: file that state is written to, or NULL
 * @logging: DMA is logged
 * @log_shift: log2 of the size of a logged page
 * @num_ranges: how many of @ranges are in use
 * @ranges: what is logged
 * @reset_lock: guards @deferred_reset
 * @deferred_reset: the device was reset while @state_mutex was held
 */
struct edu_device {
	struct vfio_pci_core_device core_device;
	struct mutex state_mutex;	/* see above */
	unsigned int quirks;
	struct vfio_log_ops log_ops;
	enum vfio_device_mig_state mig_state;
	u64 kept_cmd;
	struct edu_mig_file *saving;
	struct edu_mig_file *resuming;
	bool logging;
	u8 log_shift;
	u32 num_ranges;
	struct edu_log_range ranges[EDU_LOG_RANGES];
	spinlock_t reset_lock;		/* see above */
	bool deferred_reset;
};

static inline struct edu_device *to_edu(struct vfio_device *vdev)
{
	return container_of(vdev, struct edu_device, core_device.vdev);
}

/* main.c */
void edu_state_unlock(struct edu_device *edu);

/* regs.c */
int edu_quiesce_dma(struct edu_device *edu);
int edu_quiesce(struct edu_device *edu);
void edu_log_in_flight(struct edu_device *edu);
int edu_start_kept(struct edu_device *edu);
int edu_save_state(struct edu_device *edu, struct edu_state *state);
int edu_load_state(struct edu_device *edu, const struct edu_state *state);
ssize_t edu_regs_rw(struct edu_device *edu, char __user *buf, size_t count,
		    loff_t *ppos, bool write);

/* log.c */
extern const struct vfio_log_ops edu_log_ops;
void edu_log_dma(struct edu_device *edu, u64 src, u64 dst, u64 cnt, u64 cmd);
void edu_log_free(struct edu_device *edu);

/* migration.c */
extern const struct vfio_migration_ops edu_migration_ops;
void edu_close_files(struct edu_device *edu);

#endif
