/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Switches that break the dirty trackers on purpose, so that a test can show that it
 * detects the fault: bits of /sys/module/iommufd/parameters/dirty_break. They exist
 * only with CONFIG_IOMMUFD_DIRTY_BREAK.
 */
#ifndef __IOMMUFD_DIRTY_BREAK_H
#define __IOMMUFD_DIRTY_BREAK_H

#include <linux/bits.h>
#include <linux/compiler.h>

/**
 * enum iommufd_dirty_break - Steps to omit, or to delay while the bit is set
 * @IOMMUFD_DIRTY_BREAK_UNMAP: Omit: record dirty pages of unmapped ranges
 * @IOMMUFD_DIRTY_BREAK_ATTACH: Omit: enable tracking in an added HWPT
 * @IOMMUFD_DIRTY_BREAK_ACCESS: Omit: record writes by software
 * @IOMMUFD_DIRTY_BREAK_FLUSH: Omit: flush the IOTLB after a harvest
 * @IOMMUFD_DIRTY_BREAK_RECORD: Omit: pin the bitmap before clearing dirty bits
 * @IOMMUFD_DIRTY_BREAK_PROTECT: Omit: make entries read-only before an unmap
 * @IOMMUFD_DIRTY_BREAK_RECHECK: Omit: check the entries again before an unmap
 * @IOMMUFD_DIRTY_BREAK_HURRY: Delay: unmap a range after its harvest
 * @IOMMUFD_DIRTY_BREAK_GAP: Delay: mark what may have been written while the ranges
 *	of a device were exchanged
 * @IOMMUFD_DIRTY_BREAK_FORGET: Delay: discard what was dirty before START
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
