// SPDX-License-Identifier: GPL-2.0-only
/*
 * Drives QEMU's edu PCI device (docs/specs/edu.rst) as a DMA engine, through its VFIO
 * character device. Its buffer has 4096 bytes; a DMA moves any part of it to or
 * from an IOVA.
 *
 * The devices of the kernel's software IOMMU have the same registers. They are
 * used if $DIRTY_DEVICES names them (soft-<format>), or if it is unset and there is no
 * PCI device.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/vfio.h>

#include "devices.h"

#define SOFT_DEVICES	"/sys/bus/platform/devices"
#define SOFT_DEFAULT	"soft-vtd_ss"
#define EDU_VENDOR	0x1234
#define EDU_DEVICE	0x11e8

#define EDU_BAR_SIZE	0x1000	/* has all registers; the BAR is 1 MiB */
#define EDU_DMA_SRC	0x80
#define EDU_DMA_DST	0x88
#define EDU_DMA_CNT	0x90
#define EDU_DMA_CMD	0x98
#define EDU_CMD_RUN	0x1
#define EDU_CMD_TO_RAM	0x2
#define EDU_BUF		0x40000

static bool is_pci_edu(const char *bdf, const char *unused)
{
	return pci_attr(bdf, "vendor") == EDU_VENDOR &&
	       pci_attr(bdf, "device") == EDU_DEVICE;
}

/* Checks for the name <format>.<number> */
static bool is_soft(const char *name, const char *format)
{
	size_t len = strlen(format);

	return !strncmp(name, format, len) && name[len] == '.';
}

/* @dir: out, the sysfs directory of the devices */
static unsigned int edu_find(char bdfs[VFIO_MAX_DEVICES][32], const char **dir)
{
	const char *format = getenv("DIRTY_DEVICES");
	unsigned int num = 0;

	*dir = PCI_DEVICES;
	if (!format)
		num = vfio_find(*dir, is_pci_edu, NULL, bdfs);
	if (num)
		return num;
	*dir = SOFT_DEVICES;
	return vfio_find(*dir, is_soft, format ? format : SOFT_DEFAULT,
			 bdfs);
}

unsigned int edu_count(void)
{
	char bdfs[VFIO_MAX_DEVICES][32];
	const char *dir;

	return edu_find(bdfs, &dir);
}

static const char *edu_driver = "vfio-pci";

void edu_set_driver(const char *name)
{
	edu_driver = name;
}

void edu_quirks(const struct edu *edu, unsigned int quirks)
{
	char value[16];

	snprintf(value, sizeof(value), "%u", quirks);
	check(sysfs_write("/sys/module/edu_vfio_pci/parameters/quirks", value));
	pci_bind(edu->bdf, "edu_vfio_pci");
	/* devices that are probed later have no quirks */
	check(sysfs_write("/sys/module/edu_vfio_pci/parameters/quirks", "0"));
}

static void edu_init(struct edu *edu, const char *bdf, bool soft)
{
	memcpy(edu->bdf, bdf, sizeof(edu->bdf));
	edu->soft = soft;
	edu->bar = NULL;
	edu->bar_offset = 0;
}

/* Finds the device and binds it to its driver; @cdev gets the path of its file */
static const char *edu_prepare(struct edu *edu, unsigned int index, char *cdev,
			       size_t size)
{
	char bdfs[VFIO_MAX_DEVICES][32];
	const char *dir;

	if (edu_find(bdfs, &dir) <= index)
		fatal("there is no edu device %u", index);
	edu_init(edu, bdfs[index], !strcmp(dir, SOFT_DEVICES));
	if (vfio_cdev(dir, edu->bdf, cdev, size) ||
	    (!edu->soft && !pci_driver_is(edu->bdf, edu_driver))) {
		if (edu->soft)
			fatal("%s is not bound to its driver", edu->bdf);
		pci_bind(edu->bdf, edu_driver);
		check(vfio_cdev(dir, edu->bdf, cdev, size));
	}
	return dir;
}

/* With edu->fd open and bound */
static void edu_setup(struct edu *edu)
{
	if (edu->soft)
		return;
	vfio_enable_master(edu->fd);
	if (strcmp(edu_driver, "vfio-pci")) {
		edu->bar_offset = vfio_region(edu->fd, VFIO_PCI_BAR0_REGION_INDEX);
		return;
	}
	edu->bar = vfio_map_bar0(edu->fd, EDU_BAR_SIZE);
}

void edu_open(struct edu *edu, unsigned int index, int iommufd)
{
	char cdev[300];

	edu_prepare(edu, index, cdev, sizeof(cdev));
	edu->iommufd = iommufd;
	edu->fd = vfio_open(cdev, iommufd, &edu->dev_id);
	edu_setup(edu);
}

bool edu_open_soft(struct edu *edu, const char *format, int iommufd)
{
	char names[VFIO_MAX_DEVICES][32], cdev[300];

	if (!vfio_find(SOFT_DEVICES, is_soft, format, names))
		return false;
	edu_init(edu, names[0], true);
	check(vfio_cdev(SOFT_DEVICES, edu->bdf, cdev, sizeof(cdev)));
	edu->iommufd = iommufd;
	edu->fd = vfio_open(cdev, iommufd, &edu->dev_id);
	return true;
}

int edu_open_container(struct edu *edu, unsigned int index, int container,
		       unsigned long type)
{
	struct iommu_vfio_ioas compat = {
		.size = sizeof(compat),
		.op = IOMMU_VFIO_IOAS_GET,
	};
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
	/* Fails for a container that is not an iommufd */
	if (!__iommufd_ioctl(container, IOMMU_VFIO_IOAS, &compat))
		__ioas_set_trackable(container, compat.ioas_id, true);
	edu->fd = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, edu->bdf);
	if (edu->fd < 0)
		fatal("VFIO_GROUP_GET_DEVICE_FD: error %d", errno);
	edu_setup(edu);
	return group;
}

void edu_close(struct edu *edu)
{
	if (edu->bar)
		munmap(edu->bar, EDU_BAR_SIZE);
	close(edu->fd);
}

int __edu_attach(struct edu *edu, __u32 pt)
{
	return __vfio_attach(edu->fd, pt);
}

void edu_attach(struct edu *edu, __u32 pt)
{
	check(__edu_attach(edu, pt));
}

void edu_detach(struct edu *edu)
{
	vfio_detach(edu->fd);
}

void edu_write(struct edu *edu, unsigned int reg, __u64 val)
{
	if (!edu->bar) {
		if (pwrite(edu->fd, &val, sizeof(val), edu->bar_offset + reg) != sizeof(val))
			fatal("register %#x: error %d", reg, errno);
		return;
	}
	__atomic_store_n((__u64 *)(edu->bar + reg), val, __ATOMIC_RELEASE);
}

__u64 edu_read(struct edu *edu, unsigned int reg)
{
	__u64 val;

	if (!edu->bar) {
		if (pread(edu->fd, &val, sizeof(val), edu->bar_offset + reg) != sizeof(val))
			fatal("register %#x: error %d", reg, errno);
		return val;
	}
	return __atomic_load_n((__u64 *)(edu->bar + reg), __ATOMIC_ACQUIRE);
}

void edu_write32(struct edu *edu, unsigned int reg, __u32 val)
{
	if (pwrite(edu->fd, &val, sizeof(val), edu->bar_offset + reg) != sizeof(val))
		fatal("register %#x: error %d", reg, errno);
}

__u32 edu_read32(struct edu *edu, unsigned int reg)
{
	__u32 val;

	if (pread(edu->fd, &val, sizeof(val), edu->bar_offset + reg) != sizeof(val))
		fatal("register %#x: error %d", reg, errno);
	return val;
}

static void edu_ask(struct edu *edu, __u64 src, __u64 dst, size_t len, __u64 cmd)
{
	edu_write(edu, EDU_DMA_SRC, src);
	edu_write(edu, EDU_DMA_DST, dst);
	edu_write(edu, EDU_DMA_CNT, len);
	edu_write(edu, EDU_DMA_CMD, cmd | EDU_CMD_RUN);
}

void edu_ask_from(struct edu *edu, __u64 iova, unsigned int offset, size_t len)
{
	edu_ask(edu, iova, EDU_BUF + offset, len, 0);
}

void edu_ask_to(struct edu *edu, __u64 iova, unsigned int offset, size_t len)
{
	edu_ask(edu, EDU_BUF + offset, iova, len, EDU_CMD_TO_RAM);
}

bool edu_busy(struct edu *edu)
{
	return edu_read(edu, EDU_DMA_CMD) & EDU_CMD_RUN;
}

void edu_dma_from(struct edu *edu, __u64 iova, unsigned int offset, size_t len)
{
	edu_ask_from(edu, iova, offset, len);
	while (edu_busy(edu))
		;
}

void edu_dma_to(struct edu *edu, __u64 iova, unsigned int offset, size_t len)
{
	edu_ask_to(edu, iova, offset, len);
	while (edu_busy(edu))
		;
}
