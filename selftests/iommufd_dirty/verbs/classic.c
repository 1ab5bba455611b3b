// SPDX-License-Identifier: GPL-2.0-only
/*
 * The per-HWPT ioctls SET_DIRTY_TRACKING and GET_DIRTY_BITMAP ("classic" tracking) beside
 * trackers of the same IOAS: neither knows of the other, and each gets exactly the pages
 * that it would get alone. Classic tracking reports what devices write through one HWPT;
 * writes by software and unmapped pages are for trackers only.
 */
#include <errno.h>
#include <kselftest_harness.h>
#include <string.h>
#include <sys/mman.h>

#include "lib.h"

#define PAGES	64
#define SIZE	(PAGES * SZ_4K)
/* So that a bitmap is one word, and a harvest takes two windows */
#define IOVA	(2 * SZ_1G - SIZE / 2)
#define AT(page) (IOVA + (page) * SZ_4K)
#define BIT(page) (1ULL << (page))
#define ROUNDS	300

FIXTURE(classic)
{
	struct env env;
	__u32 hwpt[2];		/* of the devices */
	char *mem;		/* mapped at IOVA */
};

FIXTURE_SETUP(classic)
{
	struct env *env = &self->env;
	unsigned int i;

	OPEN_OR_SKIP(return, env_open(env, 2));
	self->mem = mem_alloc(SIZE);
	ioas_map(env->fd, env->ioas, self->mem, SIZE, IOVA);
	for (i = 0; i < 2; i++) {
		self->hwpt[i] = hwpt_alloc(env->fd, env->edu[i].dev_id, env->ioas,
					   IOMMU_HWPT_ALLOC_DIRTY_TRACKING);
		edu_attach(&env->edu[i], self->hwpt[i]);
		env_load(env, i);
	}
	env_twin(env);
}

FIXTURE_TEARDOWN(classic)
{
	if (!self->mem)
		return;
	env_close(&self->env);
	mem_free(self->mem, SIZE);
}

static int __get(int fd, __u32 hwpt, __u32 flags, __u64 iova, __u64 length,
		 __u64 page_size, void *bitmap)
{
	struct iommu_hwpt_get_dirty_bitmap cmd = {
		.size = sizeof(cmd),
		.hwpt_id = hwpt,
		.flags = flags,
		.iova = iova,
		.length = length,
		.page_size = page_size,
		.data = (uintptr_t)bitmap,
	};

	return __iommufd_ioctl(fd, IOMMU_HWPT_GET_DIRTY_BITMAP, &cmd);
}

static __u64 get_flags(struct _test_data_classic *self, unsigned int index, __u32 flags)
{
	__u64 word = 0;

	check(__get(self->env.fd, self->hwpt[index], flags, IOVA, SIZE, SZ_4K, &word));
	return word;
}

/* The pages that GET reports for the HWPT of a device */
static __u64 get(struct _test_data_classic *self, unsigned int index)
{
	return get_flags(self, index, 0);
}

/* The pages that READ reports, and SCAN */
static __u64 tracked(struct _test_data_classic *self, __u32 flags)
{
	__u64 word = 0;

	env_read(&self->env, IOVA, SIZE, SZ_4K, flags, &word);
	return word;
}

static void set(struct _test_data_classic *self, unsigned int index, bool on)
{
	check(__hwpt_set_dirty(self->env.fd, self->hwpt[index], on));
}

static void store(struct _test_data_classic *self, unsigned int index, unsigned int page)
{
	env_store(&self->env, index, AT(page));
}

static void stop(struct env *env)
{
	tracker_stop(env->fd, env->tracker);
	tracker_stop(env->fd, env->twin);
}

/* Both start while the other runs, and take nothing from each other */
TEST_F(classic, either_first)
{
	struct env *env = &self->env;

	env_start(env);
	store(self, 0, 1);
	EXPECT_EQ(0, __hwpt_set_dirty(env->fd, self->hwpt[0], true));
	EXPECT_EQ(0, get(self, 0));
	EXPECT_EQ(BIT(1), tracked(self, 0));
	store(self, 0, 2);
	EXPECT_EQ(BIT(2), get(self, 0));
	EXPECT_EQ(BIT(2), tracked(self, 0));
	store(self, 0, 40);
	EXPECT_EQ(BIT(40), tracked(self, 0));
	EXPECT_EQ(BIT(40), get(self, 0));
	EXPECT_EQ(0, get(self, 0));
	EXPECT_EQ(0, tracked(self, 0));
	stop(env);

	store(self, 0, 3);
	EXPECT_EQ(0, __tracker_start(env->fd, env->tracker, NULL));
	EXPECT_EQ(0, __tracker_start(env->fd, env->twin, NULL));
	EXPECT_EQ(0, tracked(self, 0));
	EXPECT_EQ(BIT(3), get(self, 0));
	EXPECT_EQ(0, __hwpt_set_dirty(env->fd, self->hwpt[0], false));
}

/* Random writes, and random GETs and READs: each gets what it has not got yet */
TEST_F_TIMEOUT(classic, random, 120)
{
	__u64 want[2] = {}, want_tracked = 0;
	unsigned int round, index, page;

	set(self, 0, true);
	env_start(&self->env);
	set(self, 1, true);
	for (round = 0; round < ROUNDS; round++) {
		bool keep = random_below(2);

		index = random_below(2);
		switch (random_below(5)) {
		case 0:
			ASSERT_EQ(want[index],
				  get_flags(self, index, keep ?
					    IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR : 0));
			if (!keep)
				want[index] = 0;
			break;
		case 1:
			ASSERT_EQ(want_tracked,
				  tracked(self, keep ? IOMMU_DIRTY_READ_NO_CLEAR : 0));
			if (!keep)
				want_tracked = 0;
			break;
		default:
			page = random_below(PAGES);
			store(self, index, page);
			want[index] |= BIT(page);
			want_tracked |= BIT(page);
		}
	}
	EXPECT_EQ(want[0], get(self, 0));
	EXPECT_EQ(want_tracked, tracked(self, 0));
	EXPECT_EQ(want[1], get(self, 1));
}

/* NO_CLEAR takes nothing from anybody */
TEST_F(classic, no_clear)
{
	env_start(&self->env);
	set(self, 0, true);
	store(self, 0, 5);
	EXPECT_EQ(BIT(5), get_flags(self, 0, IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR));
	EXPECT_EQ(BIT(5), tracked(self, IOMMU_DIRTY_READ_NO_CLEAR));
	EXPECT_EQ(BIT(5), get_flags(self, 0, IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR));
	EXPECT_EQ(BIT(5), tracked(self, 0));
	/* Now it is in the record of classic tracking only */
	EXPECT_EQ(BIT(5), get_flags(self, 0, IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR));
	EXPECT_EQ(0, tracked(self, 0));
	EXPECT_EQ(BIT(5), get(self, 0));
	EXPECT_EQ(0, get(self, 0));
}

/* Who stops does not disturb the other one */
TEST_F(classic, stop_one)
{
	struct env *env = &self->env;

	env_start(env);
	set(self, 0, true);
	store(self, 0, 1);
	stop(env);
	store(self, 0, 2);
	EXPECT_EQ(BIT(1) | BIT(2), get(self, 0));
	store(self, 0, 3);
	EXPECT_EQ(BIT(3), get(self, 0));

	env_start(env);
	store(self, 0, 4);
	set(self, 0, false);
	store(self, 0, 5);
	EXPECT_EQ(0, get(self, 0));
	EXPECT_EQ(BIT(4) | BIT(5), tracked(self, 0));
	store(self, 0, 6);
	EXPECT_EQ(BIT(6), tracked(self, 0));
	/* Disabling it once more changes nothing either */
	set(self, 0, false);
	store(self, 0, 7);
	EXPECT_EQ(BIT(7), tracked(self, 0));
	EXPECT_EQ(0, get(self, 0));
}

/* A device in the IOAS whose driver can fail to enable and disable tracking */
static const char *open_soft(struct _test_data_classic *self, struct edu *edu)
{
	const char *reason = soft_open_other(edu, self->env.fd);

	if (reason)
		return reason;
	self->hwpt[0] = hwpt_alloc(self->env.fd, edu->dev_id, self->env.ioas,
				   IOMMU_HWPT_ALLOC_DIRTY_TRACKING);
	edu_attach(edu, self->hwpt[0]);
	return NULL;
}

/* Only the first one enables tracking in the hardware, and only the last one disables it */
TEST_F(classic, hardware)
{
	struct env *env = &self->env;
	int fd = env->fd;
	struct edu edu;

	OPEN_OR_SKIP(return, open_soft(self, &edu));
	env_start(env);
	soft_fail_once(&edu, FAULT_ENABLE, ENODEV);
	EXPECT_EQ(0, __hwpt_set_dirty(fd, self->hwpt[0], true));
	soft_fail_once(&edu, FAULT_DISABLE, ENODEV);
	EXPECT_EQ(0, __tracker_stop(fd, env->tracker));
	EXPECT_EQ(0, __tracker_stop(fd, env->twin));
	/* The error of the driver, as without trackers */
	EXPECT_EQ(-ENODEV, __hwpt_set_dirty(fd, self->hwpt[0], false));

	set(self, 0, true);
	soft_fail_once(&edu, FAULT_ENABLE, ENODEV);
	EXPECT_EQ(0, __tracker_start(fd, env->tracker, NULL));
	soft_fail_once(&edu, FAULT_DISABLE, ENODEV);
	EXPECT_EQ(0, __hwpt_set_dirty(fd, self->hwpt[0], false));
	EXPECT_EQ(-EIO, __tracker_stop(fd, env->tracker));

	soft_fail_once(&edu, FAULT_ENABLE, ENODEV);
	EXPECT_EQ(-ENODEV, __hwpt_set_dirty(fd, self->hwpt[0], true));
	EXPECT_EQ(0, __hwpt_set_dirty(fd, self->hwpt[0], true));
	EXPECT_EQ(0, __hwpt_set_dirty(fd, self->hwpt[0], false));
	/* Disabled, so there is nothing left to disable */
	soft_fail_once(&edu, FAULT_DISABLE, ENODEV);
	EXPECT_EQ(0, __hwpt_set_dirty(fd, self->hwpt[0], false));
	soft_faults(&edu, (struct soft_faults) {});
	edu_close(&edu);
}

/* Enabling it again discards what is dirty, but only for itself */
TEST_F(classic, set_again)
{
	env_start(&self->env);
	set(self, 0, true);
	store(self, 0, 8);
	EXPECT_EQ(BIT(8), tracked(self, 0));
	store(self, 0, 9);
	/* Page 8 is in the record, page 9 in the page table */
	set(self, 0, true);
	EXPECT_EQ(0, get(self, 0));
	EXPECT_EQ(BIT(9), tracked(self, 0));
	EXPECT_EQ(0, get(self, 0));
	store(self, 0, 10);
	EXPECT_EQ(BIT(10), get(self, 0));
}

/* While it is off, GET succeeds, but reports nothing and takes nothing */
TEST_F(classic, off)
{
	struct env *env = &self->env;
	__u64 word = BIT(50);

	env_start(env);
	store(self, 0, 1);
	EXPECT_EQ(0, __hwpt_get_dirty(env->fd, self->hwpt[0], IOVA, SIZE, &word));
	EXPECT_EQ(BIT(50), word);
	EXPECT_EQ(BIT(1), tracked(self, 0));
	set(self, 0, true);
	store(self, 0, 2);
	set(self, 0, false);
	store(self, 0, 3);
	EXPECT_EQ(0, __hwpt_get_dirty(env->fd, self->hwpt[0], IOVA, SIZE, &word));
	EXPECT_EQ(BIT(50), word);
	EXPECT_EQ(BIT(2) | BIT(3), tracked(self, 0));
	/* Nothing from before has been kept */
	set(self, 0, true);
	EXPECT_EQ(0, get(self, 0));
}

TEST_F(classic, software)
{
	struct env *env = &self->env;
	int access = __access_create(env->fd, env->ioas), pins;
	__u64 value = 1;
	__u32 pin;

	if (access == -ENOTTY)
		SKIP(return, "no CONFIG_IOMMUFD_TEST");
	check(access);
	pins = check(__access_create_pins(env->fd, env->ioas));
	set(self, 0, true);
	env_start(env);
	check(__access_write(env->fd, access, AT(4), &value, sizeof(value)));
	store(self, 0, 5);
	pin = access_pin(env->fd, pins, AT(6), SZ_4K, ACCESS_WRITE);
	EXPECT_EQ(BIT(5), get(self, 0));
	EXPECT_EQ(BIT(4) | BIT(5) | BIT(6), tracked(self, 0));
	access_unpin(env->fd, pins, pin);
	EXPECT_EQ(0, get(self, 0));
	EXPECT_EQ(BIT(6), tracked(self, 0));
	check(__access_write(env->fd, access, AT(4), &value, sizeof(value)));
	EXPECT_EQ(BIT(4), tracked(self, 0));
	EXPECT_EQ(0, get(self, 0));
	access_destroy(access);
	access_destroy(pins);
}

/* Maps pages [@first, @end) at their place */
static void map(struct _test_data_classic *self, unsigned int first, unsigned int end)
{
	ioas_map(self->env.fd, self->env.ioas, self->mem + first * SZ_4K,
		 (end - first) * SZ_4K, AT(first));
}

static void unmap(struct _test_data_classic *self, unsigned int first, unsigned int end)
{
	ioas_unmap(self->env.fd, self->env.ioas, AT(first), (end - first) * SZ_4K);
}

/* What was dirty in a mapping that is gone does not show up in the next one */
TEST_F(classic, unmapped)
{
	struct env *env = &self->env;
	struct read_args args = {
		.fd = env->fd, .tracker = env->tracker, .iova = AT(0),
		.length = PAGES / 2 * SZ_4K, .page_size = SZ_4K,
	};
	__u64 word = 0, unmapped;

	unmap(self, 0, PAGES);
	map(self, 0, 32);
	map(self, 32, PAGES);
	set(self, 0, true);
	env_start(env);
	store(self, 0, 1);
	store(self, 0, 33);
	/* READ puts both pages into the record of classic tracking */
	EXPECT_EQ(BIT(1) | BIT(33), tracked(self, 0));
	store(self, 0, 2);
	unmap(self, 0, 32);
	map(self, 0, 32);
	EXPECT_EQ(BIT(33), get(self, 0));
	EXPECT_EQ(BIT(2), tracked(self, 0));
	EXPECT_EQ(0, get(self, 0));
	store(self, 0, 3);
	EXPECT_EQ(BIT(3), get(self, 0));

	/* The same with the tracker's UNMAP */
	store(self, 0, 4);
	EXPECT_EQ(BIT(3) | BIT(4), tracked(self, 0));
	store(self, 0, 5);
	store(self, 0, 34);
	args.data = &word;
	ASSERT_EQ(0, __tracker_unmap(&args, &unmapped));
	EXPECT_EQ(BIT(5), word);
	map(self, 0, 32);
	EXPECT_EQ(BIT(34), get(self, 0));

	/* And without a tracker */
	stop(env);
	store(self, 0, 6);
	unmap(self, 0, 32);
	map(self, 0, 32);
	EXPECT_EQ(0, get(self, 0));
	store(self, 0, 7);
	EXPECT_EQ(BIT(7), get(self, 0));
}

/* GET ends at the first IOVA that is not mapped, and succeeds */
TEST_F(classic, holes)
{
	struct env *env = &self->env;
	__u64 word = 0;

	unmap(self, 0, PAGES);
	map(self, 0, 16);
	check(__ioas_map(env->fd, env->ioas, self->mem + 16 * SZ_4K, 16 * SZ_4K, AT(16),
			 IOMMU_IOAS_MAP_READABLE));
	map(self, 32, 40);
	map(self, 48, PAGES);
	set(self, 0, true);
	env_start(env);
	store(self, 0, 1);
	store(self, 0, 35);
	store(self, 0, 50);
	EXPECT_EQ(BIT(1) | BIT(35), get(self, 0));
	EXPECT_EQ(0, get(self, 0));
	EXPECT_EQ(0, __get(env->fd, self->hwpt[0], 0, AT(40), 24 * SZ_4K, SZ_4K, &word));
	EXPECT_EQ(0, word);
	/* A READ puts page 50 into the record of classic tracking, behind the hole */
	EXPECT_EQ(BIT(1) | BIT(35) | BIT(50), tracked(self, 0));
	EXPECT_EQ(0, get(self, 0));
	EXPECT_EQ(0, __get(env->fd, self->hwpt[0], 0, AT(48), 16 * SZ_4K, SZ_4K, &word));
	EXPECT_EQ(BIT(50 - 48), word);
}

/* A bitmap of 8 bytes in front of a page, and as many in that page, which is unmapped */
static void *bad_bitmap(void)
{
	char *pages = mem_alloc(2 * SZ_4K);

	if (mprotect(pages + SZ_4K, SZ_4K, PROT_NONE))
		fatal("mprotect: error %d", errno);
	return pages + SZ_4K - 8;
}

/* After -EFAULT, everything that was dirty is dirty still; @length with or without a hole */
static void check_fault(struct __test_metadata *_metadata, struct _test_data_classic *self,
			__u64 iova, __u64 length)
{
	__u64 *bad = bad_bitmap(), words[3];
	struct env *env = &self->env;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		env_store(env, 0, iova + 3 * SZ_4K);
		env_store(env, 0, iova + 90 * SZ_4K);
		/* Into the record of classic tracking */
		env_read(env, iova, 128 * SZ_4K, SZ_4K, 0, words);
		env_store(env, 0, iova + 4 * SZ_4K);
		env_store(env, 0, iova + 127 * SZ_4K);
		*bad = 0;
		EXPECT_EQ(-EFAULT,
			  __get(env->fd, self->hwpt[0], i == 2 ?
				IOMMU_HWPT_GET_DIRTY_BITMAP_NO_CLEAR : 0, iova, length, SZ_4K,
				i == 1 ? (void *)bad + 8 : bad));
		memset(words, 0, sizeof(words));
		EXPECT_EQ(0, __get(env->fd, self->hwpt[0], 0, iova, length, SZ_4K, words));
		EXPECT_EQ(BIT(3) | BIT(4), words[0]);
		EXPECT_EQ(BIT(90 - 64) | BIT(127 - 64), words[1]);
		EXPECT_EQ(0, words[2]);
		memset(words, 0, sizeof(words));
		EXPECT_EQ(2, env_read(env, iova, 128 * SZ_4K, SZ_4K, 0, words));
		EXPECT_EQ(BIT(4), words[0]);
		memset(words, 0, sizeof(words));
		EXPECT_EQ(0, __get(env->fd, self->hwpt[0], 0, iova, length, SZ_4K, words));
		EXPECT_EQ(0, words[0] | words[1] | words[2]);
	}
	mem_free((char *)bad + 8 - SZ_4K, 2 * SZ_4K);
}

TEST_F(classic, bad_bitmap)
{
	const __u64 iova = 4 * SZ_1G;
	char *mem = mem_alloc(128 * SZ_4K);

	ioas_map(self->env.fd, self->env.ioas, mem, 128 * SZ_4K, iova);
	set(self, 0, true);
	env_start(&self->env);
	check_fault(_metadata, self, iova, 128 * SZ_4K);
	/* Nothing is mapped behind the 128 pages */
	check_fault(_metadata, self, iova, 192 * SZ_4K);
	ioas_unmap(self->env.fd, self->env.ioas, iova, 128 * SZ_4K);
	mem_free(mem, 128 * SZ_4K);
}

/* A bit may stand for several pages, of which only some are dirty */
TEST_F(classic, page_sizes)
{
	struct env *env = &self->env;
	unsigned char bits = 0;

	env_start(env);
	set(self, 0, true);
	store(self, 0, 2);
	store(self, 0, 63);
	EXPECT_EQ(0, __get(env->fd, self->hwpt[0], 0, IOVA, SIZE, SZ_64K, &bits));
	EXPECT_EQ(0x9, bits);
	EXPECT_EQ(0, get(self, 0));
	EXPECT_EQ(BIT(2) | BIT(63), tracked(self, 0));
}

/* Classic tracking of a HWPT is for writes through that HWPT only */
TEST_F(classic, one_of_two)
{
	set(self, 0, true);
	env_start(&self->env);
	store(self, 0, 1);
	store(self, 1, 2);
	EXPECT_EQ(0, get(self, 1));
	EXPECT_EQ(BIT(1) | BIT(2), tracked(self, 0));
	EXPECT_EQ(BIT(1), get(self, 0));
	EXPECT_EQ(0, get(self, 1));
	store(self, 1, 3);
	set(self, 1, true);
	store(self, 1, 4);
	store(self, 0, 5);
	EXPECT_EQ(BIT(4), get(self, 1));
	EXPECT_EQ(BIT(5), get(self, 0));
	set(self, 0, false);
	store(self, 0, 6);
	store(self, 1, 7);
	EXPECT_EQ(BIT(7), get(self, 1));
	EXPECT_EQ(BIT(3) | BIT(4) | BIT(5) | BIT(6) | BIT(7), tracked(self, 0));
}

/* A HWPT goes while it is tracked: the tracker keeps its pages, and so do others */
TEST_F(classic, destroyed)
{
	struct env *env = &self->env;
	struct iommu_dirty_member m[4];
	__u32 i, num;

	set(self, 0, true);
	set(self, 1, true);
	env_start(env);
	store(self, 0, 1);
	store(self, 1, 2);
	edu_detach(&env->edu[1]);
	object_destroy(env->fd, self->hwpt[1]);
	EXPECT_EQ(BIT(1) | BIT(2), tracked(self, 0));
	EXPECT_EQ(BIT(1), get(self, 0));
	store(self, 0, 3);
	EXPECT_EQ(BIT(3), get(self, 0));
	EXPECT_EQ(BIT(3), tracked(self, 0));

	/* An automatic HWPT, which goes with its last device */
	edu_attach(&env->edu[1], env->ioas);
	num = tracker_members(env->fd, env->tracker, m, 4);
	for (i = 0; i < num && !(m[i].flags & IOMMU_DIRTY_MEMBER_AUTO); i++)
		;
	ASSERT_GT(num, i);
	self->hwpt[1] = m[i].id;
	set(self, 1, true);
	store(self, 1, 4);
	EXPECT_EQ(BIT(4), get(self, 1));
	store(self, 1, 5);
	edu_detach(&env->edu[1]);
	EXPECT_EQ(BIT(4) | BIT(5), tracked(self, 0));

	/* Without a tracker, too */
	stop(env);
	edu_detach(&env->edu[0]);
	object_destroy(env->fd, self->hwpt[0]);
}

/* A HWPT that cannot be tracked may join, as without classic tracking */
TEST_F(classic, untrackable_joins)
{
	struct env *env = &self->env;
	__u32 hwpt;

	set(self, 0, true);
	ASSERT_EQ(0, __hwpt_alloc(env->fd, env->edu[1].dev_id, env->ioas, 0, &hwpt));
	edu_attach(&env->edu[1], hwpt);
	store(self, 1, 1);
	store(self, 0, 2);
	EXPECT_EQ(BIT(2), get(self, 0));
	edu_detach(&env->edu[1]);
	object_destroy(env->fd, hwpt);

	/* What a tracker demands does not change either */
	check(__tracker_start_flags(env->fd, env->tracker, IOMMU_DIRTY_START_DEGRADED, NULL));
	ASSERT_EQ(0, __hwpt_alloc(env->fd, env->edu[1].dev_id, env->ioas, 0, &hwpt));
	store(self, 0, 3);
	/* The tracker is blind, classic tracking is not */
	EXPECT_EQ(BIT(3), get(self, 0));
	EXPECT_EQ(IOMMU_DIRTY_TRACKER_DEGRADED | IOMMU_DIRTY_TRACKER_BLIND,
		  tracker_flags(env->fd, env->tracker));
	object_destroy(env->fd, hwpt);
	check(__tracker_start(env->fd, env->twin, NULL));
	EXPECT_EQ(-ENXIO, __hwpt_alloc(env->fd, env->edu[1].dev_id, env->ioas, 0, &hwpt));
	store(self, 0, 4);
	EXPECT_EQ(BIT(4), get(self, 0));
}

/* The checks of upstream */
TEST_F(classic, errors)
{
	__u32 hwpt = self->hwpt[0], plain;
	int fd = self->env.fd;
	struct iommu_hwpt_set_dirty_tracking on = {
		.size = sizeof(on), .hwpt_id = hwpt, .flags = 2,
	};
	__u64 word = 0;

	env_start(&self->env);
	set(self, 0, true);
	store(self, 0, 5);
	EXPECT_EQ(-EOPNOTSUPP, __iommufd_ioctl(fd, IOMMU_HWPT_SET_DIRTY_TRACKING, &on));
	EXPECT_EQ(-ENOENT, __hwpt_set_dirty(fd, self->env.ioas, true));
	EXPECT_EQ(-EOPNOTSUPP, __get(fd, hwpt, 2, IOVA, SIZE, SZ_4K, &word));
	EXPECT_EQ(-ENOENT, __get(fd, self->env.ioas, 0, IOVA, SIZE, SZ_4K, &word));
	EXPECT_EQ(-EINVAL, __get(fd, hwpt, 0, IOVA, 0, SZ_4K, &word));
	EXPECT_EQ(-EINVAL, __get(fd, hwpt, 0, IOVA, SIZE, 0, &word));
	EXPECT_EQ(-EINVAL, __get(fd, hwpt, 0, IOVA + 1, SIZE, SZ_4K, &word));
	EXPECT_EQ(-EINVAL, __get(fd, hwpt, 0, IOVA, SIZE - 1, SZ_4K, &word));
	EXPECT_EQ(-EINVAL, __get(fd, hwpt, 0, AT(1), 15 * SZ_4K, SZ_64K, &word));
	EXPECT_EQ(-EINVAL, __get(fd, hwpt, 0, IOVA, 15 * SZ_4K, SZ_64K, &word));
	EXPECT_EQ(-EOVERFLOW, __get(fd, hwpt, 0, -SZ_4K, 2 * SZ_4K, SZ_4K, &word));
	/* The same while it is off */
	EXPECT_EQ(-EINVAL, __get(fd, self->hwpt[1], 0, IOVA, 0, SZ_4K, &word));
	EXPECT_EQ(-EOVERFLOW, __get(fd, self->hwpt[1], 0, -SZ_4K, 2 * SZ_4K, SZ_4K, &word));
	EXPECT_EQ(0, word);
	EXPECT_EQ(BIT(5), get(self, 0));
	EXPECT_EQ(BIT(5), tracked(self, 0));

	/* A HWPT that was allocated without dirty tracking */
	stop(&self->env);
	plain = hwpt_alloc(fd, self->env.edu[1].dev_id, self->env.ioas, 0);
	EXPECT_EQ(-EOPNOTSUPP, __hwpt_set_dirty(fd, plain, true));
	EXPECT_EQ(-EOPNOTSUPP, __get(fd, plain, 0, IOVA, SIZE, SZ_4K, &word));
}

TEST_HARNESS_MAIN
