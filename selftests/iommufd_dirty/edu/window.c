// SPDX-License-Identifier: GPL-2.0-only
/*
 * IOMMU_HWPT_GET_DIRTY_BITMAP of a part of a 2 MiB IO page-table entry, in hardware: its
 * only dirty bit is cleared, so all of the entry must be reported, by this call or by the
 * next one, and nothing may be written behind the bitmap of the part.
 */
#include <kselftest_harness.h>
#include <string.h>

#include "lib.h"

#define IOVA	(4 * SZ_1G + 8 * SZ_2M)
#define HUGE	4		/* pages of 2 MiB */
#define SIZE	(HUGE * SZ_2M)
#define PAGES	(SIZE / SZ_4K)

FIXTURE(window)
{
	struct env env;
	__u32 hwpt;
	char *mem;
	unsigned int entry;	/* pages that a dirty bit stands for */
};

/* Pages of 4 KiB: the window begins at @first and has @num; the device writes to @hit */
FIXTURE_VARIANT(window)
{
	bool huge;
	unsigned int first;
	unsigned int num;
	unsigned int hit;
};

FIXTURE_VARIANT_ADD(window, begins_hit_inside_4k) { false, 256, 256, 300 };
FIXTURE_VARIANT_ADD(window, begins_hit_before_4k) { false, 256, 256, 10 };
FIXTURE_VARIANT_ADD(window, ends_hit_inside_4k) { false, 0, 256, 10 };
FIXTURE_VARIANT_ADD(window, ends_hit_behind_4k) { false, 0, 256, 300 };
FIXTURE_VARIANT_ADD(window, in_the_middle_4k) { false, 100, 8, 104 };
FIXTURE_VARIANT_ADD(window, two_entries_4k) { false, 256, 512, 300 };
FIXTURE_VARIANT_ADD(window, begins_hit_inside_2m) { true, 256, 256, 300 };
FIXTURE_VARIANT_ADD(window, begins_hit_before_2m) { true, 256, 256, 10 };
FIXTURE_VARIANT_ADD(window, ends_hit_inside_2m) { true, 0, 256, 10 };
FIXTURE_VARIANT_ADD(window, ends_hit_behind_2m) { true, 0, 256, 300 };
FIXTURE_VARIANT_ADD(window, in_the_middle_2m) { true, 100, 8, 104 };
FIXTURE_VARIANT_ADD(window, two_entries_2m) { true, 256, 512, 300 };

static bool has_2m(struct env *env)
{
	struct iommu_dirty_member m[2];
	__u32 num = tracker_members(env->fd, env->tracker, m, 2);

	return num && (m[0].io_page_sizes & SZ_2M);
}

FIXTURE_SETUP(window)
{
	struct env *env = &self->env;
	unsigned int i;
	__u32 ioas;

	OPEN_OR_SKIP(return, env_need_pci(1));
	OPEN_OR_SKIP(return, env_open(env, 1));
	self->entry = variant->huge && has_2m(env) ? SZ_2M / SZ_4K : 1;
	self->mem = variant->huge ? mem_alloc_huge(SIZE) : mem_alloc(SIZE);
	if (!self->mem)
		SKIP(return, "no 2 MiB huge pages");
	/* Every second page first, so that small ones are not contiguous */
	for (i = 0; i < PAGES; i += 2)
		self->mem[i * SZ_4K] = 1;
	memset(self->mem, 1, SIZE);

	/* The IOAS of the environment has only 4 KiB entries */
	ioas = variant->huge ? ioas_alloc(env->fd) : env->ioas;
	if (variant->huge)
		env_map_stage(env, ioas);
	self->hwpt = hwpt_alloc(env->fd, env->edu[0].dev_id, ioas,
				IOMMU_HWPT_ALLOC_DIRTY_TRACKING);
	edu_attach(&env->edu[0], self->hwpt);
	/* 2 MiB at a time, because AMD v1 has larger entries, too */
	for (i = 0; i < HUGE; i++)
		ioas_map(env->fd, ioas, self->mem + i * SZ_2M, SZ_2M, IOVA + i * SZ_2M);
	env->tracker = tracker_alloc(env->fd, ioas);
	env_load(env, 0);
	check(__hwpt_set_dirty(env->fd, self->hwpt, true));
}

FIXTURE_TEARDOWN(window)
{
	if (!self->mem)
		return;
	env_close(&self->env);
	mem_free(self->mem, SIZE);
}

static void get(struct _test_data_window *self, unsigned int first, unsigned int num,
		void *bitmap)
{
	check(__hwpt_get_dirty(self->env.fd, self->hwpt, IOVA + first * SZ_4K, num * SZ_4K,
			       bitmap));
}

/* The device writes; a GET of the window and one of everything together have the entry */
static void check_window(struct __test_metadata *_metadata, struct _test_data_window *self,
			 const struct _fixture_variant_window *variant)
{
	unsigned int from = variant->hit / self->entry * self->entry, i;
	unsigned char part[PAGES / 8] = {}, all[PAGES / 8] = {};
	bool want;

	env_store(&self->env, 0, IOVA + variant->hit * SZ_4K);
	get(self, variant->first, variant->num, part);
	get(self, 0, PAGES, all);
	EXPECT_EQ(bitmap_count(part, variant->num), bitmap_count(part, PAGES)) {
		TH_LOG("written behind the bitmap of %u pages", variant->num);
	}
	for (i = 0; i < PAGES; i++) {
		bool in = i >= variant->first && i < variant->first + variant->num;

		want = i >= from && i < from + self->entry;
		/* By one of the two calls, not by both */
		EXPECT_EQ(want && in, in && bitmap_test(part, i - variant->first)) {
			TH_LOG("window, page %u", i);
			break;
		}
		EXPECT_EQ(want && !in, bitmap_test(all, i)) {
			TH_LOG("next call, page %u", i);
			break;
		}
	}
	memset(all, 0, sizeof(all));
	get(self, 0, PAGES, all);
	EXPECT_EQ(0, bitmap_count(all, PAGES));
}

TEST_F(window, alone)
{
	check_window(_metadata, self, variant);
}

/* A tracker gets all of the entry, and its READ of a part leaves the rest for GET */
TEST_F(window, beside_a_tracker)
{
	unsigned int from = variant->hit / self->entry * self->entry;
	unsigned char bits[PAGES / 8] = {};
	struct env *env = &self->env;

	env_start(env);
	check_window(_metadata, self, variant);
	EXPECT_EQ(self->entry, env_read(env, IOVA, SIZE, SZ_4K, 0, bits));
	EXPECT_TRUE(bitmap_test(bits, from));
	EXPECT_TRUE(bitmap_test(bits, from + self->entry - 1));

	env_store(env, 0, IOVA + variant->hit * SZ_4K);
	memset(bits, 0, sizeof(bits));
	env_read(env, IOVA + variant->first * SZ_4K, variant->num * SZ_4K, SZ_4K, 0, bits);
	memset(bits, 0, sizeof(bits));
	get(self, 0, PAGES, bits);
	EXPECT_EQ(self->entry, bitmap_count(bits, PAGES));
	EXPECT_TRUE(bitmap_test(bits, from));
	EXPECT_TRUE(bitmap_test(bits, from + self->entry - 1));
}

TEST_HARNESS_MAIN
