/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The workload that is migrated: memory, and a thread that drives a device which writes
 * to it. The device first copies a disk into the memory. If its ops have @rewrites, it
 * then keeps rewriting random pages of a window that moves through all of the memory.
 * Driver errors end the program.
 */
#ifndef _WORKLOAD_H
#define _WORKLOAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE			4096UL
#define WORKLOAD_OWN_IOVA	0x10000000ULL	/* memory of the driver itself */
#define WORKLOAD_MEM_IOVA	0x100000000ULL

struct workload;

/* nvme.c, edu.c */
struct workload_ops {
	const char *name;
	/* Pages copied at once */
	size_t unit;
	/* NULL, or why there is no such device. Attaches it to w->ioas, sets w->fd */
	const char *(*open)(struct workload *w);
	/* At the source: sets w->disk_size */
	const char *(*load)(struct workload *w);
	/* Makes it write the unit of the disk at page @from to page @to of the memory */
	void (*copy)(struct workload *w, size_t from, size_t to, uint64_t stamp);
	/* Whether a stamp makes the page differ; if not, the disk is only copied */
	bool rewrites;
	/*
	 * NULL, or provides a page that shows the device's state: at the source as
	 * the driver knows it must be, at the destination as the device writes it
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
	const char *image;	/* the disk, to be read without the device */
	uint64_t size;		/* bytes of memory; 0: the size of the disk */
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
	uint32_t device_id;	/* id of the device in the iommufd */
	bool resuming;		/* at the destination */
	size_t size;		/* of the memory */
	size_t disk_size;
	size_t copied;
	size_t rewritten;
	size_t written;		/* units copied and rewritten; under @gate */
	bool copying;
	bool stop;
	bool started;
	pthread_mutex_t gate;	/* held while the device works */
	pthread_t thread;
};

/* Both return NULL, or why they failed */
const char *workload_open(struct workload *w, const struct workload_options *opt,
			  bool resuming);
const char *workload_load(struct workload *w);
/* The index of the device among those that @match accepts; -1: not found */
int workload_index(const struct workload *w,
		   bool (*match)(const char *name, const char *arg));
int workload_map(struct workload *w, void *mem, uint64_t length, uint64_t iova);
void workload_start(struct workload *w);
/* Whether all of the disk has been copied */
bool workload_done(struct workload *w);
/* From workload_pause() until workload_continue() the device writes nothing */
void workload_pause(struct workload *w);
void workload_continue(struct workload *w);
/* The number of units written; not to be called while paused */
size_t workload_written(struct workload *w);
/* Ends the thread, which must be paused */
void workload_end(struct workload *w);
void workload_close(struct workload *w);
/* The size of a file or block device; 0 or -errno */
int file_size(const char *name, uint64_t *size);

#endif
