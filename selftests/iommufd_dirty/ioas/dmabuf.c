// SPDX-License-Identifier: GPL-2.0-only
/*
 * A dma-buf is mapped beside ordinary memory. It is the memory of a device, so nobody gets
 * its pages as dirty, and no walk looks at its entries: its owner can revoke it at any
 * time, without the locks of the IOAS. What is dirty beside it is reported as ever. Needs
 * Linux 7.3; the dma-bufs are those of iommufd's selftests.
 */
#include <errno.h>
#include <kselftest_harness.h>
#include <string.h>
#include <unistd.h>

#include "lib.h"

#define IOVA	0x40000000ULL
#define NEAR	64	/* pages of memory on either side */
#define MIDDLE	16	/* pages of the dma-buf */
#define PAGES	(NEAR + MIDDLE + NEAR)
#define SIZE	(PAGES * SZ_4K)
#define AT(page) (IOVA + (page) * SZ_4K)
#define SCRATCH	0x60000000ULL	/* a page outside of what is read */

FIXTURE(dmabuf)
{
	struct env env;
	struct oracle o;	/* of all pages; those in the middle never change */
	__u64 *scratch;
	int file;
};

static void map_middle(struct env *env, int file)
{
	check(__ioas_map_file(env->fd, env->ioas, file, MIDDLE * SZ_4K, AT(NEAR)));
}

FIXTURE_SETUP(dmabuf)
{
	struct env *env = &self->env;
	struct oracle *o = &self->o;
	size_t right = NEAR + MIDDLE;

	OPEN_OR_SKIP(return, env_open(env, 2));
	self->file = __mock_dmabuf(env->fd, MIDDLE * SZ_4K);
	if (self->file == -ENOTTY || self->file == -EOPNOTSUPP)
		SKIP(return, "needs Linux 7.3 with CONFIG_IOMMUFD_TEST");
	check(self->file);
	oracle_open(o, env, PAGES, IOVA);
	ioas_map(env->fd, env->ioas, o->mem, NEAR * SZ_4K, IOVA);
	map_middle(env, self->file);
	ioas_map(env->fd, env->ioas, o->mem + right * SZ_4K, NEAR * SZ_4K, AT(right));
	self->scratch = mem_alloc(SZ_4K);
	ioas_map(env->fd, env->ioas, self->scratch, SZ_4K, SCRATCH);
}

FIXTURE_TEARDOWN(dmabuf)
{
	if (self->o.mem) {
		close(self->file);
		oracle_close(&self->o);
		mem_free(self->scratch, SZ_4K);
	}
	if (self->env.stage)
		env_close(&self->env);
}

/* Pages of memory that write_memory() writes to, those next to the dma-buf among them */
static const size_t written[] = { 0, NEAR - 1, NEAR + MIDDLE, PAGES - 1 };

#define WRITTEN	(sizeof(written) / sizeof(*written))

static void write_memory(struct oracle *o)
{
	size_t i;

	env_load(o->env, 0);
	for (i = 0; i < WRITTEN; i++)
		oracle_write(o, 0, written[i]);
}

/* The device writes to each page of the dma-buf; fatal if that does not arrive */
static void write_middle(struct _test_data_dmabuf *self)
{
	struct env *env = &self->env;
	__u64 value = env_load(env, 0);
	size_t page;

	for (page = NEAR; page < NEAR + MIDDLE; page++) {
		env_store(env, 0, AT(page));
		edu_dma_from(&env->edu[0], AT(page), 8, 8);
		edu_dma_to(&env->edu[0], SCRATCH, 8, 8);
		if (__atomic_load_n(self->scratch, __ATOMIC_ACQUIRE) != value)
			fatal("the device cannot write to the dma-buf");
		__atomic_store_n(self->scratch, 0, __ATOMIC_RELEASE);
	}
}

static void write_all(struct _test_data_dmabuf *self)
{
	write_middle(self);
	write_memory(&self->o);
}

/* READ reports what write_memory() has written, and nothing else */
static bool exact(struct oracle *o)
{
	bool found = oracle_read(o, 0) == WRITTEN;

	oracle_check(o);
	return found && !o->lost && !o->extra && !oracle_differing(o);
}

/* With env_twin(), each READ includes a SCAN of the twin */
TEST_F(dmabuf, read_and_scan)
{
	struct env *env = &self->env;
	unsigned char bitmap[PAGES / 8 + 1] = {};
	unsigned int i;

	env_twin(env);
	/* Dirty before START, and never cleaned */
	write_middle(self);
	env_start(env);
	EXPECT_EQ(0, oracle_read(&self->o, 0));
	for (i = 0; i < 3; i++) {
		write_all(self);
		EXPECT_EQ(WRITTEN, oracle_read(&self->o, IOMMU_DIRTY_READ_NO_CLEAR));
		/* The dma-buf alone is mapped, and clean */
		EXPECT_EQ(0, env_read(env, AT(NEAR), MIDDLE * SZ_4K, SZ_4K, 0, bitmap));
		EXPECT_TRUE(exact(&self->o));
		EXPECT_EQ(0, oracle_read(&self->o, 0));
	}
	/* A page of 1 MiB is dirty because of the memory in it, not because of the dma-buf */
	write_middle(self);
	EXPECT_EQ(0, env_read(env, IOVA, SZ_1M, SZ_1M, 0, bitmap));
	write_memory(&self->o);
	EXPECT_EQ(1, env_read(env, IOVA, SZ_1M, SZ_1M, 0, bitmap));
}

TEST_F(dmabuf, stop_and_start)
{
	struct env *env = &self->env;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		env_start(env);
		EXPECT_EQ(0, oracle_read(&self->o, 0));
		write_all(self);
		EXPECT_TRUE(exact(&self->o));
		write_middle(self);
		tracker_stop(env->fd, env->tracker);
	}
}

TEST_F(dmabuf, unmap)
{
	struct env *env = &self->env;

	env_twin(env);
	env_start(env);
	write_all(self);
	ioas_unmap(env->fd, env->ioas, AT(NEAR), MIDDLE * SZ_4K);
	EXPECT_TRUE(exact(&self->o));
	map_middle(env, self->file);
	write_all(self);
	ioas_unmap(env->fd, env->ioas, IOVA, SIZE);
	EXPECT_TRUE(exact(&self->o));
}

/* UNMAP of @num pages; its bitmap is that of the oracle */
static __u64 unmap_verb(struct oracle *o, size_t page, size_t num)
{
	struct read_args args = {
		.fd = o->env->fd,
		.tracker = o->env->tracker,
		.iova = AT(page),
		.length = num * SZ_4K,
		.page_size = SZ_4K,
		.data = o->bitmap,
	};
	__u64 unmapped;

	memset(o->bitmap, 0, PAGES / 8);
	check(__tracker_unmap(&args, &unmapped));
	if (unmapped != num * SZ_4K)
		fatal("UNMAP has unmapped %llu bytes", unmapped);
	return args.out_pages;
}

TEST_F(dmabuf, unmap_verb)
{
	struct env *env = &self->env;

	env_start(env);
	write_all(self);
	EXPECT_EQ(0, unmap_verb(&self->o, NEAR, MIDDLE));
	map_middle(env, self->file);
	write_middle(self);
	EXPECT_EQ(WRITTEN, unmap_verb(&self->o, 0, PAGES));
	oracle_check(&self->o);
	EXPECT_EQ(0, self->o.lost + self->o.extra);
	EXPECT_EQ(0, oracle_read(&self->o, 0));
}

/* With passive trackers only, a small area becomes dirty as a whole when it is unmapped */
TEST_F(dmabuf, unmap_passive)
{
	struct env *env = &self->env;

	env->tracker = tracker_alloc_passive(env->fd, env->ioas);
	env_start(env);
	write_middle(self);
	ioas_unmap(env->fd, env->ioas, AT(NEAR), MIDDLE * SZ_4K);
	EXPECT_EQ(0, oracle_read(&self->o, 0));
	ioas_unmap(env->fd, env->ioas, IOVA, NEAR * SZ_4K);
	EXPECT_EQ(NEAR, oracle_read(&self->o, 0));
}

/* For the per-HWPT ioctls, a dma-buf is not a hole, which would end the bitmap */
TEST_F(dmabuf, classic)
{
	struct env *env = &self->env;
	__u32 hwpt = hwpt_alloc(env->fd, env->edu[0].dev_id, env->ioas,
				IOMMU_HWPT_ALLOC_DIRTY_TRACKING);
	unsigned int i;

	edu_attach(&env->edu[0], hwpt);
	write_middle(self);
	check(__hwpt_set_dirty(env->fd, hwpt, true));
	env_start(env);
	for (i = 0; i < 2; i++) {
		if (i)
			mock_dmabuf_revoke(env->fd, self->file);
		else
			write_middle(self);
		write_memory(&self->o);
		memset(self->o.bitmap, 0, PAGES / 8);
		check(__hwpt_get_dirty(env->fd, hwpt, IOVA, SIZE, self->o.bitmap));
		EXPECT_EQ(WRITTEN, bitmap_count(self->o.bitmap, PAGES));
		oracle_check(&self->o);
		EXPECT_EQ(0, self->o.lost + self->o.extra);
		/* The tracker gets the same */
		EXPECT_EQ(WRITTEN, oracle_read(&self->o, 0));
	}
	check(__hwpt_set_dirty(env->fd, hwpt, false));
}

/* A blind tracker reports all memory that is mapped for writing, and only that */
static bool all_memory(struct oracle *o)
{
	__u64 found = oracle_read(o, 0);
	size_t page;

	for (page = NEAR; page < NEAR + MIDDLE; page++)
		if (bitmap_test(o->bitmap, page))
			return false;
	return found == 2 * NEAR;
}

/* Returns the HWPT that makes the tracker blind */
static __u32 start_blind(struct env *env)
{
	check(__tracker_start_flags(env->fd, env->tracker, IOMMU_DIRTY_START_DEGRADED, NULL));
	return hwpt_alloc(env->fd, env->edu[1].dev_id, env->ioas, 0);
}

TEST_F(dmabuf, blind)
{
	struct env *env = &self->env;
	unsigned int i;
	__u32 hwpt;

	for (i = 0; i < 2; i++) {
		hwpt = start_blind(env);
		EXPECT_TRUE(all_memory(&self->o));
		ioas_unmap(env->fd, env->ioas, AT(NEAR), MIDDLE * SZ_4K);
		EXPECT_TRUE(all_memory(&self->o));
		map_middle(env, self->file);
		/* What it maps becomes dirty when it leaves */
		object_destroy(env->fd, hwpt);
		EXPECT_TRUE(all_memory(&self->o));
		EXPECT_EQ(0, oracle_read(&self->o, 0));
		tracker_stop(env->fd, env->tracker);
	}
}

/* Software cannot write to a dma-buf; what it could write before that is dirty */
TEST_F(dmabuf, access)
{
	struct env *env = &self->env;
	int access = __access_create(env->fd, env->ioas);
	__u64 data[SZ_4K / 8];

	check(access);
	env_twin(env);
	env_start(env);
	memset(data, 0x5a, sizeof(data));
	EXPECT_EQ(-EINVAL, __access_write(env->fd, access, AT(NEAR) + 8, data, 8));
	EXPECT_EQ(-EINVAL, __access_write(env->fd, access, AT(NEAR + 1), data, SZ_4K));
	EXPECT_EQ(0, oracle_read(&self->o, 0));
	EXPECT_EQ(-EINVAL, __access_write(env->fd, access, AT(NEAR) - 16, data, SZ_4K));
	EXPECT_EQ(1, oracle_read(&self->o, 0));
	EXPECT_TRUE(bitmap_test(self->o.bitmap, NEAR - 1));
	access_destroy(access);
}

/* A HWPT that joins after the dma-buf is gone maps nothing there, and leaves as ever */
static void join_and_leave(struct env *env)
{
	object_destroy(env->fd, hwpt_alloc(env->fd, env->edu[1].dev_id, env->ioas,
					   IOMMU_HWPT_ALLOC_DIRTY_TRACKING));
}

/* @verb: UNMAP in the end; @closed: without the file of the dma-buf */
static void revoked(struct __test_metadata *_metadata, struct _test_data_dmabuf *self,
		    bool verb, bool closed)
{
	struct env *env = &self->env;
	struct oracle *o = &self->o;
	__u64 faults, found = 0;
	__u32 hwpt;

	env_start(env);
	write_all(self);
	mock_dmabuf_revoke(env->fd, self->file);
	EXPECT_EQ(WRITTEN, oracle_read(o, IOMMU_DIRTY_READ_NO_CLEAR));
	EXPECT_TRUE(exact(o));
	write_memory(o);
	EXPECT_TRUE(exact(o));
	if (env->edu[0].soft) {
		faults = storm_faults(&env->edu[0]);
		env_store(env, 0, AT(NEAR));
		EXPECT_EQ(faults + 1, storm_faults(&env->edu[0]));
		EXPECT_EQ(0, oracle_read(o, 0));
	}
	join_and_leave(env);
	EXPECT_EQ(0, oracle_read(o, 0));
	tracker_stop(env->fd, env->tracker);
	hwpt = start_blind(env);
	EXPECT_TRUE(all_memory(o));
	EXPECT_EQ(-ENODEV, __ioas_map_file(env->fd, env->ioas, self->file, SZ_4K,
					   SCRATCH + SZ_4K));
	if (closed) {
		close(self->file);
		self->file = -1;
	}
	if (verb)
		found = unmap_verb(o, NEAR, MIDDLE);
	else
		ioas_unmap(env->fd, env->ioas, AT(NEAR), MIDDLE * SZ_4K);
	EXPECT_EQ(0, found);
	EXPECT_TRUE(all_memory(o));
	object_destroy(env->fd, hwpt);
	EXPECT_TRUE(all_memory(o));
	write_memory(o);
	EXPECT_TRUE(exact(o));
}

TEST_F(dmabuf, revoked)
{
	revoked(_metadata, self, false, false);
}

TEST_F(dmabuf, revoked_and_unmap_verb)
{
	revoked(_metadata, self, true, false);
}

TEST_F(dmabuf, revoked_and_closed)
{
	revoked(_metadata, self, false, true);
}

/* Nothing unmaps it: the IOAS is destroyed with all that is mapped */
TEST_F(dmabuf, revoked_for_good)
{
	struct env *env = &self->env;

	start_blind(env);
	write_all(self);
	mock_dmabuf_revoke(env->fd, self->file);
	EXPECT_TRUE(all_memory(&self->o));
}

/*
 * A dma-buf that fills a leaf table, between memory in the tables before and after it. The
 * table is freed when it is revoked.
 */
#define WIDE		512
#define AROUND		(NEAR + WIDE + NEAR)
#define WIDE_IOVA	(IOVA + 2 * SZ_2M)	/* of the dma-buf */
#define AROUND_IOVA	(WIDE_IOVA - NEAR * SZ_4K)
#define REVOKES		30

struct reader {
	struct consumer c;
	bool stop;
	unsigned int reads;
	unsigned int wrong;	/* pages of the dma-buf */
};

/* READs and SCANs by turns */
static int reader_run(void *arg)
{
	struct reader *r = arg;
	size_t page;

	while (!__atomic_load_n(&r->stop, __ATOMIC_ACQUIRE)) {
		if (++r->reads % 4 == 0) {
			check(__consumer_scan(&r->c, CONSUMER_RUNS));
			continue;
		}
		check(__consumer_read(&r->c, r->reads % 4 == 1 ? IOMMU_DIRTY_READ_NO_CLEAR : 0,
				      NULL));
		for (page = NEAR; page < NEAR + WIDE; page++)
			r->wrong += bitmap_test(r->c.bitmap, page);
	}
	return 0;
}

/* Maps a dma-buf, writes to it and beside it, revokes and unmaps it */
static void revoke_one(struct env *env, bool revoke_first)
{
	int file = check(__mock_dmabuf(env->fd, WIDE * SZ_4K));
	size_t page;

	check(__ioas_map_file(env->fd, env->ioas, file, WIDE * SZ_4K, WIDE_IOVA));
	env_load(env, 0);
	for (page = NEAR - 4; page < NEAR + 4; page++) {
		env_store(env, 0, AROUND_IOVA + page * SZ_4K);
		env_store(env, 0, AROUND_IOVA + (WIDE + page) * SZ_4K);
	}
	if (revoke_first)
		mock_dmabuf_revoke(env->fd, file);
	for (page = 0; page < 4; page++) {
		env_store(env, 0, AROUND_IOVA + page * SZ_4K);
		env_store(env, 0, AROUND_IOVA + (AROUND - 1 - page) * SZ_4K);
	}
	ioas_unmap(env->fd, env->ioas, WIDE_IOVA, WIDE * SZ_4K);
	if (!revoke_first)
		mock_dmabuf_revoke(env->fd, file);
	close(file);
}

TEST_F_TIMEOUT(dmabuf, revoked_during_reads, 120)
{
	struct env *env = &self->env;
	char *mem = mem_alloc(AROUND * SZ_4K);
	struct reader r = {};
	struct side s;
	unsigned int i;

	ioas_map(env->fd, env->ioas, mem, NEAR * SZ_4K, AROUND_IOVA);
	ioas_map(env->fd, env->ioas, mem + (NEAR + WIDE) * SZ_4K, NEAR * SZ_4K,
		 WIDE_IOVA + WIDE * SZ_4K);
	consumer_open(&r.c, env->fd, env->ioas, (__u64 *)mem, AROUND_IOVA, AROUND);
	tracker_start(env->fd, r.c.tracker);
	env_start(env);
	side_start(&s, reader_run, &r);
	for (i = 0; i < REVOKES; i++)
		revoke_one(env, i % 3);
	__atomic_store_n(&r.stop, true, __ATOMIC_RELEASE);
	EXPECT_EQ(0, side_end(&s));
	EXPECT_EQ(0, consumer_missed(&r.c));
	EXPECT_EQ(0, r.wrong);
	EXPECT_LT(0, r.c.reported);
	lib_note("%u READs and SCANs, %llu pages reported", r.reads, r.c.reported);
	ioas_unmap(env->fd, env->ioas, AROUND_IOVA, AROUND * SZ_4K);
	consumer_close(&r.c);
	mem_free(mem, AROUND * SZ_4K);
}

TEST_HARNESS_MAIN
