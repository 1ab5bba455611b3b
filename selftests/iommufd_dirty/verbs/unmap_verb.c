// SPDX-License-Identifier: GPL-2.0-only
/*
 * UNMAP: unmaps a range and reports its dirty pages in one call. After an error the
 * call reports how much was unmapped, if anything, and no dirty page is lost.
 */
#include <pthread.h>
#include <sys/mman.h>

#include <kselftest_harness.h>

#include "lib.h"

#define IOVA	0x40000000ULL
#define PAGES	64
#define SIZE	(PAGES * SZ_4K)
#define NO_ID	0x7ffffff0U

FIXTURE(unmap_verb)
{
	struct env env;
	struct oracle o;
	struct read_args args;
	__u64 unmapped;
};

FIXTURE_SETUP(unmap_verb)
{
	OPEN_OR_SKIP(return, env_open(&self->env, 1));
	oracle_open(&self->o, &self->env, PAGES, IOVA);
	oracle_map(&self->o, self->env.ioas);
	env_twin(&self->env);
	self->args = (struct read_args) {
		.fd = self->env.fd,
		.tracker = self->env.tracker,
		.iova = IOVA,
		.length = SIZE,
		.page_size = SZ_4K,
		.data = self->o.bitmap,
	};
}

FIXTURE_TEARDOWN(unmap_verb)
{
	oracle_close(&self->o);
	env_close(&self->env);
}

#define unmap() __tracker_unmap(&self->args, &self->unmapped)

/* Pages 0, 5 and the last one */
static void start_dirty(struct oracle *o)
{
	env_start(o->env);
	env_load(o->env, 0);
	oracle_write(o, 0, 0);
	oracle_write(o, 0, 5);
	oracle_write(o, 0, o->pages - 1);
}

/* Is something mapped there? */
static bool is_mapped(struct oracle *o, __u64 iova)
{
	int rc = __ioas_map(o->env->fd, o->env->ioas, o->mem, SZ_4K, iova,
			    IOMMU_IOAS_MAP_READABLE);

	if (!rc)
		ioas_unmap(o->env->fd, o->env->ioas, iova, SZ_4K);
	return rc;
}

/* The failed call changed nothing: all is mapped, and dirty pages remain */
static bool nothing_done(struct oracle *o)
{
	return is_mapped(o, IOVA) && is_mapped(o, IOVA + SIZE - SZ_4K) &&
	       oracle_read(o, IOMMU_DIRTY_READ_NO_CLEAR) == 3;
}

/* Number of pages that a READ of @tracker still finds */
static __u64 left_in(struct oracle *o, __u32 tracker)
{
	struct read_args args = {
		.fd = o->env->fd,
		.tracker = tracker,
		.iova = o->iova,
		.length = o->pages * SZ_4K,
		.page_size = SZ_4K,
		.data = o->bitmap,
	};

	memset(o->bitmap, 0, o->pages / 8);
	return tracker_read(&args);
}

TEST_F(unmap_verb, whole)
{
	struct iommu_dirty_member member;
	struct iommu_dirty_tracker_info info;

	start_dirty(&self->o);
	EXPECT_EQ(0, unmap());
	EXPECT_EQ(SIZE, self->unmapped);
	EXPECT_EQ(SIZE, self->args.out_length);
	EXPECT_EQ(3, self->args.out_pages);
	EXPECT_EQ(3, bitmap_count(self->o.bitmap, PAGES));
	oracle_check(&self->o);
	EXPECT_EQ(0, self->o.lost + self->o.extra);
	EXPECT_FALSE(is_mapped(&self->o, IOVA));
	info = tracker_info(self->env.fd, self->env.tracker, &member);
	EXPECT_EQ(1, info.out_reads);
	EXPECT_EQ(3, info.out_pages);

	/* Reported once for each of the two trackers */
	EXPECT_EQ(0, left_in(&self->o, self->env.tracker));
	EXPECT_EQ(3, left_in(&self->o, self->env.twin));
	EXPECT_TRUE(bitmap_test(self->o.bitmap, 0));
	EXPECT_TRUE(bitmap_test(self->o.bitmap, 5));
	EXPECT_TRUE(bitmap_test(self->o.bitmap, PAGES - 1));
	EXPECT_EQ(0, left_in(&self->o, self->env.twin));
}

/* Bits are only added, with a large page size and an unaligned bitmap */
TEST_F(unmap_verb, bitmap)
{
	unsigned char bitmap[5] = { 0xff, 0, 0, 0, 0xff };

	start_dirty(&self->o);
	self->args.page_size = 4 * SZ_4K;
	self->args.data = bitmap + 1;
	bitmap[1] = 1 << 6;
	EXPECT_EQ(0, unmap());
	EXPECT_EQ(3, self->args.out_pages);
	EXPECT_EQ(1 << 0 | 1 << 1 | 1 << 6, bitmap[1]);
	EXPECT_EQ(1 << 7, bitmap[2]);
	EXPECT_EQ(0, bitmap[3]);
	EXPECT_EQ(0xff, bitmap[0] & bitmap[4]);
}

/* The IOVA is mapped again immediately, as with a vIOMMU */
TEST_F(unmap_verb, again_and_again)
{
	unsigned int round;

	env_start(&self->env);
	for (round = 0; round < 20; round++) {
		size_t page = random_below(PAGES);

		env_load(&self->env, 0);
		oracle_write(&self->o, 0, page);
		memset(self->o.bitmap, 0, PAGES / 8);
		ASSERT_EQ(0, unmap());
		EXPECT_EQ(1, self->args.out_pages);
		oracle_check(&self->o);
		oracle_map(&self->o, self->env.ioas);
		EXPECT_EQ(0, left_in(&self->o, self->env.tracker));
	}
	EXPECT_EQ(0, self->o.lost + self->o.extra);
}

/* No mapping: succeeds, and reports dirty pages of earlier mappings */
TEST_F(unmap_verb, empty)
{
	start_dirty(&self->o);
	self->args.iova = IOVA + SZ_1G;
	memset(self->o.bitmap, 0, PAGES / 8);
	EXPECT_EQ(0, unmap());
	EXPECT_EQ(0, self->unmapped);
	EXPECT_EQ(SIZE, self->args.out_length);
	EXPECT_EQ(0, self->args.out_pages);
	EXPECT_EQ(0, bitmap_count(self->o.bitmap, PAGES));
	EXPECT_TRUE(nothing_done(&self->o));

	ioas_unmap(self->env.fd, self->env.ioas, IOVA, SIZE);
	self->args.iova = IOVA;
	memset(self->o.bitmap, 0, PAGES / 8);
	EXPECT_EQ(0, unmap());
	EXPECT_EQ(0, self->unmapped);
	EXPECT_EQ(3, self->args.out_pages);
	EXPECT_EQ(3, bitmap_count(self->o.bitmap, PAGES));
}

/* The range splits the only mapping: nothing is unmapped or forgotten */
TEST_F(unmap_verb, first_partial)
{
	start_dirty(&self->o);
	self->args.data = mem_alloc(SZ_4K);
	self->args.length = SZ_4K;
	EXPECT_EQ(-ENOENT, unmap());
	EXPECT_EQ(0, self->unmapped);
	EXPECT_EQ(0, self->args.out_length);
	EXPECT_EQ(0, self->args.out_pages);
	EXPECT_EQ(0, bitmap_count(self->args.data, PAGES));
	EXPECT_TRUE(nothing_done(&self->o));
	EXPECT_EQ(3, left_in(&self->o, self->env.tracker));
}

/*
 * The range splits the second mapping: the first is unmapped and reported. The next
 * READ reports it again, for callers that ignore the bitmap of a failed call.
 */
TEST_F(unmap_verb, partial)
{
	struct oracle second;

	oracle_open(&second, &self->env, PAGES, IOVA + SIZE);
	oracle_map(&second, self->env.ioas);
	start_dirty(&self->o);
	oracle_write(&second, 0, PAGES - 1);
	self->args.data = mem_alloc(SZ_4K);
	self->args.length = SIZE + SIZE / 2;
	EXPECT_EQ(-ENOENT, unmap());
	EXPECT_EQ(SIZE, self->unmapped);
	EXPECT_LE(SIZE, self->args.out_length);
	EXPECT_EQ(3, bitmap_count(self->args.data, 2 * PAGES));
	EXPECT_EQ(3, self->args.out_pages);
	EXPECT_TRUE(bitmap_test(self->args.data, 0));
	EXPECT_TRUE(bitmap_test(self->args.data, 5));
	EXPECT_TRUE(bitmap_test(self->args.data, PAGES - 1));

	EXPECT_FALSE(is_mapped(&self->o, IOVA));
	EXPECT_TRUE(is_mapped(&self->o, IOVA + SIZE));
	EXPECT_EQ(1, left_in(&second, self->env.tracker));
	oracle_check(&second);
	EXPECT_EQ(0, second.lost + second.extra);
	EXPECT_EQ(3, left_in(&self->o, self->env.tracker));
	EXPECT_EQ(0, left_in(&self->o, self->env.tracker));
	EXPECT_EQ(3, left_in(&self->o, self->env.twin));
	oracle_close(&second);
}

/* A thread that READs all the time, into a separate bitmap */
struct beside {
	struct read_args args;
	pthread_t thread;
	__u64 found;
	bool stop;
};

static void *read_all_the_time(void *arg)
{
	struct beside *b = arg;

	while (!__atomic_load_n(&b->stop, __ATOMIC_ACQUIRE))
		b->found += tracker_read(&b->args);
	return NULL;
}

/* An old page is reported either by a READ of the same tracker or by UNMAP */
TEST_F(unmap_verb, read_beside)
{
	struct beside b = { .args = self->args };
	unsigned int round, missed = 0;
	__u64 unmaps = 0, *seen;

	seen = mem_alloc(SZ_4K);
	b.args.data = seen;
	env_start(&self->env);
	ASSERT_EQ(0, pthread_create(&b.thread, NULL, read_all_the_time, &b));
	for (round = 0; round < 50; round++) {
		size_t page = random_below(PAGES);

		env_load(&self->env, 0);
		memset(self->o.bitmap, 0, PAGES / 8);
		__atomic_store_n(seen, 0, __ATOMIC_RELEASE);
		oracle_write(&self->o, 0, page);
		ASSERT_EQ(0, unmap());
		unmaps += self->args.out_pages;
		missed += !bitmap_test(self->o.bitmap, page) &&
			  !bitmap_test(seen, page);
		oracle_map(&self->o, self->env.ioas);
	}
	__atomic_store_n(&b.stop, true, __ATOMIC_RELEASE);
	pthread_join(b.thread, NULL);
	EXPECT_EQ(0, missed);
	lib_note("UNMAP has reported %llu pages, READ %llu", unmaps, b.found);
}

TEST_F(unmap_verb, not_running)
{
	self->unmapped = 77;
	EXPECT_EQ(-ENODATA, unmap());
	EXPECT_EQ(0, self->unmapped);
	EXPECT_EQ(0, self->args.out_length);
	EXPECT_TRUE(is_mapped(&self->o, IOVA));
	start_dirty(&self->o);
	tracker_stop(self->env.fd, self->env.tracker);
	EXPECT_EQ(-ENODATA, unmap());
	EXPECT_TRUE(is_mapped(&self->o, IOVA));
	EXPECT_EQ(3, left_in(&self->o, self->env.twin));
}

TEST_F(unmap_verb, arguments)
{
	struct iommu_dirty_tracker_unmap good = {
		.size = sizeof(good),
		.tracker_id = self->env.tracker,
		.iova = IOVA,
		.length = SIZE,
		.page_size = SZ_4K,
		.data = (uintptr_t)self->o.bitmap,
	};

#define unmap_fails(error, field, value)				\
({									\
	struct iommu_dirty_tracker_unmap __cmd = good;			\
									\
	__cmd.field = value;						\
	__cmd.out_unmapped = 77;					\
	__cmd.out_length = 77;						\
	EXPECT_EQ(-(error), __iommufd_ioctl(self->env.fd,		\
					    IOMMU_DIRTY_TRACKER_UNMAP,	\
					    &__cmd));			\
	EXPECT_EQ(0, __cmd.out_unmapped);				\
	EXPECT_EQ(0, __cmd.out_length);					\
})

	start_dirty(&self->o);
	unmap_fails(EOPNOTSUPP, flags, 1);
	unmap_fails(EOPNOTSUPP, flags, 1U << 31);
	unmap_fails(EOPNOTSUPP, __reserved, 1);
	unmap_fails(ENOENT, tracker_id, NO_ID);
	unmap_fails(ENOENT, tracker_id, self->env.ioas);
	unmap_fails(EINVAL, length, 0);
	unmap_fails(EOVERFLOW, length, -IOVA + 1);
	unmap_fails(EOVERFLOW, iova, -SIZE + 1);
	unmap_fails(EINVAL, page_size, 0);
	unmap_fails(EINVAL, page_size, 2048);
	unmap_fails(EINVAL, page_size, 3 * SZ_4K);
	unmap_fails(EOVERFLOW, data, -1ULL);
	unmap_fails(EFAULT, data, 8);
	unmap_fails(EFAULT, data, -SZ_4K);
	unmap_fails(EFAULT, data, 1ULL << 63);
	EXPECT_TRUE(nothing_done(&self->o));
	EXPECT_EQ(-EFAULT, __iommufd_ioctl(self->env.fd,
					   IOMMU_DIRTY_TRACKER_UNMAP, NULL));
}

/* A bitmap of two pages, one of which cannot be written */
TEST_F(unmap_verb, bad_bitmap)
{
	char *bitmap = mem_alloc(2 * SZ_4K);
	struct oracle second;
	unsigned int i;

	/* One page of bitmap stands for 128 MiB */
	oracle_open(&second, &self->env, PAGES, IOVA + 256 * SZ_1M - SIZE);
	oracle_map(&second, self->env.ioas);
	start_dirty(&self->o);
	oracle_write(&second, 0, 1);
	self->args.length = 256 * SZ_1M;
	self->args.data = bitmap;
	for (i = 0; i < 2; i++) {
		mprotect(bitmap + i * SZ_4K, SZ_4K, PROT_READ);
		EXPECT_EQ(-EFAULT, unmap());
		EXPECT_EQ(0, self->unmapped);
		EXPECT_TRUE(is_mapped(&self->o, IOVA));
		EXPECT_TRUE(is_mapped(&second, second.iova));
		mprotect(bitmap, 2 * SZ_4K, PROT_READ | PROT_WRITE);
		EXPECT_EQ(0, bitmap_count(bitmap, 2 * SZ_4K * 8));
	}
	EXPECT_EQ(0, unmap());
	EXPECT_EQ(2 * SIZE, self->unmapped);
	EXPECT_EQ(4, self->args.out_pages);
	EXPECT_EQ(4, bitmap_count(bitmap, 2 * SZ_4K * 8));
	EXPECT_EQ(3, left_in(&self->o, self->env.twin));
	EXPECT_EQ(1, left_in(&second, self->env.twin));
	oracle_close(&second);
}

/* A mapping of another IOAS at the same IOVA is not affected */
TEST_F(unmap_verb, other_ioas)
{
	__u32 ioas = ioas_alloc(self->env.fd);
	__u32 tracker = tracker_alloc(self->env.fd, ioas);

	oracle_map(&self->o, ioas);
	start_dirty(&self->o);
	tracker_start(self->env.fd, tracker);
	EXPECT_EQ(0, unmap());
	EXPECT_EQ(3, self->args.out_pages);
	EXPECT_EQ(0, left_in(&self->o, tracker));
	EXPECT_NE(0, __ioas_map(self->env.fd, ioas, self->o.mem, SZ_4K, IOVA,
				IOMMU_IOAS_MAP_READABLE));
}

TEST_HARNESS_MAIN
