// SPDX-License-Identifier: GPL-2.0-only
/*
 * Registration of providers, and the struct that the trackers of a device share.
 * A driver registers a provider when its device is in use, and unregisters it while
 * the device can still be queried. iommufd's device.c calls in when a device is
 * unbound.
 *
 * Before a provider goes, its dirty state is harvested into the ledgers of the
 * trackers, which can still be read afterwards. A device that is bound without a
 * provider may write, so everything that was tracked is treated as dirty.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "device.h"

/* Protects the allocation of iommufd_dirty_idev::device */
static DEFINE_MUTEX(provider_mutex);

static void device_free(struct kref *kref)
{
	struct iommufd_dirty_device *device =
		container_of(kref, struct iommufd_dirty_device, kref);

	iommufd_dirty_ledger_fini(&device->log.ledger);
	mutex_destroy(&device->config_mutex);
	mutex_destroy(&device->lock);
	kfree(device);
}

/**
 * iommufd_dirty_device_hold() - Get another reference
 * @device: The device
 *
 * Return: the device.
 */
struct iommufd_dirty_device *
iommufd_dirty_device_hold(struct iommufd_dirty_device *device)
{
	kref_get(&device->kref);
	return device;
}

/**
 * iommufd_dirty_device_put() - Drop a reference
 * @device: The device
 */
void iommufd_dirty_device_put(struct iommufd_dirty_device *device)
{
	kref_put(&device->kref, device_free);
}

static struct iommufd_dirty_device *device_new(struct iommufd_device *idev)
{
	struct iommufd_dirty_device *device;

	device = kzalloc_obj(*device, GFP_KERNEL_ACCOUNT);
	if (!device)
		return ERR_PTR(-ENOMEM);
	kref_init(&device->kref);
	mutex_init(&device->config_mutex);
	mutex_init(&device->lock);
	INIT_LIST_HEAD(&device->trackers);
	device->id = idev->obj.id;
	iommufd_dirty_ledger_init(&device->log.ledger);
	device->log.id = device->id;
	device->log.target_id = device->id;
	device->log.device = device;
	device->log.user_log = true;
	return device;
}

/**
 * iommufd_dirty_device_get() - Get the struct that trackers of a device share
 * @idev: The device, which cannot be unbound during the call
 *
 * Return: the struct, with a reference for the caller, or ERR_PTR(-ENOMEM).
 */
struct iommufd_dirty_device *
iommufd_dirty_device_get(struct iommufd_device *idev)
{
	struct iommufd_dirty_device *device;

	mutex_lock(&provider_mutex);
	device = idev->dirty.device;
	if (!device) {
		device = device_new(idev);
		if (IS_ERR(device))
			goto out_unlock;
		idev->dirty.device = device;
	}
	kref_get(&device->kref);
out_unlock:
	mutex_unlock(&provider_mutex);
	return device;
}

/**
 * iommufd_dirty_device_unbound() - A device is no longer bound to the iommufd
 * @idev: The device, without a provider
 *
 * If it may have written without one, everything that was tracked becomes dirty.
 */
void iommufd_dirty_device_unbound(struct iommufd_device *idev)
{
	struct iommufd_dirty_device *device = idev->dirty.device;

	if (!device)
		return;
	mutex_lock(&device->config_mutex);
	mutex_lock(&device->lock);
	WARN_ON(device->provider);
	device->unbound = true;
	/* What it has written since the last harvest is unknown */
	if (device->blind && !device->quiet)
		iommufd_dirty_device_mark(device, device->armed, 0, ULONG_MAX);
	kvfree(device->armed);
	device->armed = NULL;
	device->blind = false;
	mutex_unlock(&device->lock);
	mutex_unlock(&device->config_mutex);
	iommufd_dirty_device_put(device);
}

/**
 * iommufd_dirty_device_list() - Who tracks a device, for LIST
 * @idev: The device, which cannot be unbound during the call
 * @out: Its state and num_trackers are filled in
 */
void iommufd_dirty_device_list(struct iommufd_device *idev,
			       struct iommu_dirty_object *out)
{
	struct iommufd_dirty_device *device;

	mutex_lock(&provider_mutex);
	device = idev->dirty.device;
	mutex_unlock(&provider_mutex);
	if (!device)
		return;
	out->num_trackers = READ_ONCE(device->num_trackers);
	out->state = READ_ONCE(device->log.state);
}

static void device_set_provider(struct iommufd_dirty_device *device,
				struct iommufd_dirty_provider *provider)
{
	lockdep_assert_held(&device->config_mutex);

	mutex_lock(&device->lock);
	device->provider = provider;
	mutex_unlock(&device->lock);
}

/**
 * iommufd_dirty_provider_register() - Register a provider for a device
 * @idev: The device, bound to an iommufd
 * @provider: The provider, with @provider->ops set
 *
 * From now on, trackers of the device can be started.
 *
 * Context: may sleep; the caller holds no lock that the provider's ops take.
 * Return: 0, or -EBUSY if the device already has a provider, -EINVAL if an op is
 * missing, -ENOMEM.
 */
int iommufd_dirty_provider_register(struct iommufd_device *idev,
				    struct iommufd_dirty_provider *provider)
{
	const struct iommufd_dirty_provider_ops *ops = provider->ops;
	struct iommufd_dirty_device *device;
	int rc = 0;

	if (WARN_ON(!ops->get_caps || !ops->start || !ops->stop ||
		    !ops->read_and_clear || !ops->hold != !ops->release))
		return -EINVAL;
	device = iommufd_dirty_device_get(idev);
	if (IS_ERR(device))
		return PTR_ERR(device);

	mutex_lock(&device->config_mutex);
	if (device->provider) {
		rc = -EBUSY;
	} else {
		WRITE_ONCE(provider->leaving, false);
		device_set_provider(device, provider);
	}
	mutex_unlock(&device->config_mutex);
	iommufd_dirty_device_put(device);
	return rc;
}
EXPORT_SYMBOL_NS_GPL(iommufd_dirty_provider_register, "IOMMUFD");

/* Harvest what the provider has into the ledgers, and stop it */
static void device_leave(struct iommufd_dirty_device *device)
{
	struct iommufd_dirty_provider *provider = device->provider;
	const struct iommufd_dirty_provider_ops *ops = provider->ops;
	bool held = ops->hold && ops->hold(provider);

	iommufd_dirty_device_keep(device, true);
	mutex_lock(&device->lock);
	if (!device->blind)
		ops->stop(provider);
	/* Later reads must not call the provider */
	device->provider = NULL;
	device->blind = true;
	device->quiet = provider->quiet;
	mutex_unlock(&device->lock);
	/* The device may have written after it was harvested */
	if (!held || !ops->release(provider))
		iommufd_dirty_device_mark(device, device->armed, 0, ULONG_MAX);
}

/**
 * iommufd_dirty_provider_unregister() - Unregister a provider
 * @idev: The device
 * @provider: The provider that was registered for it
 *
 * If the device is being tracked, what it has written is kept for the trackers.
 * Everything that was tracked is treated as dirty in these cases:
 *
 * - iommufd_dirty_provider_ops::hold does not keep the device from DMA. A driver should
 *   therefore stop the device first
 * - The device stays bound: until another provider is registered and an UPDATE starts
 *   it
 * - The device is unbound afterwards, unless iommufd_dirty_provider::quiet is set
 *
 * No op is called after this function has returned.
 *
 * Context: as for iommufd_dirty_provider_register(). A START or UPDATE under way gives
 * up. The provider is queried for at most a second plus the op that is under way then;
 * what it has not reported by then is treated as dirty.
 */
void iommufd_dirty_provider_unregister(struct iommufd_device *idev,
				       struct iommufd_dirty_provider *provider)
{
	struct iommufd_dirty_device *device = idev->dirty.device;

	if (WARN_ON(!device))
		return;
	WRITE_ONCE(provider->leaving, true);
	mutex_lock(&device->config_mutex);
	if (device->provider == provider) {
		if (device->armed)
			device_leave(device);
		else
			device_set_provider(device, NULL);
	}
	mutex_unlock(&device->config_mutex);
}
EXPORT_SYMBOL_NS_GPL(iommufd_dirty_provider_unregister, "IOMMUFD");
