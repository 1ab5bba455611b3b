// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests the migration states of the edu device's driver: legal and illegal arcs, which
 * arcs open a stream, streams that must be refused, and the state after a reset.
 */
#include <errno.h>
#include <fcntl.h>
#include <kselftest_harness.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "lib.h"

#define IOVA		SZ_1G
#define STREAM		8192
#define HELLO		24	/* bytes of the pre-copy record */
#define VERSION		4	/* offset in a record, as below */
#define TYPE		6
#define LENGTH		8
#define CRC		12
#define PAYLOAD		16
#define STATUS		(PAYLOAD + 8)
#define CMD		(PAYLOAD + 40)
#define KEPT		(PAYLOAD + 48)
#define LIVENESS	0x04
#define DMA_DST		0x88

#define STOP		VFIO_DEVICE_STATE_STOP
#define RUNNING		VFIO_DEVICE_STATE_RUNNING
#define STOP_COPY	VFIO_DEVICE_STATE_STOP_COPY
#define RESUMING	VFIO_DEVICE_STATE_RESUMING
#define RUNNING_P2P	VFIO_DEVICE_STATE_RUNNING_P2P
#define PRE_COPY	VFIO_DEVICE_STATE_PRE_COPY
#define PRE_COPY_P2P	VFIO_DEVICE_STATE_PRE_COPY_P2P

FIXTURE(edu_states)
{
	int iommufd;
	int fd;
	struct edu edu;
	__u64 *mem;
	__u32 ioas;
	unsigned char stream[STREAM];
	size_t length;
};

static size_t drain(int fd, unsigned char *stream)
{
	size_t pos = 0;
	ssize_t n;

	while ((n = read(fd, stream + pos, STREAM - pos)) > 0)
		pos += n;
	return pos;
}

static void open_device(struct _test_data_edu_states *self)
{
	edu_open(&self->edu, 0, self->iommufd);
	edu_attach(&self->edu, self->ioas);
	self->fd = self->edu.fd;
}

FIXTURE_SETUP(edu_states)
{
	int fd;

	OPEN_OR_SKIP(return, env_need_pci(1));
	self->iommufd = check(open("/dev/iommu", O_RDWR | O_CLOEXEC));
	edu_set_driver("edu_vfio_pci");
	self->ioas = ioas_alloc(self->iommufd);
	self->mem = mem_alloc(2 * SZ_4K);
	ioas_map(self->iommufd, self->ioas, self->mem, 2 * SZ_4K, IOVA);
	open_device(self);

	/* a valid stream */
	fd = mig_set(self->fd, STOP_COPY);
	self->length = drain(fd, self->stream);
	close(fd);
	mig_set(self->fd, RUNNING);
}

FIXTURE_TEARDOWN(edu_states)
{
	if (!self->mem)
		return;
	edu_close(&self->edu);
	close(self->iommufd);
	mem_free(self->mem, 2 * SZ_4K);
}

static bool in_precopy(__u32 state)
{
	return state == PRE_COPY || state == PRE_COPY_P2P;
}

/* All arcs are legal except from STOP_COPY to pre-copy */
static bool legal(__u32 from, __u32 to)
{
	return from != STOP_COPY || !in_precopy(to);
}

/* The file that is opened for pre-copy stays in use in STOP_COPY */
static bool opens_stream(__u32 from, __u32 to)
{
	if (from == to)
		return false;
	if (in_precopy(to) || to == STOP_COPY)
		return !in_precopy(from);
	return to == RESUMING;
}

/* Tries the arc from each state to each state, then resets to RUNNING */
TEST_F(edu_states, arcs)
{
	static const __u32 none[] = { VFIO_DEVICE_STATE_ERROR, PRE_COPY_P2P + 1, ~0U };
	int first, second, rc;
	unsigned int i;
	__u32 from, to;

	for (from = STOP; from <= PRE_COPY_P2P; from++) {
		for (to = STOP; to <= PRE_COPY_P2P; to++) {
			first = mig_set(self->fd, from);
			EXPECT_EQ(opens_stream(RUNNING, from), first >= 0);
			if (from == RESUMING && to != RESUMING)
				ASSERT_EQ(self->length,
					  write(first, self->stream, self->length));
			rc = __mig_set(self->fd, to, &second);
			EXPECT_EQ(legal(from, to) ? 0 : -EINVAL, rc) {
				TH_LOG("from %u to %u", from, to);
			}
			EXPECT_EQ(rc ? from : to, mig_get(self->fd));
			EXPECT_EQ(!rc && opens_stream(from, to), second >= 0) {
				TH_LOG("from %u to %u", from, to);
			}
			if (first >= 0)
				close(first);
			if (second >= 0)
				close(second);
			ASSERT_EQ(0, ioctl(self->fd, VFIO_DEVICE_RESET));
			EXPECT_EQ(RUNNING, mig_get(self->fd));
		}
		for (i = 0; i < ARRAY_SIZE(none); i++) {
			first = mig_set(self->fd, from);
			EXPECT_EQ(-EINVAL, __mig_set(self->fd, none[i], &second));
			EXPECT_EQ(from, mig_get(self->fd));
			if (first >= 0)
				close(first);
			ASSERT_EQ(0, ioctl(self->fd, VFIO_DEVICE_RESET));
		}
	}
}

static int precopy_info(int fd, __u32 argsz, __u64 *initial)
{
	struct vfio_precopy_info info = { .argsz = argsz, .dirty_bytes = ~0ULL };
	int rc = ioctl(fd, VFIO_MIG_GET_PRECOPY_INFO, &info) ? -errno : 0;

	*initial = info.initial_bytes;
	return rc ? rc : (info.flags || info.dirty_bytes);
}

TEST_F(edu_states, precopy_info)
{
	const __u32 size = sizeof(struct vfio_precopy_info);
	unsigned char byte[HELLO];
	__u64 left;
	int fd;

	fd = mig_set(self->fd, PRE_COPY);
	EXPECT_EQ(-EINVAL, precopy_info(fd, size - 1, &left));
	EXPECT_EQ(0, precopy_info(fd, size, &left));
	EXPECT_EQ(HELLO, left);
	ASSERT_EQ(1, read(fd, byte, 1));
	EXPECT_EQ(-1, mig_set(self->fd, PRE_COPY_P2P));
	EXPECT_EQ(0, precopy_info(fd, size, &left));
	EXPECT_EQ(HELLO - 1, left);
	ASSERT_EQ(HELLO - 1, read(fd, byte, sizeof(byte)));
	EXPECT_EQ(0, precopy_info(fd, size, &left));
	EXPECT_EQ(0, left);
	EXPECT_EQ(-1, read(fd, byte, 1));
	EXPECT_EQ(ENOMSG, errno);
	EXPECT_EQ(-1, mig_set(self->fd, STOP_COPY));
	EXPECT_EQ(-EINVAL, precopy_info(fd, size, &left));
	mig_set(self->fd, STOP);
	EXPECT_EQ(-ENODEV, precopy_info(fd, size, &left));
	EXPECT_EQ(-1, read(fd, byte, 1));
	EXPECT_EQ(ENODEV, errno);
	close(fd);
	fd = mig_set(self->fd, RESUMING);
	EXPECT_EQ(-ENOTTY, precopy_info(fd, size, &left));
	close(fd);
}

/* CRC-32 as in the stream: without the final inversion */
static __u32 crc32(const unsigned char *data, size_t length)
{
	__u32 crc = ~0U;
	unsigned int bit;

	while (length--) {
		crc ^= *data++;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return crc;
}

static void seal(unsigned char *stream, size_t length)
{
	__u32 crc = crc32(stream + PAYLOAD, length - PAYLOAD);

	memcpy(stream + CRC, &crc, sizeof(crc));
}

/* Refused: bad headers, and impossible device states with a valid checksum */
TEST_F(edu_states, foreign)
{
	static const struct {
		size_t at;
		unsigned char bits;
	} change[] = {
		{ 0, 1 }, { VERSION, 3 }, { VERSION + 1, 1 }, { TYPE, 1 }, { TYPE, 3 },
		{ LENGTH, 4 }, { LENGTH + 3, 0x80 }, { CRC, 1 }, { STATUS, 1 },
		{ CMD, 1 }, { KEPT, 2 },
	};
	unsigned int i;
	int fd, none;
	ssize_t n;

	edu_write(&self->edu, DMA_DST, 0xfeed0000);
	edu_write32(&self->edu, LIVENESS, 0x1234);
	for (i = 0; i < ARRAY_SIZE(change); i++) {
		self->stream[change[i].at] ^= change[i].bits;
		if (change[i].at > CRC)
			seal(self->stream, self->length);
		fd = mig_set(self->fd, RESUMING);
		n = write(fd, self->stream, self->length);
		EXPECT_TRUE(n == self->length || errno == EINVAL);
		EXPECT_EQ(-EINVAL, __mig_set(self->fd, STOP, &none)) {
			TH_LOG("byte %zu", change[i].at);
		}
		EXPECT_EQ(RESUMING, mig_get(self->fd));
		EXPECT_EQ(0xfeed0000, edu_read(&self->edu, DMA_DST));
		EXPECT_EQ(~0x1234U, edu_read32(&self->edu, LIVENESS));
		close(fd);
		self->stream[change[i].at] ^= change[i].bits;
		seal(self->stream, self->length);
		ASSERT_EQ(0, ioctl(self->fd, VFIO_DEVICE_RESET));
		EXPECT_EQ(0, edu_read(&self->edu, DMA_DST));
		edu_write(&self->edu, DMA_DST, 0xfeed0000);
		edu_write32(&self->edu, LIVENESS, 0x1234);
	}
	/* streams that are too short, then one that is too long */
	for (i = 0; i < self->length; i = i * 3 / 2 + 1) {
		fd = mig_set(self->fd, RESUMING);
		ASSERT_EQ(i, write(fd, self->stream, i));
		EXPECT_EQ(-EINVAL, __mig_set(self->fd, STOP, &none));
		/* the rest can still be written */
		n = write(fd, self->stream + i, self->length - i);
		EXPECT_EQ(self->length - i, n);
		EXPECT_EQ(0, __mig_set(self->fd, STOP, &none));
		EXPECT_EQ(-1, write(fd, self->stream, 1));
		EXPECT_EQ(ENODEV, errno);
		close(fd);
		mig_set(self->fd, RUNNING);
	}
	fd = mig_set(self->fd, RESUMING);
	ASSERT_EQ(self->length, write(fd, self->stream, self->length));
	ASSERT_EQ(1, write(fd, self->stream, 1));
	EXPECT_EQ(-EINVAL, __mig_set(self->fd, STOP, &none));
	close(fd);
}

/* write() refuses a pre-copy record of a different window or size */
TEST_F(edu_states, foreign_hello)
{
	unsigned char hello[HELLO];
	unsigned int i;
	int fd;

	fd = mig_set(self->fd, PRE_COPY);
	ASSERT_EQ(HELLO, read(fd, hello, HELLO));
	close(fd);
	mig_set(self->fd, RUNNING);
	for (i = PAYLOAD; i < HELLO; i++) {
		hello[i] ^= 0x40;
		seal(hello, HELLO);
		fd = mig_set(self->fd, RESUMING);
		EXPECT_EQ(-1, write(fd, hello, HELLO));
		EXPECT_EQ(EINVAL, errno);
		hello[i] ^= 0x40;
		seal(hello, HELLO);
		/* it was dropped, so the right one can follow */
		EXPECT_EQ(HELLO, write(fd, hello, HELLO));
		EXPECT_EQ(self->length, write(fd, self->stream, self->length));
		mig_set(self->fd, RUNNING);
		close(fd);
	}
}

/* Registers of a stopped device are read-only; a reset drops the held command */
TEST_F(edu_states, reset)
{
	__u64 val = 0x1000;
	int fd;

	self->mem[0] = 0x77;
	edu_dma_from(&self->edu, IOVA, 0, 8);
	mig_set(self->fd, RUNNING_P2P);
	edu_ask_to(&self->edu, IOVA + SZ_4K, 0, 8);
	fd = mig_set(self->fd, STOP_COPY);
	EXPECT_EQ(-1, pwrite(self->fd, &val, 8, self->edu.bar_offset + DMA_DST));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_TRUE(edu_busy(&self->edu));
	EXPECT_EQ(IOVA + SZ_4K, edu_read(&self->edu, DMA_DST));
	ASSERT_EQ(0, ioctl(self->fd, VFIO_DEVICE_RESET));
	EXPECT_EQ(-1, read(fd, &val, 1));
	EXPECT_EQ(ENODEV, errno);
	close(fd);
	EXPECT_EQ(RUNNING, mig_get(self->fd));
	EXPECT_FALSE(edu_busy(&self->edu));
	EXPECT_EQ(0, edu_read(&self->edu, DMA_DST));
	mig_set(self->fd, RUNNING_P2P);
	mig_set(self->fd, RUNNING);
	EXPECT_EQ(0, self->mem[SZ_4K / 8]);
	self->mem[SZ_4K / 8] = ~0ULL;
	edu_dma_to(&self->edu, IOVA + SZ_4K, 0, 8);
	EXPECT_EQ(0, self->mem[SZ_4K / 8]);
}

TEST_HARNESS_MAIN
