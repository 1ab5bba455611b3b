// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module parameter with the switches of break.h, and the wait of those that
 * delay a step. Called where the dirty trackers check a switch. The variable needs no
 * lock; the wait sleeps with the locks that its caller holds.
 */
#include <linux/moduleparam.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "break.h"

unsigned int iommufd_dirty_break;
module_param_named(dirty_break, iommufd_dirty_break, uint, 0600);
MODULE_PARM_DESC(dirty_break, "Omit or delay steps of the dirty trackers, for tests");

/**
 * iommufd_dirty_break_wait() - Wait while a switch is set
 * @what: The switch; a fatal signal ends the wait, too
 */
void iommufd_dirty_break_wait(enum iommufd_dirty_break what)
{
	while (iommufd_dirty_breaks(what) && !fatal_signal_pending(current))
		schedule_timeout_killable(1);
}
