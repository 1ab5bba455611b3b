/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The migration stream. All numbers are little endian. The source begins with a
 * struct stream_head, then come messages: a struct stream_message, and behind it
 * as many bytes as its length says, if its type has any.
 *
 *   REGION	declares memory: id, IOVA in offset, size in length
 *   DEVICE	declares a device whose state comes: id; its name follows
 *   BEGIN	no more declarations; answered by READY or REFUSED
 *   PAGES	bytes for region id from offset on
 *   STATE	bytes for device id; offset is how many have come before
 *   END	all is sent; answered by RUNNING and RESULT, or by REFUSED
 *   ABORT	the source gives up, and keeps what it has
 *
 *   READY
 *   REFUSED	why follows, as text
 *   RUNNING	the destination's devices go on
 *   RESULT	a digest of each region, and for each device that of a page in which
 *		its state shows (or zeroes); then a sum of each page
 *
 * Ids count from 0 on, in the order of the declarations.
 */
#ifndef _STREAM_H
#define _STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STREAM_MAGIC		"IOMMUMIG"
#define STREAM_VERSION		1u
#define STREAM_PAGE		4096UL
#define STREAM_MAX_REGIONS	16
#define STREAM_MAX_DEVICES	8
#define STREAM_MAX_NAME		31
#define STREAM_MAX_TEXT		200
#define STREAM_MAX_CHUNK	0x100000UL
#define STREAM_MAX_STATE	0x100000000ULL	/* of a device */

enum stream_type {
	STREAM_REGION = 1,
	STREAM_DEVICE,
	STREAM_BEGIN,
	STREAM_PAGES,
	STREAM_STATE,
	STREAM_END,
	STREAM_ABORT,
	STREAM_READY = 0x101,
	STREAM_REFUSED,
	STREAM_RUNNING,
	STREAM_RESULT,
};

struct stream_head {
	char magic[8];
	uint32_t version;
	uint32_t page_size;
};

struct stream_message {
	uint32_t type;
	uint32_t id;
	uint64_t offset;
	uint64_t length;
};

/* Where bytes come from and go to: all of them, or -errno */
struct stream_io {
	int (*get)(void *arg, void *data, size_t length);
	int (*put)(void *arg, const void *data, size_t length, bool more);
	void *arg;
};

struct stream_region {
	uint64_t iova;
	uint64_t length;
	char *mem;		/* set by incoming_ops.begin() */
	uint8_t *seen;		/* a bit for each page that has come */
};

struct stream_device {
	char name[STREAM_MAX_NAME + 1];
	uint64_t bytes;
};

/* What the destination knows of a migration */
struct incoming {
	struct stream_region regions[STREAM_MAX_REGIONS];
	unsigned int num_regions;
	struct stream_device devices[STREAM_MAX_DEVICES];
	unsigned int num_devices;
	uint64_t max_memory;
	uint64_t memory;	/* bytes of all regions */
	uint64_t received;	/* bytes of pages */
	bool begun;
	char error[STREAM_MAX_TEXT + 1];
};

struct incoming_ops {
	/* Provides memory for the regions, prepares the devices. 0 or @in->error set */
	int (*begin)(void *arg, struct incoming *in);
	int (*pages)(void *arg, const struct incoming *in);
	int (*state)(void *arg, unsigned int device, const void *data, size_t length);
};

enum incoming_end {
	INCOMING_COMPLETE,
	INCOMING_ABORTED,	/* by the source, on purpose */
	INCOMING_BAD,		/* @in->error says why */
};

/* The destination's side, until END, ABORT or something wrong; see incoming_free() */
enum incoming_end stream_receive(const struct stream_io *io, uint64_t max_memory,
				 const struct incoming_ops *ops, void *arg,
				 struct incoming *in);
/* @in->mem is the caller's */
void incoming_free(struct incoming *in);

/* All return 0 or -errno */
int stream_put_head(const struct stream_io *io);
int stream_put(const struct stream_io *io, enum stream_type type, uint32_t id,
	       uint64_t offset, const void *data, uint64_t length);
/* A message without bytes */
int stream_put_region(const struct stream_io *io, uint32_t id, uint64_t iova,
		      uint64_t length);
/*
 * The source's side: an answer of type @want, with exactly @length bytes. -EPROTO: it
 * is another one; -ECANCELED: REFUSED, and @text (STREAM_MAX_TEXT + 1) says why.
 */
int stream_get_answer(const struct stream_io *io, enum stream_type want, void *data,
		      uint64_t length, char *text);

#endif
