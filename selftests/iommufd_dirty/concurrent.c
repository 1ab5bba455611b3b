// SPDX-License-Identifier: GPL-2.0-only
/*
 * READs at the same time as each other, as DMA, as mapping and unmapping, as
 * START and STOP; and READs that are killed. Nothing may be lost.
 */
#include <kselftest_harness.h>

#include <pthread.h>
#include <sched.h>
#include <signal.h>
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
	const char *reason = env_open(&self->env, 2);

	if (reason)
		SKIP(return, "%s", reason);
	oracle_open(&self->o, &self->env, PAGES, IOVA);
	oracle_map(&self->o, self->env.ioas);
}

FIXTURE_TEARDOWN(concurrent)
{
	oracle_close(&self->o);
	env_close(&self->env);
}

/* A thread that READs the same range again and again, as often as told */
struct reader {
	struct read_args args;
	pthread_t thread;
	pthread_barrier_t *barrier;
	unsigned int rounds;
	__u64 pages;
};

/* The barrier is passed before and after each READ */
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
 * Rounds of: devices write random pages, both readers READ at once, and the
 * oracle looks at the bitmap. Both count each bit that they set once.
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

/* One tracker, the same range: each entry is found by one of the two */
TEST_F_TIMEOUT(concurrent, same_range, 120)
{
	struct env *env = &self->env;
	struct reader r[2] = {};

	r[0].args = read_range(env, env->tracker, 0, PAGES, self->o.bitmap);
	r[1].args = r[0].args;
	env_start(env);
	EXPECT_TRUE(race_two(&self->o, r, 1, 20));
}

/* One tracker, two halves of the range, two halves of one word */
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

/* Another IOAS with the oracle's memory, for device 1; returns its tracker */
static __u32 second_ioas(struct env *env, struct oracle *o)
{
	__u32 ioas = ioas_alloc(env->fd);

	ioas_set_huge_pages(env->fd, ioas, false);
	env_map_stage(env, ioas);
	oracle_map(o, ioas);
	edu_attach(&env->edu[1], ioas);
	return tracker_alloc(env->fd, ioas);
}

/* Two trackers, even and odd pages: each byte of the bitmap is set by both */
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

/* Starts two threads at the same moment, again and again */
static void meet(unsigned int *arrived, unsigned int round)
{
	__atomic_add_fetch(arrived, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(arrived, __ATOMIC_ACQUIRE) < 2 * round)
		sched_yield();
}

struct racer {
	struct read_args args;
	unsigned int *arrived;
	unsigned int rounds;
	void (*after)(struct racer *r);
	__u64 pages;
	__u64 missing;
};

/* Every round has the same result: nothing is cleared in the IO page tables */
static void *racer_run(void *arg)
{
	struct racer *r = arg;
	unsigned int i;

	for (i = 0; i < r->rounds; i++) {
		meet(r->arrived, 2 * i + 1);
		r->pages += tracker_read(&r->args);
		meet(r->arrived, 2 * i + 2);
		if (r->after)
			r->after(r);
	}
	return NULL;
}

#define RACE_PAGES	512
#define RACE_BITS	(RACE_PAGES / 2)

/* By one of the two, while the other waits for the next round */
static void race_check(struct racer *r)
{
	r->missing += RACE_BITS - bitmap_count(r->args.data, RACE_BITS);
	memset(r->args.data, 0, RACE_BITS / 8);
}

/*
 * The hardest case for bits that are not set atomically. Each bit stands for
 * two pages of which one is dirty, so that it is set on its own; even bits come
 * from one tracker, odd ones from the other.
 */
TEST_F_TIMEOUT(concurrent, single_bits, 120)
{
	struct env *env = &self->env;
	__u64 bitmap[RACE_BITS / 64] = {};
	unsigned int arrived = 0;
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
		r[i].arrived = &arrived;
		r[i].rounds = 1000;
	}
	r[0].after = race_check;
	ASSERT_EQ(0, pthread_create(&thread, NULL, racer_run, &r[1]));
	racer_run(&r[0]);
	pthread_join(thread, NULL);
	EXPECT_EQ(0, r[0].missing);
	EXPECT_EQ(1000 * RACE_BITS, r[0].pages + r[1].pages);
}

/* A migration in small: copy what is reported while the device goes on */
TEST_F_TIMEOUT(concurrent, read_during_dma, 120)
{
	struct writer w;
	unsigned int reads = 0;

	env_start(&self->env);
	writer_start(&w, &self->o, 40);
	while (!writer_done(&w)) {
		oracle_read(&self->o, 0);
		oracle_copy(&self->o);
		reads++;
	}
	EXPECT_EQ(0, writer_settle(&w));
	lib_note("%u READs during %llu writes", reads, self->o.writes);
}

/* Two at a time share what they find: one bitmap, copied after both */
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

struct mapper {
	struct env *env;
	pthread_t thread;
	bool stop;
	unsigned int rounds;
};

/* Ranges before, behind and far from the one that is read */
static void *mapper_run(void *arg)
{
	static const __u64 iovas[] = {
		IOVA - SZ_4K * 8, IOVA + PAGES * SZ_4K, IOVA + 70 * SZ_1G,
	};
	struct mapper *m = arg;
	void *mem = mem_alloc(8 * SZ_4K);

	while (!__atomic_load_n(&m->stop, __ATOMIC_ACQUIRE)) {
		__u64 iova = iovas[m->rounds % 3];

		ioas_map(m->env->fd, m->env->ioas, mem, 8 * SZ_4K, iova);
		ioas_unmap(m->env->fd, m->env->ioas, iova, 8 * SZ_4K);
		__atomic_add_fetch(&m->rounds, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

/* READ a range that spans the mappings which come and go */
TEST_F_TIMEOUT(concurrent, read_during_map, 120)
{
	struct env *env = &self->env;
	struct mapper m = { .env = env };
	char *wide = mem_alloc(SZ_4K);
	struct writer w;

	env_start(env);
	ASSERT_EQ(0, pthread_create(&m.thread, NULL, mapper_run, &m));
	writer_start(&w, &self->o, 40);
	while (!writer_done(&w) ||
	       __atomic_load_n(&m.rounds, __ATOMIC_ACQUIRE) < 20) {
		/* The range begins 64 pages before the oracle's */
		memset(wide, 0, SZ_4K);
		env_read(env, IOVA - 64 * SZ_4K, (128 + PAGES) * SZ_4K, SZ_4K, 0,
			 wide);
		memcpy(self->o.bitmap, wide + 8, PAGES / 8);
		oracle_copy(&self->o);
	}
	__atomic_store_n(&m.stop, true, __ATOMIC_RELEASE);
	pthread_join(m.thread, NULL);
	EXPECT_EQ(0, writer_settle(&w));
	lib_note("%u mappings during %llu writes", m.rounds, self->o.writes);
}

static void *start_stop_run(void *arg)
{
	struct mapper *m = arg;
	unsigned int i;

	for (i = 0; i < m->rounds; i++) {
		int rc = __tracker_stop(m->env->fd, m->env->tracker);

		usleep(random_below(500));
		if (!rc)
			rc = __tracker_start(m->env->fd, m->env->tracker, NULL);
		if (rc)
			fatal("STOP or START: error %d", -rc);
	}
	__atomic_store_n(&m->stop, true, __ATOMIC_RELEASE);
	return NULL;
}

/* READ finds the tracker running or not, and nothing in between */
TEST_F_TIMEOUT(concurrent, read_during_start_stop, 120)
{
	struct env *env = &self->env;
	struct mapper m = { .env = env, .rounds = 100 };
	struct read_args args = read_range(env, env->tracker, 0, PAGES,
					   self->o.bitmap);
	unsigned int result[2] = {};

	env_start(env);
	ASSERT_EQ(0, pthread_create(&m.thread, NULL, start_stop_run, &m));
	while (!__atomic_load_n(&m.stop, __ATOMIC_ACQUIRE)) {
		int rc = __tracker_read(&args);

		ASSERT_TRUE(!rc || rc == -ENODATA)
			TH_LOG("READ returned %d", rc);
		result[!rc]++;
	}
	pthread_join(m.thread, NULL);
	lib_note("%u READs, of which %u on a stopped tracker",
		 result[0] + result[1], result[0]);

	oracle_read(&self->o, 0);
	env_load(env, 0);
	oracle_write(&self->o, 0, 9);
	EXPECT_EQ(1, oracle_read(&self->o, 0));
}

/* READs 4 TiB, whose bitmap is a little memory mapped over and over, for ever */
static void read_for_ever(struct env *env)
{
	struct read_args args = {
		.fd = env->fd,
		.tracker = env->tracker,
		.length = 4096 * SZ_1G,
		.page_size = SZ_4K,
		.data = mem_alloc_repeat(2 * SZ_1M, 128 * SZ_1M),
	};

	for (;;)
		if (__tracker_read(&args))
			_exit(1);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* A process dies in a long READ: at once, and the tracker goes on for others */
TEST_F_TIMEOUT(concurrent, kill_reader, 120)
{
	struct env *env = &self->env;
	double longest = 0;
	unsigned int i;

	env_start(env);
	for (i = 0; i < 5; i++) {
		double begin;
		int status;
		pid_t pid = fork();

		ASSERT_LE(0, pid);
		if (!pid)
			read_for_ever(env);
		usleep(20000 + random_below(200000));
		begin = seconds();
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		begin = seconds() - begin;
		if (begin > longest)
			longest = begin;
		EXPECT_TRUE(WIFSIGNALED(status));
		EXPECT_EQ(SIGKILL, WTERMSIG(status));
	}
	lib_note("at most %.3f s from SIGKILL to the end", longest);
	EXPECT_GT(5, longest);

	EXPECT_EQ(IOMMU_DIRTY_STATE_RUNNING, tracker_state(env->fd, env->tracker));
	oracle_read(&self->o, 0);
	env_load(env, 0);
	oracle_write(&self->o, 0, 9);
	EXPECT_EQ(1, oracle_read(&self->o, 0));
}

TEST_HARNESS_MAIN
