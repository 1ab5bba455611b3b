// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The phases of a migration with two devices. The driver of the first logs its DMA and
 * migrates its state; writes of the second, simple one are tracked by the IOMMU only.
 * This process is both source and destination, so that all steps are in one place; a
 * VMM has a network between the two.
 *
 *   example-progression FD IOAS IOVA LENGTH MEMORY DEVICE VFIO VCPUS TO_MEMORY TO_VFIO
 *
 * FD is an iommufd. The simple device has IOAS to itself; the other one has the id
 * DEVICE, and VFIO is its file. Both write to the file MEMORY, which is mapped at IOVA.
 * VCPUS is a socket: when a byte that was sent there comes back, the CPUs of the guest
 * have stopped. TO_MEMORY and TO_VFIO belong to the destination, whose device is ready
 * to resume.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/vfio.h>

#include <iommudirty.h>

#define PAGE	4096
#define ROUNDS	3

/* As in <linux/vfio.h> since Linux 6.2 */
enum {
	STATE_PRE_COPY = 6,
	STATE_PRE_COPY_P2P = 7,
};

struct migration {
	struct idirty_tracker *trackers[2];
	struct idirty_range ram;
	char *from, *to;		/* guest memory at the source and at the destination */
	void *bitmap;
	int vfio, to_vfio, vcpus;
	int data;			/* file to read the device's state from */
	char state[1 << 20];
	size_t state_bytes;
	unsigned long long pages;	/* sent */
};

static noreturn void fail(const char *what)
{
	perror(what);
	exit(1);
}

static noreturn void fail_library(void)
{
	char text[200];

	fprintf(stderr, "%s\n", idirty_strerror(idirty_last_error(), text, sizeof(text)));
	exit(1);
}

/* Returns the file for the device's state, if the new state opens one */
static int set_state(int vfio, unsigned int to)
{
	struct {
		struct vfio_device_feature head;
		struct vfio_device_feature_mig_state state;
	} arg = {
		.head.argsz = sizeof(arg),
		.head.flags = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE,
		.state.device_state = to,
	};

	if (ioctl(vfio, VFIO_DEVICE_FEATURE, &arg))
		fail("migration state");
	return arg.state.data_fd;
}

/* Reads the part of the device's state that is available; once stopped, all of it */
static void drain(struct migration *m)
{
	ssize_t n;

	do {
		if (m->state_bytes == sizeof(m->state)) {
			errno = EFBIG;
			fail("state of the device");
		}
		n = read(m->data, m->state + m->state_bytes, sizeof(m->state) - m->state_bytes);
		if (n > 0)
			m->state_bytes += n;
	} while (n > 0);
	if (n && errno != ENOMSG)
		fail("state of the device");
}

/* From now on each write is seen by one of the two providers */
static void tracking_on(struct migration *m, struct idirty *ctx, unsigned int device,
			unsigned int ioas)
{
	const struct idirty_target targets[2] = { IDIRTY_TARGET(device), IDIRTY_TARGET(ioas) };
	uint64_t page_size = PAGE;
	int i;

	for (i = 0; i < 2; i++)
		if (idirty_alloc(ctx, &targets[i], &m->trackers[i]))
			fail_library();
	/* A device does not know what is mapped, so it needs the range */
	if (idirty_start(m->trackers[0], 0, &m->ram, 1, &page_size) ||
	    idirty_start(m->trackers[1], 0, NULL, 0, NULL))
		fail_library();
	printf("tracking: on, the device by %llu bytes\n", (unsigned long long)page_size);
}

static void send_pages(struct migration *m, const struct idirty_range *run)
{
	uint64_t offset = run->iova - m->ram.iova;

	memcpy(m->to + offset, m->from + offset, run->length);
	m->pages += run->length / PAGE;
}

/* One READ: both providers set their bits in the same bitmap */
static void read_dirty(struct migration *m)
{
	struct idirty_read_args read = {
		.size = sizeof(read),
		.iova = m->ram.iova,
		.length = m->ram.length,
		.page_size = PAGE,
		.bitmap = m->bitmap,
	};
	uint64_t pages[2];

	memset(m->bitmap, 0, idirty_bitmap_bytes(read.iova, read.length, PAGE));
	if (idirty_read(m->trackers, 2, &read, pages))
		fail_library();
	printf("read: %llu pages by the device, %llu more by the IOMMU\n",
	       (unsigned long long)pages[0], (unsigned long long)pages[1]);
}

static void send_dirty(struct migration *m)
{
	struct idirty_range run;
	uint64_t pos = 0;

	while (idirty_bitmap_next_run(m->bitmap, &m->ram, PAGE, &pos, &run))
		send_pages(m, &run);
}

static void rounds(struct migration *m)
{
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		drain(m);
		/* With devices that support P2P states, no write is now in flight */
		set_state(m->vfio, STATE_PRE_COPY_P2P);
		read_dirty(m);
		set_state(m->vfio, STATE_PRE_COPY);
		send_dirty(m);
	}
}

/* Stops the CPUs, which give the devices work, then the device; the other one is idle */
static void stop(struct migration *m)
{
	char byte = 's';

	if (write(m->vcpus, &byte, 1) != 1 || read(m->vcpus, &byte, 1) != 1)
		fail("virtual CPUs");
	set_state(m->vfio, STATE_PRE_COPY_P2P);
	read_dirty(m);
	send_dirty(m);
	set_state(m->vfio, VFIO_DEVICE_STATE_STOP_COPY);
	drain(m);
	close(m->data);
}

static void restore(struct migration *m)
{
	int data = set_state(m->to_vfio, VFIO_DEVICE_STATE_RESUMING);

	if (write(data, m->state, m->state_bytes) != (ssize_t)m->state_bytes)
		fail("state of the device, there");
	close(data);
	set_state(m->to_vfio, VFIO_DEVICE_STATE_RUNNING);
	printf("sent: %llu pages, %zu bytes of the device's state\n", m->pages, m->state_bytes);
}

static void *map(const char *fd, size_t length)
{
	void *mem = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, atoi(fd), 0);

	if (mem == MAP_FAILED)
		fail("memory");
	return mem;
}

int main(int argc, char **argv)
{
	static struct migration m;
	struct idirty *ctx;
	int i;

	if (argc != 11)
		return 2;
	m.ram = (struct idirty_range){ strtoull(argv[3], NULL, 0), strtoull(argv[4], NULL, 0) };
	m.bitmap = malloc(idirty_bitmap_bytes(m.ram.iova, m.ram.length, PAGE));
	if (!m.bitmap)
		fail("bitmap");
	m.from = map(argv[5], m.ram.length);
	m.to = map(argv[9], m.ram.length);
	m.vfio = atoi(argv[7]);
	m.to_vfio = atoi(argv[10]);
	m.vcpus = atoi(argv[8]);
	if (idirty_open(atoi(argv[1]), &ctx))
		fail_library();

	tracking_on(&m, ctx, strtoul(argv[6], NULL, 0), strtoul(argv[2], NULL, 0));
	m.data = set_state(m.vfio, STATE_PRE_COPY);
	send_pages(&m, &m.ram);
	rounds(&m);
	stop(&m);
	for (i = 0; i < 2; i++)
		if (idirty_destroy(m.trackers[i]))
			fail_library();
	restore(&m);
	idirty_close(ctx);
	free(m.bitmap);
	return 0;
}
