// SPDX-License-Identifier: GPL-2.0-only
/*
 * The IOMMU driver of the software IOMMU: domains, attaching, mapping, dirty
 * tracking. Called by the IOMMU core, which iommufd and vfio use, and by iommufd,
 * under their locks. soft_device::inject_lock protects the injected faults.
 */
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <uapi/linux/iommufd.h>

#include "../dirty/pages.h"
#include "soft.h"

static bool skip_flush;
module_param(skip_flush, bool, 0644);
MODULE_PARM_DESC(skip_flush,
		 "For tests that must fail: harvests request no IOTLB flush");

/* What split_flush makes of the flush after a split or merge */
enum {
	SOFT_FLUSH_FULL,
	SOFT_FLUSH_LEAVES,
	SOFT_FLUSH_NOTHING,
};

static unsigned int split_flush;
module_param(split_flush, uint, 0644);
MODULE_PARM_DESC(split_flush,
		 "For tests that must fail: splits and merges flush only leaves (1) or nothing (2)");

struct iommu_device soft_iommu;

/**
 * soft_fault() - Check whether this call must fail
 * @sdev: The device
 * @op: The op that is called
 *
 * Return: 0 or the negative errno to fail with.
 */
int soft_fault(struct soft_device *sdev, enum soft_op op)
{
	struct soft_inject *inject = &sdev->inject;
	int rc = 0;

	/* Ops of several page tables and of the log run concurrently */
	spin_lock(&sdev->inject_lock);
	if (inject->op == op && inject->count) {
		if (inject->skip) {
			inject->skip--;
		} else {
			inject->count--;
			rc = -(int)clamp_t(u64, inject->error, 1, MAX_ERRNO);
		}
	}
	spin_unlock(&sdev->inject_lock);
	return rc;
}

/**
 * soft_pause() - Wait until a test lets the call go on
 * @sdev: The device
 * @hold: Its soft_inject::hold_flush or hold_attach
 *
 * Only a killed task stops waiting early, and then goes on: as on hardware, neither a
 * flush nor the second half of attaching can fail.
 */
void soft_pause(struct soft_device *sdev, const u64 *hold)
{
	atomic_inc(&sdev->held);
	wait_event_killable(sdev->holds, !READ_ONCE(*hold));
	atomic_dec(&sdev->held);
}

static int soft_block(SOFT_ATTACH_ARGS)
{
	soft_dma_attach(to_soft_device(dev), IOMMU_NO_PASID, NULL, 0);
	return 0;
}

static int soft_block_pasid(struct iommu_domain *domain, struct device *dev,
			    ioasid_t pasid, struct iommu_domain *old)
{
	soft_dma_attach(to_soft_device(dev), pasid, NULL, 0);
	return 0;
}

static const struct iommu_domain_ops soft_blocked_ops = {
	.attach_dev = soft_block,
	.set_dev_pasid = soft_block_pasid,
};

static struct iommu_domain soft_blocked_domain = {
	.type = IOMMU_DOMAIN_BLOCKED,
	.ops = &soft_blocked_ops,
};

/*
 * Only user space uses the devices. IOMMU_DOMAIN_BLOCKED is 0, which the core
 * takes for no wish without CONFIG_IOMMU_DMA, as on RISC-V.
 */
static struct iommu_domain soft_default_domain = {
	.type = IOMMU_DOMAIN_PLATFORM,
	.ops = &soft_blocked_ops,
};

static int soft_attach_to(struct device *dev, ioasid_t pasid,
			  struct soft_domain *domain, u64 offset)
{
	struct soft_device *sdev = to_soft_device(dev);
	int rc;

	if (domain->fmt != sdev->fmt)
		return -EINVAL;
	rc = soft_fault(sdev, SOFT_OP_ATTACH);
	if (rc)
		return rc;
	soft_dma_attach(sdev, pasid, domain, offset);
	return 0;
}

static int soft_attach(SOFT_ATTACH_ARGS)
{
	return soft_attach_to(dev, IOMMU_NO_PASID, to_soft_domain(domain), 0);
}

static int soft_attach_pasid(struct iommu_domain *domain, struct device *dev,
			     ioasid_t pasid, struct iommu_domain *old)
{
	return soft_attach_to(dev, pasid, to_soft_domain(domain), 0);
}

static int soft_map_pages(struct iommu_domain *domain, unsigned long iova,
			  phys_addr_t phys, size_t pgsize, size_t pgcount,
			  int prot, gfp_t gfp, size_t *mapped)
{
	struct soft_domain *soft = to_soft_domain(domain);
	struct iommu_pages_list freelist = IOMMU_PAGES_LIST_INIT(freelist);
	int rc;

	for (; pgcount; pgcount--) {
		rc = soft_table_map(soft, iova, phys, pgsize, prot, gfp);
		if (rc)
			goto err_unmap;
		iova += pgsize;
		phys += pgsize;
		*mapped += pgsize;
	}
	return 0;

err_unmap:
	/* Unmap the mapped part of this page; the caller unmaps the pages before it */
	soft_table_unmap(soft, iova, pgsize, &freelist);
	soft_dma_invalidate(soft, iova, iova + pgsize - 1, false);
	iommu_put_pages_list(&freelist);
	return rc;
}

static size_t soft_unmap_pages(struct iommu_domain *domain, unsigned long iova,
			       size_t pgsize, size_t pgcount,
			       struct iommu_iotlb_gather *gather)
{
	size_t size = pgsize * pgcount;

	soft_table_unmap(to_soft_domain(domain), iova, size, &gather->freelist);
	iommu_iotlb_gather_add_range(gather, iova, size);
	return size;
}

static void soft_iotlb_sync(struct iommu_domain *domain,
			    struct iommu_iotlb_gather *gather)
{
	struct soft_device *sdev = to_soft_domain(domain)->dev;

	/* Exiting tasks, and kernel threads that close files for them, cannot be killed */
	if (READ_ONCE(sdev->inject.hold_flush) &&
	    !(current->flags & (PF_EXITING | PF_KTHREAD)))
		soft_pause(sdev, &sdev->inject.hold_flush);
	/* As Intel's driver: if no table goes, no pointer to a table has changed */
	soft_dma_invalidate(to_soft_domain(domain), gather->start, gather->end,
			    iommu_pages_list_empty(&gather->freelist));
	iommu_put_pages_list(&gather->freelist);
}

static void soft_flush_iotlb_all(struct iommu_domain *domain)
{
	soft_dma_invalidate(to_soft_domain(domain), 0, ULONG_MAX, false);
}

static phys_addr_t soft_iova_to_phys(struct iommu_domain *domain,
				     dma_addr_t iova)
{
	struct soft_domain *soft = to_soft_domain(domain);
	unsigned int level;
	u64 *pte = soft_table_lookup(soft, iova, &level, false);

	return pte ? soft_phys(soft->fmt, READ_ONCE(*pte)) +
			     iova % BIT(soft_shift(level)) : 0;
}

static void soft_domain_free(struct iommu_domain *domain)
{
	struct soft_domain *soft = to_soft_domain(domain);

	soft_table_free(soft);
	kfree(soft);
}

static int soft_set_dirty_tracking(struct iommu_domain *domain, bool enable)
{
	struct soft_domain *soft = to_soft_domain(domain);
	int rc = soft_fault(soft->dev,
			    enable ? SOFT_OP_ENABLE : SOFT_OP_DISABLE);

	if (rc)
		return rc;
	WRITE_ONCE(soft->tracking, enable);
	/* Writes through translations cached before this set no dirty bit */
	soft_dma_invalidate(soft, 0, ULONG_MAX, true);
	return 0;
}

static void soft_dirty_table(const struct soft_domain *soft,
			     struct iommu_dirty_table *table)
{
	*table = (struct iommu_dirty_table){
		.root = soft->root,
		.top_level = soft->fmt->top_level,
		.bits = soft->fmt->bits,
		.page_shift = 12,
	};
}

static int soft_harvest(struct iommu_domain *domain,
			struct iommu_dirty_walk *walk)
{
	struct soft_domain *soft = to_soft_domain(domain);
	int rc = soft_fault(soft->dev, SOFT_OP_HARVEST);
	struct iommu_dirty_table table;

	soft_dirty_table(soft, &table);
	if (rc)
		walk->last = walk->iova + (walk->last - walk->iova) / 2;
	soft->fmt->walk(&table, walk);
	if (READ_ONCE(skip_flush)) {
		walk->flush_iova = ULONG_MAX;
		walk->flush_last = 0;
	}
	return rc;
}

static void soft_split_flush(struct iommu_domain *domain, unsigned long iova,
			     unsigned long last)
{
	unsigned int what = READ_ONCE(split_flush);

	if (what < SOFT_FLUSH_NOTHING)
		soft_dma_invalidate(to_soft_domain(domain), iova, last,
				    what == SOFT_FLUSH_LEAVES);
}

static int soft_split(struct iommu_domain *domain,
		      struct iommu_dirty_split *split, gfp_t gfp)
{
	struct soft_domain *soft = to_soft_domain(domain);
	struct iommu_dirty_pages pages;
	struct iommu_dirty_table table;

	soft_dirty_table(soft, &table);
	iommu_dirty_pages_init(&pages, split, NUMA_NO_NODE, gfp, SZ_4K);
	split->flags |= IOMMU_DIRTY_SPLIT_BBM2;
	return iommu_dirty_split_steps(domain, &table, split, soft->fmt->split,
				       soft_split_flush);
}

/* A port may still use the table if a flush was left out, so let it be lost */
static void soft_lose_table(struct iommu_dirty_tables *tables, u64 *table)
{
	if (READ_ONCE(split_flush) == SOFT_FLUSH_FULL)
		iommu_dirty_pages_free(tables, table);
}

static int soft_merge(struct iommu_domain *domain,
		      struct iommu_dirty_split *split)
{
	static const struct iommu_dirty_tables_ops tables_ops = {
		.free = soft_lose_table,
	};
	struct soft_domain *soft = to_soft_domain(domain);
	struct iommu_dirty_pages pages;
	struct iommu_dirty_table table;

	soft_dirty_table(soft, &table);
	iommu_dirty_pages_init(&pages, split, NUMA_NO_NODE, 0, SZ_4K);
	pages.tables.ops = &tables_ops;
	split->flags |= IOMMU_DIRTY_SPLIT_BBM2;
	return iommu_dirty_split_steps(domain, &table, split, soft->fmt->merge,
				       soft_split_flush);
}

static const struct iommu_dirty_ops soft_dirty_ops = {
	.set_dirty_tracking = soft_set_dirty_tracking,
	.harvest = soft_harvest,
	.split = soft_split,
	.merge = soft_merge,
};

static enum iommu_dirty_cost soft_dirty_cost(struct device *dev, u32 flags)
{
	return READ_ONCE(to_soft_device(dev)->inject.untrackable) ?
		       IOMMU_DIRTY_IMPOSSIBLE : IOMMU_DIRTY_FREE;
}

static void soft_dirty_describe(struct iommu_domain *domain,
				struct iommu_dirty_desc *desc)
{
	struct soft_domain *soft = to_soft_domain(domain);

	desc->format = soft->fmt->id;
	desc->split_reason = IOMMU_DIRTY_REASON_OK;
	if (domain->dirty_ops)
		desc->reason = IOMMU_DIRTY_REASON_OK;
	else if (READ_ONCE(soft->dev->inject.untrackable))
		desc->reason = IOMMU_DIRTY_REASON_NO_HW;
	else
		desc->reason = IOMMU_DIRTY_REASON_NOT_REQUESTED;
}

static bool soft_capable(struct device *dev, enum iommu_cap cap)
{
	return cap == IOMMU_CAP_CACHE_COHERENCY ||
	       (cap == IOMMU_CAP_DIRTY_TRACKING && soft_dirty_cost(dev, 0));
}

static struct iommu_domain *soft_alloc(struct device *dev, bool dirty)
{
	struct soft_domain *soft = kzalloc_obj(*soft, GFP_KERNEL_ACCOUNT);
	struct iommu_domain *domain;

	if (!soft)
		return ERR_PTR(-ENOMEM);
	soft->dev = to_soft_device(dev);
	soft->fmt = soft->dev->fmt;
	if (soft_table_init(soft)) {
		kfree(soft);
		return ERR_PTR(-ENOMEM);
	}

	domain = &soft->domain;
	domain->type = IOMMU_DOMAIN_UNMANAGED;
	domain->ops = soft_iommu_ops.default_domain_ops;
	domain->dirty_ops = dirty ? &soft_dirty_ops : NULL;
	domain->pgsize_bitmap = SZ_4K | SZ_2M | SZ_1G;
	domain->geometry.force_aperture = true;
	domain->geometry.aperture_end = BIT(soft->fmt->bits) - 1;
	return domain;
}

static int soft_attach_nested(SOFT_ATTACH_ARGS)
{
	struct soft_nested *nested =
		container_of(domain, struct soft_nested, domain);

	return soft_attach_to(dev, IOMMU_NO_PASID, nested->parent,
			      nested->offset);
}

static int soft_attach_nested_pasid(struct iommu_domain *domain,
				    struct device *dev, ioasid_t pasid,
				    struct iommu_domain *old)
{
	struct soft_nested *nested =
		container_of(domain, struct soft_nested, domain);

	return soft_attach_to(dev, pasid, nested->parent, nested->offset);
}

/* The offset never changes, so there is nothing to invalidate */
static int soft_invalidate_user(struct iommu_domain *domain,
				struct iommu_user_data_array *array)
{
	array->entry_num = 0;
	return -EOPNOTSUPP;
}

static void soft_free_nested(struct iommu_domain *domain)
{
	kfree(container_of(domain, struct soft_nested, domain));
}

static const struct iommu_domain_ops soft_nested_ops = {
	.attach_dev = soft_attach_nested,
	.set_dev_pasid = soft_attach_nested_pasid,
	.cache_invalidate_user = soft_invalidate_user,
	.free = soft_free_nested,
};

/**
 * soft_alloc_nested() - iommu_ops::domain_alloc_nested()
 * @dev: The device
 * @parent: The second stage
 * @flags: Must be 0, or IOMMU_HWPT_ALLOC_PASID
 * @user_data: struct soft_hwpt_data
 *
 * Return: the domain or an error pointer.
 */
struct iommu_domain *
soft_alloc_nested(struct device *dev, struct iommu_domain *parent, u32 flags,
		  const struct iommu_user_data *user_data)
{
	struct soft_nested *nested;
	struct soft_hwpt_data data;
	int rc;

	if (flags & ~SOFT_ALLOC_PASID)
		return ERR_PTR(-EOPNOTSUPP);
	if (parent->ops != soft_iommu_ops.default_domain_ops)
		return ERR_PTR(-EINVAL);
	rc = iommu_copy_struct_from_user(&data, user_data, SOFT_HWPT_DATA,
					 offset);
	if (rc)
		return ERR_PTR(rc);
	if (!IS_ALIGNED(data.offset, SZ_4K))
		return ERR_PTR(-EINVAL);

	nested = kzalloc_obj(*nested, GFP_KERNEL_ACCOUNT);
	if (!nested)
		return ERR_PTR(-ENOMEM);
	nested->domain.type = IOMMU_DOMAIN_NESTED;
	nested->domain.ops = &soft_nested_ops;
	nested->parent = to_soft_domain(parent);
	nested->offset = data.offset;
	return &nested->domain;
}

/**
 * soft_alloc_paging_flags() - iommu_ops::domain_alloc_paging_flags()
 * @dev: The device
 * @flags: IOMMU_HWPT_ALLOC_* flags
 * @user_data: Must be NULL
 *
 * Return: the domain or an error pointer.
 */
struct iommu_domain *
soft_alloc_paging_flags(struct device *dev, u32 flags,
			const struct iommu_user_data *user_data)
{
	if (user_data || (flags & ~(IOMMU_HWPT_ALLOC_DIRTY_TRACKING |
				    IOMMU_HWPT_ALLOC_NEST_PARENT |
				    SOFT_ALLOC_PASID)))
		return ERR_PTR(-EOPNOTSUPP);
	return soft_alloc(dev, flags & IOMMU_HWPT_ALLOC_DIRTY_TRACKING);
}

static struct iommu_device *soft_probe(struct device *dev)
{
	return &soft_iommu;
}

const struct iommu_ops soft_iommu_ops = {
	.default_domain = &soft_default_domain,
	.blocked_domain = &soft_blocked_domain,
	.capable = soft_capable,
	SOFT_ALLOC_OPS,
	.probe_device = soft_probe,
	.device_group = generic_device_group,
	.dirty_cost = soft_dirty_cost,
	.default_domain_ops = &(const struct iommu_domain_ops) {
		.attach_dev = soft_attach,
		.set_dev_pasid = soft_attach_pasid,
		.map_pages = soft_map_pages,
		.unmap_pages = soft_unmap_pages,
		.iotlb_sync = soft_iotlb_sync,
		.flush_iotlb_all = soft_flush_iotlb_all,
		.iova_to_phys = soft_iova_to_phys,
		.dirty_describe = soft_dirty_describe,
		.free = soft_domain_free,
	},
};
