// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a device reports once it is opened: migration and DMA logging of its VFIO driver,
 * and the members of a tracker of an IOAS with only this device. A device that is in use
 * refuses to be opened, and is left alone.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/iommufd.h>
#include <linux/vfio.h>

#include "iommu-dirty.h"

struct opened {
	int fd;
	int iommufd;
	uint32_t id;
};

/* A device has at most one cdev; false: it has no VFIO driver */
static bool find_cdev(const char *dir, char *file, size_t size)
{
	struct dirent *entry;
	char path[PATH_MAX];
	bool found = false;
	DIR *d;

	snprintf(path, sizeof(path), "%s/vfio-dev", dir);
	d = opendir(path);
	while (d && (entry = readdir(d)))
		if (!strncmp(entry->d_name, "vfio", 4)) {
			snprintf(file, size, "/dev/vfio/devices/%s", entry->d_name);
			found = true;
		}
	if (d)
		closedir(d);
	return found;
}

/*
 * Opens a device by binding it to an iommufd; 0 or -errno. The bind fails with EBUSY if
 * the device is open through its VFIO group, EINVAL if through its cdev, EPERM if its
 * group has another owner; each is -EBUSY here.
 */
static int open_device(const char *file, struct opened *dev)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };

	dev->fd = open(file, O_RDWR | O_CLOEXEC);
	if (dev->fd < 0)
		return -errno;
	dev->iommufd = open("/dev/iommu", O_RDWR | O_CLOEXEC);
	if (dev->iommufd < 0)
		return -errno;
	bind.iommufd = dev->iommufd;
	if (ioctl(dev->fd, VFIO_DEVICE_BIND_IOMMUFD, &bind) < 0)
		return errno == EINVAL || errno == EPERM ? -EBUSY : -errno;
	dev->id = bind.out_devid;
	return 0;
}

static void close_device(const struct opened *dev)
{
	if (dev->fd >= 0)
		close(dev->fd);
	if (dev->iommufd >= 0)
		close(dev->iommufd);
}

static bool feature(const struct opened *dev, uint32_t flags, uint64_t *value)
{
	struct {
		struct vfio_device_feature head;
		uint64_t value;
	} cmd = {
		.head.argsz = sizeof(cmd),
		.head.flags = flags,
	};
	bool ok = !ioctl(dev->fd, VFIO_DEVICE_FEATURE, &cmd);

	*value = ok ? cmd.value : 0;
	return ok;
}

static json_t *ask_driver(const struct opened *dev)
{
	struct iommu_hw_info info = { .size = sizeof(info), .dev_id = dev->id };
	uint64_t migration, ignored;
	bool logging, hw_dirty;

	feature(dev, VFIO_DEVICE_FEATURE_GET | VFIO_DEVICE_FEATURE_MIGRATION, &migration);
	logging = feature(dev, VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_SET |
			  VFIO_DEVICE_FEATURE_DMA_LOGGING_START, &ignored);
	hw_dirty = !ioctl(dev->iommufd, IOMMU_GET_HW_INFO, &info) &&
		   info.out_capabilities & IOMMU_HW_CAP_DIRTY_TRACKING;
	return json_pack("{s:s, s:b, s:b, s:b, s:b, s:b, s:[]}", "reason", "",
			 "migration", !!(migration & VFIO_MIGRATION_STOP_COPY),
			 "p2p", !!(migration & VFIO_MIGRATION_P2P),
			 "pre_copy", !!(migration & VFIO_MIGRATION_PRE_COPY),
			 "dma_logging", logging, "hwpt_dirty_tracking", hw_dirty, "members");
}

static void add_members(json_t *members, struct idirty_tracker *tracker)
{
	struct idirty_tracker_info *info;
	size_t i;

	if (idirty_info(tracker, &info))
		return;
	for (i = 0; i < info->num_members; i++)
		json_array_append_new(members,
				      json_pack("{s:s, s:b, s:s}", "format",
						idirty_format_text(info->members[i]->format),
						"tracked", !info->members[i]->reason, "reason",
						info->members[i]->reason ?
						idirty_reason_text(info->members[i]->reason) : ""));
	idirty_free(info);
}

/* Nothing is mapped, so the device can do no DMA in the IOAS */
static void ask_tracker(const struct opened *dev, json_t *members)
{
	struct vfio_device_attach_iommufd_pt attach = { .argsz = sizeof(attach) };
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	struct idirty_target target = IDIRTY_TARGET(0);
	struct idirty_tracker *tracker;
	struct idirty *ctx;

	if (ioctl(dev->iommufd, IOMMU_IOAS_ALLOC, &alloc) < 0)
		return;
	attach.pt_id = alloc.out_ioas_id;
	if (ioctl(dev->fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach) < 0 ||
	    idirty_open(dev->iommufd, &ctx))
		return;
	target.id = alloc.out_ioas_id;
	if (!idirty_alloc(ctx, &target, &tracker)) {
		add_members(members, tracker);
		idirty_destroy(tracker);
	}
	idirty_close(ctx);
}

json_t *probe_vfio(const char *dir)
{
	struct opened dev = { .fd = -1, .iommufd = -1 };
	json_t *answer;
	char file[300];
	int rc;

	if (!find_cdev(dir, file, sizeof(file)))
		return json_null();
	rc = open_device(file, &dev);
	if (rc) {
		answer = json_pack("{s:s}", "reason", rc == -EBUSY ? "in use" : strerror(-rc));
	} else {
		answer = ask_driver(&dev);
		ask_tracker(&dev, json_object_get(answer, "members"));
	}
	close_device(&dev);
	return answer;
}
