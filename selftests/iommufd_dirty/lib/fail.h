/* SPDX-License-Identifier: GPL-2.0-only */
/* Allocations that fail, and steps that the kernel leaves out. */
#ifndef _IOMMUFD_DIRTY_LIB_FAIL_H
#define _IOMMUFD_DIRTY_LIB_FAIL_H

#include <stdbool.h>

/* fail.c: kernel allocations that fail on demand */

/* False if the kernel does not support it */
bool fail_setup(void);
/* Lets allocations of single pages fail, too; false without such a switch */
bool fail_pages(bool on);
/* Makes the @nth allocation of this thread from now on fail; 0: none */
void fail_nth(unsigned int nth);
/* Disarms it; true if an allocation has failed since fail_nth() */
bool fail_nth_end(void);
/* Disarms it; returns how many allocations were left until the failure */
unsigned int fail_nth_left(void);
/* Closes this thread's file; call it before a thread that used fail_nth() ends */
void fail_nth_close(void);

/* break.c: steps that the kernel can leave out, as in enum iommufd_dirty_break */
enum {
	BREAK_UNMAP, BREAK_ATTACH, BREAK_ACCESS, BREAK_FLUSH, BREAK_RECORD,
	BREAK_PROTECT, BREAK_RECHECK, BREAK_HURRY, BREAK_GAP, BREAK_FORGET,
};

/* False without CONFIG_IOMMUFD_DIRTY_BREAK; @bits is a mask of 1 << BREAK_x */
bool break_kernel(unsigned int bits);

#endif
