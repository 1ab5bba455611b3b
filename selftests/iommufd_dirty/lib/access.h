/* SPDX-License-Identifier: GPL-2.0-only */
/* In-kernel accesses to an IOAS, through iommufd's test ioctl. */
#ifndef _IOMMUFD_DIRTY_LIB_ACCESS_H
#define _IOMMUFD_DIRTY_LIB_ACCESS_H

#include <stddef.h>

#include "devices.h"

/*
 * access.c: an in-kernel access to an IOAS; needs CONFIG_IOMMUFD_TEST.
 * __access_create() returns a file descriptor or -errno.
 */
int __access_create(int fd, __u32 ioas);
void access_destroy(int access);
int __access_write(int fd, int access, __u64 iova, const void *data, size_t len);
/* An access that can pin pages */
int __access_create_pins(int fd, __u32 ioas);
#define ACCESS_WRITE	0x1
#define ACCESS_SLOW	0x4	/* copy through the user mapping, not the page */
/* IOMMUFD_ACCESS_PIN_MARKS. Pin: writes will be reported. Write: report only */
#define ACCESS_MARKS	0x100
int __access_rw(int fd, int access, __u64 iova, void *data, size_t len, __u32 flags);
/* Returns the handle for access_unpin() */
__u32 access_pin(int fd, int access, __u64 iova, size_t len, __u32 flags);
int __access_unpin(int fd, int access, __u32 pin);
void access_unpin(int fd, int access, __u32 pin);

#endif
