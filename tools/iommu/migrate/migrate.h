/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parts of "iommu-dirty migrate": one process moves memory that a device writes
 * to, and the state of that device, to another process, while the device keeps running.
 *
 *   ../migrate.c	the command line
 *   source.c		the phases of the side that has the workload
 *   verify.c		the source's comparison of the result
 *   destination.c	the side that takes over
 *   state.c		the device state, by VFIO's migration protocol
 *   stream.c		the messages on the connection, built and checked
 *   channel.c		TCP
 *   digest.c		SHA-256, and a sum of each page
 *   report.c		the output: table, bar, JSON
 *   workload.c, nvme.c, edu.c	the workloads to migrate
 */
#ifndef _MIGRATE_H
#define _MIGRATE_H

#include "iommu-dirty.h"
#include "stream.h"
#include "workload.h"

#define DIGEST_SIZE	32
#define SUM_SIZE	8

/* Sources of dirty state */
enum {
	MIGRATE_BY_IOMMU = 1 << 0,	/* the IO page tables */
	MIGRATE_BY_DEVICE = 1 << 1,	/* the device's VFIO driver */
};

struct migrate_options {
	struct workload_options work;
	const char *to;		/* HOST:PORT; NULL: this is the destination */
	const char *listen;	/* [ADDRESS:]PORT */
	unsigned int max_rounds;
	uint64_t downtime_ns;
	bool stop_anyway;	/* at the limit, instead of giving up */
	unsigned int round_delay_ms;
	uint64_t max_memory;	/* that a destination accepts */
	unsigned int providers;	/* MIGRATE_BY_*; 0: nothing is tracked */
	bool progress;
	bool json;
};

/* source.c, destination.c: return an exit code */
int migrate_source(const struct migrate_options *opt);
int migrate_destination(const struct migrate_options *opt);

/*
 * state.c: one device, whose driver may implement the protocol. Functions that return
 * int return 0 or -errno.
 */
struct state {
	int fd;			/* of the device */
	int data_fd;		/* or -1 */
	uint64_t flags;		/* VFIO_MIGRATION_*; 0: no state to move */
	uint64_t moved;		/* bytes */
};

typedef int state_sink_fn(void *arg, const void *data, size_t length);

void state_open(struct state *s, int fd);
void state_close(struct state *s);
/* Starts pre-copy of the state, if the driver supports it; the device keeps running */
int state_precopy(struct state *s);
/* Moves the state that is available now */
int state_precopy_data(struct state *s, state_sink_fn *fn, void *arg);
/* Bytes left to move while the device is stopped */
uint64_t state_estimate(const struct state *s);
/* Stops the device: no DMA after this */
int state_stop(struct state *s);
int state_stop_data(struct state *s, state_sink_fn *fn, void *arg);
/* Returns the device to its running state */
int state_run(struct state *s);
/* At the destination: starts to take state; state_run() ends that */
int state_resume(struct state *s);
int state_resume_data(struct state *s, const void *data, size_t length);

/* channel.c: both return a socket, or -1 after a complaint */
int channel_listen(const char *where);
int channel_connect(const char *where);
/* Fills in @io to read and write the socket */
void channel_io(struct stream_io *io, int fd);
/* Whether the other side has sent something, or is gone */
bool channel_answered(int fd);
/*
 * Closes the socket once the other side has, and discards what that still sends: closing
 * a socket with unread data could drop what was written last.
 */
void channel_close(int fd);

/* digest.c */
void digest(const void *mem, size_t len, unsigned char out[DIGEST_SIZE]);
/* Digest of the first @len bytes of a file, padded with zeroes; 0 or -errno */
int digest_file(const char *name, size_t len, unsigned char out[DIGEST_SIZE]);
/* Pages that differ have different sums, with very few exceptions */
void page_sum(const void *page, unsigned char out[SUM_SIZE]);

/*
 * report.c: one side's report. Text is printed as things happen; JSON is printed at the
 * end, by report_close().
 */
void report_open(const struct migrate_options *opt);
/* Prints a line of text, or adds a string to the JSON */
void report_string(const char *key, const char *text);
#define report_text(key, ...)				\
({							\
	char __text[300];				\
							\
	snprintf(__text, sizeof(__text), __VA_ARGS__);	\
	report_string(key, __text);			\
})

/* Reports a tracker; may be called for several. NULL: there is none */
void report_tracker(const char *text);
void report_number(const char *key, double value);
void report_digest(const char *who, const unsigned char sum[DIGEST_SIZE]);
/* @downtime_ns is an estimate, which the last round does not have */
void report_round(const struct idirty_round *round, uint64_t total_bytes,
		  uint64_t device_bytes, uint64_t downtime_ns);
void report_last_round(uint64_t bytes, uint64_t device_bytes, double seconds);
/* @what is short; the next line or bar erases this one */
void report_bar(const char *what, uint64_t done, uint64_t all);
void report_clear(void);
void report_close(void);

#endif
