// SPDX-License-Identifier: GPL-2.0-only
/*
 * Builds and parses the migration stream. What the other side sends is checked against
 * limits before it is used. This file does not use sockets: the fuzz target calls it
 * with bytes in memory.
 */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream.h"

int stream_put_head(const struct stream_io *io)
{
	struct stream_head head = {
		.magic = STREAM_MAGIC,
		.version = htole32(STREAM_VERSION),
		.page_size = htole32(STREAM_PAGE),
	};

	return io->put(io->arg, &head, sizeof(head), true);
}

static int put_message(const struct stream_io *io, enum stream_type type, uint32_t id,
		       uint64_t offset, uint64_t length, bool more)
{
	struct stream_message msg = {
		.type = htole32(type),
		.id = htole32(id),
		.offset = htole64(offset),
		.length = htole64(length),
	};

	return io->put(io->arg, &msg, sizeof(msg), more);
}

int stream_put(const struct stream_io *io, enum stream_type type, uint32_t id,
	       uint64_t offset, const void *data, uint64_t length)
{
	int rc = put_message(io, type, id, offset, length, length);

	return rc || !length ? rc : io->put(io->arg, data, length, false);
}

int stream_put_region(const struct stream_io *io, uint32_t id, uint64_t iova,
		      uint64_t length)
{
	return put_message(io, STREAM_REGION, id, iova, length, true);
}

static int get_message(const struct stream_io *io, struct stream_message *msg)
{
	int rc = io->get(io->arg, msg, sizeof(*msg));

	msg->type = le32toh(msg->type);
	msg->id = le32toh(msg->id);
	msg->offset = le64toh(msg->offset);
	msg->length = le64toh(msg->length);
	return rc;
}

/* Text from the other side is printed on a terminal */
static void make_printable(char *text, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++)
		if (text[i] < ' ' || text[i] > '~')
			text[i] = '?';
	text[length] = 0;
}

int stream_get_answer(const struct stream_io *io, enum stream_type want, void *data,
		      uint64_t length, char *text)
{
	struct stream_message msg;
	int rc = get_message(io, &msg);

	if (rc)
		return rc;
	if (msg.type == STREAM_REFUSED) {
		if (msg.length > STREAM_MAX_TEXT)
			return -EPROTO;
		rc = io->get(io->arg, text, msg.length);
		if (rc)
			return rc;
		make_printable(text, msg.length);
		return -ECANCELED;
	}
	if (msg.type != want || msg.length != length)
		return -EPROTO;
	return length ? io->get(io->arg, data, length) : 0;
}

/* Sets the error text; evaluates to the error code */
#define bad(in, ...)								\
({										\
	snprintf((in)->error, sizeof((in)->error), __VA_ARGS__);		\
	-EPROTO;								\
})

static int get(const struct stream_io *io, struct incoming *in, void *data, size_t length)
{
	int rc = io->get(io->arg, data, length);

	if (rc)
		bad(in, "the connection broke: %s", strerror(-rc));
	return rc;
}

static int take_head(const struct stream_io *io, struct incoming *in)
{
	struct stream_head head;
	int rc = get(io, in, &head, sizeof(head));

	if (rc)
		return rc;
	if (memcmp(head.magic, STREAM_MAGIC, sizeof(head.magic)))
		return bad(in, "this is no migration stream");
	if (le32toh(head.version) != STREAM_VERSION)
		return bad(in, "version %u of the stream, not %u", le32toh(head.version),
			   STREAM_VERSION);
	if (le32toh(head.page_size) != STREAM_PAGE)
		return bad(in, "pages of %u bytes", le32toh(head.page_size));
	return 0;
}

static int take_region(struct incoming *in, const struct stream_message *msg)
{
	struct stream_region *r = &in->regions[in->num_regions];
	unsigned int i;

	if (in->begun || msg->id != in->num_regions || msg->id >= STREAM_MAX_REGIONS)
		return bad(in, "region %u is out of place", msg->id);
	if (!msg->length || (msg->offset | msg->length) % STREAM_PAGE ||
	    msg->offset + (msg->length - 1) < msg->offset)
		return bad(in, "region %u is of no whole pages", msg->id);
	if (msg->length > in->max_memory - in->memory)
		return bad(in, "more than %llu MiB of memory",
			   (unsigned long long)in->max_memory >> 20);
	for (i = 0; i < in->num_regions; i++)
		if (msg->offset <= in->regions[i].iova + (in->regions[i].length - 1) &&
		    in->regions[i].iova <= msg->offset + (msg->length - 1))
			return bad(in, "regions %u and %u overlap", i, msg->id);
	*r = (struct stream_region){ .iova = msg->offset, .length = msg->length };
	r->seen = calloc(msg->length / STREAM_PAGE / 8 + 1, 1);
	if (!r->seen)
		return bad(in, "out of memory");
	in->memory += msg->length;
	in->num_regions++;
	return 0;
}

static int take_device(const struct stream_io *io, struct incoming *in,
		       const struct stream_message *msg)
{
	struct stream_device *d = &in->devices[in->num_devices];
	int rc;

	if (in->begun || msg->id != in->num_devices || msg->id >= STREAM_MAX_DEVICES)
		return bad(in, "device %u is out of place", msg->id);
	if (!msg->length || msg->length > STREAM_MAX_NAME)
		return bad(in, "device %u has a name of %llu bytes", msg->id,
			   (unsigned long long)msg->length);
	rc = get(io, in, d->name, msg->length);
	if (rc)
		return rc;
	make_printable(d->name, msg->length);
	d->bytes = 0;
	in->num_devices++;
	return 0;
}

static int take_begin(const struct incoming_ops *ops, void *arg, struct incoming *in)
{
	int rc;

	if (in->begun || !in->num_regions)
		return bad(in, "a beginning that is none");
	rc = ops->begin(arg, in);
	if (rc && !*in->error)
		bad(in, "%s", strerror(-rc));
	in->begun = !rc;
	return rc;
}

static int take_pages(const struct stream_io *io, struct incoming *in,
		      const struct stream_message *msg)
{
	struct stream_region *r;
	uint64_t page;
	int rc;

	if (!in->begun || msg->id >= in->num_regions)
		return bad(in, "pages of region %u", msg->id);
	r = &in->regions[msg->id];
	if (!msg->length || msg->length > STREAM_MAX_CHUNK ||
	    (msg->offset | msg->length) % STREAM_PAGE)
		return bad(in, "%llu bytes of pages", (unsigned long long)msg->length);
	if (msg->offset > r->length || msg->length > r->length - msg->offset)
		return bad(in, "pages beyond the end of region %u", msg->id);
	rc = get(io, in, r->mem + msg->offset, msg->length);
	if (rc)
		return rc;
	for (page = msg->offset / STREAM_PAGE;
	     page < (msg->offset + msg->length) / STREAM_PAGE; page++)
		r->seen[page / 8] |= 1 << page % 8;
	in->received += msg->length;
	return 0;
}

static int take_state(const struct stream_io *io, struct incoming *in,
		      const struct stream_message *msg, const struct incoming_ops *ops,
		      void *arg)
{
	struct stream_device *d;
	void *data;
	int rc;

	if (!in->begun || msg->id >= in->num_devices)
		return bad(in, "state of device %u", msg->id);
	d = &in->devices[msg->id];
	if (!msg->length || msg->length > STREAM_MAX_CHUNK || msg->offset != d->bytes ||
	    msg->length > STREAM_MAX_STATE - d->bytes)
		return bad(in, "%llu bytes of state of device %u at %llu",
			   (unsigned long long)msg->length, msg->id,
			   (unsigned long long)msg->offset);
	data = malloc(msg->length);
	if (!data)
		return bad(in, "out of memory");
	rc = get(io, in, data, msg->length);
	if (!rc) {
		rc = ops->state(arg, msg->id, data, msg->length);
		if (rc)
			bad(in, "device %u does not take its state: %s", msg->id, strerror(-rc));
	}
	free(data);
	d->bytes += msg->length;
	return rc;
}

/* Every page must have come, and state for each device */
static int take_end(struct incoming *in)
{
	uint64_t page;
	unsigned int i;

	if (!in->begun)
		return bad(in, "an end without a beginning");
	for (i = 0; i < in->num_regions; i++)
		for (page = 0; page < in->regions[i].length / STREAM_PAGE; page++)
			if (!(in->regions[i].seen[page / 8] & (1 << page % 8)))
				return bad(in, "page %llu of region %u never came",
					   (unsigned long long)page, i);
	for (i = 0; i < in->num_devices; i++)
		if (!in->devices[i].bytes)
			return bad(in, "no state of device %u came", i);
	return 0;
}

static int take(const struct stream_io *io, struct incoming *in,
		const struct stream_message *msg, const struct incoming_ops *ops, void *arg)
{
	switch (msg->type) {
	case STREAM_REGION:
		return take_region(in, msg);
	case STREAM_DEVICE:
		return take_device(io, in, msg);
	case STREAM_BEGIN:
		return take_begin(ops, arg, in);
	case STREAM_PAGES:
		return take_pages(io, in, msg) ?: ops->pages(arg, in);
	case STREAM_STATE:
		return take_state(io, in, msg, ops, arg);
	case STREAM_END:
		return take_end(in);
	case STREAM_ABORT:
		return 0;
	default:
		return bad(in, "a message of type %#x", msg->type);
	}
}

enum incoming_end stream_receive(const struct stream_io *io, uint64_t max_memory,
				 const struct incoming_ops *ops, void *arg,
				 struct incoming *in)
{
	struct stream_message msg;

	memset(in, 0, sizeof(*in));
	in->max_memory = max_memory;
	if (take_head(io, in))
		return INCOMING_BAD;
	do {
		if (get_message(io, &msg)) {
			bad(in, "the connection broke");
			return INCOMING_BAD;
		}
		if (take(io, in, &msg, ops, arg))
			return INCOMING_BAD;
	} while (msg.type != STREAM_END && msg.type != STREAM_ABORT);
	return msg.type == STREAM_END ? INCOMING_COMPLETE : INCOMING_ABORTED;
}

void incoming_free(struct incoming *in)
{
	while (in->num_regions)
		free(in->regions[--in->num_regions].seen);
}
