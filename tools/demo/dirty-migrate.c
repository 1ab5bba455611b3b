// SPDX-License-Identifier: GPL-2.0-only
/*
 * dirty-migrate: pre-copy migration of memory that a device writes to, by means
 * of an iommufd dirty tracker. This file reads the command line.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "migrate.h"

static const char usage[] =
"usage: dirty-migrate destination [--port N]\n"
"       dirty-migrate source --file FILE [options]\n"
"\n"
"The source lets a device copy a disk into memory, and sends the memory to the\n"
"destination, which must be running on the same host, until both have the same.\n"
"The exit code is 0 if they have, 1 if not. An NVMe controller reads its own\n"
"disk, of which FILE is another view; an edu device copies FILE, and goes on\n"
"rewriting the memory.\n"
"\n"
"  --device D       nvme or edu (nvme)\n"
"  --port N         TCP port on the loopback interface (4444)\n"
"  --size MIB       memory to migrate (as much as the disk)\n"
"  --rounds N       stop the device after so many rounds (12)\n"
"  --small PAGES    stop the device when no more are dirty (64)\n"
"  --writes N       let the device write so many pages a second (4000)\n"
"  --no-tracking    send the memory once, without asking what became dirty\n"
"  --progress, --no-progress\n"
"                   draw a progress bar (only if the output is a terminal)\n";

static const struct option longopts[] = {
	{ "file", required_argument, NULL, 'f' },
	{ "device", required_argument, NULL, 'd' },
	{ "port", required_argument, NULL, 'p' },
	{ "size", required_argument, NULL, 's' },
	{ "rounds", required_argument, NULL, 'r' },
	{ "small", required_argument, NULL, 'm' },
	{ "writes", required_argument, NULL, 'w' },
	{ "no-tracking", no_argument, NULL, 'n' },
	{ "progress", no_argument, NULL, 'b' },
	{ "no-progress", no_argument, NULL, 'q' },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static unsigned long number(const char *text, unsigned long max)
{
	char *end;
	unsigned long value = strtoul(text, &end, 0);

	if (!*text || *end || !value || value > max) {
		fprintf(stderr, "dirty-migrate: %s is not between 1 and %lu\n", text, max);
		exit(2);
	}
	return value;
}

static const struct device_ops *device_named(const char *name)
{
	if (!strcmp(name, "nvme"))
		return &device_nvme;
	if (!strcmp(name, "edu"))
		return &device_edu;
	fprintf(stderr, "dirty-migrate: no such device: %s\n", name);
	exit(2);
}

static void parse(int argc, char **argv, struct options *opt)
{
	int c;

	while ((c = getopt_long(argc, argv, "h", longopts, NULL)) != -1) {
		switch (c) {
		case 'f':
			opt->file = optarg;
			break;
		case 'd':
			opt->device = device_named(optarg);
			break;
		case 'p':
			opt->port = number(optarg, 65535);
			break;
		case 's':
			opt->size = number(optarg, 1 << 20) << 20;
			break;
		case 'r':
			opt->max_rounds = number(optarg, 10000);
			break;
		case 'm':
			opt->small = number(optarg, 1 << 28);
			break;
		case 'w':
			opt->writes = number(optarg, 10000000);
			break;
		case 'n':
			opt->tracking = false;
			break;
		case 'b':
			opt->progress = true;
			break;
		case 'q':
			opt->progress = false;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(0);
		default:
			fputs(usage, stderr);
			exit(2);
		}
	}
}

int main(int argc, char **argv)
{
	struct options opt = {
		.device = &device_nvme,
		.port = 4444,
		.max_rounds = 12,
		.small = 64,
		.writes = 4000,
		.tracking = true,
		.progress = isatty(STDOUT_FILENO),
	};

	parse(argc, argv, &opt);
	if (argc - optind == 1 && !strcmp(argv[optind], "destination"))
		return run_destination(&opt);
	if (argc - optind == 1 && !strcmp(argv[optind], "source") && opt.file)
		return run_source(&opt);
	fputs(usage, stderr);
	return 2;
}
