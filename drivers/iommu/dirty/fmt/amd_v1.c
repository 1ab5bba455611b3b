// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dirty walker for AMD-Vi host (v1) tables.
 * See walk_template.h for its behavior and locking.
 */
#include "amd_v1.h"
#include "../walk_template.h"
