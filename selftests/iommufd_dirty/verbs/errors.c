// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every bad argument and its errno. No failed call may change anything.
 */
#include <kselftest_harness.h>

#include "lib.h"

#define IOVA	0x40000000ULL
#define PAGES	64
#define NO_ID	0x7ffffff0U

FIXTURE(errors)
{
	struct env env;
	struct oracle o;
	struct iommu_dirty_tracker_read read;
	struct iommu_dirty_read_tracker entry;
};

FIXTURE_SETUP(errors)
{
	OPEN_OR_SKIP(return, env_open(&self->env, 1));
	oracle_open(&self->o, &self->env, PAGES, IOVA);
	oracle_map(&self->o, self->env.ioas);
	self->entry.tracker_id = self->env.tracker;
	self->read = (struct iommu_dirty_tracker_read) {
		.size = sizeof(self->read),
		.trackers = (uintptr_t)&self->entry,
		.num_trackers = 1,
		.tracker_len = sizeof(self->entry),
		.iova = IOVA,
		.length = PAGES * SZ_4K,
		.page_size = SZ_4K,
		.data = (uintptr_t)self->o.bitmap,
	};
}

FIXTURE_TEARDOWN(errors)
{
	oracle_close(&self->o);
	env_close(&self->env);
}

#define verb(cmd, arg) __iommufd_ioctl(self->env.fd, cmd, arg)

/* A running tracker with three dirty pages */
static void start_dirty(struct oracle *o)
{
	env_start(o->env);
	env_load(o->env, 0);
	oracle_write(o, 0, 0);
	oracle_write(o, 0, 5);
	oracle_write(o, 0, PAGES - 1);
}

/* All three pages are still dirty: the failed call has cleared nothing */
static bool still_dirty(struct oracle *o)
{
	return oracle_read(o, IOMMU_DIRTY_READ_NO_CLEAR) == 3;
}

/*
 * Calls the verb @nr with wrong sizes: smaller than @min, the size of its first
 * version, and larger with a nonzero tail.
 */
static int sizes_ok_from(int fd, unsigned long nr, const void *arg, size_t size,
			 size_t min)
{
	union {
		__u32 size;
		char bytes[256];
	} buf = {};
	size_t bad;

	for (bad = 0; bad < min; bad += 4) {
		memcpy(buf.bytes, arg, size);
		buf.size = bad;
		if (__iommufd_ioctl(fd, nr, &buf) != -EINVAL)
			return bad + 1;
	}
	memcpy(buf.bytes, arg, size);
	buf.size = size + 8;
	buf.bytes[size + 7] = 1;
	if (__iommufd_ioctl(fd, nr, &buf) != -E2BIG)
		return -1;
	memcpy(buf.bytes, arg, size);
	buf.size = size;
	return 0;
}

static int sizes_ok(int fd, unsigned long nr, const void *arg, size_t size)
{
	return sizes_ok_from(fd, nr, arg, size, size);
}

TEST_F(errors, sizes)
{
	struct iommu_dirty_tracker_alloc alloc = { .target_id = self->env.ioas };
	struct iommu_dirty_tracker_info info = { .tracker_id = self->env.tracker };
	struct iommu_dirty_tracker_start start = { .tracker_id = self->env.tracker };
	struct iommu_dirty_tracker_stop stop = { .tracker_id = self->env.tracker };
	struct iommu_dirty_tracker_scan scan = { .iova = IOVA };
	struct iommu_dirty_tracker_unmap unmap = { .tracker_id = self->env.tracker };
	struct iommu_dirty_tracker_mark mark = { .tracker_id = self->env.tracker };
	struct iommu_dirty_tracker_update update = { .tracker_id = self->env.tracker };
	int fd = self->env.fd;

	EXPECT_EQ(0, sizes_ok_from(fd, IOMMU_DIRTY_TRACKER_ALLOC, &alloc, sizeof(alloc),
				   offsetof(struct iommu_dirty_tracker_alloc,
					    out_fd)));
	EXPECT_EQ(0, sizes_ok_from(fd, IOMMU_DIRTY_TRACKER_INFO, &info, sizeof(info),
				   offsetof(struct iommu_dirty_tracker_info,
					    out_max_ranges)));
	EXPECT_EQ(0, sizes_ok_from(fd, IOMMU_DIRTY_TRACKER_START, &start, sizeof(start),
				   offsetof(struct iommu_dirty_tracker_start,
					    num_ranges)));
	EXPECT_EQ(0, sizes_ok(fd, IOMMU_DIRTY_TRACKER_UPDATE, &update, sizeof(update)));
	EXPECT_EQ(IOMMU_DIRTY_STATE_STOPPED, tracker_state(fd, self->env.tracker));
	start_dirty(&self->o);
	EXPECT_EQ(0, sizes_ok(fd, IOMMU_DIRTY_TRACKER_STOP, &stop, sizeof(stop)));
	EXPECT_EQ(IOMMU_DIRTY_STATE_RUNNING, tracker_state(fd, self->env.tracker));
	EXPECT_EQ(0, sizes_ok(fd, IOMMU_DIRTY_TRACKER_READ, &self->read,
			      sizeof(self->read)));
	EXPECT_EQ(0, sizes_ok(fd, IOMMU_DIRTY_TRACKER_SCAN, &scan, sizeof(scan)));
	EXPECT_EQ(0, sizes_ok(fd, IOMMU_DIRTY_TRACKER_UNMAP, &unmap, sizeof(unmap)));
	EXPECT_EQ(0, sizes_ok(fd, IOMMU_DIRTY_TRACKER_MARK, &mark, sizeof(mark)));
	EXPECT_TRUE(still_dirty(&self->o));
}

/* A newer program passes a longer struct: accepted if its tail is 0 */
TEST_F(errors, larger_struct)
{
	struct {
		struct iommu_dirty_tracker_alloc cmd;
		__u64 later[4];
	} alloc = {
		.cmd = { .size = sizeof(alloc), .target_id = self->env.ioas },
	};

	EXPECT_EQ(0, verb(IOMMU_DIRTY_TRACKER_ALLOC, &alloc));
	object_destroy(self->env.fd, alloc.cmd.out_tracker_id);
}

TEST_F(errors, alloc)
{
	struct iommu_dirty_tracker_alloc cmd = {
		.size = sizeof(cmd),
		.target_id = self->env.ioas,
		.flags = 1 << 2,
	};
	__u32 id;

	EXPECT_EQ(-EOPNOTSUPP, verb(IOMMU_DIRTY_TRACKER_ALLOC, &cmd));
	cmd.flags = 1U << 31;
	EXPECT_EQ(-EOPNOTSUPP, verb(IOMMU_DIRTY_TRACKER_ALLOC, &cmd));
	cmd.flags = 0;
	cmd.__reserved = 1;
	EXPECT_EQ(-EOPNOTSUPP, verb(IOMMU_DIRTY_TRACKER_ALLOC, &cmd));
	EXPECT_EQ(-ENOENT, __tracker_alloc(self->env.fd, NO_ID, &id));
	EXPECT_EQ(-ENOENT, __tracker_alloc(self->env.fd, 0, &id));
	/* Objects that cannot be tracked */
	EXPECT_EQ(-EINVAL, __tracker_alloc(self->env.fd, self->env.tracker, &id));
	EXPECT_EQ(-EFAULT, verb(IOMMU_DIRTY_TRACKER_ALLOC, NULL));
}

/* What INFO, START and STOP share */
TEST_F(errors, ids_and_flags)
{
	static const unsigned long verbs[] = {
		IOMMU_DIRTY_TRACKER_INFO, IOMMU_DIRTY_TRACKER_START,
		IOMMU_DIRTY_TRACKER_STOP,
	};
	/* All three begin with size, flags, tracker_id */
	union {
		struct iommu_dirty_tracker_info info;
		struct iommu_dirty_tracker_start start;
		struct iommu_dirty_tracker_stop stop;
	} cmd = {};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(verbs); i++) {
		cmd.start.size = i == 0 ? sizeof(cmd.info) :
				 i == 1 ? sizeof(cmd.start) : sizeof(cmd.stop);
		cmd.start.flags = 0;
		cmd.start.tracker_id = NO_ID;
		EXPECT_EQ(-ENOENT, verb(verbs[i], &cmd));
		cmd.start.tracker_id = self->env.ioas;
		EXPECT_EQ(-ENOENT, verb(verbs[i], &cmd));
		cmd.start.tracker_id = self->env.edu[0].dev_id;
		EXPECT_EQ(-ENOENT, verb(verbs[i], &cmd));
		cmd.start.tracker_id = self->env.tracker;
		cmd.start.flags = 1 << 3;
		EXPECT_EQ(-EOPNOTSUPP, verb(verbs[i], &cmd));
		cmd.start.flags = 1U << 31;
		EXPECT_EQ(-EOPNOTSUPP, verb(verbs[i], &cmd));
		EXPECT_EQ(-EFAULT, verb(verbs[i], (void *)8));
	}
	EXPECT_EQ(IOMMU_DIRTY_STATE_STOPPED,
		  tracker_state(self->env.fd, self->env.tracker));
	cmd.info.flags = 0;
	cmd.info.size = sizeof(cmd.info);
	cmd.info.__reserved = 1;
	EXPECT_EQ(-EOPNOTSUPP, verb(IOMMU_DIRTY_TRACKER_INFO, &cmd.info));
	cmd.stop.size = sizeof(cmd.stop);
	cmd.stop.flags = 0;
	cmd.stop.__reserved = 1;
	EXPECT_EQ(-EOPNOTSUPP, verb(IOMMU_DIRTY_TRACKER_STOP, &cmd.stop));
}

TEST_F(errors, start_on_a_bad_flag)
{
	struct iommu_dirty_tracker_start cmd = {
		.size = sizeof(cmd),
		.flags = 1 << 3,
		.tracker_id = self->env.tracker,
	};

	EXPECT_EQ(-EOPNOTSUPP, verb(IOMMU_DIRTY_TRACKER_START, &cmd));
	EXPECT_EQ(0, cmd.out_type);
}

TEST_F(errors, info_members)
{
	struct iommu_dirty_member member;
	struct iommu_dirty_tracker_info info = {
		.tracker_id = self->env.tracker,
		.num_members = 1,
		.members = (uintptr_t)&member,
		.member_len = offsetof(struct iommu_dirty_member, io_page_sizes),
	};

	EXPECT_EQ(-EINVAL, __tracker_info(self->env.fd, &info));
	info.num_members = 1;
	info.member_len = 0;
	EXPECT_EQ(-EINVAL, __tracker_info(self->env.fd, &info));
	info.num_members = 1;
	info.member_len = SZ_4K + 8;
	EXPECT_EQ(-EINVAL, __tracker_info(self->env.fd, &info));
	info.num_members = 1;
	info.member_len = sizeof(member);
	info.members = 8;
	EXPECT_EQ(-EFAULT, __tracker_info(self->env.fd, &info));
	info.num_members = 1;
	info.members = -SZ_4K;
	EXPECT_EQ(-EFAULT, __tracker_info(self->env.fd, &info));
}

/*
 * Checks that the READ fails with @error and sets out_length to 0.
 */
static bool read_fails_with(int fd, struct iommu_dirty_tracker_read cmd, int error)
{
	int rc;

	cmd.out_length = 77;
	rc = __iommufd_ioctl(fd, IOMMU_DIRTY_TRACKER_READ, &cmd);
	if (rc == -error && !cmd.out_length)
		return true;
	lib_note("READ returned %d, not %d; out_length is %llu", rc, -error,
		 cmd.out_length);
	return false;
}

#define read_fails(error, field, value)					\
({									\
	struct iommu_dirty_tracker_read __cmd = self->read;		\
									\
	__cmd.field = value;						\
	EXPECT_TRUE(read_fails_with(self->env.fd, __cmd, error));	\
})

TEST_F(errors, read_arguments)
{
	__u64 all = PAGES * SZ_4K;

	start_dirty(&self->o);
	memset(self->o.bitmap, 0, PAGES / 8);
	read_fails(EOPNOTSUPP, flags, 4);
	read_fails(EOPNOTSUPP, flags, 1U << 31);
	read_fails(EINVAL, length, 0);
	read_fails(EOVERFLOW, iova, -all + 1);
	read_fails(EOVERFLOW, iova, -1ULL);
	read_fails(EOVERFLOW, length, -IOVA + 1);
	read_fails(EOVERFLOW, length, -1ULL);
	read_fails(EINVAL, page_size, 0);
	read_fails(EINVAL, page_size, 1);
	read_fails(EINVAL, page_size, 3);
	read_fails(EINVAL, page_size, 2048);
	read_fails(EINVAL, page_size, SZ_4K + 1);
	read_fails(EINVAL, page_size, 3 * SZ_4K);
	read_fails(EINVAL, page_size, -1ULL);
	read_fails(EOVERFLOW, data, -1ULL);
	read_fails(EINVAL, num_trackers, 0);
	read_fails(EINVAL, num_trackers, ~0U);
	read_fails(EINVAL, tracker_len, 0);
	read_fails(EINVAL, tracker_len, sizeof(self->entry) - 8);
	read_fails(EINVAL, tracker_len, SZ_4K + 8);
	read_fails(EINVAL, tracker_len, ~0U);
	EXPECT_EQ(0, bitmap_count(self->o.bitmap, PAGES));
	EXPECT_TRUE(still_dirty(&self->o));
}

/* READ accepts exactly the page sizes that INFO lists */
TEST_F(errors, read_page_sizes)
{
	struct iommu_dirty_member member;
	struct iommu_dirty_tracker_info info;
	unsigned int shift;

	info = tracker_info(self->env.fd, self->env.tracker, &member);
	start_dirty(&self->o);
	for (shift = 0; shift < 64; shift++) {
		struct iommu_dirty_tracker_read cmd = self->read;

		cmd.flags = IOMMU_DIRTY_READ_NO_CLEAR;
		cmd.page_size = 1ULL << shift;
		EXPECT_EQ(info.out_page_sizes >> shift & 1 ? 0 : -EINVAL,
			  verb(IOMMU_DIRTY_TRACKER_READ, &cmd));
	}
	EXPECT_TRUE(still_dirty(&self->o));
}

TEST_F(errors, read_trackers)
{
	struct iommu_dirty_member member;
	struct iommu_dirty_tracker_info info;
	struct iommu_dirty_read_tracker *many;
	__u32 i;

	info = tracker_info(self->env.fd, self->env.tracker, &member);
	many = calloc(info.out_max_trackers + 1, sizeof(*many));
	ASSERT_NE(NULL, many);
	start_dirty(&self->o);

	self->read.trackers = (uintptr_t)many;
	many[0].tracker_id = NO_ID;
	read_fails(ENOENT, flags, 0);
	many[0].tracker_id = self->env.ioas;
	read_fails(ENOENT, flags, 0);
	many[0] = self->entry;
	many[1].tracker_id = NO_ID;
	read_fails(ENOENT, num_trackers, 2);
	for (i = 0; i <= info.out_max_trackers; i++)
		many[i] = self->entry;
	read_fails(EINVAL, num_trackers, info.out_max_trackers + 1);
	EXPECT_TRUE(still_dirty(&self->o));

	/* The kernel ignores the contents of out fields */
	many[0].out_error = 77;
	many[0].out_pages = 77;

	/* Repeated entries for one tracker act as one entry */
	memset(self->o.bitmap, 0, PAGES / 8);
	self->read.num_trackers = info.out_max_trackers;
	EXPECT_EQ(0, verb(IOMMU_DIRTY_TRACKER_READ, &self->read));
	EXPECT_EQ(3, self->read.out_pages);
	EXPECT_EQ(3, bitmap_count(self->o.bitmap, PAGES));
	EXPECT_EQ(0, many[0].out_error);
	EXPECT_EQ(3, many[0].out_pages);
	EXPECT_EQ(0, many[1].out_pages);
	EXPECT_EQ(0, oracle_read(&self->o, 0));
	free(many);
}

/* A newer program passes longer entries: accepted if their tail is 0 */
TEST_F(errors, read_tracker_len)
{
	struct {
		struct iommu_dirty_read_tracker known;
		__u64 later[3];
	} entry[2] = {};
	__u32 ioas = ioas_alloc(self->env.fd);

	start_dirty(&self->o);
	entry[0].known = self->entry;
	entry[1].known.tracker_id = tracker_alloc(self->env.fd, ioas);
	tracker_start(self->env.fd, entry[1].known.tracker_id);
	self->read.trackers = (uintptr_t)entry;
	self->read.num_trackers = 2;
	self->read.tracker_len = sizeof(entry[0]);
	entry[1].later[2] = 1ULL << 63;
	read_fails(E2BIG, flags, 0);
	EXPECT_TRUE(still_dirty(&self->o));

	entry[1].later[2] = 0;
	memset(self->o.bitmap, 0, PAGES / 8);
	EXPECT_EQ(0, verb(IOMMU_DIRTY_TRACKER_READ, &self->read));
	EXPECT_EQ(3, self->read.out_pages);
	EXPECT_EQ(3, entry[0].known.out_pages);
	EXPECT_EQ(0, entry[1].known.out_pages);
}

TEST_HARNESS_MAIN
