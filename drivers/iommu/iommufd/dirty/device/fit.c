// SPDX-License-Identifier: GPL-2.0-only
/*
 * Finds ranges that the provider of a device accepts, and makes it track them. Called by
 * start.c and update.c with iommufd_dirty_device::config_mutex and lock held.
 */
#include <linux/log2.h>
#include <linux/overflow.h>
#include <linux/sched/signal.h>

#include "device.h"

/* Number of ranges up to which a provider that refuses them is offered one less */
#define MAX_ASKED	256U

/* Map an error of a provider to one that userspace can act on */
static int device_start_error(int rc)
{
	switch (rc) {
	case 0:
	case -E2BIG:
	case -EBUSY:
	case -EINTR:
	case -ENOMEM:
	case -EOVERFLOW:
		return rc;
	case -EFBIG:
		return -E2BIG;
	case -EOPNOTSUPP:
		return -ENXIO;
	default:
		return -EIO;
	}
}

/* Ranges must be multiples of this many bytes; 0 if it does not fit in 64 bits */
static u64 device_multiple(const struct iommufd_dirty_caps *caps, u64 page_size)
{
	u64 multiple;

	if (check_mul_overflow(page_size, (u64)(caps->granule ?: 1), &multiple))
		return 0;
	return multiple;
}

/* Shape ranges to the limits that the provider announces */
static int device_shape(struct iommufd_dirty_device *device,
			struct iommufd_dirty_ranges *ranges, u64 page_size)
{
	struct iommufd_dirty_caps caps = {};
	u64 multiple;
	int rc;

	device->provider->ops->get_caps(device->provider, &caps);
	multiple = device_multiple(&caps, page_size);
	if (!multiple)
		return -E2BIG;
	iommufd_dirty_ranges_widen(ranges, multiple);
	rc = iommufd_dirty_ranges_coarsen(ranges, caps.max_ranges ?: UINT_MAX);
	if (!rc && caps.max_span &&
	    iommufd_dirty_ranges_span(ranges) > caps.max_span - 1)
		rc = -E2BIG;
	/* The length of a range of all 2^64 bytes does not fit in 64 bits */
	if (!rc && ranges->nr == 1 &&
	    iommufd_dirty_ranges_span(ranges) == ULONG_MAX)
		rc = -E2BIG;
	return rc;
}

/*
 * The provider has refused @nr ranges, perhaps because of a single one too many. But
 * with tens of thousands, finding the exact limit is not worth that many attempts.
 */
static unsigned int device_fewer(unsigned int nr)
{
	return nr > MAX_ASKED ? max(nr / 2, MAX_ASKED) : nr - 1;
}

/**
 * iommufd_dirty_device_aligned() - Check that ranges suit the provider
 * @device: The device
 * @ranges: The ranges
 * @page_size: Page size that it tracks by, in bytes
 *
 * Context: iommufd_dirty_device::lock is held.
 * Return: true if the ranges begin and end at multiples of what it tracks as a whole.
 */
bool iommufd_dirty_device_aligned(struct iommufd_dirty_device *device,
				  const struct iommufd_dirty_ranges *ranges,
				  u64 page_size)
{
	struct iommufd_dirty_caps caps = {};
	u64 multiple;

	device->provider->ops->get_caps(device->provider, &caps);
	multiple = device_multiple(&caps, page_size);
	return multiple && iommufd_dirty_ranges_aligned(ranges, multiple);
}

/* Start the provider with the ranges, or change its ranges live */
static int device_try(struct iommufd_dirty_device *device,
		      struct iommufd_dirty_ranges *ranges, u64 *page_size,
		      bool live)
{
	const struct iommufd_dirty_provider_ops *ops = device->provider->ops;
	int rc;

	rc = device_shape(device, ranges, *page_size);
	if (rc)
		return rc == -E2BIG ? -EFBIG : rc;
	if (live)
		return iommufd_dirty_device_update(device, ranges);
	rc = ops->start(device->provider, ranges->range, ranges->nr, page_size);
	if (!rc && WARN_ON_ONCE(!is_power_of_2(*page_size))) {
		ops->stop(device->provider);
		rc = -EIO;
	}
	return rc;
}

/**
 * iommufd_dirty_device_fit() - Find ranges that the provider accepts, and start it
 * @device: The device, with a provider
 * @ranges: The ranges. They are rounded outwards to what the provider can track, and
 *	neighbours are merged, the closest first, until it can track that many
 * @page_size: Page size to track by, in bytes, in and out
 * @live: Update the ranges of a running provider rather than start it
 *
 * Context: config_mutex and lock are held.
 * Return: 0; -E2BIG, -EBUSY, -EINTR, -ENOMEM or -EOVERFLOW; -ENXIO if the provider
 * returned -EOPNOTSUPP; -ENODEV if the provider is about to be unregistered; -EIO for all
 * other errors.
 */
int iommufd_dirty_device_fit(struct iommufd_dirty_device *device,
			     struct iommufd_dirty_ranges *ranges,
			     u64 *page_size, bool live)
{
	u64 asked = *page_size, size;
	unsigned int nr;
	int rc;

	lockdep_assert_held(&device->lock);

	for (;;) {
		size = asked;
		rc = device_try(device, ranges, &size, live);
		nr = ranges->nr;
		if (!rc && size > asked &&
		    !iommufd_dirty_device_aligned(device, ranges, size)) {
			device->provider->ops->stop(device->provider);
			asked = size;
			continue;
		}
		if (rc != -E2BIG || nr == 1)
			break;
		rc = -EINTR;
		if (fatal_signal_pending(current))
			break;
		if (READ_ONCE(device->provider->leaving))
			return -ENODEV;
		/* The provider may announce a lower limit now */
		rc = device_shape(device, ranges, asked);
		if (!rc && ranges->nr == nr)
			rc = iommufd_dirty_ranges_coarsen(ranges,
							  device_fewer(nr));
		if (rc)
			break;
		cond_resched();
	}
	if (!rc)
		*page_size = size;
	return device_start_error(rc);
}
