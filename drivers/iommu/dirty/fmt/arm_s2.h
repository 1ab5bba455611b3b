/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Arm VMSAv8-64 stage 2 page table. See fmt/arm_lpae.h. arm_s2.c includes this file
 * before the walk template. The root may have up to 16 concatenated tables.
 */
#include "arm_lpae.h"

/* S2AP[1] permits writes */
#define ARM_S2_WRITE_SHIFT	7
#define ARM_S2_WRITE		BIT_ULL(ARM_S2_WRITE_SHIFT)

#define FMT_WALK		iommu_dirty_walk_arm_s2
#define FMT_SPLIT		iommu_dirty_split_arm_s2
#define FMT_MERGE		iommu_dirty_merge_arm_s2

#define FMT_TRACKED		(ARM_VALID | ARM_DBM)
#define FMT_DIRTY		ARM_S2_WRITE
#define FMT_CLEAN_CLEAR		ARM_S2_WRITE
/* Without DBM, S2AP[1] is only a permission */
#define FMT_PROTECT		(ARM_DBM | ARM_S2_WRITE)
#define FMT_SETTLED		(ARM_AF | ARM_DBM)
