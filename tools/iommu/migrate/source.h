/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The source of a migration: declarations shared by source.c and verify.c.
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
	struct idirty_range range;	/* of the memory */
	struct idirty_map *map;
	char *mem;
	int fd;
	struct stream_io io;
	unsigned int num_devices;	/* with state to move: 0 or 1 */
	bool paused;
	int error;			/* from sending the device's state */
	char name[24];			/* of the round */
	uint64_t round_bytes;		/* sent in this round */
	uint64_t expected;		/* to send in this round */
	uint64_t sent;
	double begin;
	double down_since;
	unsigned char *result;
};

/* verify.c, returns an exit code: compares the destination with the source */
int verify_same(struct source *s);
/* Compares the memory with the disk after a failed migration; @code if nothing differs */
int verify_stayed(struct source *s, int code);

#endif
