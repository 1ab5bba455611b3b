/* SPDX-License-Identifier: GPL-2.0-only */
/* A VM, and a guest that keeps its devices busy. */
#ifndef _IOMMUFD_DIRTY_LIB_MACHINE_H
#define _IOMMUFD_DIRTY_LIB_MACHINE_H

#include <pthread.h>
#include <stdbool.h>

#include "devices.h"

/*
 * machine.c: a VM, which is memory and devices that use it, and a guest that keeps
 * the devices busy
 */
#define RAM_IOVA	0x40000000ULL
#define RAM_PAGES	64
#define RAM_SIZE	(RAM_PAGES * SZ_4K)
#define STAGE_IOVA	0x10000000ULL	/* the guest's buffer of data to write */
#define MACHINE_DEVICES	2

struct machine {
	int fd;
	__u32 ioas[MACHINE_DEVICES];
	struct edu edu[MACHINE_DEVICES];
	__u64 *ram;
	__u64 *stage;
};

struct guest {
	struct machine *m;
	unsigned int device;
	pthread_t thread;
	bool stop;
	unsigned int stores;
};

/* Uses the edu devices from @first on; @apart: each has a separate IOAS */
void machine_open(struct machine *m, unsigned int first, bool apart);
void machine_close(struct machine *m);
/* Starts a thread that makes one device write to its odd or even pages */
void guest_start(struct guest *g, struct machine *m, unsigned int device);
/* Stops the guest's CPU; the device gets no more commands */
void guest_stop(struct guest *g);

#endif
