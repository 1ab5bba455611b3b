// SPDX-License-Identifier: GPL-2.0-only
/*
 * iommu-dirty: shows which memory devices write to. This file has the table of
 * subcommands.
 */
#include <stdlib.h>
#include <string.h>

#include "iommu-dirty.h"

static const struct command commands[] = {
	{ "probe", "what IOMMUs and devices of this host can track", cmd_probe },
	{ "list", "what a program has in its iommufds", cmd_list },
	{ "clean", "remove trackers that were left behind in a program", cmd_clean },
	{ "rate", "how fast devices dirty memory", cmd_rate },
	{ "watch", "the same, live", cmd_watch },
	{ "record", "write what gets dirty, and when, to a file", cmd_record },
	{ "heatmap", "draw a record, address by time", cmd_heatmap },
	{ "advise", "measure what tracking costs, and say what is best", cmd_advise },
	{ "migrate", "pre-copy what a device writes to, to another process", cmd_migrate },
};

#define NUM_COMMANDS (sizeof(commands) / sizeof(*commands))

uint64_t parse_number(struct argp_state *state, const char *arg, uint64_t min,
		      uint64_t max)
{
	unsigned int shift = 0;
	char *end;
	uint64_t value = strtoull(arg, &end, 0);

	if (*end && strchr("KMG", *end)) {
		shift = *end == 'K' ? 10 : *end == 'M' ? 20 : 30;
		end++;
	}
	if (end == arg || *end || *arg == '-' || value > max >> shift || value << shift < min)
		argp_error(state, "%s is not a number between %llu and %llu", arg,
			   (unsigned long long)min, (unsigned long long)max);
	return value << shift;
}

void print_json(json_t *json)
{
	json_dumpf(json, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER |
		   JSON_REAL_PRECISION(10));
	putchar('\n');
	json_decref(json);
}

static void print_version(FILE *to, struct argp_state *state)
{
	(void)state;
	fprintf(to, "iommu-dirty %s, libiommudirty %s\n", IDIRTY_VERSION, idirty_version());
}

static void print_help(FILE *to)
{
	size_t i;

	fputs("usage: iommu-dirty COMMAND [OPTION...]\n\n", to);
	for (i = 0; i < NUM_COMMANDS; i++)
		fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].summary);
	fputs("\niommu-dirty COMMAND --help lists its options; see iommu-dirty(8).\n", to);
}

int main(int argc, char **argv)
{
	char name[64];
	size_t i;
	int rc;

	argp_err_exit_status = EXIT_USAGE;
	argp_program_version_hook = print_version;
	if (argc < 2) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help")) {
		print_help(stdout);
		return EXIT_OK;
	}
	if (!strcmp(argv[1], "--version")) {
		print_version(stdout, NULL);
		return EXIT_OK;
	}
	for (i = 0; i < NUM_COMMANDS; i++) {
		if (strcmp(argv[1], commands[i].name))
			continue;
		snprintf(name, sizeof(name), "iommu-dirty %s", commands[i].name);
		argv[1] = name;
		rc = commands[i].run(argc - 1, argv + 1);
		if (fflush(stdout) || ferror(stdout))
			rc = complain(EXIT_FAILED, "cannot write the output");
		return rc;
	}
	print_help(stderr);
	return EXIT_USAGE;
}
