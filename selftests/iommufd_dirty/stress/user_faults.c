// SPDX-License-Identifier: GPL-2.0-only
/*
 * Passes unmapped or read-only memory in each pointer of each call, and structs of which
 * only a part is mapped. The call returns -EFAULT and changes nothing, and the next READ
 * reports what was dirty. Also an attach that fails because memory of the IOAS has gone.
 */
#include <kselftest_harness.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "lib.h"

/* One of the calls, with arguments that make it succeed */
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
	char *pages;		/* a good page, and one after it that changes */
};

FIXTURE_SETUP(user_faults)
{
	OPEN_OR_SKIP(return, ground_open(&self->g));
	self->pages = mem_alloc(2 * SZ_4K);
}

FIXTURE_TEARDOWN(user_faults)
{
	if (self->g.mem)
		ground_close(&self->g);
}

/* The call must fail with -EFAULT, and must not touch new dirty pages */
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

/* Only the first bytes of the struct are mapped, or writable */
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

/* Points an argument to all kinds of addresses that cannot be written */
static void bad_pointer(FIXTURE_DATA(user_faults) * self, const struct verb *verb,
			size_t pointer)
{
	const __u64 next = (uintptr_t)self->pages + SZ_4K;
	const __u64 places[] = {
		64,				/* nothing is mapped there */
		next,				/* not accessible, then read-only */
		next - 2,			/* the same, after two good bytes */
		0xffff888000000000ULL,		/* a kernel address */
		1ULL << 63,			/* not an address at all */
	};
	static const int prots[] = { PROT_NONE, PROT_READ };
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(prots); i++) {
		for (j = 0; j < ARRAY_SIZE(places); j++) {
			__u64 cmd[16];

			/* READ sets bits in the two bytes, see faults.c */
			if (places[j] == next - 2 && verb->fill == fill_read)
				continue;
			fill(&self->g, verb, cmd);
			/* Have valid content there, where it can be read */
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

struct attach {
	struct edu *edu;
	__u32 ioas;
};

static int attach_run(void *arg)
{
	struct attach *a = arg;

	return __edu_attach(a->edu, a->ioas);
}

/*
 * An attach fails at a later mapping, after the device could already write to an earlier
 * one. What it wrote is reported.
 */
TEST_F_TIMEOUT(user_faults, attach_fails, 60)
{
	struct env *env = &self->g.env;
	__u32 tracker, ioas = ioas_alloc(env->fd);
	struct attach attach = { &env->edu[0], ioas };
	__u64 page = 0, *mem = mem_alloc(SZ_4K);
	struct hold hold;
	struct side side;
	char *gone = mem_alloc(SZ_4K);
	struct read_args args = {
		.fd = env->fd, .iova = SZ_1G, .length = SZ_4K,
		.page_size = SZ_4K, .data = &page,
	};

	hold_open(&hold);
	tracker = tracker_alloc(env->fd, ioas);
	args.tracker = tracker;
	env_map_stage(env, ioas);
	ioas_map(env->fd, ioas, mem, SZ_4K, SZ_1G);
	ioas_map(env->fd, ioas, hold.page, SZ_4K, 2 * SZ_1G);
	ioas_map(env->fd, ioas, gone, SZ_4K, 3 * SZ_1G);
	mem_free(gone, SZ_4K);
	edu_detach(&env->edu[0]);
	tracker_start(env->fd, tracker);
	side_start(&side, attach_run, &attach);
	hold_wait(&hold);
	env_load(env, 0);
	env_store(env, 0, SZ_1G);
	EXPECT_EQ(env->value, mem[0]);
	hold_release(&hold);
	EXPECT_EQ(-EFAULT, side_end(&side));
	EXPECT_EQ(1, tracker_read(&args));
	EXPECT_EQ(0, tracker_read(&args));
	object_destroy(env->fd, tracker);
	object_destroy(env->fd, ioas);
	hold_close(&hold);
	mem_free(mem, SZ_4K);
}

TEST_HARNESS_MAIN
