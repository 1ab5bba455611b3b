/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A migration in small: one process has memory that a device writes to, and
 * sends it to another process while the device goes on.
 */
#ifndef _DEMO_MIGRATE_H
#define _DEMO_MIGRATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib.h"

#define PAGE		SZ_4K
#define DIGEST_SIZE	32

struct device_ops;

struct options {
	const char *file;	/* the disk, for a look at it past the device */
	const struct device_ops *device;
	size_t size;		/* bytes of memory to migrate; 0: as the disk */
	unsigned short port;
	unsigned int max_rounds;
	size_t small;		/* pages: so few are sent with the device stopped */
	unsigned int writes;	/* of the device, per second */
	bool tracking;
	bool progress;
};

/* source.c, destination.c: the exit code of the process */
int run_source(struct options *opt);
int run_destination(const struct options *opt);

/*
 * device.c: a thread that drives a device. First the device copies the disk into
 * the memory; then it goes on rewriting random pages of a window that moves
 * through all of the memory, if it is one that rewrites.
 */
#define DEVICE_OWN_IOVA	0x10000000ULL	/* for what a driver needs */
#define DEVICE_MEM_IOVA	0x100000000ULL

struct device;

/* device-edu.c, device-nvme.c */
struct device_ops {
	const char *name;
	/* NULL, or why there is no such device; sets dev->disk_size */
	const char *(*open)(struct device *dev);
	/* How many pages it moves at once */
	size_t unit;
	/* Let it write the unit of the disk at page @from to page @to of the memory */
	void (*copy)(struct device *dev, size_t from, size_t to, uint64_t stamp);
	/* Does a stamp make the page differ? Else the disk is copied and no more */
	bool rewrites;
	void (*close)(struct device *dev);
};

extern const struct device_ops device_edu;
extern const struct device_ops device_nvme;

struct device {
	const struct options *opt;
	const struct device_ops *ops;
	void *priv;
	char bdf[32];
	int iommufd;
	__u32 ioas;
	size_t disk_size;
	size_t copied;
	size_t rewritten;
	bool copying;
	bool stop;
	pthread_t thread;
};

/* Of a file or block device; at most @max bytes */
size_t file_size(const char *name, size_t max);

/* The size of the memory follows that of the disk if the options leave it open */
void device_open(struct device *dev, struct options *opt);
void device_map(struct device *dev, void *mem);
void device_start(struct device *dev);
/* Has all of the disk been copied? */
bool device_done(struct device *dev);
/* After it has returned the device writes no more */
void device_stop(struct device *dev);
void device_close(struct device *dev);

/* channel.c: what goes over the TCP connection */
enum message_type {
	MSG_HELLO,	/* length: size of the memory */
	MSG_PAGES,	/* offset and length; the bytes follow */
	MSG_END,	/* answered by 32 bytes of SHA-256 and all of the memory */
};

struct message {
	uint32_t type;
	uint32_t __pad;
	uint64_t offset;
	uint64_t length;
};

int channel_listen(unsigned short port);
int channel_connect(unsigned short port);
void channel_send(int fd, const void *data, size_t len);
void channel_recv(int fd, void *data, size_t len);
void channel_message(int fd, enum message_type type, uint64_t offset,
		     uint64_t length);
void digest(const void *mem, size_t len, unsigned char out[DIGEST_SIZE]);
/* Of the first @len bytes of a file, with zeroes behind its end */
void digest_file(const char *name, size_t len, unsigned char out[DIGEST_SIZE]);

/* report.c: what the user sees */
double now(void);
void report_open(bool progress);
void report_line(const char *round, size_t pages, size_t all, double seconds);
/* @what is short; erased by the next line or bar */
void report_bar(const char *what, size_t done, size_t all);
void report_clear(void);
void report_digest(const char *who, const unsigned char sum[DIGEST_SIZE]);

#endif
