// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the ledger of a tracker costs others: time at unmap, and memory, which is charged
 * to the cgroup of the process that did ALLOC.
 */
#include <fcntl.h>
#include <kselftest_harness.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib.h"

FIXTURE(ledger)
{
	struct env env;
};

FIXTURE_SETUP(ledger)
{
	int access;

	OPEN_OR_SKIP(return, env_open(&self->env, 0));
	access = __access_create(self->env.fd, self->env.ioas);
	if (access == -ENOTTY)
		SKIP(return, "this kernel has no CONFIG_IOMMUFD_TEST");
	access_destroy(check(access));
}

FIXTURE_TEARDOWN(ledger)
{
	env_close(&self->env);
}

/* Nanoseconds of the fastest of 300 rounds that map and unmap a page */
static __u64 time_unmaps(struct env *env, __u32 ioas, void *mem)
{
	__u64 begin, fastest = ~0ULL;
	unsigned int i;

	for (i = 0; i < 300; i++) {
		begin = lib_clock();
		ioas_map(env->fd, ioas, mem, SZ_4K, 0);
		ioas_unmap(env->fd, ioas, 0, SZ_4K);
		begin = lib_clock() - begin;
		if (begin < fastest)
			fastest = begin;
	}
	return fastest;
}

/* Dirties pages so far apart that each takes a separate chunk of the ledger */
static void fill_ledger(struct env *env, __u32 ioas, void *mem, unsigned int chunks)
{
	int access = check(__access_create(env->fd, ioas));
	__u64 value = 1, iova;
	unsigned int i;

	for (i = 1; i <= chunks; i++) {
		iova = i * 16 * SZ_1M;
		ioas_map(env->fd, ioas, mem, SZ_4K, iova);
		check(__access_write(env->fd, access, iova, &value, sizeof(value)));
	}
	access_destroy(access);
}

/*
 * An unmap does not search the ledger of a tracker that nobody reads. If it did, it would
 * take about a hundred times as long.
 */
TEST_F_TIMEOUT(ledger, unmap_beside_ledger, 120)
{
	struct env *env = &self->env;
	__u32 ioas = ioas_alloc(env->fd), tracker = tracker_alloc(env->fd, ioas);
	void *mem = mem_alloc(SZ_4K);
	__u64 empty, full;

	tracker_start(env->fd, tracker);
	empty = time_unmaps(env, ioas, mem);
	fill_ledger(env, ioas, mem, 4096);
	full = time_unmaps(env, ioas, mem);
	lib_note("%llu ns with an empty ledger, %llu ns with a full one", empty, full);
	EXPECT_GT(4 * empty, full);
}

#define GROUPS	"/tmp/iommufd-dirty-groups"
#define OBSERVER GROUPS "/observer"
#define CHUNKS	4096

static void put_text(const char *path, const char *text)
{
	int fd = check(open(path, O_WRONLY | O_CLOEXEC));

	check(write(fd, text, strlen(text)));
	close(fd);
}

static const char *get_text(const char *path)
{
	static char text[256];
	int fd = check(open(path, O_RDONLY | O_CLOEXEC));

	text[check(read(fd, text, sizeof(text) - 1))] = 0;
	close(fd);
	return text;
}

static long observer_memory(void)
{
	return atol(get_text(OBSERVER "/memory.current"));
}

static long observer_event(const char *event)
{
	const char *at = strstr(get_text(OBSERVER "/memory.events"), event);

	if (!at)
		fatal("memory.events of the cgroup has no %s", event);
	return atol(at + strlen(event));
}

static void groups_close(void)
{
	/* also removes what a previous run has left */
	rmdir(OBSERVER);
	umount(GROUPS);
	rmdir(GROUPS);
}

static const char *groups_open(void)
{
	groups_close();
	check(mkdir(GROUPS, 0700));
	/* the memory controller may be in use by cgroup v1 */
	if (mount("none", GROUPS, "cgroup2", 0, NULL) ||
	    !strstr(get_text(GROUPS "/cgroup.controllers"), "memory")) {
		groups_close();
		return "no cgroup v2 with a memory controller";
	}
	put_text(GROUPS "/cgroup.subtree_control", "+memory");
	check(mkdir(OBSERVER, 0700));
	return NULL;
}

/* ALLOCates a tracker in a process that is in a memory cgroup of its own, and STARTs it */
static __u32 observe(int fd, __u32 ioas)
{
	__u32 *tracker = mmap(NULL, SZ_4K, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;
	int status;
	__u32 id;

	if (tracker == MAP_FAILED)
		fatal("mmap: error %d", errno);
	pid = check(fork());
	if (!pid) {
		put_text(OBSERVER "/cgroup.procs", "0");
		_exit(__tracker_alloc(fd, ioas, tracker) ? 1 : 0);
	}
	check(waitpid(pid, &status, 0));
	if (status)
		fatal("the observer did not allocate its tracker");
	id = *tracker;
	mem_free(tracker, SZ_4K);
	tracker_start(fd, id);
	return id;
}

/* A ledger is charged to the process that did ALLOC, until STOP */
TEST_F_TIMEOUT(ledger, charged, 120)
{
	struct env *env = &self->env;
	__u32 ioas = ioas_alloc(env->fd), tracker;
	const char *reason = groups_open();
	void *mem = mem_alloc(SZ_4K);
	long before, full;

	if (reason)
		SKIP(return, "%s", reason);
	tracker = observe(env->fd, ioas);
	before = observer_memory();
	fill_ledger(env, ioas, mem, CHUNKS);
	full = observer_memory();
	lib_note("%ld KiB for %u chunks", (full - before) / 1024, CHUNKS);
	/* the kernel charges in batches, so some of it may be missing */
	EXPECT_LE(CHUNKS * 512L * 3 / 4, full - before);
	tracker_stop(env->fd, tracker);
	EXPECT_GE(before + (full - before) / 4, observer_memory());
	groups_close();
}

/*
 * At the limit of the observer's cgroup, a writer does not try to allocate for each mark:
 * the ledger records coarse ranges instead.
 */
TEST_F_TIMEOUT(ledger, charged_at_limit, 120)
{
	struct env *env = &self->env;
	__u32 ioas = ioas_alloc(env->fd), tracker;
	const char *reason = groups_open();
	void *mem = mem_alloc(SZ_4K);
	struct scan_args scan = {
		.fd = env->fd,
		.iova = 0,
		.length = (CHUNKS + 1) * 16 * SZ_1M,
		.page_size = 16 * SZ_1M,
		.runs = mem,
		.num_runs = 16,
	};
	long tried, ms;

	if (reason)
		SKIP(return, "%s", reason);
	tracker = observe(env->fd, ioas);
	scan.tracker = tracker;
	put_text(OBSERVER "/memory.max", "0");
	tried = observer_event("\nmax ");
	ms = lib_clock() / 1000000;
	fill_ledger(env, ioas, mem, CHUNKS);
	ms = lib_clock() / 1000000 - ms;
	tried = observer_event("\nmax ") - tried;
	lib_note("asked %ld times for memory for %u chunks, in %ld ms", tried, CHUNKS, ms);
	EXPECT_LT(0, tried);
	/* one allocation every 100 ms, which counts up to three times */
	EXPECT_GE(3 * (ms / 100 + 2), tried);
	EXPECT_GT(CHUNKS, tried);
	EXPECT_EQ(0, observer_event("\noom_kill "));
	put_text(OBSERVER "/memory.max", "max");
	EXPECT_EQ(0, __tracker_scan(&scan));
	EXPECT_EQ(CHUNKS, scan.out_pages);
	tracker_stop(env->fd, tracker);
	groups_close();
}

TEST_HARNESS_MAIN
