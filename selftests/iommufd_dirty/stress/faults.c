// SPDX-License-Identifier: GPL-2.0-only
/*
 * READs into bitmaps that cannot be written, wholly or in part. READ returns
 * -EFAULT, and out_length is how far it got. Pages before that are in the bitmap,
 * and pages after it are still dirty.
 */
#include <kselftest_harness.h>

#include "lib.h"

/* One page of bitmap covers 128 MiB */
#define PER_PAGE	(SZ_4K * 8 * SZ_4K)
#define FIRST		(2 * SZ_1G)

FIXTURE(faults)
{
	struct env env;
	char *mem;
	struct model model;
};

FIXTURE_SETUP(faults)
{
	OPEN_OR_SKIP(return, env_open(&self->env, 1));
	self->mem = mem_alloc(64 * SZ_4K);
}

FIXTURE_TEARDOWN(faults)
{
	env_close(&self->env);
}

/*
 * Maps the first and the last 4 KiB of each of @num parts of @part bytes and
 * starts the tracker
 */
static void open_parts(struct env *env, struct model *m, char *mem,
		       unsigned int num, __u64 part)
{
	size_t i;

	model_open(m, 2 * num);
	for (i = 0; i < 2 * num; i++) {
		m->iova[i] = FIRST + i / 2 * part + (i % 2 ? part - SZ_4K : 0);
		ioas_map(env->fd, env->ioas, mem + i * SZ_4K, SZ_4K, m->iova[i]);
	}
	env_start(env);
}

static void write_all(struct env *env, struct model *m)
{
	size_t i;

	env_load(env, 0);
	for (i = 0; i < m->num; i++)
		env_store(env, 0, m->iova[i]);
	model_set_all(m);
}

/* The part of a bitmap that is bad, and how */
struct bad {
	size_t offset;
	size_t length;
	int prot;	/* -1: not mapped at all */
};

static void make_bad(char *bitmap, const struct bad *bad)
{
	if (bad->prot < 0)
		munmap(bitmap + bad->offset, bad->length);
	else
		mprotect(bitmap + bad->offset, bad->length, bad->prot);
}

static void make_good(char *bitmap, const struct bad *bad)
{
	if (bad->prot < 0)
		mmap(bitmap + bad->offset, bad->length, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	else
		mprotect(bitmap + bad->offset, bad->length,
			 PROT_READ | PROT_WRITE);
}

/* READ may get as far as the first page whose bit is in the bad part */
static __u64 farthest(const struct model *m, const struct bad *bad)
{
	__u64 offset = 0;
	size_t i;

	for (i = 0; i < m->num; i++) {
		offset = m->iova[i] - FIRST;
		if (offset / SZ_4K / 8 >= bad->offset)
			break;
	}
	return offset;
}

/*
 * READs @length bytes into a bitmap with a bad part, then into a good bitmap. The
 * first READ must do exactly what a READ of its out_length does, and the second
 * one the rest.
 */
static bool fault_is_lossless(struct env *env, struct model *m, __u64 length,
			      const struct bad *bad)
{
	struct read_args args = {
		.fd = env->fd,
		.tracker = env->tracker,
		.iova = FIRST,
		.length = length,
		.page_size = SZ_4K,
	};
	size_t size = bitmap_bytes(FIRST, length, SZ_4K);
	struct read_args done = args;
	char *got = mem_alloc(size);
	char *want = mem_alloc(size);
	__u64 want_pages = 0;
	bool ok = true;
	int rc;

	write_all(env, m);
	make_bad(got, bad);
	args.data = got;
	rc = __tracker_read(&args);
	make_good(got, bad);
	lib_note("bad bytes %#zx to %#zx of %#zx: out_length is %#llx of %#llx",
		 bad->offset, bad->offset + bad->length, size, args.out_length,
		 length);

	if (rc != -EFAULT || args.out_length > farthest(m, bad)) {
		lib_note("READ returned %d", rc);
		ok = false;
	}
	done.length = args.out_length;
	if (done.length)
		want_pages = model_read(m, &done, want);
	if (args.out_pages != want_pages || memcmp(got, want, size)) {
		lib_note("the bitmap is not that of a READ of out_length bytes");
		ok = false;
	}

	memset(want, 0, size);
	memset(got, 0, size);
	args.length = length;
	want_pages = model_read(m, &args, want);
	if (tracker_read(&args) != want_pages || memcmp(got, want, size)) {
		lib_note("the second READ found %llu pages, not %llu",
			 args.out_pages, want_pages);
		ok = false;
	}
	mem_free(got, size);
	mem_free(want, size);
	return ok && !model_num_dirty(m);
}

/* The first, a middle and the last page of a bitmap of five pages */
TEST_F(faults, small)
{
	static const int prots[] = { -1, PROT_NONE, PROT_READ };
	struct bad bad = { .length = SZ_4K };
	size_t i;
	size_t page;

	open_parts(&self->env, &self->model, self->mem, 5, PER_PAGE);
	for (i = 0; i < ARRAY_SIZE(prots); i++) {
		for (page = 0; page < 5; page += 2) {
			bad.prot = prots[i];
			bad.offset = page * SZ_4K;
			EXPECT_TRUE(fault_is_lossless(&self->env, &self->model,
						      5 * PER_PAGE, &bad));
		}
	}
}

TEST_F(faults, whole_bitmap)
{
	struct bad bad = { .length = 3 * SZ_4K, .prot = PROT_READ };

	open_parts(&self->env, &self->model, self->mem, 3, PER_PAGE);
	EXPECT_TRUE(fault_is_lossless(&self->env, &self->model, 3 * PER_PAGE, &bad));
	bad.prot = -1;
	EXPECT_TRUE(fault_is_lossless(&self->env, &self->model, 3 * PER_PAGE, &bad));
}

TEST_F(faults, second_half)
{
	struct bad bad = { .offset = 2 * SZ_4K, .length = 2 * SZ_4K, .prot = -1 };

	open_parts(&self->env, &self->model, self->mem, 4, PER_PAGE);
	EXPECT_TRUE(fault_is_lossless(&self->env, &self->model, 4 * PER_PAGE, &bad));
}

/* 200 GiB: the kernel does not pin these 6.25 MiB of bitmap at once */
TEST_F_TIMEOUT(faults, large, 120)
{
	static const size_t pages[] = { 0, 63, 512, 575, 832, 1599 };
	struct bad bad = { .length = SZ_4K };
	size_t i;

	open_parts(&self->env, &self->model, self->mem, 25, 8 * SZ_1G);
	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		bad.offset = pages[i] * SZ_4K;
		bad.prot = i % 2 ? -1 : PROT_READ;
		EXPECT_TRUE(fault_is_lossless(&self->env, &self->model,
					      200 * SZ_1G, &bad));
	}
}

static int read_to(struct env *env, void *data, __u64 *out_length)
{
	struct read_args args = {
		.fd = env->fd,
		.tracker = env->tracker,
		.iova = FIRST,
		.length = PER_PAGE,
		.page_size = SZ_4K,
		.data = data,
	};
	int rc = __tracker_read(&args);

	*out_length = args.out_length;
	return rc;
}

/* Addresses outside of the caller's memory, and memory that it cannot write */
TEST_F(faults, addresses)
{
	static const __u64 addresses[] = {
		0, 8, -2 * SZ_1G, 0xffff888000000000ULL, 1ULL << 47, 1ULL << 63,
		(1ULL << 47) - SZ_4K,
	};
	struct bad bad = { .length = SZ_4K, .prot = PROT_READ };
	__u64 out_length;
	size_t i;
	void *exe;

	open_parts(&self->env, &self->model, self->mem, 1, PER_PAGE);
	write_all(&self->env, &self->model);
	for (i = 0; i < ARRAY_SIZE(addresses); i++) {
		EXPECT_EQ(-EFAULT, read_to(&self->env,
					   (void *)(uintptr_t)addresses[i],
					   &out_length));
		EXPECT_EQ(0, out_length);
	}
	/* Shared and read-only: constants of the program */
	exe = (void *)((uintptr_t)addresses & ~(SZ_4K - 1));
	EXPECT_EQ(-EFAULT, read_to(&self->env, exe, &out_length));
	EXPECT_EQ(0, out_length);
	EXPECT_TRUE(fault_is_lossless(&self->env, &self->model, PER_PAGE, &bad));
}

/* A page of a file beyond the end of the file */
TEST_F(faults, beyond_file_end)
{
	__u64 out_length;
	char *map;
	int fd;

	open_parts(&self->env, &self->model, self->mem, 1, PER_PAGE);
	write_all(&self->env, &self->model);
	fd = memfd_create("bitmap", 0);
	map = mmap(NULL, SZ_4K, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(-EFAULT, read_to(&self->env, map, &out_length));
	ASSERT_EQ(0, ftruncate(fd, SZ_4K));
	EXPECT_EQ(0, read_to(&self->env, map, &out_length));
	EXPECT_EQ(PER_PAGE, out_length);
	EXPECT_EQ(2, bitmap_count(map, SZ_4K * 8));
}

/* Faults in the trackers array and in the struct itself */
TEST_F(faults, structs)
{
	struct env *env = &self->env;
	struct iommu_dirty_read_tracker *entry = mem_alloc(SZ_4K);
	struct iommu_dirty_tracker_read *cmd = mem_alloc(SZ_4K);
	void *bitmap = mem_alloc(SZ_4K);
	__u64 bits = PER_PAGE / SZ_4K;

	open_parts(env, &self->model, self->mem, 1, PER_PAGE);
	write_all(env, &self->model);
	entry->tracker_id = env->tracker;
	*cmd = (struct iommu_dirty_tracker_read) {
		.size = sizeof(*cmd),
		.num_trackers = 1,
		.tracker_len = sizeof(*entry),
		.iova = FIRST,
		.length = PER_PAGE,
		.page_size = SZ_4K,
		.data = (uintptr_t)bitmap,
	};
	EXPECT_EQ(-EFAULT, __iommufd_ioctl(env->fd, IOMMU_DIRTY_TRACKER_READ, cmd));
	cmd->trackers = -SZ_4K;
	EXPECT_EQ(-EFAULT, __iommufd_ioctl(env->fd, IOMMU_DIRTY_TRACKER_READ, cmd));
	EXPECT_EQ(0, bitmap_count(bitmap, bits));

	/* Both can be read, but the results cannot be written */
	cmd->trackers = (uintptr_t)entry;
	mprotect(entry, SZ_4K, PROT_READ);
	EXPECT_EQ(-EFAULT, __iommufd_ioctl(env->fd, IOMMU_DIRTY_TRACKER_READ, cmd));
	mprotect(entry, SZ_4K, PROT_READ | PROT_WRITE);
	mprotect(cmd, SZ_4K, PROT_READ);
	EXPECT_EQ(-EFAULT, __iommufd_ioctl(env->fd, IOMMU_DIRTY_TRACKER_READ, cmd));
	mprotect(cmd, SZ_4K, PROT_READ | PROT_WRITE);

	EXPECT_EQ(0, bitmap_count(bitmap, bits));

	cmd->out_length = 0;
	EXPECT_EQ(0, __iommufd_ioctl(env->fd, IOMMU_DIRTY_TRACKER_READ, cmd));
	EXPECT_EQ(PER_PAGE, cmd->out_length);
	EXPECT_EQ(2, bitmap_count(bitmap, bits));
	EXPECT_TRUE(bitmap_test(bitmap, 0));
	EXPECT_TRUE(bitmap_test(bitmap, bits - 1));
}

TEST_HARNESS_MAIN
