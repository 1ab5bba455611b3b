// SPDX-License-Identifier: GPL-2.0-only
/*
 * PASIDs of a device are attached to HWPTs, replaced and detached while trackers run:
 * each of their writes is reported, and nothing else. Needs Linux 7.3 and devices of the
 * software IOMMU. Attaching and detaching can stop half-way there, where a driver is for a
 * moment: the device uses the page table, but no flush of its IOTLB reaches it.
 */
#include <errno.h>
#include <kselftest_harness.h>
#include <pthread.h>

#include "lib.h"

#define IOVA	0x40000000ULL
#define PAGES	64
#define HWPTS	3
#define OFFSET	0x5000ULL

/* As in the kernel's tests/break.h */
#define BREAK_FORGET	9

FIXTURE(soft_pasid)
{
	struct env env;
	struct oracle o;
	__u32 hwpt[HWPTS];
};

static int __pasid_hwpt(struct env *env, unsigned int index, __u32 flags, __u32 *hwpt)
{
	return __hwpt_alloc(env->fd, env->edu[index].dev_id, env->ioas,
			    flags | HWPT_ALLOC_PASID, hwpt);
}

/* A HWPT that devices and PASIDs can be attached to */
static __u32 pasid_hwpt(struct env *env, unsigned int index)
{
	__u32 hwpt;

	check(__pasid_hwpt(env, index, IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &hwpt));
	return hwpt;
}

FIXTURE_SETUP(soft_pasid)
{
	struct env *env = &self->env;
	unsigned int i;

	OPEN_OR_SKIP(return, env_open_soft(env, 2));
	if (__pasid_hwpt(env, 0, 0, &self->hwpt[0]) == -EOPNOTSUPP)
		SKIP(return, "this kernel attaches no PASIDs");
	object_destroy(env->fd, self->hwpt[0]);
	/* Nothing but PASIDs: the HWPT that iommufd has made is not for them */
	edu_detach(&env->edu[0]);
	oracle_open(&self->o, env, PAGES, IOVA);
	oracle_map(&self->o, env->ioas);
	for (i = 0; i < HWPTS; i++)
		self->hwpt[i] = pasid_hwpt(env, 0);
}

FIXTURE_TEARDOWN(soft_pasid)
{
	if (self->o.mem)
		oracle_close(&self->o);
	if (self->env.stage)
		env_close(&self->env);
}

/* The device writes a new value, with a PASID */
static void write_page(struct oracle *o, __u32 pasid, size_t page)
{
	pasid_use(&o->env->edu[0], pasid);
	env_load(o->env, 0);
	oracle_write(o, 0, page);
}

static bool tracked(struct oracle *o, __u32 pasid)
{
	pasid_use(&o->env->edu[0], pasid);
	return oracle_tracked(o, 0);
}

/* What INFO reports about a HWPT; reason 0xffffffff if it is no member */
static struct iommu_dirty_member member_of(struct env *env, __u32 hwpt)
{
	struct iommu_dirty_member members[8];
	__u32 i, num = tracker_members(env->fd, env->tracker, members, 8);

	for (i = 0; i < num; i++)
		if (members[i].id == hwpt)
			return members[i];
	return (struct iommu_dirty_member) { .reason = ~0U };
}

static void expect_tracked(struct __test_metadata *_metadata, struct env *env, __u32 hwpt)
{
	struct iommu_dirty_member member = member_of(env, hwpt);

	EXPECT_EQ(IOMMU_DIRTY_MEMBER_HWPT, member.type);
	EXPECT_EQ(IOMMU_DIRTY_REASON_OK, member.reason);
	EXPECT_EQ(IOMMU_DIRTY_MEMBER_TRACKED, member_flags(&member));
}

/* LIST tells that more than the devices that it shows may write through the HWPT */
TEST_F(soft_pasid, listed)
{
	struct env *env = &self->env;
	__u32 hwpt;

	EXPECT_EQ(IOMMU_DIRTY_OBJECT_PASID, object_listed(env->fd, self->hwpt[0]).flags);
	check(__hwpt_alloc(env->fd, env->edu[0].dev_id, env->ioas, 0, &hwpt));
	EXPECT_EQ(0, object_listed(env->fd, hwpt).flags);
}

/* START enables tracking in a HWPT to which only a PASID is attached */
TEST_F(soft_pasid, started_after)
{
	struct env *env = &self->env;

	env_twin(env);
	pasid_attach(&env->edu[0], 1, self->hwpt[0]);
	write_page(&self->o, 1, 5);
	self->o.shadow[5] = env->value;
	env_start(env);
	expect_tracked(_metadata, env, self->hwpt[0]);
	EXPECT_EQ(0, oracle_read(&self->o, 0));
	EXPECT_TRUE(tracked(&self->o, 1));
	EXPECT_TRUE(tracked(&self->o, 1));
	tracker_stop(env->fd, env->tracker);
	tracker_stop(env->fd, env->twin);
	env_start(env);
	EXPECT_TRUE(tracked(&self->o, 1));
}

TEST_F(soft_pasid, attached_while_running)
{
	struct env *env = &self->env;
	__u32 late;

	env_twin(env);
	env_start(env);
	pasid_attach(&env->edu[0], 1, self->hwpt[0]);
	EXPECT_TRUE(tracked(&self->o, 1));
	/* A HWPT that is made while the trackers run */
	late = pasid_hwpt(env, 0);
	expect_tracked(_metadata, env, late);
	pasid_attach(&env->edu[0], SOFT_PASIDS - 1, late);
	EXPECT_TRUE(tracked(&self->o, SOFT_PASIDS - 1));
	EXPECT_TRUE(tracked(&self->o, 1));
}

/*
 * Writes just before and after each change, and READs only at the end: by then, the
 * PASID is detached, and two of the HWPTs are destroyed.
 */
TEST_F(soft_pasid, replace_and_detach)
{
	struct env *env = &self->env;
	struct edu *edu = &env->edu[0];
	unsigned int i;
	__u64 faults;

	env_twin(env);
	env_start(env);
	pasid_attach(edu, 1, self->hwpt[0]);
	for (i = 0; i < 9; i++) {
		write_page(&self->o, 1, i);
		if (i % 4 == 3)
			pasid_detach(edu, 1);
		pasid_attach(edu, 1, self->hwpt[(i + 1) % HWPTS]);
		write_page(&self->o, 1, 20 + i);
	}
	write_page(&self->o, 1, 40);
	pasid_detach(edu, 1);
	/* It reaches nothing any more */
	faults = storm_faults(edu);
	oracle_write(&self->o, 0, 50);
	EXPECT_EQ(faults + 1, storm_faults(edu));
	object_destroy(env->fd, self->hwpt[0]);
	object_destroy(env->fd, self->hwpt[1]);
	EXPECT_EQ(19, oracle_read(&self->o, IOMMU_DIRTY_READ_NO_CLEAR));
	EXPECT_EQ(19, oracle_read(&self->o, 0));
	oracle_check(&self->o);
	EXPECT_EQ(0, self->o.lost + self->o.extra);
	EXPECT_EQ(0, oracle_differing(&self->o));
	EXPECT_EQ(0, oracle_read(&self->o, 0));
	pasid_attach(edu, 1, self->hwpt[2]);
	EXPECT_TRUE(tracked(&self->o, 1));
}

/* A READ after each change */
TEST_F(soft_pasid, read_after_each)
{
	struct env *env = &self->env;
	struct edu *edu = &env->edu[0];
	unsigned int i;

	env_twin(env);
	env_start(env);
	for (i = 0; i < 9; i++) {
		pasid_attach(edu, 1, self->hwpt[i % HWPTS]);
		EXPECT_EQ(0, oracle_read(&self->o, 0));
		write_page(&self->o, 1, 2 * i);
		if (i % 2)
			pasid_detach(edu, 1);
		else
			pasid_attach(edu, 1, self->hwpt[(i + 1) % HWPTS]);
		EXPECT_EQ(1, oracle_read(&self->o, 0));
		oracle_check(&self->o);
		EXPECT_EQ(0, self->o.lost + self->o.extra);
	}
}

/* A device and all its PASIDs are attached to one HWPT, and leave it one by one */
TEST_F(soft_pasid, device_and_pasids)
{
	struct env *env = &self->env;
	struct edu *edu = &env->edu[0];
	__u32 pasid, left;

	edu_attach(edu, self->hwpt[0]);
	for (pasid = 1; pasid < SOFT_PASIDS; pasid++)
		pasid_attach(edu, pasid, self->hwpt[0]);
	soft_count(edu, FAULT_ENABLE);
	env_start(env);
	/* Once for each HWPT, whatever is attached */
	EXPECT_EQ(HWPTS, soft_counted(edu));
	for (left = 0; left < SOFT_PASIDS; left++) {
		for (pasid = left; pasid < SOFT_PASIDS; pasid++)
			EXPECT_TRUE(tracked(&self->o, pasid));
		write_page(&self->o, left, 7);
		if (left)
			pasid_detach(edu, left);
		else
			edu_detach(edu);
		EXPECT_EQ(1, oracle_read(&self->o, 0));
		oracle_check(&self->o);
		EXPECT_EQ(0, oracle_differing(&self->o));
	}
	soft_count(edu, FAULT_DISABLE);
	tracker_stop(env->fd, env->tracker);
	EXPECT_EQ(HWPTS, soft_counted(edu));
}

/* Between two tracked IOASes: each tracker reports writes to its IOAS */
TEST_F(soft_pasid, other_ioas)
{
	struct env *env = &self->env;
	struct env second = *env;
	struct oracle there = self->o;
	__u32 hwpt;

	second.ioas = ioas_alloc(env->fd);
	ioas_set_huge_pages(env->fd, second.ioas, false);
	env_map_stage(env, second.ioas);
	second.tracker = tracker_alloc(env->fd, second.ioas);
	there.env = &second;
	oracle_map(&there, second.ioas);
	hwpt = pasid_hwpt(&second, 0);
	env_start(env);
	env_start(&second);

	pasid_attach(&env->edu[0], 1, self->hwpt[0]);
	write_page(&self->o, 1, 1);
	pasid_attach(&env->edu[0], 1, hwpt);
	write_page(&self->o, 1, 2);
	pasid_attach(&env->edu[0], 1, self->hwpt[1]);
	write_page(&self->o, 1, 3);
	EXPECT_EQ(1, oracle_read(&there, 0));
	EXPECT_TRUE(bitmap_test(there.bitmap, 2));
	EXPECT_EQ(2, oracle_read(&self->o, 0));
	EXPECT_TRUE(bitmap_test(self->o.bitmap, 1));
	EXPECT_TRUE(bitmap_test(self->o.bitmap, 3));
	/* One PASID here, another one there */
	pasid_attach(&env->edu[0], 2, hwpt);
	write_page(&self->o, 1, 4);
	write_page(&self->o, 2, 5);
	EXPECT_EQ(1, oracle_read(&there, 0));
	EXPECT_TRUE(bitmap_test(there.bitmap, 5));
	EXPECT_EQ(1, oracle_read(&self->o, 0));
	EXPECT_TRUE(bitmap_test(self->o.bitmap, 4));
	pasid_detach(&env->edu[0], 2);
	object_destroy(env->fd, hwpt);
}

/* A PASID that is attached to a nested HWPT writes through the parent */
TEST_F(soft_pasid, nested)
{
	struct env *env = &self->env;
	struct edu *edu = &env->edu[0];
	__u32 parent, nested = 0;

	check(__pasid_hwpt(env, 0, IOMMU_HWPT_ALLOC_DIRTY_TRACKING |
			   IOMMU_HWPT_ALLOC_NEST_PARENT, &parent));
	ASSERT_EQ(0, __soft_nest(edu, env->fd, parent, HWPT_ALLOC_PASID, OFFSET, &nested));
	env_start(env);
	pasid_attach(edu, 1, self->hwpt[0]);
	write_page(&self->o, 1, 3);
	pasid_attach(edu, 1, nested);
	edu_dma_to(edu, IOVA + 9 * SZ_4K - OFFSET, 0, 8);
	pasid_attach(edu, 1, parent);
	write_page(&self->o, 1, 12);
	EXPECT_EQ(3, oracle_read(&self->o, 0));
	EXPECT_TRUE(bitmap_test(self->o.bitmap, 9));
	oracle_check(&self->o);
	EXPECT_EQ(0, self->o.lost + self->o.extra);
	EXPECT_TRUE(tracked(&self->o, 1));
}

/* A call that attaches or detaches, in another thread */
struct attach_call {
	struct edu *edu;
	__u32 pasid;
	__u32 hwpt;		/* 0: detach */
};

static int attach_run(void *arg)
{
	struct attach_call *c = arg;

	if (c->pasid && c->hwpt)
		return __pasid_attach(c->edu, c->pasid, c->hwpt);
	if (c->hwpt)
		return __edu_attach(c->edu, c->hwpt);
	if (c->pasid)
		pasid_detach(c->edu, c->pasid);
	else
		edu_detach(c->edu);
	return 0;
}

static int read_run(void *arg)
{
	return oracle_read(arg, 0);
}

static int start_run(void *arg)
{
	struct env *env = arg;

	return __tracker_start(env->fd, env->tracker, NULL);
}

/* Begins the call, which stops half-way; the device writes to page 3 then */
static void half_begin(struct oracle *o, struct attach_call *c, struct side *s)
{
	pasid_use(c->edu, c->pasid);
	soft_faults(c->edu, (struct soft_faults) { .hold_attach = 1 });
	side_start(s, attach_run, c);
	soft_wait_held(c->edu);
	write_page(o, c->pasid, 3);
}

static void half_end(struct __test_metadata *_metadata, struct attach_call *c,
		     struct side *s)
{
	soft_faults(c->edu, (struct soft_faults) {});
	EXPECT_EQ(0, side_end(s));
}

/*
 * Attaches, whatever was attached before. When that is half done, another call must wait
 * for it. Returns what that call returns.
 */
static int while_half_attached(struct __test_metadata *_metadata, struct oracle *o,
			       __u32 pasid, __u32 hwpt, int (*call)(void *arg), void *arg)
{
	struct attach_call c = { &o->env->edu[0], pasid, hwpt };
	struct side attach, other;

	half_begin(o, &c, &attach);
	side_start(&other, call, arg);
	EXPECT_FALSE(side_wait(&other));
	half_end(_metadata, &c, &attach);
	return side_end(&other);
}

/* The READ must flush the PASID, or the second write to the page would not be seen */
static void read_half_attached(struct __test_metadata *_metadata, struct oracle *o,
			       __u32 pasid, __u32 hwpt)
{
	EXPECT_EQ(1, while_half_attached(_metadata, o, pasid, hwpt, read_run, o));
	oracle_check(o);
	write_page(o, pasid, 3);
	EXPECT_EQ(1, oracle_read(o, 0));
	oracle_check(o);
	EXPECT_EQ(0, o->lost + o->extra);
	EXPECT_EQ(0, oracle_differing(o));
}

TEST_F(soft_pasid, read_half_attached)
{
	struct env *env = &self->env;
	__u32 pasid;

	env_start(env);
	/* The device itself, too */
	for (pasid = 0; pasid < 2; pasid++) {
		struct attach_call detach = { &env->edu[0], pasid, 0 };

		read_half_attached(_metadata, &self->o, pasid, self->hwpt[0]);
		check(attach_run(&detach));
		read_half_attached(_metadata, &self->o, pasid, self->hwpt[0]);
	}
}

TEST_F(soft_pasid, read_half_replaced)
{
	struct env *env = &self->env;
	unsigned int i;
	__u32 pasid;

	env_start(env);
	edu_attach(&env->edu[0], self->hwpt[0]);
	pasid_attach(&env->edu[0], 1, self->hwpt[0]);
	for (pasid = 0; pasid < 2; pasid++)
		for (i = 1; i < HWPTS; i++)
			read_half_attached(_metadata, &self->o, pasid, self->hwpt[i]);
}

/* A HWPT that iommufd makes is not for PASIDs: a tracker does not change that error */
TEST_F(soft_pasid, replaced_by_ioas)
{
	struct env *env = &self->env;

	pasid_attach(&env->edu[0], 1, self->hwpt[0]);
	EXPECT_EQ(-EINVAL, __pasid_attach(&env->edu[0], 1, env->ioas));
	env_start(env);
	EXPECT_EQ(-EINVAL, __pasid_attach(&env->edu[0], 1, env->ioas));
	EXPECT_TRUE(tracked(&self->o, 1));
}

/* READ must not return before the PASID has left, or the next write would not be seen */
TEST_F(soft_pasid, read_half_detached)
{
	struct env *env = &self->env;
	struct oracle *o = &self->o;
	__u32 pasid;

	env_start(env);
	edu_attach(&env->edu[0], self->hwpt[0]);
	pasid_attach(&env->edu[0], 1, self->hwpt[0]);
	for (pasid = 0; pasid < 2; pasid++) {
		struct attach_call c = { &env->edu[0], pasid, 0 };
		struct side detach, read;
		bool early;

		half_begin(o, &c, &detach);
		side_start(&read, read_run, o);
		early = side_wait(&read);
		EXPECT_FALSE(early);
		/* What a reader would copy now */
		if (early)
			oracle_check(o);
		write_page(o, pasid, 3);
		half_end(_metadata, &c, &detach);
		EXPECT_EQ(1, side_end(&read));
		if (!early)
			oracle_check(o);
		EXPECT_EQ(0, oracle_read(o, 0));
		EXPECT_EQ(0, oracle_differing(o));
	}
}

/* START must reach the PASID, or its writes would not be seen */
static void start_half_attached(struct __test_metadata *_metadata, struct oracle *o,
				__u32 pasid, __u32 hwpt)
{
	struct env *env = o->env;

	EXPECT_EQ(0, while_half_attached(_metadata, o, pasid, hwpt, start_run, env));
	EXPECT_EQ(0, oracle_read(o, 0));
	write_page(o, pasid, 3);
	EXPECT_EQ(1, oracle_read(o, 0));
	oracle_check(o);
	EXPECT_EQ(0, o->lost + o->extra);
	tracker_stop(env->fd, env->tracker);
}

TEST_F(soft_pasid, start_half_attached)
{
	unsigned int i;
	__u32 pasid;

	for (pasid = 0; pasid < 2; pasid++)
		for (i = 0; i < HWPTS; i++)
			start_half_attached(_metadata, &self->o, pasid, self->hwpt[i]);
}

/* In the other IOAS, too: a tracker of the one that the PASID leaves waits as well */
TEST_F(soft_pasid, leaves_half_attached)
{
	struct env *env = &self->env;
	struct env second = *env;
	struct oracle there = self->o;

	second.ioas = ioas_alloc(env->fd);
	ioas_set_huge_pages(env->fd, second.ioas, false);
	env_map_stage(env, second.ioas);
	oracle_map(&there, second.ioas);
	env_start(env);
	pasid_attach(&env->edu[0], 1, self->hwpt[0]);
	write_page(&self->o, 1, 8);
	/* The write while it is half attached is in the IOAS without a tracker */
	EXPECT_EQ(1, while_half_attached(_metadata, &self->o, 1, pasid_hwpt(&second, 0),
					 read_run, &self->o));
	EXPECT_TRUE(bitmap_test(self->o.bitmap, 8));
}

/* While START discards what was dirty, no lock is held: a PASID comes, or changes */
TEST_F(soft_pasid, replaced_while_starting)
{
	struct env *env = &self->env;
	struct edu *edu = &env->edu[0];
	struct side s;
	unsigned int i;

	for (i = 0; i < 2 * HWPTS; i++) {
		if (!break_kernel(1U << BREAK_FORGET))
			SKIP(return, "this kernel has no CONFIG_IOMMUFD_DIRTY_BREAK");
		side_start(&s, start_run, env);
		while (tracker_state(env->fd, env->tracker) != IOMMU_DIRTY_STATE_STARTING)
			sched_yield();
		pasid_attach(edu, 1, self->hwpt[i % HWPTS]);
		write_page(&self->o, 1, 3);
		break_kernel(0);
		EXPECT_EQ(0, side_end(&s));
		write_page(&self->o, 1, 3);
		write_page(&self->o, 1, 4);
		EXPECT_EQ(2, oracle_read(&self->o, 0));
		oracle_check(&self->o);
		EXPECT_EQ(0, self->o.lost + self->o.extra);
		EXPECT_EQ(0, oracle_differing(&self->o));
		if (i % 2)
			pasid_detach(edu, 1);
		tracker_stop(env->fd, env->tracker);
	}
}

/* Calls that fail change nothing, and leave nothing behind */
TEST_F(soft_pasid, errors)
{
	struct iommu_dirty_member members[8];
	struct env *env = &self->env;
	struct edu *edu = &env->edu[0];
	__u32 plain = hwpt_alloc(env->fd, edu->dev_id, env->ioas,
				 IOMMU_HWPT_ALLOC_DIRTY_TRACKING);
	__u32 num = tracker_members(env->fd, env->tracker, members, 8);

	env_twin(env);
	env_start(env);
	soft_fail_once(edu, FAULT_ATTACH, EIO);
	EXPECT_EQ(-EIO, __pasid_attach(edu, 1, self->hwpt[0]));
	object_destroy(env->fd, self->hwpt[0]);
	num--;

	pasid_attach(edu, 1, self->hwpt[1]);
	write_page(&self->o, 1, 3);
	soft_fail_once(edu, FAULT_ATTACH, EIO);
	EXPECT_EQ(-EIO, __pasid_attach(edu, 1, self->hwpt[2]));
	EXPECT_EQ(-EINVAL, __pasid_attach(edu, 1, plain));
	EXPECT_EQ(-EINVAL, __pasid_attach(edu, 2, plain));
	EXPECT_EQ(-EINVAL, __edu_attach(edu, plain));
	/* A HWPT that iommufd makes is not for PASIDs, whether or not the trackers refuse it */
	EXPECT_EQ(-EINVAL, __pasid_attach(edu, 2, env->ioas));
	EXPECT_EQ(-EINVAL, __pasid_attach(edu, 1, env->ioas));
	EXPECT_EQ(-EINVAL, __pasid_attach(edu, SOFT_PASIDS, self->hwpt[2]));
	EXPECT_EQ(num, tracker_members(env->fd, env->tracker, members, 8));
	object_destroy(env->fd, self->hwpt[2]);
	object_destroy(env->fd, plain);
	EXPECT_EQ(-EBUSY, __object_destroy(env->fd, self->hwpt[1]));

	EXPECT_EQ(1, oracle_read(&self->o, 0));
	oracle_check(&self->o);
	EXPECT_EQ(0, oracle_differing(&self->o));
	EXPECT_TRUE(tracked(&self->o, 1));
	pasid_detach(edu, 1);
	object_destroy(env->fd, self->hwpt[1]);
	EXPECT_EQ(0, oracle_read(&self->o, 0));
}

/* A HWPT that cannot be tracked: refused, or everything is dirty */
TEST_F(soft_pasid, untrackable)
{
	struct iommu_dirty_tracker_start start;
	struct env *env = &self->env;
	struct edu *edu = &env->edu[0];
	__u32 hwpt;

	check(__pasid_hwpt(env, 0, 0, &hwpt));
	pasid_attach(edu, 1, hwpt);
	EXPECT_EQ(-ENXIO, __tracker_start(env->fd, env->tracker, &start));
	EXPECT_EQ(hwpt, start.out_id);
	EXPECT_EQ(IOMMU_DIRTY_REASON_NOT_REQUESTED, start.out_reason);
	check(__tracker_start_flags(env->fd, env->tracker, IOMMU_DIRTY_START_DEGRADED, NULL));
	EXPECT_EQ(IOMMU_DIRTY_TRACKER_DEGRADED | IOMMU_DIRTY_TRACKER_BLIND,
		  tracker_flags(env->fd, env->tracker));
	EXPECT_EQ(PAGES, oracle_read(&self->o, 0));
	pasid_attach(edu, 1, self->hwpt[0]);
	object_destroy(env->fd, hwpt);
	EXPECT_EQ(IOMMU_DIRTY_TRACKER_DEGRADED, tracker_flags(env->fd, env->tracker));
	EXPECT_EQ(PAGES, oracle_read(&self->o, 0));
	EXPECT_TRUE(tracked(&self->o, 1));
	tracker_stop(env->fd, env->tracker);
	env_start(env);
	EXPECT_EQ(-ENXIO, __pasid_hwpt(env, 0, 0, &hwpt));
	EXPECT_TRUE(tracked(&self->o, 1));
}

/* The device's file is closed, which detaches its PASIDs */
TEST_F(soft_pasid, closed)
{
	struct env *env = &self->env;

	env_twin(env);
	env_start(env);
	pasid_attach(&env->edu[0], 1, self->hwpt[0]);
	pasid_attach(&env->edu[0], 2, self->hwpt[1]);
	write_page(&self->o, 1, 3);
	write_page(&self->o, 2, 4);
	edu_close(&env->edu[0]);
	object_destroy(env->fd, self->hwpt[0]);
	EXPECT_EQ(2, oracle_read(&self->o, 0));
	oracle_check(&self->o);
	EXPECT_EQ(0, self->o.lost + self->o.extra);
	EXPECT_EQ(0, oracle_differing(&self->o));
	edu_open(&env->edu[0], 0, env->fd);
	pasid_attach(&env->edu[0], 1, self->hwpt[1]);
	EXPECT_TRUE(tracked(&self->o, 1));
}

/* The classic tracking of the HWPT */
TEST_F(soft_pasid, classic)
{
	struct env *env = &self->env;
	struct edu *edu = &env->edu[0];
	__u64 word = 0;

	check(__hwpt_set_dirty(env->fd, self->hwpt[0], true));
	pasid_attach(edu, 1, self->hwpt[0]);
	env_start(env);
	write_page(&self->o, 1, 3);
	pasid_attach(edu, 1, self->hwpt[1]);
	write_page(&self->o, 1, 4);
	pasid_attach(edu, 1, self->hwpt[0]);
	write_page(&self->o, 1, 5);
	pasid_detach(edu, 1);
	EXPECT_EQ(3, oracle_read(&self->o, 0));
	check(__hwpt_get_dirty(env->fd, self->hwpt[0], IOVA, PAGES * SZ_4K, &word));
	EXPECT_EQ(1ULL << 3 | 1ULL << 5, word);
	check(__hwpt_set_dirty(env->fd, self->hwpt[0], false));
	pasid_attach(edu, 1, self->hwpt[0]);
	oracle_check(&self->o);
	EXPECT_TRUE(tracked(&self->o, 1));
}

/* Moves PASID 1 of device 0 from HWPT to HWPT, and sometimes detaches it */
struct mover {
	struct edu *edu;
	const __u32 *hwpt;
	bool stop;
	unsigned int moves;
};

static int mover_run(void *arg)
{
	struct mover *m = arg;
	bool attached = true;

	while (!__atomic_load_n(&m->stop, __ATOMIC_ACQUIRE)) {
		__u32 next = random_below(HWPTS + 1);

		if (next < HWPTS)
			pasid_attach(m->edu, 1, m->hwpt[next]);
		else if (attached)
			pasid_detach(m->edu, 1);
		attached = next < HWPTS;
		__atomic_add_fetch(&m->moves, 1, __ATOMIC_RELEASE);
	}
	if (!attached)
		pasid_attach(m->edu, 1, m->hwpt[0]);
	return 0;
}

#define ROUNDS	40

/*
 * Kernel threads of two devices write at full speed, one with a PASID and one without,
 * and the PASID moves. A device without a HWPT faults, so its writes do not count.
 */
TEST_F_TIMEOUT(soft_pasid, storm, 120)
{
	struct env *env = &self->env;
	struct edu *edu = env->edu;
	struct mover m = { .edu = edu, .hwpt = self->hwpt };
	struct storm storm = {
		.iova = IOVA,
		.length = PAGES * SZ_4K,
		.seed = random_u64(),
		.threads = 2,
		.pasid = 1,
	};
	struct consumer c;
	struct side s;
	unsigned int i;

	consumer_open(&c, env->fd, env->ioas, self->o.mem, IOVA, PAGES);
	pasid_attach(&edu[0], 1, self->hwpt[0]);
	edu_attach(&edu[1], self->hwpt[1]);
	tracker_start(env->fd, c.tracker);
	storm_start(&edu[0], &storm);
	storm.pasid = 0;
	storm_start(&edu[1], &storm);
	side_start(&s, mover_run, &m);
	for (i = 0; i < ROUNDS; i++) {
		storm_wait(&edu[i % 2], PAGES);
		EXPECT_EQ(0, i % 3 ? __consumer_read(&c, 0, NULL) :
				     __consumer_scan(&c, CONSUMER_RUNS));
	}
	storm_stop(&edu[1]);
	storm_stop(&edu[0]);
	__atomic_store_n(&m.stop, true, __ATOMIC_RELEASE);
	EXPECT_EQ(0, side_end(&s));
	EXPECT_EQ(0, consumer_missed(&c));
	EXPECT_LT(PAGES, c.reported);
	EXPECT_LT(0, m.moves);
	lib_note("%u moves, %llu writes, %llu pages reported", m.moves,
		 storm_writes(&edu[0]), c.reported);
	storm.pasid = SOFT_PASIDS;
	EXPECT_EQ(-EINVAL, __storm_start(&edu[0], &storm));
	consumer_close(&c);
}

TEST_HARNESS_MAIN
