/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of advise share.
 *
 *   advise.c	the command
 *   measure.c	measures, tracker by tracker and page size by page size
 *   reading.c	what is read for that
 *   recommend.c	chooses from what was measured
 *   report.c	what was measured as a table, a plot and JSON, and back
 *   draw.c	the plot by cairo
 */
#ifndef _IOMMU_DIRTY_ADVISE_H
#define _IOMMU_DIRTY_ADVISE_H

#include "iommu-dirty.h"

#define ADVISE_ROWS	4	/* page sizes */
#define ADVISE_SLOW	10	/* the second rate is over so many intervals */

/* One tracker read in pages of one size; medians */
struct advise_row {
	uint64_t page_size;	/* bytes */
	uint64_t read_ns;	/* of a READ of all that was ever dirty */
	uint64_t bitmap_bytes;
	uint64_t sent_bytes;	/* dirty after an interval */
	double throughput;	/* bytes per second while it was read; 0: not known */
};

struct advise_tracker {
	char name[64];
	char format[64];	/* of the IO page tables */
	char reason[200];	/* why there are no rows, or "" */
	int fd;			/* whose IOAS it is, as in struct watched */
	uint32_t ioas;
	bool covers_all;	/* all that writes to the IOAS, or one device of many */
	double rate;		/* bytes per second, polled every interval */
	double slow_rate;	/* every ADVISE_SLOW intervals */
	double throughput;	/* bytes per second while nothing tracked; 0: not known */
	size_t num_rows;
	struct advise_row rows[ADVISE_ROWS];
};

struct advise_result {
	double interval;	/* seconds */
	size_t num;
	struct advise_tracker *trackers;
};

struct advise_limits {
	double bandwidth;	/* of the migration's link, bytes per second */
	double slowdown;	/* of the device, a part of 1, that is accepted */
};

/* What to do for an IOAS; @row is NULL if there is nothing to recommend */
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
	bool devices;		/* trackers of devices, too */
};

/* The tracker under test, and what there is to READ of it */
struct subject {
	const struct measure_options *opt;
	struct watched *watched;
	struct advise_tracker *out;
	bool is_device;			/* it knows no SCAN, and needs ranges */
	struct idirty_range *extents;	/* whole GiBs, in ascending order */
	size_t num_extents;
	uint64_t bytes;			/* that the last subject_scan() found */
};

struct reading {
	double seconds;
	uint64_t bitmap_bytes;
	uint64_t sent_bytes;
};

/*
 * reading.c: both forget what was dirty, and return 0 or -errno. subject_scan() of an
 * IOAS finds the extents, subject_read() READs them.
 */
extern const uint64_t advise_page_sizes[ADVISE_ROWS];
int subject_scan(struct subject *s);
int subject_read(struct subject *s, uint64_t page_size, struct reading *reading);

/* recommend.c: seconds that a round takes, READ and sending */
double advise_round(const struct advise_row *row, const struct advise_limits *limits);
/* For the IOAS that tracker @of is for */
void advise_recommend(const struct advise_result *result, const struct advise_tracker *of,
		      const struct advise_limits *limits, struct advice *advice);
bool advise_same_ioas(const struct advise_tracker *a, const struct advise_tracker *b);
/* "4K", "2M"; in one of a few buffers */
const char *size_text(uint64_t size);

/* measure.c: returns an exit code and complains */
int advise_measure(struct advise_result *result, const struct measure_options *opt);

/* report.c */
void advise_print(const struct advise_result *result, const struct advise_limits *limits);
void advise_plot(const struct advise_result *result, const struct advise_limits *limits);
json_t *advise_to_json(const struct advise_result *result, const struct advise_limits *limits);
/* NULL, or what is wrong with it; both free with advise_free() */
const char *advise_from_json(FILE *f, struct advise_result *result);
void advise_free(struct advise_result *result);
/* The decades of nanoseconds that all times are in */
void advise_decades(const struct advise_result *result, const struct advise_limits *limits,
		    int *first, int *last);
/* The next tracker with an IOAS not seen among those before it; NULL after the last */
const struct advise_tracker *advise_next_ioas(const struct advise_result *result, size_t *pos);

/* draw.c: NULL or an error */
const char *draw_advice(const struct advise_result *result, const struct advise_limits *limits,
			const char *file, bool svg);

#endif
