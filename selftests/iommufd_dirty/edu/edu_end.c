// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ends the use of an edu device while it is logged and migrated: closes its file and
 * unbinds its driver. Also fails the allocations of the migration state transitions.
 */
#include <errno.h>
#include <fcntl.h>
#include <kselftest_harness.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "lib.h"

#define IOVA		SZ_1G
#define SIZE		(16 * SZ_4K)
#define STREAM		8192
#define MAX_NTH		300

FIXTURE(edu_end)
{
	int iommufd;
	__u32 ioas;
	struct edu edu;
	__u64 *mem;
	bool closed;
};

static void open_device(struct _test_data_edu_end *self)
{
	edu_open(&self->edu, 0, self->iommufd);
	edu_attach(&self->edu, self->ioas);
}

FIXTURE_SETUP(edu_end)
{
	OPEN_OR_SKIP(return, env_need_pci(1));
	self->iommufd = check(open("/dev/iommu", O_RDWR | O_CLOEXEC));
	edu_set_driver("edu_vfio_pci");
	self->ioas = ioas_alloc(self->iommufd);
	self->mem = mem_alloc(SIZE);
	ioas_map(self->iommufd, self->ioas, self->mem, SIZE, IOVA);
	open_device(self);
}

FIXTURE_TEARDOWN(edu_end)
{
	if (!self->mem)
		return;
	if (!self->closed)
		edu_close(&self->edu);
	close(self->iommufd);
	mem_free(self->mem, SIZE);
}

static int log_on(struct _test_data_edu_end *self)
{
	struct log_range range = { IOVA, SIZE };
	__u64 size = SZ_4K;

	return __log_start(self->edu.fd, &range, 1, &size);
}

static bool is_over(int stream)
{
	char byte;

	return read(stream, &byte, 1) < 0 && errno == ENODEV;
}

/* A device that is reopened has the state of a new one */
TEST_F(edu_end, close)
{
	static const __u32 states[] = {
		VFIO_DEVICE_STATE_PRE_COPY, VFIO_DEVICE_STATE_PRE_COPY_P2P,
		VFIO_DEVICE_STATE_STOP_COPY,
	};
	unsigned int i;
	__u64 word;
	int stream;

	for (i = 0; i < ARRAY_SIZE(states); i++) {
		self->mem[0] = 0x99;
		edu_dma_from(&self->edu, IOVA, 0, 8);
		ASSERT_EQ(0, log_on(self));
		mig_set(self->edu.fd, VFIO_DEVICE_STATE_RUNNING_P2P);
		edu_ask_to(&self->edu, IOVA + SZ_4K, 0, 8);
		stream = mig_set(self->edu.fd, VFIO_DEVICE_STATE_PRE_COPY_P2P);
		if (states[i] != VFIO_DEVICE_STATE_PRE_COPY_P2P)
			mig_set(self->edu.fd, states[i]);
		edu_close(&self->edu);
		EXPECT_TRUE(is_over(stream));
		close(stream);
		self->mem[512] = 0;
		open_device(self);
		EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_get(self->edu.fd));
		EXPECT_EQ(-EINVAL, __log_report(self->edu.fd, IOVA, SIZE, SZ_4K, &word));
		EXPECT_FALSE(edu_busy(&self->edu));
		mig_set(self->edu.fd, VFIO_DEVICE_STATE_RUNNING_P2P);
		mig_set(self->edu.fd, VFIO_DEVICE_STATE_RUNNING);
		EXPECT_EQ(0, self->mem[512]);
		self->mem[512] = 1;
		edu_dma_to(&self->edu, IOVA + SZ_4K, 0, 8);
		EXPECT_EQ(0, self->mem[512]);
	}
}

static void *give_back(void *bdf)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/driver/unbind", (char *)bdf);
	f = fopen(path, "w");
	if (!f || fputs(bdf, f) < 0 || fclose(f))
		fatal("%s: error %d", path, errno);
	return NULL;
}

/* Unbind requests the device; it keeps working until the user closes it */
TEST_F(edu_end, unbind)
{
	struct {
		struct vfio_irq_set head;
		__s32 fd;
	} irq = {
		.head.argsz = sizeof(irq),
		.head.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		.head.index = VFIO_PCI_REQ_IRQ_INDEX,
		.head.count = 1,
	};
	pthread_t thread;
	__u64 word = 0;
	int stream;

	irq.fd = check(eventfd(0, EFD_CLOEXEC));
	ASSERT_EQ(0, ioctl(self->edu.fd, VFIO_DEVICE_SET_IRQS, &irq));
	ASSERT_EQ(0, log_on(self));
	stream = mig_set(self->edu.fd, VFIO_DEVICE_STATE_PRE_COPY);
	ASSERT_EQ(0, pthread_create(&thread, NULL, give_back, self->edu.bdf));
	ASSERT_EQ(sizeof(word), read(irq.fd, &word, sizeof(word)));

	edu_dma_to(&self->edu, IOVA + 2 * SZ_4K, 0, 8);
	word = 0;
	EXPECT_EQ(0, __log_report(self->edu.fd, IOVA, SIZE, SZ_4K, &word));
	EXPECT_EQ(0x4, word);
	edu_close(&self->edu);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_FALSE(pci_driver_is(self->edu.bdf, "edu_vfio_pci"));
	EXPECT_TRUE(is_over(stream));
	close(stream);
	close(irq.fd);
	open_device(self);
	EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_get(self->edu.fd));
}

static bool known(__u32 state)
{
	return state >= VFIO_DEVICE_STATE_STOP && state <= VFIO_DEVICE_STATE_PRE_COPY_P2P;
}

/* Fails each allocation of each state transition in turn; a reset recovers the device */
TEST_F(edu_end, fail_nth)
{
	unsigned int nth, failures, files = 0;
	char data[STREAM];
	bool failed, file;
	int rc, fd;
	__u32 to;

	if (!fail_setup())
		SKIP(return, "no fault injection in this kernel");
	ASSERT_EQ(0, mlockall(MCL_CURRENT));
	for (to = VFIO_DEVICE_STATE_STOP; to <= VFIO_DEVICE_STATE_PRE_COPY_P2P; to++) {
		failed = true;
		file = false;
		failures = 0;
		for (nth = 1; failed && nth < MAX_NTH; nth++) {
			fail_nth(nth);
			rc = __mig_set(self->edu.fd, to, &fd);
			failed = fail_nth_end();
			failures += !!rc;
			ASSERT_TRUE(!rc || rc == -ENOMEM) {
				TH_LOG("to %u: error %d", to, -rc);
			}
			ASSERT_TRUE(known(mig_get(self->edu.fd)));
			file = fd >= 0;
			if (file)
				close(fd);
			ASSERT_EQ(0, ioctl(self->edu.fd, VFIO_DEVICE_RESET));
			ASSERT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_get(self->edu.fd));
		}
		EXPECT_FALSE(failed);
		/* A transition that opens a file allocates memory */
		EXPECT_LE(file, failures);
		files += file;
	}
	EXPECT_EQ(4, files);
	fd = mig_set(self->edu.fd, VFIO_DEVICE_STATE_STOP_COPY);
	EXPECT_GT(read(fd, data, sizeof(data)), 4096);
	close(fd);
	munlockall();
}

TEST_HARNESS_MAIN
