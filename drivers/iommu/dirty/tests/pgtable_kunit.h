/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Page tables built by the IOMMU drivers' own code, for the tests of the walkers.
 */
#ifndef __IOMMU_DIRTY_PGTABLE_KUNIT_H
#define __IOMMU_DIRTY_PGTABLE_KUNIT_H

#include <linux/io-pgtable.h>

#include "walk_kunit.h"

/**
 * struct pgt_fmt - Parameters for alloc_io_pgtable_ops()
 * @name: Name of the test parameter
 * @kfmt: Name of the format in struct kfmt
 * @fmt: The format in io-pgtable
 * @bits: Number of IOVA bits
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
 * @pt: Its root and format, determined without the driver
 * @fmt: The requested format
 * @ops: Operations to map and unmap
 * @cfg: The resulting configuration
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
