/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Page tables that the IOMMU drivers' own code builds, for the walkers' tests.
 */
#ifndef __IOMMU_DIRTY_PGTABLE_KUNIT_H
#define __IOMMU_DIRTY_PGTABLE_KUNIT_H

#include <linux/io-pgtable.h>

#include "walk_kunit.h"

/**
 * struct pgt_fmt - What to ask alloc_io_pgtable_ops() for
 * @name: Name of the test's parameter
 * @kfmt: Name of the format, as the walkers' tests know it
 * @fmt: As io-pgtable knows it
 * @bits: Bits of IOVAs
 * @pgsizes: Page sizes
 */
struct pgt_fmt {
	const char *name;
	const char *kfmt;
	enum io_pgtable_fmt fmt;
	unsigned int bits;
	u64 pgsizes;
};

/**
 * struct pgt - A driver's page table
 * @pt: Where its root is and what its bits mean, found without the driver
 * @fmt: What was asked for
 * @ops: To map and unmap
 * @cfg: What was got
 */
struct pgt {
	struct kpt pt;
	const struct pgt_fmt *fmt;
	struct io_pgtable_ops *ops;
	struct io_pgtable_cfg *cfg;
};

/* For KUNIT_CASE_PARAM() */
const void *pgt_gen_params(const void *prev, char *desc);

void pgt_init(struct pgt *pgt, struct kunit *test);
void pgt_find_root(struct pgt *pgt);

#endif
