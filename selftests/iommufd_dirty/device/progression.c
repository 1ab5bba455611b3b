// SPDX-License-Identifier: GPL-2.0-only
/*
 * A complete migration of two devices that a guest keeps busy. Each device is tracked
 * by the provider that was chosen for it; migration phases and tracking are
 * independent. At the end the memory and the devices of source and destination must
 * be equal.
 */
#include <errno.h>
#include <kselftest_harness.h>
#include <linux/vfio.h>
#include <unistd.h>

#include "lib.h"

#define DEVICES		MACHINE_DEVICES
#define ROUNDS		3
#define STREAM		8192
#define WORDS		(SZ_4K / 8)

/* Which provider tracks each device, and how it is migrated */
struct plan {
	bool by_device[DEVICES];	/* tracked by its driver, else its IOAS */
	bool p2p[DEVICES];		/* can be put into P2P */
	bool apart;			/* device 1 has a separate IOAS */
	bool early;			/* device 1 enters P2P before the rounds */
	bool untracked;
};

FIXTURE(progression)
{
	struct machine src;
	struct machine dst;
	struct guest guests[DEVICES];
	struct iommu_dirty_read_tracker trackers[DEVICES];
	unsigned int num_trackers;
	unsigned char bitmap[RAM_PAGES / 8];
	int data[DEVICES];
	unsigned char stream[DEVICES][STREAM];
	size_t length[DEVICES];
	__u64 copied;
};

FIXTURE_SETUP(progression)
{
	OPEN_OR_SKIP(return, env_need_pci(2 * DEVICES));
	random_init();
	edu_set_driver("edu_vfio_pci");
}

FIXTURE_TEARDOWN(progression)
{
	if (self->src.ram)
		machine_close(&self->src);
	if (self->dst.ram)
		machine_close(&self->dst);
}

static struct edu *src_edu(FIXTURE_DATA(progression) * self, unsigned int i)
{
	return &self->src.edu[i];
}

static int src_fd(FIXTURE_DATA(progression) * self, unsigned int i)
{
	return self->src.edu[i].fd;
}

static void guests_start(FIXTURE_DATA(progression) * self)
{
	unsigned int i;

	for (i = 0; i < DEVICES; i++)
		guest_start(&self->guests[i], &self->src, i);
}

/* Waits until each device whose guest runs has done more writes */
static void guests_work(FIXTURE_DATA(progression) * self)
{
	unsigned int i;

	for (i = 0; i < DEVICES; i++) {
		struct guest *g = &self->guests[i];
		unsigned int until;

		until = __atomic_load_n(&g->stores, __ATOMIC_ACQUIRE) + 3;
		while (!g->stop &&
		       __atomic_load_n(&g->stores, __ATOMIC_ACQUIRE) < until)
			;
	}
}

static void tracking_on(FIXTURE_DATA(progression) * self, const struct plan *plan)
{
	int fd = self->src.fd;
	unsigned int i;
	__u32 id, last_ioas = 0;

	self->num_trackers = 0;
	for (i = 0; i < DEVICES && !plan->untracked; i++) {
		if (plan->by_device[i]) {
			id = tracker_alloc(fd, src_edu(self, i)->dev_id);
			device_start(fd, id, RAM_IOVA, RAM_SIZE);
		} else if (self->src.ioas[i] == last_ioas) {
			continue;
		} else {
			last_ioas = self->src.ioas[i];
			id = tracker_alloc(fd, last_ioas);
			tracker_start(fd, id);
		}
		self->trackers[self->num_trackers++].tracker_id = id;
	}
}

static void tracking_off(FIXTURE_DATA(progression) * self)
{
	while (self->num_trackers)
		object_destroy(self->src.fd,
			       self->trackers[--self->num_trackers].tracker_id);
}

static void copy_page(FIXTURE_DATA(progression) * self, unsigned int page)
{
	unsigned int i;

	for (i = 0; i < WORDS; i++)
		self->dst.ram[page * WORDS + i] =
			__atomic_load_n(&self->src.ram[page * WORDS + i],
					__ATOMIC_ACQUIRE);
	self->copied++;
}

/* One READ of all trackers of both kinds into one bitmap; sends the pages */
static __u64 read_and_send(FIXTURE_DATA(progression) * self)
{
	struct iommu_dirty_tracker_read cmd = {
		.size = sizeof(cmd),
		.trackers = (uintptr_t)self->trackers,
		.num_trackers = self->num_trackers,
		.tracker_len = sizeof(self->trackers[0]),
		.iova = RAM_IOVA,
		.length = RAM_SIZE,
		.page_size = SZ_4K,
		.data = (uintptr_t)self->bitmap,
	};
	unsigned int page;

	memset(self->bitmap, 0, sizeof(self->bitmap));
	check(__iommufd_ioctl(self->src.fd, IOMMU_DIRTY_TRACKER_READ, &cmd));
	for (page = 0; page < RAM_PAGES; page++)
		if (bitmap_test(self->bitmap, page))
			copy_page(self, page);
	return cmd.out_pages;
}

static void send_all(FIXTURE_DATA(progression) * self)
{
	unsigned int page;

	for (page = 0; page < RAM_PAGES; page++)
		copy_page(self, page);
}

/* Sets the state of all devices, or only of those with P2P */
static void set_states(FIXTURE_DATA(progression) * self, const struct plan *plan,
		       __u32 state, bool only_p2p)
{
	unsigned int i;

	for (i = 0; i < DEVICES; i++)
		if (!only_p2p || plan->p2p[i])
			mig_set(src_fd(self, i), state);
}

static void precopy_begin(FIXTURE_DATA(progression) * self)
{
	unsigned int i;

	for (i = 0; i < DEVICES; i++) {
		self->data[i] = mig_set(src_fd(self, i), VFIO_DEVICE_STATE_PRE_COPY);
		self->length[i] = mig_drain(self->data[i], self->stream[i], 0, STREAM);
		if (!self->length[i])
			fatal("no pre-copy data");
	}
}

/* In each round: enter P2P where possible, READ, resume */
static void precopy_rounds(struct __test_metadata *_metadata,
			   FIXTURE_DATA(progression) * self, const struct plan *plan)
{
	unsigned int round, i;

	for (round = 0; round < ROUNDS; round++) {
		guests_work(self);
		set_states(self, plan, VFIO_DEVICE_STATE_PRE_COPY_P2P, true);
		if (!plan->untracked)
			EXPECT_GT(read_and_send(self), 0);
		for (i = 0; i < DEVICES; i++)
			if (plan->p2p[i] && !(plan->early && i))
				mig_set(src_fd(self, i), VFIO_DEVICE_STATE_PRE_COPY);
	}
}

/* Stops the guest, then enters P2P where possible, with DMA pending */
static void stop_all(FIXTURE_DATA(progression) * self, const struct plan *plan)
{
	unsigned int i;

	for (i = 0; i < DEVICES; i++)
		guest_stop(&self->guests[i]);
	set_states(self, plan, VFIO_DEVICE_STATE_PRE_COPY_P2P, true);
	for (i = 0; i < DEVICES; i++)
		/* Stays pending until the device runs, at the destination */
		if (plan->p2p[i] && !edu_busy(src_edu(self, i)))
			edu_ask_to(src_edu(self, i), RAM_IOVA + i * SZ_4K, 0, SZ_4K);
}

static void stop_copy(FIXTURE_DATA(progression) * self)
{
	unsigned int i;

	for (i = 0; i < DEVICES; i++) {
		mig_set(src_fd(self, i), VFIO_DEVICE_STATE_STOP_COPY);
		self->length[i] = mig_drain(self->data[i], self->stream[i],
					    self->length[i], STREAM);
		close(self->data[i]);
	}
}

static void restore(struct __test_metadata *_metadata,
		    FIXTURE_DATA(progression) * self, const struct plan *plan)
{
	struct machine *dst = &self->dst;
	unsigned int i;
	__u64 *page = mem_alloc(SZ_4K);

	for (i = 0; i < DEVICES; i++) {
		int fd = mig_set(dst->edu[i].fd, VFIO_DEVICE_STATE_RESUMING);

		ASSERT_EQ(self->length[i], write(fd, self->stream[i], self->length[i]));
		close(fd);
		mig_set(dst->edu[i].fd, VFIO_DEVICE_STATE_RUNNING_P2P);
	}
	/* The devices have not written yet: memory must equal the source */
	EXPECT_EQ(0, memcmp(self->src.ram, dst->ram, RAM_SIZE));
	for (i = 0; i < DEVICES; i++) {
		mig_set(dst->edu[i].fd, VFIO_DEVICE_STATE_RUNNING);
		while (edu_busy(&dst->edu[i]))
			;
		/* The device's buffer has what the guest has loaded last */
		edu_dma_to(&dst->edu[i], RAM_IOVA + (RAM_PAGES - 1) * SZ_4K, 0, SZ_4K);
		memcpy(page, dst->ram + (RAM_PAGES - 1) * WORDS, SZ_4K);
		EXPECT_EQ(0, memcmp(page, self->src.stage + i * WORDS, SZ_4K));
		/* The DMA that was pending at the source was done here */
		EXPECT_EQ(plan->p2p[i], !memcmp(page, dst->ram + i * WORDS, SZ_4K));
		EXPECT_EQ(VFIO_DEVICE_STATE_STOP_COPY, mig_get(src_fd(self, i)));
	}
	mem_free(page, SZ_4K);
}

static void migrate(struct __test_metadata *_metadata,
		    FIXTURE_DATA(progression) * self, const struct plan *plan)
{
	machine_open(&self->src, 0, plan->apart);
	machine_open(&self->dst, DEVICES, plan->apart);
	guests_start(self);
	guests_work(self);
	tracking_on(self, plan);
	send_all(self);
	precopy_begin(self);
	if (plan->early) {
		guest_stop(&self->guests[1]);
		mig_set(src_fd(self, 1), VFIO_DEVICE_STATE_PRE_COPY_P2P);
	}
	precopy_rounds(_metadata, self, plan);
	stop_all(self, plan);
	if (plan->untracked)
		send_all(self);
	else
		read_and_send(self);
	tracking_off(self);
	stop_copy(self);
	restore(_metadata, self, plan);
	lib_note("%llu pages sent", self->copied);
}

/* One device is tracked by its driver, the other one by the IOMMU */
TEST_F(progression, mixed_providers)
{
	const struct plan plan = {
		.by_device = { true, false },
		.p2p = { true, true },
	};

	migrate(_metadata, self, &plan);
}

TEST_F(progression, one_ioas_tracker)
{
	const struct plan plan = { .p2p = { true, true } };

	migrate(_metadata, self, &plan);
}

TEST_F(progression, device_trackers)
{
	const struct plan plan = {
		.by_device = { true, true },
		.p2p = { true, true },
	};

	migrate(_metadata, self, &plan);
}

/* A device without P2P in a separate IOAS; one READ of both IOASes */
TEST_F(progression, without_p2p_apart)
{
	const struct plan plan = { .p2p = { true, false }, .apart = true };

	migrate(_metadata, self, &plan);
}

TEST_F(progression, apart_and_mixed)
{
	const struct plan plan = {
		.by_device = { false, true },
		.p2p = { true, true },
		.apart = true,
	};

	migrate(_metadata, self, &plan);
}

/* Device 1 stays in P2P from the beginning, device 0 keeps running */
TEST_F(progression, early_p2p)
{
	const struct plan plan = {
		.by_device = { true, false },
		.p2p = { true, true },
		.early = true,
	};

	migrate(_metadata, self, &plan);
}

TEST_F(progression, without_tracking)
{
	const struct plan plan = { .p2p = { true, true }, .untracked = true };

	migrate(_metadata, self, &plan);
}

/* Tracking without migration: the device states do not change */
TEST_F(progression, tracking_only)
{
	const struct plan plan = { .by_device = { true, false } };
	unsigned int i;

	machine_open(&self->src, 0, false);
	self->dst.ram = mem_alloc(RAM_SIZE);
	guests_start(self);
	tracking_on(self, &plan);
	send_all(self);
	for (i = 0; i < ROUNDS; i++) {
		guests_work(self);
		EXPECT_GT(read_and_send(self), 0);
	}
	for (i = 0; i < DEVICES; i++) {
		guest_stop(&self->guests[i]);
		EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_get(src_fd(self, i)));
	}
	read_and_send(self);
	EXPECT_EQ(0, memcmp(self->src.ram, self->dst.ram, RAM_SIZE));
	mem_free(self->dst.ram, RAM_SIZE);
	self->dst.ram = NULL;
}

/* Migration fails after a READ: devices resume, nothing is lost, tracking stops */
TEST_F(progression, failed)
{
	const struct plan plan = {
		.by_device = { true, false },
		.p2p = { true, true },
	};
	const struct log_range range = { .iova = RAM_IOVA, .length = RAM_SIZE };
	struct iommu_dirty_tracker_info info = {};
	__u64 page_size = SZ_4K;
	unsigned int i;

	machine_open(&self->src, 0, false);
	machine_open(&self->dst, DEVICES, false);
	guests_start(self);
	tracking_on(self, &plan);
	send_all(self);
	precopy_begin(self);
	precopy_rounds(_metadata, self, &plan);
	set_states(self, &plan, VFIO_DEVICE_STATE_PRE_COPY_P2P, true);
	read_and_send(self);
	/* The destination does not respond */
	set_states(self, &plan, VFIO_DEVICE_STATE_RUNNING, false);
	guests_work(self);
	for (i = 0; i < DEVICES; i++) {
		close(self->data[i]);
		guest_stop(&self->guests[i]);
		EXPECT_EQ(VFIO_DEVICE_STATE_RUNNING, mig_get(src_fd(self, i)));
	}
	read_and_send(self);
	EXPECT_EQ(0, memcmp(self->src.ram, self->dst.ram, RAM_SIZE));
	for (i = 0; i < self->num_trackers; i++) {
		tracker_stop(self->src.fd, self->trackers[i].tracker_id);
		info.tracker_id = self->trackers[i].tracker_id;
		__tracker_info(self->src.fd, &info);
		EXPECT_EQ(IOMMU_DIRTY_STATE_STOPPED, info.out_state);
	}
	/* Nothing keeps others from tracking the device */
	EXPECT_EQ(0, __log_start(src_fd(self, 0), &range, 1, &page_size));
	EXPECT_EQ(0, __log_stop(src_fd(self, 0)));
}

TEST_HARNESS_MAIN
