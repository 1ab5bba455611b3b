// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO driver for QEMU's edu device: probing, opening and resetting. Called by the
 * PCI core and by VFIO's core, with vfio_device_set::lock held when a device is opened
 * or closed. driver_override selects it, like every VFIO driver for specific devices.
 *
 * A device without the state window (x-state-window=on) cannot be migrated, but its
 * DMA can be logged. The driver logs the addresses that it passes to the device, so
 * the device must not truncate them: it needs dma_mask=0xffffffffffffffff, which is
 * not QEMU's default. vfio-pci-core handles interrupts and config space.
 */
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/pci.h>
#include <linux/pm_runtime.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "base.h"
#include "edu.h"

#define EDU_VENDOR	0x1234
#define EDU_DEVICE	0x11e8

static unsigned int quirks;
module_param(quirks, uint, 0644);
MODULE_PARM_DESC(quirks, "For tests, applied to devices when they are probed: 1 = P2P states do not stop DMA to memory, 2 = log only multiples of 64 pages, 4 = reject too many pages as \"not supported\"");

/* Resets the driver's state of the device to the state after opening */
static void edu_reset(struct edu_device *edu)
{
	lockdep_assert_held(&edu->state_mutex);
	edu_close_files(edu);
	edu->kept_cmd = 0;
	edu->mig_state = VFIO_DEVICE_STATE_RUNNING;
}

/**
 * edu_state_unlock - do a deferred reset, then unlock state_mutex
 * @edu: device, with state_mutex held
 *
 * vfio-pci-core resets devices under memory_lock, which nests inside state_mutex. If
 * state_mutex is taken, edu_reset_done() leaves the reset to its holder.
 */
void edu_state_unlock(struct edu_device *edu)
{
again:
	spin_lock(&edu->reset_lock);
	if (edu->deferred_reset) {
		edu->deferred_reset = false;
		spin_unlock(&edu->reset_lock);
		edu_reset(edu);
		goto again;
	}
	mutex_unlock(&edu->state_mutex);
	spin_unlock(&edu->reset_lock);
}

static void edu_reset_done(struct pci_dev *pdev)
{
	struct vfio_pci_core_device *core = dev_get_drvdata(&pdev->dev);
	struct edu_device *edu = container_of(core, struct edu_device, core_device);

	spin_lock(&edu->reset_lock);
	edu->deferred_reset = true;
	if (!mutex_trylock(&edu->state_mutex)) {
		spin_unlock(&edu->reset_lock);
		return;
	}
	spin_unlock(&edu->reset_lock);
	edu_state_unlock(edu);
}

/* The device has no PCI reset: load a state of zeros */
static int edu_clear(struct edu_device *edu)
{
	struct edu_state *state = kzalloc_obj(*state, GFP_KERNEL);
	int rc;

	if (!state)
		return -ENOMEM;
	mutex_lock(&edu->state_mutex);
	rc = edu_quiesce(edu);
	if (!rc)
		rc = edu_load_state(edu, state);
	if (!rc)
		edu_reset(edu);
	edu_state_unlock(edu);
	kfree(state);
	return rc;
}

static int edu_open_device(struct vfio_device *vdev)
{
	struct edu_device *edu = to_edu(vdev);
	int rc;

	rc = vfio_pci_core_enable(&edu->core_device);
	if (rc)
		return rc;
	rc = edu_map_bar(&edu->core_device);
	if (!rc && vdev->mig_ops)
		rc = edu_clear(edu);
	if (rc) {
		vfio_pci_core_disable(&edu->core_device);
		return rc;
	}
	vfio_pci_core_finish_enable(&edu->core_device);
	/* finish_enable() allowed mmap of every BAR: DMA would bypass the log */
	edu->core_device.bar_mmap_supported[0] = false;
	return 0;
}

static void edu_close_device(struct vfio_device *vdev)
{
	struct edu_device *edu = to_edu(vdev);

	mutex_lock(&edu->state_mutex);
	edu_log_free(edu);
	edu_reset(edu);
	edu_state_unlock(edu);
	vfio_pci_core_close_device(vdev);
}

static long edu_ioctl(struct vfio_device *vdev, unsigned int cmd, unsigned long arg)
{
	struct vfio_device_info __user *info = (void __user *)arg;
	u32 flags;
	long rc;

	/* An ioeventfd would write to the registers without this driver */
	if (cmd == VFIO_DEVICE_IOEVENTFD)
		return -ENOTTY;
	if (!vdev->mig_ops)
		return vfio_pci_core_ioctl(vdev, cmd, arg);
	if (cmd == VFIO_DEVICE_RESET)
		return edu_clear(to_edu(vdev));
	rc = vfio_pci_core_ioctl(vdev, cmd, arg);
	if (rc || cmd != VFIO_DEVICE_GET_INFO)
		return rc;
	if (get_user(flags, &info->flags) ||
	    put_user(flags | VFIO_DEVICE_FLAGS_RESET, &info->flags))
		return -EFAULT;
	return 0;
}

/* Like vfio-pci-core's accesses, wake a device that the user has put to sleep */
static ssize_t edu_regs(struct vfio_device *vdev, char __user *buf, size_t count,
			loff_t *ppos, bool write)
{
	ssize_t rc;

	if (pm_runtime_resume_and_get(vdev->dev))
		return -EIO;
	rc = edu_regs_rw(to_edu(vdev), buf, count, ppos, write);
	pm_runtime_put(vdev->dev);
	return rc;
}

static ssize_t edu_read(struct vfio_device *vdev, char __user *buf, size_t count,
			loff_t *ppos)
{
	if (count && VFIO_PCI_OFFSET_TO_INDEX(*ppos) == VFIO_PCI_BAR0_REGION_INDEX)
		return edu_regs(vdev, buf, count, ppos, false);
	return vfio_pci_core_read(vdev, buf, count, ppos);
}

static ssize_t edu_write(struct vfio_device *vdev, const char __user *buf,
			 size_t count, loff_t *ppos)
{
	if (count && VFIO_PCI_OFFSET_TO_INDEX(*ppos) == VFIO_PCI_BAR0_REGION_INDEX)
		return edu_regs(vdev, (char __user *)buf, count, ppos, true);
	return vfio_pci_core_write(vdev, buf, count, ppos);
}

/* Checks for the state window. This driver owns the device and may enable it */
static int edu_find_window(struct pci_dev *pdev, bool *found)
{
	void __iomem *io;
	int rc;

	rc = pci_enable_device_mem(pdev);
	if (rc)
		return rc;
	io = pci_iomap(pdev, 0, 0);
	if (io)
		*found = readl(io + EDU_RAW) == EDU_WINDOW_VERSION;
	else
		rc = -ENOMEM;
	pci_iounmap(pdev, io);
	pci_disable_device(pdev);
	return rc;
}

static int edu_init_device(struct vfio_device *vdev)
{
	struct edu_device *edu = to_edu(vdev);
	struct pci_dev *pdev = to_pci_dev(vdev->dev);
	bool window = false;
	int rc;

	if (pci_resource_len(pdev, 0) < EDU_RAW + EDU_REGS_SIZE)
		return -ENODEV;
	rc = edu_find_window(pdev, &window);
	if (rc)
		return rc;
	mutex_init(&edu->state_mutex);
	spin_lock_init(&edu->reset_lock);
	edu->mig_state = VFIO_DEVICE_STATE_RUNNING;
	edu->quirks = READ_ONCE(quirks);
	edu->log_ops = edu_log_ops;
	if (edu->quirks & EDU_QUIRK_P2P_DMA)
		edu->log_ops.flags &= ~VFIO_LOG_P2P_STOPS_DMA;
	if (edu->quirks & EDU_QUIRK_WORDS)
		edu->log_ops.flags &= ~VFIO_LOG_ANY_RANGE;
	vdev->log_ops = &edu->log_ops;
	if (window) {
		vdev->mig_ops = &edu_migration_ops;
		vdev->migration_flags = VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P |
					VFIO_MIGRATION_PRE_COPY;
	}
	return vfio_pci_core_init_dev(vdev);
}

static void edu_release_device(struct vfio_device *vdev)
{
	mutex_destroy(&to_edu(vdev)->state_mutex);
	vfio_pci_core_release_dev(vdev);
}

static const struct vfio_device_ops edu_ops = {
	.name = "edu-vfio-pci",
	.init = edu_init_device,
	.release = edu_release_device,
	.open_device = edu_open_device,
	.close_device = edu_close_device,
	.ioctl = edu_ioctl,
	.device_feature = vfio_pci_core_ioctl_feature,
	.read = edu_read,
	.write = edu_write,
	.mmap = vfio_pci_core_mmap,
	.request = vfio_pci_core_request,
	.match = vfio_pci_core_match,
	.bind_iommufd = vfio_iommufd_physical_bind,
	.unbind_iommufd = vfio_iommufd_physical_unbind,
	.attach_ioas = vfio_iommufd_physical_attach_ioas,
	.detach_ioas = vfio_iommufd_physical_detach_ioas,
	EDU_BASE_OPS
};

static int edu_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct edu_device *edu;
	int rc;

	edu = vfio_alloc_device(edu_device, core_device.vdev, &pdev->dev, &edu_ops);
	if (IS_ERR(edu))
		return PTR_ERR(edu);
	dev_set_drvdata(&pdev->dev, &edu->core_device);
	rc = vfio_pci_core_register_device(&edu->core_device);
	if (rc)
		vfio_put_device(&edu->core_device.vdev);
	return rc;
}

static void edu_remove(struct pci_dev *pdev)
{
	struct vfio_pci_core_device *core = dev_get_drvdata(&pdev->dev);

	vfio_pci_core_unregister_device(core);
	vfio_put_device(&core->vdev);
}

static const struct pci_device_id edu_table[] = {
	{ PCI_DRIVER_OVERRIDE_DEVICE_VFIO(EDU_VENDOR, EDU_DEVICE) },
	{}
};
MODULE_DEVICE_TABLE(pci, edu_table);

static const struct pci_error_handlers edu_err_handlers = {
	.reset_done = edu_reset_done,
	.error_detected = vfio_pci_core_aer_err_detected,
};

static struct pci_driver edu_driver = {
	.name = KBUILD_MODNAME,
	.id_table = edu_table,
	.probe = edu_probe,
	.remove = edu_remove,
	.err_handler = &edu_err_handlers,
	.driver_managed_dma = true,
};
module_pci_driver(edu_driver);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("VFIO driver for QEMU's edu device, with migration");
