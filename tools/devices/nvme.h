/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An NVMe controller that reads a disk to IOVAs; see nvme.c.
 */
#ifndef _LIB_NVME_H
#define _LIB_NVME_H

#include <sys/mman.h>

#include "devices.h"

#define NVME_ENTRIES	64		/* of each queue, which takes at most a page */
#define NVME_DEPTH	16		/* commands in flight */
#define NVME_MAX_BYTES	SZ_1M		/* of a command, 256 PRP entries */

struct nvme_queue {
	unsigned int id;
	unsigned int sq_page;
	unsigned int cq_page;
	unsigned int tail;
	unsigned int head;
	unsigned int phase;		/* of old completion entries */
};

struct nvme {
	char bdf[32];
	int fd;
	int iommufd;
	__u32 dev_id;
	char *bar;
	unsigned int doorbell;		/* stride in bytes */
	char *memory;			/* queues, PRP lists */
	__u64 memory_iova;
	struct nvme_queue admin;
	struct nvme_queue io;
	__u64 size;			/* of the namespace, in bytes */
	unsigned int block_shift;
	size_t max_bytes;		/* of a command */
};

/* Number of NVMe controllers */
unsigned int nvme_count(void);
void nvme_open(struct nvme *nvme, unsigned int index, int iommufd);
/* Attaches the controller to an IOAS, maps its queues at @iova, and starts it */
void nvme_start(struct nvme *nvme, __u32 ioas, __u64 iova);
/*
 * Reads @len bytes at @offset of the first namespace to @iova, a multiple of 4 KiB.
 * Returns when the controller has written all of them.
 */
void nvme_read(struct nvme *nvme, __u64 offset, __u64 iova, size_t len);
void nvme_close(struct nvme *nvme);

#endif
