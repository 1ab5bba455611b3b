// SPDX-License-Identifier: GPL-2.0-only
/*
 * A rival of the walkers, in every base kernel: io-pgtable-arm with an Arm stage 1
 * table. See struct bench_rival.
 */
#include <linux/io.h>
#include <linux/io-pgtable.h>

#include "bench.h"

#ifdef CONFIG_IOMMU_IO_PGTABLE_LPAE
static void arm_no_flush_all(void *cookie)
{
}

static void arm_no_flush_walk(unsigned long iova, size_t size, size_t granule,
			      void *cookie)
{
}

static const struct iommu_flush_ops arm_no_flush = {
	.tlb_flush_all = arm_no_flush_all,
	.tlb_flush_walk = arm_no_flush_walk,
};

static void arm_init(struct bench_set *set)
{
	struct io_pgtable_cfg cfg = {
		.quirks = IO_PGTABLE_QUIRK_ARM_HD,
		.pgsize_bitmap = SZ_4K | SZ_2M,
		.ias = BENCH_BITS, .oas = 48,
		.coherent_walk = true,
		.tlb = &arm_no_flush,
	};

	set->data = alloc_io_pgtable_ops(ARM_64_LPAE_S1, &cfg, NULL);
	KUNIT_ASSERT_NOT_NULL(set->test, set->data);
	set->table.root = phys_to_virt(cfg.arm_lpae_s1_cfg.ttbr & GENMASK_ULL(51, 12));
}

static int arm_map(struct bench_set *set, unsigned long iova, size_t size,
		   size_t pgsize)
{
	struct io_pgtable_ops *ops = set->data;

	while (size) {
		size_t mapped = 0;
		int rc = ops->map_pages(ops, iova, 0, pgsize, size / pgsize,
					IOMMU_READ | IOMMU_WRITE, GFP_KERNEL,
					&mapped);

		if (rc)
			return rc;
		iova += mapped;
		size -= mapped;
	}
	return 0;
}

static int arm_read(struct bench_set *set, unsigned long iova, size_t size,
		    struct iommu_dirty_bitmap *dirty)
{
	struct io_pgtable_ops *ops = set->data;

	return ops->read_and_clear_dirty(ops, iova, size, 0, dirty);
}

static void arm_free(struct bench_set *set)
{
	free_io_pgtable_ops(set->data);
}

static const struct bench_rival arm = {
	.name = "io-pgtable-arm",
	.init = arm_init,
	.map = arm_map,
	.read = arm_read,
	.free = arm_free,
};

/**
 * bench_rival_arm() - The walker of io-pgtable-arm
 *
 * Return: the rival, or NULL if the kernel has no io-pgtable-arm.
 */
const struct bench_rival *bench_rival_arm(void)
{
	return &arm;
}
#else
const struct bench_rival *bench_rival_arm(void)
{
	return NULL;
}
#endif
