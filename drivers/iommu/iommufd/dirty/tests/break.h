/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Switches that break the dirty trackers on purpose, so that a test can show
 * that it would notice: bits of /sys/module/iommufd/parameters/dirty_break.
 * Without CONFIG_IOMMUFD_DIRTY_BREAK there are none.
 */
#ifndef __IOMMUFD_DIRTY_BREAK_H
#define __IOMMUFD_DIRTY_BREAK_H

#include <linux/bits.h>
#include <linux/compiler.h>

/**
 * enum iommufd_dirty_break - What to leave out
 * @IOMMUFD_DIRTY_BREAK_UNMAP: Record what is unmapped
 * @IOMMUFD_DIRTY_BREAK_ATTACH: Enable tracking in a HWPT that is added
 * @IOMMUFD_DIRTY_BREAK_ACCESS: Record what software writes
 * @IOMMUFD_DIRTY_BREAK_FLUSH: Flush the IOTLB after a harvest
 * @IOMMUFD_DIRTY_BREAK_RECORD: Make sure of the record before clearing
 * @IOMMUFD_DIRTY_BREAK_PROTECT: Make read-only what is about to be unmapped
 * @IOMMUFD_DIRTY_BREAK_RECHECK: Look again at what is about to be unmapped
 * @IOMMUFD_DIRTY_BREAK_HURRY: Go on to unmap what is recorded, for as long as it is on
 * @IOMMUFD_DIRTY_BREAK_GAP: Go on to mark what may have been written while the ranges
 *	of a device were exchanged, for as long as it is on
 * @IOMMUFD_DIRTY_BREAK_FORGET: Go on to forget what was dirty before START, for as
 *	long as it is on
 */
enum iommufd_dirty_break {
	IOMMUFD_DIRTY_BREAK_UNMAP,
	IOMMUFD_DIRTY_BREAK_ATTACH,
	IOMMUFD_DIRTY_BREAK_ACCESS,
	IOMMUFD_DIRTY_BREAK_FLUSH,
	IOMMUFD_DIRTY_BREAK_RECORD,
	IOMMUFD_DIRTY_BREAK_PROTECT,
	IOMMUFD_DIRTY_BREAK_RECHECK,
	IOMMUFD_DIRTY_BREAK_HURRY,
	IOMMUFD_DIRTY_BREAK_GAP,
	IOMMUFD_DIRTY_BREAK_FORGET,
};

#ifdef CONFIG_IOMMUFD_DIRTY_BREAK
extern unsigned int iommufd_dirty_break;

static inline bool iommufd_dirty_breaks(enum iommufd_dirty_break what)
{
	return READ_ONCE(iommufd_dirty_break) & BIT(what);
}

void iommufd_dirty_break_wait(enum iommufd_dirty_break what);
#else
static inline bool iommufd_dirty_breaks(enum iommufd_dirty_break what)
{
	return false;
}

static inline void iommufd_dirty_break_wait(enum iommufd_dirty_break what)
{
}
#endif

#endif
