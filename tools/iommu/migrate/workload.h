/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is migrated: memory, and a thread that drives a device which writes to it.
 * First the device copies a disk into the memory; then it goes on rewriting random
 * pages of a window that moves through all of the memory, if it is one that
 * rewrites. Driver errors end the program.
 */
#ifndef _WORKLOAD_H
#define _WORKLOAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE			4096UL
#define WORKLOAD_OWN_IOVA	0x10000000ULL	/* for what a driver needs */
#define WORKLOAD_MEM_IOVA	0x100000000ULL

struct workload;

/* nvme.c, edu.c */
struct workload_ops {
	const char *name;
	/* Pages that it moves at once */
	size_t unit;
	/* NULL, or why there is no such device. Attached to w->ioas; w->fd is set */
	const char *(*open)(struct workload *w);
	/* At the source: sets w->disk_size */
	const char *(*load)(struct workload *w);
	/* Let it write the unit of the disk at page @from to page @to of the memory */
	void (*copy)(struct workload *w, size_t from, size_t to, uint64_t stamp);
	/* Does a stamp make the page differ? Else the disk is copied and no more */
	bool rewrites;
	/*
	 * NULL, or a page that the device's state shows in: as the driver of the
	 * source knows it must be, or as the device of the destination writes it
	 */
	void (*show_state)(struct workload *w, void *page);
	void (*close)(struct workload *w);
};

extern const struct workload_ops workload_edu;
extern const struct workload_ops workload_nvme;

struct workload_options {
	const struct workload_ops *ops;
	const char *address;	/* of the device; NULL: the first one */
	const char *driver;	/* NULL: vfio-pci */
	const char *image;	/* the disk, for a look at it past the device */
	uint64_t size;		/* bytes of memory; 0: as the disk */
	unsigned int writes;	/* pages per second */
};

struct workload {
	const struct workload_options *opt;
	const struct workload_ops *ops;
	void *priv;
	char bdf[32];
	int fd;			/* of the device */
	int iommufd;
	uint32_t ioas;
	uint32_t device_id;	/* of the device in the iommufd */
	bool resuming;		/* it is the destination's */
	size_t size;		/* of the memory */
	size_t disk_size;
	size_t copied;
	size_t rewritten;
	size_t written;		/* units, of both kinds; under @gate */
	bool copying;
	bool stop;
	bool started;
	pthread_mutex_t gate;	/* held while the device is at work */
	pthread_t thread;
};

/* Both NULL, or why not */
const char *workload_open(struct workload *w, const struct workload_options *opt,
			  bool resuming);
const char *workload_load(struct workload *w);
/* The position of a device among those for which @match is true; -1: not there */
int workload_index(const struct workload *w,
		   bool (*match)(const char *name, const char *arg));
int workload_map(struct workload *w, void *mem, uint64_t length, uint64_t iova);
void workload_start(struct workload *w);
/* Has all of the disk been copied? */
bool workload_done(struct workload *w);
/* From the return of the one to the call of the other the device writes nothing */
void workload_pause(struct workload *w);
void workload_continue(struct workload *w);
/* How often it has written, if it is not paused */
size_t workload_written(struct workload *w);
/* With the thread paused, for good */
void workload_end(struct workload *w);
void workload_close(struct workload *w);
/* Of a file or block device; 0 or -errno */
int file_size(const char *name, uint64_t *size);

#endif
