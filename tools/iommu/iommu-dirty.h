/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the subcommands of iommu-dirty share.
 *
 *   main.c	the table of subcommands
 *   probe.c, rate.c, record.c, heatmap.c, advise.c	a subcommand each; rate.c
 *		has watch too, and advise.h lists what belongs to advise.c
 *   probe-vfio.c	what a device says to the one who opens it
 *   observe.c	trackers on the iommufds of another process; borrow.c borrows these
 *   file.c	record files
 *   draw.c	pictures as SVG or PNG, by cairo
 *   migrate.c, migrate/	a subcommand and its parts
 */
#ifndef _IOMMU_DIRTY_H
#define _IOMMU_DIRTY_H

#include <argp.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <iommudirty.h>

/* Exit codes, as in the manual */
enum exit_code {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_NO_KERNEL = 3,	/* no dirty trackers */
	EXIT_NOTHING = 4,	/* no such process, device or address space */
	EXIT_GAVE_UP = 5,	/* migrate: at the limits, or interrupted */
	EXIT_DIFFERS = 6,	/* migrate: the destination does not have the same */
};

struct command {
	const char *name;
	const char *summary;
	int (*run)(int argc, char **argv);
};

int cmd_probe(int argc, char **argv);
int cmd_rate(int argc, char **argv);
int cmd_watch(int argc, char **argv);
int cmd_record(int argc, char **argv);
int cmd_heatmap(int argc, char **argv);
int cmd_advise(int argc, char **argv);
int cmd_migrate(int argc, char **argv);

/* probe-vfio.c: asks the device of a folder of sysfs; null: it has no VFIO driver */
json_t *probe_vfio(const char *dir);

/* Says on stderr what failed; its value is @code */
#define complain(code, ...)			\
({						\
	fputs("iommu-dirty: ", stderr);		\
	fprintf(stderr, __VA_ARGS__);		\
	fputc('\n', stderr);			\
	(code);					\
})

/* Parses a number with an optional K, M or G; ends the program if it is none */
uint64_t parse_number(struct argp_state *state, const char *arg, uint64_t min,
		      uint64_t max);
void print_json(json_t *json);

/* What to observe, and how: options that rate, watch and record have in common */
struct observe_options {
	int pid;
	int fd;			/* an iommufd that was inherited, or -1 */
	const char *device;
	uint64_t page_size;
	double seconds;
	bool json;
	bool optional;		/* no target is needed */
	bool stopped;		/* the trackers are made, but not started */
};

#define OBSERVE_DEFAULTS { .fd = -1, .page_size = 4096, .seconds = 1 }
/* --pid, --device, --fd, --json; and with --page-size and --seconds, too */
extern const struct argp target_argp;
extern const struct argp observe_argp;

/* An iommufd of somebody else */
struct iommufd {
	int fd;
	int number;		/* the file descriptor that its owner has */
	bool own_fd;
	struct idirty *ctx;
	struct idirty_object *objects;
	size_t num_objects;
};

/* A tracker of ours on an IOAS of somebody else's */
struct watched {
	const struct iommufd *file;
	int fd;			/* @file->number where there are several, else -1 */
	uint32_t ioas;
	char name[24];		/* the IOAS: "5", or "9:5" for that of a @fd of 9 */
	uint32_t devices;
	struct idirty_tracker *tracker;
	char reason[200];	/* why it is not tracked, or "" */
};

struct observer {
	struct iommufd *files;
	size_t num_files;
	bool has_container;	/* of VFIO's own, too: that cannot be observed */
	struct watched *watched;
	size_t num;
	size_t untracked;
};

/* borrow.c: fills in the files; returns an exit code and complains */
int borrow_files(struct observer *o, const struct observe_options *opt);

/*
 * Returns an exit code and complains. What cannot be tracked has a reason, and is
 * complained of; that is a failure if nothing else is there.
 */
int observe_open(struct observer *o, const struct observe_options *opt);
/* What a command that did all else returns: not all was observed, or all */
int observe_result(const struct observer *o);
void observe_close(struct observer *o);
typedef int observe_run_fn(void *arg, const struct idirty_range *run);
/* Calls @fn for each run that is dirty, and forgets it; 0 or -errno */
int observe_scan(struct watched *w, uint64_t page_size, observe_run_fn *fn, void *arg);
double seconds_now(void);
void sleep_until(double when);

/* Of struct watched, as a field of JSON; NULL, for a field that is left out, if -1 */
static inline json_t *fd_to_json(int fd)
{
	return fd < 0 ? NULL : json_integer(fd);
}

/* file.c: a record is a line of JSON, a header and then one for each sample */
struct sample {
	double time;		/* seconds since the beginning */
	int fd;			/* whose IOAS it is, as in struct watched */
	uint32_t ioas;
	size_t num_runs;
	struct idirty_range *runs;
};

struct record {
	uint64_t page_size;
	size_t num;
	struct sample *samples;
};

/* @several: samples have file descriptors */
int record_write_header(FILE *f, uint64_t page_size, bool several);
int record_write_sample(FILE *f, const struct sample *sample);
/* NULL, or what is wrong with it; @line says where */
const char *record_read(FILE *f, struct record *record, unsigned int *line);
void record_free(struct record *record);

/* heatmap.c: how much of a cell was dirty, 0 to 1 */
struct heatmap {
	unsigned int rows;	/* time */
	unsigned int columns;	/* address */
	uint64_t first;		/* UINT64_MAX: of what is dirty */
	uint64_t last;		/* 0: of what is dirty */
	double end;
	double *cells;
};

int heatmap_fill(struct heatmap *map, const struct record *record, int fd, uint32_t ioas);
/* draw.c: NULL or an error */
const char *draw_heatmap(const struct heatmap *map, const char *file, bool svg);

#endif
