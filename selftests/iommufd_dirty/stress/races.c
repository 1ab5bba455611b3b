// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs READ concurrently with DMA, with map and unmap, and with START and STOP, and
 * in a process that is killed. No dirty page may be lost.
 */
#include <kselftest_harness.h>

#include <pthread.h>
#include <signal.h>

#include "lib.h"

#define IOVA	0x40000000ULL
#define PAGES	64

FIXTURE(races)
{
	struct env env;
	struct oracle o;
};

FIXTURE_SETUP(races)
{
	OPEN_OR_SKIP(return, env_open(&self->env, 1));
	oracle_open(&self->o, &self->env, PAGES, IOVA);
	oracle_map(&self->o, self->env.ioas);
}

FIXTURE_TEARDOWN(races)
{
	oracle_close(&self->o);
	env_close(&self->env);
}

/* A minimal migration: copies the reported pages while the device keeps writing */
TEST_F_TIMEOUT(races, read_during_dma, 120)
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

struct mapper {
	struct env *env;
	pthread_t thread;
	bool stop;
	unsigned int rounds;
};

/* Maps and unmaps ranges before, after and far from the oracle's pages */
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

/* READs a range in which mappings come and go */
TEST_F_TIMEOUT(races, read_during_map, 120)
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
		/* The range starts 64 pages before the oracle's */
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

/* READ finds the tracker either running or stopped, nothing in between */
TEST_F_TIMEOUT(races, read_during_start_stop, 120)
{
	struct env *env = &self->env;
	struct mapper m = { .env = env, .rounds = 100 };
	struct read_args args = {
		.fd = env->fd,
		.tracker = env->tracker,
		.iova = IOVA,
		.length = PAGES * SZ_4K,
		.page_size = SZ_4K,
		.data = self->o.bitmap,
	};
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

/* READs 4 TiB in a loop; the bitmap maps the same small buffer over and over */
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

/* A process killed in a long READ dies at once; others can still use the tracker */
TEST_F_TIMEOUT(races, kill_reader, 120)
{
	struct env *env = &self->env;
	__u64 longest = 0;
	unsigned int i;

	env_start(env);
	for (i = 0; i < 5; i++) {
		__u64 begin;
		int status;
		pid_t pid = fork();

		ASSERT_LE(0, pid);
		if (!pid)
			read_for_ever(env);
		usleep(20000 + random_below(200000));
		begin = lib_clock();
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		begin = lib_clock() - begin;
		if (begin > longest)
			longest = begin;
		EXPECT_TRUE(WIFSIGNALED(status));
		EXPECT_EQ(SIGKILL, WTERMSIG(status));
	}
	lib_note("at most %.3f s from SIGKILL to the end", longest / 1e9);
	EXPECT_GT(5000000000, longest);

	EXPECT_EQ(IOMMU_DIRTY_STATE_RUNNING, tracker_state(env->fd, env->tracker));
	oracle_read(&self->o, 0);
	env_load(env, 0);
	oracle_write(&self->o, 0, 9);
	EXPECT_EQ(1, oracle_read(&self->o, 0));
}

TEST_HARNESS_MAIN
