// SPDX-License-Identifier: GPL-2.0-only
/*
 * probe: reports what the IOMMUs and PCI devices of this host can track. It only reads
 * sysfs and asks /dev/iommu whether there are trackers; devices are opened only with
 * --vfio.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "iommu-dirty.h"

struct probe_options {
	const char *sysfs;
	bool vfio;
	bool json;
};

enum { KEY_SYSFS = 256, KEY_VFIO };

static const struct argp_option options[] = {
	{ "json", 'j', NULL, 0, "print JSON", 0 },
	{ "vfio", KEY_VFIO, NULL, 0, "also open and ask the devices that have a VFIO driver", 0 },
	{ "sysfs", KEY_SYSFS, "DIR", 0, "read this folder instead of /sys", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct probe_options *opt = state->input;

	switch (key) {
	case 'j':
		opt->json = true;
		break;
	case KEY_SYSFS:
		opt->sysfs = arg;
		break;
	case KEY_VFIO:
		opt->vfio = true;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

/* Reads a hexadecimal number from a file; false if there is none */
static bool read_hex(const char *dir, const char *name, uint64_t *value)
{
	char path[PATH_MAX], text[64], *end;
	FILE *f;
	bool ok;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "r");
	if (!f)
		return false;
	ok = fgets(text, sizeof(text), f);
	fclose(f);
	if (!ok)
		return false;
	*value = strtoull(text, &end, 16);
	return end != text;
}

/* The last component of a link's target; "" if there is no link */
static const char *read_link(const char *dir, const char *name, char *buf, size_t size)
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *base;
	ssize_t len;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0) {
		*buf = 0;
		return buf;
	}
	target[len] = 0;
	base = strrchr(target, '/');
	snprintf(buf, size, "%.*s", (int)size - 1, base ? base + 1 : target);
	return buf;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static bool bit(uint64_t value, unsigned int nr)
{
	return value >> nr & 1;
}

static void add_format(json_t *formats, const char *name, bool there, bool dirty,
		       const char *why_not)
{
	if (there)
		json_array_append_new(formats, json_pack("{s:s, s:b, s:s}", "format", name,
							 "dirty_bits", dirty, "reason",
							 dirty ? "" : why_not));
}

/* VT-d, Extended Capability Register: SMTS, SLTS, FLTS, SLADS, SMPWC */
static void vtd_formats(json_t *formats, uint64_t ecap)
{
	bool scalable = bit(ecap, 43), slads = bit(ecap, 45), smpwc = bit(ecap, 48);

	add_format(formats, idirty_format_text(IDIRTY_FORMAT_VTD_FS), scalable && bit(ecap, 47),
		   smpwc, "page walks are not coherent (SMPWC)");
	add_format(formats, idirty_format_text(IDIRTY_FORMAT_VTD_SS), !scalable || bit(ecap, 46),
		   scalable && slads && smpwc,
		   !scalable ? "no scalable mode" :
		   !slads ? "no second-stage dirty bits (SLADS)" :
			    "page walks are not coherent (SMPWC)");
}

/* AMD-Vi, Extended Feature Register: HDSup, HASup, GTSup */
static void amd_formats(json_t *formats, uint64_t efr)
{
	add_format(formats, idirty_format_text(IDIRTY_FORMAT_AMD_V1), true,
		   bit(efr, 52) && bit(efr, 49),
		   bit(efr, 52) ? "no accessed bits (HASup)" : "no host dirty bits (HDSup)");
	add_format(formats, idirty_format_text(IDIRTY_FORMAT_AMD_V2), bit(efr, 4), true, "");
}

static json_t *probe_iommu(const char *dir, const char *name)
{
	json_t *formats = json_array();
	const char *kind = "unknown";
	uint64_t value;

	if (read_hex(dir, "intel-iommu/ecap", &value)) {
		kind = "Intel VT-d";
		vtd_formats(formats, value);
	} else if (read_hex(dir, "amd-iommu/features", &value)) {
		kind = "AMD-Vi";
		amd_formats(formats, value);
	} else if (!strncmp(name, "smmu3", 5)) {
		kind = "Arm SMMUv3";
	}
	return json_pack("{s:s, s:s, s:o}", "name", name, "kind", kind, "formats", formats);
}

/* Returns NULL if the IOMMU has a format with dirty bits, else why not */
static const char *iommu_reason(json_t *iommus, const char *name)
{
	json_t *iommu, *format;
	size_t i, j;

	if (!*name)
		return "it is behind no IOMMU";
	json_array_foreach(iommus, i, iommu) {
		json_t *formats = json_object_get(iommu, "formats");

		if (strcmp(json_string_value(json_object_get(iommu, "name")), name))
			continue;
		if (!json_array_size(formats))
			return "sysfs does not tell what its IOMMU can do";
		json_array_foreach(formats, j, format)
			if (json_is_true(json_object_get(format, "dirty_bits")))
				return NULL;
		return "its IOMMU sets no dirty bits";
	}
	return "its IOMMU is not in sysfs";
}

/* Why a tracker would not cover the device: the reason of a member, or NULL */
static const char *member_reason(json_t *vfio)
{
	json_t *members = json_object_get(vfio, "members"), *member;
	size_t i;

	json_array_foreach(members, i, member)
		if (!json_is_true(json_object_get(member, "tracked")))
			return json_string_value(json_object_get(member, "reason"));
	return NULL;
}

static json_t *probe_device(const char *dir, const char *name, json_t *iommus,
			    const char *no_trackers, bool ask)
{
	json_t *vfio = ask ? probe_vfio(dir) : json_null();
	char driver[64], group[64], iommu[64];
	const char *why;

	read_link(dir, "driver", driver, sizeof(driver));
	read_link(dir, "iommu_group", group, sizeof(group));
	read_link(dir, "iommu", iommu, sizeof(iommu));
	/* The kernel's answer for this device takes precedence over sysfs */
	if (json_array_size(json_object_get(vfio, "members")))
		why = member_reason(vfio);
	else
		why = iommu_reason(iommus, iommu);
	if (!why)
		why = no_trackers;
	return json_pack("{s:s, s:s, s:s, s:s, s:b, s:s, s:o}", "device", name, "driver",
			 driver, "group", group, "iommu", iommu, "tracker", !why, "reason",
			 why ? why : "", "vfio", vfio);
}

int probe_kernel(void)
{
	struct idirty_target none = IDIRTY_TARGET(0);
	struct idirty_tracker *tracker;
	struct idirty *ctx;
	int fd = open("/dev/iommu", O_RDWR | O_CLOEXEC), rc;

	if (fd < 0)
		return -errno;
	rc = idirty_open(fd, &ctx);
	if (!rc) {
		rc = idirty_alloc(ctx, &none, &tracker);
		idirty_close(ctx);
	}
	close(fd);
	/* A kernel with trackers reports that no object has id 0 */
	return rc == -ENOENT ? 0 : rc;
}

static json_t *probe_all(const struct probe_options *opt, const char *sub, json_t *iommus,
			 const char *no_trackers)
{
	char dir[PATH_MAX - 300], path[PATH_MAX];
	json_t *all = json_array();
	struct dirent **names;
	int n, i;

	snprintf(dir, sizeof(dir), "%s/%s", opt->sysfs, sub);
	n = scandir(dir, &names, visible, by_name);
	for (i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
		json_array_append_new(all, iommus ?
				      probe_device(path, names[i]->d_name, iommus, no_trackers,
						   opt->vfio) :
				      probe_iommu(path, names[i]->d_name));
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	return all;
}

static const char *str(json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s && *s ? s : "-";
}

static void print_vfio(json_t *vfio)
{
	static const struct {
		const char *key, *text;
	} features[] = {
		{ "migration", "migration" },
		{ "p2p", "P2P" },
		{ "pre_copy", "PRE_COPY" },
		{ "dma_logging", "DMA logging" },
		{ "hwpt_dirty_tracking", "dirty tracking of HWPTs" },
	};
	const char *between = "";
	json_t *member;
	size_t i;

	if (!json_is_object(vfio))
		return;
	printf("  VFIO: ");
	if (*json_string_value(json_object_get(vfio, "reason"))) {
		printf("%s\n", str(vfio, "reason"));
		return;
	}
	for (i = 0; i < sizeof(features) / sizeof(*features); i++) {
		if (!json_is_true(json_object_get(vfio, features[i].key)))
			continue;
		printf("%s%s", between, features[i].text);
		between = ", ";
	}
	printf("%s\n", *between ? "" : "neither migration nor DMA logging");
	json_array_foreach(json_object_get(vfio, "members"), i, member)
		printf("  %s: %s\n", str(member, "format"),
		       json_is_true(json_object_get(member, "tracked")) ?
				"can be tracked" : str(member, "reason"));
}

static void print_text(json_t *root)
{
	json_t *o, *format;
	size_t i, j;

	printf("kernel: %s\n", str(root, "kernel"));
	json_array_foreach(json_object_get(root, "iommus"), i, o) {
		printf("IOMMU %s: %s\n", str(o, "name"), str(o, "kind"));
		json_array_foreach(json_object_get(o, "formats"), j, format) {
			bool dirty = json_is_true(json_object_get(format, "dirty_bits"));

			printf("  %s: %s\n", str(format, "format"),
			       dirty ? "dirty bits" : str(format, "reason"));
		}
	}
	json_array_foreach(json_object_get(root, "devices"), i, o) {
		printf("device %s: driver %s, group %s: %s\n", str(o, "device"),
		       str(o, "driver"), str(o, "group"),
		       json_is_true(json_object_get(o, "tracker")) ?
				"a tracker covers it" : str(o, "reason"));
		print_vfio(json_object_get(o, "vfio"));
	}
}

/* Returns 0 or -errno */
static int check_folder(const char *name)
{
	DIR *dir = opendir(name);

	if (!dir)
		return -errno;
	closedir(dir);
	return 0;
}

int cmd_probe(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.doc = "What IOMMUs and devices of this host can track.",
	};
	struct probe_options opt = { .sysfs = "/sys" };
	json_t *iommus, *devices, *root;
	const char *kernel, *no_trackers;
	int rc;

	parse_options(&argp, argc, argv, &opt);
	rc = check_folder(opt.sysfs);
	if (rc)
		return complain(EXIT_FAILED, "%s: %s", opt.sysfs, strerror(-rc));
	rc = probe_kernel();
	kernel = !rc ? "dirty trackers" : rc == -ENOTTY ? "no dirty trackers" :
		 rc == -ENOENT ? "no iommufd" : strerror(-rc);
	no_trackers = !rc ? NULL : rc == -ENOTTY || rc == -ENOENT ?
		      "the kernel has no dirty trackers" :
		      "it cannot be told whether the kernel has dirty trackers";
	iommus = probe_all(&opt, "class/iommu", NULL, NULL);
	devices = probe_all(&opt, "bus/pci/devices", iommus, no_trackers);
	root = json_pack("{s:i, s:s, s:o, s:o}", "iommu-dirty-probe", 1, "kernel", kernel,
			 "iommus", iommus, "devices", devices);
	if (opt.json) {
		print_json(root, true);
	} else {
		print_text(root);
		json_decref(root);
	}
	if (rc && rc != -ENOTTY && rc != -ENOENT)
		return complain(EXIT_FAILED, "/dev/iommu: %s", strerror(-rc));
	return rc ? EXIT_NO_KERNEL : EXIT_OK;
}
