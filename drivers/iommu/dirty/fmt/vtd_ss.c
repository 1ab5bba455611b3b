// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dirty walker for Intel VT-d second-stage tables, called by the Intel IOMMU driver.
 * See walk_template.h for its behavior and locking, and struct iommu_dirty_split for those
 * of the functions that split large entries and merge them again.
 */
#include "vtd_ss.h"
#include "../walk_template.h"
#include "../split_template.h"
#include "../merge_template.h"
