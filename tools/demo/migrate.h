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

struct options {
	const char *file;	/* what the device copies */
	size_t size;		/* bytes of memory to migrate */
	unsigned short port;
	unsigned int max_rounds;
	size_t small;		/* pages: so few are sent with the device stopped */
	unsigned int writes;	/* of the device, per second */
	bool tracking;
	bool progress;
};

/* source.c, destination.c: the exit code of the process */
int run_source(const struct options *opt);
int run_destination(const struct options *opt);

/*
 * device.c: a thread that drives an edu device. It copies a file page by page
 * into the memory, then goes on rewriting random pages of a window that moves
 * through all of the memory.
 */
#define DEVICE_STAGE_IOVA	0x10000000ULL
#define DEVICE_MEM_IOVA		0x100000000ULL

struct device {
	const struct options *opt;
	struct edu edu;
	int iommufd;
	__u32 ioas;
	uint64_t *stage;
	uint64_t *file;
	size_t file_pages;
	size_t copied;
	size_t rewritten;
	bool stop;
	pthread_t thread;
};

void device_open(struct device *dev, const struct options *opt, void *mem);
void device_start(struct device *dev);
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

/* report.c: what the user sees */
double now(void);
void report_open(bool progress);
void report_line(const char *round, size_t pages, size_t all, double seconds);
/* @what is short; erased by the next line or bar */
void report_bar(const char *what, size_t done, size_t all);
void report_clear(void);
void report_digest(const char *who, const unsigned char sum[DIGEST_SIZE]);

#endif
