// SPDX-License-Identifier: GPL-2.0-only
/*
 * Passive trackers: they get what other trackers get, but make no call of others fail.
 * And what LIST shows an observer about trackers, and about others who track.
 */
#include <errno.h>
#include <kselftest_harness.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "lib.h"

#define IOVA	0x40000000ULL
#define PAGES	64
#define SIZE	(PAGES * SZ_4K)
#define MAX_RUNNING	64
#define NOT_BLIND (IOMMU_DIRTY_TRACKER_PASSIVE | IOMMU_DIRTY_TRACKER_DEGRADED)
#define BLIND	(NOT_BLIND | IOMMU_DIRTY_TRACKER_BLIND)

FIXTURE(passive)
{
	struct env env;
	struct oracle o;
	__u32 strict;		/* a tracker that is not passive */
};

FIXTURE_SETUP(passive)
{
	OPEN_OR_SKIP(return, env_open(&self->env, 2));
	oracle_open(&self->o, &self->env, PAGES, IOVA);
	oracle_map(&self->o, self->env.ioas);
	self->strict = self->env.tracker;
	self->env.tracker = tracker_alloc_passive(self->env.fd, self->env.ioas);
}

FIXTURE_TEARDOWN(passive)
{
	oracle_close(&self->o);
	env_close(&self->env);
}

static __u32 num_trackers(struct env *env, __u32 id)
{
	return object_listed(env->fd, id).num_trackers;
}

/* A HWPT that cannot be tracked joins and leaves: all is dirty, and exact again */
TEST_F(passive, joins)
{
	struct env *env = &self->env;
	__u32 hwpt;

	EXPECT_EQ(IOMMU_DIRTY_TRACKER_PASSIVE, tracker_flags(env->fd, env->tracker));
	env_start(env);
	EXPECT_EQ(NOT_BLIND, tracker_flags(env->fd, env->tracker));
	EXPECT_TRUE(oracle_tracked(&self->o, 0));
	ASSERT_EQ(0, __hwpt_alloc(env->fd, env->edu[1].dev_id, env->ioas, 0, &hwpt));
	EXPECT_EQ(0, __edu_attach(&env->edu[1], hwpt));
	EXPECT_EQ(BLIND, tracker_flags(env->fd, env->tracker));
	EXPECT_EQ(PAGES, oracle_read(&self->o, 0));
	env_load(env, 1);
	oracle_write(&self->o, 1, 7);
	EXPECT_EQ(PAGES, oracle_read(&self->o, 0));
	oracle_copy(&self->o);
	edu_detach(&env->edu[1]);
	object_destroy(env->fd, hwpt);
	EXPECT_EQ(NOT_BLIND, tracker_flags(env->fd, env->tracker));
	EXPECT_EQ(PAGES, oracle_read(&self->o, 0));
	EXPECT_TRUE(oracle_tracked(&self->o, 0));
}

/* The same at START. A tracker that is not passive still insists */
TEST_F(passive, start)
{
	struct env *env = &self->env;
	__u32 hwpt = hwpt_alloc(env->fd, env->edu[1].dev_id, env->ioas, 0);

	EXPECT_EQ(-ENXIO, __tracker_start(env->fd, self->strict, NULL));
	EXPECT_EQ(0, __tracker_start(env->fd, env->tracker, NULL));
	EXPECT_EQ(BLIND, tracker_flags(env->fd, env->tracker));
	EXPECT_EQ(-ENXIO, __tracker_start(env->fd, self->strict, NULL));
	object_destroy(env->fd, hwpt);
	EXPECT_EQ(0, __tracker_start(env->fd, self->strict, NULL));
	EXPECT_EQ(-ENXIO, __hwpt_alloc(env->fd, env->edu[1].dev_id, env->ioas, 0, &hwpt));
	EXPECT_EQ(NOT_BLIND, tracker_flags(env->fd, env->tracker));
	EXPECT_EQ(0, tracker_flags(env->fd, self->strict));
	EXPECT_EQ(PAGES, oracle_read(&self->o, 0));
	EXPECT_TRUE(oracle_tracked(&self->o, 0));
}

/* A device is attached whose IOMMU has no dirty bits */
TEST_F(passive, attach)
{
	struct env *env = &self->env;
	struct edu other;

	OPEN_OR_SKIP(return, soft_open_other(&other, env->fd));
	soft_faults(&other, (struct soft_faults) { .untrackable = 1 });
	env_start(env);
	tracker_start(env->fd, self->strict);
	EXPECT_EQ(-ENXIO, __edu_attach(&other, env->ioas));
	tracker_stop(env->fd, self->strict);
	ASSERT_EQ(0, __edu_attach(&other, env->ioas));
	EXPECT_EQ(BLIND, tracker_flags(env->fd, env->tracker));
	EXPECT_EQ(PAGES, oracle_read(&self->o, 0));
	edu_close(&other);
	EXPECT_EQ(NOT_BLIND, tracker_flags(env->fd, env->tracker));
}

/* With a tracker that is not passive, each gets everything */
TEST_F(passive, beside_another)
{
	struct env *env = &self->env;
	struct env second = *env;
	struct oracle o = self->o;

	second.tracker = self->strict;
	o.env = &second;
	env_start(env);
	env_start(&second);
	env_load(env, 0);
	oracle_write(&self->o, 0, 4);
	oracle_write(&self->o, 0, 5);
	EXPECT_EQ(2, oracle_read(&self->o, 0));
	oracle_write(&self->o, 0, 6);
	EXPECT_EQ(3, oracle_read(&o, 0));
	EXPECT_EQ(1, oracle_read(&self->o, 0));
	tracker_stop(env->fd, env->tracker);
	oracle_write(&self->o, 0, 7);
	EXPECT_EQ(1, oracle_read(&o, 0));
	env_start(env);
	tracker_stop(env->fd, self->strict);
	oracle_write(&self->o, 0, 8);
	EXPECT_EQ(1, oracle_read(&self->o, 0));
}

static struct read_args args_for(struct env *env, __u64 *word)
{
	*word = 0;
	return (struct read_args) {
		.fd = env->fd, .tracker = env->tracker, .iova = IOVA, .length = SIZE,
		.page_size = SZ_4K, .data = word,
	};
}

static __u64 tracker_count(int fd, __u32 tracker, __u64 iova, __u64 length)
{
	size_t bytes = bitmap_bytes(iova, length, SZ_4K);
	struct read_args args = {
		.fd = fd, .tracker = tracker, .iova = iova, .length = length,
		.page_size = SZ_4K, .data = mem_alloc(bytes),
	};
	__u64 pages = tracker_read(&args);

	mem_free(args.data, bytes);
	return pages;
}

/* An observer must not unmap anything */
TEST_F(passive, unmap)
{
	struct env *env = &self->env;
	__u64 word, unmapped = 0;
	struct read_args args = args_for(env, &word);

	EXPECT_EQ(-EINVAL, __tracker_unmap(&args, &unmapped));
	env_start(env);
	EXPECT_EQ(-EINVAL, __tracker_unmap(&args, &unmapped));
	EXPECT_EQ(0, unmapped);
	EXPECT_TRUE(oracle_tracked(&self->o, 0));
}

/*
 * While only observers look, nobody looks at the entries of a small mapping that goes: it
 * is dirty as a whole. With another tracker, and in larger mappings, each page counts.
 */
TEST_F(passive, unmapped)
{
	struct env *env = &self->env;
	__u64 iova = IOVA + SZ_1G, big = SZ_2M + SZ_4K;
	void *mem = mem_alloc(big);

	env_start(env);
	env_load(env, 0);
	oracle_write(&self->o, 0, 3);
	ioas_unmap(env->fd, env->ioas, IOVA, SIZE);
	EXPECT_EQ(PAGES, oracle_read(&self->o, 0));

	ioas_map(env->fd, env->ioas, mem, big, iova);
	env_store(env, 0, iova + SZ_2M);
	ioas_unmap(env->fd, env->ioas, iova, big);
	EXPECT_EQ(1, tracker_count(env->fd, env->tracker, iova, big));

	tracker_start(env->fd, self->strict);
	oracle_map(&self->o, env->ioas);
	oracle_write(&self->o, 0, 4);
	ioas_unmap(env->fd, env->ioas, IOVA, SIZE);
	EXPECT_EQ(1, oracle_read(&self->o, 0));
	EXPECT_EQ(1, tracker_count(env->fd, self->strict, IOVA, SIZE));
	mem_free(mem, big);
}

static void check_gone(struct __test_metadata *_metadata, int fd, __u32 tracker, __u32 flags)
{
	struct iommu_dirty_run run = { .iova = IOVA, .length = SZ_4K }, found;
	struct scan_args scan = {
		.fd = fd, .tracker = tracker, .iova = IOVA, .length = SIZE,
		.page_size = SZ_4K, .runs = &found, .num_runs = 1,
	};
	struct env env = { .fd = fd, .tracker = tracker };
	struct iommu_dirty_tracker_info info;
	struct iommu_dirty_member member;
	struct read_args args;
	__u64 word;

	info = tracker_info(fd, tracker, &member);
	EXPECT_EQ(IOMMU_DIRTY_STATE_STOPPED, info.out_state);
	EXPECT_EQ(IOMMU_DIRTY_TRACKER_GONE | flags, info.out_flags);
	EXPECT_EQ(0, info.num_members);
	args = args_for(&env, &word);
	EXPECT_EQ(-ENODATA, __tracker_read(&args));
	EXPECT_EQ(0, word);
	EXPECT_EQ(0, args.out_length);
	EXPECT_EQ(-ENODATA, __tracker_scan(&scan));
	EXPECT_EQ(-ENODATA, __tracker_mark_runs(fd, tracker, &run, 1));
	EXPECT_EQ(-ENODEV, __tracker_start(fd, tracker, NULL));
	EXPECT_EQ(0, __tracker_stop(fd, tracker));
	EXPECT_EQ(-ENODATA, __tracker_read(&args));
}

/* The IOAS can be destroyed, unless a tracker is neither passive nor a file */
TEST_F(passive, ioas_destroyed)
{
	int fd = self->env.fd, file[2];
	struct env *env = &self->env;
	__u64 word, unmapped;
	struct read_args args = args_for(env, &word);
	__u32 stopped = tracker_alloc_passive(fd, env->ioas);

	file[0] = tracker_file(fd, env->ioas, 0);
	file[1] = tracker_file(fd, env->ioas, IOMMU_DIRTY_ALLOC_PASSIVE);
	env_start(env);
	tracker_start(file[0], 0);
	tracker_start(file[1], 0);
	env_load(env, 0);
	oracle_write(&self->o, 0, 3);
	EXPECT_EQ(3, num_trackers(env, env->ioas));
	edu_detach(&env->edu[0]);
	EXPECT_EQ(-EBUSY, __object_destroy(fd, env->ioas));
	object_destroy(fd, self->strict);
	/* Nothing has happened to them yet */
	EXPECT_EQ(1, oracle_read(&self->o, 0));
	ASSERT_EQ(0, __object_destroy(fd, env->ioas));
	check_gone(_metadata, fd, env->tracker, IOMMU_DIRTY_TRACKER_PASSIVE);
	check_gone(_metadata, fd, stopped, IOMMU_DIRTY_TRACKER_PASSIVE);
	check_gone(_metadata, file[0], 0, 0);
	check_gone(_metadata, file[1], 0, IOMMU_DIRTY_TRACKER_PASSIVE);
	EXPECT_EQ(-EINVAL, __tracker_unmap(&args, &unmapped));
	EXPECT_EQ(IOMMU_DIRTY_STATE_STOPPED, object_listed(fd, env->tracker).state);
	EXPECT_EQ(env->ioas, object_listed(fd, env->tracker).parent_id);
	object_destroy(fd, env->tracker);
	object_destroy(fd, stopped);
	close(file[0]);
	close(file[1]);
}

/* Passive trackers have places of their own, and do not take those of others */
TEST_F(passive, limit)
{
	struct env *env = &self->env;
	__u32 ids[2][MAX_RUNNING + 1], ioas = ioas_alloc(env->fd), i, j;

	for (i = 0; i <= MAX_RUNNING; i++) {
		ids[0][i] = tracker_alloc_passive(env->fd, ioas);
		ids[1][i] = tracker_alloc(env->fd, ioas);
	}
	for (j = 0; j < 2; j++) {
		for (i = 0; i < MAX_RUNNING; i++)
			ASSERT_EQ(0, __tracker_start(env->fd, ids[j][i], NULL));
		EXPECT_EQ(-EUSERS, __tracker_start(env->fd, ids[j][MAX_RUNNING], NULL));
	}
	EXPECT_EQ(2 * MAX_RUNNING, num_trackers(env, ioas));
	tracker_stop(env->fd, ids[1][0]);
	EXPECT_EQ(-EUSERS, __tracker_start(env->fd, ids[0][MAX_RUNNING], NULL));
	tracker_stop(env->fd, ids[0][0]);
	EXPECT_EQ(0, __tracker_start(env->fd, ids[0][MAX_RUNNING], NULL));
	EXPECT_EQ(0, __tracker_start(env->fd, ids[1][MAX_RUNNING], NULL));
}

static int start_device(struct env *env, __u32 tracker, __u32 flags)
{
	struct iommu_dirty_run range = { .iova = IOVA, .length = SIZE };
	__u64 page_size = SZ_4K;
	__u32 num = 1;

	return __device_start_flags(env->fd, tracker, flags, &range, &num, &page_size);
}

/* The same for a device; this one has no driver that logs */
TEST_F(passive, limit_device)
{
	struct env *env = &self->env;
	__u32 id = env->edu[0].dev_id, ids[MAX_RUNNING + 1], strict, i;

	for (i = 0; i <= MAX_RUNNING; i++)
		ids[i] = tracker_alloc_passive(env->fd, id);
	strict = tracker_alloc(env->fd, id);
	for (i = 0; i < MAX_RUNNING; i++)
		ASSERT_EQ(0, start_device(env, ids[i], 0));
	EXPECT_EQ(-EUSERS, start_device(env, ids[MAX_RUNNING], 0));
	EXPECT_EQ(MAX_RUNNING, num_trackers(env, id));
	EXPECT_EQ(-ENXIO, start_device(env, strict, 0));
	EXPECT_EQ(0, start_device(env, strict, IOMMU_DIRTY_START_DEGRADED));
	EXPECT_EQ(MAX_RUNNING + 1, num_trackers(env, id));
	object_destroy(env->fd, ids[0]);
	EXPECT_EQ(0, start_device(env, ids[MAX_RUNNING], 0));
	EXPECT_EQ(MAX_RUNNING + 1, num_trackers(env, id));
}

/* LIST counts who runs, with or without a file, and knows who is passive */
TEST_F(passive, listed)
{
	int fd = self->env.fd, file = tracker_file(fd, self->env.ioas, 0);
	struct iommu_dirty_object object;
	struct env *env = &self->env;
	__u32 hwpt;

	EXPECT_EQ(0, num_trackers(env, env->ioas));
	EXPECT_EQ(0, object_listed(fd, self->strict).flags);
	object = object_listed(fd, env->tracker);
	EXPECT_EQ(IOMMU_DIRTY_OBJECT_TRACKER, object.type);
	EXPECT_EQ(IOMMU_DIRTY_OBJECT_PASSIVE, object.flags);
	EXPECT_EQ(IOMMU_DIRTY_STATE_STOPPED, object.state);
	EXPECT_EQ(env->ioas, object.parent_id);
	EXPECT_EQ(0, object.num_trackers);
	env_start(env);
	tracker_start(fd, self->strict);
	tracker_start(file, 0);
	EXPECT_EQ(IOMMU_DIRTY_STATE_RUNNING, object_listed(fd, env->tracker).state);
	EXPECT_EQ(3, num_trackers(env, env->ioas));

	hwpt = hwpt_alloc(fd, env->edu[1].dev_id, env->ioas,
			  IOMMU_HWPT_ALLOC_DIRTY_TRACKING);
	object = object_listed(fd, hwpt);
	EXPECT_EQ(IOMMU_DIRTY_OBJECT_HWPT, object.type);
	EXPECT_EQ(0, object.flags);
	EXPECT_EQ(IOMMU_DIRTY_STATE_STOPPED, object.state);
	check(__hwpt_set_dirty(fd, hwpt, true));
	EXPECT_EQ(IOMMU_DIRTY_STATE_RUNNING, object_listed(fd, hwpt).state);
	EXPECT_EQ(0, object_listed(fd, hwpt).num_trackers);
	/* Classic tracking is not a tracker, nor does it take the place of one */
	EXPECT_EQ(3, num_trackers(env, env->ioas));
	check(__hwpt_set_dirty(fd, hwpt, false));
	EXPECT_EQ(IOMMU_DIRTY_STATE_STOPPED, object_listed(fd, hwpt).state);
	edu_attach(&env->edu[1], env->ioas);
	object = object_listed(fd, object_listed(fd, env->edu[1].dev_id).parent_id);
	EXPECT_EQ(IOMMU_DIRTY_OBJECT_HWPT, object.type);
	EXPECT_EQ(IOMMU_DIRTY_OBJECT_AUTO, object.flags);
	tracker_stop(fd, self->strict);
	EXPECT_EQ(2, num_trackers(env, env->ioas));
	close(file);
	EXPECT_EQ(1, num_trackers(env, env->ioas));
}

/* The tracker of VFIO type1, which is not passive */
TEST_F(passive, listed_type1)
{
	struct vfio_iommu_type1_dirty_bitmap start = {
		.argsz = sizeof(start),
		.flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_START,
	};
	struct iommu_vfio_ioas cmd = { .size = sizeof(cmd), .op = IOMMU_VFIO_IOAS_SET };
	struct env *env = &self->env;
	struct iommu_dirty_object objects[64], object;
	struct iommu_dirty_list list = {
		.size = sizeof(list), .num_objects = 64,
		.objects = (uintptr_t)objects, .object_len = sizeof(objects[0]),
	};
	__u32 i;

	/* Not the one of the environment: without large pages it would be type1 v1 */
	cmd.ioas_id = ioas_alloc(env->fd);
	check(__iommufd_ioctl(env->fd, IOMMU_VFIO_IOAS, &cmd));
	ASSERT_EQ(0, ioctl(env->fd, VFIO_IOMMU_DIRTY_PAGES, &start));
	ASSERT_EQ(0, __iommufd_ioctl(env->fd, IOMMU_DIRTY_LIST, &list));
	for (i = 0; i < list.num_objects && !(objects[i].flags & IOMMU_DIRTY_OBJECT_TYPE1);
	     i++)
		;
	ASSERT_GT(list.num_objects, i);
	object = objects[i];
	EXPECT_EQ(IOMMU_DIRTY_OBJECT_TRACKER, object.type);
	EXPECT_EQ(IOMMU_DIRTY_OBJECT_TYPE1, object.flags);
	EXPECT_EQ(IOMMU_DIRTY_STATE_RUNNING, object.state);
	EXPECT_EQ(cmd.ioas_id, object.parent_id);
	EXPECT_EQ(1, num_trackers(env, cmd.ioas_id));
	start.flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP;
	EXPECT_EQ(0, ioctl(env->fd, VFIO_IOMMU_DIRTY_PAGES, &start));
	EXPECT_EQ(IOMMU_DIRTY_STATE_STOPPED, object_listed(env->fd, object.id).state);
}

TEST_HARNESS_MAIN
