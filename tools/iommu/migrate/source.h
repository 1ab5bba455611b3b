/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The source of a migration: what source.c and verify.c share.
 */
#ifndef _SOURCE_H
#define _SOURCE_H

#include "migrate.h"

#define MAX_TRACKERS	4

struct source {
	const struct migrate_options *opt;
	struct workload work;
	struct state state;
	struct idirty *ctx;
	struct idirty_tracker *trackers[MAX_TRACKERS];
	size_t num_trackers;
	struct idirty_range range;	/* the memory, and where it is */
	struct idirty_map *map;
	char *mem;
	int fd;
	struct stream_io io;
	unsigned int num_devices;	/* whose state is moved: 0 or 1 */
	bool paused;
	int error;			/* of the device's state */
	char name[24];			/* of the round */
	uint64_t round_bytes;		/* sent in it */
	uint64_t expected;		/* what it will have sent */
	uint64_t sent;
	double begin;
	double down_since;
	unsigned char *result;
};

/* verify.c: an exit code. Is the destination the same? */
int verify_same(struct source *s);
/* Is the memory the disk, after a migration that was none? Else @code */
int verify_stayed(struct source *s, int code);

#endif
