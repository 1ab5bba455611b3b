// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests VFIO's migration protocol in the edu device's driver: the stream, and the
 * commands that P2P states hold back.
 */
#include <errno.h>
#include <fcntl.h>
#include <kselftest_harness.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "lib.h"

#define IOVA	0x40000000ULL
#define PAGES	16
#define STREAM	8192

FIXTURE(edu_migration)
{
	int fd;
	__u32 ioas;
	struct edu src;
	struct edu dst;
	__u64 *mem;
	unsigned char stream[STREAM];
};

static size_t drain(int fd, unsigned char *stream, size_t pos)
{
	ssize_t n;

	/* in small pieces, as for a network */
	while ((n = read(fd, stream + pos, 1000)) > 0)
		pos += n;
	return pos;
}

FIXTURE_SETUP(edu_migration)
{
	OPEN_OR_SKIP(return, env_need_pci(2));
	self->fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	ASSERT_GE(self->fd, 0);
	edu_set_driver("edu_vfio_pci");
	self->ioas = ioas_alloc(self->fd);
	edu_open(&self->src, 0, self->fd);
	edu_open(&self->dst, 1, self->fd);
	edu_attach(&self->src, self->ioas);
	edu_attach(&self->dst, self->ioas);
	self->mem = mem_alloc(PAGES * SZ_4K);
	ioas_map(self->fd, self->ioas, self->mem, PAGES * SZ_4K, IOVA);
}

FIXTURE_TEARDOWN(edu_migration)
{
	if (!self->mem)
		return;
	edu_close(&self->src);
	edu_close(&self->dst);
	close(self->fd);
}

/* A DMA command in P2P is held until the device is RUNNING again */
TEST_F(edu_migration, p2p_holds_dma)
{
	self->mem[0] = 0x1234;
	edu_dma_from(&self->src, IOVA, 0, 8);
	mig_set(self->src.fd, VFIO_DEVICE_STATE_RUNNING_P2P);
	edu_ask_to(&self->src, IOVA + SZ_4K, 0, 8);
	EXPECT_EQ(0, self->mem[512]);
	EXPECT_TRUE(edu_busy(&self->src));
	mig_set(self->src.fd, VFIO_DEVICE_STATE_RUNNING);
	while (edu_busy(&self->src))
		;
	EXPECT_EQ(0x1234, self->mem[512]);
}

/* The stream carries the whole buffer, the registers and a held command */
TEST_F(edu_migration, save_and_restore)
{
	size_t len, i;
	int fd;

	for (i = 0; i < 512; i++)
		self->mem[i] = 0xabcd0000 + i;
	edu_dma_from(&self->src, IOVA, 0, SZ_4K);
	fd = mig_set(self->src.fd, VFIO_DEVICE_STATE_PRE_COPY);
	len = drain(fd, self->stream, 0);
	EXPECT_GT(len, 0);
	EXPECT_EQ(ENOMSG, errno);
	mig_set(self->src.fd, VFIO_DEVICE_STATE_PRE_COPY_P2P);
	edu_ask_to(&self->src, IOVA + 2 * SZ_4K, 0, 8);
	EXPECT_EQ(-1, mig_set(self->src.fd, VFIO_DEVICE_STATE_STOP_COPY));
	len = drain(fd, self->stream, len);
	close(fd);

	fd = mig_set(self->dst.fd, VFIO_DEVICE_STATE_RESUMING);
	ASSERT_EQ(len, write(fd, self->stream, len));
	mig_set(self->dst.fd, VFIO_DEVICE_STATE_RUNNING_P2P);
	EXPECT_EQ(0, self->mem[1024]);
	mig_set(self->dst.fd, VFIO_DEVICE_STATE_RUNNING);
	while (edu_busy(&self->dst))
		;
	EXPECT_EQ(0xabcd0000, self->mem[1024]);
	edu_dma_to(&self->dst, IOVA + 3 * SZ_4K, 0, SZ_4K);
	EXPECT_EQ(0, memcmp(self->mem, self->mem + 3 * 512, SZ_4K));
	EXPECT_EQ(VFIO_DEVICE_STATE_STOP_COPY, mig_get(self->src.fd));
	close(fd);
}

/* A stream with a corrupted byte, or one that is cut short, is refused */
TEST_F(edu_migration, corrupted)
{
	size_t len, pos;
	int fd, rc, none;

	self->mem[0] = 0x5678;
	edu_dma_from(&self->dst, IOVA, 0, 8);
	fd = mig_set(self->src.fd, VFIO_DEVICE_STATE_STOP_COPY);
	len = drain(fd, self->stream, 0);
	close(fd);
	for (pos = 0; pos <= len; pos += pos < 80 ? 1 : 509) {
		fd = mig_set(self->dst.fd, VFIO_DEVICE_STATE_RESUMING);
		self->stream[pos] ^= 0x10;
		/* the last round cuts the stream short */
		rc = write(fd, self->stream, pos + 509 > len && pos >= 80 ? len - 1 : len);
		self->stream[pos] ^= 0x10;
		if (rc > 0) {
			EXPECT_EQ(-EINVAL, __mig_set(self->dst.fd, VFIO_DEVICE_STATE_STOP,
						     &none));
			EXPECT_EQ(VFIO_DEVICE_STATE_RESUMING, mig_get(self->dst.fd));
		}
		close(fd);
		ASSERT_EQ(0, ioctl(self->dst.fd, VFIO_DEVICE_RESET));
		EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_get(self->dst.fd));
	}
}

TEST_HARNESS_MAIN
