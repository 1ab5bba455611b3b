// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fails each allocation of each call in turn, and kills callers. No dirty page may
 * be lost: a later READ reports what was written before and after the call. At the
 * end no page is pinned and no object is in use.
 *
 * The technique is that of the kernel's iommufd_fail_nth.c.
 */
#include <kselftest_harness.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib.h"

#define MAX_NTH		2000

FIXTURE(fail_nth)
{
	struct ground g;
};

FIXTURE_SETUP(fail_nth)
{
	const char *reason = ground_open(&self->g);

	if (!reason && !fail_setup())
		reason = "no fault injection in this kernel";
	if (reason)
		SKIP(return, "%s", reason);
}

FIXTURE_TEARDOWN(fail_nth)
{
	if (self->g.mem)
		ground_close(&self->g);
}

/* A call to repeat with each allocation failing in turn, and its setup and check */
struct sweep {
	void (*before)(struct ground *g);
	int (*call)(struct ground *g);
	void (*after)(struct ground *g, int rc);
	int error;	/* also allowed, besides the usual ones */
	bool no_enomem;	/* -ENOMEM is not allowed */
};

/* -ENOENT: iommufd's failure injection makes an object lookup fail */
static bool allowed(const struct sweep *s, int rc)
{
	return !rc || rc == -ENOENT || (s->error && rc == s->error) ||
	       (rc == -ENOMEM && !s->no_enomem);
}

static unsigned int sweep(struct ground *g, const struct sweep *s)
{
	unsigned int nth, errors = 0;
	bool failed = true;
	int rc;

	/* Page faults of this program must not fail instead */
	if (mlockall(MCL_CURRENT))
		fatal("mlockall: error %d", errno);
	for (nth = 0; failed; nth++) {
		if (nth == MAX_NTH)
			fatal("too many allocations");
		if (s->before)
			s->before(g);
		ground_write(g, 0);
		fail_nth(nth + 1);
		rc = s->call(g);
		failed = fail_nth_end();
		errors += rc != 0;
		if (!allowed(s, rc) || (rc && !failed))
			fatal("failure %u: error %d", nth + 1, -rc);
		if (s->after)
			s->after(g, rc);
		if (consumer_missed(&g->first) || consumer_missed(&g->second))
			fatal("failure %u: error %d, and missed pages", nth + 1, -rc);
	}
	lib_note("%u failures, %u errors", nth - 1, errors);
	if (nth < 2)
		fatal("no allocation has failed");
	return errors;
}

static int call_alloc(struct ground *g)
{
	return __tracker_alloc(g->env.fd, g->env.ioas, &g->id);
}

static void after_alloc(struct ground *g, int rc)
{
	if (!rc)
		object_destroy(g->env.fd, g->id);
}

TEST_F_TIMEOUT(fail_nth, alloc, 240)
{
	static const struct sweep s = {
		.call = call_alloc,
		.after = after_alloc,
	};

	sweep(&self->g, &s);
}

static int call_alloc_file(struct ground *g)
{
	int file, rc;

	rc = __tracker_alloc_flags(g->env.fd, g->env.ioas, IOMMU_DIRTY_ALLOC_FILE, &g->id, &file);
	if (!rc)
		close(file);
	return rc;
}

TEST_F_TIMEOUT(fail_nth, alloc_file, 240)
{
	static const struct sweep s = {
		.call = call_alloc_file,
	};

	sweep(&self->g, &s);
}

static int call_info(struct ground *g)
{
	struct iommu_dirty_member members[4];
	struct iommu_dirty_tracker_info info = {
		.size = sizeof(info),
		.tracker_id = g->first.tracker,
		.num_members = ARRAY_SIZE(members),
		.members = (uintptr_t)members,
		.member_len = sizeof(members[0]),
	};

	return __tracker_info(g->env.fd, &info);
}

TEST_F_TIMEOUT(fail_nth, info, 240)
{
	static const struct sweep s = {
		.call = call_info,
	};

	sweep(&self->g, &s);
}

static int call_start(struct ground *g)
{
	return __tracker_start(g->env.fd, g->env.tracker, NULL);
}

/* START fails as a whole or not at all */
static void after_start(struct ground *g, int rc)
{
	__u32 state = tracker_state(g->env.fd, g->env.tracker);

	if (state != (rc ? IOMMU_DIRTY_STATE_STOPPED : IOMMU_DIRTY_STATE_RUNNING))
		fatal("error %d, but state %u", -rc, state);
	tracker_stop(g->env.fd, g->env.tracker);
}

TEST_F_TIMEOUT(fail_nth, start, 240)
{
	static const struct sweep s = {
		.call = call_start,
		.after = after_start,
	};

	sweep(&self->g, &s);
}

static void before_stop(struct ground *g)
{
	if (tracker_state(g->env.fd, g->env.tracker) == IOMMU_DIRTY_STATE_STOPPED)
		tracker_start(g->env.fd, g->env.tracker);
}

static int call_stop(struct ground *g)
{
	return __tracker_stop(g->env.fd, g->env.tracker);
}

TEST_F_TIMEOUT(fail_nth, stop, 240)
{
	static const struct sweep s = {
		.before = before_stop,
		.call = call_stop,
	};

	sweep(&self->g, &s);
}

static int call_read(struct ground *g)
{
	return __consumer_read(&g->first, 0, NULL);
}

TEST_F_TIMEOUT(fail_nth, read, 240)
{
	static const struct sweep s = {
		.call = call_read,
	};

	sweep(&self->g, &s);
}

static int call_read_no_clear(struct ground *g)
{
	return __consumer_read(&g->first, IOMMU_DIRTY_READ_NO_CLEAR, NULL);
}

TEST_F_TIMEOUT(fail_nth, read_no_clear, 240)
{
	static const struct sweep s = {
		.call = call_read_no_clear,
	};

	sweep(&self->g, &s);
}

static int call_scan(struct ground *g)
{
	return __consumer_scan(&g->first, 2);
}

TEST_F_TIMEOUT(fail_nth, scan, 240)
{
	static const struct sweep s = {
		.call = call_scan,
	};

	sweep(&self->g, &s);
}

static int call_unmap(struct ground *g)
{
	return __consumer_unmap(&g->first, 0, GROUND_PAGES);
}

static int call_ioas_unmap(struct ground *g)
{
	return __ioas_unmap(g->env.fd, g->env.ioas, GROUND_IOVA, GROUND_SIZE);
}

static void after_unmap(struct ground *g, int rc)
{
	int again = ground_map(g);

	/* UNMAP may fail to report after it has unmapped */
	if (again && (!rc || again != -EEXIST))
		fatal("cannot map again: error %d", -again);
}

TEST_F_TIMEOUT(fail_nth, unmap, 240)
{
	static const struct sweep s = {
		.call = call_unmap,
		.after = after_unmap,
		.no_enomem = true,
	};

	sweep(&self->g, &s);
}

TEST_F_TIMEOUT(fail_nth, ioas_unmap, 240)
{
	static const struct sweep s = {
		.call = call_ioas_unmap,
		.after = after_unmap,
		.no_enomem = true,
	};

	sweep(&self->g, &s);
}

/*
 * Returns how many failing allocations make a READ fail with -ENOMEM. Takes the minimum
 * of several sweeps: now and then the allocator itself allocates.
 */
static unsigned int enomem_of_read(struct ground *g, bool beside)
{
	unsigned int i, fewest = MAX_NTH;

	for (i = 0; i < 5; i++) {
		unsigned int nth = 0, errors = 0;
		bool failed;

		do {
			int rc;

			/* Empty its ledger, so that a harvest needs memory for it */
			if (beside && consumer_missed(&g->second))
				fatal("failure %u: missed pages", nth);
			ground_write(g, 0);
			fail_nth(++nth);
			rc = call_read(g);
			failed = fail_nth_end();
			errors += rc == -ENOMEM;
		} while (failed && nth < MAX_NTH);
		fewest = errors < fewest ? errors : fewest;
	}
	return fewest;
}

/* A second running tracker adds no allocation that can make a READ fail */
TEST_F_TIMEOUT(fail_nth, read_beside, 240)
{
	struct ground *g = &self->g;
	unsigned int both;

	ASSERT_EQ(0, mlockall(MCL_CURRENT));
	both = enomem_of_read(g, true);
	tracker_stop(g->env.fd, g->second.tracker);
	EXPECT_EQ(enomem_of_read(g, false), both);
	lib_note("%u errors", both);
}

/*
 * Returns how many allocations a READ makes that finds a dirty page, after @empty has
 * emptied the other tracker's ledger. Takes the minimum of several calls: now and then
 * the allocator itself allocates.
 */
static unsigned int allocations(struct ground *g, int (*empty)(struct ground *g))
{
	unsigned int i, fewest = MAX_NTH;

	for (i = 0; i < 10; i++) {
		unsigned int now;

		check(call_read(g));
		if (empty(g))
			fatal("the ledger was not emptied");
		env_load(&g->env, 0);
		env_store(&g->env, 0, GROUND_IOVA);
		fail_nth(MAX_NTH);
		check(call_read(g));
		now = MAX_NTH - fail_nth_left();
		fewest = now < fewest ? now : fewest;
	}
	return fewest;
}

static int empty_stop(struct ground *g)
{
	tracker_stop(g->env.fd, g->second.tracker);
	return __tracker_start(g->env.fd, g->second.tracker, NULL);
}

static int empty_read(struct ground *g)
{
	return consumer_missed(&g->second) != 0;
}

static int empty_scan(struct ground *g)
{
	/* The second SCAN finds nothing more */
	return __consumer_scan(&g->second, CONSUMER_RUNS) ||
	       __consumer_scan(&g->second, CONSUMER_RUNS);
}

static int empty_unmap(struct ground *g)
{
	int rc = __consumer_unmap(&g->second, 0, GROUND_PAGES);

	return rc ? rc : ground_map(g);
}

/*
 * Each call that empties a ledger frees its memory. If a ledger kept memory, the next
 * READ would make fewer allocations.
 */
TEST_F_TIMEOUT(fail_nth, ledger_memory, 240)
{
	static int (*const empty[])(struct ground *g) = {
		empty_read, empty_scan, empty_unmap,
	};
	struct ground *g = &self->g;
	unsigned int got[ARRAY_SIZE(empty)], i, want, again;

	ASSERT_EQ(0, mlockall(MCL_CURRENT));
	want = allocations(g, empty_stop);
	for (i = 0; i < ARRAY_SIZE(empty); i++)
		got[i] = allocations(g, empty[i]);
	again = allocations(g, empty_stop);
	want = again < want ? again : want;
	EXPECT_LE(2, want);
	for (i = 0; i < ARRAY_SIZE(empty); i++)
		EXPECT_LE(want, got[i]);
	lib_note("%u allocations", want);
}

/* A HWPT joins and its device writes; then both leave, which cannot fail */
static int call_attach(struct ground *g)
{
	struct env *env = &g->env;
	int rc;

	g->attached = false;
	rc = __hwpt_alloc(env->fd, env->edu[1].dev_id, env->ioas,
			  IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &g->id);
	if (rc) {
		g->id = 0;
		return rc;
	}
	rc = __edu_attach(&env->edu[1], g->id);
	g->attached = !rc;
	return rc;
}

static void after_attach(struct ground *g, int rc)
{
	if (g->attached) {
		ground_write(g, 1);
		edu_detach(&g->env.edu[1]);
	}
	if (g->id)
		object_destroy(g->env.fd, g->id);
}

TEST_F_TIMEOUT(fail_nth, attach, 240)
{
	static const struct sweep s = {
		.call = call_attach,
		.after = after_attach,
		.error = -EINVAL,	/* IOMMU_HWPT_ALLOC if a lookup fails */
	};

	sweep(&self->g, &s);
}

/* A HWPT leaves with no memory for the ledgers: too much becomes dirty, not too little */
static void before_detach(struct ground *g)
{
	if (!call_attach(g))
		ground_write(g, 1);
}

static int call_detach(struct ground *g)
{
	edu_detach(&g->env.edu[1]);
	return __object_destroy(g->env.fd, g->id);
}

static void after_detach(struct ground *g, int rc)
{
	if (rc)
		object_destroy(g->env.fd, g->id);
}

TEST_F_TIMEOUT(fail_nth, detach, 240)
{
	static const struct sweep s = {
		.before = before_detach,
		.call = call_detach,
		.after = after_detach,
	};

	sweep(&self->g, &s);
}

#define OTHER_IOVA	(GROUND_IOVA + SZ_1G)
#define SWEEPS		200

static int call_map(struct ground *g)
{
	int rc = __ioas_map(g->env.fd, g->env.ioas, g->mem, GROUND_SIZE, OTHER_IOVA,
			    IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE);

	return rc ? rc : __ioas_unmap(g->env.fd, g->env.ioas, OTHER_IOVA, GROUND_SIZE);
}

static void after_map(struct ground *g, int rc)
{
	__ioas_unmap(g->env.fd, g->env.ioas, OTHER_IOVA, GROUND_SIZE);
}

static void before_set(struct ground *g)
{
	g->id = hwpt_alloc(g->env.fd, g->env.edu[1].dev_id, g->env.ioas,
			   IOMMU_HWPT_ALLOC_DIRTY_TRACKING);
}

static int call_set(struct ground *g)
{
	return __hwpt_set_dirty(g->env.fd, g->id, true);
}

static void after_set(struct ground *g, int rc)
{
	object_destroy(g->env.fd, g->id);
}

static void before_get(struct ground *g)
{
	before_set(g);
	check(call_set(g));
}

static int call_get(struct ground *g)
{
	return __hwpt_get_dirty(g->env.fd, g->id, GROUND_IOVA, GROUND_SIZE,
				g->first.bitmap);
}

/* Returns how many failing allocations make the call fail */
static unsigned int errors_of(struct ground *g, const struct sweep *s)
{
	unsigned int nth = 0, errors = 0;
	bool failed;

	do {
		int rc;

		if (s->before)
			s->before(g);
		fail_nth(++nth);
		rc = s->call(g);
		failed = fail_nth_end();
		errors += rc != 0;
		s->after(g, rc);
	} while (failed && nth < MAX_NTH);
	return errors;
}

/*
 * An observer adds no allocation that can make a call of the owner fail: one more would add
 * an error to each sweep. Compares averages, because the number varies by itself: now and
 * then the allocator allocates, and a map may find tables that an earlier one has left. The
 * order is random, or that could happen in step with it.
 */
TEST_F_TIMEOUT(fail_nth, observed, 240)
{
	static const struct sweep calls[] = {
		{ .call = call_map, .after = after_map },
		{ .before = before_set, .call = call_set, .after = after_set },
		{ .before = before_get, .call = call_get, .after = after_set },
	};
	struct ground *g = &self->g;
	unsigned int i, round;
	int fd;

	ASSERT_EQ(0, mlockall(MCL_CURRENT));
	tracker_stop(g->env.fd, g->first.tracker);
	tracker_stop(g->env.fd, g->second.tracker);
	fd = tracker_file(g->env.fd, g->env.ioas, IOMMU_DIRTY_ALLOC_PASSIVE);
	for (i = 0; i < 3; i++) {
		unsigned int errors[2] = {}, observed = 0;

		for (round = 0; round < 2 * SWEEPS; round++) {
			/* Each two sweeps are one of each */
			observed = round % 2 ? !observed : random_below(2);
			if (observed)
				tracker_start(fd, 0);
			errors[observed] += errors_of(g, &calls[i]);
			if (observed)
				tracker_stop(fd, 0);
		}
		lib_note("call %u: %u errors alone, %u observed, in %u sweeps each", i, errors[0],
			 errors[1], SWEEPS);
		EXPECT_LE(SWEEPS, errors[0]);
		EXPECT_GT(errors[0] + SWEEPS / 2, errors[1]);
	}
	close(fd);
}

/* Runs in a child process until it is killed */
static void call_for_ever(struct ground *g)
{
	for (;;) {
		call_read(g);
		call_scan(g);
		call_read_no_clear(g);
		if (!call_start(g))
			call_stop(g);
		if (!call_unmap(g))
			ground_map(g);
	}
}

/*
 * A HWPT that cannot be tracked joins an IOAS whose trackers are all degraded. If it
 * fails to join, they do not become blind.
 */
static __u32 flags_of(struct ground *g, __u32 tracker)
{
	struct iommu_dirty_tracker_info info = { .tracker_id = tracker };

	__tracker_info(g->env.fd, &info);
	return info.out_flags;
}

static int call_join(struct ground *g)
{
	struct env *env = &g->env;

	g->id = 0;
	return __hwpt_alloc(env->fd, env->edu[1].dev_id, env->ioas, 0, &g->id);
}

static void check_join(struct ground *g, const char *when, __u32 flags)
{
	if (flags_of(g, g->first.tracker) != flags || flags_of(g, g->second.tracker) != flags)
		fatal("%s: flags %#x and %#x instead of %#x", when,
		      flags_of(g, g->first.tracker), flags_of(g, g->second.tracker), flags);
}

static void after_join(struct ground *g, int rc)
{
	if (!rc) {
		check_join(g, "joined", IOMMU_DIRTY_TRACKER_DEGRADED |
					IOMMU_DIRTY_TRACKER_BLIND);
		object_destroy(g->env.fd, g->id);
	}
	check_join(g, "gone", IOMMU_DIRTY_TRACKER_DEGRADED);
}

TEST_F_TIMEOUT(fail_nth, join_degraded, 240)
{
	static const struct sweep s = {
		.call = call_join,
		.after = after_join,
		.error = -EINVAL,	/* IOMMU_HWPT_ALLOC if a lookup fails */
	};
	struct ground *g = &self->g;
	int fd = g->env.fd;

	tracker_stop(fd, g->first.tracker);
	tracker_stop(fd, g->second.tracker);
	check(__tracker_start_flags(fd, g->first.tracker, IOMMU_DIRTY_START_DEGRADED, NULL));
	check(__tracker_start_flags(fd, g->second.tracker, IOMMU_DIRTY_START_DEGRADED, NULL));
	EXPECT_LT(0, sweep(g, &s));
}

/* Kills callers at random times; the tracker that they do not read misses nothing */
TEST_F_TIMEOUT(fail_nth, killed, 240)
{
	struct ground *g = &self->g;
	unsigned int i;

	for (i = 0; i < 30; i++) {
		pid_t pid = fork();
		int status;

		ASSERT_LE(0, pid);
		if (!pid)
			call_for_ever(g);
		usleep(random_below(50000));
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status));
		/* The child's mappings are accounted to it, so map again */
		__ioas_unmap(g->env.fd, g->env.ioas, GROUND_IOVA, GROUND_SIZE);
		check(ground_map(g));
		tracker_stop(g->env.fd, g->env.tracker);
		ground_write(g, 0);
		EXPECT_EQ(0, consumer_missed(&g->second));
	}
}

/* A counter that the processes share, where no device writes */
static __u64 *counter(struct ground *g)
{
	return &g->mem[2];
}

static void wait_for_reads(struct ground *g, pid_t pid, unsigned int num)
{
	__u64 begin = __atomic_load_n(counter(g), __ATOMIC_ACQUIRE);

	while (__atomic_load_n(counter(g), __ATOMIC_ACQUIRE) < begin + num)
		if (waitpid(pid, NULL, WNOHANG))
			fatal("the other process has ended");
}

/*
 * Closes the files while another process READs, which continues until it is
 * killed. The running trackers are destroyed with the last file.
 */
TEST_F_TIMEOUT(fail_nth, closed, 120)
{
	struct ground *g = &self->g;
	pid_t pid = fork();
	int status;

	ASSERT_LE(0, pid);
	while (!pid) {
		check(call_read(g));
		__atomic_fetch_add(counter(g), 1, __ATOMIC_RELEASE);
	}
	wait_for_reads(g, pid, 10);
	ground_abandon(g);
	wait_for_reads(g, pid, 10);
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	ground_end(g);
}

TEST_HARNESS_MAIN
