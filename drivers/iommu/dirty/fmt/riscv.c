// SPDX-License-Identifier: GPL-2.0-only
/*
 * The dirty walker for RISC-V Sv39, Sv48 and Sv57 tables.
 * See walk_template.h for its behavior and locking.
 */
#include "riscv.h"
#include "../walk_template.h"
