// SPDX-License-Identifier: GPL-2.0-only
/*
 * A provider of dirty information for devices that log their writes, like a migration
 * driver. For tests, each op can be made to fail and the limits can be set. dma.c logs
 * each write with soft_port::lock held, vfio.c registers the provider at the user's
 * request, iommufd calls the ops under its locks.
 *
 * The bit of a page is set after the data has been written: a reader that clears it
 * and then copies the page gets the data. soft_log::lock is held while bits are set and
 * while the ranges are replaced. Only ops clear bits, one op at a time.
 */
#include <linux/bitmap.h>
#include <linux/delay.h>
#include <linux/iommu_dirty.h>
#include <linux/iommufd.h>
#include <linux/iommufd_dirty.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "soft.h"

MODULE_IMPORT_NS("IOMMUFD");

/* Maximum number of pages of a logged range */
#define LOG_MAX_PAGES	BIT(26)

static struct soft_log *to_log(struct iommufd_dirty_provider *provider)
{
	return container_of(provider, struct soft_log, provider);
}

static struct soft_device *log_dev(struct soft_log *log)
{
	return container_of(log, struct soft_device, log);
}

static unsigned long log_bits(const struct soft_log_range *range,
			      unsigned int shift)
{
	return ((range->last - range->iova) >> shift) + 1;
}

static void log_free(struct soft_log_ranges *ranges)
{
	unsigned int i;

	if (!ranges)
		return;
	for (i = 0; i < ranges->nr; i++)
		kvfree(ranges->range[i].bits);
	kvfree(ranges);
}

static bool log_fits(const struct iommufd_dirty_range *ranges, unsigned int nr,
		     unsigned int shift)
{
	while (nr--)
		if ((ranges[nr].last - ranges[nr].iova) >> shift >=
		    LOG_MAX_PAGES)
			return false;
	return true;
}

static struct soft_log_ranges *
log_alloc(const struct iommufd_dirty_range *from, unsigned int nr,
	  unsigned int shift)
{
	struct soft_log_ranges *ranges;
	unsigned long mask = BIT(shift) - 1;
	unsigned int i;

	ranges = kvzalloc(struct_size(ranges, range, nr), GFP_KERNEL_ACCOUNT);
	if (!ranges)
		return NULL;
	for (i = 0; i < nr; i++) {
		struct soft_log_range *range = &ranges->range[i];

		/* Log whole pages at the ends */
		range->iova = from[i].iova & ~mask;
		range->last = from[i].last | mask;
		range->bits = kvcalloc(BITS_TO_LONGS(log_bits(range, shift)),
				       sizeof(long), GFP_KERNEL_ACCOUNT);
		if (!range->bits) {
			log_free(ranges);
			return NULL;
		}
		ranges->nr++;
	}
	ranges->shift = shift;
	return ranges;
}

static void log_set(struct soft_log_ranges *ranges, unsigned long iova,
		    unsigned long last)
{
	unsigned int i;

	for (i = 0; i < ranges->nr; i++) {
		struct soft_log_range *range = &ranges->range[i];
		unsigned long first = max(iova, range->iova);
		unsigned long end = min(last, range->last);

		if (first > end)
			continue;
		first = (first - range->iova) >> ranges->shift;
		end = (end - range->iova) >> ranges->shift;
		for (; first <= end; first++)
			set_bit(first, range->bits);
	}
}

/**
 * soft_log_write() - Log a write of the device
 * @log: The log of the device
 * @iova: First byte
 * @len: Bytes, at least one
 *
 * Context: any that may take a spinlock.
 */
void soft_log_write(struct soft_log *log, unsigned long iova, size_t len)
{
	spin_lock(&log->lock);
	if (log->ranges)
		log_set(log->ranges, iova, iova + len - 1);
	spin_unlock(&log->lock);
}

static struct soft_log_ranges *log_swap(struct soft_log *log,
					struct soft_log_ranges *ranges)
{
	spin_lock(&log->lock);
	swap(log->ranges, ranges);
	spin_unlock(&log->lock);
	return ranges;
}

/* Mark the pages whose bits are set, from @first to @last, and clear the bits */
static void log_report(struct soft_log_ranges *ranges,
		       struct soft_log_range *range, unsigned long first,
		       unsigned long last, struct iommu_dirty_sink *sink)
{
	unsigned long bit = first;

	for_each_set_bit_from(bit, range->bits, last + 1) {
		unsigned long iova = range->iova + (bit << ranges->shift);

		clear_bit(bit, range->bits);
		sink->ops->mark_range(sink, iova,
				      iova + (BIT(ranges->shift) - 1));
	}
}

/* iommufd guarantees this */
static bool log_aligned(const struct iommufd_dirty_range *ranges,
			unsigned int nr, u64 page_size)
{
	while (nr--)
		if (!IS_ALIGNED(ranges[nr].iova, page_size) ||
		    !IS_ALIGNED(ranges[nr].last + 1, page_size))
			return false;
	return true;
}

static void soft_get_caps(struct iommufd_dirty_provider *provider,
			  struct iommufd_dirty_caps *caps)
{
	const struct soft_inject *inject = &log_dev(to_log(provider))->inject;

	caps->page_sizes = ~(max(inject->granule, SZ_4K) - 1);
	caps->granule = inject->multiple;
	caps->max_ranges = inject->max_ranges;
	caps->max_span = inject->max_span;
	caps->quiesces = provider->ops->hold;
}

static int soft_start(struct iommufd_dirty_provider *provider,
		      const struct iommufd_dirty_range *ranges, unsigned int nr,
		      u64 *page_size)
{
	struct soft_log *log = to_log(provider);
	u64 multiple = log_dev(log)->inject.multiple ?: 1;
	struct soft_log_ranges *new;
	int rc;

	rc = soft_fault(log_dev(log), SOFT_OP_START);
	if (rc)
		return rc;
	if (!log_aligned(ranges, nr, *page_size * multiple))
		return -EINVAL;
	*page_size = max3(*page_size, log_dev(log)->inject.granule, SZ_4K);
	if (!log_fits(ranges, nr, ilog2(*page_size)))
		return -E2BIG;
	new = log_alloc(ranges, nr, ilog2(*page_size));
	if (!new)
		return -ENOMEM;
	/* From now on every write is logged */
	log_free(log_swap(log, new));
	return 0;
}

static int soft_stop(struct iommufd_dirty_provider *provider)
{
	struct soft_log *log = to_log(provider);

	log_free(log_swap(log, NULL));
	return soft_fault(log_dev(log), SOFT_OP_STOP);
}

static int soft_read_and_clear(struct iommufd_dirty_provider *provider,
			       unsigned long iova, unsigned long last,
			       struct iommu_dirty_sink *sink)
{
	struct soft_log *log = to_log(provider);
	struct soft_log_ranges *ranges = log->ranges;
	u64 stray = log_dev(log)->inject.stray;
	unsigned int i;
	int rc = soft_fault(log_dev(log), SOFT_OP_READ);

	if (log_dev(log)->inject.slow)
		fsleep(log_dev(log)->inject.slow);
	for (i = 0; i < ranges->nr; i++) {
		struct soft_log_range *range = &ranges->range[i];
		unsigned long first, end;

		if (last < range->iova || iova > range->last)
			continue;
		first = (max(iova, range->iova) - range->iova) >> ranges->shift;
		end = (min(last, range->last) - range->iova) >> ranges->shift;
		/* A read that fails forgets the dirty pages without marking them */
		if (rc)
			bitmap_clear(range->bits, first, end - first + 1);
		else
			log_report(ranges, range, first, end, sink);
	}
	if (stray)
		sink->ops->mark_range(sink, stray, stray + SZ_4K - 1);
	return rc;
}

/* Hand over what is still logged, and report the rest */
static void log_move(struct soft_log_ranges *from, struct soft_log_ranges *to,
		     struct iommu_dirty_sink *sink)
{
	unsigned long size = BIT(from->shift), bit;
	struct iommufd_dirty_range page;
	unsigned int i, j;

	for (i = 0; i < from->nr; i++) {
		struct soft_log_range *range = &from->range[i];

		for_each_set_bit(bit, range->bits, log_bits(range, from->shift)) {
			page.iova = range->iova + bit * size;
			page.last = page.iova + (size - 1);
			for (j = 0; j < to->nr; j++)
				if (page.iova >= to->range[j].iova &&
				    page.last <= to->range[j].last)
					break;
			if (j < to->nr)
				log_set(to, page.iova, page.last);
			else
				sink->ops->mark_range(sink, page.iova,
						      page.last);
		}
	}
}

static int soft_update(struct iommufd_dirty_provider *provider,
		       const struct iommufd_dirty_range *ranges,
		       unsigned int nr, struct iommu_dirty_sink *sink)
{
	struct soft_log *log = to_log(provider);
	struct soft_log_ranges *old, *new;
	int rc;

	rc = soft_fault(log_dev(log), SOFT_OP_UPDATE);
	if (rc)
		return rc;
	if (!log_aligned(ranges, nr, BIT(log->ranges->shift)))
		return -EINVAL;
	if (!log_fits(ranges, nr, log->ranges->shift))
		return -E2BIG;
	new = log_alloc(ranges, nr, log->ranges->shift);
	if (!new)
		return -ENOMEM;
	old = log_swap(log, new);
	log_move(old, new, sink);
	log_free(old);
	return 0;
}

/* The device is quiescent if no thread runs and, by the lock, no register starts DMA */
static bool soft_hold(struct iommufd_dirty_provider *provider)
{
	struct soft_device *sdev = log_dev(to_log(provider));

	mutex_lock(&sdev->lock);
	if (soft_fault(sdev, SOFT_OP_HOLD))
		soft_dma_run(sdev, SOFT_CMD_RUN | SOFT_CMD_TO_RAM);
	if (!atomic_read(&sdev->running))
		return true;
	mutex_unlock(&sdev->lock);
	return false;
}

static bool soft_release(struct iommufd_dirty_provider *provider)
{
	struct soft_device *sdev = log_dev(to_log(provider));
	bool quiet = !soft_fault(sdev, SOFT_OP_RELEASE);

	mutex_unlock(&sdev->lock);
	return quiet;
}

static const struct iommufd_dirty_provider_ops soft_ops = {
	.get_caps = soft_get_caps,
	.start = soft_start,
	.stop = soft_stop,
	.read_and_clear = soft_read_and_clear,
	.hold = soft_hold,
	.release = soft_release,
};

static const struct iommufd_dirty_provider_ops soft_live_ops = {
	.get_caps = soft_get_caps,
	.start = soft_start,
	.stop = soft_stop,
	.read_and_clear = soft_read_and_clear,
	.update = soft_update,
	.hold = soft_hold,
	.release = soft_release,
};

static const struct iommufd_dirty_provider_ops soft_busy_ops = {
	.get_caps = soft_get_caps,
	.start = soft_start,
	.stop = soft_stop,
	.read_and_clear = soft_read_and_clear,
};

static const struct iommufd_dirty_provider_ops *const soft_kinds[] = {
	[SOFT_PROVIDER_PLAIN] = &soft_ops,
	[SOFT_PROVIDER_LIVE] = &soft_live_ops,
	[SOFT_PROVIDER_BUSY] = &soft_busy_ops,
};

/**
 * soft_log_init() - Initialize the log of a device, without ranges
 * @log: The log
 */
void soft_log_init(struct soft_log *log)
{
	spin_lock_init(&log->lock);
	mutex_init(&log->provider_mutex);
}

/**
 * soft_log_offer() - Replace the provider of a device
 * @log: The log of the device
 * @idev: The device as bound to an iommufd, or NULL if it is not bound
 * @kind: SOFT_PROVIDER_*
 *
 * Context: soft_device::lock is not held, as iommufd calls soft_hold().
 * Return: 0 or a negative errno.
 */
int soft_log_offer(struct soft_log *log, struct iommufd_device *idev, u64 kind)
{
	int rc = 0;

	if (!idev || kind >= ARRAY_SIZE(soft_kinds))
		return -EINVAL;
	mutex_lock(&log->provider_mutex);
	if (log->provider.ops)
		iommufd_dirty_provider_unregister(idev, &log->provider);
	log->provider.quiet = false;
	log->provider.ops = soft_kinds[kind];
	if (log->provider.ops)
		rc = iommufd_dirty_provider_register(idev, &log->provider);
	if (rc)
		log->provider.ops = NULL;
	mutex_unlock(&log->provider_mutex);
	return rc;
}
