/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Arm VMSAv8-64 stage 1 page table. See fmt/arm_lpae.h. arm_s1.c includes this file
 * before the walk template.
 */
#include "arm_lpae.h"

/* AP[2] makes an entry read-only */
#define ARM_S1_RDONLY_SHIFT	7
#define ARM_S1_RDONLY		BIT_ULL(ARM_S1_RDONLY_SHIFT)

#define FMT_WALK		iommu_dirty_walk_arm_s1
#define FMT_SPLIT		iommu_dirty_split_arm_s1
#define FMT_MERGE		iommu_dirty_merge_arm_s1

#define FMT_TRACKED		(ARM_VALID | ARM_DBM)
#define FMT_DIRTY		ARM_S1_RDONLY
#define FMT_CLEAN_SET		ARM_S1_RDONLY
/* Without DBM, AP[2] is only a permission */
#define FMT_PROTECT		ARM_DBM
#define FMT_PROTECT_SET		ARM_S1_RDONLY
#define FMT_SETTLED		(ARM_AF | ARM_DBM)
