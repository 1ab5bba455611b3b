// SPDX-License-Identifier: GPL-2.0-only
/*
 * The variable behind the switches of break.h.
 */
#include <linux/moduleparam.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "break.h"

unsigned int iommufd_dirty_break;
module_param_named(dirty_break, iommufd_dirty_break, uint, 0600);
MODULE_PARM_DESC(dirty_break, "Leave out what dirty trackers rely on, for tests");

/**
 * iommufd_dirty_break_wait() - Leave out to go on
 * @what: For as long as this is set, unless the task is killed
 */
void iommufd_dirty_break_wait(enum iommufd_dirty_break what)
{
	while (iommufd_dirty_breaks(what) && !fatal_signal_pending(current))
		schedule_timeout_killable(1);
}
