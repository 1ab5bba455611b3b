// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOMMU_OPTION_DIRTY_TRACKABLE. Without it, a HWPT that attaching makes is the same as
 * one that was allocated without dirty tracking, and can be tracked only where that
 * costs nothing. With it, the HWPT can be tracked.
 */
#include <errno.h>
#include <stdio.h>

#include <kselftest_harness.h>

#include "lib.h"

#define IOVA		0x40000000ULL
#define PARAMETER	"/sys/module/iommufd/parameters/dirty_trackable"

/* A HWPT, and which IOVA its IOAS allows */
struct made {
	struct iommu_dirty_member hwpt;
	struct iommu_iova_range low;
	struct iommu_iova_range high;
};

FIXTURE(trackable)
{
	struct env env;
	struct edu *edu;	/* not attached */
	__u32 ioas;
	__u32 tracker;
	bool free;		/* dirty tracking changes nothing */
};

static int option(int fd, __u16 op, __u32 object, __u64 *value)
{
	struct iommu_option cmd = {
		.size = sizeof(cmd),
		.option_id = IOMMU_OPTION_DIRTY_TRACKABLE,
		.op = op,
		.object_id = object,
		.val64 = *value,
	};
	int rc = __iommufd_ioctl(fd, IOMMU_OPTION, &cmd);

	*value = cmd.val64;
	return rc;
}

static __u64 option_get(int fd, __u32 ioas)
{
	__u64 value = ~0ULL;

	check(option(fd, IOMMU_OPTION_OP_GET, ioas, &value));
	return value;
}

/* The HWPT that attaching the device to @pt, the IOAS or a HWPT of it, makes or uses */
static struct made attach(FIXTURE_DATA(trackable) * self, __u32 pt)
{
	struct made made;

	edu_attach(self->edu, pt);
	if (tracker_members(self->env.fd, self->tracker, &made.hwpt, 1) != 1)
		fatal("the IOAS has no HWPT");
	ioas_aperture(self->env.fd, self->ioas, &made.low, &made.high);
	return made;
}

static struct made attach_auto(FIXTURE_DATA(trackable) * self, bool on)
{
	struct made made;

	check(__ioas_set_trackable(self->env.fd, self->ioas, on));
	made = attach(self, self->ioas);
	edu_detach(self->edu);
	if (!(made.hwpt.flags & IOMMU_DIRTY_MEMBER_AUTO))
		fatal("attaching did not make the HWPT");
	return made;
}

static struct made attach_allocated(FIXTURE_DATA(trackable) * self, __u32 flags)
{
	__u32 hwpt = hwpt_alloc(self->env.fd, self->edu->dev_id, self->ioas, flags);
	struct made made = attach(self, hwpt);

	edu_detach(self->edu);
	object_destroy(self->env.fd, hwpt);
	return made;
}

static bool same_iova(const struct made *a, const struct made *b)
{
	return a->low.start == b->low.start && a->low.last == b->low.last &&
	       a->high.start == b->high.start && a->high.last == b->high.last;
}

/* Arm and RISC-V hardware updates entries of a trackable HWPT even while nobody tracks */
static bool costs_nothing(const struct made *without, const struct made *with)
{
	return without->hwpt.format == with->hwpt.format &&
	       same_iova(without, with) &&
	       (getenv("DIRTY_DEVICES") ||
		(with->hwpt.format != IOMMU_DIRTY_FMT_ARM_S1 &&
		 with->hwpt.format != IOMMU_DIRTY_FMT_ARM_S2 &&
		 with->hwpt.format != IOMMU_DIRTY_FMT_RISCV));
}

FIXTURE_SETUP(trackable)
{
	struct made without, with;

	OPEN_OR_SKIP(return, env_open(&self->env, 2));
	self->edu = &self->env.edu[1];
	/* Without what ioas_alloc() sets */
	check(__ioas_alloc(self->env.fd, &self->ioas));
	self->tracker = tracker_alloc(self->env.fd, self->ioas);
	without = attach_allocated(self, 0);
	with = attach_allocated(self, IOMMU_HWPT_ALLOC_DIRTY_TRACKING);
	ASSERT_EQ(IOMMU_DIRTY_REASON_NOT_REQUESTED, without.hwpt.reason);
	ASSERT_EQ(IOMMU_DIRTY_REASON_OK, with.hwpt.reason);
	self->free = costs_nothing(&without, &with);
	lib_note("format %u, with dirty tracking %u: tracking %s",
		 without.hwpt.format, with.hwpt.format,
		 self->free ? "costs nothing" : "has a cost");
}

FIXTURE_TEARDOWN(trackable)
{
	env_close(&self->env);
}

/* As if the kernel had no trackers */
TEST_F(trackable, off)
{
	struct made want = attach_allocated(self, 0);
	struct made got = attach_auto(self, false);

	EXPECT_EQ(want.hwpt.format, got.hwpt.format);
	EXPECT_EQ(want.hwpt.io_page_sizes, got.hwpt.io_page_sizes);
	EXPECT_TRUE(same_iova(&want, &got));
	EXPECT_EQ(self->free ? IOMMU_DIRTY_REASON_OK : IOMMU_DIRTY_REASON_NOT_REQUESTED,
		  got.hwpt.reason);
}

TEST_F(trackable, on)
{
	struct made want = attach_allocated(self, IOMMU_HWPT_ALLOC_DIRTY_TRACKING);
	struct made got = attach_auto(self, true);

	EXPECT_EQ(want.hwpt.format, got.hwpt.format);
	EXPECT_EQ(want.hwpt.io_page_sizes, got.hwpt.io_page_sizes);
	EXPECT_TRUE(same_iova(&want, &got));
	EXPECT_EQ(IOMMU_DIRTY_REASON_OK, got.hwpt.reason);
	EXPECT_EQ(0, got.hwpt.io_page_sizes & ~(2 * SZ_1G - 1));
}

/* START names the HWPT; the option helps once the device is attached again */
TEST_F(trackable, start)
{
	struct iommu_dirty_tracker_start start;
	int fd = self->env.fd;
	struct made made;

	check(__ioas_set_trackable(fd, self->ioas, false));
	made = attach(self, self->ioas);
	if (self->free) {
		EXPECT_EQ(0, __tracker_start(fd, self->tracker, &start));
		return;
	}
	EXPECT_EQ(-ENXIO, __tracker_start(fd, self->tracker, &start));
	EXPECT_EQ(IOMMU_DIRTY_MEMBER_HWPT, start.out_type);
	EXPECT_EQ(made.hwpt.id, start.out_id);
	EXPECT_EQ(IOMMU_DIRTY_REASON_NOT_REQUESTED, start.out_reason);

	/* What exists is not changed */
	check(__ioas_set_trackable(fd, self->ioas, true));
	EXPECT_EQ(-ENXIO, __tracker_start(fd, self->tracker, &start));
	EXPECT_EQ(made.hwpt.id, start.out_id);
	edu_detach(self->edu);

	attach(self, self->ioas);
	check(__ioas_set_trackable(fd, self->ioas, false));
	EXPECT_EQ(0, __tracker_start(fd, self->tracker, &start));
}

/* Also after the option was switched off again */
TEST_F(trackable, track)
{
	struct read_args args = {
		.fd = self->env.fd,
		.tracker = self->tracker,
		.iova = IOVA,
		.length = 8 * SZ_4K,
		.page_size = SZ_4K,
	};
	struct env *env = &self->env;
	unsigned char bitmap = 0;
	void *mem = mem_alloc(8 * SZ_4K);

	args.data = &bitmap;
	env_map_stage(env, self->ioas);
	ioas_set_huge_pages(env->fd, self->ioas, false);
	ioas_map(env->fd, self->ioas, mem, 8 * SZ_4K, IOVA);
	check(__ioas_set_trackable(env->fd, self->ioas, true));
	attach(self, self->ioas);
	check(__ioas_set_trackable(env->fd, self->ioas, false));
	tracker_start(env->fd, self->tracker);
	env_load(env, 1);
	env_store(env, 1, IOVA + 5 * SZ_4K);
	EXPECT_EQ(1, tracker_read(&args));
	EXPECT_EQ(1 << 5, bitmap);
	mem_free(mem, 8 * SZ_4K);
}

TEST_F(trackable, default_value)
{
	FILE *file = fopen(PARAMETER, "r");
	char c;

	ASSERT_NE(NULL, file);
	ASSERT_EQ(1, fscanf(file, "%c", &c));
	fclose(file);
	EXPECT_EQ(c == 'Y', option_get(self->env.fd, self->ioas));
}

TEST_F(trackable, arguments)
{
	struct iommu_option cmd = {
		.size = sizeof(cmd),
		.option_id = IOMMU_OPTION_DIRTY_TRACKABLE,
		.op = IOMMU_OPTION_OP_GET,
		.object_id = self->ioas,
	};
	const __u32 others[] = { 0, self->tracker, self->edu->dev_id, 0x7fffffff };
	__u32 beside = ioas_alloc(self->env.fd);
	int fd = self->env.fd;
	__u64 value;
	__u32 i;

	for (value = 0; value < 2; value++) {
		EXPECT_EQ(0, option(fd, IOMMU_OPTION_OP_SET, self->ioas, &value));
		EXPECT_EQ(value, option_get(fd, self->ioas));
		/* The option is that of one IOAS */
		EXPECT_EQ(1, option_get(fd, beside));
	}
	for (i = 0; i < ARRAY_SIZE(others); i++) {
		value = 0;
		EXPECT_EQ(-ENOENT, option(fd, IOMMU_OPTION_OP_SET, others[i], &value));
		EXPECT_EQ(-ENOENT, option(fd, IOMMU_OPTION_OP_GET, others[i], &value));
	}
	value = 2;
	EXPECT_EQ(-EINVAL, option(fd, IOMMU_OPTION_OP_SET, self->ioas, &value));
	value = 1ULL << 32;
	EXPECT_EQ(-EINVAL, option(fd, IOMMU_OPTION_OP_SET, self->ioas, &value));
	value = 0;
	EXPECT_EQ(-EOPNOTSUPP, option(fd, 2, self->ioas, &value));
	cmd.__reserved = 1;
	EXPECT_EQ(-EOPNOTSUPP, __iommufd_ioctl(fd, IOMMU_OPTION, &cmd));
	EXPECT_EQ(1, option_get(fd, self->ioas));
}

TEST_HARNESS_MAIN
