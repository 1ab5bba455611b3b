// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dirty walker for Intel VT-d second-stage tables, called by the Intel IOMMU driver.
 * See walk_template.h for its behavior and locking.
 */
#include "vtd_ss.h"
#include "../walk_template.h"
