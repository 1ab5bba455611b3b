// SPDX-License-Identifier: GPL-2.0-only
/*
 * QEMU's edu PCI device (docs/specs/edu.rst) as a DMA engine, driven through
 * vfio-pci's character device. Its buffer holds 4096 bytes; a DMA moves any
 * part of it to or from an IOVA.
 *
 * The devices of the kernel's software IOMMU have the same registers. They are
 * used if DIRTY_DEVICES in the environment names them, soft-<format>, and
 * without it where there is no PCI device.
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
#define SOFT_DEVICES	"/sys/bus/platform/devices"
#define SOFT_DEFAULT	"soft-vtd_ss"
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

static bool is_pci_edu(const char *bdf, const char *unused)
{
	return sysfs_hex(bdf, "vendor") == EDU_VENDOR &&
	       sysfs_hex(bdf, "device") == EDU_DEVICE;
}

/* Is it soft-<format>.<number>? */
static bool is_soft(const char *name, const char *format)
{
	size_t len = strlen(format);

	return !strncmp(name, format, len) && name[len] == '.';
}

/* Ordered by name, so that an index always means the same device */
static unsigned int find_in(const char *dir, const char *format,
			    bool (*match)(const char *name, const char *format),
			    char bdfs[EDU_MAX][32])
{
	struct dirent **list;
	unsigned int num = 0;
	int n = scandir(dir, &list, NULL, alphasort);
	int i;

	if (n < 0)
		return 0;
	for (i = 0; i < n; i++) {
		if (num < EDU_MAX && match(list[i]->d_name, format))
			snprintf(bdfs[num++], 32, "%.31s", list[i]->d_name);
		free(list[i]);
	}
	free(list);
	return num;
}

/* @dir: the folder of sysfs that they are in */
static unsigned int edu_find(char bdfs[EDU_MAX][32], const char **dir)
{
	const char *format = getenv("DIRTY_DEVICES");
	unsigned int num = 0;

	*dir = PCI_DEVICES;
	if (!format)
		num = find_in(*dir, NULL, is_pci_edu, bdfs);
	if (num)
		return num;
	*dir = SOFT_DEVICES;
	return find_in(*dir, format ? format : SOFT_DEFAULT, is_soft, bdfs);
}

unsigned int edu_count(void)
{
	char bdfs[EDU_MAX][32];
	const char *dir;

	return edu_find(bdfs, &dir);
}

/* The name of the device's file below /dev/vfio/devices */
static int edu_cdev(const char *sysfs, const char *bdf, char *name, size_t size)
{
	char path[128];
	struct dirent *ent;
	int rc = -ENOENT;
	DIR *dir;

	snprintf(path, sizeof(path), "%s/%s/vfio-dev", sysfs, bdf);
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

/* Finds the device and its driver; @cdev gets the name of its file */
static const char *edu_prepare(struct edu *edu, unsigned int index, char *cdev,
			       size_t size)
{
	char bdfs[EDU_MAX][32];
	const char *dir;

	if (edu_find(bdfs, &dir) <= index)
		fatal("there is no edu device %u", index);
	memcpy(edu->bdf, bdfs[index], sizeof(edu->bdf));
	edu->soft = !strcmp(dir, SOFT_DEVICES);
	if (edu_cdev(dir, edu->bdf, cdev, size)) {
		if (edu->soft)
			fatal("%s is not bound to its driver", edu->bdf);
		edu_bind_driver(edu->bdf);
		check(edu_cdev(dir, edu->bdf, cdev, size));
	}
	return dir;
}

/* With edu->fd open and bound */
static void edu_setup(struct edu *edu)
{
	if (edu->soft)
		return;
	edu_enable_master(edu->fd);
	edu->bar = mmap(NULL, EDU_BAR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
			edu->fd, edu_region(edu->fd, VFIO_PCI_BAR0_REGION_INDEX));
	if (edu->bar == MAP_FAILED)
		fatal("cannot mmap BAR 0: error %d", errno);
}

void edu_open(struct edu *edu, unsigned int index, int iommufd)
{
	struct vfio_device_bind_iommufd bind = {
		.argsz = sizeof(bind),
		.iommufd = iommufd,
	};
	char cdev[300];

	edu_prepare(edu, index, cdev, sizeof(cdev));
	edu->iommufd = iommufd;
	edu->fd = open(cdev, O_RDWR | O_CLOEXEC);
	if (edu->fd < 0)
		fatal("%s: error %d", cdev, errno);
	if (ioctl(edu->fd, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		fatal("VFIO_DEVICE_BIND_IOMMUFD: error %d", errno);
	edu->dev_id = bind.out_devid;
	edu_setup(edu);
}

int edu_open_container(struct edu *edu, unsigned int index, int container,
		       unsigned long type)
{
	char name[300], link[128], target[256];
	const char *dir = edu_prepare(edu, index, name, sizeof(name));
	ssize_t len;
	int group;

	snprintf(link, sizeof(link), "%s/%s/iommu_group", dir, edu->bdf);
	len = readlink(link, target, sizeof(target) - 1);
	if (len < 0)
		fatal("%s: error %d", link, errno);
	target[len] = 0;
	snprintf(name, sizeof(name), "/dev/vfio/%s", strrchr(target, '/') + 1);
	group = open(name, O_RDWR | O_CLOEXEC);
	if (group < 0)
		fatal("%s: error %d", name, errno);
	if (ioctl(group, VFIO_GROUP_SET_CONTAINER, &container))
		fatal("VFIO_GROUP_SET_CONTAINER: error %d", errno);
	if (ioctl(container, VFIO_SET_IOMMU, type))
		fatal("VFIO_SET_IOMMU: error %d", errno);
	edu->fd = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, edu->bdf);
	if (edu->fd < 0)
		fatal("VFIO_GROUP_GET_DEVICE_FD: error %d", errno);
	edu_setup(edu);
	return group;
}

void edu_close(struct edu *edu)
{
	if (!edu->soft)
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

void edu_write(struct edu *edu, unsigned int reg, __u64 val)
{
	if (edu->soft) {
		if (pwrite(edu->fd, &val, sizeof(val), reg) != sizeof(val))
			fatal("register %#x: error %d", reg, errno);
		return;
	}
	__atomic_store_n((__u64 *)(edu->bar + reg), val, __ATOMIC_RELEASE);
}

__u64 edu_read(struct edu *edu, unsigned int reg)
{
	__u64 val;

	if (edu->soft) {
		if (pread(edu->fd, &val, sizeof(val), reg) != sizeof(val))
			fatal("register %#x: error %d", reg, errno);
		return val;
	}
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
