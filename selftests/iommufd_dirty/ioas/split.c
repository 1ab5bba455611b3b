// SPDX-License-Identifier: GPL-2.0-only
/*
 * Splitting 2 MiB IO page-table entries while a tracker runs: one written byte makes one
 * page dirty instead of 512. Afterwards the entries are large again.
 */
#include <kselftest_harness.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib.h"

#define IOVA	(4 * SZ_1G)
#define HUGE	4	/* pages of 2 MiB */
#define SIZE	(HUGE * SZ_2M)
#define ALL	512	/* pages of an entry */

#define EAGER	IOMMU_DIRTY_START_SPLIT
#define LAZY	IOMMU_DIRTY_START_SPLIT_LAZY

FIXTURE(split)
{
	struct env env;
	__u32 ioas;
	char *mem;
	unsigned char bitmap[SIZE / SZ_4K / 8];
};

static void map_at(FIXTURE_DATA(split) * self, __u64 iova)
{
	env_map_huge(&self->env, self->ioas, self->mem, HUGE, iova);
}

static struct iommu_dirty_member member(FIXTURE_DATA(split) * self)
{
	struct iommu_dirty_member m;

	tracker_info(self->env.fd, self->env.tracker, &m);
	return m;
}

FIXTURE_SETUP(split)
{
	struct env *env = &self->env;
	struct iommu_dirty_member m;

	OPEN_OR_SKIP(return, env_open(env, 1));
	self->mem = env_alloc_huge(env, HUGE, IOVA, &self->ioas);
	if (!self->mem)
		SKIP(return, "no 2 MiB huge pages");
	env->tracker = tracker_alloc(env->fd, self->ioas);

	m = member(self);
	if (!(m.io_page_sizes & SZ_2M))
		SKIP(return, "this IOMMU has no 2 MiB entries");
	if (!(m.flags & IOMMU_DIRTY_MEMBER_SPLITS)) {
		EXPECT_NE(IOMMU_DIRTY_REASON_OK, m.split_reason);
		SKIP(return, "this IOMMU cannot split entries");
	}
	EXPECT_EQ(IOMMU_DIRTY_REASON_OK, m.split_reason);
}

FIXTURE_TEARDOWN(split)
{
	env_close(&self->env);
	mem_free(self->mem, SIZE);
}

static int __start(FIXTURE_DATA(split) * self, __u32 flags)
{
	return __tracker_start_flags(self->env.fd, self->env.tracker, flags, NULL);
}

static void start(FIXTURE_DATA(split) * self, __u32 flags)
{
	check(__start(self, flags));
}

static void stop(FIXTURE_DATA(split) * self)
{
	tracker_stop(self->env.fd, self->env.tracker);
}

/* Number of pages that a READ of the mapping at @iova finds */
static __u64 read_at(FIXTURE_DATA(split) * self, __u64 iova, __u32 flags)
{
	memset(self->bitmap, 0, sizeof(self->bitmap));
	return env_read(&self->env, iova, SIZE, SZ_4K, flags, self->bitmap);
}

static void write_at(FIXTURE_DATA(split) * self, __u64 iova, unsigned int page)
{
	struct env *env = &self->env;

	env_load(env, 0);
	env_store(env, 0, iova + page * SZ_4K);
	if (*(__u64 *)(self->mem + page * SZ_4K) != env->value)
		fatal("the device wrote elsewhere");
}

/* The device writes to a page; returns how many pages become dirty, with this one */
static __u64 dirtied_at(FIXTURE_DATA(split) * self, __u64 iova, unsigned int page)
{
	__u64 pages;

	write_at(self, iova, page);
	pages = read_at(self, iova, 0);
	if (!bitmap_test(self->bitmap, page))
		fatal("page %u is missed", page);
	return pages;
}

static __u64 dirtied(FIXTURE_DATA(split) * self, unsigned int page)
{
	return dirtied_at(self, IOVA, page);
}

/* What the entries are like now, with a tracker that leaves them alone */
static __u64 dirtied_untouched(FIXTURE_DATA(split) * self, unsigned int page)
{
	__u64 pages;

	start(self, 0);
	pages = dirtied(self, page);
	stop(self);
	return pages;
}

TEST_F(split, never)
{
	unsigned int i;

	start(self, 0);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(ALL, dirtied(self, i));
	stop(self);
	EXPECT_EQ(0, member(self).split);
	EXPECT_EQ(0, member(self).merged);
}

TEST_F(split, eager)
{
	unsigned int i;

	EXPECT_EQ(SZ_2M, member(self).io_page_sizes_used);
	start(self, EAGER);
	EXPECT_EQ(SZ_4K, member(self).io_page_sizes_used);
	EXPECT_EQ(HUGE, member(self).split);
	EXPECT_EQ(0, read_at(self, IOVA, 0));
	for (i = 0; i < HUGE * ALL; i += 77)
		EXPECT_EQ(1, dirtied(self, i));
	EXPECT_EQ(0, read_at(self, IOVA, 0));
	stop(self);
	EXPECT_EQ(HUGE, member(self).merged);
	EXPECT_EQ(SZ_2M, member(self).io_page_sizes_used);
	EXPECT_EQ(0, member(self).unsplit);
	EXPECT_EQ(0, member(self).unmerged);
	EXPECT_EQ(ALL, dirtied_untouched(self, 5));
}

TEST_F(split, lazy)
{
	unsigned int i;

	start(self, LAZY);
	EXPECT_EQ(0, member(self).split);
	for (i = 0; i < HUGE; i++) {
		EXPECT_EQ(ALL, dirtied(self, i * ALL + 3));
		EXPECT_EQ(i + 1, member(self).split);
		EXPECT_EQ(1, dirtied(self, i * ALL + 3));
		EXPECT_EQ(1, dirtied(self, i * ALL + 511));
	}
	EXPECT_EQ(0, read_at(self, IOVA, 0));
	stop(self);
	EXPECT_EQ(HUGE, member(self).merged);
	EXPECT_EQ(ALL, dirtied_untouched(self, 5));
}

/* Clears nothing, so it splits nothing */
TEST_F(split, lazy_no_clear)
{
	start(self, LAZY);
	write_at(self, IOVA, 7);
	EXPECT_EQ(ALL, read_at(self, IOVA, IOMMU_DIRTY_READ_NO_CLEAR));
	EXPECT_EQ(0, member(self).split);
	EXPECT_EQ(ALL, read_at(self, IOVA, 0));
	EXPECT_EQ(1, member(self).split);
}

/* What was dirty before START is discarded, and not worth a split */
TEST_F(split, lazy_after_writes)
{
	unsigned int i;

	for (i = 0; i < HUGE; i++)
		write_at(self, IOVA, i * ALL);
	start(self, LAZY);
	EXPECT_EQ(0, member(self).split);
	EXPECT_EQ(0, read_at(self, IOVA, 0));
	for (i = 0; i < HUGE; i++)
		write_at(self, IOVA, i * ALL);
	stop(self);
	start(self, EAGER);
	EXPECT_EQ(0, read_at(self, IOVA, 0));
}

/* A READ of a part of an entry; the rest is kept for later */
TEST_F(split, lazy_part)
{
	start(self, LAZY);
	write_at(self, IOVA, 0);
	memset(self->bitmap, 0, sizeof(self->bitmap));
	EXPECT_EQ(ALL / 2, env_read(&self->env, IOVA, SZ_1M, SZ_4K, 0, self->bitmap));
	EXPECT_EQ(1, member(self).split);
	EXPECT_EQ(ALL / 2, read_at(self, IOVA, 0));
	EXPECT_EQ(1, dirtied(self, 100));
	EXPECT_EQ(1, dirtied(self, 500));
}

TEST_F(split, read_and_scan)
{
	struct env *env = &self->env;

	env->twin = tracker_alloc(env->fd, self->ioas);
	start(self, LAZY);
	check(__tracker_start_flags(env->fd, env->twin, LAZY, NULL));
	EXPECT_EQ(ALL, dirtied(self, 9));
	EXPECT_EQ(1, dirtied(self, 9));
	EXPECT_EQ(ALL, dirtied(self, ALL));
	EXPECT_EQ(1, dirtied(self, ALL + 1));
}

/* Another tracker gets what is dirty when entries are split, and when they are merged */
TEST_F(split, others)
{
	__u32 first = self->env.tracker, second = tracker_alloc(self->env.fd, self->ioas);

	start(self, 0);
	write_at(self, IOVA, 1);
	self->env.tracker = second;
	start(self, EAGER);
	EXPECT_EQ(0, read_at(self, IOVA, 0));
	self->env.tracker = first;
	EXPECT_EQ(ALL, read_at(self, IOVA, 0));
	EXPECT_EQ(1, dirtied(self, 2));
	write_at(self, IOVA, ALL + 3);
	self->env.tracker = second;
	stop(self);
	EXPECT_EQ(HUGE, member(self).merged);
	self->env.tracker = first;
	EXPECT_EQ(1, read_at(self, IOVA, 0));
	EXPECT_TRUE(bitmap_test(self->bitmap, ALL + 3));
	EXPECT_EQ(ALL, dirtied(self, ALL + 3));
}

/* The last tracker that splits makes the entries large again */
TEST_F(split, last_stop)
{
	__u32 first = self->env.tracker, second = tracker_alloc(self->env.fd, self->ioas);

	start(self, EAGER);
	self->env.tracker = second;
	start(self, LAZY);
	EXPECT_EQ(1, dirtied(self, 1));
	self->env.tracker = first;
	stop(self);
	EXPECT_EQ(0, member(self).merged);
	self->env.tracker = second;
	EXPECT_EQ(1, dirtied(self, 2));
	object_destroy(self->env.fd, second);
	self->env.tracker = first;
	EXPECT_EQ(HUGE, member(self).merged);
	EXPECT_EQ(ALL, dirtied_untouched(self, 3));
}

TEST_F(split, new_mapping)
{
	__u64 other = IOVA + SZ_1G;

	start(self, EAGER);
	map_at(self, other);
	EXPECT_EQ(2 * HUGE, member(self).split);
	EXPECT_EQ(1, dirtied_at(self, other, 1));
	EXPECT_EQ(1, dirtied_at(self, other, HUGE * ALL - 1));
	ioas_unmap(self->env.fd, self->ioas, other, SIZE);
	map_at(self, other);
	EXPECT_EQ(3 * HUGE, member(self).split);
	EXPECT_EQ(1, dirtied_at(self, other, 1));
	ioas_unmap(self->env.fd, self->ioas, IOVA, SIZE);
	stop(self);
	EXPECT_EQ(HUGE, member(self).merged);
	start(self, 0);
	EXPECT_EQ(ALL, dirtied_at(self, other, 2));
}

/* Unmapping keeps what is dirty, and frees the tables */
TEST_F(split, unmap)
{
	unsigned int i;

	for (i = 0; i < 4; i++) {
		start(self, i % 2 ? LAZY : EAGER);
		write_at(self, IOVA, 2 * ALL + 1);
		ioas_unmap(self->env.fd, self->ioas, IOVA, SIZE);
		EXPECT_EQ(i % 2 ? ALL : 1, read_at(self, IOVA, 0));
		map_at(self, IOVA);
		EXPECT_EQ(i % 2 ? ALL : 1, dirtied(self, 3));
		stop(self);
		EXPECT_EQ(ALL, dirtied_untouched(self, 3));
	}
}

TEST_F(split, new_hwpt)
{
	struct env *env = &self->env;
	struct iommu_dirty_member m[2];
	__u32 hwpt;

	start(self, EAGER);
	hwpt = hwpt_alloc(env->fd, env->edu[0].dev_id, self->ioas,
			  IOMMU_HWPT_ALLOC_DIRTY_TRACKING);
	ASSERT_EQ(2, tracker_members(env->fd, env->tracker, m, 2));
	EXPECT_EQ(HUGE, m[0].split);
	EXPECT_EQ(HUGE, m[1].split);
	edu_attach(&env->edu[0], hwpt);
	EXPECT_EQ(1, dirtied(self, 1));
}

/* Without large entries there is nothing to do */
TEST_F(split, small)
{
	struct env *env = &self->env;
	__u32 tracker = tracker_alloc(env->fd, env->ioas);
	struct iommu_dirty_member m;

	edu_attach(&env->edu[0], env->ioas);
	ioas_map(env->fd, env->ioas, self->mem, SIZE, IOVA);
	env->tracker = tracker;
	start(self, EAGER);
	EXPECT_EQ(1, dirtied(self, 1));
	stop(self);
	tracker_info(env->fd, tracker, &m);
	EXPECT_EQ(0, m.split + m.merged + m.unmerged);
}

TEST_F(split, flags)
{
	struct env *env = &self->env;
	__u32 passive = tracker_alloc_passive(env->fd, self->ioas);

	EXPECT_EQ(-EINVAL, __start(self, EAGER | LAZY));
	EXPECT_EQ(-EOPNOTSUPP, __start(self, LAZY << 1));
	EXPECT_EQ(-EINVAL, __tracker_start_flags(env->fd, passive, EAGER, NULL));
	EXPECT_EQ(-EINVAL, __tracker_start_flags(env->fd, passive, LAZY, NULL));
	EXPECT_EQ(IOMMU_DIRTY_STATE_STOPPED, tracker_state(env->fd, env->tracker));
	EXPECT_EQ(0, __start(self, EAGER | IOMMU_DIRTY_START_DEGRADED));
	EXPECT_EQ(-EALREADY, __start(self, LAZY));
	EXPECT_EQ(1, dirtied(self, 1));
}

/* START fails as a whole, and leaves large entries behind */
TEST_F_TIMEOUT(split, start_without_memory, 120)
{
	struct env *env = &self->env;
	unsigned int nth, errors = 0;
	bool failed = true;
	int rc;

	if (!fail_setup() || !fail_pages(true))
		SKIP(return, "no fault injection in this kernel");
	ASSERT_EQ(0, mlockall(MCL_CURRENT));
	/* The first START of an IOAS allocates more */
	start(self, EAGER);
	stop(self);
	for (nth = 1; failed; nth++) {
		fail_nth(nth);
		rc = __start(self, EAGER);
		failed = fail_nth_end();
		errors += rc == -ENOMEM;
		/* -ENOENT: iommufd's failure injection makes an object lookup fail */
		if (rc && (!failed || (rc != -ENOMEM && rc != -ENOENT)))
			fatal("failure %u: error %d", nth, -rc);
		if (tracker_state(env->fd, env->tracker) !=
		    (rc ? IOMMU_DIRTY_STATE_STOPPED : IOMMU_DIRTY_STATE_RUNNING))
			fatal("failure %u: error %d, but another state", nth, -rc);
		stop(self);
		EXPECT_EQ(member(self).split, member(self).merged);
		EXPECT_EQ(ALL, dirtied_untouched(self, nth % ALL));
	}
	fail_pages(false);
	/* At least the table of each entry */
	EXPECT_LE(HUGE, errors);
	EXPECT_LE(HUGE, member(self).unsplit);
	lib_note("%u failures, %u errors", nth - 2, errors);
}

/* A READ reports what is dirty even if it cannot split it; a later one splits it */
TEST_F_TIMEOUT(split, read_without_memory, 120)
{
	unsigned int nth;
	bool failed = true;

	if (!fail_setup() || !fail_pages(true))
		SKIP(return, "no fault injection in this kernel");
	ASSERT_EQ(0, mlockall(MCL_CURRENT));
	for (nth = 1; failed; nth++) {
		struct read_args args = {
			.fd = self->env.fd,
			.tracker = self->env.tracker,
			.iova = IOVA,
			.length = SIZE,
			.page_size = SZ_4K,
			.data = self->bitmap,
		};
		__u64 unsplit = member(self).unsplit;
		int rc;

		start(self, LAZY);
		write_at(self, IOVA, nth % ALL);
		memset(self->bitmap, 0, sizeof(self->bitmap));
		fail_nth(nth);
		rc = __tracker_read(&args);
		failed = fail_nth_end();
		if (rc && rc != -ENOMEM && rc != -ENOENT)
			fatal("failure %u: error %d", nth, -rc);
		if (rc)
			tracker_read(&args);
		if (bitmap_count(self->bitmap, HUGE * ALL) != ALL)
			fatal("failure %u: not all of the entry is dirty", nth);
		if (rc == -ENOMEM && member(self).unsplit != unsplit)
			fatal("failure %u: READ fails for a split", nth);
		/* Once more, if it was not split */
		dirtied(self, nth % ALL);
		EXPECT_EQ(1, dirtied(self, nth % ALL));
		stop(self);
	}
	fail_pages(false);
	EXPECT_LE(1, member(self).unsplit);
}

/*
 * A task that pins a page which is not there yet, for as long as that takes. The page is of
 * the same mapping as a 2 MiB page that is copied to the IOAS of the tracker.
 */
struct pinner {
	int fd;
	int access;
	__u64 iova;
	__u32 pin;
	struct hold hold;
	pthread_t thread;
};

static void *pinner_run(void *arg)
{
	struct pinner *p = arg;

	p->pin = access_pin(p->fd, p->access, p->iova, SZ_4K, ACCESS_WRITE);
	return NULL;
}

static void pinner_start(FIXTURE_DATA(split) * self, struct pinner *p, __u64 iova)
{
	char *mem = mem_alloc(3 * SZ_2M);
	int fd = self->env.fd;
	__u32 ioas = ioas_alloc(fd);

	/* A fork would copy pinned pages */
	check(madvise(self->mem, SIZE, MADV_DONTFORK));
	mem += SZ_2M - (uintptr_t)mem % SZ_2M;
	if (mremap(self->mem, SZ_2M, SZ_2M, MREMAP_MAYMOVE | MREMAP_FIXED, mem) != mem)
		fatal("mremap: error %d", errno);
	p->fd = fd;
	p->access = check(__access_create_pins(fd, ioas));
	p->iova = iova + SZ_2M;
	ioas_map(fd, ioas, mem, SZ_2M + SZ_4K, iova);
	ioas_copy(fd, self->ioas, ioas, iova, SZ_2M);
	hold_open_at(&p->hold, mem + SZ_2M);
}

static void pinner_block(struct pinner *p)
{
	if (pthread_create(&p->thread, NULL, pinner_run, p))
		fatal("pthread_create");
	hold_wait(&p->hold);
}

static void pinner_end(struct pinner *p)
{
	hold_release(&p->hold);
	pthread_join(p->thread, NULL);
	close(p->hold.fd);
}

static int start_eager(void *arg)
{
	return __start(arg, EAGER);
}

/* STOP merges what it can, after a moment */
TEST_F_TIMEOUT(split, merge_beside_pinning, 60)
{
	__u64 other = IOVA + SZ_1G, began;
	struct pinner p = {};
	int fd = self->env.fd;

	if (__access_create_pins(fd, self->env.ioas) < 0)
		SKIP(return, "no CONFIG_IOMMUFD_TEST");
	ioas_unmap(fd, self->ioas, IOVA, SZ_2M);
	pinner_start(self, &p, other);
	start(self, EAGER);
	EXPECT_EQ(HUGE, member(self).split);
	pinner_block(&p);
	began = lib_clock();
	stop(self);
	EXPECT_LE(200 * 1000 * 1000, lib_clock() - began);
	EXPECT_EQ(HUGE - 1, member(self).merged);
	EXPECT_EQ(1, member(self).unmerged);
	pinner_end(&p);

	start(self, LAZY);
	stop(self);
	EXPECT_EQ(HUGE, member(self).merged);
	access_unpin(fd, p.access, p.pin);
	access_destroy(p.access);
}

/* START waits, without locks that others need, and can be killed */
TEST_F_TIMEOUT(split, start_beside_pinning, 60)
{
	__u64 other = IOVA + SZ_1G;
	struct pinner p = {};
	int fd = self->env.fd;
	struct side side;

	if (__access_create_pins(fd, self->env.ioas) < 0)
		SKIP(return, "no CONFIG_IOMMUFD_TEST");
	ioas_unmap(fd, self->ioas, IOVA, SZ_2M);
	pinner_start(self, &p, other);
	pinner_block(&p);
	EXPECT_TRUE(side_killed(start_eager, self, NULL));
	while (tracker_state(fd, self->env.tracker) != IOMMU_DIRTY_STATE_STOPPED)
		sched_yield();

	side_start(&side, start_eager, self);
	EXPECT_FALSE(side_wait(&side));
	EXPECT_EQ(IOMMU_DIRTY_STATE_STARTING, tracker_state(fd, self->env.tracker));
	ioas_unmap(fd, self->ioas, IOVA + SZ_2M, SZ_2M);
	pinner_end(&p);
	EXPECT_EQ(0, side_end(&side));
	env_load(&self->env, 0);
	env_store(&self->env, 0, other + SZ_1M);
	EXPECT_EQ(1, env_read(&self->env, other, SZ_2M, SZ_4K, 0, self->bitmap));
	stop(self);
	access_unpin(fd, p.access, p.pin);
	access_destroy(p.access);
}

TEST_HARNESS_MAIN
