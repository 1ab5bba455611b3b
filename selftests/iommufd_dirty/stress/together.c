// SPDX-License-Identifier: GPL-2.0-only
/*
 * Consumers of all kinds at once: a device writes while a tracker, a passive tracker with
 * a file, and classic tracking of the HWPT read, each in a thread of its own. Each copies
 * the pages that were reported to it. When all have stopped, each copy must match the
 * memory. Mappings stay as they are: classic tracking does not report what is unmapped.
 *
 * If the kernel leaves out the IOTLB flush (CONFIG_IOMMUFD_DIRTY_BREAK), pages must be
 * missed. This proves that the test can fail.
 */
#include <kselftest_harness.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "lib.h"

#define PAGES	256
#define SIZE	(PAGES * SZ_4K)
#define IOVA	(SZ_1G - SIZE / 2)
#define ROUNDS	50	/* of the device at a time, with 20 writes each */
#define TIMES	60	/* how often at most */
#define READS	20	/* of each consumer at least while the device writes */
#define STORMS	20	/* at most, until a broken kernel misses a page */

/* One consumer, and the copy that it has of the memory */
struct reader {
	const char *name;
	struct oracle o;	/* shares the memory of the writer's oracle */
	bool *stop;
	int (*read)(struct reader *reader, __u64 iova, __u64 length);
	int fd;
	__u32 id;		/* tracker, HWPT */
	unsigned int reads;
	pthread_t thread;
	__u64 state;
};

FIXTURE(together)
{
	struct env env;
	struct oracle o;
	struct reader readers[3];
	bool stop;
};

FIXTURE_VARIANT(together)
{
	unsigned int breaks;
};

FIXTURE_VARIANT_ADD(together, nothing_missed)
{
};

FIXTURE_VARIANT_ADD(together, without_flush)
{
	.breaks = 1U << BREAK_FLUSH,
};

static int read_tracker(struct reader *reader, __u64 iova, __u64 length)
{
	struct read_args args = {
		.fd = reader->fd,
		.tracker = reader->id,
		.iova = iova,
		.length = length,
		.page_size = SZ_4K,
		.data = reader->o.bitmap,
	};

	return __tracker_read(&args);
}

static int read_classic(struct reader *reader, __u64 iova, __u64 length)
{
	return __hwpt_get_dirty(reader->fd, reader->id, iova, length, reader->o.bitmap);
}

static __u64 below(struct reader *reader, __u64 limit)
{
	reader->state ^= reader->state << 13;
	reader->state ^= reader->state >> 7;
	reader->state ^= reader->state << 17;
	return reader->state % limit;
}

/* Reads the pages from @first on, and copies what is reported */
static void copy_dirty(struct reader *reader, size_t first, size_t pages)
{
	size_t bytes = bitmap_bytes(0, SIZE, SZ_4K), page;
	unsigned char *bitmap = reader->o.bitmap;

	memset(bitmap, 0, bytes);
	check(reader->read(reader, IOVA + first * SZ_4K, pages * SZ_4K));
	/* Bit 0 is page @first; oracle_copy() expects page 0 */
	for (page = PAGES; first && page--;) {
		bool dirty = page >= first && page - first < pages &&
			     bitmap_test(bitmap, page - first);

		bitmap[page / 8] &= ~(1 << page % 8);
		bitmap[page / 8] |= dirty << page % 8;
	}
	oracle_copy(&reader->o);
	__atomic_fetch_add(&reader->reads, 1, __ATOMIC_RELAXED);
}

static void *run_reader(void *arg)
{
	struct reader *reader = arg;

	while (!__atomic_load_n(reader->stop, __ATOMIC_ACQUIRE)) {
		size_t first = below(reader, 2) ? 0 : below(reader, PAGES);

		copy_dirty(reader, first, 1 + below(reader, PAGES - first));
	}
	return NULL;
}

static bool has_read(const struct reader *reader, unsigned int times)
{
	return __atomic_load_n(&reader->reads, __ATOMIC_RELAXED) >= times;
}

FIXTURE_SETUP(together)
{
	struct env *env = &self->env;
	unsigned int i;
	__u32 hwpt;
	int file;

	OPEN_OR_SKIP(return, env_open(env, 1));
	oracle_open(&self->o, env, PAGES, IOVA);
	oracle_map(&self->o, env->ioas);
	hwpt = hwpt_alloc(env->fd, env->edu[0].dev_id, env->ioas,
			  IOMMU_HWPT_ALLOC_DIRTY_TRACKING);
	edu_attach(&env->edu[0], hwpt);
	file = tracker_file(env->fd, env->ioas, IOMMU_DIRTY_ALLOC_PASSIVE);
	self->readers[0] = (struct reader){ .name = "tracker", .read = read_tracker,
					    .fd = env->fd, .id = env->tracker };
	self->readers[1] = (struct reader){ .name = "passive tracker", .read = read_tracker,
					    .fd = file };
	self->readers[2] = (struct reader){ .name = "classic tracking", .read = read_classic,
					    .fd = env->fd, .id = hwpt };
	for (i = 0; i < 3; i++) {
		struct reader *reader = &self->readers[i];

		reader->o = self->o;
		reader->o.shadow = mem_alloc(PAGES * sizeof(*reader->o.shadow));
		reader->o.bitmap = mem_alloc(bitmap_bytes(0, SIZE, SZ_4K));
		reader->stop = &self->stop;
		reader->state = 0x746f67657468ULL + i;
	}
	tracker_start(env->fd, env->tracker);
	tracker_start(file, 0);
	check(__hwpt_set_dirty(env->fd, hwpt, true));
}

FIXTURE_TEARDOWN(together)
{
	if (!self->o.mem)
		return;
	close(self->readers[1].fd);
	env_close(&self->env);
	oracle_close(&self->o);
}

/* Returns how many pages the consumers have missed when the device and they have stopped */
static size_t storm(struct reader readers[3], struct oracle *o, bool *stop)
{
	unsigned int i, times;
	struct writer writer;
	size_t missed = 0;

	*stop = false;
	/* The device begins when all of them read */
	for (i = 0; i < 3; i++) {
		readers[i].reads = 0;
		if (pthread_create(&readers[i].thread, NULL, run_reader, &readers[i]))
			fatal("pthread_create failed");
	}
	for (i = 0; i < 3; i++)
		while (!has_read(&readers[i], 1))
			sched_yield();
	for (i = 0, times = 0; i < 3 && times < TIMES; times++) {
		writer_start(&writer, o, ROUNDS);
		pthread_join(writer.thread, NULL);
		while (i < 3 && has_read(&readers[i], READS))
			i++;
	}
	__atomic_store_n(stop, true, __ATOMIC_RELEASE);
	for (i = 0; i < 3; i++)
		pthread_join(readers[i].thread, NULL);
	for (i = 0; i < 3; i++) {
		struct reader *reader = &readers[i];
		size_t differing;

		copy_dirty(reader, 0, PAGES);
		differing = oracle_differing(&reader->o);
		lib_note("%s: %u reads, %zu pages missed", reader->name, reader->reads, differing);
		missed += differing;
	}
	return missed;
}

TEST_F_TIMEOUT(together, storm, 300)
{
	unsigned int i, storms = 0;
	size_t missed;

	if (!break_kernel(variant->breaks) && variant->breaks)
		SKIP(return, "no CONFIG_IOMMUFD_DIRTY_BREAK");
	/* A page that was missed can be written and reported again before the end */
	do {
		missed = storm(self->readers, &self->o, &self->stop);
		for (i = 0; i < 3; i++)
			EXPECT_LE(READS, self->readers[i].reads);
	} while (variant->breaks && !missed && ++storms < STORMS);
	break_kernel(0);
	EXPECT_EQ(variant->breaks != 0, missed != 0);
}

TEST_HARNESS_MAIN
