// SPDX-License-Identifier: GPL-2.0-only
/*
 * iommu_dirty_ops::read_and_clear_dirty() for IOMMU drivers that implement
 * harvest(). The per-HWPT ioctls of iommufd call it with iova_rwsem held for read
 * while no tracker runs on the IOAS. It takes no lock.
 */
#include <linux/container_of.h>
#include <linux/export.h>
#include <linux/iommu.h>
#include <linux/iommu_dirty.h>

struct legacy_sink {
	struct iommu_dirty_sink sink;
	struct iommu_dirty_bitmap *dirty;
};

static void legacy_mark_range(struct iommu_dirty_sink *sink,
			      unsigned long iova, unsigned long last)
{
	struct legacy_sink *legacy =
		container_of(sink, struct legacy_sink, sink);

	iommu_dirty_bitmap_record(legacy->dirty, iova, last - iova + 1);
}

static const struct iommu_dirty_sink_ops legacy_sink_ops = {
	.mark_mask = iommu_dirty_mark_runs,
	.mark_range = legacy_mark_range,
};

/**
 * iommu_dirty_read_and_clear() - read_and_clear_dirty() on top of harvest()
 * @domain: Domain with iommu_dirty_ops::harvest
 * @iova: First byte of the range
 * @size: Size of the range in bytes, not 0
 * @flags: IOMMU_DIRTY_NO_CLEAR or 0
 * @dirty: Bitmap and IOTLB gather of the caller; the caller flushes
 *
 * Context: Same as iommu_dirty_ops::harvest.
 * Return: 0, or what harvest() returns.
 */
int iommu_dirty_read_and_clear(struct iommu_domain *domain, unsigned long iova,
			       size_t size, unsigned long flags,
			       struct iommu_dirty_bitmap *dirty)
{
	struct legacy_sink legacy = {
		.sink.ops = &legacy_sink_ops,
		.dirty = dirty,
	};
	struct iommu_dirty_walk walk;

	iommu_dirty_walk_init(&walk, &legacy.sink,
			      flags & IOMMU_DIRTY_NO_CLEAR ?
				      IOMMU_DIRTY_WALK_NO_CLEAR : 0);
	walk.iova = iova;
	walk.last = iova + size - 1;
	return domain->dirty_ops->harvest(domain, &walk);
}
EXPORT_SYMBOL_GPL(iommu_dirty_read_and_clear);
