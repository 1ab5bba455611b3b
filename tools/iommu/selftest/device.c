// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device of this host as the subject of the checks, driven as by migrate. It must be
 * bound to a VFIO driver already: what uses it otherwise is not disturbed.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "devices.h"
#include "selftest.h"
#include "workload.h"

#define ALIGN	SZ_2M
#define SOURCES	16

struct device {
	struct subject subject;	/* the first member */
	struct workload_options options;
	struct workload work;
	struct idirty *ctx;
	struct idirty_tracker *tracker;
	char driver[64];
	void *area;		/* with the memory, which is aligned */
	size_t area_size;
	uint64_t stamp;
};

static struct device *device_of(struct subject *s)
{
	return (struct device *)s;
}

/* Returns @rc of a call of the library, and keeps why */
static int explain(struct subject *s, int rc)
{
	if (rc)
		idirty_strerror(idirty_last_error(), s->error, sizeof(s->error));
	return rc;
}

static int map(struct subject *s, bool large)
{
	struct device *d = device_of(s);

	/* The driver's own memory is mapped, so this cannot be undone */
	if (large)
		ioas_set_huge_pages(d->work.iommufd, d->work.ioas, true);
	return workload_map(&d->work, s->memory, SELFTEST_PAGES * SELFTEST_PAGE,
			    WORKLOAD_MEM_IOVA);
}

static int unmap(struct subject *s, uint64_t *bitmap)
{
	struct device *d = device_of(s);
	struct idirty_unmap_args args = {
		.size = sizeof(args),
		.iova = WORKLOAD_MEM_IOVA,
		.length = SELFTEST_PAGES * SELFTEST_PAGE,
		.page_size = SELFTEST_PAGE,
		.bitmap = bitmap,
	};

	if (bitmap)
		return explain(s, idirty_unmap(d->tracker, &args));
	return __ioas_unmap(d->work.iommufd, d->work.ioas, args.iova, args.length);
}

static int start(struct subject *s)
{
	return explain(s, idirty_start(device_of(s)->tracker, 0, NULL, 0, NULL));
}

static int stop(struct subject *s)
{
	return explain(s, idirty_stop(device_of(s)->tracker));
}

static int read_all(struct subject *s, uint64_t *bitmap)
{
	struct idirty_read_args args = {
		.size = sizeof(args),
		.iova = WORKLOAD_MEM_IOVA,
		.length = SELFTEST_PAGES * SELFTEST_PAGE,
		.page_size = SELFTEST_PAGE,
		.bitmap = bitmap,
	};

	return explain(s, idirty_read(&device_of(s)->tracker, 1, &args, NULL));
}

static int reattach(struct subject *s)
{
	struct device *d = device_of(s);

	vfio_detach(d->work.fd);
	return __vfio_attach(d->work.fd, d->work.ioas);
}

/* Those that the page tables of the IOAS can have, or have now */
static uint64_t entry_sizes(struct device *d, bool used, const char **format)
{
	struct idirty_tracker_info *info;
	uint64_t sizes = 0;
	size_t i;

	*format = "";
	if (idirty_info(d->tracker, &info))
		return 0;
	for (i = 0; i < info->num_members; i++) {
		const struct idirty_member *member = info->members[i];

		if (member->type != IDIRTY_MEMBER_HWPT)
			continue;
		sizes |= used ? member->io_page_sizes_used : member->io_page_sizes;
		*format = idirty_format_text(member->format);
	}
	idirty_free(info);
	return sizes;
}

static uint64_t entry(struct subject *s)
{
	const char *format;
	uint64_t sizes = entry_sizes(device_of(s), true, &format);

	return sizes ? 1ULL << (63 - __builtin_clzll(sizes)) : 0;
}

/* A controller copies as much of its disk as there is: let it be one page */
static void write_page(struct subject *s, size_t page, unsigned int source)
{
	struct device *d = device_of(s);

	d->work.disk_size = (source + 1) * SELFTEST_PAGE;
	d->work.ops->copy(&d->work, source, page, ++d->stamp);
}

static const struct subject_ops device_ops = {
	.map = map,
	.unmap = unmap,
	.start = start,
	.stop = stop,
	.read = read_all,
	.reattach = reattach,
	.entry = entry,
	.write = write_page,
};

static const struct workload_ops *drivers_ops(const char *address)
{
	if (pci_attr(address, "class") == 0x010802)
		return &workload_nvme;
	if (pci_attr(address, "vendor") == 0x1234 && pci_attr(address, "device") == 0x11e8)
		return &workload_edu;
	return NULL;
}

/* The name of the driver, or false if it is none of VFIO */
static bool find_driver(struct device *d, const char *address)
{
	char cdev[300];

	if (vfio_cdev(PCI_DEVICES, address, cdev, sizeof(cdev)))
		return false;
	return pci_driver(address, d->driver, sizeof(d->driver));
}

static int choose(struct device *d, const char *address)
{
	d->options.ops = drivers_ops(address);
	if (!pci_attr(address, "vendor"))
		return complain(EXIT_NOTHING, "there is no device %s", address);
	if (!d->options.ops)
		return complain(EXIT_FAILED,
				"%s cannot be driven here: it is no NVMe controller and no edu device",
				address);
	if (!find_driver(d, address))
		return complain(EXIT_FAILED, "%s is not bound to vfio-pci, see driverctl(8)",
				address);
	d->options.address = address;
	d->options.driver = d->driver;
	/* What an edu device copies: any file that has different pages */
	d->options.image = "/proc/self/exe";
	return EXIT_OK;
}

/* Large entries need large pages, or luck */
static int make_memory(struct device *d)
{
	size_t size = SELFTEST_PAGES * SELFTEST_PAGE;

	d->area_size = size + ALIGN;
	d->area = mmap(NULL, d->area_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0);
	if (d->area == MAP_FAILED) {
		d->area = NULL;
		return complain(EXIT_FAILED, "out of memory");
	}
	d->subject.memory = (void *)(((uintptr_t)d->area + ALIGN - 1) & ~(ALIGN - 1));
	madvise(d->subject.memory, size, MADV_HUGEPAGE);
	memset(d->subject.memory, 0, size);
	return EXIT_OK;
}

static int make_tracker(struct device *d)
{
	struct idirty_target target = IDIRTY_TARGET(d->work.ioas);
	char text[200];
	int rc;

	rc = idirty_open(d->work.iommufd, &d->ctx);
	if (!rc)
		rc = idirty_alloc(d->ctx, &target, &d->tracker);
	if (rc == -ENOTTY)
		return complain(EXIT_NO_KERNEL, "the kernel has no dirty trackers");
	if (rc)
		return complain(EXIT_FAILED, "%s",
				idirty_strerror(idirty_last_error(), text, sizeof(text)));
	return EXIT_OK;
}

static int open_workload(struct device *d)
{
	const char *reason = workload_open(&d->work, &d->options, false);

	if (!reason)
		reason = workload_load(&d->work);
	if (reason)
		return complain(EXIT_FAILED, "%s", reason);
	d->subject.sources = d->work.disk_size / SELFTEST_PAGE;
	if (d->subject.sources > SOURCES)
		d->subject.sources = SOURCES;
	if (!d->subject.sources)
		return complain(EXIT_FAILED, "the disk of %s is too small", d->options.address);
	return EXIT_OK;
}

int device_open(struct device **out, const char *address)
{
	struct device *d = calloc(1, sizeof(*d));
	int rc;

	if (!d)
		return complain(EXIT_FAILED, "out of memory");
	d->work.iommufd = -1;
	rc = choose(d, address);
	if (!rc)
		rc = open_workload(d);
	if (!rc)
		rc = make_memory(d);
	if (!rc)
		rc = make_tracker(d);
	d->subject.ops = &device_ops;
	d->subject.seconds = 2;
	/* A controller would stop with an error */
	d->subject.may_fault = d->options.ops == &workload_edu;
	if (rc)
		device_close(d);
	else
		*out = d;
	return rc;
}

struct subject *device_subject(struct device *d)
{
	return &d->subject;
}

const char *device_format(struct device *d, uint64_t *sizes)
{
	const char *format;

	*sizes = entry_sizes(d, false, &format);
	return format;
}

void device_close(struct device *d)
{
	idirty_destroy(d->tracker);
	idirty_close(d->ctx);
	if (d->work.ops)
		workload_close(&d->work);
	if (d->area)
		munmap(d->area, d->area_size);
	free(d);
}
