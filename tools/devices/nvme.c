// SPDX-License-Identifier: GPL-2.0-only
/*
 * A small driver for an NVMe controller behind vfio-pci that reads blocks of the first
 * namespace to IOVAs. Section numbers below are of the "NVM Express Base Specification",
 * revision 2.0. The driver uses one thread, one pair of I/O queues and no interrupts.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "nvme.h"

#define CLASS_NVME	0x010802

/* 3.1.3 "Controller Properties" */
#define REG_CAP		0x00
#define REG_CC		0x14
#define REG_CSTS	0x1c
#define REG_AQA		0x24
#define REG_ASQ		0x28
#define REG_ACQ		0x30
#define REG_DOORBELLS	0x1000
#define BAR_SIZE	0x2000

#define CC_ENABLE	0x1
#define CC_IOSQES	(6U << 16)	/* entries of 64 bytes */
#define CC_IOCQES	(4U << 20)	/* entries of 16 bytes */
#define CSTS_READY	0x1
#define CSTS_FATAL	0x2

/* 5 "Admin Command Set", and 3.2 of the NVM command set */
#define ADMIN_CREATE_SQ	0x01
#define ADMIN_CREATE_CQ	0x05
#define ADMIN_IDENTIFY	0x06
#define NVM_READ	0x02

/* Pages of the queue memory */
enum {
	PAGE_ADMIN_SQ,
	PAGE_ADMIN_CQ,
	PAGE_IO_SQ,
	PAGE_IO_CQ,
	PAGE_IDENTIFY,
	PAGE_PRP,		/* one for each command in flight */
	NUM_PAGES = PAGE_PRP + NVME_DEPTH,
};

/* 3.3.3.1 "Submission Queue Entry" */
struct nvme_command {
	__u8 opcode;
	__u8 flags;
	__le16 id;
	__le32 nsid;
	__le64 __reserved;
	__le64 metadata;
	__le64 prp[2];
	__le32 dword[6];	/* 10 to 15 */
};

/* 3.3.3.2 "Common Completion Queue Entry" */
struct nvme_completion {
	__le32 result;
	__le32 __reserved;
	__le16 sq_head;
	__le16 sq_id;
	__le16 id;
	__le16 status;		/* bit 0: the phase */
};

static bool is_nvme(const char *bdf, const char *unused)
{
	return pci_attr(bdf, "class") == CLASS_NVME;
}

unsigned int nvme_count(void)
{
	char bdfs[VFIO_MAX_DEVICES][32];

	return vfio_find(PCI_DEVICES, is_nvme, NULL, bdfs);
}

static __u32 reg_read(struct nvme *nvme, unsigned int reg)
{
	return le32toh(__atomic_load_n((__u32 *)(nvme->bar + reg), __ATOMIC_ACQUIRE));
}

static void reg_write(struct nvme *nvme, unsigned int reg, __u32 val)
{
	__atomic_store_n((__u32 *)(nvme->bar + reg), htole32(val), __ATOMIC_RELEASE);
}

/* Writes two halves, which the specification allows and every controller supports */
static void reg_write64(struct nvme *nvme, unsigned int reg, __u64 val)
{
	reg_write(nvme, reg, val);
	reg_write(nvme, reg + 4, val >> 32);
}

static void *queue_page(struct nvme *nvme, unsigned int page)
{
	return nvme->memory + (size_t)page * SZ_4K;
}

static __u64 queue_iova(struct nvme *nvme, unsigned int page)
{
	return nvme->memory_iova + (__u64)page * SZ_4K;
}

static void wait_ready(struct nvme *nvme, bool ready)
{
	/* CAP.TO, in units of half a second */
	time_t limit = time(NULL) + 2 + (reg_read(nvme, REG_CAP) >> 24) / 2;

	while (!!(reg_read(nvme, REG_CSTS) & CSTS_READY) != ready) {
		if (reg_read(nvme, REG_CSTS) & CSTS_FATAL)
			fatal("%s: the controller has failed", nvme->bdf);
		if (time(NULL) > limit)
			fatal("%s: timeout of the controller", nvme->bdf);
		usleep(1000);
	}
}

static void submit(struct nvme *nvme, struct nvme_queue *q,
		   const struct nvme_command *cmd)
{
	struct nvme_command *sq = queue_page(nvme, q->sq_page);

	sq[q->tail] = *cmd;
	q->tail = (q->tail + 1) % NVME_ENTRIES;
	/* The release in reg_write() orders the entry before the doorbell */
	reg_write(nvme, REG_DOORBELLS + 2 * q->id * nvme->doorbell, q->tail);
}

/* Waits for one completion; returns the id of its command */
static unsigned int complete(struct nvme *nvme, struct nvme_queue *q)
{
	struct nvme_completion *cq = queue_page(nvme, q->cq_page);
	struct nvme_completion *entry = &cq[q->head];
	unsigned int status;

	do {
		status = le16toh(__atomic_load_n(&entry->status, __ATOMIC_ACQUIRE));
	} while ((status & 1) == q->phase);
	if (status >> 1)
		fatal("%s: command %u failed with status %#x", nvme->bdf,
		      le16toh(entry->id), status >> 1);
	q->head = (q->head + 1) % NVME_ENTRIES;
	if (!q->head)
		q->phase ^= 1;
	reg_write(nvme, REG_DOORBELLS + (2 * q->id + 1) * nvme->doorbell, q->head);
	return le16toh(entry->id);
}

static void admin(struct nvme *nvme, struct nvme_command *cmd)
{
	submit(nvme, &nvme->admin, cmd);
	complete(nvme, &nvme->admin);
}

/* 5.17 "Identify": @what 0 is a namespace, 1 the controller */
static const __u8 *identify(struct nvme *nvme, unsigned int what)
{
	struct nvme_command cmd = {
		.opcode = ADMIN_IDENTIFY,
		.nsid = htole32(what ? 0 : 1),
		.prp = { htole64(queue_iova(nvme, PAGE_IDENTIFY)) },
		.dword = { htole32(what) },
	};

	admin(nvme, &cmd);
	return queue_page(nvme, PAGE_IDENTIFY);
}

static void create_queues(struct nvme *nvme)
{
	__u32 id_size = (NVME_ENTRIES - 1) << 16 | 1;
	struct nvme_command cq = {
		.opcode = ADMIN_CREATE_CQ,
		.prp = { htole64(queue_iova(nvme, PAGE_IO_CQ)) },
		.dword = { htole32(id_size), htole32(1) },
	};
	struct nvme_command sq = {
		.opcode = ADMIN_CREATE_SQ,
		.prp = { htole64(queue_iova(nvme, PAGE_IO_SQ)) },
		.dword = { htole32(id_size), htole32(1 << 16 | 1) },
	};

	admin(nvme, &cq);
	admin(nvme, &sq);
}

static void learn(struct nvme *nvme)
{
	const __u8 *data = identify(nvme, 1);
	unsigned int format;
	__u64 blocks;

	/* MDTS: log2, in units of the minimum page size; 0: no limit */
	nvme->max_bytes = NVME_MAX_BYTES;
	if (data[77] && data[77] < 9)
		nvme->max_bytes = (size_t)SZ_4K << data[77];

	data = identify(nvme, 0);
	memcpy(&blocks, data, sizeof(blocks));
	format = data[26] & 0xf;
	nvme->block_shift = data[128 + 4 * format + 2];
	if (nvme->block_shift < 9 || nvme->block_shift > 12)
		fatal("%s: unsupported block size 2^%u", nvme->bdf, nvme->block_shift);
	nvme->size = le64toh(blocks) << nvme->block_shift;
}

void nvme_open(struct nvme *nvme, unsigned int index, int iommufd)
{
	char bdfs[VFIO_MAX_DEVICES][32], cdev[300];

	memset(nvme, 0, sizeof(*nvme));
	if (vfio_find(PCI_DEVICES, is_nvme, NULL, bdfs) <= index)
		fatal("there is no NVMe controller %u", index);
	memcpy(nvme->bdf, bdfs[index], sizeof(nvme->bdf));
	if (vfio_cdev(PCI_DEVICES, nvme->bdf, cdev, sizeof(cdev))) {
		pci_bind(nvme->bdf, "vfio-pci");
		check(vfio_cdev(PCI_DEVICES, nvme->bdf, cdev, sizeof(cdev)));
	}
	nvme->iommufd = iommufd;
	nvme->fd = vfio_open(cdev, iommufd, &nvme->dev_id);
	vfio_enable_master(nvme->fd);
	nvme->bar = vfio_map_bar0(nvme->fd, BAR_SIZE);
	nvme->doorbell = 4U << (reg_read(nvme, REG_CAP + 4) & 0xf);
	if (4 * nvme->doorbell > BAR_SIZE - REG_DOORBELLS)
		fatal("%s: unsupported doorbell stride %u", nvme->bdf, nvme->doorbell);
}

void nvme_start(struct nvme *nvme, __u32 ioas, __u64 iova)
{
	nvme->memory = mem_alloc(NUM_PAGES * SZ_4K);
	nvme->memory_iova = iova;
	check(__vfio_attach(nvme->fd, ioas));
	ioas_map(nvme->iommufd, ioas, nvme->memory, NUM_PAGES * SZ_4K, iova);

	reg_write(nvme, REG_CC, 0);
	wait_ready(nvme, false);
	nvme->admin = (struct nvme_queue) {
		.id = 0, .sq_page = PAGE_ADMIN_SQ, .cq_page = PAGE_ADMIN_CQ,
	};
	nvme->io = (struct nvme_queue) {
		.id = 1, .sq_page = PAGE_IO_SQ, .cq_page = PAGE_IO_CQ,
	};
	reg_write(nvme, REG_AQA, (NVME_ENTRIES - 1) << 16 | (NVME_ENTRIES - 1));
	reg_write64(nvme, REG_ASQ, queue_iova(nvme, PAGE_ADMIN_SQ));
	reg_write64(nvme, REG_ACQ, queue_iova(nvme, PAGE_ADMIN_CQ));
	reg_write(nvme, REG_CC, CC_ENABLE | CC_IOSQES | CC_IOCQES);
	wait_ready(nvme, true);
	learn(nvme);
	create_queues(nvme);
}

/* 4.1.1 "Physical Region Page Entry and List"; @iova is page aligned */
static void set_prps(struct nvme *nvme, struct nvme_command *cmd, unsigned int id,
		     __u64 iova, size_t len)
{
	size_t pages = (len + SZ_4K - 1) / SZ_4K, i;
	__le64 *list = queue_page(nvme, PAGE_PRP + id);

	cmd->prp[0] = htole64(iova);
	if (pages == 2)
		cmd->prp[1] = htole64(iova + SZ_4K);
	if (pages <= 2)
		return;
	for (i = 1; i < pages; i++)
		list[i - 1] = htole64(iova + i * SZ_4K);
	cmd->prp[1] = htole64(queue_iova(nvme, PAGE_PRP + id));
}

static void start_read(struct nvme *nvme, unsigned int id, __u64 offset,
		       __u64 iova, size_t len)
{
	__u64 block = offset >> nvme->block_shift;
	struct nvme_command cmd = {
		.opcode = NVM_READ,
		.id = htole16(id),
		.nsid = htole32(1),
		.dword = {
			htole32(block), htole32(block >> 32),
			htole32((len >> nvme->block_shift) - 1),
		},
	};

	set_prps(nvme, &cmd, id, iova, len);
	submit(nvme, &nvme->io, &cmd);
}

void nvme_read(struct nvme *nvme, __u64 offset, __u64 iova, size_t len)
{
	unsigned int unused[NVME_DEPTH], free = NVME_DEPTH;
	unsigned int i;

	if (iova % SZ_4K || (offset | len) % (1U << nvme->block_shift) ||
	    offset > nvme->size || len > nvme->size - offset)
		fatal("%s: %zu bytes at %#llx to %#llx", nvme->bdf, len, offset, iova);
	for (i = 0; i < NVME_DEPTH; i++)
		unused[i] = i;
	while (len || free < NVME_DEPTH) {
		size_t now = len < nvme->max_bytes ? len : nvme->max_bytes;

		if (!now || !free) {
			unused[free++] = complete(nvme, &nvme->io);
			continue;
		}
		start_read(nvme, unused[--free], offset, iova, now);
		offset += now;
		iova += now;
		len -= now;
	}
}

void nvme_close(struct nvme *nvme)
{
	/* Stop DMA to the queues before their memory is freed */
	if (nvme->memory) {
		reg_write(nvme, REG_CC, 0);
		wait_ready(nvme, false);
	}
	munmap(nvme->bar, BAR_SIZE);
	close(nvme->fd);
	if (nvme->memory)
		mem_free(nvme->memory, NUM_PAGES * SZ_4K);
}
