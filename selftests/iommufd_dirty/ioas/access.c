// SPDX-License-Identifier: GPL-2.0-only
/*
 * Software that writes to an IOAS, by iommufd's own test ioctl: what it copies
 * in is reported once, what it has pinned for writing at every READ, and in an
 * IOAS without a HWPT as well as beside a device.
 */
#include <errno.h>
#include <fcntl.h>
#include <kselftest_harness.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib.h"

#define IOVA	0x40000000ULL
#define PAGES	64
#define SIZE	(PAGES * SZ_4K)

FIXTURE(access)
{
	struct env env;
	struct oracle o;
	int fd;
	int rw;
	int pins;
	char data[4 * SZ_4K];
};

FIXTURE_SETUP(access)
{
	const char *reason = env_open(&self->env, 0);

	if (reason)
		SKIP(return, "%s", reason);
	self->fd = self->env.fd;
	self->rw = __access_create(self->fd, self->env.ioas);
	if (self->rw == -ENOTTY)
		SKIP(return, "this kernel has no CONFIG_IOMMUFD_TEST");
	ASSERT_LE(0, self->rw);
	self->pins = check(__access_create_pins(self->fd, self->env.ioas));
	oracle_open(&self->o, &self->env, PAGES, IOVA);
	oracle_map(&self->o, self->env.ioas);
	env_twin(&self->env);
	memset(self->data, 0x5a, sizeof(self->data));
}

FIXTURE_TEARDOWN(access)
{
	oracle_close(&self->o);
	env_close(&self->env);
}

#define write_at(offset, len)						\
	EXPECT_EQ(0, __access_write(self->fd, self->rw, IOVA + (offset),	\
				    self->data, len))

/* READ finds @num pages from page @first on, and no other */
static bool found(struct oracle *o, size_t first, size_t num, __u32 flags)
{
	size_t page, wrong = 0;

	oracle_read(o, flags);
	for (page = 0; page < o->pages; page++)
		wrong += bitmap_test(o->bitmap, page) !=
			 (page >= first && page < first + num);
	if (wrong)
		lib_note("wrong about %zu pages, not %zu from %zu on", wrong, num,
			 first);
	return !wrong;
}

static bool nothing_found(struct oracle *o)
{
	return found(o, 0, 0, 0);
}

/* The IOAS has no HWPT: all that can write is known */
TEST_F(access, members)
{
	struct iommu_dirty_member m[4];
	unsigned int i;

	ASSERT_EQ(2, tracker_members(self->fd, self->env.tracker, m, 4));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(IOMMU_DIRTY_MEMBER_ACCESS, m[i].type);
		EXPECT_EQ(IOMMU_DIRTY_REASON_OK, m[i].reason);
		EXPECT_EQ(0, m[i].flags);
		EXPECT_EQ(0, m[i].format);
		EXPECT_EQ(0, m[i].io_page_sizes);
	}
	env_start(&self->env);
	ASSERT_EQ(2, tracker_members(self->fd, self->env.tracker, m, 4));
	EXPECT_EQ(IOMMU_DIRTY_MEMBER_TRACKED, m[0].flags & m[1].flags);
	EXPECT_TRUE(nothing_found(&self->o));
	/* One that joins later, and leaves */
	i = check(__access_create(self->fd, self->env.ioas));
	EXPECT_EQ(3, tracker_members(self->fd, self->env.tracker, m, 4));
	EXPECT_EQ(0, __access_write(self->fd, i, IOVA, self->data, 8));
	access_destroy(i);
	EXPECT_EQ(2, tracker_members(self->fd, self->env.tracker, m, 4));
	EXPECT_TRUE(found(&self->o, 0, 1, 0));
}

TEST_F(access, write)
{
	static const __u32 flags[] = { ACCESS_WRITE, ACCESS_WRITE | ACCESS_SLOW };
	unsigned int i;

	write_at(0, 8);
	env_start(&self->env);
	EXPECT_TRUE(nothing_found(&self->o));
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		EXPECT_EQ(0, __access_rw(self->fd, self->rw, IOVA + 5 * SZ_4K,
					 self->data, 3 * SZ_4K, flags[i]));
		EXPECT_TRUE(found(&self->o, 5, 3, IOMMU_DIRTY_READ_NO_CLEAR));
		EXPECT_TRUE(found(&self->o, 5, 3, 0));
		EXPECT_TRUE(nothing_found(&self->o));
	}
	EXPECT_EQ(0, memcmp(self->o.mem + 5 * SZ_4K, self->data, 3 * SZ_4K));
}

TEST_F(access, read)
{
	env_start(&self->env);
	EXPECT_EQ(0, __access_rw(self->fd, self->rw, IOVA, self->data, SZ_4K, 0));
	EXPECT_EQ(0, __access_rw(self->fd, self->rw, IOVA, self->data, SZ_4K,
				 ACCESS_SLOW));
	EXPECT_TRUE(nothing_found(&self->o));
}

/* Single bytes, at the ends of pages and across them, and of the whole range */
TEST_F(access, bytes)
{
	env_start(&self->env);
	write_at(0, 1);
	EXPECT_TRUE(found(&self->o, 0, 1, 0));
	write_at(SZ_4K - 1, 1);
	EXPECT_TRUE(found(&self->o, 0, 1, 0));
	write_at(SZ_4K - 1, 2);
	EXPECT_TRUE(found(&self->o, 0, 2, 0));
	write_at(10 * SZ_4K + 1, 3 * SZ_4K);
	EXPECT_TRUE(found(&self->o, 10, 4, 0));
	write_at(SIZE - 1, 1);
	EXPECT_TRUE(found(&self->o, PAGES - 1, 1, 0));
	EXPECT_TRUE(nothing_found(&self->o));
}

/* Across two mappings, and into a hole behind them: what was written counts */
TEST_F(access, mappings)
{
	struct oracle next;

	oracle_open(&next, &self->env, 2, IOVA + SIZE);
	oracle_map(&next, self->env.ioas);
	env_start(&self->env);
	write_at(SIZE - 8, 16);
	EXPECT_TRUE(found(&self->o, PAGES - 1, 1, 0));
	EXPECT_TRUE(found(&next, 0, 1, 0));
	EXPECT_EQ(0, memcmp(next.mem, self->data, 8));

	EXPECT_EQ(-ENOENT, __access_write(self->fd, self->rw,
					  IOVA + SIZE + SZ_4K, self->data,
					  2 * SZ_4K));
	if (!memcmp(next.mem + SZ_4K, self->data, SZ_4K))
		EXPECT_TRUE(found(&next, 1, 1, 0));
	EXPECT_NE(0, __access_write(self->fd, self->rw, ENV_STAGE_IOVA,
				    self->data, 8));
	oracle_close(&next);
}

/* Mappings can begin and end anywhere where no IO page table wants pages */
TEST_F(access, unaligned)
{
	__u32 ioas = ioas_alloc(self->fd);
	struct env env = self->env;
	struct oracle o = self->o;
	int rw = check(__access_create(self->fd, ioas));

	env.ioas = ioas;
	env.tracker = tracker_alloc(self->fd, ioas);
	env_twin(&env);
	o.env = &env;
	ioas_map(self->fd, ioas, self->o.mem + 0x777, 3 * SZ_4K, IOVA + 0x123);
	env_start(&env);
	EXPECT_EQ(0, __access_write(self->fd, rw, IOVA + 0x123, self->data, 1));
	EXPECT_TRUE(found(&o, 0, 1, 0));
	/* One page of memory, two of IOVA; and the other way round */
	EXPECT_EQ(0, __access_write(self->fd, rw, IOVA + SZ_4K - 4, self->data, 8));
	EXPECT_TRUE(found(&o, 0, 2, 0));
	EXPECT_EQ(0, __access_write(self->fd, rw, IOVA + 2 * SZ_4K - 0x777 + 0x123 - 4,
				    self->data, 8));
	EXPECT_TRUE(found(&o, 1, 1, 0));
	EXPECT_EQ(0, __access_write(self->fd, rw, IOVA + 3 * SZ_4K + 0x122,
				    self->data, 1));
	EXPECT_TRUE(found(&o, 3, 1, IOMMU_DIRTY_READ_NO_CLEAR));
	ioas_unmap(self->fd, ioas, IOVA + 0x123, 3 * SZ_4K);
	EXPECT_TRUE(found(&o, 3, 1, 0));
	EXPECT_TRUE(nothing_found(&o));
	access_destroy(rw);
}

/* Written and unmapped before anybody has read */
TEST_F(access, unmap)
{
	env_start(&self->env);
	write_at(7 * SZ_4K, 2 * SZ_4K);
	ioas_unmap(self->fd, self->env.ioas, IOVA, SIZE);
	EXPECT_TRUE(found(&self->o, 7, 2, 0));
	EXPECT_TRUE(nothing_found(&self->o));
}

TEST_F(access, pinned)
{
	unsigned int round;
	__u32 pin;

	env_start(&self->env);
	pin = access_pin(self->fd, self->pins, IOVA + 5 * SZ_4K, 3 * SZ_4K,
			 ACCESS_WRITE);
	for (round = 0; round < 3; round++) {
		EXPECT_TRUE(found(&self->o, 5, 3, IOMMU_DIRTY_READ_NO_CLEAR));
		EXPECT_TRUE(found(&self->o, 5, 3, 0));
	}
	access_unpin(self->fd, self->pins, pin);
	EXPECT_TRUE(found(&self->o, 5, 3, 0));
	EXPECT_TRUE(nothing_found(&self->o));

	/* Pinned and unpinned between two READs */
	pin = access_pin(self->fd, self->pins, IOVA + 8 * SZ_4K, SZ_4K,
			 ACCESS_WRITE);
	access_unpin(self->fd, self->pins, pin);
	EXPECT_TRUE(found(&self->o, 8, 1, 0));
	EXPECT_TRUE(nothing_found(&self->o));
}

/* Pages of a driver that tells of each write are dirty only where it has written */
TEST_F(access, pinned_marks)
{
	__u32 pin;

	env_start(&self->env);
	pin = access_pin(self->fd, self->pins, IOVA + 4 * SZ_4K, 8 * SZ_4K,
			 ACCESS_WRITE | ACCESS_MARKS);
	EXPECT_TRUE(nothing_found(&self->o));
	ASSERT_EQ(0, __access_rw(self->fd, self->pins, IOVA + 6 * SZ_4K + 5, NULL,
				 SZ_4K, ACCESS_MARKS));
	EXPECT_TRUE(found(&self->o, 6, 2, IOMMU_DIRTY_READ_NO_CLEAR));
	EXPECT_TRUE(found(&self->o, 6, 2, 0));
	EXPECT_TRUE(nothing_found(&self->o));

	/* Told of, and unpinned before anybody has read */
	ASSERT_EQ(0, __access_rw(self->fd, self->pins, IOVA + 9 * SZ_4K, NULL, 1,
				 ACCESS_MARKS));
	access_unpin(self->fd, self->pins, pin);
	EXPECT_TRUE(found(&self->o, 9, 1, 0));
	EXPECT_TRUE(nothing_found(&self->o));
}

TEST_F(access, mark_dirty_arguments)
{
	env_start(&self->env);
	EXPECT_EQ(-EINVAL, __access_rw(self->fd, self->pins, IOVA, NULL, 0,
				       ACCESS_MARKS));
	EXPECT_EQ(-EOVERFLOW, __access_rw(self->fd, self->pins, -SZ_4K, NULL,
					  2 * SZ_4K, ACCESS_MARKS));
	EXPECT_TRUE(nothing_found(&self->o));
	/* With a tracker and without: START forgets, and STOP takes no note */
	EXPECT_EQ(0, __access_rw(self->fd, self->pins, IOVA, NULL, 1, ACCESS_MARKS));
	tracker_stop(self->fd, self->env.tracker);
	tracker_stop(self->fd, self->env.twin);
	EXPECT_EQ(0, __access_rw(self->fd, self->pins, IOVA, NULL, 1, ACCESS_MARKS));
	env_start(&self->env);
	EXPECT_TRUE(nothing_found(&self->o));
}

TEST_F(access, pinned_to_read)
{
	__u32 pin;

	env_start(&self->env);
	pin = access_pin(self->fd, self->pins, IOVA, SIZE, 0);
	EXPECT_TRUE(nothing_found(&self->o));
	access_unpin(self->fd, self->pins, pin);
	EXPECT_TRUE(nothing_found(&self->o));
}

/* START and STOP while it is pinned: it may be written to all the time */
TEST_F(access, pinned_before_start)
{
	__u32 pin = access_pin(self->fd, self->pins, IOVA, 2 * SZ_4K, ACCESS_WRITE);

	env_start(&self->env);
	EXPECT_TRUE(found(&self->o, 0, 2, 0));
	tracker_stop(self->fd, self->env.tracker);
	tracker_start(self->fd, self->env.tracker);
	EXPECT_TRUE(found(&self->o, 0, 2, 0));
	access_unpin(self->fd, self->pins, pin);
	EXPECT_TRUE(found(&self->o, 0, 2, 0));
	EXPECT_TRUE(nothing_found(&self->o));
}

/* The same range twice, and one that overlaps it: until the last has gone */
TEST_F(access, pinned_twice)
{
	__u32 pin[3];

	env_start(&self->env);
	pin[0] = access_pin(self->fd, self->pins, IOVA, 4 * SZ_4K, ACCESS_WRITE);
	pin[1] = access_pin(self->fd, self->pins, IOVA, 4 * SZ_4K, ACCESS_WRITE);
	pin[2] = access_pin(self->fd, self->pins, IOVA + 2 * SZ_4K, 4 * SZ_4K,
			    ACCESS_WRITE);
	EXPECT_TRUE(found(&self->o, 0, 6, 0));
	access_unpin(self->fd, self->pins, pin[0]);
	EXPECT_TRUE(found(&self->o, 0, 6, 0));
	EXPECT_TRUE(found(&self->o, 0, 6, 0));
	access_unpin(self->fd, self->pins, pin[1]);
	EXPECT_TRUE(found(&self->o, 0, 6, 0));
	EXPECT_TRUE(found(&self->o, 2, 4, 0));
	access_unpin(self->fd, self->pins, pin[2]);
	EXPECT_TRUE(found(&self->o, 2, 4, 0));
	EXPECT_TRUE(nothing_found(&self->o));
}

/* For reading first, then for writing, the same range */
TEST_F(access, pinned_mixed)
{
	__u32 read, write;

	env_start(&self->env);
	read = access_pin(self->fd, self->pins, IOVA, SZ_4K, 0);
	EXPECT_TRUE(nothing_found(&self->o));
	write = access_pin(self->fd, self->pins, IOVA, SZ_4K, ACCESS_WRITE);
	EXPECT_TRUE(found(&self->o, 0, 1, 0));
	access_unpin(self->fd, self->pins, write);
	EXPECT_TRUE(found(&self->o, 0, 1, 0));
	access_unpin(self->fd, self->pins, read);
	oracle_read(&self->o, 0);
	EXPECT_TRUE(nothing_found(&self->o));
}

/* Unmapping makes the access let go of the pages; so does its end */
TEST_F(access, pinned_unmap)
{
	env_start(&self->env);
	access_pin(self->fd, self->pins, IOVA + SZ_4K, 2 * SZ_4K, ACCESS_WRITE);
	EXPECT_TRUE(found(&self->o, 1, 2, 0));
	ioas_unmap(self->fd, self->env.ioas, IOVA, SIZE);
	EXPECT_TRUE(found(&self->o, 1, 2, 0));
	EXPECT_TRUE(nothing_found(&self->o));
	oracle_map(&self->o, self->env.ioas);
	access_pin(self->fd, self->pins, IOVA + 3 * SZ_4K, SZ_4K, ACCESS_WRITE);
	access_destroy(self->pins);
	EXPECT_TRUE(found(&self->o, 3, 1, 0));
	EXPECT_TRUE(nothing_found(&self->o));
}

/* Memory that is mapped twice is dirty where it was written or pinned through */
TEST_F(access, alias)
{
	struct oracle alias = self->o;
	__u32 pin;

	alias.iova = IOVA + SZ_1G;
	oracle_map(&alias, self->env.ioas);
	env_start(&self->env);
	write_at(3 * SZ_4K, 8);
	EXPECT_TRUE(nothing_found(&alias));
	EXPECT_TRUE(found(&self->o, 3, 1, 0));
	pin = access_pin(self->fd, self->pins, alias.iova + 5 * SZ_4K, SZ_4K,
			 ACCESS_WRITE);
	EXPECT_TRUE(nothing_found(&self->o));
	EXPECT_TRUE(found(&alias, 5, 1, 0));
	access_unpin(self->fd, self->pins, pin);
	EXPECT_TRUE(found(&alias, 5, 1, 0));
	EXPECT_TRUE(nothing_found(&self->o));
}

struct pinner {
	int fd;
	int pins;
	bool stop;
};

static void *pinner_run(void *arg)
{
	struct pinner *pinner = arg;

	while (!__atomic_load_n(&pinner->stop, __ATOMIC_ACQUIRE))
		access_unpin(pinner->fd, pinner->pins,
			     access_pin(pinner->fd, pinner->pins, IOVA + 3 * SZ_4K,
					SZ_4K, ACCESS_WRITE));
	return NULL;
}

/*
 * The same memory is in another IOAS, where one of its pages is pinned again and again:
 * that takes no time, and what is pinned is seen here all the same
 */
TEST_F_TIMEOUT(access, pinned_elsewhere, 120)
{
	__u32 ioas = ioas_alloc(self->fd), tracker = tracker_alloc(self->fd, ioas);
	int pins = check(__access_create_pins(self->fd, ioas));
	struct pinner pinner = { .fd = self->fd, .pins = self->pins };
	__u32 wrong = 0, reads = 2000, i;
	pthread_t thread;

	ioas_copy(self->fd, ioas, self->env.ioas, IOVA, SIZE);
	access_pin(self->fd, pins, IOVA + 3 * SZ_4K, SZ_4K, ACCESS_WRITE);
	tracker_start(self->fd, tracker);
	ASSERT_EQ(0, pthread_create(&thread, NULL, pinner_run, &pinner));
	for (i = 0; i < reads; i++) {
		__u64 pages[PAGES / 64] = {};

		tracker_read(&(struct read_args) {
			.fd = self->fd,
			.tracker = tracker,
			.iova = IOVA,
			.length = SIZE,
			.page_size = SZ_4K,
			.data = pages,
		});
		ASSERT_EQ(1 << 3, pages[0] & 1 << 3);
		wrong += pages[0] != 1 << 3;
	}
	__atomic_store_n(&pinner.stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	lib_note("%u of %u READs did not wait long enough", wrong, reads);
	/* a CPU that is an emulator's thread may stop for as long as it likes */
	EXPECT_GT(reads / 40, wrong);
	access_destroy(pins);
}

struct software {
	FIXTURE_DATA(access) * self;
	bool stop;
	unsigned int writes;
};

static void *software_run(void *arg)
{
	struct software *sw = arg;

	while (!__atomic_load_n(&sw->stop, __ATOMIC_ACQUIRE)) {
		check(__access_write(sw->self->fd, sw->self->rw, IOVA, sw->self->data,
				     sizeof(sw->self->data)));
		__atomic_fetch_add(&sw->writes, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

/* Until a write has begun and ended: the first to end may have begun before */
static void software_wait(struct software *sw)
{
	unsigned int end = __atomic_load_n(&sw->writes, __ATOMIC_ACQUIRE) + 2;

	while ((int)(end - __atomic_load_n(&sw->writes, __ATOMIC_ACQUIRE)) > 0)
		sched_yield();
}

/* Trackers come and go while it writes; each that runs is told of all of it */
TEST_F_TIMEOUT(access, start_and_stop, 120)
{
	struct software sw = { .self = self };
	struct env *env = &self->env;
	pthread_t thread;
	unsigned int i;

	env_start(env);
	ASSERT_EQ(0, pthread_create(&thread, NULL, software_run, &sw));
	for (i = 0; i < 500; i++) {
		__u32 tracker = tracker_alloc(env->fd, env->ioas);
		__u64 pages[PAGES / 64] = {};
		struct read_args args = {
			.fd = env->fd,
			.tracker = tracker,
			.iova = IOVA,
			.length = SIZE,
			.page_size = SZ_4K,
			.data = pages,
		};

		tracker_start(env->fd, tracker);
		software_wait(&sw);
		tracker_read(&args);
		ASSERT_EQ(0xf, pages[0]);
		if (i % 2)
			tracker_stop(env->fd, tracker);
		object_destroy(env->fd, tracker);
	}
	__atomic_store_n(&sw.stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	EXPECT_LT(0, sw.writes);
	EXPECT_TRUE(found(&self->o, 0, 4, 0));
}

/* Beside a device: neither hides what the other has written */
TEST_F(access, device)
{
	struct env *env = &self->env;
	__u32 pin;

	if (!edu_count())
		SKIP(return, "too few edu devices");
	edu_open(&env->edu[0], 0, env->fd);
	edu_attach(&env->edu[0], env->ioas);
	env_start(env);
	pin = access_pin(self->fd, self->pins, IOVA, SZ_4K, ACCESS_WRITE);
	env_load(env, 0);
	oracle_write(&self->o, 0, 1);
	oracle_write(&self->o, 0, 2);
	write_at(2 * SZ_4K, 2 * SZ_4K);
	EXPECT_TRUE(found(&self->o, 0, 4, 0));
	EXPECT_TRUE(found(&self->o, 0, 1, 0));
	oracle_write(&self->o, 0, 1);
	edu_close(&env->edu[0]);
	access_unpin(self->fd, self->pins, pin);
	EXPECT_TRUE(found(&self->o, 0, 2, 0));
	EXPECT_TRUE(nothing_found(&self->o));
}

static __u64 now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* Nanoseconds of the fastest of many mappings and unmappings of a page */
static __u64 time_unmaps(struct env *env, __u32 ioas, void *mem)
{
	__u64 begin, fastest = ~0ULL;
	unsigned int i;

	for (i = 0; i < 300; i++) {
		begin = now();
		ioas_map(env->fd, ioas, mem, SZ_4K, 0);
		ioas_unmap(env->fd, ioas, 0, SZ_4K);
		begin = now() - begin;
		if (begin < fastest)
			fastest = begin;
	}
	return fastest;
}

/* Pages far apart, each of which takes a chunk of the ledger of its own */
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
 * A tracker that nobody reads has a ledger of many pages, far apart: an unmap of another
 * page does not look through it. If it did, it would take a hundred times as long
 */
TEST_F_TIMEOUT(access, unmap_beside_ledger, 120)
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
		fatal("no %s among the events of a group", event);
	return atol(at + strlen(event));
}

static void groups_close(void)
{
	/* What a run before has left, as well */
	rmdir(OBSERVER);
	umount(GROUPS);
	rmdir(GROUPS);
}

static const char *groups_open(void)
{
	groups_close();
	check(mkdir(GROUPS, 0700));
	/* the controller may be one of version 1 */
	if (mount("none", GROUPS, "cgroup2", 0, NULL) ||
	    !strstr(get_text(GROUPS "/cgroup.controllers"), "memory")) {
		groups_close();
		return "no groups whose memory is counted";
	}
	put_text(GROUPS "/cgroup.subtree_control", "+memory");
	check(mkdir(OBSERVER, 0700));
	return NULL;
}

/* In a process that observes: a group of its own, which has the memory that it may use */
static void observe(int fd, __u32 tracker)
{
	pid_t pid = check(fork());
	int status;

	if (!pid) {
		put_text(OBSERVER "/cgroup.procs", "0");
		_exit(__tracker_start(fd, tracker, NULL) ? 1 : 0);
	}
	check(waitpid(pid, &status, 0));
	if (status)
		fatal("the observer did not start its tracker");
}

/* Who writes does not pay for who observes; who observes does not pay for ever */
TEST_F_TIMEOUT(access, charged, 120)
{
	struct env *env = &self->env;
	__u32 ioas = ioas_alloc(env->fd), tracker = tracker_alloc(env->fd, ioas);
	const char *reason = groups_open();
	void *mem = mem_alloc(SZ_4K);
	long before, full;

	if (reason)
		SKIP(return, "%s", reason);
	observe(env->fd, tracker);
	before = observer_memory();
	fill_ledger(env, ioas, mem, CHUNKS);
	full = observer_memory();
	lib_note("%ld KiB for %u chunks", (full - before) / 1024, CHUNKS);
	/* less what the kernel counts in advance */
	EXPECT_LE(CHUNKS * 512L * 3 / 4, full - before);
	tracker_stop(env->fd, tracker);
	EXPECT_GE(before + (full - before) / 4, observer_memory());
	groups_close();
}

/*
 * Where an observer may have no more memory, those who write do not look for some each
 * time: what they have written is in his ledger, if not in so many words
 */
TEST_F_TIMEOUT(access, charged_at_limit, 120)
{
	struct env *env = &self->env;
	__u32 ioas = ioas_alloc(env->fd), tracker = tracker_alloc(env->fd, ioas);
	const char *reason = groups_open();
	void *mem = mem_alloc(SZ_4K);
	struct scan_args scan = {
		.fd = env->fd,
		.tracker = tracker,
		.iova = 0,
		.length = (CHUNKS + 1) * 16 * SZ_1M,
		.page_size = 16 * SZ_1M,
		.runs = mem,
		.num_runs = 16,
	};
	long tried, ms;

	if (reason)
		SKIP(return, "%s", reason);
	observe(env->fd, tracker);
	put_text(OBSERVER "/memory.max", "0");
	tried = observer_event("\nmax ");
	ms = now() / 1000000;
	fill_ledger(env, ioas, mem, CHUNKS);
	ms = now() / 1000000 - ms;
	tried = observer_event("\nmax ") - tried;
	lib_note("asked %ld times for memory for %u chunks, in %ld ms", tried, CHUNKS, ms);
	EXPECT_LT(0, tried);
	/* an allocation counts up to three times, and there is one each 100 ms */
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
