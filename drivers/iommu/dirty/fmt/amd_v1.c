// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dirty walker for AMD-Vi host (v1) tables.
 * See walk_template.h for its behavior and locking, and struct iommu_dirty_split for those
 * of the functions that split large entries and merge them again.
 */
#include "amd_v1.h"
#include "../walk_template.h"
#include "../split_template.h"
#include "../merge_template.h"
