// SPDX-License-Identifier: GPL-2.0-only
/*
 * Adaptor from vfio_log_ops to a provider of dirty information for iommufd's trackers.
 * A device whose driver has vfio_log_ops gets a provider while it is open and bound to
 * an iommufd. VFIO's core calls this file with vfio_device_set::lock held (and
 * vfio_group::group_lock, if a group is used) when it opens or closes a device, and
 * without locks when the user requests DMA logging or changes the migration state.
 * iommufd calls the ops.
 *
 * The device logs for its user and for trackers at the same time. iommufd keeps for each
 * of them what the driver has reported to another. Drivers need not know for whom they
 * log.
 */
#include <linux/container_of.h>
#include <linux/interval_tree.h>
#include <linux/iommu_dirty.h>
#include <linux/iommufd_dirty.h>
#include <linux/iova_bitmap.h>
#include <linux/limits.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/pm_runtime.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "dirty.h"

/* As for VFIO_DEVICE_FEATURE_DMA_LOGGING_START: drivers do not expect more */
#define LOG_MAX_RANGES \
	(PAGE_SIZE / sizeof(struct vfio_device_feature_dma_logging_range))

/*
 * Ranges are rounded to multiples of this many pages unless the driver sets
 * VFIO_LOG_ANY_RANGE: drivers often copy whole words, and lose bits after the last one
 */
#define LOG_GRANULE	64

/**
 * struct vfio_dirty - Dirty tracking of an open device
 * @provider: iommufd's part
 * @device: The device
 * @state_mutex: Held while the migration state changes, and while it must not change
 * @max_ranges: Maximum number of ranges that the driver is known to accept; protected
 *	by the serialization of the ops of @provider
 * @closing: The device can start no more DMA; protected by @state_mutex
 */
struct vfio_dirty {
	struct iommufd_dirty_provider provider;
	struct vfio_device *device;
	struct mutex state_mutex;	/* see above */
	unsigned int max_ranges;
	bool closing;
};

static struct vfio_dirty *to_dirty(struct iommufd_dirty_provider *provider)
{
	return container_of(provider, struct vfio_dirty, provider);
}

/* VFIO's core does this around each ioctl of the user, and drivers rely on it */
static int vfio_dirty_wake(struct vfio_dirty *dirty)
{
	struct device *dev = dirty->device->dev;

	if (dev->driver && dev->driver->pm && pm_runtime_resume_and_get(dev))
		return -EIO;
	return 0;
}

static void vfio_dirty_let_sleep(struct vfio_dirty *dirty)
{
	struct device *dev = dirty->device->dev;

	if (dev->driver && dev->driver->pm)
		pm_runtime_put(dev);
}

static void vfio_dirty_get_caps(struct iommufd_dirty_provider *provider,
				struct iommufd_dirty_caps *caps)
{
	struct vfio_dirty *dirty = to_dirty(provider);
	struct vfio_device *device = dirty->device;

	/* Other limits are unknown before the driver starts */
	caps->max_ranges = dirty->max_ranges;
	caps->granule = device->log_ops->flags & VFIO_LOG_ANY_RANGE ?
				1 : LOG_GRANULE;
	caps->quiesces = device->mig_ops;
	caps->quiesces_p2p =
		device->mig_ops &&
		(device->migration_flags & VFIO_MIGRATION_P2P) &&
		(device->log_ops->flags & VFIO_LOG_P2P_STOPS_DMA);
}

/*
 * Drivers merge ranges without notice if there are too many. iommufd must know which
 * ranges are tracked and where each begins, so it must merge them itself. The number
 * of ranges that the driver has left is the maximum.
 */
static unsigned int vfio_dirty_count(struct rb_root_cached *root)
{
	struct rb_node *node;
	unsigned int nr = 0;

	for (node = rb_first_cached(root); node; node = rb_next(node))
		nr++;
	return nr;
}

/*
 * A driver may fail with -EOPNOTSUPP because the ranges are too large. Returns true if
 * it can log the first GiB.
 */
static bool vfio_dirty_is_too_much(struct vfio_dirty *dirty,
				   const struct iommufd_dirty_range *ranges,
				   unsigned int nr, u64 page_size)
{
	const struct vfio_log_ops *ops = dirty->device->log_ops;
	struct rb_root_cached root = RB_ROOT_CACHED;
	struct interval_tree_node node = {
		.start = ranges->iova,
		.last = ranges->last,
	};
	u64 little = max_t(u64, SZ_1G, page_size * LOG_GRANULE);

	if (ranges->last - ranges->iova >= little)
		node.last = ranges->iova + (little - 1);
	else if (nr == 1)
		return false;
	interval_tree_insert(&node, &root);
	if (ops->log_start(dirty->device, &root, 1, &page_size))
		return false;
	ops->log_stop(dirty->device);
	return true;
}

static int vfio_dirty_log(struct vfio_dirty *dirty, struct rb_root_cached *root,
			  const struct iommufd_dirty_range *ranges,
			  unsigned int nr, u64 *page_size)
{
	struct vfio_device *device = dirty->device;
	u64 asked = *page_size;
	unsigned int left;
	int rc;

	rc = vfio_dirty_wake(dirty);
	if (rc)
		return rc;
	rc = device->log_ops->log_start(device, root, nr, page_size);
	left = vfio_dirty_count(root);
	if (left < nr) {
		if (!rc)
			device->log_ops->log_stop(device);
		dirty->max_ranges = left;
		rc = -E2BIG;
	} else if (rc == -EOPNOTSUPP &&
		   vfio_dirty_is_too_much(dirty, ranges, nr, asked)) {
		rc = -EFBIG;
	}
	vfio_dirty_let_sleep(dirty);
	return rc;
}

static int vfio_dirty_start(struct iommufd_dirty_provider *provider,
			    const struct iommufd_dirty_range *ranges,
			    unsigned int nr, u64 *page_size)
{
	struct vfio_dirty *dirty = to_dirty(provider);
	struct rb_root_cached root = RB_ROOT_CACHED;
	struct interval_tree_node *nodes;
	unsigned int i;
	int rc;

	/* VFIO never passes a range up to the end of the address space to a driver */
	if (ranges[nr - 1].last == ULONG_MAX)
		return -EOVERFLOW;
	nodes = kcalloc(nr, sizeof(*nodes), GFP_KERNEL_ACCOUNT);
	if (!nodes)
		return -ENOMEM;
	for (i = 0; i < nr; i++) {
		nodes[i].start = ranges[i].iova;
		nodes[i].last = ranges[i].last;
		interval_tree_insert(&nodes[i], &root);
	}

	rc = vfio_dirty_log(dirty, &root, ranges, nr, page_size);
	kfree(nodes);
	return rc;
}

static int vfio_dirty_stop(struct iommufd_dirty_provider *provider)
{
	struct vfio_dirty *dirty = to_dirty(provider);
	int asleep = vfio_dirty_wake(dirty);
	int rc;

	rc = dirty->device->log_ops->log_stop(dirty->device);
	if (!asleep)
		vfio_dirty_let_sleep(dirty);
	return rc;
}

static int vfio_dirty_report(struct iova_bitmap *bitmap, unsigned long iova,
			     size_t length, void *opaque)
{
	struct vfio_device *device = opaque;

	return device->log_ops->log_read_and_clear(device, iova, length,
						   bitmap);
}

/* A driver that fails may have cleared bits: the caller treats the range as dirty */
static int vfio_dirty_read_and_clear(struct iommufd_dirty_provider *provider,
				     unsigned long iova, unsigned long last,
				     struct iommu_dirty_sink *sink)
{
	struct vfio_dirty *dirty = to_dirty(provider);
	struct iova_bitmap *bitmap;
	int rc;

	bitmap = iova_bitmap_alloc_sink(iova, last - iova + 1, sink);
	if (IS_ERR(bitmap))
		return PTR_ERR(bitmap);
	rc = vfio_dirty_wake(dirty);
	if (rc)
		goto out_free;
	rc = iova_bitmap_for_each(bitmap, dirty->device, vfio_dirty_report);
	vfio_dirty_let_sleep(dirty);
out_free:
	iova_bitmap_free(bitmap);
	return rc;
}

/*
 * In a P2P state VFIO only requires that a device starts no DMA to its peers. A device
 * that can distinguish them from memory may continue to write to memory.
 */
static bool vfio_dirty_quiescent(struct vfio_dirty *dirty)
{
	struct vfio_device *device = dirty->device;
	enum vfio_device_mig_state state;

	lockdep_assert_held(&dirty->state_mutex);

	if (dirty->closing)
		return true;
	if (!device->mig_ops ||
	    device->mig_ops->migration_get_state(device, &state))
		return false;
	switch (state) {
	case VFIO_DEVICE_STATE_STOP:
	case VFIO_DEVICE_STATE_STOP_COPY:
	case VFIO_DEVICE_STATE_RESUMING:
		return true;
	case VFIO_DEVICE_STATE_RUNNING_P2P:
	case VFIO_DEVICE_STATE_PRE_COPY_P2P:
		return device->log_ops->flags & VFIO_LOG_P2P_STOPS_DMA;
	default:
		return false;
	}
}

static bool vfio_dirty_hold(struct iommufd_dirty_provider *provider)
{
	struct vfio_dirty *dirty = to_dirty(provider);

	mutex_lock(&dirty->state_mutex);
	if (vfio_dirty_quiescent(dirty))
		return true;
	mutex_unlock(&dirty->state_mutex);
	return false;
}

/* The user could not resume the device, but may have reset it, which ends in RUNNING */
static bool vfio_dirty_release(struct iommufd_dirty_provider *provider)
{
	struct vfio_dirty *dirty = to_dirty(provider);
	bool quiescent = vfio_dirty_quiescent(dirty);

	mutex_unlock(&dirty->state_mutex);
	return quiescent;
}

static const struct iommufd_dirty_provider_ops vfio_dirty_ops = {
	.get_caps = vfio_dirty_get_caps,
	.start = vfio_dirty_start,
	.stop = vfio_dirty_stop,
	.read_and_clear = vfio_dirty_read_and_clear,
	.hold = vfio_dirty_hold,
	.release = vfio_dirty_release,
};

/**
 * vfio_dirty_open() - Register a provider for a device that has been opened
 * @device: The device, after vfio_device_ops::open_device
 *
 * Return: 0 or a negative errno.
 */
int vfio_dirty_open(struct vfio_device *device)
{
	struct vfio_dirty *dirty;
	int rc;

	if (!device->log_ops || !device->iommufd_device)
		return 0;
	dirty = kzalloc_obj(*dirty, GFP_KERNEL_ACCOUNT);
	if (!dirty)
		return -ENOMEM;
	dirty->provider.ops = &vfio_dirty_ops;
	dirty->max_ranges = LOG_MAX_RANGES;
	dirty->device = device;
	mutex_init(&dirty->state_mutex);
	rc = iommufd_dirty_provider_register(device->iommufd_device,
					     &dirty->provider);
	if (rc) {
		kfree(dirty);
		/* The driver has already registered a provider */
		return rc == -EBUSY ? 0 : rc;
	}
	device->dirty = dirty;
	return 0;
}

#ifdef CONFIG_PCI
/* The user cannot turn DMA on again: the device's last file is being closed */
static void vfio_dirty_stop_dma(struct vfio_dirty *dirty)
{
	struct pci_dev *pdev;

	if (!dev_is_pci(dirty->device->dev))
		return;
	pdev = to_pci_dev(dirty->device->dev);
	pci_clear_master(pdev);
	dirty->closing = pci_wait_for_pending_transaction(pdev);
}
#else
static void vfio_dirty_stop_dma(struct vfio_dirty *dirty)
{
}
#endif

/**
 * vfio_dirty_close() - Unregister the provider of a device that is being closed
 * @device: The device, before vfio_device_ops::close_device
 *
 * If a tracker runs, this first turns off the DMA of a PCI device, as vfio-pci would do
 * later anyway. The trackers then know exactly what the device has written.
 */
void vfio_dirty_close(struct vfio_device *device)
{
	struct vfio_dirty *dirty = device->dirty;
	bool tracked;
	int asleep;

	if (!dirty)
		return;
	asleep = vfio_dirty_wake(dirty);
	WRITE_ONCE(dirty->provider.leaving, true);
	tracked = iommufd_dirty_log_end(device->iommufd_device);
	mutex_lock(&dirty->state_mutex);
	if (tracked)
		vfio_dirty_stop_dma(dirty);
	dirty->provider.quiet = dirty->closing;
	mutex_unlock(&dirty->state_mutex);
	iommufd_dirty_provider_unregister(device->iommufd_device,
					  &dirty->provider);
	if (!asleep)
		vfio_dirty_let_sleep(dirty);
	device->dirty = NULL;
	kfree(dirty);
}

/**
 * vfio_dirty_set_state() - Call vfio_migration_ops::migration_set_state
 * @device: The device
 * @state: The new state
 *
 * Waits while an UPDATE of a tracker relies on the old state.
 *
 * Return: what the driver returns, or ERR_PTR(-EINTR) if killed while it waits.
 */
struct file *vfio_dirty_set_state(struct vfio_device *device,
				  enum vfio_device_mig_state state)
{
	struct vfio_dirty *dirty = device->dirty;
	struct file *filp;

	if (dirty && mutex_lock_killable(&dirty->state_mutex))
		return ERR_PTR(-EINTR);
	filp = device->mig_ops->migration_set_state(device, state);
	if (dirty)
		mutex_unlock(&dirty->state_mutex);
	return filp;
}

/**
 * struct vfio_log_call - A call of the driver's vfio_log_ops for the user
 * @call: iommufd's part
 * @device: The device
 * @ranges: Start: as for the driver
 * @nnodes: Same
 * @iova: Read: as for the driver
 * @length: Same
 * @bitmap: Same
 */
struct vfio_log_call {
	struct iommufd_dirty_log_call call;
	struct vfio_device *device;
	struct rb_root_cached *ranges;
	u32 nnodes;
	unsigned long iova;
	size_t length;
	struct iova_bitmap *bitmap;
};

static int vfio_log_call_start(struct iommufd_dirty_log_call *call)
{
	struct vfio_log_call *log =
		container_of(call, struct vfio_log_call, call);
	int rc;

	rc = log->device->log_ops->log_start(log->device, log->ranges,
					     log->nnodes, &call->page_size);
	if (vfio_dirty_count(log->ranges) != log->nnodes)
		call->changed = true;
	return rc;
}

static bool vfio_log_call_failed(struct iommufd_dirty_log_call *call)
{
	return iova_bitmap_error(container_of(call, struct vfio_log_call,
					      call)->bitmap);
}

static int vfio_log_call_stop(struct iommufd_dirty_log_call *call)
{
	struct vfio_log_call *log =
		container_of(call, struct vfio_log_call, call);

	return log->device->log_ops->log_stop(log->device);
}

static int vfio_log_call_read(struct iommufd_dirty_log_call *call)
{
	struct vfio_log_call *log =
		container_of(call, struct vfio_log_call, call);

	return log->device->log_ops->log_read_and_clear(log->device, log->iova,
							log->length,
							log->bitmap);
}

/* True if VFIO's core has let an empty range pass, or one up to the end of all addresses */
static bool vfio_log_odd(const struct interval_tree_node *node)
{
	return node->last < node->start || node->last == ULONG_MAX;
}

/* The driver may change the tree, so copy the ranges first */
static struct iommufd_dirty_range *vfio_log_ranges(struct vfio_log_call *log)
{
	struct iommufd_dirty_range *ranges;
	struct rb_node *rb;
	unsigned int nr = 0;

	ranges = kvcalloc(log->nnodes, sizeof(*ranges), GFP_KERNEL_ACCOUNT);
	if (!ranges)
		return NULL;
	for (rb = rb_first_cached(log->ranges); rb; rb = rb_next(rb)) {
		struct interval_tree_node *node =
			rb_entry(rb, struct interval_tree_node, rb);

		ranges[nr].iova = node->start;
		ranges[nr++].last = vfio_log_odd(node) ? node->start :
							 node->last;
		log->call.changed |= vfio_log_odd(node);
	}
	return ranges;
}

/**
 * vfio_dirty_log_start() - Call vfio_log_ops::log_start for the user
 * @device: The device
 * @ranges: As for the driver
 * @nnodes: Same
 * @page_size: Same
 *
 * Return: see iommufd_dirty_log_start().
 */
int vfio_dirty_log_start(struct vfio_device *device,
			 struct rb_root_cached *ranges, u32 nnodes,
			 u64 *page_size)
{
	struct vfio_log_call log = {
		.call.driver = vfio_log_call_start,
		.call.page_size = *page_size,
		.call.nr = nnodes,
		.device = device,
		.ranges = ranges,
		.nnodes = nnodes,
	};
	struct iommufd_dirty_range *copy;
	int rc;

	if (!device->dirty)
		return device->log_ops->log_start(device, ranges, nnodes,
						  page_size);
	copy = vfio_log_ranges(&log);
	if (!copy)
		return -ENOMEM;
	rc = iommufd_dirty_log_start(device->iommufd_device, &log.call, copy);
	*page_size = log.call.page_size;
	kvfree(copy);
	return rc;
}

/**
 * vfio_dirty_log_stop() - Call vfio_log_ops::log_stop for the user
 * @device: The device
 *
 * Return: see iommufd_dirty_log_stop().
 */
int vfio_dirty_log_stop(struct vfio_device *device)
{
	struct vfio_log_call log = {
		.call.driver = vfio_log_call_stop,
		.device = device,
	};

	if (!device->dirty)
		return device->log_ops->log_stop(device);
	return iommufd_dirty_log_stop(device->iommufd_device, &log.call);
}

/**
 * struct vfio_log_sink - Marks in the bitmap of the user
 * @sink: The sink
 * @bitmap: The bitmap
 */
struct vfio_log_sink {
	struct iommu_dirty_sink sink;
	struct iova_bitmap *bitmap;
};

static void vfio_log_mark_range(struct iommu_dirty_sink *sink,
				unsigned long iova, unsigned long last)
{
	iova_bitmap_set(container_of(sink, struct vfio_log_sink, sink)->bitmap,
			iova, last - iova + 1);
}

static const struct iommu_dirty_sink_ops vfio_log_sink_ops = {
	.mark_mask = iommu_dirty_mark_runs,
	.mark_range = vfio_log_mark_range,
};

/**
 * vfio_dirty_log_read() - Call vfio_log_ops::log_read_and_clear for the user
 * @device: The device
 * @iova: As for the driver
 * @length: Same
 * @bitmap: Same
 *
 * Return: see iommufd_dirty_log_read().
 */
int vfio_dirty_log_read(struct vfio_device *device, unsigned long iova,
			size_t length, struct iova_bitmap *bitmap)
{
	const struct iommufd_dirty_range range = {
		.iova = iova,
		.last = iova + (length - 1),
	};
	struct vfio_log_call log = {
		.call.driver = vfio_log_call_read,
		.call.failed = vfio_log_call_failed,
		.device = device,
		.iova = iova,
		.length = length,
		.bitmap = bitmap,
	};
	struct vfio_log_sink sink = {
		.sink.ops = &vfio_log_sink_ops,
		.bitmap = bitmap,
	};

	/* VFIO's core does not check the length; an empty range has no last byte */
	if (!device->dirty || !length)
		return device->log_ops->log_read_and_clear(device, iova, length,
							   bitmap);
	return iommufd_dirty_log_read(device->iommufd_device, &log.call, &range,
				      &sink.sink);
}
