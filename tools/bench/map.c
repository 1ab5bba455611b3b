// SPDX-License-Identifier: GPL-2.0-only
/*
 * Times IOMMU_IOAS_MAP plus IOMMU_IOAS_UNMAP of 4 KiB in an IOAS without a page table,
 * and of 4 KiB and 2 MiB in an IOAS with an attached device. map.sh runs it.
 *
 * Without an argument it uses no tracker, so it also runs on a kernel without trackers.
 * With "idle" a passive tracker runs on the IOAS, with "observed" it is also read, once a
 * second.
 *
 * Prints one line per case: its name and the nanoseconds for the two calls, the minimum
 * of all rounds; with "observed" the average, as most rounds have no read.
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
#define SECOND	1000000000ULL

static __u64 now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static int observe(int fd, __u32 ioas)
{
	int tracker = tracker_file(fd, ioas, IOMMU_DIRTY_ALLOC_PASSIVE);

	tracker_start(tracker, 0);
	return tracker;
}

static void scan_all(int tracker)
{
	struct iommu_dirty_run runs[64];
	struct scan_args args = {
		.fd = tracker,
		.length = 1ULL << 40,
		.page_size = SZ_4K,
		.runs = runs,
		.num_runs = 64,
	};

	check(__tracker_scan(&args));
}

static int reader = -1;		/* the tracker to read once a second */

static void time_pairs(const char *name, int fd, __u32 ioas, void *mem, size_t size)
{
	__u64 fewest = ~0ULL, start = now(), next = start;
	unsigned int round, i;

	for (round = 0; round < ROUNDS || (reader >= 0 && now() - start < 4 * SECOND); round++) {
		__u64 begin = now(), ns;

		for (i = 0; i < PAIRS; i++) {
			ioas_map(fd, ioas, mem, size, IOVA);
			ioas_unmap(fd, ioas, IOVA, size);
		}
		if (reader >= 0 && begin >= next) {
			scan_all(reader);
			next += SECOND;
		}
		ns = (now() - begin) / PAIRS;
		fewest = ns < fewest ? ns : fewest;
	}
	if (reader >= 0)
		fewest = (now() - start) / round / PAIRS;
	printf("@map %s %zu KiB: %llu\n", name, size / 1024, fewest);
}

int main(int argc, char **argv)
{
	int fd = check(open("/dev/iommu", O_RDWR | O_CLOEXEC));
	void *mem = mem_alloc(SZ_2M);
	struct edu edu;
	__u32 ioas;

	/* With the kernel's defaults: what does it cost those who do not track? */
	check(__ioas_alloc(fd, &ioas));
	memset(mem, 1, SZ_2M);
	if (argc > 1) {
		int tracker = observe(fd, ioas);

		if (!strcmp(argv[1], "observed"))
			reader = tracker;
	}
	time_pairs("alone", fd, ioas, mem, SZ_4K);
	edu_open(&edu, 0, fd);
	edu_attach(&edu, ioas);
	time_pairs("attached", fd, ioas, mem, SZ_4K);
	time_pairs("attached", fd, ioas, mem, SZ_2M);
	edu_close(&edu);
	return 0;
}
