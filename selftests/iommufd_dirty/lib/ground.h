/* SPDX-License-Identifier: GPL-2.0-only */
/* The setup for tests of failing calls. */
#ifndef _IOMMUFD_DIRTY_LIB_GROUND_H
#define _IOMMUFD_DIRTY_LIB_GROUND_H

#include <stdbool.h>

#include "consumer.h"
#include "env.h"

/*
 * ground.c: the setup for tests of failing calls. Devices write to @mem, two trackers
 * run, @env.tracker is stopped.
 */
#define GROUND_IOVA	(2 * SZ_1G - GROUND_SIZE / 2)
#define GROUND_PAGES	32
#define GROUND_SIZE	(GROUND_PAGES * SZ_4K)

struct pins {
	__u64 pinned;		/* pages */
	__u64 accounted;	/* KiB, to this process */
};

struct ground {
	struct env env;
	__u64 *mem;
	struct consumer first;
	struct consumer second;
	struct pins before;
	__u32 id;		/* for use by the test */
	bool attached;
};

void pins_read(struct pins *pins);
/* Returns NULL or the reason to skip */
const char *ground_open(struct ground *g);
/* Closes all files without any cleanup; keeps the memory */
void ground_abandon(struct ground *g);
/* Fatal if a page is still pinned; frees the memory */
void ground_end(struct ground *g);
/* Destroys all objects, fatal if one is in use; then both of the above */
void ground_close(struct ground *g);
int ground_map(struct ground *g);
/* Device @index writes a new value to some pages */
void ground_write(struct ground *g, unsigned int index);

#endif
