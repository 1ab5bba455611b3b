// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device that others have modelled: Intel's 82576 network card, in loopback, copies pieces
 * of memory. It reads the pieces and a ring of descriptors, and writes the pieces to another
 * place and the results into two rings. Pages that have changed since a copy of them was
 * made before the DMA must be reported, and no others: not those that the card only read.
 */
#include <kselftest_harness.h>

#include <endian.h>
#include <string.h>

#include "igb.h"
#include "lib.h"

#define IOVA	0x200000000ULL
#define RINGS	(IGB_RINGS_SIZE / SZ_4K)
#define HALF	512
#define PAGES	(RINGS + 2 * HALF)
#define SIZE	(PAGES * SZ_4K)

FIXTURE(igb)
{
	struct env env;
	struct igb igb;
	char *mem;	/* the rings, then two halves */
	char *before;	/* what the memory was before the DMA */
	__u32 value;
};

FIXTURE_SETUP(igb)
{
	if (!igb_count())
		SKIP(return, "no igb network card");
	OPEN_OR_SKIP(return, env_open(&self->env, 0));
	igb_open(&self->igb, 0, self->env.fd);
	self->mem = mem_alloc(SIZE);
	self->before = mem_alloc(SIZE);
	ioas_map(self->env.fd, self->env.ioas, self->mem, SIZE, IOVA);
	igb_start(&self->igb, self->env.ioas, self->mem, IOVA);
	env_twin(&self->env);
	env_start(&self->env);
}

FIXTURE_TEARDOWN(igb)
{
	if (!self->mem)
		return;
	igb_close(&self->igb);
	env_close(&self->env);
	mem_free(self->before, SIZE);
	mem_free(self->mem, SIZE);
}

/*
 * A value that was not used before, for words of 8 bytes. In frames that begin with such a
 * word the type is then IGB_FRAME_TYPE.
 */
static __u64 fresh(FIXTURE_DATA(igb) * self)
{
	return (__u64)htobe16(IGB_FRAME_TYPE) << 32 | ++self->value;
}

/* Prepares a copy of new data between two offsets of the memory */
static void add(FIXTURE_DATA(igb) * self, size_t from, size_t to, size_t len)
{
	mem_fill(self->mem + from, fresh(self), len);
	igb_add(&self->igb, IOVA + from, IOVA + to, len);
}

/*
 * The same for a random piece of half @half, to a random place in the other half, which may
 * be in two pages
 */
static void add_random(FIXTURE_DATA(igb) * self, unsigned int half)
{
	size_t len = IGB_MIN_BYTES + 8 * random_below((IGB_MAX_BYTES - IGB_MIN_BYTES) / 8 + 1);
	size_t from = RINGS + half * HALF + random_below(HALF);
	size_t to = RINGS + !half * HALF;

	add(self, from * SZ_4K + 8 * random_below((SZ_4K - len) / 8 + 1),
	    to * SZ_4K + 8 * random_below((HALF * SZ_4K - len) / 8 + 1), len);
}

/* From now on only the card writes to the memory, until check_read() */
static void run(FIXTURE_DATA(igb) * self)
{
	memcpy(self->before, self->mem, SIZE);
	igb_run(&self->igb);
}

struct found {
	size_t written;		/* pages that have changed */
	size_t lost;		/* and are not reported */
	size_t extra;		/* reported, but have not changed */
};

static struct found compare(FIXTURE_DATA(igb) * self)
{
	unsigned char bitmap[(PAGES + 7) / 8] = {};
	struct found found = {};
	size_t page;

	env_read(&self->env, IOVA, SIZE, SZ_4K, 0, bitmap);
	for (page = 0; page < PAGES; page++) {
		bool reported = bitmap_test(bitmap, page);
		bool changed = memcmp(self->before + page * SZ_4K,
				      self->mem + page * SZ_4K, SZ_4K);

		found.written += changed;
		if (changed && !reported && found.lost++ < 5)
			lib_note("page %zu has changed and is not reported", page);
		if (!changed && reported && found.extra++ < 5)
			lib_note("page %zu is reported and has not changed", page);
	}
	return found;
}

/* Are exactly the @pages pages that the card wrote reported? 0: any number */
static bool exact(FIXTURE_DATA(igb) * self, size_t pages)
{
	struct found found = compare(self);

	if (pages && found.written != pages)
		lib_note("the card wrote to %zu pages, not to %zu", found.written, pages);
	return found.written && !found.lost && !found.extra &&
	       (!pages || found.written == pages);
}

/* Each round copies to the half of which the round before has made copies */
TEST_F_TIMEOUT(igb, rounds, 120)
{
	unsigned int round, copies = 0;

	for (round = 0; round < 40; round++) {
		unsigned int i, num = 1 + random_below(80);

		for (i = 0; i < num; i++)
			add_random(self, round % 2);
		run(self);
		ASSERT_TRUE(exact(self, 0));
		copies += num;
	}
	lib_note("%u copies", copies);
	/* The rings were used from the start once more */
	EXPECT_LT(IGB_ENTRIES, copies);
}

/* What the card writes for one frame: the data, and two descriptors */
TEST_F(igb, one_frame)
{
	const size_t from = RINGS * SZ_4K, to = from + HALF * SZ_4K;

	add(self, from, to, IGB_MIN_BYTES);
	run(self);
	EXPECT_TRUE(exact(self, 3));
	EXPECT_EQ(0, memcmp(self->mem + from, self->mem + to, IGB_MIN_BYTES));
	/* across the border between two pages */
	add(self, from, to + 3 * SZ_4K - 8, IGB_MIN_BYTES);
	run(self);
	EXPECT_TRUE(exact(self, 4));
	/* the same pages again */
	add(self, from, to + 3 * SZ_4K - 8, IGB_MIN_BYTES);
	run(self);
	EXPECT_TRUE(exact(self, 4));
}

/* All descriptors of a page of each ring, and the first of the next page */
TEST_F(igb, rings)
{
	const size_t from = RINGS * SZ_4K, to = from + HALF * SZ_4K;
	unsigned int i;

	for (i = 0; i < SZ_4K / 16; i++)
		add(self, from, to, IGB_MIN_BYTES);
	run(self);
	EXPECT_TRUE(exact(self, 3));
	add(self, from, to, IGB_MIN_BYTES);
	run(self);
	EXPECT_TRUE(exact(self, 3));
	for (i = 0; i < SZ_4K / 16; i++)
		add(self, from, to, IGB_MIN_BYTES);
	run(self);
	EXPECT_TRUE(exact(self, 5));
}

/* The card reads descriptors and data, and writes nothing */
TEST_F(igb, only_reads)
{
	const unsigned int frames = 300;
	struct found found;
	size_t page;

	igb_sent(&self->igb);
	for (page = RINGS; page < RINGS + frames; page++)
		mem_fill(self->mem + page * SZ_4K, fresh(self), SZ_4K);
	memcpy(self->before + RINGS * SZ_4K, self->mem + RINGS * SZ_4K, SIZE - RINGS * SZ_4K);
	for (page = RINGS; page < RINGS + frames; page++)
		igb_send(&self->igb, IOVA + page * SZ_4K, IGB_MAX_BYTES);
	EXPECT_EQ(frames, igb_sent(&self->igb));
	/* In these pages only this program has written */
	memcpy(self->before, self->mem, RINGS * SZ_4K);
	found = compare(self);
	EXPECT_EQ(0, found.written);
	EXPECT_EQ(0, found.extra);
}

/* One frame for each page, all at once */
TEST_F(igb, everything)
{
	const size_t from = RINGS * SZ_4K, to = from + HALF * SZ_4K;
	size_t page;

	for (page = 0; page < HALF; page++)
		add(self, from + page * SZ_4K, to + page * SZ_4K + 8 * (page % 100),
		    IGB_MAX_BYTES);
	run(self);
	/* 512 descriptors fill two pages of each ring */
	EXPECT_TRUE(exact(self, HALF + 4));
	for (page = 0; page < HALF; page++)
		ASSERT_EQ(0, memcmp(self->mem + from + page * SZ_4K,
				    self->mem + to + page * SZ_4K + 8 * (page % 100),
				    IGB_MAX_BYTES));
}

/*
 * Linux 7.3 blocks the DMA of a card with ATS while it resets its function, and attaches it
 * to its domain again: what was written before is not lost, and it is tracked as before.
 */
TEST_F(igb, reset)
{
	const size_t from = RINGS * SZ_4K, to = from + HALF * SZ_4K;
	unsigned int round;

	add(self, from, to, IGB_MIN_BYTES);
	run(self);
	for (round = 1; round < 4; round++) {
		igb_function_reset(&self->igb);
		igb_start(&self->igb, self->env.ioas, self->mem, IOVA);
		igb_add(&self->igb, IOVA + from, IOVA + to + round * SZ_4K, IGB_MIN_BYTES);
		igb_run(&self->igb);
		/* without a READ after the first one */
		if (round == 1)
			continue;
		EXPECT_TRUE(exact(self, round == 2 ? 5 : 3));
		/* or the next results would be the same as these */
		memset(self->mem, 0xff, RINGS * SZ_4K);
		memcpy(self->before, self->mem, SIZE);
	}
}

struct copier {
	FIXTURE_DATA(igb) * self;
	unsigned int runs;
	bool stop;
};

/* Copies to the second half, until told to stop */
static void *copy_pages(void *data)
{
	struct copier *copier = data;
	unsigned int i;

	while (!__atomic_load_n(&copier->stop, __ATOMIC_ACQUIRE)) {
		for (i = 0; i < 16; i++)
			add(copier->self, RINGS * SZ_4K,
			    (RINGS + HALF + random_below(HALF)) * SZ_4K, IGB_MIN_BYTES);
		igb_run(&copier->self->igb);
		__atomic_add_fetch(&copier->runs, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

/* As in a migration: reads and copies go on while the card writes */
TEST_F_TIMEOUT(igb, live, 120)
{
	struct copier copier = { .self = self };
	const size_t first = (RINGS + HALF) * SZ_4K;
	struct consumer consumer;
	unsigned int reads = 0;
	pthread_t thread;

	consumer_open(&consumer, self->env.fd, self->env.ioas, (__u64 *)(self->mem + first),
		      IOVA + first, HALF);
	tracker_start(self->env.fd, consumer.tracker);
	ASSERT_EQ(0, pthread_create(&thread, NULL, copy_pages, &copier));
	while (reads < 100 || __atomic_load_n(&copier.runs, __ATOMIC_ACQUIRE) < 100) {
		ASSERT_EQ(0, __consumer_read(&consumer, 0, NULL));
		reads++;
	}
	__atomic_store_n(&copier.stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	EXPECT_EQ(0, consumer_missed(&consumer));
	lib_note("%u runs, %u reads, %llu pages reported", copier.runs, reads,
		 consumer.reported);
	consumer_close(&consumer);
}

/* Would this test notice? Without the flush a page that is written again stays clean */
TEST_F(igb, without_flush)
{
	const size_t from = RINGS * SZ_4K, to = from + HALF * SZ_4K;
	struct found found;

	if (!break_kernel(1U << BREAK_FLUSH))
		SKIP(return, "no CONFIG_IOMMUFD_DIRTY_BREAK");
	add(self, from, to, IGB_MIN_BYTES);
	run(self);
	EXPECT_TRUE(exact(self, 3));
	add(self, from, to, IGB_MIN_BYTES);
	run(self);
	found = compare(self);
	break_kernel(0);
	EXPECT_EQ(3, found.written);
	EXPECT_LT(0, found.lost);
}

TEST_HARNESS_MAIN
