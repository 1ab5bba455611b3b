/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs in KUnit between base kernels. This is the one for Linux 7.3.
 */
#ifndef __LINUX_IOMMU_DIRTY_KUNIT_H
#define __LINUX_IOMMU_DIRTY_KUNIT_H

/* A function that generates parameters for KUNIT_CASE_PARAM() */
#define KUNIT_GENERATOR(name) \
	const void *(name)(struct kunit *test, const void *prev, char *desc)

#endif
