/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Userspace drivers of PCI devices that use VFIO character devices: QEMU's edu device
 * (edu.c), NVMe controllers (nvme.c) and Intel 82576 network cards (igb.c). The selftests,
 * `iommu-dirty migrate` and the tests of the library use them. A program that links them
 * must provide lib_fatal(), lib_note(), mem_alloc() and mem_free().
 *
 * Most calls come in two forms: __x() returns 0 or -errno, x() ends the program if it
 * fails.
 */
#ifndef _IOMMUFD_DIRTY_DEVICES_H
#define _IOMMUFD_DIRTY_DEVICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <linux/iommufd.h>
#include <linux/vfio.h>

#ifndef SZ_4K
#define SZ_4K		0x1000ULL
#define SZ_64K		0x10000ULL
#define SZ_1M		0x100000ULL
#define SZ_2M		0x200000ULL
#define SZ_1G		0x40000000ULL
#endif

/* Ends the program, or the running test */
void lib_fatal(const char *file, int line, const char *fmt, ...);
void lib_note(const char *fmt, ...);

/* An expression that cppcheck understands */
#define fatal(...) \
	(lib_fatal(__FILE__, __LINE__, __VA_ARGS__), __builtin_unreachable())

/* Returns the value of @call; fatal if it is negative */
#define check(call)						\
({								\
	int __rc = (call);					\
								\
	if (__rc < 0)						\
		fatal("%s: error %d", #call, -__rc);		\
	__rc;							\
})

/* Whole, zeroed pages; to be freed by mem_free() */
void *mem_alloc(size_t size);
void mem_free(void *mem, size_t size);

/* iommufd.c */
int __iommufd_ioctl(int fd, unsigned long cmd, void *arg);
int __ioas_alloc(int fd, __u32 *ioas);
/* IOMMU_OPTION_DIRTY_TRACKABLE */
int __ioas_set_trackable(int fd, __u32 ioas, bool on);
/* Sets that option, so the IOAS can be tracked whatever device is attached to it */
__u32 ioas_alloc(int fd);
int __ioas_map(int fd, __u32 ioas, void *va, size_t len, __u64 iova, __u32 flags);
void ioas_map(int fd, __u32 ioas, void *va, size_t len, __u64 iova);
int __ioas_unmap(int fd, __u32 ioas, __u64 iova, __u64 len);
void ioas_unmap(int fd, __u32 ioas, __u64 iova, __u64 len);
/* Copies a mapping of @src to the same IOVA of @dst */
void ioas_copy(int fd, __u32 dst, __u32 src, __u64 iova, __u64 len);
void ioas_set_huge_pages(int fd, __u32 ioas, bool on);
/* The lowest and the highest allowed range */
void ioas_aperture(int fd, __u32 ioas, struct iommu_iova_range *low,
		   struct iommu_iova_range *high);
int __hwpt_alloc(int fd, __u32 dev, __u32 pt, __u32 flags, __u32 *hwpt);
__u32 hwpt_alloc(int fd, __u32 dev, __u32 pt, __u32 flags);
/* Capabilities from IOMMU_GET_HW_INFO: a mask of IOMMU_HW_CAP_x */
__u64 hw_capabilities(int fd, __u32 dev);
int __hwpt_set_dirty(int fd, __u32 hwpt, bool on);
int __hwpt_get_dirty(int fd, __u32 hwpt, __u64 iova, __u64 len, void *bitmap);
int __object_destroy(int fd, __u32 id);
void object_destroy(int fd, __u32 id);

/* vfio.c */
#define PCI_DEVICES "/sys/bus/pci/devices"
#define VFIO_MAX_DEVICES 16

/* A hexadecimal sysfs attribute of a PCI device; 0 if there is none */
unsigned int pci_attr(const char *bdf, const char *name);
/* Entries of a directory, sorted by name, so an index always means the same device */
unsigned int vfio_find(const char *dir,
		       bool (*match)(const char *name, const char *arg),
		       const char *arg, char names[VFIO_MAX_DEVICES][32]);
int sysfs_write(const char *path, const char *text);
/* The driver of a PCI device; false if it has none */
bool pci_driver(const char *bdf, char *name, size_t size);
bool pci_driver_is(const char *bdf, const char *driver);
/* Binds a PCI device to @driver, and unbinds it from its current driver */
void pci_bind(const char *bdf, const char *driver);
/* The path in /dev/vfio/devices of device @name in @dir, or -ENOENT */
int vfio_cdev(const char *dir, const char *name, char *file, size_t size);
/* Opens @cdev and binds the device to an iommufd */
int vfio_open(const char *cdev, int iommufd, __u32 *dev_id);
struct vfio_region_info vfio_region_info(int fd, __u32 index);
__u64 vfio_region(int fd, __u32 index);
void vfio_enable_master(int fd);
void *vfio_map_bar0(int fd, size_t size);
int __vfio_attach(int fd, __u32 pt);
void vfio_detach(int fd);

/* edu.c */
#define EDU_BUF_SIZE 4096

struct edu {
	char bdf[32];
	int fd;
	__u32 dev_id;
	bool soft;		/* a device of the software IOMMU */
	void *bar;		/* NULL: the driver does not allow mmap of BAR 0 */
	__u64 bar_offset;	/* of the registers in @fd, if @bar is NULL */
	int iommufd;
};

/* Number of edu devices that are bound, or could be bound, to vfio-pci */
unsigned int edu_count(void);
/* Sets the driver for PCI devices that are opened later, instead of vfio-pci */
void edu_set_driver(const char *name);
/* Makes edu_vfio_pci probe the device again with EDU_QUIRK_*; @edu must be closed */
#define EDU_QUIRK_P2P_DMA	0x1	/* P2P states do not stop DMA to memory */
#define EDU_QUIRK_WORDS		0x2	/* logs multiples of 64 pages */
#define EDU_QUIRK_NOTSUPP	0x4	/* too many pages are "not supported" */
void edu_quirks(const struct edu *edu, unsigned int quirks);
void edu_open(struct edu *edu, unsigned int index, int iommufd);
/* Opens the first device soft-<format> of the software IOMMU; false if there is none */
bool edu_open_soft(struct edu *edu, const char *format, int iommufd);
/* Like edu_open(), but through a group and a VFIO container; returns the group file */
int edu_open_container(struct edu *edu, unsigned int index, int container,
		       unsigned long type);
void edu_close(struct edu *edu);
int __edu_attach(struct edu *edu, __u32 pt);
void edu_attach(struct edu *edu, __u32 pt);
void edu_detach(struct edu *edu);
/* DMA from RAM to the device's buffer, and from the buffer to RAM */
void edu_dma_from(struct edu *edu, __u64 iova, unsigned int offset, size_t len);
void edu_dma_to(struct edu *edu, __u64 iova, unsigned int offset, size_t len);
/* The same without waiting; edu_busy() is false when the DMA has ended */
void edu_ask_from(struct edu *edu, __u64 iova, unsigned int offset, size_t len);
void edu_ask_to(struct edu *edu, __u64 iova, unsigned int offset, size_t len);
bool edu_busy(struct edu *edu);
void edu_write(struct edu *edu, unsigned int reg, __u64 val);
__u64 edu_read(struct edu *edu, unsigned int reg);
/* For registers below 0x80, with a driver that does not allow mmap */
void edu_write32(struct edu *edu, unsigned int reg, __u32 val);
__u32 edu_read32(struct edu *edu, unsigned int reg);

/* random.c */
void random_init(void);			/* from $DIRTY_SEED or the clock */
__u64 random_u64(void);
__u64 random_below(__u64 limit);

#endif
