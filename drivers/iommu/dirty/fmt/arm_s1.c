// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dirty walker for Arm VMSAv8-64 stage 1 tables.
 * See walk_template.h for its behavior and locking, and struct iommu_dirty_split for those
 * of the functions that split large entries and merge them again.
 */
#include "arm_s1.h"
#include "../walk_template.h"
#include "../split_template.h"
#include "../merge_template.h"
