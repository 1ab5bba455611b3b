// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fails each allocation of the verbs of a device's tracker in turn. The verb may return
 * an error or succeed, but no tracker of the device may miss a page.
 */
#include <errno.h>
#include <kselftest_harness.h>

#include "lib.h"

#define IOVA	LOGGED_IOVA
#define PAGES	LOGGED_PAGES
#define SIZE	LOGGED_SIZE

FIXTURE(soft_nomem)
{
	struct logged l;
	struct edu *edu;
};

FIXTURE_SETUP(soft_nomem)
{
	OPEN_OR_SKIP(return, logged_open_soft(&self->l, PROVIDER_PLAIN));
	self->edu = &self->l.env.edu[0];
}

FIXTURE_TEARDOWN(soft_nomem)
{
	if (self->edu)
		logged_close(&self->l);
}

static int call_read(struct logged *l)
{
	struct read_args args = logged_args(l, l->tracker);

	return __tracker_read(&args);
}

static int call_peek(struct logged *l)
{
	struct read_args args = logged_args(l, l->tracker);

	args.flags = IOMMU_DIRTY_READ_NO_CLEAR;
	return __tracker_read(&args);
}

static int call_scan(struct logged *l)
{
	struct iommu_dirty_run run;
	struct scan_args args = {
		.fd = l->env.fd,
		.tracker = l->tracker,
		.iova = IOVA,
		.length = SIZE,
		.page_size = SZ_4K,
		.runs = &run,
		.num_runs = 1,
	};
	int rc = __tracker_scan(&args);

	memset(l->got, 0, sizeof(l->got));
	if (args.num_runs)
		bitmap_set(l->got, (run.iova - IOVA) / SZ_4K);
	return rc;
}

static int call_update(struct logged *l)
{
	memset(l->got, 0, sizeof(l->got));
	return __logged_update(l, 0, IOVA, SIZE);
}

/* Returns whether the call, or else the next READ, reports the page */
static bool still_reported(struct logged *l, __u32 tracker, unsigned int page)
{
	struct read_args args;

	if (tracker == l->tracker && bitmap_test(l->got, page))
		return true;
	args = logged_args(l, tracker);
	tracker_read(&args);
	return bitmap_test(l->got, page);
}

/* Fails each allocation of @call in turn; neither tracker may miss the page */
static void sweep(struct __test_metadata *_metadata, struct logged *l,
		  int (*call)(struct logged *l))
{
	__u32 other = tracker_alloc(l->env.fd, l->env.edu[0].dev_id);
	unsigned int nth = 0;
	bool failed;
	int rc;

	if (!fail_setup())
		SKIP(return, "needs CONFIG_FAILSLAB");
	do {
		unsigned int page = ++nth % PAGES;

		ASSERT_GT(1000, nth);
		ASSERT_EQ(0, __logged_start(l));
		device_start(l->env.fd, other, IOVA, SIZE);
		logged_write(l, page);
		fail_nth(nth);
		rc = call(l);
		failed = fail_nth_end();
		/* -ENOENT: iommufd's failure injection in its object lookup */
		if ((rc && !failed) || (rc && rc != -ENOMEM && rc != -ENOENT))
			fatal("failure %u: error %d", nth, -rc);
		EXPECT_TRUE(still_reported(l, l->tracker, page));
		EXPECT_TRUE(still_reported(l, other, page));
		tracker_stop(l->env.fd, l->tracker);
		tracker_stop(l->env.fd, other);
	} while (failed);
	EXPECT_LT(2, nth);
	lib_note("%u failures", nth - 1);
}

TEST_F(soft_nomem, read)
{
	sweep(_metadata, &self->l, call_read);
}

TEST_F(soft_nomem, peek)
{
	sweep(_metadata, &self->l, call_peek);
}

TEST_F(soft_nomem, scan)
{
	sweep(_metadata, &self->l, call_scan);
}

TEST_F(soft_nomem, update)
{
	sweep(_metadata, &self->l, call_update);
}

TEST_F(soft_nomem, live_update)
{
	soft_provider(self->edu, PROVIDER_LIVE);
	sweep(_metadata, &self->l, call_update);
}

/* ALLOC and START succeed or fail as a whole */
TEST_F(soft_nomem, start)
{
	struct logged *l = &self->l;
	unsigned int nth = 0;
	bool failed;
	int rc;

	if (!fail_setup())
		SKIP(return, "needs CONFIG_FAILSLAB");
	do {
		ASSERT_GT(1000, ++nth);
		object_destroy(l->env.fd, l->tracker);
		fail_nth(nth);
		rc = __tracker_alloc(l->env.fd, self->edu->dev_id, &l->tracker);
		if (!rc)
			rc = __logged_start(l);
		failed = fail_nth_end();
		if ((rc && !failed) || (rc && rc != -ENOMEM && rc != -ENOENT))
			fatal("failure %u: error %d", nth, -rc);
		if (!l->tracker)
			l->tracker = tracker_alloc(l->env.fd, self->edu->dev_id);
		if (rc)
			EXPECT_EQ(0, __logged_start(l));
		logged_write(l, nth);
		EXPECT_TRUE(logged_exact(l, l->tracker));
	} while (failed);
	EXPECT_LT(2, nth);
}

/* IOVAs that a tracker does not cover are dirty, but need no memory per page */
TEST_F(soft_nomem, uncovered)
{
	struct iommu_dirty_run range = { .iova = IOVA, .length = SIZE }, runs[3];
	const unsigned int many = 1 << 20;
	struct logged *l = &self->l;
	struct scan_args scan = {
		.fd = l->env.fd,
		.tracker = l->tracker,
		.length = 1024 * SZ_1G,
		.page_size = SZ_4K,
		.runs = runs,
		.num_runs = 3,
	};
	__u64 page_size = SZ_4K;
	unsigned int took;
	__u32 num = 1;

	if (!fail_setup())
		SKIP(return, "needs CONFIG_FAILSLAB");
	ASSERT_EQ(0, __device_start_flags(l->env.fd, l->tracker,
					  IOMMU_DIRTY_START_DEGRADED, &range, &num,
					  &page_size));
	fail_nth(many);
	EXPECT_EQ(0, __tracker_scan(&scan));
	took = many - fail_nth_left();
	lib_note("%u allocations", took);
	EXPECT_GT(1024, took);
	ASSERT_EQ(2, scan.num_runs);
	EXPECT_EQ(0, runs[0].iova);
	EXPECT_EQ(IOVA, runs[0].length);
	EXPECT_EQ(IOVA + SIZE, runs[1].iova);
	EXPECT_EQ(scan.length, runs[1].iova + runs[1].length);
	EXPECT_EQ(scan.length, scan.out_length);
}

TEST_HARNESS_MAIN
