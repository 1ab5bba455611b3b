// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzes the migration stream: fuzz-migrate SEED N. Each of N inputs is a good stream
 * with a few bytes changed, its end cut off, or messages replaced or inserted.
 * Receiving it must end with a whole migration or with a message, and must write only
 * to the memory of the regions. The source, which reads answers, is fuzzed, too.
 * tools/check/tools.sh runs it, built with sanitizers.
 */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream.h"

#define MEMORY		(16 * STREAM_PAGE)
#define MOST_MEMORY	(64 * STREAM_PAGE)
#define MOST_MESSAGES	64
#define ROOM		0x40000UL
#define SPICES		12
#define UNWRITTEN	0xa5

struct bytes {
	unsigned char data[ROOM];
	size_t length;
	size_t pos;
	size_t messages[MOST_MESSAGES];	/* offsets of the messages */
	unsigned int num_messages;
};

static struct bytes good, text, answers;
static uint64_t seed;

static uint64_t below(uint64_t limit)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return limit ? seed % limit : 0;
}

static int get(void *arg, void *data, size_t length)
{
	struct bytes *b = arg;

	if (length > b->length - b->pos)
		return -EPIPE;
	memcpy(data, b->data + b->pos, length);
	b->pos += length;
	return 0;
}

static int put(void *arg, const void *data, size_t length, bool more)
{
	struct bytes *b = arg;

	(void)more;
	if (length > ROOM - b->length)
		abort();
	memcpy(b->data + b->length, data, length);
	b->length += length;
	return 0;
}

static void mark(struct bytes *b)
{
	b->messages[b->num_messages++] = b->length;
}

/* Makes a stream with two regions and two devices; some pages are sent twice */
static void make_good(void)
{
	static unsigned char payload[MEMORY];
	const struct stream_io io = { .put = put, .arg = &good };
	unsigned int i;

	memset(payload, 0x5a, sizeof(payload));
	stream_put_head(&io);
	for (i = 0; i < 2; i++) {
		mark(&good);
		stream_put_region(&io, i, i * (1ULL << 32), MEMORY / 2);
	}
	for (i = 0; i < 2; i++) {
		mark(&good);
		stream_put(&io, STREAM_DEVICE, i, 0, "edu", 3);
	}
	mark(&good);
	stream_put(&io, STREAM_BEGIN, 0, 0, NULL, 0);
	for (i = 0; i < 6; i++) {
		mark(&good);
		stream_put(&io, STREAM_PAGES, i % 2, i / 2 % 2 * (MEMORY / 4), payload,
			   MEMORY / 4);
	}
	for (i = 0; i < 6; i++) {
		mark(&good);
		stream_put(&io, STREAM_STATE, i % 2, i / 2 * 100, payload, 100);
	}
	mark(&good);
	stream_put(&io, STREAM_END, 0, 0, NULL, 0);
	mark(&good);
}

/* A buffer has exactly the length of its region, so the sanitizer catches overruns */
static int begin(void *arg, struct incoming *in)
{
	uint64_t sum = 0;
	unsigned int i, j;

	(void)arg;
	for (i = 0; i < in->num_regions; i++) {
		in->regions[i].mem = malloc(in->regions[i].length);
		if (!in->regions[i].mem)
			abort();
		memset(in->regions[i].mem, UNWRITTEN, in->regions[i].length);
		sum += in->regions[i].length;
		for (j = 0; j < i; j++)
			if (in->regions[i].iova - in->regions[j].iova < in->regions[j].length ||
			    in->regions[j].iova - in->regions[i].iova < in->regions[i].length)
				abort();
	}
	if (!sum || sum != in->memory || sum > MOST_MEMORY ||
	    in->num_devices > STREAM_MAX_DEVICES || in->num_regions > STREAM_MAX_REGIONS)
		abort();
	return 0;
}

static int pages(void *arg, const struct incoming *in)
{
	(void)arg;
	(void)in;
	return 0;
}

static int state(void *arg, unsigned int device, const void *data, size_t length)
{
	unsigned char sum = 0;
	size_t i;

	if (device >= STREAM_MAX_DEVICES || !length || length > STREAM_MAX_CHUNK)
		abort();
	for (i = 0; i < length; i++)
		sum ^= ((const unsigned char *)data)[i];
	*(unsigned char *)arg ^= sum;
	return 0;
}

/* Returns whether every page was received */
static bool is_written(const struct stream_region *r)
{
	size_t page, i;

	for (page = 0; page < r->length; page += STREAM_PAGE) {
		for (i = 0; i < STREAM_PAGE; i++)
			if ((unsigned char)r->mem[page + i] != UNWRITTEN)
				break;
		if (i == STREAM_PAGE)
			return false;
	}
	return true;
}

static bool try(struct bytes *b)
{
	static const struct incoming_ops ops = { .begin = begin, .pages = pages, .state = state };
	const struct stream_io io = { .get = get, .arg = b };
	struct incoming in;
	unsigned char sum = 0;
	enum incoming_end end;
	unsigned int i;
	bool bad;

	b->pos = 0;
	end = stream_receive(&io, MOST_MEMORY, &ops, &sum, &in);
	bad = end == INCOMING_BAD;
	if (strlen(in.error) > STREAM_MAX_TEXT || bad != !!*in.error)
		abort();
	for (i = 0; i < in.num_regions; i++) {
		if (end == INCOMING_COMPLETE && !is_written(&in.regions[i]))
			abort();
		free(in.regions[i].mem);
	}
	incoming_free(&in);
	return end == INCOMING_COMPLETE;
}

/* Puts an extreme value into a field of a message */
static void spice(struct bytes *b, size_t at)
{
	static const uint64_t values[SPICES] = {
		0, 1, -1ULL, 1ULL << 63, 4095, STREAM_PAGE, STREAM_MAX_CHUNK + STREAM_PAGE,
		MEMORY, -STREAM_PAGE, 1ULL << 32, STREAM_MAX_REGIONS, 0x7fffffff,
	};
	uint64_t value = htole64(values[below(SPICES)]);
	size_t size = at % 8 || below(2) ? 4 : 8;

	if (at + size <= b->length)
		memcpy(b->data + at, &value, size);
}

/* Copies a message of the good stream over another one, or in front of it */
static void exchange(struct bytes *b)
{
	unsigned int from = below(good.num_messages - 1), to = below(good.num_messages - 1);
	size_t length = good.messages[from + 1] - good.messages[from];
	size_t at = good.messages[to], skip = below(2) ? good.messages[to + 1] - at : 0;

	if (at + skip > b->length || b->length - skip + length > ROOM)
		return;
	memmove(b->data + at + length, b->data + at + skip, b->length - at - skip);
	memcpy(b->data + at, good.data + good.messages[from], length);
	b->length = b->length - skip + length;
}

static void damage(struct bytes *b)
{
	static const size_t fields[4] = { 0, 4, 8, 16 };
	unsigned int n = 1 + below(3);

	while (n--) {
		size_t at = good.messages[below(good.num_messages - 1)];

		switch (below(6)) {
		case 0:
			b->data[below(b->length)] ^= 1 << below(8);
			break;
		case 1:
			if (at + 24 <= b->length)
				b->data[at + below(24)] = below(256);
			break;
		case 2:
		case 3:
			spice(b, at + fields[below(4)]);
			break;
		case 4:
			exchange(b);
			break;
		default:
			if (!below(4))
				b->length = 1 + below(b->length);
		}
	}
}

/* Sends many regions or devices, each of which is valid */
static void try_many(void)
{
	const struct stream_io io = { .put = put, .arg = &text };
	bool devices = below(2);
	unsigned int i, num = 1 + below(2 * STREAM_MAX_REGIONS);

	text.length = 0;
	stream_put_head(&io);
	for (i = 0; i < num; i++)
		if (devices)
			stream_put(&io, STREAM_DEVICE, i, 0, "edu", 3);
		else
			stream_put_region(&io, i, i * STREAM_PAGE, STREAM_PAGE);
	stream_put(&io, STREAM_ABORT, 0, 0, NULL, 0);
	if (try(&text))
		abort();
}

/* Fuzzes the answers to the source: garbage after a header that may be valid */
static void try_answer(void)
{
	struct stream_message msg = {
		.type = htole32(STREAM_READY + below(5)),
		.length = htole64(below(2) ? below(300) : below(-1ULL)),
	};
	const struct stream_io io = { .get = get, .arg = &answers };
	char why[STREAM_MAX_TEXT + 1];
	unsigned char *data;
	size_t i, want = below(200);
	int rc;

	answers.pos = 0;
	answers.length = 0;
	put(&answers, &msg, sizeof(msg), false);
	for (i = below(400); i; i--)
		answers.data[answers.length++] = below(256);
	data = malloc(want + 1);
	if (!data)
		abort();
	rc = stream_get_answer(&io, STREAM_RESULT, data, want, why);
	if (!rc && le64toh(msg.length) != want)
		abort();
	if (rc == -ECANCELED)
		for (i = 0; why[i]; i++)
			if (why[i] < ' ' || why[i] > '~')
				abort();
	free(data);
}

int main(int argc, char **argv)
{
	unsigned long n, whole = 0, i;

	if (argc != 3)
		return 2;
	seed = strtoull(argv[1], NULL, 0) * 0x9e3779b97f4a7c15ULL | 1;
	n = strtoul(argv[2], NULL, 0);
	make_good();
	if (!try(&good))
		return 1;
	for (i = 0; i < n; i++) {
		memcpy(text.data, good.data, good.length);
		text.length = good.length;
		damage(&text);
		whole += try(&text);
		try_answer();
		if (i % 16 == 0)
			try_many();
	}
	printf("%lu inputs, %lu of them whole migrations\n", n, whole);
	return 0;
}
