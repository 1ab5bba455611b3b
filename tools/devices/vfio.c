// SPDX-License-Identifier: GPL-2.0-only
/*
 * Helpers that the drivers in this directory share: devices in sysfs, and VFIO character
 * devices.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "devices.h"

unsigned int pci_attr(const char *bdf, const char *name)
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

int sysfs_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	close(fd);
	return n < 0 ? -EIO : 0;
}

unsigned int vfio_find(const char *dir,
		       bool (*match)(const char *name, const char *arg),
		       const char *arg, char names[VFIO_MAX_DEVICES][32])
{
	struct dirent **list;
	unsigned int num = 0;
	int n = scandir(dir, &list, NULL, alphasort);
	int i;

	if (n < 0)
		return 0;
	for (i = 0; i < n; i++) {
		if (num < VFIO_MAX_DEVICES && match(list[i]->d_name, arg))
			snprintf(names[num++], 32, "%.31s", list[i]->d_name);
		free(list[i]);
	}
	free(list);
	return num;
}

int vfio_cdev(const char *dir, const char *name, char *file, size_t size)
{
	char path[128];
	struct dirent *ent;
	int rc = -ENOENT;
	DIR *d;

	snprintf(path, sizeof(path), "%s/%s/vfio-dev", dir, name);
	d = opendir(path);
	if (!d)
		return -ENOENT;
	while ((ent = readdir(d))) {
		/* or noiommu-vfio */
		if (!strstr(ent->d_name, "vfio"))
			continue;
		snprintf(file, size, "/dev/vfio/devices/%s", ent->d_name);
		rc = 0;
	}
	closedir(d);
	return rc;
}

bool pci_driver(const char *bdf, char *name, size_t size)
{
	char path[128], target[256];
	ssize_t len;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/driver", bdf);
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		return false;
	target[len] = 0;
	snprintf(name, size, "%s", strrchr(target, '/') + 1);
	return true;
}

bool pci_driver_is(const char *bdf, const char *driver)
{
	char name[64];

	return pci_driver(bdf, name, sizeof(name)) && !strcmp(name, driver);
}

void pci_bind(const char *bdf, const char *driver)
{
	char path[128];

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/driver_override", bdf);
	check(sysfs_write(path, driver));
	snprintf(path, sizeof(path), PCI_DEVICES "/%s/driver/unbind", bdf);
	sysfs_write(path, bdf);
	/*
	 * Keep the device enabled from test to test: in a debug kernel the ACPI lookup
	 * of the interrupt in each pci_enable_device() takes most of a second.
	 */
	snprintf(path, sizeof(path), PCI_DEVICES "/%s/enable", bdf);
	sysfs_write(path, "1");
	check(sysfs_write("/sys/bus/pci/drivers_probe", bdf));
}

int vfio_open(const char *cdev, int iommufd, __u32 *dev_id)
{
	struct vfio_device_bind_iommufd bind = {
		.argsz = sizeof(bind),
		.iommufd = iommufd,
	};
	int fd = open(cdev, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		fatal("%s: error %d", cdev, errno);
	if (ioctl(fd, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		fatal("VFIO_DEVICE_BIND_IOMMUFD: error %d", errno);
	*dev_id = bind.out_devid;
	return fd;
}

struct vfio_region_info vfio_region_info(int fd, __u32 index)
{
	struct vfio_region_info info = {
		.argsz = sizeof(info),
		.index = index,
	};

	if (ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, &info))
		fatal("VFIO_DEVICE_GET_REGION_INFO(%u): error %d", index, errno);
	return info;
}

__u64 vfio_region(int fd, __u32 index)
{
	return vfio_region_info(fd, index).offset;
}

void vfio_enable_master(int fd)
{
	__u64 config = vfio_region(fd, VFIO_PCI_CONFIG_REGION_INDEX);
	__u16 cmd;

	if (pread(fd, &cmd, 2, config + PCI_COMMAND) != 2)
		fatal("cannot read the PCI command register");
	cmd |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	if (pwrite(fd, &cmd, 2, config + PCI_COMMAND) != 2)
		fatal("cannot write the PCI command register");
}

void *vfio_map_bar0(int fd, size_t size)
{
	void *bar = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			 vfio_region(fd, VFIO_PCI_BAR0_REGION_INDEX));

	if (bar == MAP_FAILED)
		fatal("cannot mmap BAR 0: error %d", errno);
	return bar;
}

int __vfio_attach(int fd, __u32 pt)
{
	struct vfio_device_attach_iommufd_pt cmd = {
		.argsz = sizeof(cmd),
		.pt_id = pt,
	};

	return ioctl(fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &cmd) ? -errno : 0;
}

void vfio_detach(int fd)
{
	struct vfio_device_detach_iommufd_pt cmd = { .argsz = sizeof(cmd) };

	if (ioctl(fd, VFIO_DEVICE_DETACH_IOMMUFD_PT, &cmd))
		fatal("VFIO_DEVICE_DETACH_IOMMUFD_PT: error %d", errno);
}
