// SPDX-License-Identifier: GPL-2.0-only
/*
 * QEMU's edu PCI device (docs/specs/edu.rst) as a DMA engine, driven through
 * vfio-pci's character device. Its buffer holds 4096 bytes; a DMA moves any
 * part of it to or from an IOVA.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "lib.h"

#define PCI_DEVICES	"/sys/bus/pci/devices"
#define EDU_VENDOR	0x1234
#define EDU_DEVICE	0x11e8
#define EDU_MAX		16

#define EDU_BAR_SIZE	0x1000	/* of 1 MiB: all registers */
#define EDU_DMA_SRC	0x80
#define EDU_DMA_DST	0x88
#define EDU_DMA_CNT	0x90
#define EDU_DMA_CMD	0x98
#define EDU_CMD_RUN	0x1
#define EDU_CMD_TO_RAM	0x2
#define EDU_BUF		0x40000

static unsigned int sysfs_hex(const char *bdf, const char *name)
{
	char path[320];
	unsigned int val = 0;
	FILE *f;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/%s", bdf, name);
	f = fopen(path, "r");
	if (!f)
		return 0;
	if (fscanf(f, "%x", &val) != 1)
		val = 0;
	fclose(f);
	return val;
}

static int sysfs_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	close(fd);
	return n < 0 ? -EIO : 0;
}

/* Ordered by address, so that an index always means the same device */
static unsigned int edu_find(char bdfs[EDU_MAX][32])
{
	struct dirent **list;
	unsigned int num = 0;
	int n = scandir(PCI_DEVICES, &list, NULL, alphasort);
	int i;

	if (n < 0)
		return 0;
	for (i = 0; i < n; i++) {
		const char *bdf = list[i]->d_name;

		if (num < EDU_MAX && sysfs_hex(bdf, "vendor") == EDU_VENDOR &&
		    sysfs_hex(bdf, "device") == EDU_DEVICE)
			snprintf(bdfs[num++], 32, "%.31s", bdf);
		free(list[i]);
	}
	free(list);
	return num;
}

unsigned int edu_count(void)
{
	char bdfs[EDU_MAX][32];

	return edu_find(bdfs);
}

/* The name of the device's file below /dev/vfio/devices */
static int edu_cdev(const char *bdf, char *name, size_t size)
{
	char path[128];
	struct dirent *ent;
	int rc = -ENOENT;
	DIR *dir;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/vfio-dev", bdf);
	dir = opendir(path);
	if (!dir)
		return -ENOENT;
	while ((ent = readdir(dir))) {
		if (strncmp(ent->d_name, "vfio", 4))
			continue;
		snprintf(name, size, "/dev/vfio/devices/%s", ent->d_name);
		rc = 0;
	}
	closedir(dir);
	return rc;
}

static void edu_bind_driver(const char *bdf)
{
	char path[128];

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/driver_override", bdf);
	check(sysfs_write(path, "vfio-pci"));
	snprintf(path, sizeof(path), PCI_DEVICES "/%s/driver/unbind", bdf);
	sysfs_write(path, bdf);
	/*
	 * Left enabled from test to test: ACPI's search for the interrupt, at
	 * each pci_enable_device(), takes most of a second in a debug kernel.
	 */
	snprintf(path, sizeof(path), PCI_DEVICES "/%s/enable", bdf);
	sysfs_write(path, "1");
	check(sysfs_write("/sys/bus/pci/drivers_probe", bdf));
}

static __u64 edu_region(int fd, __u32 index)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = index,
	};

	if (ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, &info))
		fatal("VFIO_DEVICE_GET_REGION_INFO(%u): error %d", index, errno);
	return info.offset;
}

static void edu_enable_master(int fd)
{
	__u64 config = edu_region(fd, VFIO_PCI_CONFIG_REGION_INDEX);
	__u16 cmd;

	if (pread(fd, &cmd, 2, config + PCI_COMMAND) != 2)
		fatal("cannot read the PCI command register");
	cmd |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	if (pwrite(fd, &cmd, 2, config + PCI_COMMAND) != 2)
		fatal("cannot write the PCI command register");
}

void edu_open(struct edu *edu, unsigned int index, int iommufd)
{
	struct vfio_device_bind_iommufd bind = {
		.argsz = sizeof(bind),
		.iommufd = iommufd,
	};
	char bdfs[EDU_MAX][32];
	char cdev[300];

	if (edu_find(bdfs) <= index)
		fatal("there is no edu device %u", index);
	memcpy(edu->bdf, bdfs[index], sizeof(edu->bdf));
	if (edu_cdev(edu->bdf, cdev, sizeof(cdev))) {
		edu_bind_driver(edu->bdf);
		check(edu_cdev(edu->bdf, cdev, sizeof(cdev)));
	}

	edu->iommufd = iommufd;
	edu->fd = open(cdev, O_RDWR | O_CLOEXEC);
	if (edu->fd < 0)
		fatal("%s: error %d", cdev, errno);
	if (ioctl(edu->fd, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		fatal("VFIO_DEVICE_BIND_IOMMUFD: error %d", errno);
	edu->dev_id = bind.out_devid;

	edu_enable_master(edu->fd);
	edu->bar = mmap(NULL, EDU_BAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
			edu->fd, edu_region(edu->fd, VFIO_PCI_BAR0_REGION_INDEX));
	if (edu->bar == MAP_FAILED)
		fatal("cannot mmap BAR 0: error %d", errno);
}

void edu_close(struct edu *edu)
{
	munmap(edu->bar, EDU_BAR_SIZE);
	close(edu->fd);
}

int __edu_attach(struct edu *edu, __u32 pt)
{
	struct vfio_device_attach_iommufd_pt cmd = {
		.argsz = sizeof(cmd),
		.pt_id = pt,
	};

	if (ioctl(edu->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd))
		return -errno;
	return 0;
}

void edu_attach(struct edu *edu, __u32 pt)
{
	check(__edu_attach(edu, pt));
}

void edu_detach(struct edu *edu)
{
	struct vfio_device_detach_iommufd_pt cmd = { .argsz = sizeof(cmd) };

	if (ioctl(edu->fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &cmd))
		fatal("VFIO_DEVICE_DETACH_IOMMUFD_PT: error %d", errno);
}

static void edu_write(struct edu *edu, unsigned int reg, __u64 val)
{
	__atomic_store_n((__u64 *)(edu->bar + reg), val, __ATOMIC_RELEASE);
}

static __u64 edu_read(struct edu *edu, unsigned int reg)
{
	return __atomic_load_n((__u64 *)(edu->bar + reg), __ATOMIC_ACQUIRE);
}

static void edu_run(struct edu *edu, __u64 src, __u64 dst, size_t len, __u64 cmd)
{
	edu_write(edu, EDU_DMA_SRC, src);
	edu_write(edu, EDU_DMA_DST, dst);
	edu_write(edu, EDU_DMA_CNT, len);
	edu_write(edu, EDU_DMA_CMD, cmd | EDU_CMD_RUN);
	while (edu_read(edu, EDU_DMA_CMD) & EDU_CMD_RUN)
		;
}

void edu_dma_from(struct edu *edu, __u64 iova, unsigned int offset, size_t len)
{
	edu_run(edu, iova, EDU_BUF + offset, len, 0);
}

void edu_dma_to(struct edu *edu, __u64 iova, unsigned int offset, size_t len)
{
	edu_run(edu, EDU_BUF + offset, iova, len, EDU_CMD_TO_RAM);
}
