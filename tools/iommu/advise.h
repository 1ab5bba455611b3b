/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Declarations shared by the files of advise.
 *
 *   advise.c	the command
 *   measure.c	measures each tracker with each page size
 *   reading.c	the reads that are measured
 *   recommend.c	chooses from the measurements
 *   report.c	prints the measurements as a table, a plot and JSON; reads the JSON back
 */
#ifndef _IOMMU_DIRTY_ADVISE_H
#define _IOMMU_DIRTY_ADVISE_H

#include "iommu-dirty.h"

#define ADVISE_ROWS	4	/* page sizes */
#define ADVISE_SLOW	10	/* intervals that the second rate covers */

/* One tracker read with one page size; values are medians */
struct advise_row {
	uint64_t page_size;	/* bytes */
	uint64_t read_ns;	/* one READ of every GiB that was ever dirty */
	uint64_t bitmap_bytes;
	uint64_t sent_bytes;	/* dirty after one interval */
	double throughput;	/* bytes per second while it was read; 0: unknown */
};

struct advise_tracker {
	char name[64];
	char format[64];	/* of the IO page tables */
	char reason[200];	/* why there are no rows, or "" */
	int fd;			/* iommufd of the IOAS, as in struct watched */
	uint32_t ioas;
	bool covers_all;	/* every writer to the IOAS, not one device of several */
	double rate;		/* bytes per second, polled every interval */
	double slow_rate;	/* polled every ADVISE_SLOW intervals */
	double throughput;	/* bytes per second without tracking; 0: unknown */
	size_t num_rows;
	struct advise_row rows[ADVISE_ROWS];
};

struct advise_result {
	double interval;	/* seconds */
	size_t num;
	struct advise_tracker *trackers;
};

struct advise_limits {
	double bandwidth;	/* of the migration link, bytes per second */
	double slowdown;	/* accepted loss of device throughput, 0 to 1 */
};

/* The recommendation for an IOAS; @row is NULL if there is none */
struct advice {
	const struct advise_tracker *tracker;
	const struct advise_row *row;
	char reason[400];
};

struct measure_options {
	struct observe_options observe;
	double interval;
	unsigned int repeat;
	const char *command;	/* prints bytes per second, or NULL */
};

/* The tracker being measured, and the ranges to READ */
struct subject {
	const struct measure_options *opt;
	const struct observer *observer;
	struct watched *watched;
	struct advise_tracker *out;
	bool is_device;			/* a device tracker: no SCAN, needs ranges */
	struct idirty_range *extents;	/* whole GiBs, in ascending order */
	size_t num_extents;
	uint64_t bytes;			/* found by the last subject_scan() */
};

struct reading {
	double seconds;
	uint64_t bitmap_bytes;
	uint64_t sent_bytes;
};

/*
 * reading.c: both clear what they read, and return 0 or -errno. subject_scan() of an
 * IOAS tracker finds the extents, subject_read() READs them.
 */
extern const uint64_t advise_page_sizes[ADVISE_ROWS];
int subject_scan(struct subject *s);
int subject_read(struct subject *s, uint64_t page_size, struct reading *reading);

/* recommend.c: seconds that a round takes, for READ and sending */
double advise_round(const struct advise_row *row, const struct advise_limits *limits);
/* Recommends a choice for the IOAS of tracker @of */
void advise_recommend(const struct advise_result *result, const struct advise_tracker *of,
		      const struct advise_limits *limits, struct advice *advice);
bool advise_same_ioas(const struct advise_tracker *a, const struct advise_tracker *b);

/* measure.c: returns an exit code, after a complaint on failure */
int advise_measure(struct advise_result *result, const struct measure_options *opt);

/* report.c */
void advise_print(const struct advise_result *result, const struct advise_limits *limits);
void advise_plot(const struct advise_result *result, const struct advise_limits *limits);
json_t *advise_to_json(const struct advise_result *result, const struct advise_limits *limits);
/* Returns NULL, or what is wrong; advise_free() frees the result, as after measuring */
const char *advise_from_json(FILE *f, struct advise_result *result);
void advise_free(struct advise_result *result);
/* Powers of ten, in nanoseconds, between which all times lie */
void advise_decades(const struct advise_result *result, const struct advise_limits *limits,
		    int *first, int *last);
/* The next tracker whose IOAS no earlier tracker has; NULL after the last */
const struct advise_tracker *advise_next_ioas(const struct advise_result *result, size_t *pos);

#endif
