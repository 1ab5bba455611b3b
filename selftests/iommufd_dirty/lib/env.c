// SPDX-License-Identifier: GPL-2.0-only
/*
 * The environment of nearly every test: an iommufd file, an IOAS with 4 KiB IO
 * page-table entries, edu devices of which the first is attached to the IOAS, and a
 * stopped tracker. A staging page, which devices can only read, holds the value
 * that a device will write.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib.h"

/* With a device that drops address bits the tests would test nothing */
static void env_check_dma(struct env *env)
{
	const __u64 iova = 3ULL << 32;
	__u64 *mem = mem_alloc(SZ_4K);

	ioas_map(env->fd, env->ioas, mem, SZ_4K, iova);
	env_load(env, 0);
	if (env->stage[0] == 0)
		fatal("the staging page holds no value");
	edu_dma_to(&env->edu[0], iova, 0, 8);
	if (__atomic_load_n(mem, __ATOMIC_ACQUIRE) != env->stage[0])
		fatal("no DMA to %#llx; an edu device needs dma_mask=0xffffffffffffffff",
		      iova);
	ioas_unmap(env->fd, env->ioas, iova, SZ_4K);
	mem_free(mem, SZ_4K);
}

const char *env_open(struct env *env, unsigned int num_edu)
{
	unsigned int i;
	__u32 tracker;

	memset(env, 0, sizeof(*env));
	env->fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (env->fd < 0)
		return "cannot open /dev/iommu";
	if (__tracker_alloc(env->fd, 0, &tracker) == -ENOTTY)
		return "this kernel has no CONFIG_IOMMUFD_DIRTY";
	if (edu_count() < num_edu)
		return "too few edu devices";

	random_init();
	/* Clear what a crashed test may have left */
	break_kernel(0);
	env->ioas = ioas_alloc(env->fd);
	ioas_set_huge_pages(env->fd, env->ioas, false);
	env->stage = mem_alloc(SZ_4K);
	env_map_stage(env, env->ioas);
	for (i = 0; i < num_edu; i++)
		edu_open(&env->edu[i], i, env->fd);
	env->num_edu = num_edu;
	if (num_edu) {
		edu_attach(&env->edu[0], env->ioas);
		env_check_dma(env);
	}
	env->tracker = tracker_alloc(env->fd, env->ioas);
	return NULL;
}

const char *env_open_soft(struct env *env, unsigned int num_edu)
{
	const char *reason = env_open(env, num_edu);

	if (!reason && !env->edu[0].soft)
		reason = "no device of the software IOMMU";
	return reason;
}

const char *env_need_pci(unsigned int num_edu)
{
	static char reason[64];

	/* DIRTY_DEVICES selects devices of the software IOMMU */
	if (edu_count() >= num_edu && !getenv("DIRTY_DEVICES"))
		return NULL;
	snprintf(reason, sizeof(reason), "needs PCI edu devices: %u", num_edu);
	return reason;
}

void env_close(struct env *env)
{
	while (env->num_edu)
		edu_close(&env->edu[--env->num_edu]);
	close(env->fd);
	mem_free(env->stage, SZ_4K);
}

void env_map_stage(struct env *env, __u32 ioas)
{
	check(__ioas_map(env->fd, ioas, env->stage, SZ_4K, ENV_STAGE_IOVA,
			 IOMMU_IOAS_MAP_READABLE));
}

void env_map_huge(struct env *env, __u32 ioas, char *mem, unsigned int pages, __u64 iova)
{
	unsigned int i;

	for (i = 0; i < pages; i++)
		ioas_map(env->fd, ioas, mem + i * SZ_2M, SZ_2M, iova + i * SZ_2M);
}

void *env_alloc_huge(struct env *env, unsigned int pages, __u64 iova, __u32 *ioas)
{
	void *mem = mem_alloc_huge(pages * SZ_2M);

	if (!mem)
		return NULL;
	memset(mem, 0, pages * SZ_2M);
	*ioas = ioas_alloc(env->fd);
	env_map_stage(env, *ioas);
	edu_attach(&env->edu[0], *ioas);
	env_map_huge(env, *ioas, mem, pages, iova);
	return mem;
}

__u64 env_load(struct env *env, unsigned int index)
{
	env->value++;
	mem_fill(env->stage, env->value, SZ_4K);
	edu_dma_from(&env->edu[index], ENV_STAGE_IOVA, 0, EDU_BUF_SIZE);
	return env->value;
}

void env_store(struct env *env, unsigned int index, __u64 iova)
{
	edu_dma_to(&env->edu[index], iova, 0, 8);
}

void env_twin(struct env *env)
{
	env->twin = tracker_alloc(env->fd, env->ioas);
}

void env_start(struct env *env)
{
	tracker_start(env->fd, env->tracker);
	if (env->twin)
		tracker_start(env->fd, env->twin);
}

/* READ of one tracker and SCAN of the other, in random order; acts as one READ */
static __u64 env_read_twins(struct env *env, struct read_args *args)
{
	size_t size = bitmap_bytes(args->iova, args->length, args->page_size);
	struct read_args twin = *args;
	bool scan_first = random_below(2);
	unsigned char *data = args->data;
	unsigned char *got = mem_alloc(size);
	unsigned char *want = mem_alloc(size);
	__u64 set = 0;
	size_t i;

	args->data = want;
	twin.data = got;
	twin.tracker = env->twin;
	if (!scan_first)
		set = tracker_read(args);
	tracker_scan(&twin, random_below(2) ? 1 + random_below(7) : 256);
	if (scan_first)
		set = tracker_read(args);
	if (set != twin.out_pages || memcmp(got, want, size))
		fatal("READ found %llu pages, but SCAN of the twin %llu%s", set,
		      twin.out_pages, set == twin.out_pages ? " others" : "");
	for (i = 0; i < size; i++) {
		set -= __builtin_popcount(data[i] & want[i]);
		data[i] |= want[i];
	}
	mem_free(got, size);
	mem_free(want, size);
	return set;
}

__u64 env_read(struct env *env, __u64 iova, __u64 length, __u64 page_size,
	       __u32 flags, void *data)
{
	struct read_args args = {
		.fd = env->fd,
		.tracker = env->tracker,
		.flags = flags,
		.iova = iova,
		.length = length,
		.page_size = page_size,
		.data = data,
	};

	return env->twin ? env_read_twins(env, &args) : tracker_read(&args);
}
