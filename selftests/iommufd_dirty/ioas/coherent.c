// SPDX-License-Identifier: GPL-2.0-only
/*
 * AMD's v1 tables force DMA to be coherent with the CPU's caches, v2 tables have no bit
 * for that. Nobody may be told that it is forced who uses a v2 table: KVM would ignore
 * what the guest says of its memory's caching. What iommufd claims of the HWPTs of an
 * IOAS is VFIO_DMA_CC_IOMMU; where the driver claims it of a device and then not of its
 * HWPT, the kernel warns.
 */
#include <kselftest_harness.h>

#include <linux/vfio.h>
#include <sys/ioctl.h>

#include "lib.h"

FIXTURE(coherent)
{
	struct env env;
};

FIXTURE_SETUP(coherent)
{
	const char *reason = env_open(&self->env, 1);

	if (reason)
		SKIP(return, "%s", reason);
}

FIXTURE_TEARDOWN(coherent)
{
	env_close(&self->env);
}

/* Which format has the one page table of an IOAS, and is it said to be coherent? */
static bool claims_coherence(struct env *env, __u32 ioas, __u32 *format)
{
	__u32 tracker = tracker_alloc(env->fd, ioas);
	struct iommu_vfio_ioas compat = {
		.size = sizeof(compat),
		.op = IOMMU_VFIO_IOAS_SET,
		.ioas_id = ioas,
	};
	struct iommu_dirty_member m;

	if (tracker_members(env->fd, tracker, &m, 1) != 1)
		fatal("there is not one page table");
	*format = m.format;
	check(__iommufd_ioctl(env->fd, IOMMU_VFIO_IOAS, &compat));
	return check(ioctl(env->fd, VFIO_CHECK_EXTENSION, VFIO_DMA_CC_IOMMU));
}

/* The page table that iommufd makes by itself */
TEST_F(coherent, by_itself)
{
	__u32 format;
	bool claims = claims_coherence(&self->env, self->env.ioas, &format);

	EXPECT_EQ(format == IOMMU_DIRTY_FMT_AMD_V1, claims);
}

/* One that is asked to have dirty bits, if it can */
TEST_F(coherent, asked_for)
{
	struct env *env = &self->env;
	__u32 ioas = ioas_alloc(env->fd), hwpt, format;
	bool claims;

	edu_detach(&env->edu[0]);
	if (__hwpt_alloc(env->fd, env->edu[0].dev_id, ioas,
			 IOMMU_HWPT_ALLOC_DIRTY_TRACKING, &hwpt))
		hwpt = hwpt_alloc(env->fd, env->edu[0].dev_id, ioas, 0);
	edu_attach(&env->edu[0], hwpt);
	claims = claims_coherence(env, ioas, &format);
	EXPECT_EQ(format == IOMMU_DIRTY_FMT_AMD_V1, claims);
}

TEST_HARNESS_MAIN
