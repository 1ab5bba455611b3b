// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs two READs at the same time, of one tracker or of two, into one bitmap: no bit
 * may be lost or counted twice.
 */
#include <kselftest_harness.h>

#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "lib.h"

#define IOVA	0x40000000ULL
#define PAGES	64

FIXTURE(concurrent)
{
	struct env env;
	struct oracle o;
};

FIXTURE_SETUP(concurrent)
{
	OPEN_OR_SKIP(return, env_open(&self->env, 2));
	oracle_open(&self->o, &self->env, PAGES, IOVA);
	oracle_map(&self->o, self->env.ioas);
}

FIXTURE_TEARDOWN(concurrent)
{
	oracle_close(&self->o);
	env_close(&self->env);
}

/* A thread that READs the same range @rounds times */
struct reader {
	struct read_args args;
	pthread_t thread;
	pthread_barrier_t *barrier;
	unsigned int rounds;
	__u64 pages;
};

/* Waits at the barrier before and after each READ */
static void *reader_run(void *arg)
{
	struct reader *r = arg;
	unsigned int i;

	for (i = 0; i < r->rounds; i++) {
		pthread_barrier_wait(r->barrier);
		r->pages += tracker_read(&r->args);
		pthread_barrier_wait(r->barrier);
	}
	return NULL;
}

static void reader_start(struct reader *r, pthread_barrier_t *barrier,
			 unsigned int rounds)
{
	r->barrier = barrier;
	r->rounds = rounds;
	if (pthread_create(&r->thread, NULL, reader_run, r))
		fatal("pthread_create failed");
}

static struct read_args read_range(struct env *env, __u32 tracker, size_t first,
				   size_t pages, void *data)
{
	return (struct read_args) {
		.fd = env->fd,
		.tracker = tracker,
		.iova = IOVA + first * SZ_4K,
		.length = pages * SZ_4K,
		.page_size = SZ_4K,
		.data = data,
	};
}

/*
 * In each round the devices write random pages, both readers READ concurrently, and
 * the oracle checks the bitmap. The readers together count each set bit once.
 */
static bool race_two(struct oracle *o, struct reader *r, unsigned int devices,
		     unsigned int rounds)
{
	pthread_barrier_t barrier;
	__u64 pages = 0;
	unsigned int i, j;

	pthread_barrier_init(&barrier, NULL, 3);
	reader_start(&r[0], &barrier, rounds);
	reader_start(&r[1], &barrier, rounds);
	for (i = 0; i < rounds; i++) {
		for (j = 0; j < devices; j++) {
			size_t page;

			env_load(o->env, j);
			for (page = 0; page < PAGES; page++)
				if (page % devices == j && random_below(4))
					oracle_write(o, j, page);
		}
		memset(o->bitmap, 0, PAGES / 8);
		pthread_barrier_wait(&barrier);
		pthread_barrier_wait(&barrier);
		oracle_check(o);
		pages += bitmap_count(o->bitmap, PAGES);
	}
	pthread_join(r[0].thread, NULL);
	pthread_join(r[1].thread, NULL);
	if (o->lost || o->extra || r[0].pages + r[1].pages != pages)
		lib_note("%llu lost, %llu extra; %llu + %llu bits counted, %llu set",
			 o->lost, o->extra, r[0].pages, r[1].pages, pages);
	return !o->lost && !o->extra && r[0].pages + r[1].pages == pages;
}

/* One tracker, the same range: only one of the readers finds each entry */
TEST_F_TIMEOUT(concurrent, same_range, 120)
{
	struct env *env = &self->env;
	struct reader r[2] = {};

	r[0].args = read_range(env, env->tracker, 0, PAGES, self->o.bitmap);
	r[1].args = r[0].args;
	env_start(env);
	EXPECT_TRUE(race_two(&self->o, r, 1, 20));
}

/* One tracker; each reader has half of the range, and of the bitmap's only word */
TEST_F_TIMEOUT(concurrent, halves_of_a_word, 120)
{
	struct env *env = &self->env;
	struct reader r[2] = {};

	r[0].args = read_range(env, env->tracker, 0, PAGES / 2, self->o.bitmap);
	r[1].args = read_range(env, env->tracker, PAGES / 2, PAGES / 2,
			       (char *)self->o.bitmap + PAGES / 16);
	env_start(env);
	EXPECT_TRUE(race_two(&self->o, r, 1, 20));
}

/* A second IOAS with the oracle's memory, for device 1; returns its tracker */
static __u32 second_ioas(struct env *env, struct oracle *o)
{
	__u32 ioas = ioas_alloc(env->fd);

	ioas_set_huge_pages(env->fd, ioas, false);
	env_map_stage(env, ioas);
	oracle_map(o, ioas);
	edu_attach(&env->edu[1], ioas);
	return tracker_alloc(env->fd, ioas);
}

/* Two trackers, of even and odd pages: both set bits in each byte of the bitmap */
TEST_F_TIMEOUT(concurrent, neighbouring_bits, 120)
{
	struct env *env = &self->env;
	struct reader r[2] = {};
	__u32 second = second_ioas(env, &self->o);

	r[0].args = read_range(env, env->tracker, 0, PAGES, self->o.bitmap);
	r[1].args = read_range(env, second, 0, PAGES, self->o.bitmap);
	env_start(env);
	tracker_start(env->fd, second);
	EXPECT_TRUE(race_two(&self->o, r, 2, 20));
}

/* Waits until both threads have arrived @round times */
static void meet(unsigned int *arrived, unsigned int round)
{
	__atomic_add_fetch(arrived, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(arrived, __ATOMIC_ACQUIRE) < 2 * round)
		sched_yield();
}

struct race {
	unsigned int arrived;
	unsigned int rounds;
	__u64 missing;
	time_t end;
	bool over;
};

struct racer {
	struct race *race;
	struct read_args args;
	unsigned int cpu;
	__u64 pages;
};

#define RACE_PAGES	512
#define RACE_BITS	(RACE_PAGES / 2)

/* Called by one thread while the other waits for the next round */
static void race_check(struct race *race, void *bitmap)
{
	race->missing += RACE_BITS - bitmap_count(bitmap, RACE_BITS);
	memset(bitmap, 0, RACE_BITS / 8);
	if (++race->rounds == 1000 || time(NULL) >= race->end)
		race->over = true;
}

/* Every round has the same result: no dirty bit is cleared in the IO page tables */
static void *racer_run(void *arg)
{
	struct racer *r = arg;
	unsigned int i;
	cpu_set_t set;

	/* One CPU for each thread, if there are two */
	CPU_ZERO(&set);
	CPU_SET(r->cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
	for (i = 1;; i += 2) {
		meet(&r->race->arrived, i);
		if (r->race->over)
			return NULL;
		r->pages += tracker_read(&r->args);
		meet(&r->race->arrived, i + 1);
		if (r->cpu == 0)
			race_check(r->race, r->args.data);
	}
}

/*
 * The hardest case for bits that are not set atomically. Each bit covers two
 * pages of which one is dirty, so each bit is set separately. Even bits come
 * from one tracker, odd ones from the other.
 */
TEST_F_TIMEOUT(concurrent, single_bits, 120)
{
	struct env *env = &self->env;
	__u64 bitmap[RACE_BITS / 64] = {};
	struct race race = { .end = time(NULL) + 3 };
	struct racer r[2] = {};
	pthread_t thread;
	struct oracle o;
	__u32 tracker[2];
	unsigned int i;
	size_t page;

	oracle_open(&o, env, RACE_PAGES, 2 * IOVA);
	oracle_map(&o, env->ioas);
	tracker[0] = env->tracker;
	tracker[1] = second_ioas(env, &o);
	for (i = 0; i < 2; i++) {
		tracker_start(env->fd, tracker[i]);
		env_load(env, i);
		for (page = 2 * i; page < RACE_PAGES; page += 4)
			oracle_write(&o, i, page);
		r[i].args = (struct read_args) {
			.fd = env->fd,
			.tracker = tracker[i],
			.flags = IOMMU_DIRTY_READ_NO_CLEAR,
			.iova = o.iova,
			.length = RACE_PAGES * SZ_4K,
			.page_size = 2 * SZ_4K,
			.data = bitmap,
		};
		r[i].race = &race;
		r[i].cpu = i;
	}
	ASSERT_EQ(0, pthread_create(&thread, NULL, racer_run, &r[1]));
	racer_run(&r[0]);
	pthread_join(thread, NULL);
	EXPECT_EQ(0, race.missing);
	EXPECT_EQ((__u64)race.rounds * RACE_BITS, r[0].pages + r[1].pages);
	lib_note("%u rounds", race.rounds);
}

/* Two concurrent READs share one bitmap, which is copied after both */
TEST_F_TIMEOUT(concurrent, two_reads_during_dma, 120)
{
	struct env *env = &self->env;
	struct reader r[2] = {};
	pthread_barrier_t barrier;
	struct writer w;
	unsigned int i;

	r[0].args = read_range(env, env->tracker, 0, PAGES, self->o.bitmap);
	r[1].args = r[0].args;
	env_start(env);
	pthread_barrier_init(&barrier, NULL, 3);
	writer_start(&w, &self->o, 40);
	for (i = 0; i < 2; i++)
		reader_start(&r[i], &barrier, 100);
	for (i = 0; i < 100; i++) {
		memset(self->o.bitmap, 0, PAGES / 8);
		pthread_barrier_wait(&barrier);
		pthread_barrier_wait(&barrier);
		oracle_copy(&self->o);
	}
	for (i = 0; i < 2; i++)
		pthread_join(r[i].thread, NULL);
	EXPECT_EQ(0, writer_settle(&w));
}

TEST_HARNESS_MAIN
