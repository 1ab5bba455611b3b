// SPDX-License-Identifier: GPL-2.0-only
/*
 * Access to the registers of software IOMMU devices (drivers/iommu/soft/vfio.c):
 * their writing threads, their faults, and their dirty provider.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib.h"

#define REG_STORM	0x100000	/* struct storm */
#define REG_RUN		0x100080
#define REG_WRITES	0x100088
#define REG_FAULTS	0x100090
#define REG_HELD	0x100098
#define REG_INJECT	0x100200	/* struct soft_faults */
#define REG_PROVIDER	0x100280

/* As in the kernel's drivers/iommu/soft/soft.h */
#define SOFT_HWPT_DATA	0x50f7

/* More than any test calls */
#define SOFT_UNCOUNTED	0x100000000ULL

#define SKIP_FLUSH	"/sys/module/iommu_dirty_soft/parameters/skip_flush"
#define SPLIT_FLUSH	"/sys/module/iommu_dirty_soft/parameters/split_flush"

int __storm_start(struct edu *edu, const struct storm *storm)
{
	const __u64 *words = (const __u64 *)storm;
	__u64 one = 1;
	size_t i;

	for (i = 0; i < sizeof(*storm) / sizeof(*words); i++)
		edu_write(edu, REG_STORM + i * sizeof(*words), words[i]);
	return pwrite(edu->fd, &one, sizeof(one), REG_RUN) < 0 ? -errno : 0;
}

void storm_start(struct edu *edu, const struct storm *storm)
{
	check(__storm_start(edu, storm));
}

void storm_stop(struct edu *edu)
{
	edu_write(edu, REG_RUN, 0);
}

bool storm_running(struct edu *edu)
{
	return edu_read(edu, REG_RUN);
}

__u64 storm_writes(struct edu *edu)
{
	return edu_read(edu, REG_WRITES);
}

__u64 storm_faults(struct edu *edu)
{
	return edu_read(edu, REG_FAULTS);
}

void storm_wait(struct edu *edu, __u64 writes)
{
	__u64 begin = storm_writes(edu);

	while (storm_writes(edu) - begin < writes) {
		if (!storm_running(edu))
			fatal("the device's threads have ended");
		sched_yield();
	}
}

static void set_parameter(const char *path, unsigned int value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	char digit = '0' + value;

	if (fd < 0 || write(fd, &digit, 1) != 1)
		fatal("%s: error %d", path, errno);
	close(fd);
}

void storm_skip_flush(bool on)
{
	set_parameter(SKIP_FLUSH, on);
}

void soft_split_flush(unsigned int what)
{
	set_parameter(SPLIT_FLUSH, what);
}

const char *soft_open_other(struct edu *edu, int iommufd)
{
	const char *devices = getenv("DIRTY_DEVICES");
	bool riscv = devices && !strcmp(devices, "soft-riscv");

	if (!edu_open_soft(edu, riscv ? "soft-vtd_ss" : "soft-riscv", iommufd))
		return "needs iommu_dirty_soft.devices=";
	soft_faults(edu, (struct soft_faults) {});
	return NULL;
}

void soft_provider(struct edu *edu, unsigned int provider)
{
	edu_write(edu, REG_PROVIDER, provider);
}

void soft_faults(struct edu *edu, struct soft_faults faults)
{
	const __u64 *words = (const __u64 *)&faults;
	size_t i;

	for (i = 0; i < sizeof(faults) / sizeof(*words); i++)
		edu_write(edu, REG_INJECT + i * sizeof(*words), words[i]);
}

void soft_fail_once(struct edu *edu, __u64 op, __u64 error)
{
	soft_faults(edu, (struct soft_faults) {
		.op = op,
		.error = error,
		.count = 1,
	});
}

void soft_count(struct edu *edu, __u64 op)
{
	soft_faults(edu, (struct soft_faults) {
		.op = op,
		.skip = SOFT_UNCOUNTED,
		.count = 1,
	});
}

__u64 soft_counted(struct edu *edu)
{
	return SOFT_UNCOUNTED - edu_read(edu, REG_INJECT + offsetof(struct soft_faults, skip));
}

void soft_wait_held(struct edu *edu)
{
	while (!edu_read(edu, REG_HELD))
		sched_yield();
}

int __soft_nest(struct edu *edu, int iommufd, __u32 parent, __u32 flags, __u64 offset,
		__u32 *hwpt)
{
	struct iommu_hwpt_alloc cmd = {
		.size = sizeof(cmd),
		.flags = flags,
		.dev_id = edu->dev_id,
		.pt_id = parent,
		.data_type = SOFT_HWPT_DATA,
		.data_len = sizeof(offset),
		.data_uptr = (uintptr_t)&offset,
	};
	int rc = __iommufd_ioctl(iommufd, IOMMU_HWPT_ALLOC, &cmd);

	if (!rc)
		*hwpt = cmd.out_hwpt_id;
	return rc;
}
