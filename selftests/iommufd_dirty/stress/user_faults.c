// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that is not there, or that cannot be written, at each pointer of each
 * call, and structs that are there only in part: -EFAULT, nothing has changed, and
 * what was dirty is reported by the next READ. And memory of an IOAS whose faults take
 * their time: who waits for it can be killed, and does not hold others up.
 */
#include <kselftest_harness.h>

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

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

/*
 * Memory of an IOAS without a HWPT: a page, and another behind it that is not there, in
 * one mapping, which software pins to write to
 */
#define PINS_IOVA	SZ_1G

struct pinned {
	struct ground *g;
	__u32 ioas;
	__u32 tracker;
	int access;
	char *mem;
	struct hold hold;
	pthread_t thread;
	__u32 pin;
	__u32 pin_there;
	__u32 stopped;		/* another tracker */
};

/* NULL, or the reason why there is no such software */
static const char *pinned_open(struct pinned *p, struct ground *g)
{
	int fd = g->env.fd;

	p->g = g;
	p->ioas = ioas_alloc(fd);
	p->access = __access_create_pins(fd, p->ioas);
	if (p->access < 0)
		return "no CONFIG_IOMMUFD_TEST";
	p->tracker = tracker_alloc(fd, p->ioas);
	p->stopped = tracker_alloc(fd, p->ioas);
	tracker_start(fd, p->tracker);
	p->mem = mem_alloc(2 * SZ_4K);
	p->mem[0] = 1;
	ioas_map(fd, p->ioas, p->mem, 2 * SZ_4K, PINS_IOVA);
	hold_open_at(&p->hold, p->mem + SZ_4K);
	return NULL;
}

static void *pin_run(void *arg)
{
	struct pinned *p = arg;

	p->pin = access_pin(p->g->env.fd, p->access, PINS_IOVA + SZ_4K, SZ_4K, ACCESS_WRITE);
	return NULL;
}

/* A thread pins the page that is not there, until pinned_end() */
static void pinned_begin(struct pinned *p)
{
	if (pthread_create(&p->thread, NULL, pin_run, p))
		fatal("pthread_create");
	hold_wait(&p->hold);
}

static void pinned_end(struct pinned *p)
{
	hold_release(&p->hold);
	pthread_join(p->thread, NULL);
	close(p->hold.fd);
}

/* The pages that a READ of two finds */
static __u64 pinned_read(struct pinned *p, __u64 iova)
{
	unsigned char bits = 0;
	struct read_args args = {
		.fd = p->g->env.fd,
		.tracker = p->tracker,
		.iova = iova,
		.length = 2 * SZ_4K,
		.page_size = SZ_4K,
		.data = &bits,
	};

	tracker_read(&args);
	return bits;
}

static void pinned_close(struct pinned *p)
{
	int fd = p->g->env.fd;

	access_unpin(fd, p->access, p->pin);
	access_destroy(p->access);
	object_destroy(fd, p->tracker);
	object_destroy(fd, p->stopped);
	object_destroy(fd, p->ioas);
	mem_free(p->mem, 2 * SZ_4K);
}

/* A READ, START or STOP in a process or thread of its own, until it is blocked */
enum reading_call { DO_START, DO_STOP, DO_READ };

struct reading {
	struct pinned *p;
	enum reading_call call;
	pid_t tid;
	bool done;
	__u64 found;
};

static void *reading_run(void *arg)
{
	struct reading *r = arg;

	__atomic_store_n(&r->tid, gettid(), __ATOMIC_RELEASE);
	switch (r->call) {
	case DO_READ:
		r->found = pinned_read(r->p, PINS_IOVA);
		break;
	case DO_START:
		__tracker_start(r->p->g->env.fd, r->p->stopped, NULL);
		break;
	case DO_STOP:
		__tracker_stop(r->p->g->env.fd, r->p->tracker);
		break;
	}
	__atomic_store_n(&r->done, true, __ATOMIC_RELEASE);
	return NULL;
}

static void reading_wait(struct reading *r)
{
	pid_t tid;

	while (!(tid = __atomic_load_n(&r->tid, __ATOMIC_ACQUIRE)))
		sched_yield();
	hold_wait_blocked(tid, &r->done);
}

/*
 * In a process that is killed when it is blocked; was it? @late: others pin pages only
 * when it is
 */
static bool reading_killed(struct pinned *p, enum reading_call call, bool late)
{
	struct reading *r = mmap(NULL, SZ_4K, PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bool done;
	pid_t pid;

	if (r == MAP_FAILED)
		fatal("no memory");
	r->p = p;
	r->call = call;
	pid = check(fork());
	if (!pid) {
		reading_run(r);
		_exit(0);
	}
	reading_wait(r);
	done = r->done;
	if (late)
		pinned_begin(p);
	kill(pid, SIGKILL);
	if (waitpid(pid, NULL, 0) != pid)
		fatal("waitpid: error %d", errno);
	munmap(r, SZ_4K);
	return !done;
}

/*
 * Somebody is about to pin, for as long as that takes: a READ does not wait for it, and
 * finds @pages
 */
static void read_beside(struct __test_metadata *_metadata, struct pinned *p,
			__u64 pages)
{
	struct reading r = { .p = p, .call = DO_READ };
	pthread_t thread;

	pinned_begin(p);
	ASSERT_EQ(0, pthread_create(&thread, NULL, reading_run, &r));
	reading_wait(&r);
	EXPECT_TRUE(r.done);
	pinned_end(p);
	pthread_join(thread, NULL);
	EXPECT_EQ(pages, r.found);
}

TEST_F_TIMEOUT(user_faults, read_while_pinning, 60)
{
	struct pinned p = {};
	const char *reason = pinned_open(&p, &self->g);

	if (reason)
		SKIP(return, "%s", reason);
	read_beside(_metadata, &p, 0);
	EXPECT_EQ(2, pinned_read(&p, PINS_IOVA));
	pinned_close(&p);
}

/* Where a page is pinned already it cannot know which, and takes all of them */
TEST_F_TIMEOUT(user_faults, read_while_pinning_more, 60)
{
	struct pinned p = {};
	const char *reason = pinned_open(&p, &self->g);
	int fd = self->g.env.fd;

	if (reason)
		SKIP(return, "%s", reason);
	p.pin_there = access_pin(fd, p.access, PINS_IOVA, SZ_4K, ACCESS_WRITE);
	read_beside(_metadata, &p, 3);
	access_unpin(fd, p.access, p.pin_there);
	EXPECT_EQ(3, pinned_read(&p, PINS_IOVA));
	EXPECT_EQ(2, pinned_read(&p, PINS_IOVA));
	pinned_close(&p);
}

#define COPIES	200

/* The same pages at other places too, a GiB apart, and pinned there */
static void pinned_copy(struct pinned *p)
{
	struct iommu_ioas_copy cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			 IOMMU_IOAS_MAP_WRITEABLE,
		.dst_ioas_id = p->ioas,
		.src_ioas_id = p->ioas,
		.length = 2 * SZ_4K,
		.dst_iova = PINS_IOVA,
		.src_iova = PINS_IOVA,
	};
	unsigned int i;

	for (i = 0; i < COPIES; i++) {
		cmd.dst_iova += SZ_1G;
		check(__iommufd_ioctl(p->g->env.fd, IOMMU_IOAS_COPY, &cmd));
		access_pin(p->g->env.fd, p->access, cmd.dst_iova, SZ_4K, ACCESS_WRITE);
	}
}

/* A READ of many of those waits for somebody who pins, but not in each GiB anew */
TEST_F_TIMEOUT(user_faults, read_many_while_pinning, 120)
{
	__u64 pages[COPIES / 64 + 1] = {};
	struct pinned p = {};
	const char *reason = pinned_open(&p, &self->g);
	struct rusage before, after;
	struct read_args args = {
		.fd = self->g.env.fd,
		.tracker = p.tracker,
		.iova = PINS_IOVA + SZ_1G,
		.length = COPIES * SZ_1G,
		.page_size = SZ_1G,
		.data = pages,
	};
	long waits;

	if (reason)
		SKIP(return, "%s", reason);
	pinned_copy(&p);
	pinned_begin(&p);
	check(getrusage(RUSAGE_THREAD, &before));
	EXPECT_EQ(COPIES, tracker_read(&args));
	check(getrusage(RUSAGE_THREAD, &after));
	waits = after.ru_nvcsw - before.ru_nvcsw;
	lib_note("waits %ld times for %u mappings", waits, COPIES);
	EXPECT_GT(COPIES * 64 / 2, waits);
	/* They wait again later: each READ of one tries for a moment */
	usleep(100000);
	args.length = SZ_1G;
	pages[0] = 0;
	check(getrusage(RUSAGE_THREAD, &before));
	EXPECT_EQ(1, tracker_read(&args));
	check(getrusage(RUSAGE_THREAD, &after));
	EXPECT_LT(32, after.ru_nvcsw - before.ru_nvcsw);
	pinned_end(&p);
	access_destroy(p.access);
	object_destroy(self->g.env.fd, p.tracker);
	object_destroy(self->g.env.fd, p.stopped);
	object_destroy(self->g.env.fd, p.ioas);
	mem_free(p.mem, 2 * SZ_4K);
}

/*
 * START and STOP do wait. They can be killed, and others can READ another part of the
 * IOAS then
 */
TEST_F_TIMEOUT(user_faults, killed_while_pinning, 60)
{
	struct pinned p = {};
	const char *reason = pinned_open(&p, &self->g);
	int fd = self->g.env.fd;
	enum reading_call call;

	if (reason)
		SKIP(return, "%s", reason);
	ioas_map(fd, p.ioas, self->g.mem, SZ_4K, PINS_IOVA + SZ_1G);
	p.pin_there = access_pin(fd, p.access, PINS_IOVA, SZ_4K, ACCESS_WRITE);
	pinned_begin(&p);
	for (call = DO_START; call <= DO_STOP; call++) {
		EXPECT_TRUE(reading_killed(&p, call, false));
		EXPECT_EQ(0, pinned_read(&p, PINS_IOVA + SZ_1G));
	}
	pinned_end(&p);
	EXPECT_EQ(IOMMU_DIRTY_STATE_STOPPED, tracker_state(fd, p.stopped));
	EXPECT_EQ(3, pinned_read(&p, PINS_IOVA));
	access_unpin(fd, p.access, p.pin_there);
	pinned_close(&p);
}

/* A file of /proc that may have gone: then it is empty */
static void proc_text(char *text, size_t size, const char *dir, const char *name)
{
	char path[320];
	ssize_t got = 0;
	int fd;

	snprintf(path, sizeof(path), "%s%s", dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		got = read(fd, text, size - 1);
		close(fd);
	}
	text[got > 0 ? got : 0] = 0;
}

/* Is one of the kernel's workers in what ends a killed START? */
static bool worker_there(void)
{
	unsigned int workers = 0;
	char text[4096];
	bool found = false;
	glob_t dirs;
	size_t n;

	if (glob("/proc/[0-9]*/", 0, NULL, &dirs))
		fatal("no tasks in /proc");
	for (n = 0; n < dirs.gl_pathc; n++) {
		proc_text(text, sizeof(text), dirs.gl_pathv[n], "comm");
		if (strncmp(text, "kworker", 7))
			continue;
		proc_text(text, sizeof(text), dirs.gl_pathv[n], "stack");
		workers += !!*text;
		found |= !!strstr(text, "iommufd_dirty_abandon");
	}
	globfree(&dirs);
	if (!workers)
		fatal("cannot see what workers wait for");
	return found;
}

/* Does it stay there? One that only looks from time to time is seen once, if at all */
static bool worker_waits(void)
{
	unsigned int looks = 0, i;

	for (i = 0; i < 40 && looks < 10; i++)
		looks = worker_there() ? looks + 1 : 0;
	return looks == 10;
}

/* A START that has begun before, too; NULL, or the reason why there is none */
static const char *killed_halfway(struct pinned *p, struct ground *g)
{
	const char *reason = pinned_open(p, g);

	if (reason)
		return reason;
	if (!break_kernel(1U << BREAK_FORGET))
		return "no CONFIG_IOMMUFD_DIRTY_BREAK";
	if (!reading_killed(p, DO_START, true))
		fatal("START was not held up");
	break_kernel(0);
	return NULL;
}

/* Others finish what it has begun when they can, and do not wait for that */
TEST_F_TIMEOUT(user_faults, killed_halfway, 60)
{
	struct pinned p = {};
	const char *reason = killed_halfway(&p, &self->g);
	int fd = self->g.env.fd;

	if (reason)
		SKIP(return, "%s", reason);
	EXPECT_FALSE(worker_waits());
	EXPECT_EQ(IOMMU_DIRTY_STATE_STARTING, tracker_state(fd, p.stopped));
	pinned_end(&p);
	while (tracker_state(fd, p.stopped) != IOMMU_DIRTY_STATE_STOPPED)
		sched_yield();
	tracker_start(fd, p.stopped);
	pinned_close(&p);
}

static int stop_stopped(void *arg)
{
	struct pinned *p = arg;

	return __tracker_stop(p->g->env.fd, p->stopped);
}

static int start_stopped(void *arg)
{
	struct pinned *p = arg;

	return __tracker_start(p->g->env.fd, p->stopped, NULL);
}

/* STOP and START of such a tracker wait for the locks, and then do it themselves */
static void after_killed(struct __test_metadata *_metadata, struct pinned *p,
			 int (*call)(void *p))
{
	struct side side;

	side_start(&side, call, p);
	EXPECT_FALSE(side_wait(&side));
	pinned_end(p);
	EXPECT_EQ(0, side_end(&side));
}

TEST_F_TIMEOUT(user_faults, stop_of_killed, 60)
{
	struct pinned p = {};
	const char *reason = killed_halfway(&p, &self->g);

	if (reason)
		SKIP(return, "%s", reason);
	after_killed(_metadata, &p, stop_stopped);
	EXPECT_EQ(IOMMU_DIRTY_STATE_STOPPED, tracker_state(self->g.env.fd, p.stopped));
	pinned_close(&p);
}

TEST_F_TIMEOUT(user_faults, start_of_killed, 60)
{
	struct pinned p = {};
	const char *reason = killed_halfway(&p, &self->g);

	if (reason)
		SKIP(return, "%s", reason);
	after_killed(_metadata, &p, start_stopped);
	/* The worker comes late, and leaves it alone */
	usleep(100000);
	EXPECT_EQ(IOMMU_DIRTY_STATE_RUNNING, tracker_state(self->g.env.fd, p.stopped));
	pinned_close(&p);
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
 * An attach that fails at a later mapping, when the device has been able to write to an
 * earlier one for some time: what it wrote is reported
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
		.fd = env->fd, .iova = PINS_IOVA, .length = SZ_4K,
		.page_size = SZ_4K, .data = &page,
	};

	hold_open(&hold);
	tracker = tracker_alloc(env->fd, ioas);
	args.tracker = tracker;
	env_map_stage(env, ioas);
	ioas_map(env->fd, ioas, mem, SZ_4K, PINS_IOVA);
	ioas_map(env->fd, ioas, hold.page, SZ_4K, PINS_IOVA + SZ_1G);
	ioas_map(env->fd, ioas, gone, SZ_4K, PINS_IOVA + 2 * SZ_1G);
	mem_free(gone, SZ_4K);
	edu_detach(&env->edu[0]);
	tracker_start(env->fd, tracker);
	side_start(&side, attach_run, &attach);
	hold_wait(&hold);
	env_load(env, 0);
	env_store(env, 0, PINS_IOVA);
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
