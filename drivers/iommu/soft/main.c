// SPDX-License-Identifier: GPL-2.0-only
/*
 * Creates the software IOMMU and its devices at boot, if iommu_dirty_soft.devices is
 * set. Called as an initcall, without locks. They exist until the kernel shuts down.
 */
#include <linux/init.h>
#include <linux/irqdomain.h>
#include <linux/moduleparam.h>
#include <linux/property.h>
#include <linux/slab.h>

#include "soft.h"

static unsigned int devices;
module_param(devices, uint, 0444);
MODULE_PARM_DESC(devices, "Number of devices of each page-table format");

/* iommufd requires that a user's device cannot forge interrupts */
static struct irq_domain soft_no_interrupts = {
	.flags = IRQ_DOMAIN_FLAG_ISOLATED_MSI,
};

/* Names that the driver matches: "soft-" and the name of the format */
static struct platform_device_id *soft_ids;

static void soft_release(struct device *dev)
{
	kvfree(to_soft_device(dev));
}

/* For dev_iommu::max_pasids */
static const struct property_entry soft_properties[] = {
	PROPERTY_ENTRY_U32("pasid-num-bits", SOFT_PASID_BITS),
	{}
};

static int __init soft_add_device(const struct soft_fmt *fmt, unsigned int id)
{
	struct soft_device *sdev = kvzalloc(sizeof(*sdev), GFP_KERNEL);
	struct platform_device *pdev;
	int rc;

	if (!sdev)
		return -ENOMEM;
	sdev->fmt = fmt;
	mutex_init(&sdev->lock);
	spin_lock_init(&sdev->inject_lock);
	init_waitqueue_head(&sdev->holds);
	soft_dma_init(sdev);
	soft_log_init(&sdev->log);

	pdev = &sdev->pdev;
	pdev->name = soft_ids[fmt - soft_fmts].name;
	pdev->id = id;
	pdev->dev.release = soft_release;
	dev_set_msi_domain(&pdev->dev, &soft_no_interrupts);
	/* Before another IOMMU driver can claim the device */
	mutex_lock(&iommu_probe_device_lock);
	rc = iommu_fwspec_init(&pdev->dev, soft_iommu.fwnode);
	mutex_unlock(&iommu_probe_device_lock);
	if (!rc)
		rc = device_create_managed_software_node(&pdev->dev,
							 soft_properties, NULL);
	if (rc) {
		kvfree(sdev);
		return rc;
	}
	list_add_tail(&sdev->list, &soft_devices);
	rc = platform_device_register(pdev);
	if (rc) {
		list_del(&sdev->list);
		platform_device_put(pdev);
	}
	return rc;
}

static int __init soft_add_devices(void)
{
	unsigned int i, id;
	int rc;

	for (i = 0; i < soft_nr_fmts; i++) {
		for (id = 0; id < devices; id++) {
			rc = soft_add_device(&soft_fmts[i], id);
			if (rc)
				return rc;
		}
	}
	return 0;
}

static int __init soft_add_driver(void)
{
	unsigned int i;

	soft_ids = kcalloc(soft_nr_fmts + 1, sizeof(*soft_ids), GFP_KERNEL);
	if (!soft_ids)
		return -ENOMEM;
	for (i = 0; i < soft_nr_fmts; i++)
		snprintf(soft_ids[i].name, sizeof(soft_ids[i].name), "soft-%s",
			 soft_fmts[i].name);
	soft_vfio_driver.id_table = soft_ids;
	return platform_driver_register(&soft_vfio_driver);
}

static int __init soft_add_iommu(void)
{
	struct fwnode_handle *fwnode;
	int rc;

	fwnode = fwnode_create_software_node(NULL, NULL);
	if (IS_ERR(fwnode))
		return PTR_ERR(fwnode);
	soft_iommu.fwnode = fwnode;
	soft_iommu.max_pasids = SOFT_PASIDS;
	rc = iommu_device_sysfs_add(&soft_iommu, NULL, NULL, "soft-iommu");
	if (rc)
		return rc;
	return iommu_device_register(&soft_iommu, &soft_iommu_ops, NULL);
}

/* After vfio, which drives the devices. Errors undo nothing: this is for tests */
static int __init soft_init(void)
{
	int rc;

	if (!devices)
		return 0;
	rc = soft_add_iommu();
	if (!rc)
		rc = soft_add_driver();
	if (!rc)
		rc = soft_add_devices();
	if (rc)
		pr_err("iommu_dirty_soft: error %d\n", rc);
	return rc;
}
late_initcall(soft_init);
