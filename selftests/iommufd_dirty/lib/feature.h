/* SPDX-License-Identifier: GPL-2.0-only */
/* The VFIO device features for migration and DMA logging. */
#ifndef _IOMMUFD_DIRTY_LIB_FEATURE_H
#define _IOMMUFD_DIRTY_LIB_FEATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/vfio.h>

/* feature.c: the VFIO device features for migration and DMA logging */
struct log_range {	/* same as struct vfio_device_feature_dma_logging_range */
	__u64 iova;
	__u64 length;
};

/* VFIO_DEVICE_FEATURE; @data has @size bytes and receives the reply */
int __vfio_feature(int fd, __u32 flags, void *data, size_t size);
/* Sets a migration state; @data_fd: the stream that this opened, or -1 */
int __mig_set(int fd, __u32 state, int *data_fd);
/* The same; returns the stream */
int mig_set(int fd, __u32 state);
__u32 mig_get(int fd);
/* @page_size: in: requested, out: used by the device */
int __log_start(int fd, const struct log_range *ranges, __u32 num, __u64 *page_size);
int __log_report(int fd, __u64 iova, __u64 length, __u64 page_size, void *bitmap);
int __log_stop(int fd);
/* Appends the available stream data after @len bytes; returns the new length */
size_t mig_drain(int data, unsigned char *stream, size_t len, size_t room);
/* Does the device have a migration driver? */
bool mig_capable(int fd);

#endif
