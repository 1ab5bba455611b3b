/* SPDX-License-Identifier: GPL-2.0-only */
/* Dma-bufs, which Linux 7.3 maps in an IOAS. */
#ifndef _IOMMUFD_DIRTY_LIB_DMABUF_H
#define _IOMMUFD_DIRTY_LIB_DMABUF_H

#include <stddef.h>

#include "devices.h"

/*
 * dmabuf.c: a dma-buf of iommufd's selftests, which is ordinary memory. Returns a file,
 * or -errno: -EOPNOTSUPP on a kernel without them, -ENOTTY without CONFIG_IOMMUFD_TEST.
 */
int __mock_dmabuf(int fd, size_t size);
/* Takes it away from all who have mapped it */
void mock_dmabuf_revoke(int fd, int dmabuf);
/* A part of BAR 0 of a device, from VFIO; returns a file or -errno */
int __vfio_dmabuf(struct edu *edu, __u64 offset, __u64 length);
/* Maps a file for reading and writing, from its start */
int __ioas_map_file(int fd, __u32 ioas, int file, __u64 length, __u64 iova);

#endif
