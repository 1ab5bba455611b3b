// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests how the driver's log and its migration states handle transfers in flight, on
 * an edu device with slow transfers. A test that is too slow to catch a transfer in
 * flight tries again.
 */
#include <errno.h>
#include <fcntl.h>
#include <kselftest_harness.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "lib.h"

#define IOVA		SZ_1G
#define PAGES		16
#define SIZE		(PAGES * SZ_4K)
#define TRIES		50
#define FACTORIAL	0x08
#define STATUS		0x20
#define COMPUTING	0x1
#define MUCH		200000000	/* keeps the device busy for a while */

FIXTURE(edu_flight)
{
	int fd;
	struct edu edu;
	__u64 *mem;
};

FIXTURE_SETUP(edu_flight)
{
	__u32 ioas;

	OPEN_OR_SKIP(return, env_need_pci(1));
	self->fd = check(open("/dev/iommu", O_RDWR | O_CLOEXEC));
	edu_set_driver("edu_vfio_pci");
	ioas = ioas_alloc(self->fd);
	edu_open(&self->edu, edu_count() - 1, self->fd);
	edu_attach(&self->edu, ioas);
	self->mem = mem_alloc(SIZE);
	ioas_map(self->fd, ioas, self->mem, SIZE, IOVA);
	self->mem[0] = 0x1234;
	edu_dma_from(&self->edu, IOVA, 0, 8);
	edu_ask_to(&self->edu, IOVA, 0, 8);
	if (!edu_busy(&self->edu))
		SKIP(return, "the last edu device must have a --dma-delay");
	while (edu_busy(&self->edu))
		;
}

FIXTURE_TEARDOWN(edu_flight)
{
	if (!self->mem)
		return;
	edu_close(&self->edu);
	close(self->fd);
	mem_free(self->mem, SIZE);
}

static __u64 word_at(struct _test_data_edu_flight *self, unsigned int page)
{
	return __atomic_load_n(&self->mem[page * SZ_4K / 8], __ATOMIC_ACQUIRE);
}

static int log_on(struct _test_data_edu_flight *self)
{
	struct log_range range = { IOVA, SIZE };
	__u64 size = SZ_4K;

	return __log_start(self->edu.fd, &range, 1, &size);
}

static __u64 report(struct _test_data_edu_flight *self)
{
	__u64 word = 0;

	check(__log_report(self->edu.fd, IOVA, SIZE, SZ_4K, &word));
	return word;
}

/* A transfer in flight at START writes after it, so it is reported */
TEST_F(edu_flight, at_start)
{
	bool flying = false;
	unsigned int i;
	__u64 word;

	for (i = 0; i < TRIES && !flying; i++) {
		edu_ask_to(&self->edu, IOVA + 3 * SZ_4K, 0, 8);
		ASSERT_EQ(0, log_on(self));
		flying = edu_busy(&self->edu);
		while (edu_busy(&self->edu))
			;
		word = report(self);
		EXPECT_TRUE(word == 0x8 || (!flying && !word));
		EXPECT_EQ(0, report(self));
		ASSERT_EQ(0, __log_stop(self->edu.fd));
	}
	EXPECT_TRUE(flying);
	EXPECT_EQ(0x1234, word_at(self, 3));
}

/* A transfer that writes after a report is in the next one too, but not in a third */
TEST_F(edu_flight, at_report)
{
	bool flying = false;
	unsigned int i;
	__u64 word;

	ASSERT_EQ(0, log_on(self));
	for (i = 0; i < TRIES && !flying; i++) {
		edu_ask_to(&self->edu, IOVA + 5 * SZ_4K, 0, 8);
		EXPECT_EQ(0x20, report(self));
		flying = edu_busy(&self->edu);
		while (edu_busy(&self->edu))
			;
		word = report(self);
		EXPECT_TRUE(word == 0x20 || (!flying && !word));
		EXPECT_EQ(0, report(self));
	}
	EXPECT_TRUE(flying);
}

/* A report that does not cover the transfer's page leaves it for a later report */
TEST_F(edu_flight, other_pages)
{
	__u64 word = 0;

	ASSERT_EQ(0, log_on(self));
	edu_ask_to(&self->edu, IOVA + 5 * SZ_4K, 0, 8);
	ASSERT_EQ(0, __log_report(self->edu.fd, IOVA, SZ_4K, SZ_4K, &word));
	EXPECT_EQ(0, word);
	while (edu_busy(&self->edu))
		;
	EXPECT_EQ(0x20, report(self));
	EXPECT_EQ(0, report(self));
}

/* Entering P2P waits for the transfer; register writes during it are ignored */
TEST_F(edu_flight, p2p_waits)
{
	static const __u32 to[] = {
		VFIO_DEVICE_STATE_RUNNING_P2P, VFIO_DEVICE_STATE_STOP,
		VFIO_DEVICE_STATE_PRE_COPY_P2P, VFIO_DEVICE_STATE_STOP_COPY,
	};
	unsigned int i, tries;
	bool flying;
	int stream;

	for (i = 0; i < ARRAY_SIZE(to); i++) {
		flying = false;
		for (tries = 0; tries < TRIES && !flying; tries++) {
			self->mem[512] = 0;
			edu_ask_to(&self->edu, IOVA + SZ_4K, 0, 8);
			edu_ask_to(&self->edu, IOVA + 2 * SZ_4K, 0, 8);
			flying = edu_busy(&self->edu) && !word_at(self, 1);
			stream = mig_set(self->edu.fd, to[i]);
			EXPECT_FALSE(edu_busy(&self->edu));
			EXPECT_EQ(0x1234, word_at(self, 1));
			if (stream >= 0)
				close(stream);
			mig_set(self->edu.fd, VFIO_DEVICE_STATE_RUNNING);
		}
		EXPECT_TRUE(flying);
	}
}

/* A command that was held in P2P is reported when it is executed */
TEST_F(edu_flight, kept)
{
	ASSERT_EQ(0, log_on(self));
	mig_set(self->edu.fd, VFIO_DEVICE_STATE_RUNNING_P2P);
	edu_ask_to(&self->edu, IOVA + 4 * SZ_4K, 0, 8);
	/* as with a transfer in flight, a second command is ignored */
	edu_ask_to(&self->edu, IOVA + 6 * SZ_4K, 0, 8);
	EXPECT_EQ(0, report(self));
	EXPECT_EQ(0, word_at(self, 4));
	mig_set(self->edu.fd, VFIO_DEVICE_STATE_RUNNING);
	EXPECT_EQ(0x10, report(self) & ~0x40ULL);
	while (edu_busy(&self->edu))
		;
	EXPECT_EQ(0x1234, word_at(self, 4));
	EXPECT_EQ(0, word_at(self, 6));
	EXPECT_EQ(0, report(self) & ~0x10ULL);
	EXPECT_EQ(0, report(self));
}

/* STOP also waits for the computation; P2P lets it continue */
TEST_F(edu_flight, stop_waits_for_computation)
{
	bool computing = false;
	unsigned int i;

	for (i = 0; i < TRIES && !computing; i++) {
		edu_write32(&self->edu, FACTORIAL, MUCH);
		mig_set(self->edu.fd, VFIO_DEVICE_STATE_RUNNING_P2P);
		computing = edu_read32(&self->edu, STATUS) & COMPUTING;
		mig_set(self->edu.fd, VFIO_DEVICE_STATE_STOP);
		EXPECT_EQ(0, edu_read32(&self->edu, STATUS) & COMPUTING);
		mig_set(self->edu.fd, VFIO_DEVICE_STATE_RUNNING);
	}
	EXPECT_TRUE(computing);
}

/* RESET waits for the transfer, then clears the device */
TEST_F(edu_flight, reset)
{
	edu_ask_to(&self->edu, IOVA + SZ_4K, 0, 8);
	ASSERT_EQ(0, ioctl(self->edu.fd, VFIO_DEVICE_RESET));
	EXPECT_FALSE(edu_busy(&self->edu));
	EXPECT_EQ(0x1234, word_at(self, 1));
	edu_dma_to(&self->edu, IOVA + SZ_4K, 0, 8);
	EXPECT_EQ(0, word_at(self, 1));
}

TEST_HARNESS_MAIN
