/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Declarations shared by the subcommands of iommu-dirty.
 *
 *   main.c	the table of subcommands
 *   probe.c, list.c, clean.c, rate.c, watch.c, record.c, heatmap.c, advise.c	one
 *		subcommand each; advise.h lists the files that belong to advise.c
 *   export.c, export/, selftest.c, selftest/	subcommands and their parts
 *   screen.c	the terminal view of watch
 *   probe-vfio.c	what a device reports once it is opened
 *   observe.c	trackers on the iommufds of another process
 *   borrow.c	borrows these iommufds
 *   file.c	record files
 *   units.c	numbers with units
 *   heat.c	the cells of a heatmap
 *   ranges.c	sets of IOVA ranges
 *   draw.c, iommu-dirty-plot	pictures
 *   migrate.c, migrate/	a subcommand and its parts
 */
#ifndef _IOMMU_DIRTY_H
#define _IOMMU_DIRTY_H

#include <argp.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <iommudirty.h>

/* Exit codes, as in the manual */
enum exit_code {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_NO_KERNEL = 3,	/* the kernel has no dirty trackers */
	EXIT_NOTHING = 4,	/* no such process, device or address space */
	EXIT_GAVE_UP = 5,	/* migrate: limits reached, or interrupted */
	EXIT_DIFFERS = 6,	/* migrate, selftest: a difference was found */
};

struct command {
	const char *name;
	const char *summary;
	int (*run)(int argc, char **argv);
};

int cmd_probe(int argc, char **argv);
int cmd_list(int argc, char **argv);
int cmd_clean(int argc, char **argv);
int cmd_rate(int argc, char **argv);
int cmd_watch(int argc, char **argv);
int cmd_record(int argc, char **argv);
int cmd_heatmap(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_advise(int argc, char **argv);
int cmd_selftest(int argc, char **argv);
int cmd_migrate(int argc, char **argv);

/* probe.c: 0: the kernel has trackers; -ENOTTY: no trackers; -ENOENT: no iommufd; else unknown */
int probe_kernel(void);

/* probe-vfio.c: asks the device of sysfs folder @dir; JSON null without a VFIO driver */
json_t *probe_vfio(const char *dir);

/* main.c: argp_parse() with -h */
void parse_options(const struct argp *argp, int argc, char **argv, void *input);

/* Prints what failed on stderr; evaluates to @code */
#define complain(code, ...)			\
({						\
	fputs("iommu-dirty: ", stderr);		\
	fprintf(stderr, __VA_ARGS__);		\
	fputc('\n', stderr);			\
	(code);					\
})

/*
 * units.c: these exit if the argument is invalid or out of range. A size may have a unit,
 * a time must have one; times are in seconds.
 */
uint64_t parse_number(struct argp_state *state, const char *arg, uint64_t min, uint64_t max);
uint64_t parse_size(struct argp_state *state, const char *arg, uint64_t min, uint64_t max);
uint64_t parse_page_size(struct argp_state *state, const char *arg);
double parse_time(struct argp_state *state, const char *arg, double min, double max);
/* "4K", "2M"; in one of four static buffers */
const char *size_text(uint64_t size);
/* @indent: on several lines. Drops the reference to @json */
void print_json(json_t *json, bool indent);
/*
 * file.c: an address as "0x1000"; the time as "2026-11-28T15:00:00Z"; a name of a user, with
 * question marks if it is not UTF-8
 */
json_t *address_to_json(uint64_t address);
json_t *time_to_json(void);
json_t *text_to_json(const char *text);

/* What to observe, and how: options shared by rate, watch, record, export and advise */
struct observe_options {
	int pid;
	int fd;			/* an inherited iommufd, or -1 */
	const char *device;
	uint64_t page_size;
	double duration;	/* seconds */
	bool json;
	bool optional;		/* no target is required */
	bool stopped;		/* allocate the trackers, do not start them */
	bool patient;		/* there may be nothing to track yet, or for now */
	bool devices;		/* also a stopped tracker of each device */
};

#define OBSERVE_DEFAULTS { .fd = -1, .page_size = 4096, .duration = 1 }
/* --pid, --device, --fd, --json; observe_argp adds --page-size and --duration */
extern const struct argp target_argp;
extern const struct argp observe_argp;

/* An iommufd of another program, and what was in it */
struct iommufd {
	int fd;			/* -1 once it has been returned */
	int number;		/* its file descriptor in the owner */
	struct idirty *ctx;
	struct idirty_object **objects;
	size_t num_objects;
};

/*
 * This program's tracker on an IOAS or a device of another program. It is passive and
 * has a file of its own: it goes away with this program, and needs no iommufd.
 */
struct watched {
	const struct iommufd *file;
	const struct idirty_object *device;	/* NULL: an IOAS */
	int fd;			/* @file->number if there are several iommufds, else -1 */
	uint32_t ioas;
	char name[24];		/* the IOAS: "5", or "9:5" if @fd is 9 */
	json_t *devices;	/* names of those attached to the IOAS */
	bool pasids;		/* PASIDs of any device may write to the IOAS, too */
	struct idirty_tracker *tracker;
	char reason[200];	/* why it is not tracked, or "" */
	bool told;		/* the reason has been printed */
	double since;		/* the start, or the last scan of rate */
	double seconds;		/* the period that rate has measured */
	uint64_t bytes;		/* what was written in it */
	/* export: since the tracker was allocated */
	uint64_t total;		/* bytes */
	uint64_t scans;
	uint64_t errors;
	double scanning;	/* seconds that the scans took */
};

struct observer {
	struct iommufd *files;
	size_t num_files;
	int pidfd;		/* of the observed process, or -1 */
	int signals;		/* of signalfd(2), or -1: signals end the program */
	int keys;		/* a terminal whose keys end observe_wait(), or -1 */
	bool has_container;	/* a native VFIO container: not observable */
	bool told_container;	/* this has been printed */
	struct watched *watched;	/* the IOASes */
	size_t num;
	struct watched *devices;
	size_t num_devices;
};

/*
 * borrow.c: fills in @o->files and the lists of their objects; returns an exit code,
 * after a complaint on failure. Nothing of the files may be kept open for long: the
 * IOMMU mappings of a program stay until its iommufds are closed.
 */
int borrow_files(struct observer *o, const struct observe_options *opt);
/* Processes that have a file that may be an iommufd */
struct owners {
	int *pids;		/* must be freed */
	size_t num;
	size_t hidden;		/* processes whose files may not be listed */
};

/* Returns 0 or -ENOMEM */
int borrow_owners(struct owners *owners);
/* Closes the files; the lists stay */
void return_files(struct observer *o);
/* Frees @o->files */
void forget_files(struct observer *o);
const char *object_type_text(uint32_t type);

/*
 * Returns an exit code, after a complaint on failure. An IOAS that cannot be tracked
 * gets a reason and a complaint; this is a failure only if none can be tracked.
 */
int observe_open(struct observer *o, const struct observe_options *opt);
/* What is observed: the IOASes, with their devices, and why some are not tracked */
json_t *observe_to_json(const struct observer *o);
/* Number of IOASes that are not tracked */
size_t observe_untracked(const struct observer *o);
/* Exit code of a command that succeeded otherwise: EXIT_FAILED if it missed something */
int observe_result(const struct observer *o);
/*
 * These return 0 or -errno: -ESRCH if the observed process or the IOAS is gone, -ENXIO if
 * not all that writes is tracked. After other errors than -ESRCH, the reason is set, and
 * the tracker is stopped.
 */
int observe_start(struct watched *w, const struct idirty_range *ranges, size_t num);
/* Whether what was read is all that was written; @rc is the result of the READ or SCAN */
int observe_check(struct watched *w, int rc);
/* Sets the reason of an IOAS that is gone, while others are left */
void observe_gone(struct watched *w);
/*
 * Lets SIGINT, SIGTERM and SIGHUP end observe_wait(), which returns -EINTR then. They are
 * delivered by observe_end().
 */
void observe_signals(struct observer *o);
/*
 * Looks for address spaces and devices that have come or gone. Returns 0, -ESRCH, or an
 * exit code after a complaint. An inherited iommufd has been closed, and is not looked at again.
 */
int observe_refresh(struct observer *o, const struct observe_options *opt);
/* Waits until @when. Returns 0, -ESRCH if the process has ended, -EINTR at a signal or key */
int observe_wait(const struct observer *o, double when);
/* Closes the observer. Returns the exit code for @rc, an exit code or -ESRCH */
int observe_end(struct observer *o, int rc);
/* Prints the reasons that have not been printed */
void observe_tell(struct observer *o);
typedef int observe_run_fn(void *arg, const struct idirty_range *run);
/*
 * Calls @fn for each dirty run, and clears it. Returns as observe_check(), or the first
 * nonzero value of @fn, which ends the scan.
 */
int observe_scan(struct watched *w, uint64_t page_size, observe_run_fn *fn, void *arg);
double seconds_now(void);
void sleep_until(double when);

/* @fd of struct watched as a JSON field; NULL if -1, which omits the field */
static inline json_t *fd_to_json(int fd)
{
	return fd < 0 ? NULL : json_integer(fd);
}

static inline bool ends_with(const char *s, const char *end)
{
	size_t len = strlen(s), n = strlen(end);

	return len > n && !strcmp(s + len - n, end);
}

/*
 * rate.c: scans all IOASes, which ends their periods; returns 0, EXIT_FAILED, or -ESRCH if
 * none is left that is tracked. One that is gone gets a reason.
 * The others show what it has found; @stamp: with the time of day in front of each line.
 */
int rate_scan(struct observer *o, uint64_t page_size);
/* What all tracked IOASes have, in the form of one */
struct watched rate_total(const struct observer *o);
json_t *rate_to_json(const struct observer *o, uint64_t page_size);
void rate_head(bool stamp);
void rate_print(const struct observer *o, uint64_t page_size, bool stamp);

/* ranges.c: sorts ranges, and merges those that overlap or touch; returns how many are left */
size_t ranges_merge(struct idirty_range *ranges, size_t num);

static inline uint64_t range_last(const struct idirty_range *range)
{
	return range->iova + (range->length - 1);
}

/* file.c: a record is lines of JSON, a header and then one line for each sample */
struct sample {
	double time;		/* seconds since the start */
	int fd;			/* iommufd of the IOAS, as in struct watched */
	uint32_t ioas;
	size_t num_runs;
	struct idirty_range *runs;
};

struct record {
	uint64_t page_size;
	bool cut_off;		/* the last line is not complete */
	json_t *header;
	size_t num;
	struct sample *samples;
};

/* "-" is stdin or stdout. NULL with errno on failure */
FILE *record_open(const char *name, bool write);
/* These return 0 or -errno; the header takes the reference to @address_spaces */
int record_write_header(FILE *f, uint64_t page_size, json_t *address_spaces);
int record_write_sample(FILE *f, const struct sample *sample);
/* Returns NULL, or what is wrong in line @line */
const char *record_read(FILE *f, struct record *record, unsigned int *line);
void record_free(struct record *record);

/* heat.c: what a heatmap shows */
#define HEAT_SEGMENTS	8

struct heat_segment {
	uint64_t first;
	uint64_t last;
	unsigned int columns;
};

struct heatmap {
	int fd;			/* the IOAS, as in struct watched */
	uint32_t ioas;
	unsigned int rows;	/* time */
	unsigned int columns;	/* address */
	uint64_t first;		/* UINT64_MAX: the first dirty address */
	uint64_t last;		/* 0: the last dirty address */
	double end;
	unsigned int num_segments;
	struct heat_segment segments[HEAT_SEGMENTS];
	double *cells;		/* bytes that became dirty, per second */
};

/* Returns 0, -ENOENT if nothing is dirty there, or -ENOMEM; @map->cells must be freed */
int heatmap_fill(struct heatmap *map, const struct record *record);

/* screen.c: a view on the terminal; false if there is none */
bool screen_open(void);
void screen_close(void);
void screen_show(const struct observer *o, const struct observe_options *opt);
/* Reads the keys that were pressed; whether one of them, or their end, ends the view */
bool screen_quit(void);

/* draw.c: whether the file can have a picture, by its name */
bool is_picture(const char *file);
/* Draws the JSON output of a command; returns an exit code, after a complaint on failure */
int draw(json_t *json, const char *file);

#endif
