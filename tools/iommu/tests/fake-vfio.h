/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the linker puts in the place of open() and ioctl().
 */
#ifndef _FAKE_VFIO_H
#define _FAKE_VFIO_H

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_ioctl(int fd, unsigned long cmd, ...);

#endif
