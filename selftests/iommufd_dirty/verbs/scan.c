// SPDX-License-Identifier: GPL-2.0-only
/*
 * SCAN: compares its runs with the bitmap of a READ of another tracker of the same
 * IOAS. Also tests small arrays, nearly empty address spaces, and every bad
 * argument.
 */
#include <sys/mman.h>

#include <kselftest_harness.h>

#include "lib.h"

#define PAGES	600
#define SIZE	(PAGES * SZ_4K)
/* Across a multiple of 1 GiB, where a harvest window ends */
#define IOVA	(2 * SZ_1G - 300 * SZ_4K)
#define NO_ID	0x7ffffff0U

FIXTURE(scan)
{
	struct env env;
	struct oracle o;
	struct iommu_dirty_run runs[64];
	struct scan_args args;
};

FIXTURE_SETUP(scan)
{
	OPEN_OR_SKIP(return, env_open(&self->env, 1));
	oracle_open(&self->o, &self->env, PAGES, IOVA);
	oracle_map(&self->o, self->env.ioas);
	env_twin(&self->env);
	self->args = (struct scan_args) {
		.fd = self->env.fd,
		.tracker = self->env.twin,
		.iova = IOVA,
		.length = SIZE,
		.page_size = SZ_4K,
		.runs = self->runs,
		.num_runs = 64,
	};
}

FIXTURE_TEARDOWN(scan)
{
	oracle_close(&self->o);
	env_close(&self->env);
}

static bool run_is(const struct iommu_dirty_run *run, __u64 iova, __u64 length)
{
	if (run->iova == iova && run->length == length)
		return true;
	lib_note("the run is %#llx +%#llx, not %#llx +%#llx", run->iova,
		 run->length, iova, length);
	return false;
}

static void write_pages(struct oracle *o, size_t first, size_t num)
{
	env_load(o->env, 0);
	while (num--)
		oracle_write(o, 0, first++);
}

/*
 * READ and SCAN of random dirty sets with various page sizes and random array
 * sizes; env_read() compares the results.
 */
TEST_F_TIMEOUT(scan, like_read, 120)
{
	static const __u64 page_sizes[] = {
		SZ_4K, SZ_4K, 2 * SZ_4K, SZ_64K, SZ_2M, SZ_1G, 4 * SZ_1G,
		1ULL << 46,
	};
	char *bitmap = mem_alloc(SZ_64K);
	unsigned int round, i;

	env_start(&self->env);
	for (round = 0; round < 40; round++) {
		__u64 page_size = page_sizes[round % ARRAY_SIZE(page_sizes)];
		__u64 offset = random_below(2) ? random_below(SIZE) : 0;
		__u64 length = 1 + random_below(SIZE - offset);
		__u32 flags = random_below(3) ? 0 : IOMMU_DIRTY_READ_NO_CLEAR;

		for (i = random_below(6); i; i--)
			write_pages(&self->o, random_below(PAGES - 20),
				    1 + random_below(20));
		memset(bitmap, 0, SZ_64K);
		env_read(&self->env, IOVA + offset, length, page_size, flags,
			 bitmap);
	}
	/* The remaining pages, with the memory as the oracle */
	oracle_read(&self->o, 0);
	write_pages(&self->o, 0, PAGES / 2);
	oracle_copy(&self->o);
	EXPECT_EQ(PAGES / 2, oracle_read(&self->o, 0));
	EXPECT_EQ(0, oracle_read(&self->o, 0));
}

/* Eleven runs, with arrays for 1 to 12 runs */
TEST_F(scan, resume)
{
	static const __u32 rooms[] = { 1, 2, 7, 11, 12 };
	unsigned int i, n;

	env_start(&self->env);
	for (i = 0; i < ARRAY_SIZE(rooms); i++) {
		__u64 pages = 0, done = 0, runs = 0;

		for (n = 0; n < 11; n++)
			write_pages(&self->o, n * 50, 1 + n % 3);
		do {
			self->args.iova = IOVA + done;
			self->args.length = SIZE - done;
			self->args.num_runs = rooms[i];
			ASSERT_EQ(0, __tracker_scan(&self->args));
			ASSERT_LE(self->args.num_runs, rooms[i]);
			for (n = 0; n < self->args.num_runs; n++, runs++)
				EXPECT_TRUE(run_is(&self->runs[n],
						   IOVA + runs * 50 * SZ_4K,
						   (1 + runs % 3) * SZ_4K));
			pages += self->args.out_pages;
			done += self->args.out_length;
			/* No run beyond the array was consumed */
			if (self->args.out_length != self->args.length)
				ASSERT_EQ(IOVA + runs * 50 * SZ_4K, IOVA + done);
		} while (done < SIZE);
		EXPECT_EQ(11, runs);
		EXPECT_EQ(21, pages);
	}
}

TEST_F(scan, no_clear)
{
	env_start(&self->env);
	write_pages(&self->o, 10, 5);
	write_pages(&self->o, 20, 1);
	self->args.flags = IOMMU_DIRTY_READ_NO_CLEAR;
	ASSERT_EQ(0, __tracker_scan(&self->args));
	EXPECT_EQ(2, self->args.num_runs);
	/* Also with too little room: that clears nothing */
	self->args.num_runs = 1;
	ASSERT_EQ(0, __tracker_scan(&self->args));
	EXPECT_EQ(1, self->args.num_runs);
	EXPECT_EQ(20 * SZ_4K, self->args.out_length);
	/* A READ of the other tracker finds the same pages */
	EXPECT_EQ(6, oracle_read(&self->o, IOMMU_DIRTY_READ_NO_CLEAR));
	self->args.flags = 0;
	self->args.num_runs = 64;
	ASSERT_EQ(0, __tracker_scan(&self->args));
	ASSERT_EQ(2, self->args.num_runs);
	EXPECT_EQ(6, self->args.out_pages);
	EXPECT_TRUE(run_is(&self->runs[0], IOVA + 10 * SZ_4K, 5 * SZ_4K));
	EXPECT_TRUE(run_is(&self->runs[1], IOVA + 20 * SZ_4K, SZ_4K));
	self->args.num_runs = 64;
	ASSERT_EQ(0, __tracker_scan(&self->args));
	EXPECT_EQ(0, self->args.num_runs);
	EXPECT_EQ(SIZE, self->args.out_length);
	EXPECT_EQ(0, self->args.out_pages);
}

/* Adjacent pages are one run, across mappings and harvest windows */
TEST_F(scan, merge)
{
	struct oracle next;

	oracle_open(&next, &self->env, 8, IOVA + SIZE);
	oracle_map(&next, self->env.ioas);
	env_start(&self->env);
	write_pages(&self->o, 0, PAGES);
	write_pages(&next, 0, 3);
	self->args.iova = 0;
	self->args.length = 8 * SZ_1G;
	self->args.num_runs = 1;
	ASSERT_EQ(0, __tracker_scan(&self->args));
	ASSERT_EQ(1, self->args.num_runs);
	EXPECT_EQ(8 * SZ_1G, self->args.out_length);
	EXPECT_EQ(PAGES + 3, self->args.out_pages);
	EXPECT_TRUE(run_is(&self->runs[0], IOVA, SIZE + 3 * SZ_4K));

	/* In pages of 2 MiB, on either side of the 1 GiB boundary */
	write_pages(&self->o, 299, 1);
	write_pages(&self->o, 301, 1);
	self->args.page_size = SZ_2M;
	ASSERT_EQ(0, __tracker_scan(&self->args));
	ASSERT_EQ(1, self->args.num_runs);
	EXPECT_EQ(2, self->args.out_pages);
	EXPECT_TRUE(run_is(&self->runs[0], 2 * SZ_1G - SZ_2M, 2 * SZ_2M));
	oracle_close(&next);
}

/* A partial page is reported for the part in the range, and stays dirty */
TEST_F(scan, parts)
{
	env_start(&self->env);
	write_pages(&self->o, 10, 2);
	self->args.iova = IOVA + 10 * SZ_4K + 100;
	self->args.length = SZ_4K + 200;
	ASSERT_EQ(0, __tracker_scan(&self->args));
	ASSERT_EQ(1, self->args.num_runs);
	EXPECT_TRUE(run_is(&self->runs[0], self->args.iova, self->args.length));
	EXPECT_EQ(2, self->args.out_pages);
	self->args.iova = IOVA;
	self->args.length = SIZE;
	ASSERT_EQ(0, __tracker_scan(&self->args));
	ASSERT_EQ(1, self->args.num_runs);
	EXPECT_TRUE(run_is(&self->runs[0], IOVA + 10 * SZ_4K, 2 * SZ_4K));
}

/* Three mappings in the whole aperture; scans the whole address space */
TEST_F(scan, sparse)
{
	struct iommu_iova_range low, high;
	struct oracle end[2];
	unsigned int round;

	ioas_aperture(self->env.fd, self->env.ioas, &low, &high);
	/* A range that starts at 0 cannot include the last byte */
	if (high.last == -1ULL)
		high.last -= SZ_1G;
	oracle_open(&end[0], &self->env, 4, low.start);
	oracle_open(&end[1], &self->env, 4, high.last + 1 - 4 * SZ_4K);
	oracle_map(&end[0], self->env.ioas);
	oracle_map(&end[1], self->env.ioas);
	env_start(&self->env);
	for (round = 0; round < 3; round++) {
		write_pages(&end[0], 0, 1);
		write_pages(&self->o, 299, 2);
		write_pages(&end[1], 3, 1);
		if (round == 2)
			ioas_unmap(self->env.fd, self->env.ioas, 0, -1ULL);
		self->args.iova = 0;
		self->args.length = round ? -1ULL : high.last + 1;
		self->args.num_runs = 3;
		ASSERT_EQ(0, __tracker_scan(&self->args));
		ASSERT_EQ(3, self->args.num_runs);
		EXPECT_EQ(4, self->args.out_pages);
		EXPECT_EQ(self->args.length, self->args.out_length);
		EXPECT_TRUE(run_is(&self->runs[0], low.start, SZ_4K));
		EXPECT_TRUE(run_is(&self->runs[1], IOVA + 299 * SZ_4K, 2 * SZ_4K));
		EXPECT_TRUE(run_is(&self->runs[2], high.last + 1 - SZ_4K, SZ_4K));
	}
	oracle_close(&end[0]);
	oracle_close(&end[1]);
}

/* More mappings than a harvest visits at once: START, READ and SCAN reach all */
#define MANY	1100	/* the kernel's HARVEST_MAX_AREAS is 1024 */

TEST_F_TIMEOUT(scan, many_mappings, 120)
{
	const __u64 iova = 8 * SZ_1G;
	struct oracle many;
	size_t page;

	oracle_open(&many, &self->env, MANY, iova);
	for (page = 0; page < MANY; page++)
		ioas_map(self->env.fd, self->env.ioas, many.mem + page * SZ_4K, SZ_4K,
			 iova + page * SZ_4K);
	/* Only the other tracker reports pages that were dirty when the twin starts */
	tracker_start(self->env.fd, self->env.tracker);
	write_pages(&many, MANY - 1, 1);
	tracker_start(self->env.fd, self->env.twin);
	self->args.iova = iova;
	self->args.length = MANY * SZ_4K;
	ASSERT_EQ(0, __tracker_scan(&self->args));
	EXPECT_EQ(0, self->args.num_runs);
	write_pages(&many, 0, 1);
	write_pages(&many, MANY - 1, 1);
	self->args.num_runs = 64;
	ASSERT_EQ(0, __tracker_scan(&self->args));
	ASSERT_EQ(2, self->args.num_runs);
	EXPECT_TRUE(run_is(&self->runs[0], iova, SZ_4K));
	EXPECT_TRUE(run_is(&self->runs[1], iova + (MANY - 1) * SZ_4K, SZ_4K));
	write_pages(&many, MANY - 2, 2);
	self->env.twin = 0;
	EXPECT_EQ(3, oracle_read(&many, 0));
	EXPECT_TRUE(bitmap_test(many.bitmap, MANY - 1));
	oracle_close(&many);
}

/* START and SCAN handle a mapping that ends at the end of the address space */
TEST_F(scan, last_byte)
{
	const __u64 iova = -4 * SZ_4K;
	__u32 ioas = ioas_alloc(self->env.fd);

	/* The aperture of an IOAS without devices is not limited */
	ioas_map(self->env.fd, ioas, self->o.mem, 4 * SZ_4K, iova);
	self->args.tracker = tracker_alloc(self->env.fd, ioas);
	tracker_start(self->env.fd, self->args.tracker);
	self->args.iova = iova;
	self->args.length = 4 * SZ_4K;
	ASSERT_EQ(0, __tracker_scan(&self->args));
	EXPECT_EQ(0, self->args.num_runs);
	EXPECT_EQ(4 * SZ_4K, self->args.out_length);
	/* Unmapping also proceeds window by window */
	ioas_unmap(self->env.fd, ioas, iova, 4 * SZ_4K);
}

/* One SCAN of both trackers, one of them listed twice: runs are merged */
TEST_F(scan, several)
{
	struct iommu_dirty_read_tracker entries[3] = {
		{ .tracker_id = self->env.tracker },
		{ .tracker_id = self->env.twin },
		{ .tracker_id = self->env.tracker },
	};
	struct iommu_dirty_tracker_scan cmd = {
		.size = sizeof(cmd),
		.trackers = (uintptr_t)entries,
		.num_trackers = 3,
		.tracker_len = sizeof(entries[0]),
		.iova = IOVA,
		.length = SIZE,
		.page_size = SZ_4K,
		.runs = (uintptr_t)self->runs,
		.num_runs = 64,
	};

	env_start(&self->env);
	write_pages(&self->o, 0, 2);
	ASSERT_EQ(0, __tracker_scan(&self->args));
	ASSERT_EQ(1, self->args.num_runs);
	write_pages(&self->o, 2, 3);
	ASSERT_EQ(0, __iommufd_ioctl(self->env.fd, IOMMU_DIRTY_TRACKER_SCAN, &cmd));
	ASSERT_EQ(1, cmd.num_runs);
	EXPECT_TRUE(run_is(&self->runs[0], IOVA, 5 * SZ_4K));
	EXPECT_EQ(5, cmd.out_pages);
	EXPECT_EQ(5, entries[0].out_pages);
	EXPECT_EQ(3, entries[1].out_pages);
	EXPECT_EQ(0, oracle_read(&self->o, 0));

	tracker_stop(self->env.fd, self->env.twin);
	write_pages(&self->o, 0, 2);
	cmd.num_runs = 64;
	EXPECT_EQ(-ENODATA, __iommufd_ioctl(self->env.fd,
					    IOMMU_DIRTY_TRACKER_SCAN, &cmd));
	EXPECT_EQ(0, cmd.num_runs);
	EXPECT_EQ(0, entries[0].out_error);
	EXPECT_EQ(ENODATA, entries[1].out_error);
	self->args.tracker = self->env.tracker;
	ASSERT_EQ(0, __tracker_scan(&self->args));
	EXPECT_EQ(2, self->args.out_pages);
}

TEST_F(scan, arguments)
{
	struct iommu_dirty_read_tracker entry = { .tracker_id = self->env.twin };
	struct iommu_dirty_tracker_scan good = {
		.size = sizeof(good),
		.trackers = (uintptr_t)&entry,
		.num_trackers = 1,
		.tracker_len = sizeof(entry),
		.iova = IOVA,
		.length = SIZE,
		.page_size = SZ_4K,
		.runs = (uintptr_t)self->runs,
		.num_runs = 64,
	};

#define scan_fails(error, field, value)					\
({									\
	struct iommu_dirty_tracker_scan __cmd = good;			\
									\
	__cmd.field = value;						\
	__cmd.out_length = 77;						\
	EXPECT_EQ(-(error), __iommufd_ioctl(self->env.fd,		\
					    IOMMU_DIRTY_TRACKER_SCAN,	\
					    &__cmd));			\
	EXPECT_EQ(0, __cmd.out_length);					\
	EXPECT_EQ(0, __cmd.num_runs);					\
})

	scan_fails(ENODATA, flags, 0);
	env_start(&self->env);
	write_pages(&self->o, 0, 1);
	scan_fails(EOPNOTSUPP, flags, 4);
	scan_fails(EOPNOTSUPP, flags, 1U << 31);
	scan_fails(EOPNOTSUPP, __reserved, 1);
	scan_fails(EINVAL, num_runs, 0);
	scan_fails(EINVAL, length, 0);
	scan_fails(EOVERFLOW, length, -IOVA + 1);
	scan_fails(EOVERFLOW, iova, -SIZE + 1);
	scan_fails(EINVAL, page_size, 0);
	scan_fails(EINVAL, page_size, 2048);
	scan_fails(EINVAL, page_size, 3 * SZ_4K);
	scan_fails(EINVAL, num_trackers, 0);
	scan_fails(EINVAL, num_trackers, ~0U);
	scan_fails(EINVAL, tracker_len, sizeof(entry) - 8);
	scan_fails(EFAULT, trackers, 8);
	scan_fails(EFAULT, runs, 0);
	scan_fails(EFAULT, runs, -SZ_4K);
	scan_fails(EFAULT, runs, 1ULL << 63);
	entry.tracker_id = NO_ID;
	scan_fails(ENOENT, flags, 0);
	EXPECT_EQ(1, oracle_read(&self->o, 0));
}

/* The second page of the array is not writable: 256 runs, then SCAN continues */
TEST_F(scan, fault)
{
	static const int prots[] = { PROT_NONE, PROT_READ };
	const unsigned int good = SZ_4K / sizeof(struct iommu_dirty_run);
	struct iommu_dirty_run *runs = mem_alloc(2 * SZ_4K);
	unsigned int i, n;

	env_start(&self->env);
	for (i = 0; i < ARRAY_SIZE(prots); i++) {
		env_load(&self->env, 0);
		for (n = 0; n < PAGES; n += 2)
			oracle_write(&self->o, 0, n);
		self->args.iova = IOVA;
		self->args.length = SIZE;
		self->args.runs = runs;
		self->args.num_runs = PAGES;
		mprotect((char *)runs + SZ_4K, SZ_4K, prots[i]);
		EXPECT_EQ(-EFAULT, __tracker_scan(&self->args));
		mprotect((char *)runs + SZ_4K, SZ_4K, PROT_READ | PROT_WRITE);
		EXPECT_EQ(good, self->args.num_runs);
		EXPECT_EQ(good, self->args.out_pages);
		EXPECT_EQ(good * 2 * SZ_4K, self->args.out_length);

		self->args.iova += self->args.out_length;
		self->args.length -= self->args.out_length;
		self->args.num_runs = PAGES;
		EXPECT_EQ(0, __tracker_scan(&self->args));
		EXPECT_EQ(PAGES / 2 - good, self->args.num_runs);
		for (n = 0; n < self->args.num_runs; n++)
			ASSERT_EQ(IOVA + (good + n) * 2 * SZ_4K, runs[n].iova);
	}
}

TEST_HARNESS_MAIN
