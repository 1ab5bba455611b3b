/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parts of "iommu-dirty migrate": a process moves memory that a device writes
 * to, and the state of that device, to another process, while the device goes on.
 *
 *   ../migrate.c	the command line
 *   source.c		the phases of the side that has the workload
 *   verify.c		what the source says of the result
 *   destination.c	the side that takes it over
 *   state.c		the device's own state, by VFIO's migration protocol
 *   stream.c		what goes over the connection, made and checked
 *   channel.c		TCP
 *   digest.c		SHA-256, and a sum of each page
 *   report.c		what the user sees: table, bar, JSON
 *   workload.c, nvme.c, edu.c	what there is to migrate
 */
#ifndef _MIGRATE_H
#define _MIGRATE_H

#include "iommu-dirty.h"
#include "stream.h"
#include "workload.h"

#define DIGEST_SIZE	32
#define SUM_SIZE	8

/* Who tells what is dirty */
enum {
	MIGRATE_BY_IOMMU = 1 << 0,	/* the IO page tables */
	MIGRATE_BY_DEVICE = 1 << 1,	/* the device's VFIO driver */
};

struct migrate_options {
	struct workload_options work;
	const char *to;		/* HOST:PORT, or NULL: destination */
	const char *listen;	/* [ADDRESS:]PORT */
	unsigned int max_rounds;
	uint64_t downtime_ns;
	bool stop_anyway;	/* at the limit; else give up */
	unsigned int round_delay_ms;
	uint64_t max_memory;	/* what a destination takes */
	unsigned int providers;	/* MIGRATE_BY_*; 0: nothing is tracked */
	bool progress;
	bool json;
};

/* source.c, destination.c: an exit code */
int migrate_source(const struct migrate_options *opt);
int migrate_destination(const struct migrate_options *opt);

/*
 * state.c: one device, whose driver may implement the protocol. All return 0 or
 * -errno.
 */
struct state {
	int fd;			/* of the device */
	int data_fd;		/* or -1 */
	uint64_t flags;		/* VFIO_MIGRATION_*; 0: there is no state to move */
	uint64_t moved;		/* bytes */
};

typedef int state_sink_fn(void *arg, const void *data, size_t length);

void state_open(struct state *s, int fd);
void state_close(struct state *s);
/* The device goes on, and tells its state bit by bit, if it can */
int state_precopy(struct state *s);
/* What it has to tell now */
int state_precopy_data(struct state *s, state_sink_fn *fn, void *arg);
/* Bytes that are left for the time in which it is stopped */
uint64_t state_estimate(const struct state *s);
/* No DMA after this */
int state_stop(struct state *s);
int state_stop_data(struct state *s, state_sink_fn *fn, void *arg);
/* Back to where it was: it runs */
int state_run(struct state *s);
/* At the destination; state_run() ends it */
int state_resume(struct state *s);
int state_resume_data(struct state *s, const void *data, size_t length);

/* channel.c: -1 and a message, or a socket */
int channel_listen(const char *where);
int channel_connect(const char *where);
/* Reading and writing it; @io is filled in */
void channel_io(struct stream_io *io, int fd);
/* Whether the other side has said something, or is gone */
bool channel_answered(int fd);
/*
 * Close it when the other side has, whatever that still sends: a socket that is closed
 * before it is read to its end takes what was last written with it.
 */
void channel_close(int fd);

/* digest.c */
void digest(const void *mem, size_t len, unsigned char out[DIGEST_SIZE]);
/* Of the first @len bytes of a file, with zeroes behind its end; 0 or -errno */
int digest_file(const char *name, size_t len, unsigned char out[DIGEST_SIZE]);
/* Pages that differ have different sums, but for very few */
void page_sum(const void *page, unsigned char out[SUM_SIZE]);

/*
 * report.c: one side's report. Text comes as things happen, JSON at the end, by
 * report_close().
 */
void report_open(const struct migrate_options *opt);
/* A line of text, or a string of JSON */
void report_string(const char *key, const char *text);
#define report_text(key, ...)				\
({							\
	char __text[300];				\
							\
	snprintf(__text, sizeof(__text), __VA_ARGS__);	\
	report_string(key, __text);			\
})

/* What tracks; there may be several. NULL: nothing does */
void report_tracker(const char *text);
void report_number(const char *key, double value);
void report_digest(const char *who, const unsigned char sum[DIGEST_SIZE]);
/* @downtime_ns: estimated; the last round has none */
void report_round(const struct idirty_round *round, uint64_t total_bytes,
		  uint64_t device_bytes, uint64_t downtime_ns);
void report_last_round(uint64_t bytes, uint64_t device_bytes, double seconds);
/* @what is short; erased by the next line or bar */
void report_bar(const char *what, uint64_t done, uint64_t all);
void report_clear(void);
void report_close(void);

#endif
