// SPDX-License-Identifier: GPL-2.0-only
/*
 * INFO and the lifetime of a tracker: INFO for each kind of HWPT, START that is all
 * or nothing and leaves no stale dirty bits, STOP, and destruction of everything in
 * every state.
 */
#include <kselftest_harness.h>

#include "lib.h"

#define IOVA	0x40000000ULL
#define PAGES	16

FIXTURE(basic)
{
	struct env env;
	struct oracle o;
	struct iommu_dirty_member member[4];
};

FIXTURE_SETUP(basic)
{
	OPEN_OR_SKIP(return, env_open(&self->env, 2));
	oracle_open(&self->o, &self->env, PAGES, IOVA);
	oracle_map(&self->o, self->env.ioas);
}

FIXTURE_TEARDOWN(basic)
{
	oracle_close(&self->o);
	env_close(&self->env);
}

/* The format for the variable DIRTY_FORMAT, which is a mode of tools/vm/run.sh */
static __u32 wanted_format(void)
{
	static const struct {
		const char *name;
		__u32 format;
	} modes[] = {
		{ "vtd-ss", IOMMU_DIRTY_FMT_VTD_SS },
		{ "vtd-fs", IOMMU_DIRTY_FMT_VTD_FS },
		{ "amd-v1", IOMMU_DIRTY_FMT_AMD_V1 },
		{ "amd-v2", IOMMU_DIRTY_FMT_AMD_V2 },
		{ "smmu-s1", IOMMU_DIRTY_FMT_ARM_S1 },
		{ "smmu-s2", IOMMU_DIRTY_FMT_ARM_S2 },
		{ "riscv", IOMMU_DIRTY_FMT_RISCV },
	};
	const char *name = getenv("DIRTY_FORMAT");
	unsigned int i;

	for (i = 0; name && i < ARRAY_SIZE(modes); i++)
		if (!strcmp(name, modes[i].name))
			return modes[i].format;
	return IOMMU_DIRTY_FMT_UNKNOWN;
}

static __u64 write_and_read(struct oracle *o, unsigned int index)
{
	size_t page;

	env_load(o->env, index);
	for (page = 0; page < o->pages; page += 3)
		oracle_write(o, index, page);
	return oracle_read(o, 0);
}

/* The HWPT that iommufd made for device 0 */
TEST_F(basic, info_auto)
{
	struct iommu_dirty_member *m = &self->member[0];
	__u32 wanted = wanted_format();

	ASSERT_EQ(1, tracker_members(self->env.fd, self->env.tracker, m, 4));
	EXPECT_EQ(IOMMU_DIRTY_MEMBER_HWPT, m->type);
	EXPECT_NE(0, m->id);
	EXPECT_EQ(IOMMU_DIRTY_REASON_OK, m->reason);
	EXPECT_EQ(IOMMU_DIRTY_MEMBER_AUTO, member_flags(m));
	EXPECT_NE(IOMMU_DIRTY_FMT_UNKNOWN, m->format);
	EXPECT_TRUE(!wanted || wanted == m->format);
	EXPECT_TRUE(m->io_page_sizes & SZ_4K);

	env_start(&self->env);
	ASSERT_EQ(1, tracker_members(self->env.fd, self->env.tracker, m, 4));
	EXPECT_EQ(IOMMU_DIRTY_MEMBER_AUTO | IOMMU_DIRTY_MEMBER_TRACKED, member_flags(m));
}

/* QEMU checks this capability before it allocates a trackable HWPT */
TEST_F(basic, hw_info)
{
	EXPECT_TRUE(hw_capabilities(self->env.fd, self->env.edu[0].dev_id) &
		    IOMMU_HW_CAP_DIRTY_TRACKING);
}

TEST_F(basic, info_explicit)
{
	struct env *env = &self->env;
	struct iommu_dirty_member *m = self->member;
	__u32 hwpt = hwpt_alloc(env->fd, env->edu[1].dev_id, env->ioas,
				IOMMU_HWPT_ALLOC_DIRTY_TRACKING);
	unsigned int i;

	ASSERT_EQ(2, tracker_members(env->fd, env->tracker, m, 4));
	i = m[1].id == hwpt;
	ASSERT_EQ(hwpt, m[i].id);
	EXPECT_NE(hwpt, m[!i].id);
	EXPECT_EQ(IOMMU_DIRTY_MEMBER_HWPT, m[i].type);
	EXPECT_EQ(IOMMU_DIRTY_REASON_OK, m[i].reason);
	EXPECT_EQ(0, member_flags(&m[i]));
	EXPECT_EQ(m[!i].format, m[i].format);
	EXPECT_EQ(m[!i].io_page_sizes, m[i].io_page_sizes);
	EXPECT_EQ(IOMMU_DIRTY_MEMBER_AUTO, member_flags(&m[!i]));

	env_start(env);
	ASSERT_EQ(2, tracker_members(env->fd, env->tracker, m, 4));
	EXPECT_TRUE(m[0].flags & IOMMU_DIRTY_MEMBER_TRACKED);
	EXPECT_TRUE(m[1].flags & IOMMU_DIRTY_MEMBER_TRACKED);

	object_destroy(env->fd, hwpt);
	EXPECT_EQ(1, tracker_members(env->fd, env->tracker, m, 4));
}

/* START reports the HWPT that cannot be tracked, and changes nothing */
TEST_F(basic, start_not_requested)
{
	struct env *env = &self->env;
	struct iommu_dirty_member *m = self->member;
	struct iommu_dirty_tracker_start start;
	__u32 hwpt = hwpt_alloc(env->fd, env->edu[1].dev_id, env->ioas, 0);
	unsigned int i;

	ASSERT_EQ(2, tracker_members(env->fd, env->tracker, m, 4));
	i = m[1].id == hwpt;
	ASSERT_EQ(hwpt, m[i].id);
	EXPECT_EQ(IOMMU_DIRTY_REASON_NOT_REQUESTED, m[i].reason);
	EXPECT_EQ(IOMMU_DIRTY_REASON_OK, m[!i].reason);

	EXPECT_EQ(-ENXIO, __tracker_start(env->fd, env->tracker, &start));
	EXPECT_EQ(IOMMU_DIRTY_MEMBER_HWPT, start.out_type);
	EXPECT_EQ(hwpt, start.out_id);
	EXPECT_EQ(IOMMU_DIRTY_REASON_NOT_REQUESTED, start.out_reason);

	EXPECT_EQ(IOMMU_DIRTY_STATE_STOPPED, tracker_state(env->fd, env->tracker));
	ASSERT_EQ(2, tracker_members(env->fd, env->tracker, m, 4));
	EXPECT_FALSE(m[0].flags & IOMMU_DIRTY_MEMBER_TRACKED);
	EXPECT_FALSE(m[1].flags & IOMMU_DIRTY_MEMBER_TRACKED);

	object_destroy(env->fd, hwpt);
	EXPECT_EQ(0, __tracker_start(env->fd, env->tracker, &start));
	EXPECT_EQ(0, start.out_type);
	EXPECT_EQ(0, start.out_id);
	EXPECT_EQ(0, start.out_reason);
}

/* An untrackable HWPT cannot join a tracked IOAS */
TEST_F(basic, join_refused)
{
	struct env *env = &self->env;
	__u32 hwpt;

	env_start(env);
	EXPECT_EQ(-ENXIO, __hwpt_alloc(env->fd, env->edu[1].dev_id,
				       env->ioas, 0, &hwpt));
	EXPECT_EQ(1, tracker_members(env->fd, env->tracker, self->member, 4));
	EXPECT_EQ(6, write_and_read(&self->o, 0));
}

/* A HWPT that joins a tracked IOAS is tracked immediately */
TEST_F(basic, join_running)
{
	struct env *env = &self->env;
	__u32 hwpt;

	env_start(env);
	hwpt = hwpt_alloc(env->fd, env->edu[1].dev_id, env->ioas,
			  IOMMU_HWPT_ALLOC_DIRTY_TRACKING);
	edu_attach(&env->edu[1], hwpt);
	EXPECT_EQ(0, oracle_read(&self->o, 0));
	EXPECT_EQ(6, write_and_read(&self->o, 1));
	oracle_check(&self->o);
	EXPECT_EQ(0, self->o.lost + self->o.extra);
	EXPECT_EQ(6, write_and_read(&self->o, 0));
	oracle_check(&self->o);
	EXPECT_EQ(0, self->o.lost + self->o.extra);
}

/* The same for the HWPT that iommufd allocates on attach */
TEST_F(basic, join_auto)
{
	struct env *env = &self->env;

	edu_detach(&env->edu[0]);
	EXPECT_EQ(0, tracker_members(env->fd, env->tracker, self->member, 4));
	env_start(env);
	EXPECT_EQ(0, oracle_read(&self->o, 0));
	edu_attach(&env->edu[0], env->ioas);
	ASSERT_EQ(1, tracker_members(env->fd, env->tracker, self->member, 4));
	EXPECT_TRUE(self->member[0].flags & IOMMU_DIRTY_MEMBER_TRACKED);
	EXPECT_EQ(0, oracle_read(&self->o, 0));
	EXPECT_EQ(6, write_and_read(&self->o, 0));
	oracle_check(&self->o);
	EXPECT_EQ(0, self->o.lost + self->o.extra);
}

TEST_F(basic, info_sizes)
{
	struct env *env = &self->env;
	struct iommu_dirty_tracker_info info = { .tracker_id = env->tracker };

	/* No room for a member: the other fields are valid anyway */
	EXPECT_EQ(-EMSGSIZE, __tracker_info(env->fd, &info));
	EXPECT_EQ(1, info.num_members);
	EXPECT_EQ(env->ioas, info.out_target_id);
	EXPECT_EQ(IOMMU_DIRTY_STATE_STOPPED, info.out_state);
	EXPECT_LE(1, info.out_max_trackers);
	EXPECT_TRUE(info.out_page_sizes & SZ_4K);
	EXPECT_TRUE(info.out_page_sizes & SZ_1G);
	EXPECT_FALSE(info.out_page_sizes & (SZ_4K - 1));
	EXPECT_EQ(0, info.out_reads);
	EXPECT_EQ(0, info.out_pages);
}

/* If the caller's struct iommu_dirty_member is longer, its tail is zeroed */
TEST_F(basic, info_member_len)
{
	struct {
		struct iommu_dirty_member known;
		__u64 later[3];
	} member[2];
	struct iommu_dirty_tracker_info info = {
		.tracker_id = self->env.tracker,
		.num_members = 2,
		.members = (uintptr_t)member,
		.member_len = sizeof(member[0]),
	};

	memset(member, 0xff, sizeof(member));
	ASSERT_EQ(0, __tracker_info(self->env.fd, &info));
	EXPECT_EQ(1, info.num_members);
	EXPECT_EQ(IOMMU_DIRTY_MEMBER_HWPT, member[0].known.type);
	EXPECT_EQ(0, member[0].later[0] | member[0].later[1] | member[0].later[2]);
	EXPECT_EQ(~0U, member[1].known.type);
}

TEST_F(basic, info_counters)
{
	struct iommu_dirty_tracker_info info = {
		.tracker_id = self->env.tracker,
		.num_members = 4,
		.members = (uintptr_t)self->member,
		.member_len = sizeof(self->member[0]),
	};

	env_start(&self->env);
	EXPECT_EQ(6, write_and_read(&self->o, 0));
	EXPECT_EQ(0, oracle_read(&self->o, 0));
	ASSERT_EQ(0, __tracker_info(self->env.fd, &info));
	EXPECT_EQ(2, info.out_reads);
	EXPECT_EQ(6, info.out_pages);
	EXPECT_EQ(IOMMU_DIRTY_STATE_RUNNING, info.out_state);
}

/* Writes before START are not reported, writes after it are */
TEST_F(basic, no_stale_bits)
{
	size_t page;
	int round;

	for (round = 0; round < 3; round++) {
		env_load(&self->env, 0);
		for (page = 0; page < PAGES; page++)
			oracle_write(&self->o, 0, page);
		env_start(&self->env);
		EXPECT_EQ(0, oracle_read(&self->o, 0));
		EXPECT_EQ(6, write_and_read(&self->o, 0));
		EXPECT_EQ(0, oracle_read(&self->o, 0));
		/* Not read before STOP, so forgotten */
		env_load(&self->env, 0);
		oracle_write(&self->o, 0, 1);
		tracker_stop(self->env.fd, self->env.tracker);
		tracker_stop(self->env.fd, self->env.tracker);
		EXPECT_EQ(IOMMU_DIRTY_STATE_STOPPED,
			  tracker_state(self->env.fd, self->env.tracker));
	}
}

/* A page is written before and after START: needs the IOTLB flush */
TEST_F(basic, start_flushes)
{
	env_load(&self->env, 0);
	oracle_write(&self->o, 0, 7);
	env_start(&self->env);
	env_load(&self->env, 0);
	oracle_write(&self->o, 0, 7);
	EXPECT_EQ(1, oracle_read(&self->o, 0));
	EXPECT_TRUE(bitmap_test(self->o.bitmap, 7));
}

TEST_F(basic, destroy_running)
{
	struct env *env = &self->env;

	env_start(env);
	env_load(env, 0);
	oracle_write(&self->o, 0, 0);
	object_destroy(env->fd, env->tracker);
	EXPECT_EQ(-ENOENT, __tracker_start(env->fd, env->tracker, NULL));

	env->tracker = tracker_alloc(env->fd, env->ioas);
	env_start(env);
	EXPECT_EQ(0, oracle_read(&self->o, 0));
	EXPECT_EQ(6, write_and_read(&self->o, 0));
}

/* Close the file while a tracker runs and a device is attached */
TEST_F(basic, close_running)
{
	env_start(&self->env);
	env_load(&self->env, 0);
	oracle_write(&self->o, 0, 0);
}

TEST_F(basic, destroy_ioas_busy)
{
	struct env *env = &self->env;
	__u32 ioas = ioas_alloc(env->fd);
	__u32 first = tracker_alloc(env->fd, ioas);
	__u32 second = tracker_alloc(env->fd, ioas);

	EXPECT_EQ(-EBUSY, __object_destroy(env->fd, ioas));
	object_destroy(env->fd, first);
	EXPECT_EQ(-EBUSY, __object_destroy(env->fd, ioas));
	tracker_start(env->fd, second);
	EXPECT_EQ(-EBUSY, __object_destroy(env->fd, ioas));
	object_destroy(env->fd, second);
	EXPECT_EQ(0, __object_destroy(env->fd, ioas));
}

/* Without device and mapping nothing can be written, so nothing is dirty */
TEST_F(basic, empty_ioas)
{
	struct env *env = &self->env;
	__u32 ioas = ioas_alloc(env->fd);
	__u32 tracker = tracker_alloc(env->fd, ioas);
	__u64 word = 0;
	struct read_args args = {
		.fd = env->fd,
		.tracker = tracker,
		.length = 64 * SZ_4K,
		.page_size = SZ_4K,
		.data = &word,
	};

	EXPECT_EQ(0, tracker_members(env->fd, tracker, self->member, 4));
	tracker_start(env->fd, tracker);
	EXPECT_EQ(0, tracker_read(&args));
	EXPECT_EQ(0, word);
	tracker_stop(env->fd, tracker);
	object_destroy(env->fd, tracker);
	object_destroy(env->fd, ioas);
}

TEST_HARNESS_MAIN
