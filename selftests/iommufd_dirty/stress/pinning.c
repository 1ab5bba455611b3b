// SPDX-License-Identifier: GPL-2.0-only
/*
 * Software that pins pages of an IOAS holds iopt_pages::mutex while it waits for a page
 * fault, which can take arbitrarily long. READ does not wait for it; START and STOP do,
 * but they can be killed and do not block others.
 */
#include <kselftest_harness.h>

#include <fcntl.h>
#include <glob.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib.h"

FIXTURE(pinning)
{
	struct ground g;
};

FIXTURE_SETUP(pinning)
{
	OPEN_OR_SKIP(return, ground_open(&self->g));
}

FIXTURE_TEARDOWN(pinning)
{
	if (self->g.mem)
		ground_close(&self->g);
}

/*
 * Memory of an IOAS without a HWPT: one mapping of two pages, of which the second is not
 * present. Software pins them for writing.
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
	__u32 stopped;		/* a second tracker */
};

/* Returns NULL, or the reason why the test cannot run */
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

/* Starts a thread that pins the absent page, which blocks it until pinned_end() */
static void pinned_begin(void *arg)
{
	struct pinned *p = arg;

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

/* Returns the bits of a READ of two pages */
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

static int read_all(void *arg)
{
	return pinned_read(arg, PINS_IOVA);
}

static int stop_running(void *arg)
{
	struct pinned *p = arg;

	return __tracker_stop(p->g->env.fd, p->tracker);
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

/*
 * READs while another thread is blocked in pinning pages. The READ does not wait for
 * that thread, and finds @pages.
 */
static void read_beside(struct __test_metadata *_metadata, struct pinned *p,
			__u64 pages)
{
	struct side side;

	pinned_begin(p);
	side_start(&side, read_all, p);
	EXPECT_TRUE(side_wait(&side));
	pinned_end(p);
	EXPECT_EQ(pages, side_end(&side));
}

TEST_F_TIMEOUT(pinning, read_while_pinning, 60)
{
	struct pinned p = {};

	OPEN_OR_SKIP(return, pinned_open(&p, &self->g));
	read_beside(_metadata, &p, 0);
	EXPECT_EQ(2, pinned_read(&p, PINS_IOVA));
	pinned_close(&p);
}

/* If some page is pinned, READ cannot find out which ones are, and reports all of them */
TEST_F_TIMEOUT(pinning, read_while_pinning_more, 60)
{
	struct pinned p = {};
	int fd = self->g.env.fd;

	OPEN_OR_SKIP(return, pinned_open(&p, &self->g));
	p.pin_there = access_pin(fd, p.access, PINS_IOVA, SZ_4K, ACCESS_WRITE);
	read_beside(_metadata, &p, 3);
	access_unpin(fd, p.access, p.pin_there);
	EXPECT_EQ(3, pinned_read(&p, PINS_IOVA));
	EXPECT_EQ(2, pinned_read(&p, PINS_IOVA));
	pinned_close(&p);
}

#define COPIES	200

/* Maps the same pages at more IOVAs, 1 GiB apart, and pins them there */
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

/* A READ of many of those waits for a pinning thread, but not again in each GiB */
TEST_F_TIMEOUT(pinning, read_many_while_pinning, 120)
{
	__u64 pages[COPIES / 64 + 1] = {};
	struct pinned p = {};
	struct rusage before, after;
	struct read_args args = {
		.fd = self->g.env.fd,
		.iova = PINS_IOVA + SZ_1G,
		.length = COPIES * SZ_1G,
		.page_size = SZ_1G,
		.data = pages,
	};
	__u64 begin;
	long waits;

	OPEN_OR_SKIP(return, pinned_open(&p, &self->g));
	args.tracker = p.tracker;
	pinned_copy(&p);
	pinned_begin(&p);
	check(getrusage(RUSAGE_THREAD, &before));
	EXPECT_EQ(COPIES, tracker_read(&args));
	check(getrusage(RUSAGE_THREAD, &after));
	waits = after.ru_nvcsw - before.ru_nvcsw;
	lib_note("waits %ld times for %u mappings", waits, COPIES);
	EXPECT_GT(COPIES * 64 / 2, waits);
	/*
	 * A later READ of one of them waits again, for a moment: 64 times at least 100 us.
	 * The switches do not tell, because on a busy machine a sleep may be over before
	 * the task is off its CPU
	 */
	usleep(100000);
	args.length = SZ_1G;
	pages[0] = 0;
	begin = lib_clock();
	EXPECT_EQ(1, tracker_read(&args));
	EXPECT_LE(64 * 100 * 1000, lib_clock() - begin);
	pinned_end(&p);
	access_destroy(p.access);
	object_destroy(self->g.env.fd, p.tracker);
	object_destroy(self->g.env.fd, p.stopped);
	object_destroy(self->g.env.fd, p.ioas);
	mem_free(p.mem, 2 * SZ_4K);
}

/*
 * START and STOP do wait. They can be killed, and others can then READ another part of
 * the IOAS.
 */
TEST_F_TIMEOUT(pinning, killed_while_pinning, 60)
{
	struct pinned p = {};
	int fd = self->g.env.fd;

	OPEN_OR_SKIP(return, pinned_open(&p, &self->g));
	ioas_map(fd, p.ioas, self->g.mem, SZ_4K, PINS_IOVA + SZ_1G);
	p.pin_there = access_pin(fd, p.access, PINS_IOVA, SZ_4K, ACCESS_WRITE);
	pinned_begin(&p);
	EXPECT_TRUE(side_killed(start_stopped, &p, NULL));
	EXPECT_EQ(0, pinned_read(&p, PINS_IOVA + SZ_1G));
	EXPECT_TRUE(side_killed(stop_running, &p, NULL));
	EXPECT_EQ(0, pinned_read(&p, PINS_IOVA + SZ_1G));
	pinned_end(&p);
	EXPECT_EQ(IOMMU_DIRTY_STATE_STOPPED, tracker_state(fd, p.stopped));
	EXPECT_EQ(3, pinned_read(&p, PINS_IOVA));
	access_unpin(fd, p.access, p.pin_there);
	pinned_close(&p);
}

/* Reads a file of /proc; @text is empty if the file has gone */
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

/* Returns whether a kernel worker is in the function that ends a killed START */
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

/* Returns whether it stays there. A worker that polls is seen once, if at all */
static bool worker_waits(void)
{
	unsigned int looks = 0, i;

	for (i = 0; i < 40 && looks < 10; i++)
		looks = worker_there() ? looks + 1 : 0;
	return looks == 10;
}

/* Kills a START halfway; returns NULL, or the reason why the test cannot run */
static const char *killed_halfway(struct pinned *p, struct ground *g)
{
	const char *reason = pinned_open(p, g);

	if (reason)
		return reason;
	if (!break_kernel(1U << BREAK_FORGET))
		return "no CONFIG_IOMMUFD_DIRTY_BREAK";
	/* another thread starts to pin pages when START is blocked */
	if (!side_killed(start_stopped, p, pinned_begin))
		fatal("START was not held up");
	break_kernel(0);
	return NULL;
}

/* A worker stops the tracker when it gets the locks, and never waits for them */
TEST_F_TIMEOUT(pinning, killed_halfway, 60)
{
	struct pinned p = {};
	int fd = self->g.env.fd;

	OPEN_OR_SKIP(return, killed_halfway(&p, &self->g));
	EXPECT_FALSE(worker_waits());
	EXPECT_EQ(IOMMU_DIRTY_STATE_STARTING, tracker_state(fd, p.stopped));
	pinned_end(&p);
	while (tracker_state(fd, p.stopped) != IOMMU_DIRTY_STATE_STOPPED)
		sched_yield();
	tracker_start(fd, p.stopped);
	pinned_close(&p);
}

/* STOP and START of such a tracker wait for the locks and end the killed START */
static void after_killed(struct __test_metadata *_metadata, struct pinned *p,
			 int (*call)(void *p))
{
	struct side side;

	side_start(&side, call, p);
	EXPECT_FALSE(side_wait(&side));
	pinned_end(p);
	EXPECT_EQ(0, side_end(&side));
}

TEST_F_TIMEOUT(pinning, stop_of_killed, 60)
{
	struct pinned p = {};

	OPEN_OR_SKIP(return, killed_halfway(&p, &self->g));
	after_killed(_metadata, &p, stop_stopped);
	EXPECT_EQ(IOMMU_DIRTY_STATE_STOPPED, tracker_state(self->g.env.fd, p.stopped));
	pinned_close(&p);
}

TEST_F_TIMEOUT(pinning, start_of_killed, 60)
{
	struct pinned p = {};

	OPEN_OR_SKIP(return, killed_halfway(&p, &self->g));
	after_killed(_metadata, &p, start_stopped);
	/* The worker comes too late and does nothing */
	usleep(100000);
	EXPECT_EQ(IOMMU_DIRTY_STATE_RUNNING, tracker_state(self->g.env.fd, p.stopped));
	pinned_close(&p);
}

TEST_HARNESS_MAIN
