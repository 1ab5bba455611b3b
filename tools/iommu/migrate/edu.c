// SPDX-License-Identifier: GPL-2.0-only
/*
 * An edu device: it copies pages of a file, through its own buffer, from a staging page
 * to the memory being migrated. The buffer is its state: it holds the page that was
 * copied last.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "devices.h"
#include "workload.h"

#define MOST_BYTES	(64UL << 20)

struct edu_priv {
	struct edu edu;
	uint64_t *stage;
	char *file;
	size_t file_bytes;	/* whole pages */
};

static bool is_edu(const char *bdf, const char *unused)
{
	(void)unused;
	return pci_attr(bdf, "vendor") == 0x1234 && pci_attr(bdf, "device") == 0x11e8;
}

static const char *open_edu(struct workload *w)
{
	int index = workload_index(w, is_edu);
	struct edu_priv *priv;

	if (index < 0 || edu_count() <= (unsigned int)index)
		return "there is no such edu device";
	priv = calloc(1, sizeof(*priv));
	if (!priv)
		return "out of memory";
	if (w->opt->driver)
		edu_set_driver(w->opt->driver);
	edu_open(&priv->edu, index, w->iommufd);
	edu_attach(&priv->edu, w->ioas);
	w->priv = priv;
	w->fd = priv->edu.fd;
	w->device_id = priv->edu.dev_id;
	memcpy(w->bdf, priv->edu.bdf, sizeof(w->bdf));

	priv->stage = mem_alloc(PAGE);
	/* At the source the device only reads it */
	check(__ioas_map(w->iommufd, w->ioas, priv->stage, PAGE, WORKLOAD_OWN_IOVA,
			 IOMMU_IOAS_MAP_READABLE |
			 (w->resuming ? IOMMU_IOAS_MAP_WRITEABLE : 0)));
	return NULL;
}

/* Reads the file, up to MOST_BYTES; the last page is padded with zeroes */
static const char *load_edu(struct workload *w)
{
	struct edu_priv *priv = w->priv;
	uint64_t size;
	size_t done;
	ssize_t n;
	int fd;

	if (!w->opt->image || file_size(w->opt->image, &size))
		return "an edu device has no disk: --image must name a file";
	w->disk_size = size < MOST_BYTES ? size : MOST_BYTES;
	priv->file_bytes = (w->disk_size + PAGE - 1) / PAGE * PAGE;
	if (!priv->file_bytes)
		return NULL;
	priv->file = mem_alloc(priv->file_bytes);
	fd = open(w->opt->image, O_RDONLY | O_CLOEXEC);
	for (done = 0; done < w->disk_size; done += n) {
		n = read(fd, priv->file + done, w->disk_size - done);
		if (n <= 0)
			break;
	}
	close(fd);
	return done < w->disk_size ? "the image cannot be read" : NULL;
}

static void copy_edu(struct workload *w, size_t from, size_t to, uint64_t stamp)
{
	struct edu_priv *priv = w->priv;

	memcpy(priv->stage, priv->file + from * PAGE, PAGE);
	priv->stage[0] ^= stamp;
	edu_dma_from(&priv->edu, WORKLOAD_OWN_IOVA, 0, PAGE);
	edu_dma_to(&priv->edu, WORKLOAD_MEM_IOVA + to * PAGE, 0, PAGE);
}

static void show_edu(struct workload *w, void *page)
{
	struct edu_priv *priv = w->priv;

	if (w->resuming)
		edu_dma_to(&priv->edu, WORKLOAD_OWN_IOVA, 0, PAGE);
	memcpy(page, priv->stage, PAGE);
}

static void close_edu(struct workload *w)
{
	struct edu_priv *priv = w->priv;

	edu_close(&priv->edu);
	mem_free(priv->stage, PAGE);
	if (priv->file)
		mem_free(priv->file, priv->file_bytes);
	free(priv);
}

const struct workload_ops workload_edu = {
	.name = "edu",
	.open = open_edu,
	.load = load_edu,
	.unit = 1,
	.copy = copy_edu,
	.rewrites = true,
	.show_state = show_edu,
	.close = close_edu,
};
