// SPDX-License-Identifier: GPL-2.0-only
/*
 * The providers that drivers register for their devices, and what trackers of a
 * device share. A driver registers a provider when its device is in use, and
 * unregisters it before the device can no longer be asked; iommufd's device.c tells
 * that a device is unbound.
 *
 * Before a provider goes, what it knows is kept in the ledgers of the trackers,
 * which can still be read then. As long as the device is bound without one it may
 * write, and all that was tracked is taken for dirty.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "device.h"

/* Protects iommufd_dirty_idev::device; held for no longer than to look at it */
static DEFINE_MUTEX(provider_mutex);

static void device_free(struct kref *kref)
{
	struct iommufd_dirty_device *device =
		container_of(kref, struct iommufd_dirty_device, kref);

	mutex_destroy(&device->config_mutex);
	mutex_destroy(&device->lock);
	kfree(device);
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

	device = kzalloc(sizeof(*device), GFP_KERNEL_ACCOUNT);
	if (!device)
		return ERR_PTR(-ENOMEM);
	kref_init(&device->kref);
	mutex_init(&device->config_mutex);
	mutex_init(&device->lock);
	INIT_LIST_HEAD(&device->trackers);
	device->id = idev->obj.id;
	return device;
}

/**
 * iommufd_dirty_device_get() - What trackers of a bound device share
 * @idev: The device; it cannot be unbound meanwhile
 *
 * Return: it, with a reference for the caller, or ERR_PTR(-ENOMEM).
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
 * If it may have written without one, all that was tracked is taken for dirty.
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
	/* What it has written since it was asked last nobody knows */
	if (device->blind && !device->quiet)
		iommufd_dirty_device_mark(device, device->armed, 0, ULONG_MAX);
	kvfree(device->armed);
	device->armed = NULL;
	device->blind = false;
	mutex_unlock(&device->lock);
	mutex_unlock(&device->config_mutex);
	iommufd_dirty_device_put(device);
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
 * iommufd_dirty_provider_register() - Offer to track a device
 * @idev: The device, bound to an iommufd
 * @provider: What tracks it; @provider->ops is set
 *
 * From now on trackers of the device can be started.
 *
 * Context: may sleep; the caller holds no lock that the provider's ops take.
 * Return: 0, or -EBUSY if the device has a provider, -EINVAL if an op is missing,
 * -ENOMEM.
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
EXPORT_SYMBOL_NS_GPL(iommufd_dirty_provider_register, IOMMUFD);

/* Keep what the provider knows, and stop it */
static void device_leave(struct iommufd_dirty_device *device)
{
	struct iommufd_dirty_provider *provider = device->provider;
	const struct iommufd_dirty_provider_ops *ops = provider->ops;
	bool held = ops->hold && ops->hold(provider);

	iommufd_dirty_device_keep(device, true);
	mutex_lock(&device->lock);
	if (!device->blind)
		ops->stop(provider);
	/* Who reads next must not ask it any more */
	device->provider = NULL;
	device->blind = true;
	device->quiet = provider->quiet;
	mutex_unlock(&device->lock);
	/* It may have written in between */
	if (!held || !ops->release(provider))
		iommufd_dirty_device_mark(device, device->armed, 0, ULONG_MAX);
}

/**
 * iommufd_dirty_provider_unregister() - Take back what was offered
 * @idev: The device
 * @provider: What was registered for it
 *
 * If the device is being tracked, what it has written is kept for the trackers. A
 * device that iommufd_dirty_provider_ops::hold does not keep from DMA is taken to
 * have written to all that was tracked: a driver had better stop it before. So is
 * one that stays bound, until another provider is registered and an UPDATE starts
 * it, and, unless iommufd_dirty_provider::quiet is set, one that is unbound
 * afterwards. None of the ops is called any more when this returns.
 *
 * Context: as for iommufd_dirty_provider_register(). A START or UPDATE that is under way
 * gives up. Takes a second, and as long as the op that is under way then; what is not
 * known by then is taken for dirty.
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
EXPORT_SYMBOL_NS_GPL(iommufd_dirty_provider_unregister, IOMMUFD);
