// SPDX-License-Identifier: GPL-2.0-only
/*
 * The setup of the device tracker tests: an edu device with the driver that logs its
 * DMA, memory for it to write to, and a model of what it has written.
 */
#include <string.h>

#include "lib.h"

static const char *logged_setup(struct logged *l)
{
	const char *reason = env_open(&l->env, 1);

	if (reason)
		return reason;
	l->mem = mem_alloc(LOGGED_SIZE);
	ioas_map(l->env.fd, l->env.ioas, l->mem, LOGGED_SIZE, LOGGED_IOVA);
	l->tracker = tracker_alloc(l->env.fd, l->env.edu[0].dev_id);
	env_load(&l->env, 0);
	return NULL;
}

const char *logged_open(struct logged *l)
{
	const char *reason = env_need_pci(1);

	memset(l, 0, sizeof(*l));
	if (reason)
		return reason;
	edu_set_driver("edu_vfio_pci");
	return logged_setup(l);
}

const char *logged_open_soft(struct logged *l, unsigned int provider)
{
	const char *reason;

	memset(l, 0, sizeof(*l));
	reason = logged_setup(l);
	if (reason)
		return reason;
	if (!l->env.edu[0].soft)
		return "no device of the software IOMMU";
	/* Clear what an earlier test may have left */
	soft_faults(&l->env.edu[0], (struct soft_faults) {});
	soft_provider(&l->env.edu[0], provider);
	return NULL;
}

void logged_reopen(struct logged *l, unsigned int quirks)
{
	struct edu *edu = &l->env.edu[0];

	edu_close(edu);
	edu_quirks(edu, quirks);
	edu_open(edu, 0, l->env.fd);
	edu_attach(edu, l->env.ioas);
	l->tracker = tracker_alloc(l->env.fd, edu->dev_id);
	env_load(&l->env, 0);
}

void logged_close(struct logged *l)
{
	if (!l->mem)
		return;
	env_close(&l->env);
	mem_free(l->mem, LOGGED_SIZE);
}

int __logged_start(struct logged *l)
{
	struct iommu_dirty_run range = { .iova = LOGGED_IOVA, .length = LOGGED_SIZE };
	__u64 page_size = SZ_4K;
	__u32 num = 1;

	return __device_start(l->env.fd, l->tracker, &range, &num, &page_size);
}

int __logged_update(struct logged *l, __u32 flags, __u64 iova, __u64 length)
{
	struct iommu_dirty_run range = { .iova = iova, .length = length };
	__u64 page_size = SZ_4K;
	__u32 num = 1;

	return __device_update(l->env.fd, l->tracker, flags, &range, &num, &page_size);
}

void logged_write(struct logged *l, unsigned int page)
{
	env_store(&l->env, 0, LOGGED_AT(page));
	bitmap_set(l->want, page);
}

void logged_dirty(struct logged *l, unsigned int first, unsigned int end)
{
	for (; first < end; first++)
		bitmap_set(l->want, first);
}

struct read_args logged_args(struct logged *l, __u32 tracker)
{
	memset(l->got, 0, sizeof(l->got));
	return (struct read_args) {
		.fd = l->env.fd,
		.tracker = tracker,
		.flags = IOMMU_DIRTY_READ_SPARSE,
		.iova = LOGGED_IOVA,
		.length = LOGGED_SIZE,
		.page_size = SZ_4K,
		.data = l->got,
	};
}

bool logged_exact(struct logged *l, __u32 tracker)
{
	struct read_args args = logged_args(l, tracker);
	bool equal;

	tracker_read(&args);
	equal = !memcmp(l->got, l->want, sizeof(l->got)) &&
		args.out_pages == bitmap_count(l->want, LOGGED_PAGES);
	memset(l->want, 0, sizeof(l->want));
	return equal;
}

struct iommu_dirty_tracker_info logged_info(struct logged *l, __u32 tracker,
					    struct iommu_dirty_member *member)
{
	return tracker_info(l->env.fd, tracker, member);
}
