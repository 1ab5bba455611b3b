// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests what can happen between the steps of an unmap, with each page table format of
 * the software IOMMU. The kernel is made to wait between steps, and the hardware to set
 * a dirty bit as late as possible. A device has written to the two mapped pages; the
 * first one is dirty, the second one clean.
 *
 * With a part of the kernel left out (CONFIG_IOMMUFD_DIRTY_BREAK) pages must be missed.
 */
#include <kselftest_harness.h>

#include <sched.h>
#include <stdlib.h>

#include "lib.h"

#define IOVA	0x40000000ULL
#define PAGES	2

FIXTURE(soft_unmap_steps)
{
	struct env env;
	__u64 *mem;
	struct consumer first;
	struct consumer second;
};

FIXTURE_VARIANT(soft_unmap_steps)
{
	const char *devices;
};

FIXTURE_VARIANT_ADD(soft_unmap_steps, vtd_ss)
{
	.devices = "soft-vtd_ss",
};

FIXTURE_VARIANT_ADD(soft_unmap_steps, x86_64)
{
	.devices = "soft-x86_64",
};

FIXTURE_VARIANT_ADD(soft_unmap_steps, amd_v1)
{
	.devices = "soft-amd_v1",
};

FIXTURE_VARIANT_ADD(soft_unmap_steps, arm_s1)
{
	.devices = "soft-arm_s1",
};

FIXTURE_VARIANT_ADD(soft_unmap_steps, arm_s2)
{
	.devices = "soft-arm_s2",
};

FIXTURE_VARIANT_ADD(soft_unmap_steps, riscv)
{
	.devices = "soft-riscv",
};

FIXTURE_SETUP(soft_unmap_steps)
{
	struct env *env = &self->env;
	const char *reason;
	unsigned int i;

	setenv("DIRTY_DEVICES", variant->devices, 1);
	reason = env_open(env, 1);
	if (!reason && !break_kernel(0))
		reason = "no CONFIG_IOMMUFD_DIRTY_BREAK";
	if (reason)
		SKIP(return, "%s", reason);
	self->mem = mem_alloc(PAGES * SZ_4K);
	consumer_open(&self->first, env->fd, env->ioas, self->mem, IOVA, PAGES);
	consumer_open(&self->second, env->fd, env->ioas, self->mem, IOVA, PAGES);
	tracker_start(env->fd, self->first.tracker);
	tracker_start(env->fd, self->second.tracker);
	ioas_map(env->fd, env->ioas, self->mem, PAGES * SZ_4K, IOVA);
	env_load(env, 0);
	for (i = 0; i < PAGES; i++)
		env_store(env, 0, IOVA + i * SZ_4K);
	ASSERT_EQ(0, consumer_missed(&self->first));
	ASSERT_EQ(0, consumer_missed(&self->second));
	env_load(env, 0);
	env_store(env, 0, IOVA);
}

FIXTURE_TEARDOWN(soft_unmap_steps)
{
	if (!self->mem)
		return;
	break_kernel(0);
	consumer_close(&self->first);
	consumer_close(&self->second);
	env_close(&self->env);
	mem_free(self->mem, PAGES * SZ_4K);
}

static int unmap_verb(void *consumer)
{
	return __consumer_unmap(consumer, 0, PAGES);
}

static int unmap_ioas(void *arg)
{
	struct env *env = arg;

	return __ioas_unmap(env->fd, env->ioas, IOVA, PAGES * SZ_4K);
}

/*
 * Holds the unmap after it has recorded the dirty pages, reads them, lets the device
 * write to both pages again, and lets the unmap continue. Returns how many pages were
 * missed. @refused: how many of the writes were refused
 */
static size_t read_meanwhile(FIXTURE_DATA(soft_unmap_steps) * self, bool verb,
			     unsigned int breaks, __u64 *refused)
{
	struct env *env = &self->env;
	__u64 faults = storm_faults(&env->edu[0]);
	struct side unmap;
	unsigned int i;

	break_kernel(breaks | 1U << BREAK_HURRY);
	if (verb)
		side_start(&unmap, unmap_verb, &self->first);
	else
		side_start(&unmap, unmap_ioas, env);
	if (side_wait(&unmap))
		fatal("the unmap was not held up");
	check(__consumer_read(&self->second, 0, NULL));
	if (!verb)
		check(__consumer_read(&self->first, 0, NULL));
	env_load(env, 0);
	for (i = 0; i < PAGES; i++)
		env_store(env, 0, IOVA + i * SZ_4K);
	*refused = storm_faults(&env->edu[0]) - faults;
	break_kernel(0);
	check(side_end(&unmap));
	return consumer_missed(&self->first) + consumer_missed(&self->second);
}

TEST_F(soft_unmap_steps, read_meanwhile)
{
	__u64 refused;

	EXPECT_EQ(0, read_meanwhile(self, false, 0, &refused));
	EXPECT_EQ(PAGES, refused);
}

TEST_F(soft_unmap_steps, verb_read_meanwhile)
{
	__u64 refused;

	EXPECT_EQ(0, read_meanwhile(self, true, 0, &refused));
	EXPECT_EQ(PAGES, refused);
}

TEST_F(soft_unmap_steps, read_meanwhile_without_protect)
{
	__u64 refused;

	EXPECT_LT(0, read_meanwhile(self, false, 1U << BREAK_PROTECT, &refused));
	EXPECT_EQ(0, refused);
}

/*
 * The entry becomes read-only after the IOMMU has read it for a write. The IOMMU still
 * writes and then sets the dirty bit.
 */
static size_t unmap_late(FIXTURE_DATA(soft_unmap_steps) * self, unsigned int breaks)
{
	struct env *env = &self->env;
	struct storm storm = {
		.iova = IOVA + SZ_4K,
		.length = SZ_4K,
		.seed = 1,
		.threads = 1,
		.limit = 1,
	};
	__u64 before = self->first.copy[1].dma;

	break_kernel(breaks);
	soft_faults(&env->edu[0], (struct soft_faults) { .late_dirty = 1 });
	storm_start(&env->edu[0], &storm);
	soft_wait_held(&env->edu[0]);
	check(__ioas_unmap(env->fd, env->ioas, IOVA, PAGES * SZ_4K));
	while (storm_running(&env->edu[0]))
		sched_yield();
	storm_stop(&env->edu[0]);
	soft_faults(&env->edu[0], (struct soft_faults) {});
	break_kernel(0);
	if (self->mem[SZ_4K / sizeof(*self->mem)] == before)
		fatal("nothing was written");
	return consumer_missed(&self->first) + consumer_missed(&self->second);
}

TEST_F(soft_unmap_steps, late)
{
	EXPECT_EQ(0, unmap_late(self, 0));
}

TEST_F(soft_unmap_steps, late_without_recheck)
{
	EXPECT_LT(0, unmap_late(self, 1U << BREAK_RECHECK));
}

TEST_HARNESS_MAIN
