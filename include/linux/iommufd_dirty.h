/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What in-kernel users of iommufd tell its dirty trackers, and what drivers offer
 * them.
 *
 * A driver whose device can tell what it has written registers a provider of
 * dirty information: see Documentation/driver-api/iommufd_dirty_provider.rst.
 * VFIO does so for each of its drivers that has vfio_log_ops.
 *
 * A driver that writes to user memory with the CPU has nothing to do: writes by
 * iommufd_access_rw() are recorded, and pages that it has pinned for writing are
 * taken for dirty as long as they are pinned. A driver that pins pages for long
 * and writes to few of them can do better and say when it has.
 */
#ifndef __LINUX_IOMMUFD_DIRTY_H
#define __LINUX_IOMMUFD_DIRTY_H

#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/types.h>

struct iommu_dirty_sink;
struct iommufd_access;
struct iommufd_device;
struct iommufd_dirty_provider;

/*
 * A flag of iommufd_access_pin_pages(), beside IOMMUFD_ACCESS_RW_WRITE: every
 * write through the pages is followed by iommufd_access_mark_dirty().
 */
#define IOMMUFD_ACCESS_PIN_MARKS	BIT(8)

/**
 * struct iommufd_dirty_range - A range of IOVA
 * @iova: First byte
 * @last: Last byte, inclusive
 */
struct iommufd_dirty_range {
	unsigned long iova;
	unsigned long last;
};

/**
 * struct iommufd_dirty_caps - What a provider can do
 * @page_sizes: Bitmap of the sizes, in bytes, by which the device can track; 0 if
 *	the driver does not know before it starts
 * @max_ranges: The most ranges that it tracks at a time; 0 as above. It may get
 *	smaller when iommufd_dirty_provider_ops::start has failed with -E2BIG
 * @max_span: The most bytes from the start of the first range to the end of the
 *	last one; 0 as above
 * @granule: Ranges begin and end at multiples of so many pages, a power of two; 0
 *	means 1
 * @quiesces: The device has a state in which it starts no DMA, so that
 *	iommufd_dirty_provider_ops::hold can succeed
 * @quiesces_p2p: It starts none in VFIO's P2P states, either
 */
struct iommufd_dirty_caps {
	u64 page_sizes;
	u64 max_span;
	unsigned int max_ranges;
	unsigned int granule;
	bool quiesces;
	bool quiesces_p2p;
};

/**
 * struct iommufd_dirty_provider_ops - What a driver does as a provider
 * @get_caps: Fill in what the provider can do. @caps is zeroed
 * @start: Track the @nr ranges in @ranges, which ascend, do not touch each other,
 *	and begin and end at multiples of *@page_size times the granule; there is at
 *	least one. Set *@page_size, a power of two, to what the device tracks by: if
 *	that is larger, and ranges are no multiples of it, iommufd stops and starts
 *	again with such that are. From when it returns 0 on, no write to them is
 *	missed. Return 0, or an error, after which nothing is tracked; -E2BIG if
 *	fewer ranges might do, -EFBIG if only smaller ones, -EBUSY if somebody else
 *	uses the device's tracking
 * @stop: Track nothing any more, and forget what was dirty. Return 0, or an error,
 *	which is reported but changes nothing: @start may be called again
 * @read_and_clear: Mark in @sink, by its mark_range(), each tracked page within
 *	@iova to @last, inclusive, that the device has written to since it was
 *	marked last, and forget that. The range is within one of the ranges of
 *	the last @start or @update, begins at a multiple of 64 pages from its
 *	start, and ends at such a multiple or with it. Marks cannot fail, and may
 *	reach beyond the range. Return 0, or an error, upon which iommufd takes
 *	the whole range for dirty; the user is told of the first one only
 * @update: Track other ranges instead, by the same page size: @ranges and @nr as for
 *	@start. Mark in @sink what is dirty in pages that are not tracked any more.
 *	No write to a page that was tracked and still is may be missed. Return 0, or
 *	an error, after which the old ranges are tracked as before. NULL if the
 *	driver cannot do that while the device runs
 * @hold: If the device has no DMA under way and starts none, keep its user from
 *	resuming it until @release, and return true; otherwise return false. NULL if
 *	the driver can never tell
 * @release: End what a @hold that returned true has begun. Return false if the
 *	device may have started DMA in between all the same, as it may after it was
 *	reset. NULL if @hold is
 *
 * The ops are called in process context and may sleep, and not any more once
 * iommufd_dirty_provider_unregister() has returned. There is never more than one of
 * @get_caps, @start, @stop, @read_and_clear and @update at a time; these are also
 * called between @hold and @release, and a driver's lock that is held from the one
 * to the other must not be taken by them. iommufd holds mutexes meanwhile that
 * registering and unregistering a provider of the same device takes too.
 */
struct iommufd_dirty_provider_ops {
	void (*get_caps)(struct iommufd_dirty_provider *provider,
			 struct iommufd_dirty_caps *caps);
	int (*start)(struct iommufd_dirty_provider *provider,
		     const struct iommufd_dirty_range *ranges, unsigned int nr,
		     u64 *page_size);
	int (*stop)(struct iommufd_dirty_provider *provider);
	int (*read_and_clear)(struct iommufd_dirty_provider *provider,
			      unsigned long iova, unsigned long last,
			      struct iommu_dirty_sink *sink);
	int (*update)(struct iommufd_dirty_provider *provider,
		      const struct iommufd_dirty_range *ranges, unsigned int nr,
		      struct iommu_dirty_sink *sink);
	bool (*hold)(struct iommufd_dirty_provider *provider);
	bool (*release)(struct iommufd_dirty_provider *provider);
};

/**
 * struct iommufd_dirty_provider - Embedded in what a driver has for its device
 * @ops: Its operations
 * @leaving: Set by a driver, by WRITE_ONCE(), before it takes locks that are held from
 *	@ops->hold to @ops->release, if it is going to unregister the provider: a START
 *	or UPDATE that is under way gives up
 * @quiet: Set by a driver before it unregisters the provider, if the device starts
 *	no DMA any more until it is unbound: what it has written is then known also
 *	afterwards. Otherwise all that was tracked is taken for dirty
 */
struct iommufd_dirty_provider {
	const struct iommufd_dirty_provider_ops *ops;
	bool leaving;
	bool quiet;
};

#ifdef CONFIG_IOMMUFD_DIRTY
int iommufd_dirty_provider_register(struct iommufd_device *idev,
				    struct iommufd_dirty_provider *provider);
void iommufd_dirty_provider_unregister(struct iommufd_device *idev,
				       struct iommufd_dirty_provider *provider);
int iommufd_access_mark_dirty(struct iommufd_access *access, unsigned long iova,
			      unsigned long length);
#else
static inline int
iommufd_dirty_provider_register(struct iommufd_device *idev,
				struct iommufd_dirty_provider *provider)
{
	return 0;
}

static inline void
iommufd_dirty_provider_unregister(struct iommufd_device *idev,
				  struct iommufd_dirty_provider *provider)
{
}

static inline int iommufd_access_mark_dirty(struct iommufd_access *access,
					    unsigned long iova,
					    unsigned long length)
{
	return 0;
}
#endif

#endif
