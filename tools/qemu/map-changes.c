// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests that the emulator does not misdirect the writes of one CPU while another CPU
 * changes the memory map. The stage "tools-vm" runs it in a virtual machine with an edu
 * device that has no driver.
 *
 * One CPU switches the memory of the device off and on. The other CPU sleeps repeatedly
 * and writes to its local APIC for each sleep. If such a write is misdirected, the timer
 * never fires or the interrupt never ends, and the CPU sleeps forever. Prints TAP.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <glob.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define CHANGES		15000
#define PATIENCE	10	/* seconds to wait for a sleep of 0.3 ms */
#define EDU		"0x11e81234"

#define PCI_COMMAND		4
#define PCI_COMMAND_MEMORY	2

static unsigned long *sleeps;	/* wakeups of the child */

static unsigned long so_far(void)
{
	return __atomic_load_n(sleeps, __ATOMIC_RELAXED);
}

static void stay_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		err(1, "CPU %d", cpu);
}

/* Opens the configuration space of the first edu device */
static int open_edu(void)
{
	uint32_t id;
	glob_t found;
	size_t i;
	int fd;

	if (glob("/sys/bus/pci/devices/*/config", 0, NULL, &found))
		errx(1, "no PCI device");
	for (i = 0; i < found.gl_pathc; i++) {
		fd = open(found.gl_pathv[i], O_RDWR);
		if (fd >= 0 && pread(fd, &id, sizeof(id), 0) == sizeof(id) &&
		    id == strtoul(EDU, NULL, 0))
			return fd;
		close(fd);
	}
	errx(1, "no edu device");
}

static void decode(int edu, uint16_t command)
{
	if (pwrite(edu, &command, sizeof(command), PCI_COMMAND) != sizeof(command))
		err(1, "command register");
}

static void sleep_for_ever(void)
{
	const struct timespec nap = { .tv_nsec = 300000 };

	stay_on(1);
	for (;;) {
		nanosleep(&nap, NULL);
		__atomic_add_fetch(sleeps, 1, __ATOMIC_RELAXED);
	}
}

int main(void)
{
	unsigned long before, i;
	time_t end;
	int edu;
	pid_t child;

	sleeps = mmap(NULL, sizeof(*sleeps), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (sleeps == MAP_FAILED)
		err(1, "mmap");
	edu = open_edu();
	child = fork();
	if (child < 0)
		err(1, "fork");
	if (!child)
		sleep_for_ever();
	stay_on(0);
	for (i = 0; i < CHANGES; i++) {
		decode(edu, 0);
		decode(edu, PCI_COMMAND_MEMORY);
	}
	before = so_far();
	end = time(NULL) + PATIENCE;
	/* Wait for two: the first sleep may have begun before the last change */
	while (so_far() < before + 2 && time(NULL) < end)
		;
	printf("TAP version 13\n1..1\n%s 1 memory_map.changes\n# %lu sleeps, then %lu more\n",
	       so_far() < before + 2 ? "not ok" : "ok", before, so_far() - before);
	kill(child, SIGKILL);
	return 0;
}
