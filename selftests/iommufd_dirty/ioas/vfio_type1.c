// SPDX-License-Identifier: GPL-2.0-only
/*
 * VFIO type1 dirty page tracking, for VMMs that only know VFIO containers: an
 * iommufd acts as the container (CONFIG_IOMMUFD_VFIO_CONTAINER). Exactly the pages
 * that the device wrote must be reported.
 */
#include <kselftest_harness.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "lib.h"

#define IOVA	0x40001000ULL
#define PAGES	64
#define SIZE	(PAGES * SZ_4K)
#define STAGE	0x10000000ULL
#define STARTERS 4
/* Size of the bitmap for half the address space */
#define BITMAP_MAX	(1ULL << (63 - 12 - 3))

FIXTURE(vfio_type1)
{
	int container;
	int group;
	struct edu edu;
	__u64 *mem;
	__u64 *stage;
};

static int map(int container, void *mem, __u64 iova, __u64 size, __u32 flags)
{
	struct vfio_iommu_type1_dma_map cmd = {
		.argsz = sizeof(cmd),
		.flags = VFIO_DMA_MAP_FLAG_READ | flags,
		.vaddr = (uintptr_t)mem,
		.iova = iova,
		.size = size,
	};

	return ioctl(container, VFIO_IOMMU_MAP_DMA, &cmd) ? -errno : 0;
}

/* Page by page: AMD's tables would merge physically adjacent pages */
static int map_pages(int container, __u64 *mem)
{
	size_t page;
	int rc;

	for (page = 0; page < PAGES; page++) {
		rc = map(container, &mem[page * 512], IOVA + page * SZ_4K, SZ_4K,
			 VFIO_DMA_MAP_FLAG_WRITE);
		if (rc)
			return rc;
	}
	return 0;
}

FIXTURE_SETUP(vfio_type1)
{
	if (!edu_count())
		SKIP(return, "no edu device");
	self->container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (self->container < 0)
		SKIP(return, "no /dev/vfio/vfio");
	self->group = edu_open_container(&self->edu, 0, self->container,
					 VFIO_TYPE1v2_IOMMU);
	self->mem = mem_alloc(SIZE);
	self->stage = mem_alloc(SZ_4K);
	ASSERT_EQ(0, map(self->container, self->stage, STAGE, SZ_4K, 0));
	ASSERT_EQ(0, map_pages(self->container, self->mem));
}

FIXTURE_TEARDOWN(vfio_type1)
{
	if (!self->mem)
		return;
	edu_close(&self->edu);
	close(self->group);
	close(self->container);
	mem_free(self->mem, SIZE);
	mem_free(self->stage, SZ_4K);
}

static void device_writes(FIXTURE_DATA(vfio_type1) * self, size_t page)
{
	self->stage[0]++;
	edu_dma_from(&self->edu, STAGE, 0, 8);
	edu_dma_to(&self->edu, IOVA + page * SZ_4K, 0, 8);
	if (self->mem[page * 512] != self->stage[0])
		fatal("the device wrote nothing");
}

static int dirty_pages(int container, __u32 flags)
{
	struct vfio_iommu_type1_dirty_bitmap cmd = {
		.argsz = sizeof(cmd),
		.flags = flags,
	};

	return ioctl(container, VFIO_IOMMU_DIRTY_PAGES, &cmd) ? -errno : 0;
}

struct get {
	struct vfio_iommu_type1_dirty_bitmap head;
	struct vfio_iommu_type1_dirty_bitmap_get range;
};

static struct get get_all(void *bitmap)
{
	return (struct get) {
		.head.argsz = sizeof(struct get),
		.head.flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP,
		.range = {
			.iova = IOVA,
			.size = SIZE,
			.bitmap = {
				.pgsize = SZ_4K,
				.size = PAGES / 8,
				.data = bitmap,
			},
		},
	};
}

static int get(int container, struct get *cmd)
{
	return ioctl(container, VFIO_IOMMU_DIRTY_PAGES, cmd) ? -errno : 0;
}

static __u64 dirty(FIXTURE_DATA(vfio_type1) * self)
{
	__u64 bitmap = 0;
	struct get cmd = get_all(&bitmap);

	check(get(self->container, &cmd));
	return bitmap;
}

TEST_F(vfio_type1, start_get_stop)
{
	__u64 bitmap = 0;
	struct get cmd = get_all(&bitmap);

	/* Writes before START are not reported */
	device_writes(self, 3);
	EXPECT_EQ(-EINVAL, get(self->container, &cmd));
	EXPECT_EQ(0, dirty_pages(self->container, VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP));
	ASSERT_EQ(0, dirty_pages(self->container, VFIO_IOMMU_DIRTY_PAGES_FLAG_START));
	EXPECT_EQ(0, dirty_pages(self->container, VFIO_IOMMU_DIRTY_PAGES_FLAG_START));
	EXPECT_EQ(0, dirty(self));

	device_writes(self, 0);
	device_writes(self, 17);
	device_writes(self, 63);
	EXPECT_EQ(1ULL | 1ULL << 17 | 1ULL << 63, dirty(self));
	EXPECT_EQ(0, dirty(self));
	device_writes(self, 17);
	EXPECT_EQ(1ULL << 17, dirty(self));

	ASSERT_EQ(0, dirty_pages(self->container, VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP));
	EXPECT_EQ(-EINVAL, get(self->container, &cmd));
	/* The same once more */
	ASSERT_EQ(0, dirty_pages(self->container, VFIO_IOMMU_DIRTY_PAGES_FLAG_START));
	EXPECT_EQ(0, dirty(self));
	device_writes(self, 5);
	EXPECT_EQ(1ULL << 5, dirty(self));
}

struct beside {
	int container;
	struct get get;
};

static int get_beside(void *arg)
{
	struct beside *b = arg;

	return get(b->container, &b->get);
}

static int stop_beside(void *arg)
{
	struct beside *b = arg;

	return dirty_pages(b->container, VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP);
}

/* STOP waits until the bitmap is complete: type1 calls are serialized */
TEST_F(vfio_type1, stop_beside_get)
{
	struct beside b = { .container = self->container };
	struct side get, stop;
	struct hold hold;

	hold_open(&hold);
	b.get = get_all(hold.page);
	ASSERT_EQ(0, dirty_pages(self->container, VFIO_IOMMU_DIRTY_PAGES_FLAG_START));
	device_writes(self, 5);
	side_start(&get, get_beside, &b);
	hold_wait(&hold);
	side_start(&stop, stop_beside, &b);
	EXPECT_FALSE(side_wait(&stop));
	hold_release(&hold);
	EXPECT_EQ(0, side_end(&get));
	EXPECT_EQ(0, side_end(&stop));
	EXPECT_EQ(1ULL << 5, *(__u64 *)hold.page);
	hold_close(&hold);
}

TEST_F(vfio_type1, get_arguments)
{
	__u64 bitmap = 0;
	struct get good = get_all(&bitmap), cmd;

	ASSERT_EQ(0, dirty_pages(self->container, VFIO_IOMMU_DIRTY_PAGES_FLAG_START));
	device_writes(self, 9);
#define fails(error, field, value)					\
({									\
	cmd = good;							\
	cmd.field = value;						\
	EXPECT_EQ(-(error), get(self->container, &cmd));		\
})
	fails(EINVAL, head.argsz, sizeof(cmd.head));
	fails(EINVAL, head.argsz, 4);
	fails(EINVAL, head.flags, 0);
	fails(EINVAL, head.flags, VFIO_IOMMU_DIRTY_PAGES_FLAG_GET_BITMAP |
				  VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP);
	fails(EINVAL, head.flags, 1 << 3);
	fails(EINVAL, range.size, 0);
	fails(EINVAL, range.size, SIZE - 1);
	fails(EINVAL, range.iova, IOVA + 1);
	fails(EINVAL, range.iova, -SZ_4K);
	fails(EINVAL, range.bitmap.pgsize, 0);
	fails(EINVAL, range.bitmap.pgsize, 2 * SZ_4K);
	fails(EINVAL, range.bitmap.size, PAGES / 8 - 1);
	fails(EINVAL, range.bitmap.size, BITMAP_MAX + 1);
	fails(EINVAL, range.bitmap.size, ~0ULL);
	fails(EFAULT, range.bitmap.data, NULL);
	EXPECT_EQ(0, bitmap);
	good.range.bitmap.size = BITMAP_MAX;
	EXPECT_EQ(0, get(self->container, &good));
	EXPECT_EQ(1ULL << 9, bitmap);
}

/* Gets the words for pages from @iova on, with all bits preset */
static void get_words(FIXTURE_DATA(vfio_type1) * self, __u64 iova, __u64 *words,
		      unsigned int num)
{
	struct get cmd = get_all(words);
	unsigned int i;

	for (i = 0; i < num; i++)
		words[i] = ~0ULL;
	cmd.range.iova = iova;
	cmd.range.size = num * 64 * SZ_4K;
	cmd.range.bitmap.size = num * 8;
	check(get(self->container, &cmd));
}

/* GET_BITMAP also clears the bits of clean pages, but not those of holes */
TEST_F(vfio_type1, stores_clean_bits)
{
	__u64 words[4];

	ASSERT_EQ(0, dirty_pages(self->container, VFIO_IOMMU_DIRTY_PAGES_FLAG_START));
	device_writes(self, 3);
	get_words(self, IOVA, words, 1);
	EXPECT_EQ(1ULL << 3, words[0]);
	get_words(self, IOVA, words, 1);
	EXPECT_EQ(0, words[0]);

	device_writes(self, 2);
	device_writes(self, 63);
	get_words(self, IOVA - 124 * SZ_4K, words, 4);
	EXPECT_EQ(~0ULL, words[0]);
	EXPECT_EQ(~0ULL >> 4 | 1ULL << 62, words[1]);
	EXPECT_EQ(1ULL << 59, words[2]);
	EXPECT_EQ(~0ULL, words[3]);
}

/* A call that fails because tracking is off leaves the bitmap alone */
TEST_F(vfio_type1, bitmap_of_a_refusal)
{
	__u64 bitmap = ~0ULL;
	struct get cmd = get_all(&bitmap);

	ASSERT_EQ(0, dirty_pages(self->container, VFIO_IOMMU_DIRTY_PAGES_FLAG_START));
	ASSERT_EQ(0, dirty_pages(self->container, VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP));
	EXPECT_EQ(-EINVAL, get(self->container, &cmd));
	EXPECT_EQ(~0ULL, bitmap);
}

static unsigned int list_trackers(int container, struct iommu_dirty_object *tracker)
{
	struct iommu_dirty_object objects[32];
	struct iommu_dirty_list cmd = {
		.size = sizeof(cmd),
		.num_objects = ARRAY_SIZE(objects),
		.objects = (uintptr_t)objects,
		.object_len = sizeof(objects[0]),
	};
	unsigned int i, num = 0;

	check(__iommufd_ioctl(container, IOMMU_DIRTY_LIST, &cmd));
	for (i = 0; i < cmd.num_objects; i++) {
		if (objects[i].type != IOMMU_DIRTY_OBJECT_TRACKER)
			continue;
		*tracker = objects[i];
		num++;
	}
	return num;
}

struct starters {
	pthread_barrier_t barrier;
	int container;
};

static void *starter_run(void *arg)
{
	struct starters *s = arg;

	pthread_barrier_wait(&s->barrier);
	check(dirty_pages(s->container, VFIO_IOMMU_DIRTY_PAGES_FLAG_START));
	return NULL;
}

/* Concurrent STARTs create one tracker, and STOP stops it */
TEST_F_TIMEOUT(vfio_type1, parallel_start, 300)
{
	struct starters s = { .container = self->container };
	struct iommu_dirty_object tracker;
	pthread_t threads[STARTERS];
	unsigned int i, round;

	pthread_barrier_init(&s.barrier, NULL, STARTERS);
	for (round = 0; round < 300; round++) {
		for (i = 0; i < STARTERS; i++)
			ASSERT_EQ(0, pthread_create(&threads[i], NULL, starter_run, &s));
		for (i = 0; i < STARTERS; i++)
			pthread_join(threads[i], NULL);
		check(dirty_pages(self->container, VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP));
		ASSERT_EQ(1, list_trackers(self->container, &tracker));
		ASSERT_EQ(IOMMU_DIRTY_STATE_STOPPED, tracker.state);
		object_destroy(self->container, tracker.id);
	}
}

static int start_container(void *container)
{
	return dirty_pages(*(int *)container, VFIO_IOMMU_DIRTY_PAGES_FLAG_START);
}

static int stop_container(void *container)
{
	return dirty_pages(*(int *)container, VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP);
}

/* Writes after any START has returned are dirty; a STOP comes after the START */
TEST_F(vfio_type1, start_beside_start)
{
	struct side first, second, stop;
	__u64 want = 0;

	if (!break_kernel(1U << BREAK_FORGET))
		SKIP(return, "no CONFIG_IOMMUFD_DIRTY_BREAK");
	side_start(&first, start_container, &self->container);
	EXPECT_FALSE(side_wait(&first));
	side_start(&second, start_container, &self->container);
	if (side_wait(&second)) {
		device_writes(self, 5);
		want = 1ULL << 5;
	}
	break_kernel(0);
	EXPECT_EQ(0, side_end(&first));
	EXPECT_EQ(0, side_end(&second));
	EXPECT_EQ(want, dirty(self));
	device_writes(self, 6);
	EXPECT_EQ(1ULL << 6, dirty(self));

	check(stop_container(&self->container));
	break_kernel(1U << BREAK_FORGET);
	side_start(&first, start_container, &self->container);
	side_wait(&first);
	side_start(&stop, stop_container, &self->container);
	side_wait(&stop);
	break_kernel(0);
	EXPECT_EQ(0, side_end(&first));
	EXPECT_EQ(0, side_end(&stop));
}

/* A bitmap that would wrap around to address 0 */
TEST_F(vfio_type1, bitmap_wraps)
{
	const __u64 page = 0x3000;
	__u64 *low = mmap((void *)page, SZ_4K, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	struct get cmd;

	ASSERT_EQ((void *)page, low);
	memset(low, 0xff, SZ_4K);
	/* The bit of IOVA, which is mapped, is 16 KiB into the bitmap */
	cmd = get_all((void *)(page - 4 * SZ_4K));
	cmd.range.iova = IOVA - 0x20001000;
	cmd.range.size = SZ_1G;
	cmd.range.bitmap.size = cmd.range.size / SZ_4K / 8;
	ASSERT_EQ(0, dirty_pages(self->container, VFIO_IOMMU_DIRTY_PAGES_FLAG_START));
	device_writes(self, 4);
	EXPECT_EQ(-EFAULT, get(self->container, &cmd));
	EXPECT_EQ(~0ULL, low[0]);
	EXPECT_EQ(1ULL << 4, dirty(self));
	munmap(low, SZ_4K);
}

struct unmap {
	struct vfio_iommu_type1_dma_unmap head;
	struct vfio_bitmap bitmap;
};

static int unmap(int container, struct unmap *cmd)
{
	return ioctl(container, VFIO_IOMMU_UNMAP_DMA, cmd) ? -errno : 0;
}

TEST_F(vfio_type1, unmap)
{
	__u64 bitmap = 0;
	struct unmap good = {
		.head = {
			.argsz = sizeof(good),
			.flags = VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP,
			.iova = IOVA,
			.size = SIZE,
		},
		.bitmap = {
			.pgsize = SZ_4K,
			.size = PAGES / 8,
			.data = &bitmap,
		},
	}, cmd = good;

	/* Only while tracking */
	EXPECT_EQ(-EINVAL, unmap(self->container, &cmd));
	ASSERT_EQ(0, dirty_pages(self->container, VFIO_IOMMU_DIRTY_PAGES_FLAG_START));
	device_writes(self, 1);
	device_writes(self, 40);
	cmd = good;
	cmd.head.flags |= VFIO_DMA_UNMAP_FLAG_ALL;
	EXPECT_EQ(-EINVAL, unmap(self->container, &cmd));
	cmd = good;
	cmd.head.argsz = sizeof(cmd.head);
	EXPECT_EQ(-EINVAL, unmap(self->container, &cmd));
	cmd = good;
	cmd.bitmap.data = NULL;
	EXPECT_EQ(-EFAULT, unmap(self->container, &cmd));
	device_writes(self, 2);

	cmd = good;
	EXPECT_EQ(0, unmap(self->container, &cmd));
	EXPECT_EQ(SIZE, cmd.head.size);
	EXPECT_EQ(1ULL << 1 | 1ULL << 2 | 1ULL << 40, bitmap);
	EXPECT_EQ(0, dirty(self));

	/* Without the flag the next bitmap has the pages */
	ASSERT_EQ(0, map_pages(self->container, self->mem));
	device_writes(self, 30);
	cmd = good;
	cmd.head.flags = 0;
	EXPECT_EQ(0, unmap(self->container, &cmd));
	EXPECT_EQ(1ULL << 30, dirty(self));
}

/* 16 TiB at once, mostly unmapped: only the capability's value is the limit */
TEST_F(vfio_type1, sixteen_tib)
{
	const __u64 size = 1ULL << 44, bytes = size / SZ_4K / 8;
	__u64 *bitmap = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	__u64 *words = bitmap + IOVA / SZ_4K / 64;
	struct get cmd = get_all(bitmap);
	struct unmap all = {
		.head = {
			.argsz = sizeof(all),
			.flags = VFIO_DMA_UNMAP_FLAG_GET_DIRTY_BITMAP,
			.size = size,
		},
		.bitmap = {
			.pgsize = SZ_4K,
			.size = bytes,
			.data = bitmap,
		},
	};

	ASSERT_NE(MAP_FAILED, bitmap);
	cmd.range.iova = 0;
	cmd.range.size = size;
	cmd.range.bitmap.size = bytes;
	ASSERT_EQ(0, dirty_pages(self->container, VFIO_IOMMU_DIRTY_PAGES_FLAG_START));
	device_writes(self, 5);
	words[0] = ~0ULL;
	EXPECT_EQ(0, get(self->container, &cmd));
	/* IOVA is the second page of a word */
	EXPECT_EQ(1ULL << 6 | 1, words[0]);
	EXPECT_EQ(0, words[1]);

	device_writes(self, 62);
	cmd.range.bitmap.size = ~0ULL;
	EXPECT_EQ(-EINVAL, get(self->container, &cmd));
	EXPECT_EQ(0, unmap(self->container, &all));
	EXPECT_EQ(SIZE + SZ_4K, all.head.size);
	EXPECT_EQ(1ULL << 63 | 1, words[0]);
	EXPECT_EQ(0, words[1]);
	munmap(bitmap, bytes);
}

/* The tracker is destroyed and its id reused: the new tracker is left alone */
TEST_F(vfio_type1, tracker_replaced)
{
	struct iommu_vfio_ioas compat = {
		.size = sizeof(compat),
		.op = IOMMU_VFIO_IOAS_GET,
	};
	struct iommu_dirty_member m;
	__u32 id, mine = 0;

	ASSERT_EQ(0, dirty_pages(self->container, VFIO_IOMMU_DIRTY_PAGES_FLAG_START));
	ASSERT_EQ(0, dirty_pages(self->container, VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP));
	ASSERT_EQ(0, __iommufd_ioctl(self->container, IOMMU_VFIO_IOAS, &compat));
	for (id = 1; id < 16; id++) {
		struct iommu_dirty_tracker_info info = {
			.tracker_id = id,
			.num_members = 1,
			.members = (uintptr_t)&m,
			.member_len = sizeof(m),
		};

		if (__tracker_info(self->container, &info))
			continue;
		object_destroy(self->container, id);
		mine = tracker_alloc(self->container, compat.ioas_id);
		break;
	}
	ASSERT_EQ(id, mine);
	ASSERT_EQ(0, dirty_pages(self->container, VFIO_IOMMU_DIRTY_PAGES_FLAG_START));
	EXPECT_EQ(IOMMU_DIRTY_STATE_STOPPED, tracker_state(self->container, mine));
	device_writes(self, 7);
	EXPECT_EQ(1ULL << 7, dirty(self));
	EXPECT_EQ(0, __tracker_start(self->container, mine, NULL));
	ASSERT_EQ(0, dirty_pages(self->container, VFIO_IOMMU_DIRTY_PAGES_FLAG_STOP));
	EXPECT_EQ(IOMMU_DIRTY_STATE_RUNNING, tracker_state(self->container, mine));
}

/* The capability that announces dirty tracking to a VMM */
TEST_F(vfio_type1, capability)
{
	union {
		struct vfio_iommu_type1_info info;
		char bytes[4096];
	} buf = { .info.argsz = sizeof(buf) };
	struct vfio_iommu_type1_info_cap_migration *cap;
	struct vfio_info_cap_header *head;
	unsigned int found = 0, offset;

	ASSERT_EQ(0, ioctl(self->container, VFIO_IOMMU_GET_INFO, &buf));
	ASSERT_TRUE(buf.info.flags & VFIO_IOMMU_INFO_CAPS);
	for (offset = buf.info.cap_offset; offset; offset = head->next) {
		head = (void *)&buf.bytes[offset];
		if (head->id != VFIO_IOMMU_TYPE1_INFO_CAP_MIGRATION)
			continue;
		cap = (void *)head;
		EXPECT_EQ(SZ_4K, cap->pgsize_bitmap);
		/* For half the address space */
		EXPECT_EQ(BITMAP_MAX, cap->max_dirty_bitmap_size);
		found++;
	}
	EXPECT_EQ(1, found);
}

/* The first version of type1 has no dirty page tracking */
TEST(vfio_type1_v1)
{
	struct edu edu = {};
	int container, group;

	if (!edu_count())
		SKIP(return, "no edu device");
	container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (container < 0)
		SKIP(return, "no /dev/vfio/vfio");
	group = edu_open_container(&edu, 0, container, VFIO_TYPE1_IOMMU);
	EXPECT_EQ(-EACCES, dirty_pages(container, VFIO_IOMMU_DIRTY_PAGES_FLAG_START));
	edu_close(&edu);
	close(group);
	close(container);
}

TEST_HARNESS_MAIN
