/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Arm VMSAv8-64 stage 2 page table. See fmt/arm_lpae.h; included by arm_s2.c
 * ahead of the walk template. Up to 16 root tables may stand side by side.
 */
#include "arm_lpae.h"

/* S2AP[1] allows to write */
#define ARM_S2_WRITE_SHIFT	7
#define ARM_S2_WRITE		BIT_ULL(ARM_S2_WRITE_SHIFT)

#define FMT_WALK		iommu_dirty_walk_arm_s2

/* With DBM set, S2AP[1] set is "dirty" and clear "writable, clean" */
static inline u64 fmt_maybe_dirty(u64 pte)
{
	return (pte >> (51 - ARM_S2_WRITE_SHIFT)) & pte & ARM_S2_WRITE;
}

static inline u64 fmt_dirty(u64 pte)
{
	return (pte >> 51) & (pte >> ARM_S2_WRITE_SHIFT) & pte & 1;
}

#define FMT_CLEAN_CLEAR		ARM_S2_WRITE
#define FMT_SETTLED		(ARM_AF | ARM_DBM)
