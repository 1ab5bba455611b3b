// SPDX-License-Identifier: GPL-2.0-only
/*
 * The vfio driver of the software IOMMU's devices. vfio calls it, with
 * vfio_device_set::lock held when a device is opened or closed. soft_device::lock
 * protects the registers.
 *
 * Region 0 has the registers of QEMU's edu device (docs/specs/edu.rst), and more
 * for threads that write to memory. They are accessed with pread() and pwrite(), 8
 * bytes at a time.
 */
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/uaccess.h>
#include <linux/vfio.h>

#include "soft.h"

/* Registers of the edu device; its DMA buffer of 4 KiB is at 0x40000 */
#define REG_SRC		0x80
#define REG_DST		0x88
#define REG_CNT		0x90
#define REG_CMD		0x98
/* struct soft_storm, register by register; writable while no thread runs */
#define REG_STORM	0x100000
#define REG_STORM_END	(REG_STORM + sizeof(struct soft_storm))
/* Write 1 or 0: start or stop; read: number of threads that have not ended */
#define REG_RUN		0x100080
/* Number of writes that the threads have tried, and of DMAs that were not allowed */
#define REG_WRITES	0x100088
#define REG_FAULTS	0x100090
/* Number of calls and writes held by hold_flush, hold_attach and late_dirty */
#define REG_HELD	0x100098
/* struct soft_inject, register by register */
#define REG_INJECT	0x100200
#define REG_INJECT_END	(REG_INJECT + sizeof(struct soft_inject))
/* PASID of the DMAs of the registers; 0: none */
#define REG_PASID	0x1000a0
/* Provider to register: SOFT_PROVIDER_* */
#define REG_PROVIDER	0x100280
#define REGION_SIZE	0x101000

/**
 * struct soft_vfio - The vfio device
 * @vdev: vfio's part
 * @sdev: The device
 */
struct soft_vfio {
	struct vfio_device vdev;
	struct soft_device *sdev;
};

static struct soft_device *soft_of(struct vfio_device *vdev)
{
	return container_of(vdev, struct soft_vfio, vdev)->sdev;
}

static u64 soft_writes(struct soft_device *sdev)
{
	u64 writes = 0;
	unsigned int i;

	for (i = 1; i <= SOFT_THREADS; i++)
		writes += READ_ONCE(sdev->ports[i].number);
	return writes;
}

/* Returns the variable of a register that reads as the value written, or NULL */
static u64 *soft_plain_reg(struct soft_device *sdev, loff_t reg)
{
	switch (reg) {
	case REG_SRC:
		return &sdev->src;
	case REG_DST:
		return &sdev->dst;
	case REG_CNT:
		return &sdev->cnt;
	case REG_STORM ... REG_STORM_END - 1:
		return (u64 *)&sdev->storm + (reg - REG_STORM) / 8;
	case REG_INJECT ... REG_INJECT_END - 1:
		return (u64 *)&sdev->inject + (reg - REG_INJECT) / 8;
	default:
		return NULL;
	}
}

static u64 soft_reg_read(struct soft_device *sdev, loff_t reg)
{
	u64 *plain = soft_plain_reg(sdev, reg);

	if (plain)
		return *plain;
	switch (reg) {
	case REG_RUN:
		return atomic_read(&sdev->running);
	case REG_WRITES:
		return soft_writes(sdev);
	case REG_FAULTS:
		return atomic64_read(&sdev->faults);
	case REG_HELD:
		return atomic_read(&sdev->held);
	case REG_PASID:
		return sdev->ports[0].pasid;
	default:
		/* REG_CMD: a DMA ends before the write that starts it returns */
		return 0;
	}
}

static int soft_reg_write(struct soft_device *sdev, loff_t reg, u64 val)
{
	u64 *plain = soft_plain_reg(sdev, reg);

	if (plain) {
		if (reg >= REG_STORM && reg < REG_STORM_END &&
		    atomic_read(&sdev->running))
			return -EBUSY;
		if ((plain == &sdev->inject.granule ||
		     plain == &sdev->inject.multiple) && val &&
		    (!is_power_of_2(val) || val > SZ_1G))
			return -EINVAL;
		spin_lock(&sdev->inject_lock);
		WRITE_ONCE(*plain, val);
		spin_unlock(&sdev->inject_lock);
		wake_up_all(&sdev->holds);
		return 0;
	}
	switch (reg) {
	case REG_CMD:
		soft_dma_run(sdev, val);
		return 0;
	case REG_RUN:
		if (val)
			return soft_storm_start(sdev);
		soft_storm_stop(sdev);
		return 0;
	case REG_PASID:
		if (val >= SOFT_PASIDS)
			return -EINVAL;
		soft_dma_set_pasid(&sdev->ports[0], val);
		return 0;
	default:
		return 0;
	}
}

static ssize_t soft_vfio_read(struct vfio_device *vdev, char __user *buf,
			      size_t count, loff_t *ppos)
{
	struct soft_device *sdev = soft_of(vdev);
	u64 val;

	if (count != sizeof(val) || *ppos % sizeof(val) || *ppos >= REGION_SIZE)
		return -EINVAL;
	mutex_lock(&sdev->lock);
	val = soft_reg_read(sdev, *ppos);
	mutex_unlock(&sdev->lock);
	if (copy_to_user(buf, &val, sizeof(val)))
		return -EFAULT;
	*ppos += sizeof(val);
	return sizeof(val);
}

static ssize_t soft_vfio_write(struct vfio_device *vdev,
			       const char __user *buf, size_t count,
			       loff_t *ppos)
{
	struct soft_device *sdev = soft_of(vdev);
	u64 val;
	int rc;

	if (count != sizeof(val) || *ppos % sizeof(val) || *ppos >= REGION_SIZE)
		return -EINVAL;
	if (copy_from_user(&val, buf, sizeof(val)))
		return -EFAULT;
	if (*ppos == REG_PROVIDER) {
		rc = soft_log_offer(&sdev->log, vdev->iommufd_device, val);
	} else {
		mutex_lock(&sdev->lock);
		rc = soft_reg_write(sdev, *ppos, val);
		mutex_unlock(&sdev->lock);
	}
	if (rc)
		return rc;
	*ppos += sizeof(val);
	return sizeof(val);
}

static long soft_vfio_get_info(void __user *arg)
{
	struct vfio_device_info info = {};
	const size_t minsz = offsetofend(struct vfio_device_info, num_irqs);

	if (copy_from_user(&info, arg, minsz))
		return -EFAULT;
	if (info.argsz < minsz)
		return -EINVAL;
	info.flags = VFIO_DEVICE_FLAGS_PLATFORM;
	info.num_regions = 1;
	info.num_irqs = 0;
	return copy_to_user(arg, &info, minsz) ? -EFAULT : 0;
}

/**
 * soft_vfio_region_info() - vfio_device_ops::get_region_info_caps()
 * @vdev: The device
 * @info: In: the index. Out: the region
 * @caps: Not used
 *
 * Return: 0, or -EINVAL if there is no such region.
 */
int soft_vfio_region_info(struct vfio_device *vdev,
			  struct vfio_region_info *info,
			  struct vfio_info_cap *caps)
{
	if (info->index)
		return -EINVAL;
	info->flags = VFIO_REGION_INFO_FLAG_READ | VFIO_REGION_INFO_FLAG_WRITE;
	info->size = REGION_SIZE;
	info->offset = 0;
	return 0;
}

static long soft_vfio_ioctl(struct vfio_device *vdev, unsigned int cmd,
			    unsigned long arg)
{
	switch (cmd) {
	case VFIO_DEVICE_GET_INFO:
		return soft_vfio_get_info((void __user *)arg);
	default:
		return soft_vfio_base_ioctl(vdev, cmd, (void __user *)arg);
	}
}

static int soft_vfio_open(struct vfio_device *vdev)
{
	return 0;
}

static void soft_vfio_close(struct vfio_device *vdev)
{
	struct soft_device *sdev = soft_of(vdev);

	mutex_lock(&sdev->lock);
	soft_storm_stop(sdev);
	soft_dma_set_pasid(&sdev->ports[0], IOMMU_NO_PASID);
	mutex_unlock(&sdev->lock);
	/* The threads have ended, and the user cannot access the registers any more */
	sdev->log.provider.quiet = true;
	if (vdev->iommufd_device)
		soft_log_offer(&sdev->log, vdev->iommufd_device,
			       SOFT_PROVIDER_NONE);
	/* Page tables that were allocated for the device may outlive its file */
	spin_lock(&sdev->inject_lock);
	memset(&sdev->inject, 0, sizeof(sdev->inject));
	spin_unlock(&sdev->inject_lock);
	wake_up_all(&sdev->holds);
}

static const struct vfio_device_ops soft_vfio_ops = {
	.name = "iommu-dirty-soft",
	.open_device = soft_vfio_open,
	.close_device = soft_vfio_close,
	.bind_iommufd = vfio_iommufd_physical_bind,
	.unbind_iommufd = vfio_iommufd_physical_unbind,
	.attach_ioas = vfio_iommufd_physical_attach_ioas,
	.detach_ioas = vfio_iommufd_physical_detach_ioas,
	SOFT_VFIO_PASID_OPS
	.read = soft_vfio_read,
	.write = soft_vfio_write,
	SOFT_REGION_OP,
};

static int soft_vfio_probe(struct platform_device *pdev)
{
	struct soft_vfio *soft;
	int rc;

	soft = vfio_alloc_device(soft_vfio, vdev, &pdev->dev, &soft_vfio_ops);
	if (IS_ERR(soft))
		return PTR_ERR(soft);
	soft->sdev = to_soft_device(&pdev->dev);
	rc = vfio_register_group_dev(&soft->vdev);
	if (rc) {
		vfio_put_device(&soft->vdev);
		return rc;
	}
	platform_set_drvdata(pdev, soft);
	return 0;
}

static void soft_vfio_remove(struct platform_device *pdev)
{
	struct soft_vfio *soft = platform_get_drvdata(pdev);

	vfio_unregister_group_dev(&soft->vdev);
	vfio_put_device(&soft->vdev);
}

struct platform_driver soft_vfio_driver = {
	.probe = soft_vfio_probe,
	.remove = soft_vfio_remove,
	.driver = {
		.name = "iommu-dirty-soft",
	},
	.driver_managed_dma = true,
};
