// SPDX-License-Identifier: GPL-2.0-only
/*
 * LIST: an observer finds the objects that were created in an iommufd file, with the
 * ids that their creation returned, one by one or all at once.
 */
#include <kselftest_harness.h>
#include <string.h>
#include <unistd.h>

#include "lib.h"

#define ROOM	64

FIXTURE(list)
{
	struct env env;
	struct iommu_dirty_object objects[ROOM];
	__u32 num;
	__u32 next;
};

FIXTURE_SETUP(list)
{
	OPEN_OR_SKIP(return, env_open(&self->env, 2));
}

FIXTURE_TEARDOWN(list)
{
	env_close(&self->env);
}

static int __list(struct _test_data_list *self, __u32 first, __u32 room)
{
	struct iommu_dirty_list cmd = {
		.size = sizeof(cmd),
		.first_id = first,
		.num_objects = room,
		.objects = (uintptr_t)self->objects,
		.object_len = sizeof(self->objects[0]),
	};
	int rc;

	memset(self->objects, 0xee, sizeof(self->objects));
	rc = __iommufd_ioctl(self->env.fd, IOMMU_DIRTY_LIST, &cmd);
	self->num = cmd.num_objects;
	self->next = cmd.out_next_id;
	return rc;
}

static struct iommu_dirty_object *find(struct _test_data_list *self, __u32 type, __u32 id)
{
	__u32 i;

	for (i = 0; i < self->num; i++)
		if (self->objects[i].type == type && self->objects[i].id == id)
			return &self->objects[i];
	return NULL;
}

TEST_F(list, what_there_is)
{
	struct env *env = &self->env;
	struct iommu_dirty_object *o;
	struct iommu_dirty_member m;

	ASSERT_EQ(1, tracker_members(env->fd, env->tracker, &m, 1));
	ASSERT_EQ(0, __list(self, 0, ROOM));
	EXPECT_EQ(0, self->next);
	/* IOAS, tracker, two devices, and the HWPT of the attached device */
	EXPECT_EQ(5, self->num);
	o = find(self, IOMMU_DIRTY_OBJECT_IOAS, env->ioas);
	ASSERT_NE(NULL, o);
	EXPECT_EQ(0, o->parent_id);
	o = find(self, IOMMU_DIRTY_OBJECT_HWPT, m.id);
	ASSERT_NE(NULL, o);
	EXPECT_EQ(env->ioas, o->parent_id);
	EXPECT_EQ(IOMMU_DIRTY_MEMBER_AUTO, o->flags);
	o = find(self, IOMMU_DIRTY_OBJECT_DEVICE, env->edu[0].dev_id);
	ASSERT_NE(NULL, o);
	EXPECT_EQ(m.id, o->parent_id);
	EXPECT_STREQ(env->edu[0].bdf, (char *)o->name);
	o = find(self, IOMMU_DIRTY_OBJECT_DEVICE, env->edu[1].dev_id);
	ASSERT_NE(NULL, o);
	EXPECT_EQ(0, o->parent_id);
	o = find(self, IOMMU_DIRTY_OBJECT_TRACKER, env->tracker);
	ASSERT_NE(NULL, o);
	EXPECT_EQ(env->ioas, o->parent_id);
	EXPECT_EQ(IOMMU_DIRTY_STATE_STOPPED, o->state);
	tracker_start(env->fd, env->tracker);
	ASSERT_EQ(0, __list(self, 0, ROOM));
	o = find(self, IOMMU_DIRTY_OBJECT_TRACKER, env->tracker);
	EXPECT_EQ(IOMMU_DIRTY_STATE_RUNNING, o->state);
}

TEST_F(list, one_by_one)
{
	struct iommu_dirty_object all[ROOM];
	__u32 num, i, next = 0;

	ioas_alloc(self->env.fd);
	ASSERT_EQ(0, __list(self, 0, ROOM));
	num = self->num;
	memcpy(all, self->objects, sizeof(all));
	for (i = 0; i < num; i++) {
		ASSERT_EQ(0, __list(self, next, 1));
		ASSERT_EQ(1, self->num);
		EXPECT_EQ(0, memcmp(&all[i], self->objects, sizeof(all[0])));
		next = self->next;
		EXPECT_EQ(i + 1 == num, next == 0);
	}
	/* After the last one, and at the highest id */
	ASSERT_EQ(0, __list(self, all[num - 1].id + 1, 1));
	EXPECT_EQ(0, self->num);
	ASSERT_EQ(0, __list(self, -1U, 1));
	EXPECT_EQ(0, self->num);
}

TEST_F(list, does_not_stand_in_the_way)
{
	struct env *env = &self->env;
	__u32 before;

	ASSERT_EQ(0, __list(self, 0, ROOM));
	before = self->num;
	edu_detach(&env->edu[0]);
	ASSERT_EQ(0, __list(self, 0, ROOM));
	/* The HWPT was freed with its last device */
	EXPECT_EQ(before - 1, self->num);
	object_destroy(env->fd, env->tracker);
	ASSERT_EQ(0, __list(self, 0, ROOM));
	EXPECT_EQ(NULL, find(self, IOMMU_DIRTY_OBJECT_TRACKER, env->tracker));
}

/* A newer program passes longer entries: their tails are zeroed */
TEST_F(list, longer_entries)
{
	struct {
		struct iommu_dirty_object object;
		__u64 later;
	} entries[2];
	struct iommu_dirty_list cmd = {
		.size = sizeof(cmd),
		.num_objects = 2,
		.objects = (uintptr_t)entries,
		.object_len = sizeof(entries[0]),
	};

	memset(entries, 0xee, sizeof(entries));
	ASSERT_EQ(0, __iommufd_ioctl(self->env.fd, IOMMU_DIRTY_LIST, &cmd));
	ASSERT_EQ(2, cmd.num_objects);
	EXPECT_NE(0, cmd.out_next_id);
	EXPECT_EQ(0, entries[0].later);
	EXPECT_EQ(0, entries[1].later);
	EXPECT_NE(entries[0].object.id, entries[1].object.id);
}

TEST_F(list, errors)
{
	struct iommu_dirty_list good = {
		.size = sizeof(good),
		.num_objects = ROOM,
		.objects = (uintptr_t)self->objects,
		.object_len = sizeof(self->objects[0]),
	};
	struct iommu_dirty_list cmd = good;
	int fd = self->env.fd;

	cmd.flags = 1;
	EXPECT_EQ(-EOPNOTSUPP, __iommufd_ioctl(fd, IOMMU_DIRTY_LIST, &cmd));
	cmd = good;
	cmd.num_objects = 0;
	EXPECT_EQ(-EINVAL, __iommufd_ioctl(fd, IOMMU_DIRTY_LIST, &cmd));
	cmd = good;
	cmd.object_len = 63;
	EXPECT_EQ(-EINVAL, __iommufd_ioctl(fd, IOMMU_DIRTY_LIST, &cmd));
	cmd.object_len = sysconf(_SC_PAGESIZE) + 1;
	EXPECT_EQ(-EINVAL, __iommufd_ioctl(fd, IOMMU_DIRTY_LIST, &cmd));
	cmd = good;
	cmd.objects = 0;
	EXPECT_EQ(-EFAULT, __iommufd_ioctl(fd, IOMMU_DIRTY_LIST, &cmd));
	cmd = good;
	EXPECT_EQ(0, __iommufd_ioctl(fd, IOMMU_DIRTY_LIST, &cmd));
}

TEST_HARNESS_MAIN
