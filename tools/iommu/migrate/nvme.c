// SPDX-License-Identifier: GPL-2.0-only
/*
 * An NVMe controller: it reads its disk into the memory being migrated.
 */
#include <stdlib.h>
#include <string.h>

#include "nvme.h"
#include "workload.h"

#define UNIT	16	/* pages: 64 KiB */

static bool is_nvme(const char *bdf, const char *unused)
{
	(void)unused;
	return pci_attr(bdf, "class") == 0x010802;
}

static const char *open_nvme(struct workload *w)
{
	int index = workload_index(w, is_nvme);
	struct nvme *nvme;

	if (index < 0 || !nvme_count())
		return "there is no such NVMe controller";
	nvme = calloc(1, sizeof(*nvme));
	if (!nvme)
		return "out of memory";
	nvme_open(nvme, index, w->iommufd);
	nvme_start(nvme, w->ioas, WORKLOAD_OWN_IOVA);
	w->priv = nvme;
	w->fd = nvme->fd;
	w->device_id = nvme->dev_id;
	memcpy(w->bdf, nvme->bdf, sizeof(w->bdf));
	return NULL;
}

static const char *load_nvme(struct workload *w)
{
	struct nvme *nvme = w->priv;

	w->disk_size = nvme->size;
	return NULL;
}

static void copy_nvme(struct workload *w, size_t from, size_t to, uint64_t stamp)
{
	size_t len = w->disk_size - from * PAGE;

	(void)stamp;
	nvme_read(w->priv, from * PAGE, WORKLOAD_MEM_IOVA + to * PAGE,
		  len < UNIT * PAGE ? len : UNIT * PAGE);
}

static void close_nvme(struct workload *w)
{
	nvme_close(w->priv);
	free(w->priv);
}

const struct workload_ops workload_nvme = {
	.name = "nvme",
	.open = open_nvme,
	.load = load_nvme,
	.unit = UNIT,
	.copy = copy_nvme,
	.close = close_nvme,
};
