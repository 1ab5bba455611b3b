// SPDX-License-Identifier: GPL-2.0-only
/*
 * migrate: the reference pre-copy engine. This file parses the command line; the parts
 * are in migrate/.
 */
#include <string.h>
#include <unistd.h>

#include "migrate/migrate.h"

enum {
	KEY_MAX_ROUNDS = 0x100, KEY_DOWNTIME, KEY_ON_LIMIT, KEY_ROUND_DELAY, KEY_WRITES,
	KEY_PROVIDER, KEY_NO_TRACKING, KEY_NO_PROGRESS, KEY_PROGRESS, KEY_MAX_MEMORY, KEY_DRIVER,
	KEY_TO, KEY_LISTEN, KEY_WORKLOAD, KEY_IMAGE, KEY_SIZE,
};

static const struct argp_option options[] = {
	{ "to", KEY_TO, "HOST:PORT", 0, "send the workload to this destination", 0 },
	{ "listen", KEY_LISTEN, "[ADDRESS:]PORT", 0,
	  "receive a workload; without ADDRESS on the loopback interface", 0 },
	{ "workload", KEY_WORKLOAD, "NAME", 0, "the device that writes: nvme or edu (nvme)", 0 },
	{ "driver", KEY_DRIVER, "NAME", 0, "the edu device's VFIO driver (vfio-pci)", 0 },
	{ "image", KEY_IMAGE, "FILE", 0, "the disk that is copied into memory", 0 },
	{ "size", KEY_SIZE, "SIZE", 0, "memory to migrate (as much as the disk)", 0 },
	{ "writes", KEY_WRITES, "N", 0, "pages that the device writes in a second (4000)", 0 },
	{ "downtime", KEY_DOWNTIME, "TIME", 0,
	  "stop the device when the rest can be sent in this time (300ms)", 0 },
	{ "max-rounds", KEY_MAX_ROUNDS, "N", 0, "limit of rounds; 0: none (100)", 0 },
	{ "on-limit", KEY_ON_LIMIT, "WHAT", 0,
	  "after the last round: give-up or stop-anyway (give-up)", 0 },
	{ "round-delay", KEY_ROUND_DELAY, "TIME", 0,
	  "wait after a round while the disk is still being copied (200ms)", 0 },
	{ "provider", KEY_PROVIDER, "NAME", 0,
	  "source of dirty pages: iommu, device or both (iommu)", 0 },
	{ "no-tracking", KEY_NO_TRACKING, NULL, 0, "send everything once: shows what is lost", 0 },
	{ "max-memory", KEY_MAX_MEMORY, "SIZE", 0, "what --listen accepts at most (16G)", 0 },
	{ "progress", KEY_PROGRESS, NULL, 0, "show a progress bar (the default on a terminal)", 0 },
	{ "no-progress", KEY_NO_PROGRESS, NULL, 0, "show no progress bar", 0 },
	{ "json", 'j', NULL, 0, "print JSON", 0 },
	{ 0 }
};

static void parse_workload(struct argp_state *state, const char *name)
{
	struct migrate_options *opt = state->input;

	if (!strcmp(name, workload_nvme.name))
		opt->work.ops = &workload_nvme;
	else if (!strcmp(name, workload_edu.name))
		opt->work.ops = &workload_edu;
	else
		argp_error(state, "no workload %s", name);
}

static void parse_provider(struct argp_state *state, const char *name)
{
	struct migrate_options *opt = state->input;

	if (!strcmp(name, "iommu"))
		opt->providers = MIGRATE_BY_IOMMU;
	else if (!strcmp(name, "device"))
		opt->providers = MIGRATE_BY_DEVICE;
	else if (!strcmp(name, "both"))
		opt->providers = MIGRATE_BY_IOMMU | MIGRATE_BY_DEVICE;
	else
		argp_error(state, "no provider %s", name);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct migrate_options *opt = state->input;

	switch (key) {
	case KEY_TO:
		opt->to = arg;
		break;
	case KEY_LISTEN:
		opt->listen = arg;
		break;
	case KEY_WORKLOAD:
		parse_workload(state, arg);
		break;
	case KEY_DRIVER:
		opt->work.driver = arg;
		break;
	case KEY_IMAGE:
		opt->work.image = arg;
		break;
	case KEY_SIZE:
		opt->work.size = parse_size(state, arg, PAGE, 1ULL << 40) / PAGE * PAGE;
		break;
	case KEY_WRITES:
		opt->work.writes = parse_number(state, arg, 1, 10000000);
		break;
	case KEY_DOWNTIME:
		opt->downtime_ns = parse_time(state, arg, 0, 1e6) * 1e9;
		break;
	case KEY_MAX_ROUNDS:
		opt->max_rounds = parse_number(state, arg, 0, 1000000);
		break;
	case KEY_ON_LIMIT:
		opt->stop_anyway = !strcmp(arg, "stop-anyway");
		if (!opt->stop_anyway && strcmp(arg, "give-up"))
			argp_error(state, "--on-limit is give-up or stop-anyway");
		break;
	case KEY_ROUND_DELAY:
		opt->round_delay_ms = parse_time(state, arg, 0, 1e6) * 1e3;
		break;
	case KEY_PROVIDER:
		parse_provider(state, arg);
		break;
	case KEY_NO_TRACKING:
		opt->providers = 0;
		break;
	case KEY_MAX_MEMORY:
		opt->max_memory = parse_size(state, arg, PAGE, 1ULL << 46);
		break;
	case KEY_PROGRESS:
		opt->progress = true;
		break;
	case KEY_NO_PROGRESS:
		opt->progress = false;
		break;
	case 'j':
		opt->json = true;
		break;
	case ARGP_KEY_ARG:
		if (opt->work.address)
			return ARGP_ERR_UNKNOWN;
		opt->work.address = arg;
		break;
	case ARGP_KEY_END:
		if (!opt->to == !opt->listen)
			argp_error(state, "one of --to and --listen is needed");
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

int cmd_migrate(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "[ADDRESS]",
		.doc = "Migrate what a device writes to, and its state, while it runs.",
	};
	struct migrate_options opt = {
		.work = { .ops = &workload_nvme, .writes = 4000 },
		.max_rounds = 100,
		.downtime_ns = 300000000,
		.round_delay_ms = 200,
		.max_memory = 16ULL << 30,
		.providers = MIGRATE_BY_IOMMU,
		.progress = isatty(STDOUT_FILENO),
	};

	parse_options(&argp, argc, argv, &opt);
	return opt.to ? migrate_source(&opt) : migrate_destination(&opt);
}
