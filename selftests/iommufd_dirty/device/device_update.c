// SPDX-License-Identifier: GPL-2.0-only
/*
 * UPDATE: changes the ranges of a running device tracker. While the device is
 * quiescent no write is lost. Otherwise the call fails or reports the gap as dirty.
 */
#include <errno.h>
#include <kselftest_harness.h>
#include <linux/vfio.h>
#include <sched.h>

#include "lib.h"

#define IOVA	LOGGED_IOVA
#define SIZE	LOGGED_SIZE
#define AT(page) LOGGED_AT(page)
#define HALF	(LOGGED_PAGES / 2)

FIXTURE(device_update)
{
	struct logged l;
	int fd;		/* of the device */
	bool has_quirks;
};

FIXTURE_SETUP(device_update)
{
	OPEN_OR_SKIP(return, logged_open(&self->l));
	self->fd = self->l.env.edu[0].fd;
	if (!mig_capable(self->fd)) {
		logged_close(&self->l);
		SKIP(return, "the edu device cannot be migrated");
	}
}

FIXTURE_TEARDOWN(device_update)
{
	if (!self->fd)
		return;
	if (self->has_quirks)
		logged_reopen(&self->l, 0);
	logged_close(&self->l);
}

/* Dirty pages of dropped and of kept ranges, and writes after the UPDATE */
static void check_lossless(struct __test_metadata *_metadata, struct logged *l,
			   int fd, __u32 state, __u32 back)
{
	device_start(l->env.fd, l->tracker, IOVA, HALF * SZ_4K);
	logged_write(l, 2);
	logged_write(l, HALF - 1);
	/* Not tracked */
	env_store(&l->env, 0, AT(HALF + 3));
	mig_set(fd, state);
	device_update(l->env.fd, l->tracker, AT(HALF - 8), 16 * SZ_4K);
	mig_set(fd, back);
	logged_write(l, HALF);
	logged_write(l, HALF + 7);
	env_store(&l->env, 0, AT(HALF + 8));
	env_store(&l->env, 0, AT(3));
	EXPECT_TRUE(logged_exact(l, l->tracker));
	logged_write(l, HALF - 1);
	EXPECT_TRUE(logged_exact(l, l->tracker));
}

TEST_F(device_update, in_p2p)
{
	check_lossless(_metadata, &self->l, self->fd,
		       VFIO_DEVICE_STATE_RUNNING_P2P, VFIO_DEVICE_STATE_RUNNING);
}

TEST_F(device_update, in_precopy_p2p)
{
	int data = mig_set(self->fd, VFIO_DEVICE_STATE_PRE_COPY);

	EXPECT_GE(data, 0);
	check_lossless(_metadata, &self->l, self->fd,
		       VFIO_DEVICE_STATE_PRE_COPY_P2P,
		       VFIO_DEVICE_STATE_PRE_COPY);
}

TEST_F(device_update, stopped)
{
	check_lossless(_metadata, &self->l, self->fd, VFIO_DEVICE_STATE_STOP,
		       VFIO_DEVICE_STATE_RUNNING);
}

/* Fails while the device runs, and changes nothing */
TEST_F(device_update, busy)
{
	struct logged *l = &self->l;

	device_start(l->env.fd, l->tracker, IOVA, HALF * SZ_4K);
	logged_write(l, 7);
	EXPECT_EQ(-EBUSY, __logged_update(l, 0, AT(HALF), SZ_4K));
	logged_write(l, 8);
	env_store(&l->env, 0, AT(HALF));
	EXPECT_TRUE(logged_exact(l, l->tracker));
}

/* All old and new ranges are reported as dirty, once */
TEST_F(device_update, gap_dirty)
{
	struct logged *l = &self->l;
	unsigned int page;

	device_start(l->env.fd, l->tracker, IOVA, 16 * SZ_4K);
	ASSERT_EQ(0, __logged_update(l, IOMMU_DIRTY_UPDATE_GAP_DIRTY, AT(8), 16 * SZ_4K));
	for (page = 0; page < 24; page++)
		bitmap_set(l->want, page);
	EXPECT_TRUE(logged_exact(l, l->tracker));
	logged_write(l, 20);
	env_store(&l->env, 0, AT(3));
	EXPECT_TRUE(logged_exact(l, l->tracker));
	/* Not without a gap */
	mig_set(self->fd, VFIO_DEVICE_STATE_RUNNING_P2P);
	ASSERT_EQ(0, __logged_update(l, IOMMU_DIRTY_UPDATE_GAP_DIRTY, AT(8), 8 * SZ_4K));
	EXPECT_TRUE(logged_exact(l, l->tracker));
}

/* Ranges of other trackers stay, and each tracker gets the dirty pages */
TEST_F(device_update, with_another)
{
	struct logged *l = &self->l;
	__u32 other = tracker_alloc(l->env.fd, l->env.edu[0].dev_id), num = 1;
	struct iommu_dirty_run range = { .iova = IOVA, .length = 16 * SZ_4K };
	unsigned char want[LOGGED_PAGES / 8];
	__u64 page_size = SZ_4K;

	device_start(l->env.fd, l->tracker, IOVA, 32 * SZ_4K);
	ASSERT_EQ(0, __device_start(l->env.fd, other, &range, &num, &page_size));
	/* The other tracker needs more */
	EXPECT_EQ(32 * SZ_4K, range.length);
	logged_write(l, 15);
	mig_set(self->fd, VFIO_DEVICE_STATE_RUNNING_P2P);
	device_update(l->env.fd, l->tracker, AT(100), 10 * SZ_4K);
	mig_set(self->fd, VFIO_DEVICE_STATE_RUNNING);
	logged_write(l, 3);
	logged_write(l, 104);
	env_store(&l->env, 0, AT(17));
	memcpy(want, l->want, sizeof(want));
	EXPECT_TRUE(logged_exact(l, other));
	memcpy(l->want, want, sizeof(want));
	EXPECT_TRUE(logged_exact(l, l->tracker));
	/* After the tracker that needed it stops, the old range is dropped */
	tracker_stop(l->env.fd, other);
	mig_set(self->fd, VFIO_DEVICE_STATE_RUNNING_P2P);
	device_update(l->env.fd, l->tracker, AT(100), 10 * SZ_4K);
	mig_set(self->fd, VFIO_DEVICE_STATE_RUNNING);
	env_store(&l->env, 0, AT(3));
	logged_write(l, 109);
	EXPECT_TRUE(logged_exact(l, l->tracker));
}

/* Ranges that the device cannot track: nothing changes */
TEST_F(device_update, too_large)
{
	struct logged *l = &self->l;
	struct iommu_dirty_member member;
	struct iommu_dirty_tracker_info info;

	device_start(l->env.fd, l->tracker, IOVA, SIZE);
	logged_write(l, 1);
	mig_set(self->fd, VFIO_DEVICE_STATE_RUNNING_P2P);
	EXPECT_EQ(-E2BIG, __logged_update(l, 0, 0, 1ULL << 62));
	mig_set(self->fd, VFIO_DEVICE_STATE_RUNNING);
	info = logged_info(l, l->tracker, &member);
	EXPECT_EQ(0, info.out_flags);
	EXPECT_EQ(1, info.out_num_ranges);
	logged_write(l, 2);
	EXPECT_TRUE(logged_exact(l, l->tracker));
}

/*
 * A device that in P2P states only stops DMA to its peers, as VFIO allows. It keeps
 * writing to memory, so an UPDATE fails or reports all ranges as dirty.
 */
static void check_p2p_dma(struct __test_metadata *_metadata,
			  FIXTURE_DATA(device_update) * self, __u32 before,
			  __u32 state)
{
	struct logged *l = &self->l;
	struct iommu_dirty_member member;
	unsigned int page;
	int fd;

	self->has_quirks = true;
	logged_reopen(l, EDU_QUIRK_P2P_DMA);
	fd = l->env.edu[0].fd;
	mig_set(fd, before);
	logged_info(l, l->tracker, &member);
	EXPECT_EQ(IOMMU_DIRTY_MEMBER_QUIESCES, member.flags);
	device_start(l->env.fd, l->tracker, IOVA, HALF * SZ_4K);
	mig_set(fd, state);
	logged_write(l, 2);
	EXPECT_EQ(-EBUSY, __logged_update(l, 0, IOVA, 16 * SZ_4K));
	logged_write(l, 3);
	EXPECT_TRUE(logged_exact(l, l->tracker));
	EXPECT_EQ(0, __logged_update(l, IOMMU_DIRTY_UPDATE_GAP_DIRTY, IOVA, 16 * SZ_4K));
	for (page = 0; page < HALF; page++)
		bitmap_set(l->want, page);
	EXPECT_TRUE(logged_exact(l, l->tracker));
	mig_set(fd, VFIO_DEVICE_STATE_STOP);
	EXPECT_EQ(0, __logged_update(l, 0, IOVA, 8 * SZ_4K));
	EXPECT_TRUE(logged_exact(l, l->tracker));
}

TEST_F(device_update, p2p_dma)
{
	check_p2p_dma(_metadata, self, VFIO_DEVICE_STATE_RUNNING,
		      VFIO_DEVICE_STATE_RUNNING_P2P);
}

TEST_F(device_update, p2p_dma_precopy)
{
	check_p2p_dma(_metadata, self, VFIO_DEVICE_STATE_PRE_COPY,
		      VFIO_DEVICE_STATE_PRE_COPY_P2P);
}

struct updater {
	struct logged *l;
	int fd;
	bool stop;
	unsigned int done;
};

static void *updater_run(void *arg)
{
	struct updater *u = arg;

	while (!__atomic_load_n(&u->stop, __ATOMIC_ACQUIRE)) {
		/* Always include the pages that are written */
		__u64 more = random_below(HALF);

		if (__logged_update(u->l, random_below(2) * IOMMU_DIRTY_UPDATE_GAP_DIRTY,
				    IOVA, (HALF + more) * SZ_4K) == 0)
			u->done++;
		mig_set(u->fd, random_below(2) ? VFIO_DEVICE_STATE_RUNNING_P2P :
						 VFIO_DEVICE_STATE_RUNNING);
	}
	mig_set(u->fd, VFIO_DEVICE_STATE_RUNNING);
	return NULL;
}

/*
 * Ranges and device states change all the time while the device writes and the test
 * reads. In the end the copy of the reported pages must equal the memory.
 */
TEST_F(device_update, while_it_writes)
{
	struct logged *l = &self->l;
	struct updater u = { .l = l, .fd = self->fd };
	__u64 *copy = mem_alloc(SIZE);
	pthread_t thread;
	unsigned int i, page;

	device_start(l->env.fd, l->tracker, IOVA, HALF * SZ_4K);
	memcpy(copy, l->mem, SIZE);
	ASSERT_EQ(0, pthread_create(&thread, NULL, updater_run, &u));
	for (i = 0; i < 60; i++) {
		struct read_args args = logged_args(l, l->tracker);

		if (i % 8 == 0)
			env_load(&l->env, 0);
		env_store(&l->env, 0, AT(random_below(HALF)));
		if (i == 59) {
			__atomic_store_n(&u.stop, true, __ATOMIC_RELEASE);
			pthread_join(thread, NULL);
		}
		tracker_read(&args);
		for (page = 0; page < HALF; page++)
			if (bitmap_test(l->got, page))
				memcpy(copy + page * 512, l->mem + page * 512, SZ_4K);
	}
	EXPECT_EQ(0, memcmp(copy, l->mem, HALF * SZ_4K));
	EXPECT_GT(u.done, 0);
	mem_free(copy, SIZE);
}

/* Large, to make an UPDATE slow; most of it is after the written pages */
#define WIDE	(4 * SZ_1G)

struct wide {
	struct logged *l;
	bool stop;
	unsigned int calls;
	unsigned int done;
};

static void *wide_run(void *arg)
{
	struct wide *w = arg;

	while (!__atomic_load_n(&w->stop, __ATOMIC_ACQUIRE)) {
		w->done += !__logged_update(w->l, 0, IOVA, WIDE);
		__atomic_add_fetch(&w->calls, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

static unsigned int wide_calls(struct wide *w)
{
	return __atomic_load_n(&w->calls, __ATOMIC_ACQUIRE);
}

/*
 * The user resumes the device and puts it into P2P again. This must wait for an UPDATE
 * that relies on a quiescent device. The device does DMA requested in P2P when it is
 * resumed; the test checks for it after the UPDATE that was in progress.
 */
TEST_F_TIMEOUT(device_update, resumed_meanwhile, 120)
{
	struct logged *l = &self->l;
	struct wide w = { .l = l };
	unsigned int page, calls;
	pthread_t thread;

	device_start(l->env.fd, l->tracker, IOVA, WIDE);
	mig_set(self->fd, VFIO_DEVICE_STATE_RUNNING_P2P);
	ASSERT_EQ(0, pthread_create(&thread, NULL, wide_run, &w));
	for (page = 0; page < 24; page++) {
		edu_ask_to(&l->env.edu[0], AT(page), 0, 8);
		mig_set(self->fd, VFIO_DEVICE_STATE_RUNNING);
		mig_set(self->fd, VFIO_DEVICE_STATE_RUNNING_P2P);
		calls = wide_calls(&w);
		while (wide_calls(&w) == calls)
			sched_yield();
		bitmap_set(l->want, page);
		EXPECT_TRUE(logged_exact(l, l->tracker));
	}
	__atomic_store_n(&w.stop, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	EXPECT_GT(w.done, 0);
	lib_note("%u UPDATEs, %u refused", w.done, w.calls - w.done);
}

TEST_HARNESS_MAIN
