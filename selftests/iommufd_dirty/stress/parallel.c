// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many readers of one IOAS at a time, each in a few windows of the kernel: nothing may be
 * lost, neither for their tracker, nor for another one whose ledger all of them feed, and
 * which is read by SCAN. A second test measures what two threads gain over one.
 */
#include <kselftest_harness.h>

#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "lib.h"

#define IOVA		(4 * SZ_1G)
#define WINDOWS		8
#define WINDOW_PAGES	16
#define PAGES		(WINDOWS * WINDOW_PAGES)
#define READERS		8
#define RANGE		2	/* windows that a reader reads at once */
#define WRITES		4000
#define WORDS		(SZ_4K / 8)

/* What a tracker has reported was copied */
struct copy {
	pthread_mutex_t lock;	/* a page must not be overwritten by an older copy */
	__u64 page[PAGES];
};

struct parallel {
	struct env env;
	__u64 *mem;
	__u32 witness;
	struct copy read;
	struct copy scanned;
	bool done;
};

struct reader {
	struct parallel *p;
	unsigned int number;
	__u64 pages;
	pthread_t thread;
};

FIXTURE(parallel)
{
	struct parallel p;
};

static __u64 page_iova(unsigned int page)
{
	return IOVA + page / WINDOW_PAGES * SZ_1G + page % WINDOW_PAGES * SZ_4K;
}

FIXTURE_SETUP(parallel)
{
	struct parallel *p = &self->p;
	unsigned int i;

	OPEN_OR_SKIP(return, env_open(&p->env, 1));
	pthread_mutex_init(&p->read.lock, NULL);
	pthread_mutex_init(&p->scanned.lock, NULL);
	p->mem = mem_alloc(PAGES * SZ_4K);
	for (i = 0; i < WINDOWS; i++)
		ioas_map(p->env.fd, p->env.ioas, &p->mem[i * WINDOW_PAGES * WORDS],
			 WINDOW_PAGES * SZ_4K, page_iova(i * WINDOW_PAGES));
	p->witness = tracker_alloc(p->env.fd, p->env.ioas);
	tracker_start(p->env.fd, p->witness);
	env_start(&p->env);
}

FIXTURE_TEARDOWN(parallel)
{
	if (self->p.mem)
		mem_free(self->p.mem, PAGES * SZ_4K);
	env_close(&self->p.env);
}

static void copy_page(struct parallel *p, struct copy *copy, unsigned int page)
{
	pthread_mutex_lock(&copy->lock);
	copy->page[page] = __atomic_load_n(&p->mem[page * WORDS], __ATOMIC_ACQUIRE);
	pthread_mutex_unlock(&copy->lock);
}

static unsigned int differing(const struct parallel *p, const struct copy *copy)
{
	unsigned int page, n = 0;

	for (page = 0; page < PAGES; page++)
		n += copy->page[page] != p->mem[page * WORDS];
	return n;
}

/* READ @windows windows from @first on, and copy */
static __u64 read_windows(struct parallel *p, unsigned int first, unsigned int windows,
			  void *bitmap)
{
	struct read_args args = {
		.fd = p->env.fd,
		.tracker = p->env.tracker,
		.iova = IOVA + first * SZ_1G,
		.length = windows * SZ_1G,
		.page_size = SZ_4K,
		.data = bitmap,
	};
	unsigned int page;
	__u64 pages = tracker_read(&args);

	for (page = first * WINDOW_PAGES; page < (first + windows) * WINDOW_PAGES; page++) {
		__u64 bit = (page_iova(page) - args.iova) / SZ_4K;

		if (!bitmap_test(bitmap, bit))
			continue;
		copy_page(p, &p->read, page);
		((unsigned char *)bitmap)[bit / 8] &= ~(1 << bit % 8);
	}
	return pages;
}

static void *reader_run(void *arg)
{
	struct reader *r = arg;
	size_t size = WINDOWS * SZ_1G / SZ_4K / 8;
	void *bitmap = mem_alloc(size);
	unsigned int i;

	for (i = r->number; !__atomic_load_n(&r->p->done, __ATOMIC_ACQUIRE); i++)
		r->pages += read_windows(r->p, i % (WINDOWS - RANGE + 1), RANGE, bitmap);
	mem_free(bitmap, size);
	return NULL;
}

/* SCAN everything, in calls with room for a few runs */
static __u64 scan_all(struct parallel *p)
{
	struct iommu_dirty_run runs[5];
	struct scan_args args = {
		.fd = p->env.fd,
		.tracker = p->witness,
		.page_size = SZ_4K,
		.runs = runs,
	};
	__u64 iova, pages = 0;
	unsigned int i;

	for (iova = IOVA; iova < IOVA + WINDOWS * SZ_1G; iova += args.out_length) {
		args.iova = iova;
		args.length = IOVA + WINDOWS * SZ_1G - iova;
		args.num_runs = 5;
		check(__tracker_scan(&args));
		pages += args.out_pages;
		for (i = 0; i < args.num_runs; i++) {
			__u64 at = runs[i].iova - IOVA, end = at + runs[i].length;

			for (; at < end; at += SZ_4K)
				copy_page(p, &p->scanned,
					  at / SZ_1G * WINDOW_PAGES + at % SZ_1G / SZ_4K);
		}
	}
	return pages;
}

static void *scanner_run(void *arg)
{
	struct reader *r = arg;

	while (!__atomic_load_n(&r->p->done, __ATOMIC_ACQUIRE))
		r->pages += scan_all(r->p);
	return NULL;
}

static void start(struct reader *r, struct parallel *p, unsigned int number,
		  void *(*run)(void *))
{
	*r = (struct reader){ .p = p, .number = number };
	if (pthread_create(&r->thread, NULL, run, r))
		fatal("pthread_create failed");
}

TEST_F_TIMEOUT(parallel, nothing_missed, 300)
{
	struct parallel *p = &self->p;
	size_t size = WINDOWS * SZ_1G / SZ_4K / 8;
	struct reader r[READERS + 1];
	void *bitmap = mem_alloc(size);
	__u64 pages = 0;
	unsigned int i;

	for (i = 0; i < READERS; i++)
		start(&r[i], p, i, reader_run);
	start(&r[READERS], p, READERS, scanner_run);
	for (i = 0; i < WRITES; i++) {
		if (i % 16 == 0)
			env_load(&p->env, 0);
		env_store(&p->env, 0, page_iova(random_below(PAGES)));
		/* On one CPU, let the readers run, too */
		if (i % 64 == 0)
			sched_yield();
	}
	__atomic_store_n(&p->done, true, __ATOMIC_RELEASE);
	for (i = 0; i <= READERS; i++)
		pthread_join(r[i].thread, NULL);
	for (i = 0; i < READERS; i++)
		pages += r[i].pages;
	lib_note("%llu pages read by %u threads, %llu scanned", pages, READERS, r[READERS].pages);

	/* The last of it */
	read_windows(p, 0, WINDOWS, bitmap);
	scan_all(p);
	EXPECT_EQ(0, differing(p, &p->read));
	EXPECT_EQ(0, differing(p, &p->scanned));
	EXPECT_LT(0, pages);
	EXPECT_LT(0, r[READERS].pages);
	mem_free(bitmap, size);
}

struct timed {
	struct read_args args;
	unsigned int rounds;
	pthread_barrier_t *barrier;
};

static void *timed_run(void *arg)
{
	struct timed *t = arg;
	unsigned int i;

	pthread_barrier_wait(t->barrier);
	for (i = 0; i < t->rounds; i++)
		tracker_read(&t->args);
	pthread_barrier_wait(t->barrier);
	return NULL;
}

/* How long @threads threads take for the two windows of @args, in nanoseconds */
static __u64 time_threads(const struct read_args *args, unsigned int threads)
{
	struct timespec begin, end;
	struct timed timed[2];
	pthread_barrier_t barrier;
	pthread_t thread[2];
	unsigned int i;

	pthread_barrier_init(&barrier, NULL, threads + 1);
	for (i = 0; i < threads; i++) {
		timed[i] = (struct timed){ .args = *args, .rounds = 20, .barrier = &barrier };
		timed[i].args.length /= threads;
		timed[i].args.iova += i * timed[i].args.length;
		timed[i].args.data += i * timed[i].args.length / SZ_4K / 8;
		if (pthread_create(&thread[i], NULL, timed_run, &timed[i]))
			fatal("pthread_create failed");
	}
	pthread_barrier_wait(&barrier);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	pthread_barrier_wait(&barrier);
	clock_gettime(CLOCK_MONOTONIC, &end);
	for (i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
	return (end.tv_sec - begin.tv_sec) * 1000000000ULL + end.tv_nsec - begin.tv_nsec;
}

/* The machine decides how much faster two threads are, so this only reports it */
TEST_F_TIMEOUT(parallel, two_threads, 300)
{
	struct parallel *p = &self->p;
	size_t size = 2 * SZ_1G;
	void *mem = mem_alloc_repeat(SZ_2M, size);
	struct read_args args = {
		.fd = p->env.fd,
		.tracker = p->env.tracker,
		.flags = IOMMU_DIRTY_READ_NO_CLEAR,
		.iova = IOVA + WINDOWS * SZ_1G,
		.length = size,
		.page_size = SZ_4K,
		.data = mem_alloc(size / SZ_4K / 8),
	};
	__u64 one = ~0ULL, two = ~0ULL, ns;
	unsigned int i;

	ioas_map(p->env.fd, p->env.ioas, mem, size, args.iova);
	for (i = 0; i < 5; i++) {
		ns = time_threads(&args, 1);
		one = ns < one ? ns : one;
		ns = time_threads(&args, 2);
		two = ns < two ? ns : two;
	}
	lib_note("%llu us with one thread, %llu us with two: %llu.%02llu x", one / 1000,
		 two / 1000, one / two, one * 100 / two % 100);
	EXPECT_LT(0, two);
	mem_free(args.data, size / SZ_4K / 8);
	mem_free(mem, size);
}

TEST_HARNESS_MAIN
