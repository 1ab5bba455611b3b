// SPDX-License-Identifier: GPL-2.0-only
/*
 * Finds out from a QEMU's trace how it got the dirty bits. Called by vmm-migrate.c.
 *
 * QEMU traces each classic ioctl of a HWPT, the start of DMA logging, and each query for
 * dirty pages, no matter what answers it. With our patches it also traces the ioctls of
 * trackers. If there are queries but none of the others, a container has answered. If
 * nothing can be queried, there is no query.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vm.h"

/* Fewer pages may well all be dirty: QEMU also queries single mappings */
#define LARGE	16

const char *const way_events[] = {
	"vfio*dirty*", "vfio*attach*", "iommufd*dirty*", "iommufd*tracker*",
	"iommufd_cdev_connect_and_bind",
};

static void take_event(struct way *way, const char *line)
{
	static const struct {
		const char *event;
		size_t count;
	} events[] = {
		{ "iommufd_cdev_connect_and_bind ", offsetof(struct way, cdev) },
		{ "vfio_attach_device ", offsetof(struct way, group) },
		{ "vfio_device_attach ", offsetof(struct way, group) },
		{ "iommufd_backend_set_dirty ", offsetof(struct way, hwpt_set) },
		{ "iommufd_backend_get_dirty_bitmap ", offsetof(struct way, hwpt_get) },
		{ "iommufd_backend_tracker_start ", offsetof(struct way, tracker_start) },
		{ "iommufd_backend_tracker_read ", offsetof(struct way, tracker_read) },
		{ "iommufd_backend_tracker_unmap ", offsetof(struct way, tracker_unmap) },
		{ "vfio_device_dirty_tracking_start ", offsetof(struct way, device_start) },
		{ "vfio_get_dirty_bitmap ", offsetof(struct way, queries) },
		{ "vfio_container_query_dirty_bitmap ", offsetof(struct way, queries) },
	};
	unsigned long pages, dirty;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(events); i++) {
		if (strncmp(line, events[i].event, strlen(events[i].event)))
			continue;
		++*(unsigned long *)((char *)way + events[i].count);
		if (events[i].count == offsetof(struct way, tracker_start))
			way->tracker_degraded += number_after(line, " degraded=");
		if (events[i].count != offsetof(struct way, queries))
			continue;
		pages = number_after(line, " size=") / 4096;
		dirty = number_after(line, " dirty_pages=");
		way->pages += pages;
		way->dirty += dirty;
		way->full += pages >= LARGE && dirty >= pages;
	}
}

struct way way_of(const struct vm *vm)
{
	struct way way = {};
	char path[64], line[512];
	FILE *f;

	snprintf(path, sizeof(path), "/tmp/%s.trace", vm->name);
	f = fopen(path, "re");
	if (!f)
		fail("%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), f))
		take_event(&way, line);
	fclose(f);
	printf("# %s: devices %lu of iommufd, %lu of a container; HWPT %lu set, %lu get; ",
	       vm->name, way.cdev, way.group, way.hwpt_set, way.hwpt_get);
	printf("%lu log starts; %lu queries, %lu of %lu pages dirty\n", way.device_start,
	       way.queries, way.dirty, way.pages);
	if (way.tracker_start)
		printf("# %s: trackers: %lu starts, %lu of them degraded, %lu reads, %lu unmaps\n",
		       vm->name, way.tracker_start, way.tracker_degraded, way.tracker_read,
		       way.tracker_unmap);
	return way;
}
