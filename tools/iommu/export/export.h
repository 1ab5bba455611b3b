/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parts of iommu-dirty export.
 *
 *   processes.c	which processes are observed, and what was written there so far
 *   metrics.c		that as text
 *   http.c		hands the text to clients; no-http.c stands for it in a static program
 *   textfile.c		writes the text to a file
 */
#ifndef _EXPORT_H
#define _EXPORT_H

#include "iommu-dirty.h"

struct exported {
	int pid;
	char command[16];	/* as in /proc/PID/comm */
	bool observed;		/* false: that failed */
	struct observer observer;
	double retry;		/* when to try again after a failure */
	double delay;		/* from there to the next time */
};

struct exporter {
	struct observe_options observe;
	bool all;		/* all processes with an iommufd, else observe.pid */
	struct exported *processes;
	size_t num;
	size_t hidden;		/* processes that cannot be asked whether they have one */
	double updated;		/* when processes_update() has scanned last */
};

/*
 * Looks for processes, address spaces and devices that have come or gone, and adds what was
 * written to the totals. Returns an exit code: the only process cannot be observed (any more).
 */
int processes_update(struct exporter *x);
/* A descriptor that becomes readable when the only process ends, or -1 */
int processes_pidfd(const struct exporter *x);
bool processes_ended(const struct exporter *x);
void processes_free(struct exporter *x);

enum metrics_format {
	OPENMETRICS,
	PROMETHEUS_TEXT,	/* version 0.0.4 of Prometheus's own format */
};

/* Returns whether there was no error of stdio */
bool metrics_write(FILE *f, const struct exporter *x, enum metrics_format format);

/* Replaces the file as a whole; returns 0 or -errno */
int textfile_write(const char *path, const struct exporter *x);

struct http;
/* A socket of the loopback interface */
struct http_address {
	const char *text;	/* as on the command line */
	bool ipv6;
	uint8_t ipv4[4];
	uint16_t port;
};

/*
 * http_open() returns an exit code, after a complaint on failure. Then http_run() is to be
 * called when the descriptor is readable, or after the time in milliseconds (-1: none). It
 * returns an exit code of processes_update().
 */
int http_open(struct http **http, const struct http_address *address, struct exporter *x);
int http_fd(const struct http *http);
int http_timeout(const struct http *http);
int http_run(struct http *http);
void http_close(struct http *http);

#endif
