/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The migration stream. All numbers are little endian. The source begins with a
 * struct stream_head, followed by messages: a struct stream_message, and then as many
 * bytes as its length says, if its type has any.
 *
 *   REGION	declares memory: id, IOVA in offset, size in length
 *   DEVICE	declares a device whose state will come: id; its name follows
 *   BEGIN	ends the declarations; answered by READY or REFUSED
 *   PAGES	bytes of region id, starting at offset
 *   STATE	bytes for device id; offset is the number of bytes sent before
 *   END	all is sent; answered by RUNNING and RESULT, or by REFUSED
 *   ABORT	the source gives up, and keeps what it has
 *
 *   READY
 *   REFUSED	the reason follows, as text
 *   RUNNING	the destination's devices run
 *   RESULT	a digest of each region; for each device a digest of a page that shows
 *		its state, or zeroes; then a sum of each page
 *
 * Ids count from 0, in the order of the declarations.
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
#define STREAM_MAX_STATE	0x100000000ULL	/* per device */

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

/* Source and sink of bytes: each call moves all of them, or returns -errno */
struct stream_io {
	int (*get)(void *arg, void *data, size_t length);
	int (*put)(void *arg, const void *data, size_t length, bool more);
	void *arg;
};

struct stream_region {
	uint64_t iova;
	uint64_t length;
	char *mem;		/* set by incoming_ops.begin() */
	uint8_t *seen;		/* one bit per page, set once the page has come */
};

struct stream_device {
	char name[STREAM_MAX_NAME + 1];
	uint64_t bytes;
};

/* The destination's view of a migration */
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
	/* Provides memory, prepares devices. 0, or -errno, perhaps with @in->error */
	int (*begin)(void *arg, struct incoming *in);
	int (*pages)(void *arg, const struct incoming *in);
	int (*state)(void *arg, unsigned int device, const void *data, size_t length);
};

enum incoming_end {
	INCOMING_COMPLETE,
	INCOMING_ABORTED,	/* by the source, on purpose */
	INCOMING_BAD,		/* @in->error says why */
};

/* The destination's side, until END, ABORT or an error; incoming_free() must follow */
enum incoming_end stream_receive(const struct stream_io *io, uint64_t max_memory,
				 const struct incoming_ops *ops, void *arg,
				 struct incoming *in);
/* The caller frees the memory of the regions */
void incoming_free(struct incoming *in);

/* All return 0 or -errno */
int stream_put_head(const struct stream_io *io);
int stream_put(const struct stream_io *io, enum stream_type type, uint32_t id,
	       uint64_t offset, const void *data, uint64_t length);
/* A message without bytes */
int stream_put_region(const struct stream_io *io, uint32_t id, uint64_t iova,
		      uint64_t length);
/*
 * The source's side: reads an answer of type @want with exactly @length bytes. -EPROTO:
 * a different answer; -ECANCELED: REFUSED, with the reason in @text, which has room for
 * STREAM_MAX_TEXT + 1 bytes.
 */
int stream_get_answer(const struct stream_io *io, enum stream_type want, void *data,
		      uint64_t length, char *text);

#endif
