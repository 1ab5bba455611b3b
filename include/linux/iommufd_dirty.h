/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interface between iommufd's dirty trackers and in-kernel users: drivers that
 * provide dirty information, and drivers that write with the CPU.
 *
 * A driver whose device can report what it has written registers a provider of
 * dirty information: see Documentation/driver-api/iommufd_dirty_provider.rst.
 * VFIO does so for each of its drivers that has vfio_log_ops.
 *
 * A driver that writes to user memory with the CPU need not do anything: writes by
 * iommufd_access_rw() are recorded, and pages that it has pinned for writing are
 * treated as dirty while they are pinned. A driver that pins pages for a long time
 * and writes to few of them can do better by reporting each write.
 */
#ifndef __LINUX_IOMMUFD_DIRTY_H
#define __LINUX_IOMMUFD_DIRTY_H

#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/types.h>

struct iommu_dirty_sink;
struct iommufd_access;
struct iommufd_device;
struct iommufd_dirty_log_call;
struct iommufd_dirty_provider;

/*
 * Flag of iommufd_access_pin_pages(), used with IOMMUFD_ACCESS_RW_WRITE: the caller
 * follows every write through the pages with iommufd_access_mark_dirty().
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
 * @page_sizes: Bitmap of the page sizes, in bytes, that the device can track by; 0
 *	if the driver does not know before it starts
 * @max_ranges: Maximum number of ranges that it tracks at a time; 0 as above. It may
 *	shrink after iommufd_dirty_provider_ops::start has failed with -E2BIG
 * @max_span: Maximum number of bytes from the start of the first range to the end of
 *	the last one; 0 as above
 * @granule: Ranges begin and end at multiples of this many pages, a power of two; 0
 *	means 1
 * @quiesces: The device has a state in which it starts no DMA, so that
 *	iommufd_dirty_provider_ops::hold can succeed
 * @quiesces_p2p: It starts no DMA in VFIO's P2P states, either
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
 * struct iommufd_dirty_provider_ops - Operations of a provider, supplied by a driver
 * @get_caps: Fill in what the provider can do. @caps is zeroed
 * @start: Track the @nr ranges in @ranges, which ascend, do not touch each other,
 *	and begin and end at multiples of *@page_size times the granule; there is at
 *	least one. Set *@page_size, a power of two, to the page size that the device
 *	tracks by. If it is larger and the ranges are not multiples of it, iommufd
 *	stops the provider and starts it again with ranges that are. Once it has
 *	returned 0, no write to the ranges is missed. Return 0, or an error, after
 *	which nothing is tracked: -E2BIG if fewer ranges might work, -EFBIG if only
 *	smaller ones might, -EBUSY if another user has the device's tracking in use,
 *	-EOPNOTSUPP if the device cannot be tracked
 * @stop: Stop tracking, and forget what was dirty. Return 0, or an error, which is
 *	reported but has no other effect: @start may be called again
 * @read_and_clear: Mark in @sink, with its mark_range(), each tracked page from
 *	@iova to @last, inclusive, that the device has written to since the page
 *	was last marked, and clear that state. The range is within one of the
 *	ranges of the last @start or @update. It begins at a multiple of 64 pages
 *	from the start of that range, and ends at such a multiple or at the end of
 *	that range. Marks cannot fail, and may reach beyond the range. Return 0,
 *	or an error, after which iommufd treats the whole range as dirty; only the
 *	first error is reported to userspace
 * @update: Replace the tracked ranges, with the same page size; @ranges and @nr as
 *	for @start. Mark in @sink what is dirty in pages that are no longer tracked.
 *	No write to a page that is in both the old and the new ranges may be missed.
 *	Return 0, or an error, after which the old ranges are tracked as before.
 *	NULL if the driver cannot do this while the device runs
 * @hold: If the device has no DMA under way and starts none, keep its user from
 *	resuming it until @release, and return true; otherwise return false. NULL if
 *	the driver can never know
 * @release: Undo a @hold that returned true. Return false if the device may have
 *	started DMA in between nevertheless, for example after a reset. NULL if
 *	@hold is NULL
 *
 * The ops are called in process context, may sleep, and are not called after
 * iommufd_dirty_provider_unregister() has returned. Calls of @get_caps, @start, @stop,
 * @read_and_clear and @update are serialized. They can also be called between @hold
 * and @release, so they must not take a lock that the driver holds from @hold to
 * @release. During all calls, iommufd holds mutexes that registering and unregistering a
 * provider of the same device take, too.
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
 * struct iommufd_dirty_provider - Embedded in the driver's structure for its device
 * @ops: Its operations
 * @leaving: A driver that is going to unregister the provider sets it with WRITE_ONCE()
 *	before it takes locks that are held from @ops->hold to @ops->release: a START or
 *	UPDATE under way gives up
 * @quiet: A driver sets it before it unregisters the provider if the device starts no
 *	DMA until it is unbound: the recorded writes then stay complete. Otherwise
 *	everything that was tracked is treated as dirty
 */
struct iommufd_dirty_provider {
	const struct iommufd_dirty_provider_ops *ops;
	bool leaving;
	bool quiet;
};

/**
 * struct iommufd_dirty_log_call - A call of the user of a device, who logs its DMA
 * @driver: Call the driver with the user's own arguments, as if there were no trackers.
 *	Serialized with the ops of the provider
 * @failed: Read: return true if the last mark did not fit into the user's bitmap
 * @page_size: Start: in and out, the page size in bytes, for @driver, too
 * @nr: Start: number of ranges, at least one
 * @changed: Start: the driver has merged the ranges, or they were not valid
 */
struct iommufd_dirty_log_call {
	int (*driver)(struct iommufd_dirty_log_call *call);
	bool (*failed)(struct iommufd_dirty_log_call *call);
	u64 page_size;
	unsigned int nr;
	bool changed;
};

#ifdef CONFIG_IOMMUFD_DIRTY
int iommufd_dirty_provider_register(struct iommufd_device *idev,
				    struct iommufd_dirty_provider *provider);
void iommufd_dirty_provider_unregister(struct iommufd_device *idev,
				       struct iommufd_dirty_provider *provider);
int iommufd_dirty_log_start(struct iommufd_device *idev,
			    struct iommufd_dirty_log_call *call,
			    const struct iommufd_dirty_range *ranges);
int iommufd_dirty_log_stop(struct iommufd_device *idev,
			   struct iommufd_dirty_log_call *call);
int iommufd_dirty_log_read(struct iommufd_device *idev,
			   struct iommufd_dirty_log_call *call,
			   const struct iommufd_dirty_range *range,
			   struct iommu_dirty_sink *sink);
bool iommufd_dirty_log_end(struct iommufd_device *idev);
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
