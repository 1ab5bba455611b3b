// SPDX-License-Identifier: GPL-2.0-only
/*
 * The results of selftest as JSON, with what identifies the kind of host and device, but not
 * this one: there are no serial numbers, addresses of networks, or names.
 */
#include <limits.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "devices.h"
#include "selftest.h"

/* Registers that tell what an IOMMU can do; each host has some of them, or none */
static const char *const registers[] = {
	"intel-iommu/version", "intel-iommu/cap", "intel-iommu/ecap",
	"amd-iommu/cap", "amd-iommu/features",
};

const char *verdict_text(enum verdict verdict)
{
	static const char *const texts[] = {
		[VERDICT_PASS] = "pass",
		[VERDICT_FAIL] = "fail",
		[VERDICT_SKIP] = "skip",
	};

	return texts[verdict];
}

/* The value of a line "name : value" of /proc/cpuinfo; false if there is none */
static bool cpu_line(const char *name, char *value, size_t size)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	size_t len = strlen(name);
	char line[8192];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f)) {
		const char *colon = strchr(line, ':');

		found = colon && !strncmp(line, name, len) && strchr(" \t:", line[len]);
		if (found)
			snprintf(value, size, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
	}
	if (f)
		fclose(f);
	return found;
}

static json_t *host_to_json(void)
{
	char model[128] = "", flags[8192] = "";
	struct utsname name;

	uname(&name);
	cpu_line("model name", model, sizeof(model));
	cpu_line("flags", flags, sizeof(flags));
	return json_pack("{s:s, s:s, s:s, s:b}", "kernel", name.release, "architecture",
			 name.machine, "cpu", model, "virtual_machine",
			 !!strstr(flags, " hypervisor"));
}

static json_t *iommu_to_json(const char *address)
{
	json_t *values = json_object();
	char path[PATH_MAX], text[64], target[PATH_MAX] = "";
	size_t i;

	snprintf(path, sizeof(path), PCI_DEVICES "/%s/iommu", address);
	for (i = 0; i < sizeof(registers) / sizeof(*registers); i++) {
		FILE *f;

		snprintf(path, sizeof(path), PCI_DEVICES "/%s/iommu/%s", address, registers[i]);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (fgets(text, sizeof(text), f)) {
			text[strcspn(text, "\n")] = 0;
			json_object_set_new(values, registers[i], json_string(text));
		}
		fclose(f);
	}
	snprintf(path, sizeof(path), PCI_DEVICES "/%s/iommu", address);
	if (readlink(path, target, sizeof(target) - 1) < 0)
		*target = 0;
	return json_pack("{s:s, s:o}", "name", strrchr(target, '/') ? strrchr(target, '/') + 1 :
			 target, "registers", values);
}

static json_t *hex(const char *address, const char *name)
{
	return json_sprintf("%#x", pci_attr(address, name));
}

static json_t *device_to_json(const char *address)
{
	char driver[64] = "";

	pci_driver(address, driver, sizeof(driver));
	return json_pack("{s:o, s:o, s:o, s:s}", "vendor", hex(address, "vendor"), "device",
			 hex(address, "device"), "class", hex(address, "class"), "driver", driver);
}

static json_t *checks_to_json(const struct finding *findings)
{
	json_t *all = json_array();
	size_t i;

	for (i = 0; i < SELFTEST_CHECKS; i++)
		json_array_append_new(all, json_pack("{s:s, s:s, s:s, s:s}", "check",
						     selftest_checks[i].name, "says",
						     selftest_checks[i].says, "verdict",
						     verdict_text(findings[i].verdict), "detail",
						     findings[i].detail));
	return all;
}

static json_t *sizes_to_json(uint64_t sizes)
{
	json_t *all = json_array();

	for (; sizes; sizes &= sizes - 1)
		json_array_append_new(all, json_integer(sizes & -sizes));
	return all;
}

static json_t *times_to_json(const struct outcome *o)
{
	if (!o->measured)
		return NULL;
	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "bytes",
			 (json_int_t)(SELFTEST_PAGES * SELFTEST_PAGE), "start_ns",
			 (json_int_t)o->times.start, "read_clean_ns",
			 (json_int_t)o->times.read_clean, "read_dirty_ns",
			 (json_int_t)o->times.read_dirty, "unmap_ns", (json_int_t)o->times.unmap);
}

json_t *report_to_json(const struct report *r)
{
	return json_pack("{s:i, s:o, s:s, s:o, s:o, s:o, s:s, s:o, s:o, s:o*}",
			 "iommu-dirty-selftest", 1, "time", time_to_json(), "version",
			 IDIRTY_VERSION, "host", host_to_json(), "iommu", iommu_to_json(r->address),
			 "device", device_to_json(r->address), "format", r->format, "entry_sizes",
			 sizes_to_json(r->sizes), "checks", checks_to_json(r->outcome.findings),
			 "times", times_to_json(&r->outcome));
}
