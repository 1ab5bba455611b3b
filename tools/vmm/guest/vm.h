/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interface for vmm-migrate.c: a QEMU with an inner machine (vm.c), the evaluation of its
 * trace (way.c), and its observers (observer.c). On an error these functions print the
 * reason and end the process.
 */
#ifndef VM_H
#define VM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdnoreturn.h>
#include <sys/types.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* A channel from QEMU, read by lines */
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
	char answer[65536];		/* to the last command */
	char status[32];		/* of the migration, from events */
	unsigned int rounds;		/* of the migration, from events */
	bool described;			/* the inner software has sent its first line */
	unsigned int devices, viommu, remap;
	unsigned int passes, bad;
};

/* Words of a command line */
struct argv {
	int n;
	char *arg[64];
};

/* Adds words, which are separated by spaces */
void arg(struct argv *argv, const char *format, ...) __printf(2, 3);

/* Prints the reason and the state and last output of all QEMUs; ends them and itself */
noreturn void fail(const char *format, ...) __printf(1, 2);

/*
 * Starts QEMU with the arguments, and adds its channels. @name is used for the files
 * /tmp/NAME.err and /tmp/NAME.trace. @incoming: QEMU listens for a migration
 */
struct vm *vm_start(const char *name, struct argv *argv, bool incoming);
void vm_quit(struct vm *vm);
void vm_quit_all(void);

/* Runs a QMP command, which must succeed; QEMU accepts ' for " */
void vm_command(struct vm *vm, const char *format, ...) __printf(2, 3);
/* Runs a QMP command, which must fail with an error that contains the text */
void vm_refused(struct vm *vm, const char *text, const char *format, ...) __printf(3, 4);
/* Queries the migration */
void vm_query(struct vm *vm);
/* Returns a number from the last answer */
unsigned long vm_answer(const struct vm *vm, const char *key);

/* Waits until the condition holds; fails after a timeout */
void vm_wait(struct vm *vm, const char *what, bool (*condition)(const struct vm *vm));
void vm_wait_passes(struct vm *vm, unsigned int more);
/*
 * Waits until another file can be read; false after a timeout. All QEMUs go on: one whose
 * output nobody takes stops its inner machine
 */
bool vm_wait_file(int fd);

/*
 * Migrates for at least @rounds rounds and @passes passes of the inner software. The
 * migration cannot complete while pages become dirty.
 */
void vm_precopy(struct vm *vm, unsigned int rounds, unsigned int passes);
/* Complete or cancel the migration */
void vm_complete(struct vm *vm);
void vm_cancel(struct vm *vm);

/* How a QEMU got the dirty bits, as counts of its trace events */
struct way {
	unsigned long cdev, group;		/* devices in an iommufd, a container */
	unsigned long hwpt_set, hwpt_get;	/* the classic ioctls of a HWPT */
	unsigned long tracker_start, tracker_degraded, tracker_read, tracker_unmap;
	unsigned long device_start;		/* DMA logging */
	unsigned long queries;			/* of all kinds */
	unsigned long pages, dirty;		/* sums of all queries */
	unsigned long full;			/* large queries with every page dirty */
};

/* Trace events that the caller of vm_start() must enable */
extern const char *const way_events[5];
struct way way_of(const struct vm *vm);

struct observer {
	const struct vm *vm;
	pid_t pid;
	int fd;
};

void observer_start(struct observer *observer, const struct vm *vm);
/* Waits until the observer reports dirty pages, in any period from the last report on */
void observer_wait_dirty(struct observer *observer);
void observer_kill(struct observer *observer);
/* QEMU has ended: the observer must notice */
void observer_wait_end(struct observer *observer);
/* Runs a command that has trackers on all devices */
void observer_advise(const struct vm *vm);
/* Checks that no tracker of an observer is left */
void observers_none(const struct vm *vm);
/* Ends each command by each signal, and checks that no tracker is left */
void observers_signal(const struct vm *vm);

/* The text after a key, or NULL */
const char *text_after(const char *line, const char *key);
unsigned long number_after(const char *line, const char *key);

#endif
