// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that is not there, or that cannot be written, at each pointer of each
 * call, and structs that are there only in part: -EFAULT, nothing has changed, and
 * what was dirty is reported by the next READ.
 */
#include <kselftest_harness.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "lib.h"

/* One of the calls, with arguments that it would succeed with */
struct verb {
	const char *name;
	unsigned long cmd;
	size_t size;
	void (*fill)(struct ground *g, void *cmd);
	size_t pointers[2];	/* offsets of pointers to arguments; 0: none */
};

static struct iommu_dirty_read_tracker entry;
static struct iommu_dirty_member member;
static struct iommu_dirty_run run;
static __u64 bitmap[GROUND_PAGES / 64 + 1];

static void fill_alloc(struct ground *g, void *cmd)
{
	*(struct iommu_dirty_tracker_alloc *)cmd =
		(struct iommu_dirty_tracker_alloc) {
			.target_id = g->env.ioas,
		};
}

static void fill_info(struct ground *g, void *cmd)
{
	*(struct iommu_dirty_tracker_info *)cmd = (struct iommu_dirty_tracker_info) {
		.tracker_id = g->first.tracker,
		.num_members = 1,
		.members = (uintptr_t)&member,
		.member_len = sizeof(member),
	};
}

static void fill_start(struct ground *g, void *cmd)
{
	*(struct iommu_dirty_tracker_start *)cmd =
		(struct iommu_dirty_tracker_start) {
			.tracker_id = g->env.tracker,
		};
}

static void fill_read(struct ground *g, void *cmd)
{
	entry.tracker_id = g->first.tracker;
	*(struct iommu_dirty_tracker_read *)cmd = (struct iommu_dirty_tracker_read) {
		.trackers = (uintptr_t)&entry,
		.num_trackers = 1,
		.tracker_len = sizeof(entry),
		.iova = GROUND_IOVA,
		.length = GROUND_SIZE,
		.page_size = SZ_4K,
		.data = (uintptr_t)bitmap,
	};
}

static void fill_scan(struct ground *g, void *cmd)
{
	entry.tracker_id = g->first.tracker;
	*(struct iommu_dirty_tracker_scan *)cmd = (struct iommu_dirty_tracker_scan) {
		.trackers = (uintptr_t)&entry,
		.num_trackers = 1,
		.tracker_len = sizeof(entry),
		.iova = GROUND_IOVA,
		.length = GROUND_SIZE,
		.page_size = SZ_4K,
		.runs = (uintptr_t)&run,
		.num_runs = 1,
	};
}

static void fill_unmap(struct ground *g, void *cmd)
{
	*(struct iommu_dirty_tracker_unmap *)cmd =
		(struct iommu_dirty_tracker_unmap) {
			.tracker_id = g->first.tracker,
			.iova = GROUND_IOVA,
			.length = GROUND_SIZE,
			.page_size = SZ_4K,
			.data = (uintptr_t)bitmap,
		};
}

#define VERB(verb, lower)						\
	.name = #verb, .cmd = IOMMU_DIRTY_TRACKER_##verb,		\
	.size = sizeof(struct iommu_dirty_tracker_##lower), .fill = fill_##lower

static const struct verb verbs[] = {
	{ VERB(ALLOC, alloc) },
	{ VERB(INFO, info), .pointers = {
		offsetof(struct iommu_dirty_tracker_info, members) } },
	{ VERB(START, start) },
	{ VERB(READ, read), .pointers = {
		offsetof(struct iommu_dirty_tracker_read, trackers),
		offsetof(struct iommu_dirty_tracker_read, data) } },
	{ VERB(SCAN, scan), .pointers = {
		offsetof(struct iommu_dirty_tracker_scan, trackers),
		offsetof(struct iommu_dirty_tracker_scan, runs) } },
	{ VERB(UNMAP, unmap), .pointers = {
		offsetof(struct iommu_dirty_tracker_unmap, data) } },
};

FIXTURE(user_faults)
{
	struct ground g;
	char *pages;		/* a good page, and another behind it */
};

FIXTURE_SETUP(user_faults)
{
	const char *reason = ground_open(&self->g);

	if (reason)
		SKIP(return, "%s", reason);
	self->pages = mem_alloc(2 * SZ_4K);
}

FIXTURE_TEARDOWN(user_faults)
{
	if (self->g.mem)
		ground_close(&self->g);
}

/* With new dirty pages, which it must not touch */
static void expect_fault(struct ground *g, const struct verb *verb, void *cmd,
			 const char *what, __u64 where)
{
	int rc;

	ground_write(g, 0);
	rc = __iommufd_ioctl(g->env.fd, verb->cmd, cmd);
	if (rc != -EFAULT)
		fatal("%s: %s %#llx: error %d", verb->name, what, where, -rc);
	if (tracker_state(g->env.fd, g->env.tracker) != IOMMU_DIRTY_STATE_STOPPED)
		fatal("%s: %s %#llx: not stopped", verb->name, what, where);
	if (ground_map(g) != -EEXIST)
		fatal("%s: %s %#llx: unmapped", verb->name, what, where);
	if (consumer_missed(&g->first) || consumer_missed(&g->second))
		fatal("%s: %s %#llx: pages missed", verb->name, what, where);
}

static void fill(struct ground *g, const struct verb *verb, void *cmd)
{
	verb->fill(g, cmd);
	*(__u32 *)cmd = verb->size;
}

/* Only the first bytes of the struct are there, or can be written */
static void split_struct(FIXTURE_DATA(user_faults) * self, const struct verb *verb,
			 int prot)
{
	struct ground *g = &self->g;
	size_t have;

	for (have = 8; have < verb->size; have += 8) {
		char *cmd = self->pages + SZ_4K - have;

		fill(g, verb, cmd);
		mprotect(self->pages + SZ_4K, SZ_4K, prot);
		expect_fault(g, verb, cmd, "bytes of the struct", have);
		mprotect(self->pages + SZ_4K, SZ_4K, PROT_READ | PROT_WRITE);
	}
}

TEST_F_TIMEOUT(user_faults, struct_not_there, 120)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(verbs); i++)
		split_struct(self, &verbs[i], PROT_NONE);
}

TEST_F_TIMEOUT(user_faults, struct_read_only, 120)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(verbs); i++)
		split_struct(self, &verbs[i], PROT_READ);
}

/* An argument at addresses of all kinds that cannot be written */
static void bad_pointer(FIXTURE_DATA(user_faults) * self, const struct verb *verb,
			size_t pointer)
{
	const __u64 next = (uintptr_t)self->pages + SZ_4K;
	const __u64 places[] = {
		64,				/* nothing is mapped there */
		next,				/* not accessible, then read-only */
		next - 2,			/* the same after two bytes */
		0xffff888000000000ULL,		/* the kernel's */
		1ULL << 63,			/* nobody's */
	};
	static const int prots[] = { PROT_NONE, PROT_READ };
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(prots); i++) {
		for (j = 0; j < ARRAY_SIZE(places); j++) {
			__u64 cmd[16];

			/* Two bytes of READ's bitmap are marked: faults.c */
			if (places[j] == next - 2 && verb->fill == fill_read)
				continue;
			fill(&self->g, verb, cmd);
			/* What can be read there makes sense */
			if (places[j] - next + 2 <= 2)
				memcpy((void *)(uintptr_t)places[j], &entry,
				       sizeof(entry));
			mprotect(self->pages + SZ_4K, SZ_4K, prots[i]);
			memcpy((char *)cmd + pointer, &places[j], sizeof(places[j]));
			expect_fault(&self->g, verb, cmd, "pointer", places[j]);
			mprotect(self->pages + SZ_4K, SZ_4K, PROT_READ | PROT_WRITE);
		}
	}
}

TEST_F_TIMEOUT(user_faults, arguments, 120)
{
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(verbs); i++)
		for (j = 0; j < 2 && verbs[i].pointers[j]; j++)
			bad_pointer(self, &verbs[i], verbs[i].pointers[j]);
}

TEST_HARNESS_MAIN
