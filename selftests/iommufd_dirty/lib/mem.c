// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buffers for DMA and bitmaps, the functions that print notes and fail a test, and the
 * clock.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "lib.h"

#define NR_HUGE "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"

static void print(const char *fmt, va_list args)
{
	char text[512];

	vsnprintf(text, sizeof(text), fmt, args);
	printf("# %s\n", text);
	fflush(stdout);
}

void lib_fatal(const char *file, int line, const char *fmt, ...)
{
	const char *slash = strrchr(file, '/');
	va_list args;

	printf("# %s:%d: failed\n", slash ? slash + 1 : file, line);
	va_start(args, fmt);
	print(fmt, args);
	va_end(args);
	_exit(KSFT_FAIL);
}

void lib_note(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	print(fmt, args);
	va_end(args);
}

__u64 lib_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

void *mem_alloc(size_t size)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (mem == MAP_FAILED)
		fatal("mmap of %zu bytes: error %d", size, errno);
	return mem;
}

static void mem_reserve_huge(size_t pages)
{
	FILE *f = fopen(NR_HUGE, "r+");
	size_t have = 0;

	if (!f)
		return;
	if (fscanf(f, "%zu", &have) == 1 && have < pages) {
		rewind(f);
		fprintf(f, "%zu\n", pages);
	}
	fclose(f);
}

void *mem_alloc_huge(size_t size)
{
	void *mem;

	mem_reserve_huge(size / SZ_2M);
	mem = mmap(NULL, size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | (21 << 26), -1, 0);
	return mem == MAP_FAILED ? NULL : mem;
}

/* Maps the same @chunk bytes of memory repeatedly into @size bytes */
void *mem_alloc_repeat(size_t chunk, size_t size)
{
	int fd = memfd_create("repeat", 0);
	char *mem = mem_alloc(size);
	size_t done;

	if (fd < 0 || ftruncate(fd, chunk))
		fatal("memfd: error %d", errno);
	for (done = 0; done < size; done += chunk)
		if (mmap(mem + done, chunk, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
			fatal("mmap of a memfd: error %d", errno);
	close(fd);
	return mem;
}

void mem_free(void *mem, size_t size)
{
	munmap(mem, size);
}

void mem_fill(void *mem, __u64 value, size_t size)
{
	__u64 *words = mem;
	size_t i;

	for (i = 0; i < size / sizeof(*words); i++)
		words[i] = value;
}

/* Physical address; pagemap has an 8-byte entry for each 4 KiB page */
static __u64 phys_of(const char *page)
{
	int fd = check(open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC));
	__u64 entry = 0;

	if (pread(fd, &entry, sizeof(entry), (uintptr_t)page / SZ_4K * sizeof(entry)) !=
	    sizeof(entry) || !(entry << 9))
		fatal("/proc/self/pagemap has no PFN");
	close(fd);
	return (entry << 9 >> 9) * SZ_4K;
}

void *mem_alloc_giant(unsigned int pages)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | (30 << 26);
	char *page[8], *mem, *to;
	__u64 phys, behind = 0;
	unsigned int i, j;

	if (pages > sizeof(page) / sizeof(*page))
		fatal("too many 1 GiB pages");
	for (i = 0; i < pages; i++) {
		mem = mmap(NULL, SZ_1G, PROT_READ | PROT_WRITE, flags, -1, 0);
		if (mem == MAP_FAILED)
			fatal("no 1 GiB page %u: error %d", i, errno);
		*mem = 1;
		for (j = i; j && phys_of(page[j - 1]) > phys_of(mem); j--)
			page[j] = page[j - 1];
		page[j] = mem;
	}
	mem = mmap(NULL, (pages + 1) * SZ_1G, PROT_NONE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (mem == MAP_FAILED)
		fatal("mmap: error %d", errno);
	mem = (char *)(((uintptr_t)mem + SZ_1G - 1) / SZ_1G * SZ_1G);
	for (i = 0; i < pages; i++) {
		to = mem + i * SZ_1G;
		phys = phys_of(page[i]);
		lib_note("1 GiB page %u is at %#llx", i, phys);
		if (i && phys != behind)
			fatal("the 1 GiB pages are not contiguous");
		behind = phys + SZ_1G;
		if (mremap(page[i], SZ_1G, SZ_1G, MREMAP_MAYMOVE | MREMAP_FIXED, to) != to)
			fatal("mremap: error %d", errno);
	}
	return mem;
}
