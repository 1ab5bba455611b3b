// SPDX-License-Identifier: GPL-2.0-only
/*
 * A tracked device that goes away: its file is closed, or it is unplugged. Its dirty
 * pages are kept exactly and can be read. Closing the iommufd at any time leaves
 * nothing behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <kselftest_harness.h>
#include <linux/vfio.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib.h"

#define IOVA	LOGGED_IOVA
#define SIZE	LOGGED_SIZE

FIXTURE(device_gone)
{
	struct logged l;
};

FIXTURE_SETUP(device_gone)
{
	OPEN_OR_SKIP(return, logged_open(&self->l));
}

FIXTURE_TEARDOWN(device_gone)
{
	logged_close(&self->l);
}

struct asking {
	struct logged *l;
	struct hold hold;
	int rc;
	__u32 num;
};

static void *asking_run(void *arg)
{
	struct asking *asking = arg;
	struct iommu_dirty_tracker_info info = {
		.tracker_id = asking->l->env.tracker,
		.num_members = 8,
		.members = (uintptr_t)asking->hold.page,
		.member_len = sizeof(struct iommu_dirty_member),
	};

	asking->rc = __tracker_info(asking->l->env.fd, &info);
	asking->num = info.num_members;
	return NULL;
}

/* An INFO that blocks on user memory does not block detach and close */
TEST_F(device_gone, while_somebody_asks)
{
	struct logged *l = &self->l;
	struct iommu_dirty_member *members;
	struct asking asking = { .l = l };
	pthread_t thread;

	tracker_start(l->env.fd, l->env.tracker);
	hold_open(&asking.hold);
	members = asking.hold.page;
	ASSERT_EQ(0, pthread_create(&thread, NULL, asking_run, &asking));
	hold_wait(&asking.hold);
	edu_detach(&l->env.edu[0]);
	edu_close(&l->env.edu[0]);
	l->env.num_edu = 0;
	hold_release(&asking.hold);
	pthread_join(thread, NULL);
	EXPECT_EQ(0, asking.rc);
	/* The state at the time of the call */
	EXPECT_EQ(1, asking.num);
	EXPECT_EQ(IOMMU_DIRTY_MEMBER_HWPT, members[0].type);
	EXPECT_EQ(IOMMU_DIRTY_MEMBER_TRACKED | IOMMU_DIRTY_MEMBER_AUTO,
		  member_flags(&members[0]));
	EXPECT_EQ(0, members[1].type);
	hold_close(&asking.hold);
}

/* Checks after the device is gone; the model has its last writes */
static void check_gone(struct __test_metadata *_metadata, struct logged *l)
{
	struct iommu_dirty_tracker_info info;
	struct iommu_dirty_member member;

	info = logged_info(l, l->tracker, &member);
	EXPECT_EQ(IOMMU_DIRTY_STATE_RUNNING, info.out_state);
	EXPECT_EQ(IOMMU_DIRTY_REASON_UNBOUND, member.reason);
	EXPECT_EQ(0, member.flags);
	EXPECT_EQ(-ENODEV, __logged_update(l, 0, IOVA, SIZE));
	EXPECT_TRUE(logged_exact(l, l->tracker));
	EXPECT_TRUE(logged_exact(l, l->tracker));
	tracker_stop(l->env.fd, l->tracker);
	EXPECT_EQ(-ENODEV, __logged_start(l));
	object_destroy(l->env.fd, l->tracker);
	EXPECT_NE(0, __tracker_alloc(l->env.fd, l->env.edu[0].dev_id,
				     &l->tracker));
}

TEST_F(device_gone, closed)
{
	struct logged *l = &self->l;

	device_start(l->env.fd, l->tracker, IOVA, SIZE);
	logged_write(l, 0);
	EXPECT_TRUE(logged_exact(l, l->tracker));
	logged_write(l, 1);
	logged_write(l, LOGGED_PAGES - 1);
	edu_close(&l->env.edu[0]);
	l->env.num_edu = 0;
	check_gone(_metadata, l);
}

/* Each tracker keeps the pages that it has not reported */
TEST_F(device_gone, closed_with_several)
{
	struct logged *l = &self->l;
	__u32 other = tracker_alloc(l->env.fd, l->env.edu[0].dev_id);
	unsigned char want[LOGGED_PAGES / 8];

	device_start(l->env.fd, l->tracker, IOVA, SIZE);
	device_start(l->env.fd, other, IOVA, SIZE);
	logged_write(l, 10);
	memcpy(want, l->want, sizeof(want));
	EXPECT_TRUE(logged_exact(l, other));
	memcpy(l->want, want, sizeof(want));
	logged_write(l, 11);
	edu_close(&l->env.edu[0]);
	l->env.num_edu = 0;
	EXPECT_TRUE(logged_exact(l, l->tracker));
	bitmap_set(l->want, 11);
	EXPECT_TRUE(logged_exact(l, other));
}

/* The device is opened again, with a new id, and tracked again */
TEST_F(device_gone, opened_again)
{
	struct logged *l = &self->l;

	device_start(l->env.fd, l->tracker, IOVA, SIZE);
	logged_write(l, 30);
	edu_close(&l->env.edu[0]);
	edu_open(&l->env.edu[0], 0, l->env.fd);
	edu_attach(&l->env.edu[0], l->env.ioas);
	env_load(&l->env, 0);
	EXPECT_TRUE(logged_exact(l, l->tracker));
	object_destroy(l->env.fd, l->tracker);
	l->tracker = tracker_alloc(l->env.fd, l->env.edu[0].dev_id);
	device_start(l->env.fd, l->tracker, IOVA, SIZE);
	logged_write(l, 31);
	EXPECT_TRUE(logged_exact(l, l->tracker));
}

/* Closes the iommufd first; the next test must be able to open the device */
TEST_F(device_gone, everything_closed)
{
	struct logged *l = &self->l;

	device_start(l->env.fd, l->tracker, IOVA, SIZE);
	logged_write(l, 40);
	close(l->env.fd);
	l->env.fd = -1;
}

struct remover {
	char path[128];
	int rc;
};

static void *remover_run(void *arg)
{
	struct remover *r = arg;
	int fd = open(r->path, O_WRONLY);

	r->rc = fd < 0 || write(fd, "1", 1) != 1;
	close(fd);
	return NULL;
}

/* The event with which the driver, on removal, requests the device from the user */
static int request_event(int device)
{
	struct {
		struct vfio_irq_set set;
		__s32 fd;
	} arg = {
		.set = {
			.argsz = sizeof(arg),
			.flags = VFIO_IRQ_SET_DATA_EVENTFD |
				 VFIO_IRQ_SET_ACTION_TRIGGER,
			.index = VFIO_PCI_REQ_IRQ_INDEX,
			.count = 1,
		},
		.fd = eventfd(0, EFD_CLOEXEC),
	};

	if (arg.fd < 0 || ioctl(device, VFIO_DEVICE_SET_IRQS, &arg))
		fatal("VFIO_DEVICE_SET_IRQS: error %d", errno);
	return arg.fd;
}

TEST_F(device_gone, unplugged)
{
	struct logged *l = &self->l;
	struct remover r, rescan = { .path = "/sys/bus/pci/rescan" };
	int event = request_event(l->env.edu[0].fd);
	pthread_t thread;
	__u64 asked;

	device_start(l->env.fd, l->tracker, IOVA, SIZE);
	logged_write(l, 50);
	snprintf(r.path, sizeof(r.path), PCI_DEVICES "/%s/remove",
		 l->env.edu[0].bdf);
	ASSERT_EQ(0, pthread_create(&thread, NULL, remover_run, &r));
	ASSERT_EQ(sizeof(asked), read(event, &asked, sizeof(asked)));
	/* The removal waits for us, and the device works until then */
	logged_write(l, 51);
	EXPECT_TRUE(logged_exact(l, l->tracker));
	logged_write(l, 52);
	edu_close(&l->env.edu[0]);
	l->env.num_edu = 0;
	pthread_join(thread, NULL);
	EXPECT_EQ(0, r.rc);
	check_gone(_metadata, l);
	close(event);
	/* For later tests */
	remover_run(&rescan);
	EXPECT_EQ(0, rescan.rc);
}

TEST_HARNESS_MAIN
