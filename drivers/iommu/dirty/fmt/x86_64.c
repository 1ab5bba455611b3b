// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dirty walker for x86-64 tables: Intel VT-d first stage and AMD-Vi guest (v2).
 * See walk_template.h for its behavior and locking, and struct iommu_dirty_split for those
 * of the functions that split large entries and merge them again.
 */
#include "x86_64.h"
#include "../walk_template.h"
#include "../split_template.h"
#include "../merge_template.h"
