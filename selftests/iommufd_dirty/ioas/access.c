// SPDX-License-Identifier: GPL-2.0-only
/*
 * Software that writes to an IOAS, through iommufd's own test ioctl, with and without
 * a HWPT. What it copies in is reported once; pages that it has pinned for writing are
 * reported by every READ.
 */
#include <errno.h>
#include <fcntl.h>
#include <kselftest_harness.h>
#include <pthread.h>
#include <sched.h>
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
	OPEN_OR_SKIP(return, env_open(&self->env, 0));
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

/* READ reports exactly @num pages, from page @first */
static bool found(struct oracle *o, size_t first, size_t num, __u32 flags)
{
	size_t page, wrong = 0;

	oracle_read(o, flags);
	for (page = 0; page < o->pages; page++)
		wrong += bitmap_test(o->bitmap, page) !=
			 (page >= first && page < first + num);
	if (wrong)
		lib_note("%zu pages are wrong; expected %zu from %zu", wrong, num,
			 first);
	return !wrong;
}

static bool nothing_found(struct oracle *o)
{
	return found(o, 0, 0, 0);
}

/* Without a HWPT, the accesses are the only members */
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
	/* An access joins later, and leaves */
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

/* Single bytes at the ends of pages, across pages, and of the whole range */
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

/* Across two mappings, and into a hole behind them: only what was written counts */
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

/* Without a HWPT, mappings can begin and end at any byte */
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
	/* One page of memory in two pages of IOVA, and vice versa */
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

/* Written and unmapped before the first READ */
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

/* With IOMMUFD_ACCESS_PIN_MARKS, only pages that the driver marks are dirty */
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

	/* Marked, then unpinned before the READ */
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
	/* START forgets marks, and without a running tracker there are none */
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

/* START and STOP while a page is pinned, which may be written at any time */
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

/* Pinned twice, and a pin that overlaps: dirty until the last unpin */
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

/* The same range pinned first for reading, then for writing */
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

/* An unmap makes the access unpin the pages, and so does its destruction */
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

/* Memory that is mapped twice is dirty only at the IOVA used to write or pin it */
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
 * Another IOAS has the same memory and pins one of its pages all the time, which takes
 * iopt_pages::mutex. A READ waits for it rather than report all pages.
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
	/* the host can suspend a CPU of the virtual machine for any length of time */
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

/* Waits for two writes: the first one to end may have begun before */
static void software_wait(struct software *sw)
{
	unsigned int end = __atomic_load_n(&sw->writes, __ATOMIC_ACQUIRE) + 2;

	while ((int)(end - __atomic_load_n(&sw->writes, __ATOMIC_ACQUIRE)) > 0)
		sched_yield();
}

/* Trackers start and stop while software writes; each running one gets all writes */
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

/* Together with a device: neither hides what the other has written */
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

TEST_HARNESS_MAIN
