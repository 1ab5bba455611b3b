// SPDX-License-Identifier: GPL-2.0-only
/*
 * Register accesses of the edu device. Accesses of the user are done, kept or
 * refused, depending on the migration state. Accesses of the driver save and load
 * the device. main.c calls edu_regs_rw() without locks; main.c, log.c and
 * migration.c call the other functions with state_mutex held. All accesses are
 * under state_mutex.
 */
#include <linux/delay.h>
#include <linux/io.h>
#include <linux/ktime.h>
#include <linux/pci.h>
#include <linux/uaccess.h>
#include <linux/vfio_pci_core.h>

#include "edu.h"

/* Maximum time to wait for a transfer or a computation */
#define EDU_WAIT_MS	5000

/*
 * The driver's accesses must work with any user value of the command register.
 * memory_lock excludes accesses of the user in the meantime.
 */
static u16 edu_window_open(struct edu_device *edu)
{
	struct pci_dev *pdev = edu->core_device.pdev;
	u16 cmd;

	lockdep_assert_held(&edu->state_mutex);
	down_write(&edu->core_device.memory_lock);
	pci_read_config_word(pdev, PCI_COMMAND, &cmd);
	if (!(cmd & PCI_COMMAND_MEMORY))
		pci_write_config_word(pdev, PCI_COMMAND, cmd | PCI_COMMAND_MEMORY);
	return cmd;
}

static void edu_window_close(struct edu_device *edu, u16 cmd)
{
	if (!(cmd & PCI_COMMAND_MEMORY))
		pci_write_config_word(edu->core_device.pdev, PCI_COMMAND, cmd);
	up_write(&edu->core_device.memory_lock);
}

static int edu_wait(struct edu_device *edu, unsigned int reg, u32 bit)
{
	void __iomem *io = edu->core_device.barmap[0];
	ktime_t end = ktime_add_ms(ktime_get(), EDU_WAIT_MS);
	bool late, gone;
	u16 cmd;
	u32 val;

	for (;;) {
		late = ktime_after(ktime_get(), end);
		cmd = edu_window_open(edu);
		/* True after a hot-unplug. @reg can have any value */
		gone = readl(io + EDU_RAW) != EDU_WINDOW_VERSION;
		val = readl(io + reg);
		edu_window_close(edu, cmd);
		if (gone)
			return -EIO;
		if (!(val & bit))
			return 0;
		if (late)
			return -ETIMEDOUT;
		usleep_range(50, 200);
	}
}

/**
 * edu_quiesce_dma - wait for the end of the transfer in flight, if any
 * @edu: device, with state_mutex held
 *
 * Return: 0; -ETIMEDOUT if it takes more than 5 s, -EIO if the device is gone.
 */
int edu_quiesce_dma(struct edu_device *edu)
{
	return edu_wait(edu, EDU_DMA_CMD, EDU_DMA_RUN);
}

/**
 * edu_quiesce - wait until the device is idle: no DMA, no computation
 * @edu: device, with state_mutex held
 *
 * Return: as for edu_quiesce_dma().
 */
int edu_quiesce(struct edu_device *edu)
{
	int rc = edu_quiesce_dma(edu);

	return rc ? rc : edu_wait(edu, EDU_STATUS, EDU_STATUS_COMPUTING);
}

/* For accesses of the user: like on the device, they fail if memory decode is off */
static int edu_decode_begin(struct edu_device *edu)
{
	u16 cmd;

	lockdep_assert_held(&edu->state_mutex);
	down_read(&edu->core_device.memory_lock);
	pci_read_config_word(edu->core_device.pdev, PCI_COMMAND, &cmd);
	if (cmd & PCI_COMMAND_MEMORY)
		return 0;
	up_read(&edu->core_device.memory_lock);
	return -EIO;
}

static void edu_decode_end(struct edu_device *edu)
{
	up_read(&edu->core_device.memory_lock);
}

/* Record first: a page may be reported too early, but never too late */
static void edu_start_dma(struct edu_device *edu, u64 val)
{
	void __iomem *io = edu->core_device.barmap[0];

	edu_log_dma(edu, readq(io + EDU_DMA_SRC), readq(io + EDU_DMA_DST),
		    readq(io + EDU_DMA_CNT), val);
	writeq(val, io + EDU_DMA_CMD);
}

/**
 * edu_log_in_flight - record the writes of the transfer in flight, if any
 * @edu: device, with state_mutex held
 *
 * The transfer may write after the bits are cleared, or after logging starts.
 */
void edu_log_in_flight(struct edu_device *edu)
{
	void __iomem *io = edu->core_device.barmap[0];
	u16 window = edu_window_open(edu);
	u64 cmd = readq(io + EDU_DMA_CMD);

	if (cmd & EDU_DMA_RUN)
		edu_log_dma(edu, readq(io + EDU_DMA_SRC), readq(io + EDU_DMA_DST),
			    readq(io + EDU_DMA_CNT), cmd);
	edu_window_close(edu, window);
}

/**
 * edu_start_kept - start the transfer that was kept in a P2P state
 * @edu: device, with state_mutex held
 *
 * Return: 0, also if there is none; -EIO if memory decode is off in the command
 * register, in which case the transfer stays kept.
 */
int edu_start_kept(struct edu_device *edu)
{
	int rc;

	lockdep_assert_held(&edu->state_mutex);
	if (!edu->kept_cmd)
		return 0;
	rc = edu_decode_begin(edu);
	if (rc)
		return rc;
	edu_start_dma(edu, edu->kept_cmd);
	edu->kept_cmd = 0;
	edu_decode_end(edu);
	return 0;
}

/**
 * edu_save_state - read all state of the device that the user can see
 * @edu: quiescent device, with state_mutex held
 * @state: filled in
 *
 * Return: 0; -EIO if the device is gone.
 */
int edu_save_state(struct edu_device *edu, struct edu_state *state)
{
	void __iomem *io = edu->core_device.barmap[0];
	u16 cmd = edu_window_open(edu);
	bool gone = readl(io + EDU_RAW) != EDU_WINDOW_VERSION;
	unsigned int i;

	state->liveness = cpu_to_le32(readl(io + EDU_LIVENESS));
	state->factorial = cpu_to_le32(readl(io + EDU_FACTORIAL));
	state->status = cpu_to_le32(readl(io + EDU_STATUS));
	state->irq_status = cpu_to_le32(readl(io + EDU_IRQ_STATUS));
	state->src = cpu_to_le64(readq(io + EDU_DMA_SRC));
	state->dst = cpu_to_le64(readq(io + EDU_DMA_DST));
	state->cnt = cpu_to_le64(readq(io + EDU_DMA_CNT));
	state->cmd = cpu_to_le64(readq(io + EDU_DMA_CMD));
	for (i = 0; i < ARRAY_SIZE(state->buf); i++)
		state->buf[i] = cpu_to_le32(readl(io + EDU_BUF + 4 * i));
	edu_window_close(edu, cmd);
	state->kept_cmd = cpu_to_le64(edu->kept_cmd);
	return gone ? -EIO : 0;
}

/**
 * edu_load_state - load a state that edu_save_state() has read
 * @edu: quiescent device, with state_mutex held
 * @state: state of this or another device
 *
 * Return: 0; -EIO if the device is gone.
 */
int edu_load_state(struct edu_device *edu, const struct edu_state *state)
{
	void __iomem *io = edu->core_device.barmap[0];
	u16 cmd = edu_window_open(edu);
	bool gone = readl(io + EDU_RAW) != EDU_WINDOW_VERSION;
	unsigned int i;

	/* The register returns the complement of the value written to it */
	writel(~le32_to_cpu(state->liveness), io + EDU_LIVENESS);
	writel(le32_to_cpu(state->factorial), io + EDU_RAW + EDU_FACTORIAL);
	writel(le32_to_cpu(state->status), io + EDU_STATUS);
	writel(le32_to_cpu(state->irq_status), io + EDU_RAW + EDU_IRQ_STATUS);
	writeq(le64_to_cpu(state->src), io + EDU_DMA_SRC);
	writeq(le64_to_cpu(state->dst), io + EDU_DMA_DST);
	writeq(le64_to_cpu(state->cnt), io + EDU_DMA_CNT);
	writeq(le64_to_cpu(state->cmd), io + EDU_RAW + EDU_DMA_CMD);
	for (i = 0; i < ARRAY_SIZE(state->buf); i++)
		writel(le32_to_cpu(state->buf[i]), io + EDU_BUF + 4 * i);
	edu_window_close(edu, cmd);
	edu->kept_cmd = le64_to_cpu(state->kept_cmd);
	return gone ? -EIO : 0;
}

static bool edu_is_dma_reg(u64 reg)
{
	return reg == EDU_DMA_SRC || reg == EDU_DMA_DST || reg == EDU_DMA_CNT ||
	       reg == EDU_DMA_CMD;
}

static bool edu_is_in_p2p(const struct edu_device *edu)
{
	return edu->mig_state == VFIO_DEVICE_STATE_RUNNING_P2P ||
	       edu->mig_state == VFIO_DEVICE_STATE_PRE_COPY_P2P;
}

static bool edu_may_dma(const struct edu_device *edu)
{
	return edu->mig_state == VFIO_DEVICE_STATE_RUNNING ||
	       edu->mig_state == VFIO_DEVICE_STATE_PRE_COPY ||
	       ((edu->quirks & EDU_QUIRK_P2P_DMA) && edu_is_in_p2p(edu));
}

static bool edu_is_stopped(const struct edu_device *edu)
{
	return !edu_may_dma(edu) && !edu_is_in_p2p(edu);
}

static int edu_write_reg(struct edu_device *edu, u64 reg, u64 val, size_t size)
{
	void __iomem *io = edu->core_device.barmap[0] + reg;
	int rc;

	if (edu_is_stopped(edu))
		return -EBUSY;
	/* Like the device during a transfer, ignore writes to these registers */
	if (edu_is_dma_reg(reg) && edu->kept_cmd)
		return 0;
	rc = edu_decode_begin(edu);
	if (rc)
		return rc;
	if (reg == EDU_DMA_CMD && (val & EDU_DMA_RUN)) {
		if (readq(io) & EDU_DMA_RUN)
			;	/* ignored as well */
		else if (edu_may_dma(edu))
			edu_start_dma(edu, val);
		else
			edu->kept_cmd = val;
	} else if (size == 8) {
		writeq(val, io);
	} else {
		writel(val, io);
	}
	edu_decode_end(edu);
	return 0;
}

static int edu_read_reg(struct edu_device *edu, u64 reg, u64 *val, size_t size)
{
	void __iomem *io = edu->core_device.barmap[0] + reg;
	int rc;

	if (reg == EDU_DMA_CMD && edu->kept_cmd) {
		*val = edu->kept_cmd;
		return 0;
	}
	rc = edu_decode_begin(edu);
	if (rc)
		return rc;
	*val = size == 8 ? readq(io) : readl(io);
	edu_decode_end(edu);
	return 0;
}

/**
 * edu_regs_rw - access BAR 0 for the user
 * @edu: device
 * @buf: the user's data
 * @count: bytes in @buf
 * @ppos: VFIO file position in the region; advanced
 * @write: direction
 *
 * Does one access of 4 or 8 bytes. Above the registers, where the state window
 * is, a read returns ones and a write does nothing.
 *
 * Return: bytes transferred; -EINVAL if the access is invalid; -EFAULT; -EBUSY
 * for a write while the device is stopped; -EIO while memory decode is off.
 */
ssize_t edu_regs_rw(struct edu_device *edu, char __user *buf, size_t count,
		    loff_t *ppos, bool write)
{
	u64 pos = *ppos & VFIO_PCI_OFFSET_MASK;
	__le64 raw = 0;
	size_t size;
	u64 val = ~0ULL;
	int rc = 0;

	if (pos >= pci_resource_len(edu->core_device.pdev, 0))
		return -EINVAL;
	if (count >= 8 && IS_ALIGNED(pos, 8))
		size = 8;
	else if (count >= 4 && IS_ALIGNED(pos, 4))
		size = 4;
	else
		return -EINVAL;
	if (write && copy_from_user(&raw, buf, size))
		return -EFAULT;
	if (pos < EDU_REGS_SIZE) {
		mutex_lock(&edu->state_mutex);
		if (write)
			rc = edu_write_reg(edu, pos, le64_to_cpu(raw), size);
		else
			rc = edu_read_reg(edu, pos, &val, size);
		edu_state_unlock(edu);
	}
	if (rc)
		return rc;
	raw = cpu_to_le64(val);
	if (!write && copy_to_user(buf, &raw, size))
		return -EFAULT;
	*ppos += size;
	return size;
}
