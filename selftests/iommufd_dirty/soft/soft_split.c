// SPDX-License-Identifier: GPL-2.0-only
/*
 * Splits and merges 2 MiB entries while devices of the software IOMMU write at full speed.
 * After the last READ, the copy that a migration would have made must match the memory.
 * It does not if a flush is left out, or only flushes leaves, which proves that these tests
 * can fail.
 */
#include <kselftest_harness.h>

#include <pthread.h>
#include <sched.h>

#include "lib.h"

#define IOVA	(4 * SZ_1G)
#define HUGE	2	/* pages of 2 MiB */
#define SIZE	(HUGE * SZ_2M)
#define PAGES	(SIZE / SZ_4K)
#define WORDS	(SZ_4K / 8)
#define ROUNDS	24

FIXTURE(soft_split)
{
	struct env env;
	__u32 ioas;
	__u32 watcher;		/* a tracker that does not split */
	__u64 *mem;
	__u64 copy[PAGES];
	unsigned char bitmap[PAGES / 8];
};

FIXTURE_SETUP(soft_split)
{
	struct env *env = &self->env;

	OPEN_OR_SKIP(return, env_open_soft(env, 1));
	soft_split_flush(SPLIT_FLUSH_FULL);
	self->mem = env_alloc_huge(env, HUGE, IOVA, &self->ioas);
	if (!self->mem)
		SKIP(return, "no 2 MiB huge pages");
	env->tracker = tracker_alloc(env->fd, self->ioas);
	self->watcher = tracker_alloc(env->fd, self->ioas);
}

FIXTURE_TEARDOWN(soft_split)
{
	env_close(&self->env);
	if (!self->mem)
		return;
	soft_split_flush(SPLIT_FLUSH_FULL);
	mem_free(self->mem, SIZE);
}

static void start(FIXTURE_DATA(soft_split) * self, __u32 flags)
{
	check(__tracker_start_flags(self->env.fd, self->env.tracker, flags, NULL));
}

static __u64 read_of(FIXTURE_DATA(soft_split) * self, __u32 tracker)
{
	struct read_args args = {
		.fd = self->env.fd,
		.tracker = tracker,
		.iova = IOVA,
		.length = SIZE,
		.page_size = SZ_4K,
		.data = self->bitmap,
	};

	memset(self->bitmap, 0, sizeof(self->bitmap));
	return tracker_read(&args);
}

static __u64 word(FIXTURE_DATA(soft_split) * self, size_t page)
{
	return __atomic_load_n(&self->mem[page * WORDS], __ATOMIC_ACQUIRE);
}

/* One round of a migration with the tracker that does not split */
static __u64 read_and_copy(FIXTURE_DATA(soft_split) * self)
{
	__u64 pages = read_of(self, self->watcher);
	size_t page;

	for (page = 0; page < PAGES; page++)
		if (bitmap_test(self->bitmap, page))
			self->copy[page] = word(self, page);
	return pages;
}

/* The last READ, with the device stopped */
static size_t missed(FIXTURE_DATA(soft_split) * self)
{
	size_t page, num = 0;

	read_and_copy(self);
	for (page = 0; page < PAGES; page++)
		num += self->copy[page] != word(self, page);
	if (read_and_copy(self))
		fatal("dirty pages after the last READ");
	return num;
}

/* Starts and stops a tracker that splits, again and again, while the device writes */
static void churn(FIXTURE_DATA(soft_split) * self, __u32 flags)
{
	struct storm storm = {
		.iova = IOVA,
		.length = SIZE,
		.seed = random_u64(),
		.threads = 4,
	};
	struct edu *edu = &self->env.edu[0];
	unsigned int round;

	tracker_start(self->env.fd, self->watcher);
	storm_start(edu, &storm);
	for (round = 0; round < ROUNDS; round++) {
		start(self, flags);
		storm_wait(edu, PAGES);
		read_of(self, self->env.tracker);
		read_and_copy(self);
		tracker_stop(self->env.fd, self->env.tracker);
		read_and_copy(self);
	}
	storm_stop(edu);
}

/* Fatal if a page was missed, or little was split; returns what INFO reports */
static struct iommu_dirty_member finish(FIXTURE_DATA(soft_split) * self)
{
	struct iommu_dirty_member m;
	size_t lost = missed(self);

	tracker_info(self->env.fd, self->watcher, &m);
	lib_note("%llu writes, %llu entries split, %llu merged", storm_writes(&self->env.edu[0]),
		 m.split, m.merged);
	if (lost)
		fatal("%zu pages missed", lost);
	if (m.split < ROUNDS)
		fatal("only %llu entries were split", m.split);
	return m;
}

static void churn_all(FIXTURE_DATA(soft_split) * self, __u32 flags)
{
	__u64 faults = storm_faults(&self->env.edu[0]);
	struct iommu_dirty_member m;

	churn(self, flags);
	m = finish(self);
	if (m.merged != m.split || m.unsplit || m.unmerged)
		fatal("not all is large again");
	if (storm_faults(&self->env.edu[0]) != faults)
		fatal("the device could not write");
}

TEST_F_TIMEOUT(soft_split, eager, 120)
{
	churn_all(self, IOMMU_DIRTY_START_SPLIT);
}

TEST_F_TIMEOUT(soft_split, lazy, 120)
{
	churn_all(self, IOMMU_DIRTY_START_SPLIT_LAZY);
}

/* Unmaps and maps the second entry all the time, as whatever it is at that moment */
struct remapper {
	FIXTURE_DATA(soft_split) * self;
	pthread_t thread;
	bool done;
	__u64 rounds;
};

static void *remapper_run(void *arg)
{
	struct remapper *r = arg;
	struct env *env = &r->self->env;

	while (!__atomic_load_n(&r->done, __ATOMIC_ACQUIRE)) {
		ioas_unmap(env->fd, r->self->ioas, IOVA + SZ_2M, SZ_2M);
		ioas_map(env->fd, r->self->ioas, (char *)r->self->mem + SZ_2M, SZ_2M,
			 IOVA + SZ_2M);
		r->rounds++;
	}
	return NULL;
}

static void churn_and_remap(FIXTURE_DATA(soft_split) * self, __u32 flags)
{
	struct remapper r = { .self = self };

	if (pthread_create(&r.thread, NULL, remapper_run, &r))
		fatal("no thread");
	churn(self, flags);
	__atomic_store_n(&r.done, true, __ATOMIC_RELEASE);
	pthread_join(r.thread, NULL);
	finish(self);
	lib_note("%llu times unmapped and mapped", r.rounds);
	if (!r.rounds)
		fatal("nothing was unmapped");
}

TEST_F_TIMEOUT(soft_split, eager_and_remap, 120)
{
	churn_and_remap(self, IOMMU_DIRTY_START_SPLIT);
}

TEST_F_TIMEOUT(soft_split, lazy_and_remap, 120)
{
	churn_and_remap(self, IOMMU_DIRTY_START_SPLIT_LAZY);
}

/* No env_load(): reading the staging page could evict what is cached */
static void write_page(FIXTURE_DATA(soft_split) * self, unsigned int page)
{
	env_store(&self->env, 0, IOVA + page * SZ_4K);
}

/*
 * The device has the large entry in its cache, known to be dirty. The other tracker runs
 * already, so that START does not enable tracking, which flushes everything.
 */
static __u64 after_split(FIXTURE_DATA(soft_split) * self)
{
	tracker_start(self->env.fd, self->watcher);
	write_page(self, 0);
	start(self, IOMMU_DIRTY_START_SPLIT);
	write_page(self, 1);
	return read_of(self, self->env.tracker);
}

TEST_F(soft_split, split_is_flushed)
{
	EXPECT_EQ(1, after_split(self));
}

TEST_F(soft_split, no_split_flush_is_seen)
{
	soft_split_flush(SPLIT_FLUSH_NOTHING);
	EXPECT_EQ(0, after_split(self));
}

/*
 * Hardware that does not compare sets the dirty bit of what has replaced the entry, which is
 * a pointer to a table. Who was tracking before START gets the whole entry.
 */
TEST_F(soft_split, late)
{
	struct edu *edu = &self->env.edu[0];
	struct storm storm = {
		.iova = IOVA + 3 * SZ_4K,
		.length = SZ_4K,
		.seed = 1,
		.threads = 1,
		.limit = 1,
	};
	struct iommu_dirty_member m;

	tracker_info(self->env.fd, self->watcher, &m);
	if (m.format == IOMMU_DIRTY_FMT_RISCV)
		SKIP(return, "hardware compares");
	tracker_start(self->env.fd, self->watcher);
	soft_faults(edu, (struct soft_faults) { .late_dirty = 1 });
	storm_start(edu, &storm);
	soft_wait_held(edu);
	start(self, IOMMU_DIRTY_START_SPLIT);
	while (storm_running(edu))
		sched_yield();
	storm_stop(edu);
	soft_faults(edu, (struct soft_faults) {});
	EXPECT_NE(0, word(self, 3));
	EXPECT_EQ(512, read_of(self, self->watcher));
	EXPECT_EQ(0, read_of(self, self->watcher));
	write_page(self, 3);
	EXPECT_EQ(1, read_of(self, self->watcher));
	tracker_stop(self->env.fd, self->env.tracker);
	write_page(self, 4);
	EXPECT_EQ(512, read_of(self, self->watcher));
}

/* The device has the pointer to the table in its cache, but not the page's entry */
static __u64 after_merge(FIXTURE_DATA(soft_split) * self, unsigned int flush)
{
	tracker_start(self->env.fd, self->watcher);
	start(self, IOMMU_DIRTY_START_SPLIT);
	write_page(self, 0);
	soft_split_flush(flush);
	tracker_stop(self->env.fd, self->env.tracker);
	read_of(self, self->watcher);
	write_page(self, 1);
	return read_of(self, self->watcher);
}

TEST_F(soft_split, merge_is_flushed)
{
	EXPECT_EQ(512, after_merge(self, SPLIT_FLUSH_FULL));
}

TEST_F(soft_split, merge_without_tables_is_seen)
{
	EXPECT_EQ(0, after_merge(self, SPLIT_FLUSH_LEAVES));
}

TEST_F(soft_split, no_merge_flush_is_seen)
{
	EXPECT_EQ(0, after_merge(self, SPLIT_FLUSH_NOTHING));
}

TEST_HARNESS_MAIN
