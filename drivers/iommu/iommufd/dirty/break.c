// SPDX-License-Identifier: GPL-2.0-only
/*
 * The variable behind the switches of break.h.
 */
#include <linux/moduleparam.h>

#include "break.h"

unsigned int iommufd_dirty_break;
module_param_named(dirty_break, iommufd_dirty_break, uint, 0600);
MODULE_PARM_DESC(dirty_break, "Leave out what dirty trackers rely on, for tests");
