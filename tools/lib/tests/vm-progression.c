// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The VMM around example-progression: memory, two devices that a guest keeps busy, and
 * the destination device. Called by vm.c. The result of the migration is compared with
 * the memory here and with what the guest last loaded into the device.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vm.h"

#define DEVICES		2
#define LEAD		16

struct vmm;

/* A CPU of the guest, which lets one device write, to the odd or to the even pages */
struct vcpu {
	struct vmm *vmm;
	struct edu edu;
	uint64_t *stage;	/* at stage_iova() */
	pthread_t thread;
	unsigned int writes;
};

struct vmm {
	int fd;
	uint32_t ioas[DEVICES + 1];
	struct vcpu vcpus[DEVICES];
	struct edu successor;
	int ram_fd, copy_fd;
	char *ram, *copy;
	int control[2];
	pthread_t controller;
	bool stop;
};

static uint64_t stage_iova(unsigned int i)
{
	return VM_STAGE_IOVA + i * SZ_4K;
}

static unsigned int writes_of(const struct vmm *vmm, unsigned int i)
{
	return __atomic_load_n(&vmm->vcpus[i].writes, __ATOMIC_RELAXED);
}

/*
 * The slower device, whose registers a kernel driver emulates, sets the pace. Otherwise
 * the other device would write to all its pages between two READs.
 */
static bool is_ahead(const struct vmm *vmm, unsigned int i)
{
	return i && writes_of(vmm, i) > writes_of(vmm, 0) + LEAD;
}

static void *vcpu_run(void *arg)
{
	struct vcpu *v = arg;
	struct vmm *vmm = v->vmm;
	unsigned int i = v - vmm->vcpus;

	while (!__atomic_load_n(&vmm->stop, __ATOMIC_ACQUIRE)) {
		uint64_t page = random_below(VM_PAGES / DEVICES) * DEVICES + i;

		if (is_ahead(vmm, i))
			continue;
		mem_fill(v->stage, random_u64(), SZ_4K);
		edu_ask_from(&v->edu, stage_iova(i), 0, SZ_4K);
		/* a device in a P2P state finishes later */
		while (edu_busy(&v->edu))
			;
		edu_ask_to(&v->edu, VM_IOVA + page * SZ_4K, 0, SZ_4K);
		while (edu_busy(&v->edu))
			;
		__atomic_add_fetch(&v->writes, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* Stops all CPUs when a byte arrives, then sends it back */
static void *controller_run(void *arg)
{
	struct vmm *vmm = arg;
	unsigned int i;
	char byte;

	if (read(vmm->control[0], &byte, 1) != 1)
		return NULL;
	__atomic_store_n(&vmm->stop, true, __ATOMIC_RELEASE);
	for (i = 0; i < DEVICES; i++)
		pthread_join(vmm->vcpus[i].thread, NULL);
	if (write(vmm->control[0], &byte, 1) != 1)
		fatal("control: error %d", errno);
	return NULL;
}

static char *ram_open(int *fd)
{
	char *ram;

	*fd = memfd_create("ram", 0);
	if (*fd < 0 || ftruncate(*fd, VM_SIZE))
		fatal("memfd: error %d", errno);
	ram = mmap(NULL, VM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	if (ram == MAP_FAILED)
		fatal("mmap of a memfd: error %d", errno);
	return ram;
}

static void device_open(struct vmm *vmm, unsigned int i, struct edu *edu,
			const char *driver, void *ram)
{
	edu_set_driver(driver);
	edu_open(edu, i, vmm->fd);
	vmm->ioas[i] = ioas_alloc(vmm->fd);
	ioas_set_huge_pages(vmm->fd, vmm->ioas[i], false);
	edu_attach(edu, vmm->ioas[i]);
	ioas_map(vmm->fd, vmm->ioas[i], ram, VM_SIZE, VM_IOVA);
}

static void vmm_open(struct vmm *vmm)
{
	static const char *const drivers[DEVICES] = { "edu_vfio_pci", "vfio-pci" };
	unsigned int i;

	vmm->fd = open("/dev/iommu", O_RDWR);
	if (vmm->fd < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, vmm->control))
		fatal("error %d", errno);
	vmm->ram = ram_open(&vmm->ram_fd);
	vmm->copy = ram_open(&vmm->copy_fd);
	for (i = 0; i < DEVICES; i++) {
		struct vcpu *v = &vmm->vcpus[i];

		v->vmm = vmm;
		device_open(vmm, i, &v->edu, drivers[i], vmm->ram);
		v->stage = mem_alloc(SZ_4K);
		ioas_map(vmm->fd, vmm->ioas[i], v->stage, SZ_4K, stage_iova(i));
	}
	device_open(vmm, DEVICES, &vmm->successor, "edu_vfio_pci", vmm->copy);
	fcntl(vmm->vcpus[0].edu.fd, F_SETFD, 0);
	fcntl(vmm->successor.fd, F_SETFD, 0);
	fcntl(vmm->control[0], F_SETFD, FD_CLOEXEC);
}

static void vmm_run(struct vmm *vmm)
{
	unsigned int i;

	for (i = 0; i < DEVICES; i++)
		if (pthread_create(&vmm->vcpus[i].thread, NULL, vcpu_run, &vmm->vcpus[i]))
			fatal("no thread");
	if (pthread_create(&vmm->controller, NULL, controller_run, vmm))
		fatal("no thread");
	while (writes_of(vmm, 0) < 20)
		;
}

static void vmm_close(struct vmm *vmm)
{
	unsigned int i;

	for (i = 0; i < DEVICES; i++) {
		edu_close(&vmm->vcpus[i].edu);
		mem_free(vmm->vcpus[i].stage, SZ_4K);
	}
	edu_close(&vmm->successor);
	close(vmm->fd);
	mem_free(vmm->ram, VM_SIZE);
	mem_free(vmm->copy, VM_SIZE);
	close(vmm->ram_fd);
	close(vmm->copy_fd);
	close(vmm->control[0]);
}

void test_progression(const char *command)
{
	struct vmm vmm = {};
	unsigned int before;
	char line[200];

	vmm_open(&vmm);
	vmm_run(&vmm);
	before = writes_of(&vmm, 0);
	snprintf(line, sizeof(line), "%s %d %u %#llx %llu %d %u %d %d %d %d", command, vmm.fd,
		 vmm.ioas[1], VM_IOVA, (unsigned long long)VM_SIZE, vmm.ram_fd,
		 vmm.vcpus[0].edu.dev_id, vmm.vcpus[0].edu.fd, vmm.control[1], vmm.copy_fd,
		 vmm.successor.fd);
	report(command, run_command(line));
	/* No more requests to stop the guest, so the controller ends */
	close(vmm.control[1]);
	pthread_join(vmm.controller, NULL);
	if (!vmm.stop)
		fatal("the guest still runs");
	report("the guest was running", writes_of(&vmm, 0) > before + 10);
	report("the memory was migrated", !memcmp(vmm.ram, vmm.copy, VM_SIZE));
	edu_dma_to(&vmm.successor, VM_IOVA, 0, SZ_4K);
	report("the device was migrated, and works",
	       !memcmp(vmm.copy, vmm.vcpus[0].stage, SZ_4K));
	vmm_close(&vmm);
}
