// SPDX-License-Identifier: GPL-2.0-only
/*
 * selftest: checks tracking with a device of this host, and writes a report that can be
 * sent to others.
 */
#include <errno.h>
#include <stdlib.h>

#include "selftest/selftest.h"

struct selftest_options {
	const char *address;
	const char *output;
	bool json;
};

static const struct argp_option options[] = {
	{ "device", 'd', "ADDRESS", 0, "the device, bound to vfio-pci", 0 },
	{ "output", 'o', "FILE", 0, "the report (iommu-dirty-selftest.json)", 0 },
	{ "json", 'j', NULL, 0, "print the report", 0 },
	{ 0 }
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct selftest_options *opt = state->input;

	switch (key) {
	case 'd':
		opt->address = arg;
		break;
	case 'o':
		opt->output = arg;
		break;
	case 'j':
		opt->json = true;
		break;
	case ARGP_KEY_END:
		if (!opt->address)
			argp_error(state, "--device must name an NVMe controller or an edu device");
		/* The address becomes a part of paths */
		if (strchr(opt->address, '/'))
			argp_error(state, "%s is not the address of a PCI device", opt->address);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static void print_finding(const struct check *check, const struct finding *f)
{
	printf("%s  %-9s %s%s%s\n", verdict_text(f->verdict), check->name, check->says,
	       *f->detail ? ": " : "", f->detail);
	/* If the device fails, the program ends */
	fflush(stdout);
}

/* The report on stdout shows them */
static void print_nothing(const struct check *check, const struct finding *f)
{
	(void)check;
	(void)f;
}

static void print_times(const struct times *t)
{
	printf("START %.3f ms, READ %.3f ms clean and %.3f ms dirty, UNMAP %.3f ms, for %s\n",
	       t->start / 1e6, t->read_clean / 1e6, t->read_dirty / 1e6, t->unmap / 1e6,
	       size_text(SELFTEST_PAGES * SELFTEST_PAGE));
}

static int write_report(const char *file, json_t *json)
{
	FILE *f = fopen(file, "we");
	bool good = f && !json_dumpf(json, f, JSON_INDENT(2) | JSON_PRESERVE_ORDER) &&
		    fputc('\n', f) != EOF;

	if (f && fclose(f))
		good = false;
	return good ? EXIT_OK : complain(EXIT_FAILED, "%s: %s", file, strerror(errno));
}

static int run(struct device *device, const struct selftest_options *opt)
{
	struct report report = { .address = opt->address };
	bool good = selftest_run(device_subject(device), &report.outcome,
				 opt->json ? print_nothing : print_finding);
	json_t *json;
	int rc = EXIT_OK;

	report.format = device_format(device, &report.sizes);
	json = report_to_json(&report);
	if (opt->output)
		rc = write_report(opt->output, json);
	if (opt->json) {
		print_json(json, true);
	} else {
		json_decref(json);
		if (report.outcome.measured)
			print_times(&report.outcome.times);
		if (!rc)
			printf("report in %s\n", opt->output);
	}
	return rc ?: good ? EXIT_OK : EXIT_DIFFERS;
}

int cmd_selftest(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.doc = "Check tracking with a device that is not in use.",
	};
	struct selftest_options opt = {};
	struct device *device;
	int rc;

	parse_options(&argp, argc, argv, &opt);
	if (!opt.output && !opt.json)
		opt.output = "iommu-dirty-selftest.json";
	rc = device_open(&device, opt.address);
	if (rc)
		return rc;
	rc = run(device, &opt);
	device_close(device);
	return rc;
}
