/* SPDX-License-Identifier: GPL-2.0-only */
/* A tracker of a device, and what it must report. */
#ifndef _IOMMUFD_DIRTY_LIB_LOGGED_H
#define _IOMMUFD_DIRTY_LIB_LOGGED_H

#include <stdbool.h>

#include "env.h"
#include "tracker.h"

/*
 * logged.c: a tracker of an edu device that has its migration driver, and a model
 * of the pages that the device has written
 */
#define LOGGED_IOVA	0x40000000ULL
#define LOGGED_PAGES	256
#define LOGGED_SIZE	(LOGGED_PAGES * SZ_4K)
#define LOGGED_AT(page)	(LOGGED_IOVA + (page) * SZ_4K)

struct logged {
	struct env env;
	__u32 tracker;		/* of env.edu[0] */
	__u64 *mem;		/* mapped at LOGGED_IOVA */
	unsigned char got[LOGGED_PAGES / 8];
	unsigned char want[LOGGED_PAGES / 8];
};

/* Returns NULL or the reason to skip; the tracker is stopped */
const char *logged_open(struct logged *l);
/* The same with a software IOMMU device and its provider PROVIDER_x */
const char *logged_open_soft(struct logged *l, unsigned int provider);
/* Closes the device and reopens it with EDU_QUIRK_x; allocates a new l->tracker */
void logged_reopen(struct logged *l, unsigned int quirks);
void logged_close(struct logged *l);
/* STARTs l->tracker with all pages */
int __logged_start(struct logged *l);
/* UPDATEs l->tracker to a range of its pages */
int __logged_update(struct logged *l, __u32 flags, __u64 iova, __u64 length);
/* The device writes to a page; the model marks it */
void logged_write(struct logged *l, unsigned int page);
/* The model marks pages */
void logged_dirty(struct logged *l, unsigned int first, unsigned int end);
/* Arguments for a READ of all pages into a zeroed l->got */
struct read_args logged_args(struct logged *l, __u32 tracker);
/* READs; true if the result is exactly the model. Empties the model */
bool logged_exact(struct logged *l, __u32 tracker);
struct iommu_dirty_tracker_info logged_info(struct logged *l, __u32 tracker,
					    struct iommu_dirty_member *member);

#endif
