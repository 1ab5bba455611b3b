// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VM as seen by migration: memory that is mapped for devices, and a guest that
 * makes them write to it all the time. A device in a P2P state completes its DMA
 * only after it is resumed, and the guest waits for it as a real guest would.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib.h"

#define DEVICES		MACHINE_DEVICES
#define WORDS		(SZ_4K / 8)

void machine_open(struct machine *m, unsigned int first, bool apart)
{
	unsigned int i;

	m->fd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (m->fd < 0)
		fatal("/dev/iommu: error %d", errno);
	m->ram = mem_alloc(RAM_SIZE);
	m->stage = mem_alloc(DEVICES * SZ_4K);
	for (i = 0; i < DEVICES; i++) {
		m->ioas[i] = m->ioas[0];
		if (!i || apart) {
			m->ioas[i] = ioas_alloc(m->fd);
			ioas_set_huge_pages(m->fd, m->ioas[i], false);
			ioas_map(m->fd, m->ioas[i], m->ram, RAM_SIZE, RAM_IOVA);
			ioas_map(m->fd, m->ioas[i], m->stage, DEVICES * SZ_4K,
				 STAGE_IOVA);
		}
		edu_open(&m->edu[i], first + i, m->fd);
		edu_attach(&m->edu[i], m->ioas[i]);
	}
}

void machine_close(struct machine *m)
{
	unsigned int i;

	for (i = 0; i < DEVICES; i++)
		edu_close(&m->edu[i]);
	close(m->fd);
	mem_free(m->ram, RAM_SIZE);
	mem_free(m->stage, DEVICES * SZ_4K);
}

static void guest_wait(struct guest *g)
{
	while (edu_busy(&g->m->edu[g->device]))
		;
}

/* One device writes to odd pages, the other to even ones, to tell them apart */
static void *guest_run(void *arg)
{
	struct guest *g = arg;
	struct edu *edu = &g->m->edu[g->device];
	__u64 *stage = g->m->stage + g->device * WORDS;

	while (!__atomic_load_n(&g->stop, __ATOMIC_ACQUIRE)) {
		__u64 page = random_below(RAM_PAGES / DEVICES) * DEVICES + g->device;

		mem_fill(stage, random_u64(), SZ_4K);
		edu_ask_from(edu, STAGE_IOVA + g->device * SZ_4K, 0, SZ_4K);
		guest_wait(g);
		edu_ask_to(edu, RAM_IOVA + page * SZ_4K, 0, 8 + random_below(SZ_4K - 8));
		guest_wait(g);
		__atomic_add_fetch(&g->stores, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

void guest_start(struct guest *g, struct machine *m, unsigned int device)
{
	*g = (struct guest) { .m = m, .device = device };
	if (pthread_create(&g->thread, NULL, guest_run, g))
		fatal("pthread_create");
}

void guest_stop(struct guest *g)
{
	if (g->stop)
		return;
	__atomic_store_n(&g->stop, true, __ATOMIC_RELEASE);
	pthread_join(g->thread, NULL);
}
