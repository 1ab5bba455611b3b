/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A QEMU with an inner machine (vm.c), and what its trace tells (way.c): for
 * vmm-migrate.c. What goes wrong ends the process, with the reason.
 */
#ifndef VM_H
#define VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdnoreturn.h>
#include <sys/types.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* A channel from QEMU, by lines */
struct lines {
	int fd;
	size_t fill;
	char text[65536];
};

struct vm {
	const char *name;
	pid_t pid;
	struct lines qmp, serial;
	int version;			/* of QEMU; 0: no greeting yet */
	char answer[65536];		/* the last one, to a command */
	char status[32];		/* of migration, by events */
	unsigned int rounds;		/* of migration, by events */
	bool described;			/* the inner software's first line came */
	unsigned int devices, viommu, remap;
	unsigned int passes, bad;
};

/* Words of a command line */
struct argv {
	int n;
	char *arg[64];
};

/* Adds words, with spaces between them */
void arg(struct argv *argv, const char *format, ...) __printf(2, 3);

/* Prints why, how QEMUs are and what they have said last; ends them, and the process */
noreturn void fail(const char *format, ...) __printf(1, 2);

/*
 * Starts QEMU with the arguments, and channels of its own. It has a name, of the files
 * /tmp/NAME.err and /tmp/NAME.trace. If it is incoming, it listens for a migration.
 */
struct vm *vm_start(const char *name, struct argv *argv, bool incoming);
void vm_quit(struct vm *vm);
void vm_quit_all(void);

/* A command in QMP, that succeeds; ' is as good as " for QEMU */
void vm_command(struct vm *vm, const char *format, ...) __printf(2, 3);
/* Asks about the migration */
void vm_query(struct vm *vm);
/* A number of the last answer */
unsigned long vm_answer(const struct vm *vm, const char *key);

/* Until a condition of it holds, which is not long */
void vm_wait(struct vm *vm, const char *what, bool (*condition)(const struct vm *vm));
void vm_wait_passes(struct vm *vm, unsigned int more);

/*
 * Migrates for so many rounds, and until the inner software has made so many passes; it
 * cannot be completed while pages become dirty
 */
void vm_precopy(struct vm *vm, unsigned int rounds, unsigned int passes);
/* Completes or cancels that */
void vm_complete(struct vm *vm);
void vm_cancel(struct vm *vm);

/* What a QEMU's trace tells of its way to the dirty bits: how often */
struct way {
	unsigned long cdev, group;		/* devices of iommufd, of a container */
	unsigned long hwpt_set, hwpt_get;	/* the classic ioctls of a HWPT */
	unsigned long device_start;		/* DMA logging */
	unsigned long queries;			/* whatever the way */
	unsigned long pages, dirty;		/* sums of all queries */
	unsigned long full;			/* large queries of which every page was dirty */
};

/* Events that vm_start()'s caller has to ask for */
extern const char *const way_events[4];
struct way way_of(const struct vm *vm);

/* After a key, or NULL */
const char *text_after(const char *line, const char *key);
unsigned long number_after(const char *line, const char *key);

#endif
