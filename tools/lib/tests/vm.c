// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Tests the library with a device, in a virtual machine. Prints TAP.
 *
 *   test-vm trackers		the kernel's trackers
 *   test-vm hwpt		the fallback to an explicit HWPT
 *   test-vm vfio		the fallback to the DMA logging of edu_vfio_pci
 *   test-vm run COMMAND...	runs each command while the device writes; its arguments
 *				are the file descriptor of an iommufd, an IOAS, an IOVA
 *				and a length. It must succeed and print something
 *   test-vm precopy COMMAND...	a migration by each command, see examples/precopy.c
 *   test-vm progression COMMAND	a migration, see examples/progression.c
 *   test-vm with DRIVER COMMAND	no test: runs a command that prints TAP itself while the
 *				device writes. It gets the same arguments as by run, and
 *				the id of the device
 *   test-vm load DRIVER FILE SECONDS [container | both]
 *				no test: lets the device write, and stores the number
 *				of bytes written so far in FILE; the device is in an
 *				iommufd, in a VFIO container, or there is one in each
 *
 * The fallbacks need a kernel without trackers. This program makes any kernel look
 * like one to the library.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "vm.h"

static bool hide_trackers;
static unsigned int tests, failures;

int __wrap_ioctl(int fd, unsigned long cmd, ...)
{
	va_list args;
	void *arg;

	va_start(args, cmd);
	arg = va_arg(args, void *);
	va_end(args);
	if (hide_trackers && cmd == IOMMU_DIRTY_TRACKER_ALLOC) {
		errno = ENOTTY;
		return -1;
	}
	return __real_ioctl(fd, cmd, arg);
}

void report(const char *name, bool ok)
{
	printf("%sok %u %s\n", ok ? "" : "not ", ++tests, name);
	failures += !ok;
	fflush(stdout);
}

void stage_open(struct stage *s, const char *driver, uint32_t *hwpt)
{
	int rc;

	memset(s, 0, sizeof(*s));
	s->fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (s->fd < 0)
		fatal("/dev/iommu: error %d", errno);
	check(idirty_open(s->fd, &s->ctx));
	check(__ioas_alloc(s->fd, &s->ioas));
	rc = idirty_set_trackable(s->ctx, s->ioas, 1);
	/* A kernel without trackers does not know the option */
	if (rc && rc != -EOPNOTSUPP)
		fatal("idirty_set_trackable(): error %d", -rc);
	/* With 4 KiB entries, only the pages that are written become dirty */
	ioas_set_huge_pages(s->fd, s->ioas, false);
	edu_set_driver(driver);
	edu_open(&s->edu, 0, s->fd);
	if (hwpt)
		*hwpt = hwpt_alloc(s->fd, s->edu.dev_id, s->ioas, IOMMU_HWPT_ALLOC_DIRTY_TRACKING);
	edu_attach(&s->edu, hwpt ? *hwpt : s->ioas);
	s->stage = mem_alloc(SZ_4K);
	s->mem = mem_alloc(VM_SIZE);
	s->copy = mem_alloc(VM_SIZE);
	memset(s->mem, 0, VM_SIZE);
	memset(s->copy, 0, VM_SIZE);
	ioas_map(s->fd, s->ioas, s->stage, SZ_4K, VM_STAGE_IOVA);
	ioas_map(s->fd, s->ioas, s->mem, VM_SIZE, VM_IOVA);
}

void stage_close(struct stage *s)
{
	stage_halt(s);
	edu_close(&s->edu);
	idirty_close(s->ctx);
	close(s->fd);
	mem_free(s->stage, SZ_4K);
	mem_free(s->mem, VM_SIZE);
	mem_free(s->copy, VM_SIZE);
}

void stage_write(struct stage *s, unsigned int page)
{
	s->stage[0] = ++s->value;
	edu_dma_from(&s->edu, VM_STAGE_IOVA, 0, sizeof(s->value));
	edu_dma_to(&s->edu, VM_IOVA + page * SZ_4K, 0, sizeof(s->value));
	s->written[page] = true;
	__atomic_add_fetch(&s->writes, 1, __ATOMIC_RELAXED);
}

void stage_write_some(struct stage *s, unsigned int num)
{
	while (num--)
		stage_write(s, random_below(VM_PAGES));
}

static void *run(void *arg)
{
	struct stage *s = arg;

	while (!__atomic_load_n(&s->stop, __ATOMIC_ACQUIRE)) {
		stage_write_some(s, 1);
		if (s->pause)
			usleep(s->pause);
	}
	return NULL;
}

void stage_run(struct stage *s)
{
	s->stop = false;
	s->running = true;
	if (pthread_create(&s->thread, NULL, run, s))
		fatal("no thread");
}

void stage_halt(struct stage *s)
{
	__atomic_store_n(&s->stop, true, __ATOMIC_RELEASE);
	if (s->running)
		pthread_join(s->thread, NULL);
	s->running = false;
}

void stage_copy(struct stage *s, uint64_t iova, uint64_t length)
{
	if (iova < VM_IOVA || iova - VM_IOVA + length > VM_SIZE)
		return;
	memcpy(s->copy + (iova - VM_IOVA), s->mem + (iova - VM_IOVA), length);
}

unsigned int stage_differing(const struct stage *s)
{
	unsigned int differing = 0, page;

	for (page = 0; page < VM_PAGES; page++)
		differing += !!memcmp(s->mem + page * SZ_4K, s->copy + page * SZ_4K, SZ_4K);
	return differing;
}

static void run_trackers(void)
{
	struct idirty_target target;
	struct stage s;

	stage_open(&s, "vfio-pci", NULL);
	target = (struct idirty_target)IDIRTY_TARGET(s.ioas);
	test_rounds(&s, &target, "trackers: rounds");
	test_scan(&s, &target, "trackers: scan");
	test_threads(&s, &target, 5, "trackers: five, read by threads while the device writes");
	test_precopy(&s, &target, "trackers: pre-copy");
	target.flags = IDIRTY_ALLOC_PASSIVE | IDIRTY_ALLOC_FILE;
	test_rounds(&s, &target, "trackers: rounds with a file");
	test_scan(&s, &target, "trackers: scan of a file");
	test_threads(&s, &target, 5, "trackers: five files, read while the device writes");
	test_precopy(&s, &target, "trackers: pre-copy with a file");
	target.flags = 0;
	test_unmap(&s, &target, "trackers: unmap");
	stage_close(&s);
}

static void run_hwpt(void)
{
	struct idirty_target target;
	struct stage s;
	uint32_t id;

	stage_open(&s, "vfio-pci", &id);
	target = (struct idirty_target)IDIRTY_TARGET(s.ioas);
	target.hwpts = &id;
	target.num_hwpts = 1;
	test_rounds(&s, &target, "hwpt: rounds");
	test_scan(&s, &target, "hwpt: scan");
	test_threads(&s, &target, 1, "hwpt: read by threads while the device writes");
	test_precopy(&s, &target, "hwpt: pre-copy");
	test_unmap(&s, &target, "hwpt: unmap");
	stage_close(&s);
}

static void run_vfio(void)
{
	struct idirty_target target;
	struct stage s;

	stage_open(&s, "edu_vfio_pci", NULL);
	target = (struct idirty_target)IDIRTY_TARGET(s.ioas);
	target.vfio_fd = s.edu.fd;
	test_rounds(&s, &target, "vfio: rounds");
	test_scan(&s, &target, "vfio: scan");
	test_threads(&s, &target, 1, "vfio: read by threads while the device writes");
	stage_close(&s);
}

bool run_command(const char *command)
{
	unsigned int lines = 0;
	char line[200];
	FILE *p;

	p = popen(command, "r");
	while (p && fgets(line, sizeof(line), p)) {
		printf("# %s", line);
		lines++;
	}
	return p && !pclose(p) && lines;
}

static void run_commands(char **commands)
{
	char command[200];
	struct stage s;

	stage_open(&s, "vfio-pci", NULL);
	stage_run(&s);
	/* Only the commands below inherit the file */
	fcntl(s.fd, F_SETFD, 0);
	for (; *commands; commands++) {
		snprintf(command, sizeof(command), "%s %d %u %#llx %llu", *commands, s.fd,
			 s.ioas, VM_IOVA, (unsigned long long)VM_SIZE);
		report(*commands, run_command(command));
	}
	stage_close(&s);
}

/* Returns 0 if the command has succeeded */
static int run_with(const char *driver, const char *command)
{
	char line[200];
	struct stage s;
	int rc;

	stage_open(&s, driver, NULL);
	stage_run(&s);
	fcntl(s.fd, F_SETFD, 0);
	snprintf(line, sizeof(line), "%s %d %u %#llx %llu %u", command, s.fd, s.ioas, VM_IOVA,
		 (unsigned long long)VM_SIZE, s.edu.dev_id);
	rc = system(line);
	stage_close(&s);
	return !!rc;
}

/* Opens a stage with a VFIO container instead of /dev/iommu; returns the group file */
static int container_open(struct stage *s, const char *driver, unsigned int index)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.iova = VM_IOVA,
		.size = SZ_4K,
	};
	unsigned int page;
	int group;

	memset(s, 0, sizeof(*s));
	s->fd = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	if (s->fd < 0)
		fatal("/dev/vfio/vfio: error %d", errno);
	edu_set_driver(driver);
	group = edu_open_container(&s->edu, index, s->fd, VFIO_TYPE1v2_IOMMU);
	s->mem = mem_alloc(VM_SIZE);
	/* 4 KiB entries */
	for (page = 0; page < VM_PAGES; page++, map.iova += SZ_4K) {
		map.vaddr = (uintptr_t)s->mem + page * SZ_4K;
		if (ioctl(s->fd, VFIO_IOMMU_MAP_DMA, &map))
			fatal("VFIO_IOMMU_MAP_DMA: error %d", errno);
	}
	return group;
}

static void container_close(struct stage *s, int group)
{
	edu_close(&s->edu);
	close(group);
	close(s->fd);
	mem_free(s->mem, VM_SIZE);
}

/* Writes to the first page of random blocks of 64 KiB */
static void load(const char *driver, const char *file, double seconds, const char *how)
{
	bool iommufd = strcmp(how, "container"), container = *how;
	struct stage stages[2], *s = stages;
	struct timespec begin, now;
	int fd, group = -1;
	uint64_t bytes = 0;
	char text[32];

	if (iommufd)
		stage_open(s++, driver, NULL);
	if (container)
		group = container_open(s++, driver, iommufd);
	fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		fatal("%s: error %d", file, errno);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	do {
		s = &stages[bytes / SZ_4K % (iommufd + container)];
		edu_dma_to(&s->edu, VM_IOVA + random_below(VM_SIZE / SZ_64K) * SZ_64K, 0, SZ_4K);
		bytes += SZ_4K;
		snprintf(text, sizeof(text), "%-20llu\n", (unsigned long long)bytes);
		if (pwrite(fd, text, strlen(text), 0) < 0)
			fatal("%s: error %d", file, errno);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec - begin.tv_sec < seconds);
	close(fd);
	if (container)
		container_close(&stages[iommufd], group);
	if (iommufd)
		stage_close(&stages[0]);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	random_init();
	if (!strcmp(what, "load") && argc >= 5) {
		load(argv[2], argv[3], atof(argv[4]), argc > 5 ? argv[5] : "");
		return 0;
	}
	if (!strcmp(what, "with") && argc == 4)
		return run_with(argv[2], argv[3]);
	printf("TAP version 13\n");
	hide_trackers = !strcmp(what, "hwpt") || !strcmp(what, "vfio");
	if (!strcmp(what, "trackers"))
		run_trackers();
	else if (!strcmp(what, "hwpt"))
		run_hwpt();
	else if (!strcmp(what, "vfio"))
		run_vfio();
	else if (!strcmp(what, "run") && argc > 2)
		run_commands(argv + 2);
	else if (!strcmp(what, "precopy") && argc > 2)
		test_precopy_examples(argv + 2);
	else if (!strcmp(what, "progression") && argc == 3)
		test_progression(argv[2]);
	else
		fatal("trackers, hwpt, vfio, run, precopy, progression, with or load");
	printf("1..%u\n", tests);
	return failures > 0;
}
