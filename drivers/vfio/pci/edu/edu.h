/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * VFIO driver for QEMU's edu device: declarations that its files share.
 *
 * The user cannot mmap BAR 0. Each register access goes through this driver,
 * so it knows of every DMA and can hold it back.
 *
 * Lock order: state_mutex, then mmap_lock (of the user whose bitmap is filled),
 * then vfio-pci-core's memory_lock. The lock of a migration file nests inside
 * state_mutex. Only iova_bitmap_set() accesses user memory under state_mutex.
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
/* The part of BAR 0 that the user sees; the state window is above it */
#define EDU_REGS_SIZE		0x1000
#define EDU_BUF			0x40000
#define EDU_BUF_SIZE		0x1000
#define EDU_RAW			0x41000
#define EDU_WINDOW_VERSION	1

/* Module parameter "quirks": imitates other devices, for tests */
#define EDU_QUIRK_P2P_DMA	BIT(0)	/* P2P states do not stop DMA to memory */
#define EDU_QUIRK_WORDS		BIT(1)	/* logs only multiples of 64 pages */
#define EDU_QUIRK_NOTSUPP	BIT(2)	/* too many pages are "not supported" */

/* Maximum number of logged ranges, and of pages in all of them together */
#define EDU_LOG_RANGES		8
#define EDU_LOG_PAGES		BIT(26)

/**
 * struct edu_state - complete state of the device
 * @liveness: value that a read of the liveness register returns
 * @factorial: factorial register
 * @status: status register; COMPUTING is never set
 * @irq_status: interrupt status register
 * @src: DMA source
 * @dst: DMA destination
 * @cnt: DMA length in bytes
 * @cmd: last DMA command, completed
 * @kept_cmd: DMA command from a P2P state, with EDU_DMA_RUN; or 0
 * @buf: the device's buffer
 *
 * This is the payload of the migration stream, so it is little endian.
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
 * struct edu_log_range - a logged range
 * @start: first IOVA
 * @last: last IOVA, inclusive
 * @bits: one bit for each page that the range touches
 */
struct edu_log_range {
	u64 start;
	u64 last;
	unsigned long *bits;
};

struct edu_mig_file;

/**
 * struct edu_device - an edu device bound to this driver
 * @core_device: vfio-pci-core's part
 * @state_mutex: protects the members below, except @quirks, @log_ops and
 *	@deferred_reset
 * @quirks: EDU_QUIRK_*; constant
 * @log_ops: ops that VFIO's core calls, with flags that suit @quirks; constant
 * @mig_state: migration state
 * @kept_cmd: DMA command that is kept until the end of a P2P state, or 0
 * @saving: file that state is read from, or NULL
 * @resuming: file that state is written to, or NULL
 * @logging: DMA is logged
 * @log_shift: log2 of the size of a logged page
 * @num_ranges: number of @ranges in use
 * @ranges: logged ranges
 * @reset_lock: protects @deferred_reset
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
