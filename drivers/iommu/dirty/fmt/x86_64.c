// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dirty walker for x86-64 tables: Intel VT-d first stage and AMD-Vi guest (v2).
 * See walk_template.h for its behavior and locking.
 */
#include "x86_64.h"
#include "../walk_template.h"
