// SPDX-License-Identifier: GPL-2.0-only
/*
 * An edu device: it moves pages of a file, by way of its own buffer, from a staging
 * page to the memory that is being migrated.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "migrate.h"

#define MOST_BYTES	(64UL << 20)

struct edu_priv {
	struct edu edu;
	uint64_t *stage;
	char *file;
	size_t file_bytes;	/* whole pages */
};

/* The whole file, its last page filled up with zeroes */
static void load_file(struct edu_priv *priv, const char *name, size_t size)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	size_t done;
	ssize_t n;

	priv->file_bytes = (size + PAGE - 1) / PAGE * PAGE;
	priv->file = mem_alloc(priv->file_bytes);
	for (done = 0; done < size; done += n) {
		n = read(fd, priv->file + done, size - done);
		if (n <= 0)
			fatal("%s: cannot read it", name);
	}
	close(fd);
}

static const char *open_edu(struct device *dev)
{
	struct edu_priv *priv = calloc(1, sizeof(*priv));

	if (!edu_count())
		return "there is no edu device";
	dev->priv = priv;
	dev->disk_size = file_size(dev->opt->file, MOST_BYTES);
	if (dev->disk_size)
		load_file(priv, dev->opt->file, dev->disk_size);
	edu_open(&priv->edu, 0, dev->iommufd);
	edu_attach(&priv->edu, dev->ioas);
	memcpy(dev->bdf, priv->edu.bdf, sizeof(dev->bdf));

	priv->stage = mem_alloc(PAGE);
	check(__ioas_map(dev->iommufd, dev->ioas, priv->stage, PAGE,
			 DEVICE_OWN_IOVA, IOMMU_IOAS_MAP_READABLE));
	return NULL;
}

static void copy_edu(struct device *dev, size_t from, size_t to, uint64_t stamp)
{
	struct edu_priv *priv = dev->priv;

	memcpy(priv->stage, priv->file + from * PAGE, PAGE);
	priv->stage[0] ^= stamp;
	edu_dma_from(&priv->edu, DEVICE_OWN_IOVA, 0, PAGE);
	edu_dma_to(&priv->edu, DEVICE_MEM_IOVA + to * PAGE, 0, PAGE);
}

static void close_edu(struct device *dev)
{
	struct edu_priv *priv = dev->priv;

	edu_close(&priv->edu);
	mem_free(priv->stage, PAGE);
	mem_free(priv->file, priv->file_bytes);
	free(priv);
}

const struct device_ops device_edu = {
	.name = "edu",
	.open = open_edu,
	.unit = 1,
	.copy = copy_edu,
	.rewrites = true,
	.close = close_edu,
};
