/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An Intel 82576 network card that copies memory by sending frames to itself; see igb.c.
 */
#ifndef _LIB_IGB_H
#define _LIB_IGB_H

#include "devices.h"

#define IGB_ENTRIES	1024U		/* of each ring */
#define IGB_RING_SIZE	(IGB_ENTRIES * 16ULL)
#define IGB_RINGS_SIZE	(2 * IGB_RING_SIZE)	/* the one for sending comes first */
#define IGB_MIN_BYTES	64		/* of a frame */
#define IGB_MAX_BYTES	1024

struct igb {
	char bdf[32];
	int fd;
	__u32 dev_id;
	char *bar;
	struct igb_tx *tx;		/* the rings */
	struct igb_rx *rx;
	unsigned int tx_tail;
	unsigned int rx_tail;
	unsigned int num;		/* copies that igb_run() will start */
	__u16 length[IGB_ENTRIES];	/* of the frame for each entry of @rx */
};

/* Number of cards */
unsigned int igb_count(void);
void igb_open(struct igb *igb, unsigned int index, int iommufd);
/*
 * Attaches the card to an IOAS and starts it, in loopback. Its rings take IGB_RINGS_SIZE
 * bytes at @rings, which the IOAS maps at @iova.
 */
void igb_start(struct igb *igb, __u32 ioas, void *rings, __u64 iova);
/* Resets the PCI function by VFIO_DEVICE_RESET. The card must be started again */
void igb_function_reset(struct igb *igb);
/*
 * Prepares a copy of @len bytes, as a frame. @src must not cross a 4 KiB page: QEMU's card
 * silently drops a frame if the pages are not contiguous for the host. The card takes bytes
 * 12 and 13 for the type of the frame, most significant byte first, which must not be that
 * of a protocol.
 */
#define IGB_FRAME_TYPE	0x88b5U		/* for experiments */
void igb_add(struct igb *igb, __u64 src, __u64 dst, size_t len);
/* Starts all prepared copies; returns when the card has written all that it will write */
void igb_run(struct igb *igb);
/* Sends a frame that nobody receives, so the card writes nothing at all */
void igb_send(struct igb *igb, __u64 src, size_t len);
/* Frames that were sent since the last call */
unsigned int igb_sent(struct igb *igb);
void igb_close(struct igb *igb);

#endif
