// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dirty walker for x86-64's own tables: Intel VT-d first stage, AMD-Vi guest (v2).
 * See walk_template.h for what it does and needs.
 */
#include "x86_64.h"
#include "../walk_template.h"
