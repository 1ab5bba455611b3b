// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dirty walker for RISC-V Sv39, Sv48 and Sv57 tables.
 * See walk_template.h for its behavior and locking, and struct iommu_dirty_split for those
 * of the functions that split large entries and merge them again.
 */
#include "riscv.h"
#include "../walk_template.h"
#include "../split_template.h"
#include "../merge_template.h"
