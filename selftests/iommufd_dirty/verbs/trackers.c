// SPDX-License-Identifier: GPL-2.0-only
/*
 * Several trackers on one IOAS: each reports every dirty page, whatever the others
 * do. Each tracker has a reader that copies the reported pages. In the end each
 * copy must equal the memory.
 */
#include <errno.h>
#include <kselftest_harness.h>

#include "lib.h"

#define IOVA	0x40000000ULL
#define PAGES	100
#define SIZE	(PAGES * SZ_4K)
#define READERS	4
/* Maximum number of running trackers of an IOAS, and of trackers in one READ */
#define MAX_RUNNING	64

/* A tracker, and a copy of the pages that it has reported */
struct reader {
	struct env env;
	struct oracle o;
};

FIXTURE(trackers)
{
	struct env env;
	struct oracle o;
	struct reader r[READERS];
	struct iommu_dirty_read_tracker entries[MAX_RUNNING];
	struct iommu_dirty_tracker_read read;
};

static void reader_open(struct reader *r, struct env *env, const struct oracle *o)
{
	r->env = *env;
	r->env.tracker = tracker_alloc(env->fd, env->ioas);
	r->o = *o;
	r->o.env = &r->env;
	r->o.shadow = mem_alloc(PAGES * sizeof(*r->o.shadow));
	r->o.bitmap = mem_alloc(SZ_4K);
	r->o.lost = 0;
	r->o.extra = 0;
}

FIXTURE_SETUP(trackers)
{
	unsigned int i;

	OPEN_OR_SKIP(return, env_open(&self->env, 2));
	oracle_open(&self->o, &self->env, PAGES, IOVA);
	oracle_map(&self->o, self->env.ioas);
	for (i = 0; i < READERS; i++) {
		reader_open(&self->r[i], &self->env, &self->o);
		self->entries[i].tracker_id = self->r[i].env.tracker;
	}
	self->read = (struct iommu_dirty_tracker_read) {
		.size = sizeof(self->read),
		.trackers = (uintptr_t)self->entries,
		.tracker_len = sizeof(self->entries[0]),
		.iova = IOVA,
		.length = SIZE,
		.page_size = SZ_4K,
		.data = (uintptr_t)self->o.bitmap,
	};
}

FIXTURE_TEARDOWN(trackers)
{
	oracle_close(&self->o);
	env_close(&self->env);
}

static void write_random(struct oracle *o, unsigned int num)
{
	env_load(o->env, 0);
	while (num--)
		oracle_write(o, 0, random_below(PAGES));
}

static void write_pages(struct oracle *o, size_t first, size_t num)
{
	env_load(o->env, 0);
	while (num--)
		oracle_write(o, 0, first++);
}

static __u64 reader_read(struct reader *r)
{
	__u64 found = oracle_read(&r->o, 0);

	oracle_check(&r->o);
	return found;
}

/* Does the reader get exactly the dirty pages? Nobody may be writing */
static bool complete(struct reader *r)
{
	reader_read(r);
	if (!r->o.lost && !r->o.extra && !oracle_differing(&r->o))
		return true;
	lib_note("tracker %u: %llu pages lost, %llu extra", r->env.tracker,
		 r->o.lost, r->o.extra);
	return false;
}

static int read_many(struct iommu_dirty_tracker_read *read, int fd,
		     unsigned int num, __u32 flags)
{
	memset((void *)(uintptr_t)read->data, 0, (PAGES + 7) / 8);
	read->num_trackers = num;
	read->flags = flags;
	return __iommufd_ioctl(fd, IOMMU_DIRTY_TRACKER_READ, read);
}

/* Each reader at a different pace, by READ and by SCAN */
TEST_F_TIMEOUT(trackers, each_gets_all, 120)
{
	unsigned int round, i;

	for (i = 0; i < READERS; i++) {
		if (i % 2)
			env_twin(&self->r[i].env);
		env_start(&self->r[i].env);
	}
	for (round = 0; round < 20; round++) {
		write_random(&self->o, 1 + random_below(10));
		for (i = 0; i < READERS; i++)
			if (!random_below(1 + i))
				reader_read(&self->r[i]);
		if (round == 10) {
			ioas_unmap(self->env.fd, self->env.ioas, IOVA, SIZE);
			oracle_map(&self->o, self->env.ioas);
		}
	}
	for (i = 0; i < READERS; i++)
		EXPECT_TRUE(complete(&self->r[i]));
}

/* START forgets earlier dirty pages, but only for the tracker that starts */
TEST_F(trackers, start_second)
{
	env_start(&self->r[0].env);
	write_pages(&self->o, 0, 10);
	env_start(&self->r[1].env);
	EXPECT_EQ(0, oracle_read(&self->r[1].o, 0));
	EXPECT_EQ(10, reader_read(&self->r[0]));
	EXPECT_TRUE(complete(&self->r[0]));
	write_pages(&self->o, 5, 10);
	EXPECT_EQ(10, oracle_read(&self->r[1].o, 0));
	EXPECT_TRUE(complete(&self->r[0]));

	/* The same if the second starts twice before the first one reads */
	write_pages(&self->o, 20, 1);
	tracker_stop(self->env.fd, self->r[1].env.tracker);
	env_start(&self->r[1].env);
	write_pages(&self->o, 30, 1);
	tracker_stop(self->env.fd, self->r[1].env.tracker);
	env_start(&self->r[1].env);
	EXPECT_EQ(2, reader_read(&self->r[0]));
	EXPECT_TRUE(complete(&self->r[0]));
	EXPECT_EQ(0, oracle_read(&self->r[1].o, 0));
}

TEST_F(trackers, stop_one)
{
	env_start(&self->r[0].env);
	env_start(&self->r[1].env);
	write_pages(&self->o, 0, 10);
	EXPECT_EQ(10, reader_read(&self->r[0]));
	write_pages(&self->o, 10, 5);
	tracker_stop(self->env.fd, self->r[0].env.tracker);
	/* Pages that the other tracker has read, and pages that nobody has read */
	EXPECT_EQ(15, reader_read(&self->r[1]));
	write_pages(&self->o, 0, 3);
	EXPECT_EQ(3, reader_read(&self->r[1]));
	EXPECT_TRUE(complete(&self->r[1]));
	EXPECT_EQ(0, __tracker_stop(self->env.fd, self->r[0].env.tracker));
	write_pages(&self->o, 7, 1);
	EXPECT_EQ(1, reader_read(&self->r[1]));
}

TEST_F(trackers, destroy_one)
{
	env_start(&self->r[0].env);
	env_start(&self->r[1].env);
	write_pages(&self->o, 0, 10);
	EXPECT_EQ(10, oracle_read(&self->r[0].o, 0));
	object_destroy(self->env.fd, self->r[0].env.tracker);
	write_pages(&self->o, 50, 2);
	EXPECT_EQ(12, reader_read(&self->r[1]));
	EXPECT_TRUE(complete(&self->r[1]));
	object_destroy(self->env.fd, self->r[1].env.tracker);
	env_start(&self->r[2].env);
	EXPECT_EQ(0, oracle_read(&self->r[2].o, 0));
}

/* As many trackers can run as one READ takes; another one after one has stopped */
TEST_F(trackers, limit)
{
	int fd = self->env.fd;
	__u32 ioas = ioas_alloc(fd), ids[MAX_RUNNING + 1], more, i;

	for (i = 0; i <= MAX_RUNNING; i++)
		ids[i] = tracker_alloc(fd, ioas);
	more = ids[MAX_RUNNING];
	for (i = 0; i < MAX_RUNNING; i++)
		ASSERT_EQ(0, __tracker_start(fd, ids[i], NULL));
	EXPECT_EQ(-EUSERS, __tracker_start(fd, more, NULL));
	EXPECT_EQ(IOMMU_DIRTY_STATE_STOPPED, tracker_state(fd, more));
	EXPECT_EQ(-EALREADY, __tracker_start(fd, ids[0], NULL));
	/* Trackers of another IOAS do not count */
	env_start(&self->env);

	tracker_stop(fd, ids[30]);
	EXPECT_EQ(0, __tracker_start(fd, more, NULL));
	EXPECT_EQ(-EUSERS, __tracker_start(fd, ids[30], NULL));
	object_destroy(fd, ids[0]);
	EXPECT_EQ(0, __tracker_start(fd, ids[30], NULL));
}

/* After NO_CLEAR the other tracker gets each page, and only once */
TEST_F(trackers, no_clear)
{
	env_start(&self->r[0].env);
	env_start(&self->r[1].env);
	write_pages(&self->o, 0, 10);
	EXPECT_EQ(10, oracle_read(&self->r[0].o, IOMMU_DIRTY_READ_NO_CLEAR));
	EXPECT_EQ(10, reader_read(&self->r[1]));
	EXPECT_EQ(0, reader_read(&self->r[1]));
	EXPECT_EQ(10, oracle_read(&self->r[0].o, IOMMU_DIRTY_READ_NO_CLEAR));
	write_pages(&self->o, 10, 1);
	EXPECT_EQ(11, oracle_read(&self->r[0].o, IOMMU_DIRTY_READ_NO_CLEAR));
	EXPECT_EQ(11, reader_read(&self->r[0]));
	EXPECT_TRUE(complete(&self->r[0]));
	EXPECT_TRUE(complete(&self->r[1]));
}

/* Trackers of one IOAS in one READ: a page counts only for the first of them */
TEST_F(trackers, one_read)
{
	env_start(&self->r[0].env);
	env_start(&self->r[1].env);
	write_pages(&self->o, 0, 10);
	reader_read(&self->r[0]);
	write_pages(&self->o, 8, 10);
	ASSERT_EQ(0, read_many(&self->read, self->env.fd, 2,
			       IOMMU_DIRTY_READ_NO_CLEAR));
	EXPECT_EQ(18, self->read.out_pages);
	EXPECT_EQ(10, self->entries[0].out_pages);
	EXPECT_EQ(8, self->entries[1].out_pages);
	ASSERT_EQ(0, read_many(&self->read, self->env.fd, 2, 0));
	EXPECT_EQ(18, self->read.out_pages);
	EXPECT_EQ(18, bitmap_count(self->o.bitmap, PAGES));
	EXPECT_EQ(0, oracle_read(&self->r[0].o, 0));
	EXPECT_EQ(0, oracle_read(&self->r[1].o, 0));
}

/* The maximum number of trackers, most of them in one READ: all get everything */
TEST_F_TIMEOUT(trackers, many, 240)
{
	unsigned int i, round;
	__u32 ids[MAX_RUNNING];

	for (i = 0; i < MAX_RUNNING; i++) {
		ids[i] = tracker_alloc(self->env.fd, self->env.ioas);
		tracker_start(self->env.fd, ids[i]);
		self->entries[i].tracker_id = ids[i];
	}
	for (round = 0; round < 2; round++) {
		write_pages(&self->o, 0, 10);
		ASSERT_EQ(0, read_many(&self->read, self->env.fd, MAX_RUNNING - 2, 0));
		EXPECT_EQ(10, self->read.out_pages);
	}
	for (i = 0; i < MAX_RUNNING; i++) {
		self->r[0].env.tracker = ids[i];
		/* Trackers outside the READ have the pages in their ledgers */
		EXPECT_EQ(i < MAX_RUNNING - 2 ? 0 : 10, oracle_read(&self->r[0].o, 0));
	}
	ASSERT_EQ(0, read_many(&self->read, self->env.fd, MAX_RUNNING, 0));
	EXPECT_EQ(0, self->read.out_pages);
	for (i = 0; i < MAX_RUNNING; i++)
		object_destroy(self->env.fd, ids[i]);
}

/* out_error is set only for the tracker that made the call fail */
TEST_F(trackers, out_error)
{
	unsigned int i;

	for (i = 0; i < 3; i++) {
		self->entries[i].out_error = 77;
		if (i != 2)
			env_start(&self->r[i].env);
	}
	write_pages(&self->o, 0, 10);
	EXPECT_EQ(-ENODATA, read_many(&self->read, self->env.fd, 3, 0));
	EXPECT_EQ(0, self->entries[0].out_error);
	EXPECT_EQ(0, self->entries[1].out_error);
	EXPECT_EQ(ENODATA, self->entries[2].out_error);
	EXPECT_EQ(0, self->read.out_length);
	EXPECT_EQ(0, bitmap_count(self->o.bitmap, PAGES));

	env_start(&self->r[2].env);
	EXPECT_EQ(0, read_many(&self->read, self->env.fd, 3, 0));
	EXPECT_EQ(0, self->entries[2].out_error);
	EXPECT_EQ(10, self->read.out_pages);
	EXPECT_EQ(SIZE, self->read.out_length);

	/* An error that no tracker has caused */
	write_pages(&self->o, 0, 10);
	self->entries[0].out_error = 77;
	self->read.data = 8;
	self->read.num_trackers = 3;
	EXPECT_EQ(-EFAULT, __iommufd_ioctl(self->env.fd, IOMMU_DIRTY_TRACKER_READ,
					   &self->read));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, self->entries[i].out_error);
	EXPECT_EQ(10, oracle_read(&self->r[0].o, 0));
}

/* Trackers of two IOASes are independent */
TEST_F(trackers, two_ioases)
{
	struct env *env = &self->env, *second = &self->r[1].env;

	second->ioas = ioas_alloc(env->fd);
	ioas_set_huge_pages(env->fd, second->ioas, false);
	env_map_stage(second, second->ioas);
	oracle_map(&self->o, second->ioas);
	edu_attach(&env->edu[1], second->ioas);
	second->tracker = tracker_alloc(env->fd, second->ioas);
	env_start(&self->r[0].env);
	env_start(second);
	write_pages(&self->o, 0, 3);
	env_load(env, 1);
	oracle_write(&self->o, 1, 50);
	EXPECT_EQ(1, oracle_read(&self->r[1].o, 0));
	EXPECT_TRUE(bitmap_test(self->r[1].o.bitmap, 50));
	EXPECT_EQ(3, oracle_read(&self->r[0].o, 0));
	EXPECT_EQ(0, oracle_read(&self->r[1].o, 0));
}

TEST_HARNESS_MAIN
