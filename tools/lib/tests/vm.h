/* SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause */
/*
 * The stage for tests of the library with devices: an edu device that writes to
 * memory, and a copy of that memory that is only updated with the pages that the
 * library reports. Used by vm.c and vm-tests.c.
 */
#ifndef _VM_H
#define _VM_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <iommudirty.h>

#include "lib.h"

#define VM_IOVA		0x100000000ULL
#define VM_STAGE_IOVA	0x10000000ULL
#define VM_PAGES	512
#define VM_SIZE		(VM_PAGES * SZ_4K)

struct stage {
	int fd;
	uint32_t ioas;
	struct edu edu;
	struct idirty *ctx;
	uint64_t *stage;	/* source of what the device writes */
	char *mem;		/* at VM_IOVA */
	char *copy;
	uint64_t value;
	bool written[VM_PAGES];	/* since it was cleared */
	/* A thread that lets the device write until @stop is set */
	pthread_t thread;
	bool running, stop;
	unsigned int pause;	/* between its writes, in microseconds */
	uint64_t writes;
};

/* @hwpt: NULL, or out: an explicit HWPT with dirty tracking, to which @edu is attached */
void stage_open(struct stage *s, const char *driver, uint32_t *hwpt);
void stage_close(struct stage *s);
/* The device writes a new value to a page */
void stage_write(struct stage *s, unsigned int page);
void stage_write_some(struct stage *s, unsigned int num);
void stage_run(struct stage *s);
void stage_halt(struct stage *s);
/* Copies a reported run */
void stage_copy(struct stage *s, uint64_t iova, uint64_t length);
/* Returns how many pages differ from the copy */
unsigned int stage_differing(const struct stage *s);

/* The linker's --wrap replaces ioctl() with __wrap_ioctl() */
int __real_ioctl(int fd, unsigned long cmd, ...);
int __wrap_ioctl(int fd, unsigned long cmd, ...);

/* Prints a TAP line, and counts it */
void report(const char *name, bool ok);

/* Runs a command and shows its output; false if it fails or prints nothing */
bool run_command(const char *command);

/* vm-progression.c: @command is that of example-progression */
void test_progression(const char *command);

/* vm-precopy.c: each is an example named precopy */
void test_precopy_examples(char **commands);

/* vm-tests.c */
void test_rounds(struct stage *s, const struct idirty_target *target, const char *name);
void test_scan(struct stage *s, const struct idirty_target *target, const char *name);
void test_threads(struct stage *s, const struct idirty_target *target, unsigned int num,
		  const char *name);
void test_unmap(struct stage *s, const struct idirty_target *target, const char *name);
void test_precopy(struct stage *s, const struct idirty_target *target, const char *name);

#endif
