/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Page tables built by the IOMMU drivers' own code, for the tests of the walkers.
 *
 *   pgtable_kunit.c		the tests
 *   pgtable_kunit_arm.c	the tables of io-pgtable-arm
 *   pgtable_kunit_base.c	the tables of x86 drivers, which differ between base kernels
 */
#ifndef __IOMMU_DIRTY_PGTABLE_KUNIT_H
#define __IOMMU_DIRTY_PGTABLE_KUNIT_H

#include "walk_kunit.h"

struct pgt;

/**
 * struct pgt_driver - The code that builds a table
 * @init: Create an empty table, which is freed when the test ends
 * @find_root: Set kpt::table from what the driver would write to the hardware. Called
 *	again after each map: an AMD v1 table adds levels on demand
 * @map: Map pages of one size; returns how many bytes it has mapped, 0 for an error
 * @unmap: Unmap one page, or a part of it; returns how many bytes it has unmapped
 * @iova_to_phys: Look up an IOVA; returns 0 if nothing is mapped there
 */
struct pgt_driver {
	void (*init)(struct pgt *pgt);
	void (*find_root)(struct pgt *pgt);
	size_t (*map)(struct pgt *pgt, unsigned long iova, phys_addr_t phys,
		      size_t pgsize, size_t pgcount, int prot);
	size_t (*unmap)(struct pgt *pgt, unsigned long iova, size_t size);
	phys_addr_t (*iova_to_phys)(struct pgt *pgt, unsigned long iova);
};

/**
 * struct pgt_fmt - A kind of table
 * @name: Name of the test parameter
 * @kfmt: Name of the format in struct kfmt
 * @driver: The code that builds it
 * @fmt: The format, as @driver numbers its formats
 * @bits: Number of IOVA bits
 * @pgsizes: Page sizes
 * @more: In the last element, which has no name: where the list goes on, or NULL
 */
struct pgt_fmt {
	const char *name;
	const char *kfmt;
	const struct pgt_driver *driver;
	unsigned int fmt;
	unsigned int bits;
	u64 pgsizes;
	const struct pgt_fmt *more;
};

/**
 * struct pgt - A driver's page table
 * @pt: Its root and format, determined without the driver
 * @fmt: The requested format
 * @pgsizes: The page sizes that it has, of those that were requested
 * @oas: Number of bits of a physical address
 * @data: The driver's table
 */
struct pgt {
	struct kpt pt;
	const struct pgt_fmt *fmt;
	u64 pgsizes;
	unsigned int oas;
	void *data;
};

/* One list, in pgtable_kunit_arm.c and pgtable_kunit_base.c */
extern const struct pgt_fmt pgt_arm_fmts[];
extern const struct pgt_fmt pgt_base_fmts[];

/* True if io-pgtable-arm splits a block when a part of it is unmapped */
extern const bool pgt_arm_splits;

#endif
