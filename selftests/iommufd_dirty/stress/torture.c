// SPDX-License-Identifier: GPL-2.0-only
/*
 * Everything at once: devices and software write, mappings come and go, HWPTs are
 * allocated and destroyed, calls fail, and several consumers, each with a tracker,
 * copy the reported pages, also during an unmap. Every write has a new number. At the
 * end of each round, when all writers have stopped, the copies must match the memory.
 *
 * If one part of the kernel is left out (CONFIG_IOMMUFD_DIRTY_BREAK), pages must be
 * missed. This proves that the test can fail.
 *
 * One variant is in 2 MiB pages, with one more tracker, which splits their entries and is
 * started and stopped all the time.
 *
 * TORTURE_OPS is the number of operations of each thread in a round, TORTURE_ROUNDS
 * the number of rounds. DIRTY_SEED determines the operations.
 */
#include <kselftest_harness.h>

#include <pthread.h>
#include <sched.h>

#include "lib.h"

#define IOVA		0x40000000ULL
#define CHUNK_PAGES	8
#define HUGE_PAGES	512	/* the same with 2 MiB entries */
#define CHUNKS		8
#define BURST		16
#define WORDS		(SZ_4K / 8)
#define CONSUMERS	3
#define MAPPERS		2
#define HOT_PAGES	4

struct torture {
	struct env env;
	__u32 ioas;
	size_t chunk;		/* pages that are mapped and unmapped together */
	size_t pages;
	__u64 *mem;
	struct consumer consumers[CONSUMERS];
	__u32 splitter;		/* a tracker that splits; 0: none */
	int access;		/* negative: the kernel has none for tests */
	unsigned int breaks;	/* what the kernel leaves out */
	bool holds;		/* the kernel can be made to wait in an unmap */
	unsigned int rounds;
	unsigned int ops;	/* of a thread in a round */
	__u64 seed;
	pthread_mutex_t stage;	/* one value at a time in the staging page */
	__u64 dma_bursts;
	__u64 cpu_writes;
	__u64 reads;
	__u64 unmaps;
	__u64 attaches;
	__u64 splits;
	__u64 errors;
};

/* One thread of a round; its random numbers depend only on the seed */
struct job {
	struct torture *t;
	void (*run)(struct job *job);
	unsigned int number;
	unsigned int times;	/* factor for the number of operations */
	__u64 state;
	pthread_t thread;
};

FIXTURE(torture)
{
	struct torture *t;
};

/* The parts that the kernel leaves out: a mask of 1 << BREAK_x */
FIXTURE_VARIANT(torture)
{
	unsigned int breaks;
	bool splits;
};

FIXTURE_VARIANT_ADD(torture, nothing_missed)
{
};

FIXTURE_VARIANT_ADD(torture, nothing_missed_and_split)
{
	.splits = true,
};

FIXTURE_VARIANT_ADD(torture, without_unmap)
{
	.breaks = 1U << BREAK_UNMAP,
};

FIXTURE_VARIANT_ADD(torture, without_attach)
{
	.breaks = 1U << BREAK_ATTACH,
};

FIXTURE_VARIANT_ADD(torture, without_access)
{
	.breaks = 1U << BREAK_ACCESS,
};

FIXTURE_VARIANT_ADD(torture, without_protect)
{
	.breaks = 1U << BREAK_PROTECT,
};

FIXTURE_VARIANT_ADD(torture, without_flush)
{
	.breaks = 1U << BREAK_FLUSH,
};

FIXTURE_VARIANT_ADD(torture, without_record)
{
	.breaks = 1U << BREAK_RECORD,
};

static __u64 below(struct job *job, __u64 limit)
{
	job->state ^= job->state << 13;
	job->state ^= job->state >> 7;
	job->state ^= job->state << 17;
	return job->state % limit;
}

static void count(__u64 *counter, bool really)
{
	if (really)
		__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

/* Sometimes makes one of the next allocations fail */
static void fail_some(struct job *job, unsigned int limit)
{
	if (!below(job, 4))
		fail_nth(1 + below(job, limit));
}

static __u64 page_iova(size_t page)
{
	return IOVA + page * SZ_4K;
}

/* Half of the bursts rewrite a few pages, which may still be in an IOTLB */
static size_t burst_pages(struct job *job)
{
	return below(job, 2) ? job->t->pages : HOT_PAGES;
}

/* Writes by the threads of a software IOMMU device */
static void soft_burst(struct job *job, struct edu *edu)
{
	struct storm storm = {
		.iova = IOVA,
		.length = burst_pages(job) * SZ_4K,
		.seed = below(job, 1ULL << 32),
		.threads = 1 + below(job, 2),
		.limit = 1 + below(job, BURST),
	};

	storm_start(edu, &storm);
	while (storm_running(edu))
		sched_yield();
	storm_stop(edu);
}

static void burst(struct job *job, unsigned int index)
{
	struct torture *t = job->t;
	struct edu *edu = &t->env.edu[index];
	unsigned int i;
	size_t pages;

	if (edu->soft) {
		soft_burst(job, edu);
	} else {
		pthread_mutex_lock(&t->stage);
		env_load(&t->env, index);
		pages = burst_pages(job);
		for (i = 1 + below(job, 8); i; i--)
			env_store(&t->env, index, page_iova(below(job, pages)));
		pthread_mutex_unlock(&t->stage);
	}
	count(&t->dma_bursts, true);
}

static void do_dma(struct job *job)
{
	burst(job, 0);
}

/* READ and SCAN, also with an unmapped bitmap and with failing allocations */
static void do_consume(struct job *job)
{
	struct consumer *c = &job->t->consumers[job->number];
	__u64 what = below(job, 8);
	int rc;

	fail_some(job, 8);
	if (what < 4)
		rc = __consumer_read(c, 0, below(job, 2) ? NULL : (void *)64);
	else if (what < 5)
		rc = __consumer_read(c, IOMMU_DIRTY_READ_NO_CLEAR, NULL);
	else
		rc = __consumer_scan(c, 1 + below(job, CONSUMER_RUNS));
	fail_nth(0);
	count(&job->t->reads, true);
	count(&job->t->errors, rc);
}

/*
 * Makes unmaps wait after they have recorded the dirty pages, until the consumers have
 * read while devices keep writing. Gives up after HOLD_YIELDS, since a waiter for an
 * unmap may block the readers.
 */
#define HOLD_YIELDS	1000

static void do_hold(struct job *job)
{
	struct torture *t = job->t;
	__u64 begin = __atomic_load_n(&t->reads, __ATOMIC_RELAXED);
	unsigned int i;

	break_kernel(t->breaks | 1U << BREAK_HURRY);
	for (i = 0; i < HOLD_YIELDS; i++) {
		sched_yield();
		if (__atomic_load_n(&t->reads, __ATOMIC_RELAXED) - begin > 2 * CONSUMERS)
			break;
	}
	break_kernel(t->breaks);
}

static int map_chunk(struct torture *t, size_t chunk)
{
	size_t page = chunk * t->chunk;

	return __ioas_map(t->env.fd, t->ioas, &t->mem[page * WORDS],
			  t->chunk * SZ_4K, page_iova(page),
			  IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE);
}

/* Mappers do not share chunks */
static void do_map(struct job *job)
{
	struct torture *t = job->t;
	size_t chunk = below(job, CHUNKS / MAPPERS) * MAPPERS + job->number;
	size_t page = chunk * t->chunk;
	int rc;

	fail_some(job, 16);
	if (below(job, 2))
		rc = __consumer_unmap(&t->consumers[0], page, t->chunk);
	else
		rc = __ioas_unmap(t->env.fd, t->ioas, page_iova(page),
				  t->chunk * SZ_4K);
	fail_nth(0);
	count(&t->unmaps, !rc);
	count(&t->errors, rc);
	/* UNMAP may fail to report after it has unmapped */
	rc = map_chunk(t, chunk);
	if (rc && rc != -EEXIST)
		fatal("cannot map: error %d", -rc);
}

/* Attaches the second device to a new HWPT or to the first device's, then detaches it */
static void do_attach(struct job *job)
{
	struct torture *t = job->t;
	struct edu *edu = &t->env.edu[1];
	bool own = below(job, 2);
	__u32 pt = t->ioas;
	int rc = 0;

	fail_some(job, 32);
	if (own)
		rc = __hwpt_alloc(t->env.fd, edu->dev_id, t->ioas,
				  IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &pt);
	own = own && !rc;
	if (!rc)
		rc = __edu_attach(edu, pt);
	fail_nth(0);
	if (!rc) {
		burst(job, 1);
		edu_detach(edu);
	}
	if (own)
		object_destroy(t->env.fd, pt);
	count(&t->attaches, !rc);
	count(&t->errors, rc);
}

/* Fails and writes nothing where nothing is mapped */
static void do_access(struct job *job)
{
	struct torture *t = job->t;
	__u64 value = t->cpu_writes + 1;
	int rc = __access_write(t->env.fd, t->access,
				page_iova(below(job, t->pages)) + 8, &value,
				sizeof(value));

	count(&t->cpu_writes, !rc);
	count(&t->errors, rc);
}

/* Starts the tracker that splits, and stops it when others have read */
static void do_split(struct job *job)
{
	struct torture *t = job->t;
	__u32 flags = below(job, 2) ? IOMMU_DIRTY_START_SPLIT : IOMMU_DIRTY_START_SPLIT_LAZY;
	__u64 begin = __atomic_load_n(&t->reads, __ATOMIC_RELAXED);
	unsigned int i;
	int rc;

	fail_some(job, 32);
	rc = __tracker_start_flags(t->env.fd, t->splitter, flags, NULL);
	fail_nth(0);
	count(&t->splits, !rc);
	count(&t->errors, rc);
	for (i = 0; !rc && i < HOLD_YIELDS; i++) {
		sched_yield();
		if (__atomic_load_n(&t->reads, __ATOMIC_RELAXED) - begin > 2 * CONSUMERS)
			break;
	}
	tracker_stop(t->env.fd, t->splitter);
}

static void *job_run(void *arg)
{
	struct job *job = arg;
	unsigned int i;

	for (i = 0; i < job->t->ops * job->times; i++) {
		job->run(job);
		sched_yield();
	}
	fail_nth_close();
	return NULL;
}

/* Returns how many pages the consumers have missed */
static size_t torture_round(struct torture *t, unsigned int round)
{
	struct job jobs[] = {
		/* More than those that flush the IOTLB for other reasons */
		{ .run = do_consume, .number = 0, .times = 3 },
		{ .run = do_consume, .number = 1, .times = 3 },
		{ .run = do_consume, .number = 2, .times = 3 },
		{ .run = do_dma, .times = 4 },
		{ .run = do_map, .number = 0, .times = 1 },
		{ .run = do_map, .number = 1, .times = 1 },
		{ .run = do_attach, .times = 1 },
		/* Quick, so it needs more operations to last as long as the others */
		{ .run = t->access < 0 ? NULL : do_access, .times = 20 },
		{ .run = t->holds ? do_hold : NULL, .times = 1 },
		{ .run = t->splitter ? do_split : NULL, .times = 1 },
	};
	size_t missed = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(jobs); i++) {
		if (!jobs[i].run)
			continue;
		jobs[i].t = t;
		jobs[i].state = t->seed ^
				(round * 16 + i + 1) * 0x9e3779b97f4a7c15ULL;
		if (pthread_create(&jobs[i].thread, NULL, job_run, &jobs[i]))
			fatal("no thread");
	}
	for (i = 0; i < ARRAY_SIZE(jobs); i++)
		if (jobs[i].run)
			pthread_join(jobs[i].thread, NULL);
	for (i = 0; i < CONSUMERS; i++)
		missed += consumer_missed(&t->consumers[i]);
	return missed;
}

/* Runs @rounds rounds, or fewer if pages are missed */
static size_t torture(struct torture *t, unsigned int rounds)
{
	unsigned int round;
	size_t missed = 0;

	for (round = 0; round < rounds && !missed; round++)
		missed = torture_round(t, round);
	lib_note("seed %#llx, %u of %u rounds of %u operations a thread",
		 t->seed, round, rounds, t->ops);
	lib_note("%llu bursts of DMA, %llu writes by software, %llu unmaps",
		 t->dma_bursts, t->cpu_writes, t->unmaps);
	lib_note("%llu attaches, %llu STARTs that split, %llu errors: %zu pages missed",
		 t->attaches, t->splits, t->errors, missed);
	return missed;
}

static unsigned int setting(const char *name, const char *otherwise)
{
	return strtoul(getenv(name) ?: otherwise, NULL, 0);
}

/* Returns NULL or the reason to skip */
static const char *splitter_open(struct torture *t)
{
	struct env *env = &t->env;
	struct iommu_dirty_member m;

	t->chunk = HUGE_PAGES;
	t->pages = CHUNKS * HUGE_PAGES;
	t->mem = mem_alloc_huge(t->pages * SZ_4K);
	if (!t->mem)
		return "no 2 MiB huge pages";
	memset(t->mem, 0, t->pages * SZ_4K);
	/* The IOAS of the environment has only 4 KiB entries */
	t->ioas = ioas_alloc(env->fd);
	env_map_stage(env, t->ioas);
	edu_attach(&env->edu[0], t->ioas);
	t->splitter = tracker_alloc(env->fd, t->ioas);
	tracker_info(env->fd, t->splitter, &m);
	return m.flags & IOMMU_DIRTY_MEMBER_SPLITS ? NULL : "this IOMMU cannot split entries";
}

FIXTURE_SETUP(torture)
{
	struct torture *t = calloc(1, sizeof(*t));
	const char *reason;
	size_t i;

	ASSERT_NE(NULL, t);
	reason = env_open(&t->env, 2);
	self->t = t;
	if (!reason && !fail_setup())
		reason = "no fault injection in this kernel";
	t->ioas = t->env.ioas;
	t->chunk = CHUNK_PAGES;
	t->pages = CHUNKS * CHUNK_PAGES;
	if (!reason && variant->splits)
		reason = splitter_open(t);
	if (reason)
		SKIP(return, "%s", reason);
	t->rounds = setting("TORTURE_ROUNDS", "20");
	t->ops = setting("TORTURE_OPS", "10");
	t->seed = random_u64();
	t->access = __access_create(t->env.fd, t->ioas);
	t->holds = break_kernel(0);
	pthread_mutex_init(&t->stage, NULL);
	if (!t->mem)
		t->mem = mem_alloc(t->pages * SZ_4K);
	for (i = 0; i < CHUNKS; i++)
		check(map_chunk(t, i));
	for (i = 0; i < CONSUMERS; i++) {
		consumer_open(&t->consumers[i], t->env.fd, t->ioas, t->mem,
			      IOVA, t->pages);
		tracker_start(t->env.fd, t->consumers[i].tracker);
	}
}

FIXTURE_TEARDOWN(torture)
{
	struct torture *t = self->t;
	size_t i;

	if (t->consumers[0].tracker) {
		if (t->access >= 0)
			access_destroy(t->access);
		for (i = 0; i < CONSUMERS; i++)
			consumer_close(&t->consumers[i]);
		env_close(&t->env);
		mem_free(t->mem, t->pages * SZ_4K);
	}
	free(t);
}

/* In all formats except these two, hardware sets dirty bits without being enabled */
static bool always_tracked(struct torture *t)
{
	struct iommu_dirty_member m[4];

	tracker_members(t->env.fd, t->consumers[0].tracker, m, ARRAY_SIZE(m));
	return m[0].format != IOMMU_DIRTY_FMT_VTD_SS &&
	       m[0].format != IOMMU_DIRTY_FMT_AMD_V1;
}

/* TORTURE_ROUNDS has no limit, so leave the real timeout to the caller */
TEST_F_TIMEOUT(torture, run, 36000)
{
	struct torture *t = self->t;

	if (!variant->breaks) {
		EXPECT_EQ(0, torture(t, t->rounds));
		EXPECT_LT(0, t->unmaps);
		EXPECT_LT(0, t->attaches);
		EXPECT_LT(0, t->errors);
		EXPECT_EQ(variant->splits, t->splits > 0);
		return;
	}
	if (variant->breaks == 1U << BREAK_ACCESS && t->access < 0)
		SKIP(return, "no accesses for tests in this kernel");
	if (variant->breaks == 1U << BREAK_ATTACH && always_tracked(t))
		SKIP(return, "this hardware tracks without being told");
	if (!break_kernel(variant->breaks))
		SKIP(return, "no CONFIG_IOMMUFD_DIRTY_BREAK");
	t->breaks = variant->breaks;
	/* Pages are missed every few rounds, or at least sometimes; then it ends */
	EXPECT_LT(0, torture(t, 50 * t->rounds));
	break_kernel(0);
}

TEST_HARNESS_MAIN
