// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fallback for a device: what its migration driver logs, by VFIO's device
 * features. Called with the tracker's lock held.
 */
#include <assert.h>

#include "internal.h"

#include <linux/vfio.h>

static int feature(struct idirty_tracker *t, enum idirty_verb verb, uint32_t what,
		   const void *arg, size_t size)
{
	struct {
		struct vfio_device_feature head;
		uint64_t arg[4];
	} cmd = {
		.head.argsz = sizeof(cmd.head) + size,
		.head.flags = what,
	};

	static_assert(offsetof(struct vfio_device_feature, data) == 8, "no gap");
	memcpy(cmd.head.data, arg, size);
	return call(verb, t->target.vfio_fd, VFIO_DEVICE_FEATURE, &cmd);
}

static int vfio_start(struct idirty_tracker *t, const struct idirty_range *ranges,
		      size_t num, uint64_t *page_size)
{
	struct vfio_device_feature_dma_logging_control control = {
		.page_size = MIN_PAGE,
		.num_ranges = num,
		.ranges = (uintptr_t)ranges,
	};

	static_assert(sizeof(*ranges) ==
		       sizeof(struct vfio_device_feature_dma_logging_range),
		       "the same layout");
	if (!num)
		return failed(IDIRTY_VERB_START, -EINVAL);
	*page_size = MIN_PAGE;
	return feature(t, IDIRTY_VERB_START, VFIO_DEVICE_FEATURE_SET |
		       VFIO_DEVICE_FEATURE_DMA_LOGGING_START, &control, sizeof(control));
}

static int vfio_stop(struct idirty_tracker *t)
{
	return feature(t, IDIRTY_VERB_STOP, VFIO_DEVICE_FEATURE_SET |
		       VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP, "", 0);
}

static int vfio_read(struct idirty_tracker *t, uint32_t flags, uint64_t iova,
		     uint64_t length, void *bitmap)
{
	struct vfio_device_feature_dma_logging_report report = {
		.iova = iova,
		.length = length,
		.page_size = MIN_PAGE,
		.bitmap = (uintptr_t)bitmap,
	};

	if (flags & IDIRTY_READ_NO_CLEAR)
		return failed(IDIRTY_VERB_READ, -EOPNOTSUPP);
	return feature(t, IDIRTY_VERB_READ, VFIO_DEVICE_FEATURE_GET |
		       VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT, &report, sizeof(report));
}

const struct fallback fallback_vfio = {
	.start = vfio_start,
	.stop = vfio_stop,
	.read = vfio_read,
	.weak = IDIRTY_WEAK_UNMAP | IDIRTY_WEAK_RANGES | IDIRTY_WEAK_SOFTWARE |
		IDIRTY_WEAK_EXCLUSIVE,
};
