// SPDX-License-Identifier: GPL-2.0-only
/*
 * An NVMe controller: it reads its disk into the memory that is being migrated.
 */
#include <stdlib.h>
#include <string.h>

#include "migrate.h"
#include "nvme.h"

#define UNIT	16	/* 64 KiB */

static const char *open_nvme(struct device *dev)
{
	struct nvme *nvme = calloc(1, sizeof(*nvme));

	if (!nvme_count())
		return "there is no NVMe controller";
	nvme_open(nvme, 0, dev->iommufd);
	nvme_start(nvme, dev->ioas, DEVICE_OWN_IOVA);
	dev->priv = nvme;
	dev->disk_size = nvme->size;
	memcpy(dev->bdf, nvme->bdf, sizeof(dev->bdf));
	return NULL;
}

static void copy_nvme(struct device *dev, size_t from, size_t to, uint64_t stamp)
{
	size_t len = dev->disk_size - from * PAGE;

	nvme_read(dev->priv, from * PAGE, DEVICE_MEM_IOVA + to * PAGE,
		  len < UNIT * PAGE ? len : UNIT * PAGE);
}

static void close_nvme(struct device *dev)
{
	nvme_close(dev->priv);
	free(dev->priv);
}

const struct device_ops device_nvme = {
	.name = "nvme",
	.open = open_nvme,
	.unit = UNIT,
	.copy = copy_nvme,
	.close = close_nvme,
};
