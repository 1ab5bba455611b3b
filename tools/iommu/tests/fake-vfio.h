/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Functions that replace those of the C library (--wrap of the linker).
 */
#ifndef _FAKE_VFIO_H
#define _FAKE_VFIO_H

#include <dirent.h>
#include <sys/types.h>

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_ioctl(int fd, unsigned long cmd, ...);
int __wrap_fcntl(int fd, int cmd, ...);
ssize_t __real_readlinkat(int dir, const char *path, char *buf, size_t size);
ssize_t __wrap_readlinkat(int dir, const char *path, char *buf, size_t size);
DIR *__real_opendir(const char *path);
DIR *__wrap_opendir(const char *path);
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

#endif
