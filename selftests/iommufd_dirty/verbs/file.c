// SPDX-License-Identifier: GPL-2.0-only
/*
 * Trackers with a file of their own: what works on the file, that the tracker lives as
 * long as the file is open anywhere, and that the file keeps nothing else alive.
 */
#include <errno.h>
#include <fcntl.h>
#include <kselftest_harness.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib.h"

#define IOVA	(2 * SZ_1G)
#define PAGES	64
#define SIZE	(PAGES * SZ_4K)
#define KILLS	20

FIXTURE(file)
{
	struct pins before;
	struct env env;
	struct oracle o;
	int file;
	/* The same tracker for env_read() and oracle_read() */
	struct env on_file;
	struct oracle by_file;
};

FIXTURE_SETUP(file)
{
	pins_read(&self->before);
	OPEN_OR_SKIP(return, env_open(&self->env, 1));
	oracle_open(&self->o, &self->env, PAGES, IOVA);
	oracle_map(&self->o, self->env.ioas);
	env_load(&self->env, 0);
	self->file = tracker_file(self->env.fd, self->env.ioas, 0);
	self->on_file = self->env;
	self->on_file.fd = self->file;
	self->on_file.tracker = 0;
	self->by_file = self->o;
	self->by_file.env = &self->on_file;
}

FIXTURE_TEARDOWN(file)
{
	if (!self->o.mem)
		return;
	env_close(&self->env);
	oracle_close(&self->o);
}

static __u32 running(struct env *env)
{
	return object_listed(env->fd, env->ioas).num_trackers;
}

/* The tracker of the file gets exactly what the device writes */
static bool exact(struct _test_data_file *self)
{
	unsigned int page = random_below(PAGES - 1);

	oracle_write(&self->o, 0, page);
	oracle_write(&self->o, 0, page + 1);
	return oracle_read(&self->by_file, 0) == 2 &&
	       bitmap_test(self->by_file.bitmap, page) &&
	       bitmap_test(self->by_file.bitmap, page + 1);
}

static struct read_args file_args(struct _test_data_file *self, void *bitmap)
{
	memset(bitmap, 0, PAGES / 8);
	return (struct read_args) {
		.fd = self->file,
		.iova = IOVA,
		.length = SIZE,
		.page_size = SZ_4K,
		.data = bitmap,
	};
}

TEST_F(file, verbs)
{
	struct iommu_dirty_run run = { .iova = IOVA + 5 * SZ_4K, .length = SZ_4K };
	struct iommu_dirty_tracker_info info;
	struct iommu_dirty_member member;
	struct read_args args;
	__u64 word, bits = 1ULL << 7;

	info = tracker_info(self->file, 0, &member);
	EXPECT_EQ(IOMMU_DIRTY_STATE_STOPPED, info.out_state);
	EXPECT_EQ(self->env.ioas, info.out_target_id);
	EXPECT_EQ(0, info.out_flags);
	EXPECT_EQ(1, info.num_members);
	EXPECT_EQ(IOMMU_DIRTY_MEMBER_HWPT, member.type);
	args = file_args(self, &word);
	EXPECT_EQ(-ENODATA, __tracker_read(&args));
	EXPECT_EQ(-ENODATA, __tracker_mark_runs(self->file, 0, &run, 1));

	EXPECT_EQ(0, running(&self->env));
	ASSERT_EQ(0, __tracker_start(self->file, 0, NULL));
	EXPECT_EQ(-EALREADY, __tracker_start(self->file, 0, NULL));
	EXPECT_EQ(1, running(&self->env));
	EXPECT_EQ(IOMMU_DIRTY_STATE_RUNNING, tracker_state(self->file, 0));
	EXPECT_TRUE(exact(self));
	oracle_write(&self->o, 0, 3);
	oracle_write(&self->o, 0, 9);
	args = file_args(self, &word);
	EXPECT_EQ(2, tracker_scan(&args, 1));
	EXPECT_EQ(1ULL << 3 | 1ULL << 9, word);
	EXPECT_EQ(0, __tracker_mark_runs(self->file, 0, &run, 1));
	args = file_args(self, &bits);
	bits = 1ULL << 7;
	EXPECT_EQ(0, __tracker_mark(&args));
	args = file_args(self, &word);
	EXPECT_EQ(2, tracker_read(&args));
	EXPECT_EQ(1ULL << 5 | 1ULL << 7, word);
	info = tracker_info(self->file, 0, &member);
	EXPECT_EQ(6, info.out_pages);

	tracker_stop(self->file, 0);
	tracker_stop(self->file, 0);
	EXPECT_EQ(0, running(&self->env));
	EXPECT_EQ(IOMMU_DIRTY_STATE_STOPPED, tracker_state(self->file, 0));
}

/* The file gives access to no other tracker, not even of the same IOAS */
TEST_F(file, other_ids)
{
	__u32 ids[] = { 1, self->env.ioas, self->env.tracker, -1U };
	struct iommu_dirty_run run = { .iova = IOVA, .length = SZ_4K };
	struct iommu_dirty_read_tracker entries[2] = {};
	struct iommu_dirty_tracker_info info;
	struct iommu_dirty_tracker_read read;
	struct iommu_dirty_run found;
	struct read_args args;
	struct scan_args scan;
	unsigned int i;
	__u64 word;

	env_start(&self->env);
	tracker_start(self->file, 0);
	oracle_write(&self->o, 0, 3);
	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		info = (struct iommu_dirty_tracker_info) { .tracker_id = ids[i] };
		EXPECT_EQ(-ENOENT, __tracker_info(self->file, &info));
		EXPECT_EQ(-ENOENT, __tracker_start(self->file, ids[i], NULL));
		EXPECT_EQ(-ENOENT, __tracker_stop(self->file, ids[i]));
		EXPECT_EQ(-ENOENT, __tracker_mark_runs(self->file, ids[i], &run, 1));
		args = file_args(self, &word);
		args.tracker = ids[i];
		EXPECT_EQ(-ENOENT, __tracker_read(&args));
		scan = (struct scan_args) {
			.fd = self->file, .tracker = ids[i], .iova = IOVA, .length = SIZE,
			.page_size = SZ_4K, .runs = &found, .num_runs = 1,
		};
		EXPECT_EQ(-ENOENT, __tracker_scan(&scan));
		/* Together with its own */
		entries[1].tracker_id = ids[i];
		read = (struct iommu_dirty_tracker_read) {
			.size = sizeof(read), .trackers = (uintptr_t)entries,
			.num_trackers = 2, .tracker_len = sizeof(entries[0]),
			.iova = IOVA, .length = SIZE, .page_size = SZ_4K,
			.data = (uintptr_t)&word,
		};
		EXPECT_EQ(-ENOENT, __iommufd_ioctl(self->file, IOMMU_DIRTY_TRACKER_READ, &read));
		EXPECT_EQ(0, word);
	}
	/* On the iommufd, the tracker of the file has no id */
	EXPECT_EQ(-ENOENT, __tracker_stop(self->env.fd, 0));
	EXPECT_EQ(1, oracle_read(&self->by_file, 0));
	EXPECT_EQ(1, oracle_read(&self->o, 0));
}

static bool is_verb(unsigned int nr)
{
	switch (nr) {
	case IOMMUFD_CMD_DIRTY_TRACKER_INFO:
	case IOMMUFD_CMD_DIRTY_TRACKER_START:
	case IOMMUFD_CMD_DIRTY_TRACKER_STOP:
	case IOMMUFD_CMD_DIRTY_TRACKER_READ:
	case IOMMUFD_CMD_DIRTY_TRACKER_SCAN:
	case IOMMUFD_CMD_DIRTY_TRACKER_MARK:
		return true;
	default:
		return false;
	}
}

/* All other ioctls of iommufd, and of VFIO, which have the same type */
TEST_F(file, other_ioctls)
{
	struct iommu_dirty_tracker_unmap unmap = {
		.size = sizeof(unmap), .iova = IOVA, .length = SIZE, .page_size = SZ_4K,
	};
	__u32 words[64] = {};
	unsigned int nr, wrong = 0;

	tracker_start(self->file, 0);
	for (nr = 0; nr < 256; nr++) {
		words[0] = sizeof(words);
		if (!is_verb(nr) && __iommufd_ioctl(self->file, _IO(IOMMUFD_TYPE, nr),
						    words) != -ENOTTY)
			wrong++;
	}
	EXPECT_EQ(0, wrong);
	EXPECT_EQ(-ENOTTY, __iommufd_ioctl(self->file, IOMMU_DIRTY_TRACKER_UNMAP, &unmap));
	/* Nor is the file anything else */
	EXPECT_EQ(-1, read(self->file, words, sizeof(words)));
	EXPECT_EQ(-1, write(self->file, words, sizeof(words)));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, SZ_4K, PROT_READ, MAP_SHARED, self->file, 0));
	EXPECT_TRUE(exact(self));
}

/* The lowest number that is free for a file */
static int lowest_free(void)
{
	int fd = check(open("/dev/null", O_RDONLY | O_CLOEXEC));

	close(fd);
	return fd;
}

TEST_F(file, alloc_errors)
{
	struct iommu_dirty_tracker_alloc good = {
		.size = sizeof(good), .flags = IOMMU_DIRTY_ALLOC_FILE,
		.target_id = self->env.ioas, .out_tracker_id = 77, .out_fd = 77,
	};
	struct iommu_dirty_tracker_alloc cmd = good, *locked = mem_alloc(SZ_4K);
	struct iommu_dirty_member member;
	int fd = self->env.fd, next = lowest_free();
	struct rlimit limit, low;

	cmd.size = offsetof(typeof(cmd), out_fd);
	EXPECT_EQ(-EINVAL, __iommufd_ioctl(fd, IOMMU_DIRTY_TRACKER_ALLOC, &cmd));
	cmd = good;
	cmd.flags |= 4;
	EXPECT_EQ(-EOPNOTSUPP, __iommufd_ioctl(fd, IOMMU_DIRTY_TRACKER_ALLOC, &cmd));
	cmd = good;
	cmd.__reserved = 1;
	EXPECT_EQ(-EOPNOTSUPP, __iommufd_ioctl(fd, IOMMU_DIRTY_TRACKER_ALLOC, &cmd));
	cmd = good;
	cmd.target_id = -1U;
	EXPECT_EQ(-ENOENT, __iommufd_ioctl(fd, IOMMU_DIRTY_TRACKER_ALLOC, &cmd));
	tracker_info(self->file, 0, &member);
	cmd.target_id = member.id;
	EXPECT_EQ(-EINVAL, __iommufd_ioctl(fd, IOMMU_DIRTY_TRACKER_ALLOC, &cmd));
	*locked = good;
	ASSERT_EQ(0, mprotect(locked, SZ_4K, PROT_READ));
	EXPECT_EQ(-EFAULT, __iommufd_ioctl(fd, IOMMU_DIRTY_TRACKER_ALLOC, locked));
	mem_free(locked, SZ_4K);
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &limit));
	low = limit;
	low.rlim_cur = next;
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &low));
	cmd = good;
	EXPECT_EQ(-EMFILE, __iommufd_ioctl(fd, IOMMU_DIRTY_TRACKER_ALLOC, &cmd));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
	EXPECT_EQ(77, cmd.out_fd);
	/* None of them has left a file open */
	EXPECT_EQ(next, lowest_free());

	/* Both sizes that have room; without a file, out_fd does not change */
	cmd = good;
	cmd.size = offsetof(typeof(cmd), __reserved);
	cmd.__reserved = 99;
	ASSERT_EQ(0, __iommufd_ioctl(fd, IOMMU_DIRTY_TRACKER_ALLOC, &cmd));
	EXPECT_EQ(0, cmd.out_tracker_id);
	EXPECT_EQ(next, cmd.out_fd);
	EXPECT_EQ(99, cmd.__reserved);
	EXPECT_EQ(0, close(cmd.out_fd));
	cmd = good;
	cmd.flags = 0;
	ASSERT_EQ(0, __iommufd_ioctl(fd, IOMMU_DIRTY_TRACKER_ALLOC, &cmd));
	EXPECT_EQ(77, cmd.out_fd);
	object_destroy(fd, cmd.out_tracker_id);
	cmd = good;
	cmd.size = offsetof(typeof(cmd), out_fd);
	cmd.flags = 0;
	ASSERT_EQ(0, __iommufd_ioctl(fd, IOMMU_DIRTY_TRACKER_ALLOC, &cmd));
	object_destroy(fd, cmd.out_tracker_id);
}

/* The head of each struct is checked as on the iommufd */
TEST_F(file, bad_structs)
{
	struct {
		struct iommu_dirty_tracker_stop stop;
		__u64 later;
	} longer = { .stop.size = sizeof(longer) };
	struct iommu_dirty_tracker_start *start = mem_alloc(SZ_4K);
	struct read_args args;
	unsigned int nr;

	for (nr = 0; nr < 256; nr++) {
		__u32 words[64] = { 8 };

		if (!is_verb(nr))
			continue;
		EXPECT_EQ(-EFAULT, __iommufd_ioctl(self->file, _IO(IOMMUFD_TYPE, nr), NULL));
		EXPECT_EQ(-EINVAL, __iommufd_ioctl(self->file, _IO(IOMMUFD_TYPE, nr), words));
	}
	longer.stop.flags = 1;
	EXPECT_EQ(-EOPNOTSUPP, __iommufd_ioctl(self->file, IOMMU_DIRTY_TRACKER_STOP, &longer));
	longer.stop.flags = 0;
	longer.later = 1;
	EXPECT_EQ(-E2BIG, __iommufd_ioctl(self->file, IOMMU_DIRTY_TRACKER_STOP, &longer));
	longer.later = 0;
	EXPECT_EQ(0, __iommufd_ioctl(self->file, IOMMU_DIRTY_TRACKER_STOP, &longer));
	start->size = sizeof(*start);
	ASSERT_EQ(0, mprotect(start, SZ_4K, PROT_READ));
	EXPECT_EQ(-EFAULT, __iommufd_ioctl(self->file, IOMMU_DIRTY_TRACKER_START, start));
	EXPECT_EQ(IOMMU_DIRTY_STATE_STOPPED, tracker_state(self->file, 0));
	tracker_start(self->file, 0);
	oracle_write(&self->o, 0, 3);
	args = file_args(self, self->o.bitmap);
	args.data = start;
	EXPECT_EQ(-EFAULT, __tracker_read(&args));
	EXPECT_EQ(1, oracle_read(&self->by_file, 0));
	mem_free(start, SZ_4K);
}

TEST_F(file, cloexec)
{
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->file, F_GETFD));
}

/* Closing the file stops its tracker, and no other one */
TEST_F(file, closed)
{
	struct env *env = &self->env;
	__u32 hwpt = hwpt_alloc(env->fd, env->edu[0].dev_id, env->ioas,
				IOMMU_HWPT_ALLOC_DIRTY_TRACKING);
	__u64 word = 0;

	edu_attach(&env->edu[0], hwpt);
	tracker_start(self->file, 0);
	ASSERT_EQ(0, __hwpt_set_dirty(env->fd, hwpt, true));
	env_start(env);
	EXPECT_EQ(2, running(env));
	oracle_write(&self->o, 0, 1);
	EXPECT_EQ(0, close(self->file));
	EXPECT_EQ(1, running(env));
	oracle_write(&self->o, 0, 2);
	EXPECT_EQ(2, oracle_read(&self->o, 0));
	EXPECT_EQ(0, __hwpt_get_dirty(env->fd, hwpt, IOVA, SIZE, &word));
	EXPECT_EQ(1ULL << 1 | 1ULL << 2, word);
	/* The file kept neither the HWPT nor the IOAS */
	object_destroy(env->fd, env->tracker);
	EXPECT_EQ(0, running(env));
	edu_detach(&env->edu[0]);
	object_destroy(env->fd, hwpt);
	object_destroy(env->fd, env->ioas);
}

/* The last close disables tracking in the hardware, too */
TEST_F(file, closed_last)
{
	struct env *env = &self->env;
	struct edu edu;

	OPEN_OR_SKIP(return, soft_open_other(&edu, env->fd));
	edu_attach(&edu, env->ioas);
	tracker_start(self->file, 0);
	soft_count(&edu, FAULT_DISABLE);
	EXPECT_EQ(0, close(self->file));
	EXPECT_EQ(1, soft_counted(&edu));
	/* Not if another one runs */
	self->file = tracker_file(env->fd, env->ioas, 0);
	tracker_start(self->file, 0);
	env_start(env);
	EXPECT_EQ(0, close(self->file));
	EXPECT_EQ(1, soft_counted(&edu));
	edu_close(&edu);
}

/* In a child process; returns its exit code */
#define in_child(code)						\
({								\
	pid_t __pid = check(fork());				\
	int __status;						\
								\
	if (!__pid)						\
		_exit(code);					\
	waitpid(__pid, &__status, 0);				\
	WIFEXITED(__status) ? WEXITSTATUS(__status) : 255;	\
})

/* A child inherits the tracker. The parent closes the file while the child has it */
TEST_F(file, fork)
{
	int go[2], back[2];
	char byte = 0;
	pid_t pid;

	tracker_start(self->file, 0);
	EXPECT_EQ(2, in_child(exact(self) ? 2 : 1));
	EXPECT_EQ(1, running(&self->env));
	EXPECT_TRUE(exact(self));

	ASSERT_EQ(0, pipe(go));
	ASSERT_EQ(0, pipe(back));
	pid = check(fork());
	if (!pid) {
		if (read(go[0], &byte, 1) == 1)
			byte = exact(self);
		if (write(back[1], &byte, 1) == 1)
			pause();
		_exit(0);
	}
	close(self->file);
	EXPECT_EQ(1, running(&self->env));
	ASSERT_EQ(1, write(go[1], &byte, 1));
	ASSERT_EQ(1, read(back[0], &byte, 1));
	EXPECT_EQ(1, byte);
	EXPECT_EQ(1, running(&self->env));
	kill(pid, SIGKILL);
	ASSERT_EQ(pid, waitpid(pid, NULL, 0));
	EXPECT_EQ(0, running(&self->env));
}

static void pass(int socket, int *file, bool receive)
{
	char byte = 0, control[CMSG_SPACE(sizeof(int))] = {};
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *head;

	if (receive) {
		if (recvmsg(socket, &msg, MSG_CMSG_CLOEXEC) != 1)
			fatal("recvmsg: error %d", errno);
		head = CMSG_FIRSTHDR(&msg);
		if (!head)
			fatal("recvmsg: no file");
		memcpy(file, CMSG_DATA(head), sizeof(*file));
		return;
	}
	head = CMSG_FIRSTHDR(&msg);
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(*file));
	memcpy(CMSG_DATA(head), file, sizeof(*file));
	if (sendmsg(socket, &msg, 0) != 1)
		fatal("sendmsg: error %d", errno);
}

/* The file is open while it is on its way through a socket, and goes with the socket */
TEST_F(file, passed)
{
	int pair[2];

	tracker_start(self->file, 0);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	pass(pair[0], &self->file, false);
	close(self->file);
	EXPECT_EQ(1, running(&self->env));
	oracle_write(&self->o, 0, 5);
	pass(pair[1], &self->file, true);
	self->on_file.fd = self->file;
	EXPECT_EQ(1, oracle_read(&self->by_file, 0));
	EXPECT_TRUE(exact(self));

	pass(pair[0], &self->file, false);
	close(self->file);
	EXPECT_EQ(1, running(&self->env));
	close(pair[0]);
	close(pair[1]);
	EXPECT_EQ(0, running(&self->env));
}

/* All calls on the file of a tracker whose IOAS is gone */
static void check_gone(struct __test_metadata *_metadata, struct _test_data_file *self)
{
	struct iommu_dirty_run run = { .iova = IOVA, .length = SZ_4K }, found;
	struct scan_args scan = {
		.fd = self->file, .iova = IOVA, .length = SIZE, .page_size = SZ_4K,
		.runs = &found, .num_runs = 1,
	};
	struct iommu_dirty_tracker_info info;
	struct iommu_dirty_member member;
	struct read_args args;
	__u64 word;

	info = tracker_info(self->file, 0, &member);
	EXPECT_EQ(IOMMU_DIRTY_STATE_STOPPED, info.out_state);
	EXPECT_EQ(IOMMU_DIRTY_TRACKER_GONE, info.out_flags & ~IOMMU_DIRTY_TRACKER_PASSIVE);
	EXPECT_EQ(0, info.num_members);
	EXPECT_EQ(self->env.ioas, info.out_target_id);
	args = file_args(self, &word);
	EXPECT_EQ(-ENODATA, __tracker_read(&args));
	EXPECT_EQ(0, word);
	EXPECT_EQ(-ENODATA, __tracker_scan(&scan));
	EXPECT_EQ(-ENODATA, __tracker_mark_runs(self->file, 0, &run, 1));
	EXPECT_EQ(-ENODEV, __tracker_start(self->file, 0, NULL));
	EXPECT_EQ(0, __tracker_stop(self->file, 0));
	EXPECT_EQ(0, close(self->file));
}

/* The iommufd is closed and goes with all that it holds, as if there were no file */
TEST_F(file, iommufd_closed)
{
	struct pins after;
	struct env next;

	tracker_start(self->file, 0);
	oracle_write(&self->o, 0, 5);
	env_close(&self->env);
	pins_read(&after);
	EXPECT_EQ(self->before.pinned, after.pinned);
	EXPECT_EQ(self->before.accounted, after.accounted);
	/* The device can be bound to another one */
	ASSERT_EQ(NULL, env_open(&next, 1));
	check_gone(_metadata, self);
	self->env = next;
}

/* The IOAS alone goes; another one may have its id */
TEST_F(file, ioas_destroyed)
{
	struct env *env = &self->env;
	__u32 next;

	tracker_start(self->file, 0);
	oracle_write(&self->o, 0, 5);
	object_destroy(env->fd, env->tracker);
	edu_detach(&env->edu[0]);
	ASSERT_EQ(0, __object_destroy(env->fd, env->ioas));
	next = ioas_alloc(env->fd);
	check_gone(_metadata, self);
	EXPECT_EQ(0, object_listed(env->fd, next).num_trackers);
}

/* A process that reads again and again is killed at any time; nothing is left of it */
TEST_F(file, killed)
{
	unsigned int i;
	int ready[2];
	char byte;
	pid_t pid;

	env_start(&self->env);
	for (i = 0; i < KILLS; i++) {
		tracker_start(self->file, 0);
		ASSERT_EQ(0, pipe(ready));
		pid = check(fork());
		if (!pid) {
			oracle_read(&self->by_file, 0);
			if (write(ready[1], &byte, 1) != 1)
				_exit(1);
			for (;;)
				oracle_read(&self->by_file, 0);
		}
		close(self->file);
		ASSERT_EQ(1, read(ready[0], &byte, 1));
		EXPECT_EQ(2, running(&self->env));
		oracle_write(&self->o, 0, i);
		kill(pid, SIGKILL);
		ASSERT_EQ(pid, waitpid(pid, NULL, 0));
		EXPECT_EQ(1, running(&self->env));
		EXPECT_EQ(1, oracle_read(&self->o, 0));
		close(ready[0]);
		close(ready[1]);
		self->file = tracker_file(self->env.fd, self->env.ioas, 0);
		self->on_file.fd = self->file;
	}
}

/* A device tracker: it can be read when the device is gone, and the iommufd, too */
TEST_F(file, device)
{
	struct iommu_dirty_run range = { .iova = IOVA, .length = SIZE };
	struct env *env = &self->env;
	struct iommu_dirty_member member;
	struct read_args args;
	__u64 page_size = SZ_4K, word;
	struct env next;
	__u32 num = 1;

	close(self->file);
	self->file = tracker_file(env->fd, env->edu[0].dev_id, IOMMU_DIRTY_ALLOC_PASSIVE);
	/* This driver does not log, so everything is dirty */
	ASSERT_EQ(0, __device_start(self->file, 0, &range, &num, &page_size));
	EXPECT_EQ(1, object_listed(env->fd, env->edu[0].dev_id).num_trackers);
	EXPECT_EQ(IOMMU_DIRTY_TRACKER_DEGRADED | IOMMU_DIRTY_TRACKER_BLIND |
		  IOMMU_DIRTY_TRACKER_PASSIVE, tracker_flags(self->file, 0));
	env_close(env);
	ASSERT_EQ(NULL, env_open(&next, 1));
	self->env = next;
	EXPECT_EQ(0, object_listed(env->fd, env->edu[0].dev_id).num_trackers);
	tracker_info(self->file, 0, &member);
	EXPECT_EQ(IOMMU_DIRTY_REASON_UNBOUND, member.reason);
	args = file_args(self, &word);
	EXPECT_EQ(PAGES, tracker_read(&args));
	EXPECT_EQ(~0ULL, word);
	tracker_stop(self->file, 0);
	EXPECT_EQ(-ENODATA, __tracker_read(&args));
	num = 1;
	EXPECT_EQ(-ENODEV, __device_start(self->file, 0, &range, &num, &page_size));
	EXPECT_EQ(0, close(self->file));
}

TEST_HARNESS_MAIN
