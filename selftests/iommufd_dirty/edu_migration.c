// SPDX-License-Identifier: GPL-2.0-only
/*
 * The driver of the edu device that implements VFIO's migration protocol, and
 * its DMA logging: states, the stream, and what P2P holds back.
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

#define REG_SRC		0x80
#define REG_DST		0x88
#define REG_CNT		0x90
#define REG_CMD		0x98
#define CMD_TO_RAM	0x3
#define BUF		0x40000

FIXTURE(edu_migration)
{
	int fd;
	__u32 ioas;
	struct edu src;
	struct edu dst;
	__u64 *mem;
	unsigned char stream[STREAM];
};

static int feature(struct edu *edu, __u32 what, void *data, size_t size)
{
	struct vfio_device_feature *arg = calloc(1, sizeof(*arg) + size);
	int rc;

	arg->argsz = sizeof(*arg) + size;
	arg->flags = what;
	memcpy(arg->data, data, size);
	rc = ioctl(edu->fd, VFIO_DEVICE_FEATURE, arg) ? -errno : 0;
	memcpy(data, arg->data, size);
	free(arg);
	return rc;
}

/* Returns the stream's file, -1 if there is none; *rc is 0 or -errno */
static int set_state(struct edu *edu, __u32 state, int *rc)
{
	struct vfio_device_feature_mig_state arg = { .device_state = state };

	*rc = feature(edu, VFIO_DEVICE_FEATURE_SET |
		      VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, &arg, sizeof(arg));
	return *rc ? -1 : arg.data_fd;
}

static int go(struct edu *edu, __u32 state)
{
	int rc, fd = set_state(edu, state, &rc);

	if (rc)
		fatal("state %u: error %d", state, -rc);
	return fd;
}

static __u32 get_state(struct edu *edu)
{
	struct vfio_device_feature_mig_state arg = {};

	check(feature(edu, VFIO_DEVICE_FEATURE_GET |
		      VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, &arg, sizeof(arg)));
	return arg.device_state;
}

static size_t drain(int fd, unsigned char *stream, size_t pos)
{
	ssize_t n;

	/* in pieces, as a network would take it */
	while ((n = read(fd, stream + pos, 1000)) > 0)
		pos += n;
	return pos;
}

FIXTURE_SETUP(edu_migration)
{
	if (edu_count() < 2 || getenv("DIRTY_DEVICES"))
		SKIP(return, "needs two PCI edu devices");
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

static void ask_write(struct edu *edu, __u64 iova)
{
	edu_write(edu, REG_SRC, BUF);
	edu_write(edu, REG_DST, iova);
	edu_write(edu, REG_CNT, 8);
	edu_write(edu, REG_CMD, CMD_TO_RAM);
}

/* A command in P2P waits for the end of it */
TEST_F(edu_migration, p2p_holds_dma)
{
	self->mem[0] = 0x1234;
	edu_dma_from(&self->src, IOVA, 0, 8);
	go(&self->src, VFIO_DEVICE_STATE_RUNNING_P2P);
	ask_write(&self->src, IOVA + SZ_4K);
	EXPECT_EQ(0, self->mem[512]);
	EXPECT_EQ(1, edu_read(&self->src, REG_CMD) & 1);
	go(&self->src, VFIO_DEVICE_STATE_RUNNING);
	while (edu_read(&self->src, REG_CMD) & 1)
		;
	EXPECT_EQ(0x1234, self->mem[512]);
}

/* All of the buffer, the registers and a command that was kept move */
TEST_F(edu_migration, save_and_restore)
{
	size_t len, i;
	int fd, rc;

	for (i = 0; i < 512; i++)
		self->mem[i] = 0xabcd0000 + i;
	edu_dma_from(&self->src, IOVA, 0, SZ_4K);
	fd = go(&self->src, VFIO_DEVICE_STATE_PRE_COPY);
	len = drain(fd, self->stream, 0);
	EXPECT_GT(len, 0);
	EXPECT_EQ(ENOMSG, errno);
	go(&self->src, VFIO_DEVICE_STATE_PRE_COPY_P2P);
	ask_write(&self->src, IOVA + 2 * SZ_4K);
	EXPECT_EQ(-1, set_state(&self->src, VFIO_DEVICE_STATE_STOP_COPY, &rc));
	ASSERT_EQ(0, rc);
	len = drain(fd, self->stream, len);
	close(fd);

	fd = go(&self->dst, VFIO_DEVICE_STATE_RESUMING);
	ASSERT_EQ(len, write(fd, self->stream, len));
	go(&self->dst, VFIO_DEVICE_STATE_RUNNING_P2P);
	EXPECT_EQ(0, self->mem[1024]);
	go(&self->dst, VFIO_DEVICE_STATE_RUNNING);
	while (edu_read(&self->dst, REG_CMD) & 1)
		;
	EXPECT_EQ(0xabcd0000, self->mem[1024]);
	edu_dma_to(&self->dst, IOVA + 3 * SZ_4K, 0, SZ_4K);
	EXPECT_EQ(0, memcmp(self->mem, self->mem + 3 * 512, SZ_4K));
	EXPECT_EQ(VFIO_DEVICE_STATE_STOP_COPY, get_state(&self->src));
	close(fd);
}

/* Each byte of the stream matters; a stream that is refused changes nothing */
TEST_F(edu_migration, corrupted)
{
	size_t len, pos;
	int fd, rc;

	self->mem[0] = 0x5678;
	edu_dma_from(&self->dst, IOVA, 0, 8);
	fd = go(&self->src, VFIO_DEVICE_STATE_STOP_COPY);
	len = drain(fd, self->stream, 0);
	close(fd);
	for (pos = 0; pos <= len; pos += pos < 80 ? 1 : 509) {
		fd = go(&self->dst, VFIO_DEVICE_STATE_RESUMING);
		self->stream[pos] ^= 0x10;
		/* the last round: cut short */
		rc = write(fd, self->stream, pos + 509 > len && pos >= 80 ? len - 1 : len);
		self->stream[pos] ^= 0x10;
		if (rc > 0) {
			set_state(&self->dst, VFIO_DEVICE_STATE_STOP, &rc);
			EXPECT_EQ(-EINVAL, rc);
			EXPECT_EQ(VFIO_DEVICE_STATE_RESUMING, get_state(&self->dst));
		}
		close(fd);
		ASSERT_EQ(0, ioctl(self->dst.fd, VFIO_DEVICE_RESET));
		EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, get_state(&self->dst));
	}
}

/* Exactly the pages that were written are reported, once */
TEST_F(edu_migration, logging)
{
	struct vfio_device_feature_dma_logging_range range = {
		.iova = IOVA,
		.length = PAGES * SZ_4K,
	};
	struct vfio_device_feature_dma_logging_control control = {
		.page_size = SZ_4K,
		.num_ranges = 1,
		.ranges = (uintptr_t)&range,
	};
	__u64 word = 0;
	struct vfio_device_feature_dma_logging_report report = {
		.iova = IOVA,
		.length = PAGES * SZ_4K,
		.page_size = SZ_4K,
		.bitmap = (uintptr_t)&word,
	};
	const __u32 start = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_START;
	const __u32 stop = VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP;
	const __u32 get = VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT;

	EXPECT_EQ(-EINVAL, feature(&self->src, get, &report, sizeof(report)));
	ASSERT_EQ(0, feature(&self->src, start, &control, sizeof(control)));
	EXPECT_EQ(-EBUSY, feature(&self->src, start, &control, sizeof(control)));
	edu_dma_to(&self->src, IOVA + 3 * SZ_4K, 0, 8);
	edu_dma_to(&self->src, IOVA + 8 * SZ_4K - 4, 0, 8);
	edu_dma_from(&self->src, IOVA + 5 * SZ_4K, 0, 8);
	ASSERT_EQ(0, feature(&self->src, get, &report, sizeof(report)));
	EXPECT_EQ(0x188, word);
	word = 0;
	ASSERT_EQ(0, feature(&self->src, get, &report, sizeof(report)));
	EXPECT_EQ(0, word);
	EXPECT_EQ(0, feature(&self->src, stop, NULL, 0));
	EXPECT_EQ(-EINVAL, feature(&self->src, get, &report, sizeof(report)));
}

TEST_HARNESS_MAIN
