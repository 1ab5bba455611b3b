// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stops a tracker, or stops and restarts it, while a READ, SCAN or UNMAP of it is
 * running: pages that STOP forgets are not reported as clean. Also tests UPDATE of a
 * degraded tracker: neither are pages that were not covered before.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <kselftest_harness.h>

#include "lib.h"

#define IOVA	LOGGED_IOVA
#define PAGES	LOGGED_PAGES
#define SIZE	LOGGED_SIZE
#define AT(page) LOGGED_AT(page)

FIXTURE(soft_stopped)
{
	struct logged l;
	struct hold hold;	/* has the result buffer */
	__u32 ioas_tracker;
	struct read_args read;
	struct scan_args scan;
	__u64 unmapped;
	struct side side;
};

FIXTURE_SETUP(soft_stopped)
{
	struct logged *l = &self->l;

	OPEN_OR_SKIP(return, logged_open_soft(l, PROVIDER_PLAIN));
	hold_open(&self->hold);
	self->ioas_tracker = l->env.tracker;
	self->read = logged_args(l, l->tracker);
	self->read.flags = 0;
	self->read.data = self->hold.page;
	self->scan = (struct scan_args) {
		.fd = l->env.fd,
		.tracker = l->tracker,
		.iova = IOVA,
		.length = SIZE,
		.page_size = SZ_4K,
		.num_runs = PAGES,
		.runs = self->hold.page,
	};
}

FIXTURE_TEARDOWN(soft_stopped)
{
	if (!self->hold.page)
		return;
	break_kernel(0);
	hold_close(&self->hold);
	logged_close(&self->l);
}

static int run_read(void *self)
{
	return __tracker_read(&((FIXTURE_DATA(soft_stopped) *)self)->read);
}

static int run_scan(void *self)
{
	return __tracker_scan(&((FIXTURE_DATA(soft_stopped) *)self)->scan);
}

static int run_unmap(void *arg)
{
	FIXTURE_DATA(soft_stopped) * self = arg;

	return __tracker_unmap(&self->read, &self->unmapped);
}

/* Several runs, so that a SCAN writes before it has reached the end */
static void write_pages(struct logged *l)
{
	env_store(&l->env, 0, AT(3));
	env_store(&l->env, 0, AT(9));
	env_store(&l->env, 0, AT(15));
}

/* Starts a call, which is held at its first access to the result buffer */
static void begin(FIXTURE_DATA(soft_stopped) * self, int (*call)(void *self))
{
	write_pages(&self->l);
	side_start(&self->side, call, self);
	hold_wait(&self->hold);
}

static int end(FIXTURE_DATA(soft_stopped) * self)
{
	hold_release(&self->hold);
	return side_end(&self->side);
}

static void restart_ioas(FIXTURE_DATA(soft_stopped) * self)
{
	tracker_stop(self->l.env.fd, self->ioas_tracker);
	tracker_start(self->l.env.fd, self->ioas_tracker);
}

TEST_F(soft_stopped, read)
{
	ASSERT_EQ(0, __logged_start(&self->l));
	begin(self, run_read);
	tracker_stop(self->l.env.fd, self->l.tracker);
	EXPECT_EQ(-ENODATA, end(self));
	EXPECT_EQ(ENODATA, self->read.out_error);
	EXPECT_EQ(0, self->read.out_length);
}

TEST_F(soft_stopped, scan)
{
	ASSERT_EQ(0, __logged_start(&self->l));
	begin(self, run_scan);
	tracker_stop(self->l.env.fd, self->l.tracker);
	EXPECT_EQ(-ENODATA, end(self));
	EXPECT_EQ(ENODATA, self->scan.out_error);
	EXPECT_EQ(0, self->scan.out_length);
}

/* Restarting the tracker before the call continues makes no difference */
TEST_F(soft_stopped, read_started)
{
	ASSERT_EQ(0, __logged_start(&self->l));
	self->read.flags = IOMMU_DIRTY_READ_SPARSE;
	begin(self, run_read);
	tracker_stop(self->l.env.fd, self->l.tracker);
	ASSERT_EQ(0, __logged_start(&self->l));
	EXPECT_EQ(-ENODATA, end(self));
	EXPECT_EQ(ENODATA, self->read.out_error);
	EXPECT_EQ(0, self->read.out_length);
}

TEST_F(soft_stopped, scan_started)
{
	ASSERT_EQ(0, __logged_start(&self->l));
	self->scan.flags = IOMMU_DIRTY_READ_SPARSE;
	begin(self, run_scan);
	tracker_stop(self->l.env.fd, self->l.tracker);
	ASSERT_EQ(0, __logged_start(&self->l));
	EXPECT_EQ(-ENODATA, end(self));
	EXPECT_EQ(ENODATA, self->scan.out_error);
	EXPECT_EQ(0, self->scan.out_length);
}

/* Everything was dirty for a blind tracker, but not after a proper START */
TEST_F(soft_stopped, read_blind_started)
{
	struct logged *l = &self->l;
	struct iommu_dirty_run range = { .iova = IOVA, .length = SIZE };
	__u64 page_size = SZ_4K;
	__u32 num = 1;

	soft_faults(&l->env.edu[0], (struct soft_faults) {
		.op = FAULT_START, .error = EOPNOTSUPP, .count = 1,
	});
	ASSERT_EQ(0, __device_start_flags(l->env.fd, l->tracker,
					  IOMMU_DIRTY_START_DEGRADED, &range, &num,
					  &page_size));
	begin(self, run_read);
	tracker_stop(l->env.fd, l->tracker);
	ASSERT_EQ(0, __logged_start(l));
	EXPECT_EQ(-ENODATA, end(self));
	EXPECT_EQ(0, self->read.out_length);
}

TEST_F(soft_stopped, ioas_read_started)
{
	self->read.tracker = self->ioas_tracker;
	tracker_start(self->l.env.fd, self->ioas_tracker);
	begin(self, run_read);
	restart_ioas(self);
	EXPECT_EQ(-ENODATA, end(self));
	EXPECT_EQ(ENODATA, self->read.out_error);
	EXPECT_EQ(0, self->read.out_length);
}

TEST_F(soft_stopped, ioas_scan_started)
{
	self->scan.tracker = self->ioas_tracker;
	tracker_start(self->l.env.fd, self->ioas_tracker);
	begin(self, run_scan);
	restart_ioas(self);
	EXPECT_EQ(-ENODATA, end(self));
	EXPECT_EQ(ENODATA, self->scan.out_error);
	EXPECT_EQ(0, self->scan.out_length);
}

/* UNMAP notices the restart before it unmaps anything */
TEST_F(soft_stopped, unmap_started)
{
	self->read.tracker = self->ioas_tracker;
	tracker_start(self->l.env.fd, self->ioas_tracker);
	begin(self, run_unmap);
	restart_ioas(self);
	EXPECT_EQ(-ENODATA, end(self));
	EXPECT_EQ(0, self->unmapped);
	EXPECT_EQ(0, self->read.out_length);
	EXPECT_EQ(-EEXIST, __ioas_map(self->l.env.fd, self->l.env.ioas, self->l.mem,
				      SIZE, IOVA, IOMMU_IOAS_MAP_READABLE));
}

/* UNMAP is held after it has recorded the pages, then at its next bitmap access */
static void restart_unmapped(struct __test_metadata *_metadata,
			     FIXTURE_DATA(soft_stopped) * self)
{
	struct hold *hold = &self->hold;

	self->read.tracker = self->ioas_tracker;
	tracker_start(self->l.env.fd, self->ioas_tracker);
	begin(self, run_unmap);
	hold_release(hold);
	ASSERT_FALSE(side_wait(&self->side));
	ASSERT_EQ(0, madvise(hold->page, SZ_4K, MADV_DONTNEED));
	break_kernel(0);
	hold_wait(hold);
	restart_ioas(self);
	EXPECT_EQ(-ENODATA, end(self));
	EXPECT_EQ(SIZE, self->unmapped);
	EXPECT_EQ(0, self->read.out_length);
}

/* UNMAP notices the restart after it has unmapped everything */
TEST_F(soft_stopped, unmapped_started)
{
	if (!break_kernel(1U << BREAK_HURRY))
		SKIP(return, "no CONFIG_IOMMUFD_DIRTY_BREAK");
	restart_unmapped(_metadata, self);
}

/* Also if the unmap fails because the range covers only part of a mapping */
TEST_F(soft_stopped, unmapped_partly_started)
{
	struct env *env = &self->l.env;
	void *mem = mem_alloc(2 * SZ_4K);

	if (!break_kernel(1U << BREAK_HURRY))
		SKIP(return, "no CONFIG_IOMMUFD_DIRTY_BREAK");
	ioas_map(env->fd, env->ioas, mem, 2 * SZ_4K, IOVA + SIZE);
	self->read.length += SZ_4K;
	restart_unmapped(_metadata, self);
	ioas_unmap(env->fd, env->ioas, IOVA + SIZE, 2 * SZ_4K);
	mem_free(mem, 2 * SZ_4K);
}

/* Pages that UPDATE adds may have been written before they were covered */
TEST_F(soft_stopped, degraded_update)
{
	struct logged *l = &self->l;
	struct iommu_dirty_run range = { .iova = IOVA, .length = 8 * SZ_4K };
	__u64 page_size = SZ_4K;
	__u32 num = 1;

	soft_provider(&l->env.edu[0], PROVIDER_LIVE);
	ASSERT_EQ(0, __device_start_flags(l->env.fd, l->tracker,
					  IOMMU_DIRTY_START_DEGRADED, &range, &num,
					  &page_size));
	env_store(&l->env, 0, AT(9));
	ASSERT_EQ(0, __logged_update(l, 0, IOVA, SIZE));
	memset(l->want, 0xff, sizeof(l->want));
	*(unsigned char *)l->want = 0;
	EXPECT_TRUE(logged_exact(l, l->tracker));
	/* They are reported only once */
	logged_write(l, 10);
	EXPECT_TRUE(logged_exact(l, l->tracker));
}

TEST_HARNESS_MAIN
