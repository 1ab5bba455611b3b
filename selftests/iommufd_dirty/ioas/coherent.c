// SPDX-License-Identifier: GPL-2.0-only
/*
 * AMD's v1 tables enforce that DMA is coherent with the CPU caches, v2 tables have no
 * bit for it. iommufd must not claim enforced coherency for a v2 table: KVM would then
 * ignore the guest's cacheability attributes. VFIO_DMA_CC_IOMMU is what iommufd claims
 * for the HWPTs of an IOAS. The kernel warns if the driver claims it for a device but
 * not for the HWPT of the device.
 *
 * Linux 7.3 claims it for v2 tables, too, which a comment in its driver calls a lie.
 * The trackers do not change that.
 */
#include <kselftest_harness.h>

#include <linux/vfio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>

#include "lib.h"

FIXTURE(coherent)
{
	struct env env;
};

FIXTURE_SETUP(coherent)
{
	OPEN_OR_SKIP(return, env_open(&self->env, 1));
}

FIXTURE_TEARDOWN(coherent)
{
	env_close(&self->env);
}

/* Is the only page table of an IOAS claimed to be coherent? Stores its format */
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
		fatal("expected one page table");
	*format = m.format;
	check(__iommufd_ioctl(env->fd, IOMMU_VFIO_IOAS, &compat));
	return check(ioctl(env->fd, VFIO_CHECK_EXTENSION, VFIO_DMA_CC_IOMMU));
}

static bool should_claim(__u32 format)
{
	struct utsname kernel;

	return format == IOMMU_DIRTY_FMT_AMD_V1 ||
	       (!uname(&kernel) && atoi(kernel.release) >= 7);
}

/* The page table that iommufd allocates automatically */
TEST_F(coherent, by_itself)
{
	__u32 format;
	bool claims = claims_coherence(&self->env, self->env.ioas, &format);

	EXPECT_EQ(should_claim(format), claims);
}

/* A page table with dirty tracking, if supported */
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
	EXPECT_EQ(should_claim(format), claims);
}

TEST_HARNESS_MAIN
