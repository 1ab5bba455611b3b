/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A page table of generic_pt without a driver, for tests and benchmarks: Linux 7.3's
 * pgtable_kunit_base.c and bench_base.c. It takes no lock but its own.
 */
#ifndef __IOMMU_DIRTY_GPT_H
#define __IOMMU_DIRTY_GPT_H

#include <linux/generic_pt/iommu.h>
#include <linux/numa.h>
#include <linux/spinlock.h>

struct gpt {
	union {
		struct iommu_domain domain;
		struct pt_iommu iommu;
		struct pt_iommu_amdv1 amdv1;
		struct pt_iommu_vtdss vtdss;
		struct pt_iommu_x86_64 x86_64;
	};
	spinlock_t lock;	/* held while levels are added */
};

static inline spinlock_t *gpt_top_lock(struct pt_iommu *iommu)
{
	return &container_of(iommu, struct gpt, iommu)->lock;
}

static inline void gpt_change_top(struct pt_iommu *iommu, phys_addr_t top,
				  unsigned int level)
{
}

static const struct pt_iommu_driver_ops gpt_driver_ops = {
	.get_top_lock = gpt_top_lock,
	.change_top = gpt_change_top,
};

/* Prepare a zeroed @gpt for the init function of its format */
static inline void gpt_prepare(struct gpt *gpt)
{
	spin_lock_init(&gpt->lock);
	gpt->iommu.nid = NUMA_NO_NODE;
	gpt->iommu.driver_ops = &gpt_driver_ops;
}

#endif
