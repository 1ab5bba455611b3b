/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What in-kernel users of iommufd tell its dirty trackers.
 *
 * A driver that writes to an IOAS with the CPU has nothing to do: writes by
 * iommufd_access_rw() are recorded, and pages that it has pinned for writing are
 * taken for dirty as long as they are pinned. A driver that pins pages for long
 * and writes to few of them can do better and say when it has.
 */
#ifndef __LINUX_IOMMUFD_DIRTY_H
#define __LINUX_IOMMUFD_DIRTY_H

#include <linux/bits.h>
#include <linux/errno.h>

struct iommufd_access;

/*
 * A flag of iommufd_access_pin_pages(), beside IOMMUFD_ACCESS_RW_WRITE: every
 * write through the pages is followed by iommufd_access_mark_dirty().
 */
#define IOMMUFD_ACCESS_PIN_MARKS	BIT(8)

#ifdef CONFIG_IOMMUFD_DIRTY
int iommufd_access_mark_dirty(struct iommufd_access *access, unsigned long iova,
			      unsigned long length);
#else
static inline int iommufd_access_mark_dirty(struct iommufd_access *access,
					    unsigned long iova,
					    unsigned long length)
{
	return 0;
}
#endif

#endif
