// SPDX-License-Identifier: GPL-2.0-only
/*
 * Times IOMMU_IOAS_MAP plus IOMMU_IOAS_UNMAP of 4 KiB in an IOAS without a page table,
 * and of 4 KiB and 2 MiB in an IOAS with an attached device. map.sh runs it. It uses
 * no tracker, so it also runs on a kernel without trackers.
 *
 * Prints one line per case: its name and the nanoseconds for the two calls, the minimum
 * of all rounds.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib.h"

#define IOVA	SZ_1G
#define ROUNDS	200
#define PAIRS	50

static __u64 now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static void time_pairs(const char *name, int fd, __u32 ioas, void *mem, size_t size)
{
	__u64 fewest = ~0ULL;
	unsigned int round, i;

	for (round = 0; round < ROUNDS; round++) {
		__u64 begin = now(), ns;

		for (i = 0; i < PAIRS; i++) {
			ioas_map(fd, ioas, mem, size, IOVA);
			ioas_unmap(fd, ioas, IOVA, size);
		}
		ns = (now() - begin) / PAIRS;
		fewest = ns < fewest ? ns : fewest;
	}
	printf("@map %s %zu KiB: %llu\n", name, size / 1024, fewest);
}

int main(void)
{
	int fd = check(open("/dev/iommu", O_RDWR | O_CLOEXEC));
	__u32 ioas = ioas_alloc(fd);
	void *mem = mem_alloc(SZ_2M);
	struct edu edu;

	memset(mem, 1, SZ_2M);
	time_pairs("alone", fd, ioas, mem, SZ_4K);
	edu_open(&edu, 0, fd);
	edu_attach(&edu, ioas);
	time_pairs("attached", fd, ioas, mem, SZ_4K);
	time_pairs("attached", fd, ioas, mem, SZ_2M);
	edu_close(&edu);
	return 0;
}
