// SPDX-License-Identifier: GPL-2.0-only
/*
 * iommu-dirty: shows which memory devices write to. This file has the table of
 * subcommands.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "iommu-dirty.h"

static const struct command commands[] = {
	{ "probe", "what IOMMUs and devices of this host can track", cmd_probe },
	{ "list", "what a program has in its iommufds", cmd_list },
	{ "clean", "remove trackers that were left behind in a program", cmd_clean },
	{ "rate", "how fast devices dirty memory", cmd_rate },
	{ "watch", "the same, live", cmd_watch },
	{ "record", "write what gets dirty, and when, to a file", cmd_record },
	{ "heatmap", "draw a record, address by time", cmd_heatmap },
	{ "export", "metrics for Prometheus, over HTTP or as a file", cmd_export },
	{ "advise", "measure what tracking costs, and say what is best", cmd_advise },
	{ "selftest", "check with a device that its writes are tracked", cmd_selftest },
	{ "migrate", "pre-copy what a device writes to, to another process", cmd_migrate },
};

#define NUM_COMMANDS (sizeof(commands) / sizeof(*commands))

void print_json(json_t *json, bool indent)
{
	json_dumpf(json, stdout, (indent ? JSON_INDENT(2) : JSON_COMPACT) | JSON_PRESERVE_ORDER |
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
	fputs("\niommu-dirty help COMMAND lists its options; see iommu-dirty(8).\n", to);
}

/* argp has --help and -?, but users type -h */
static error_t parse_help(int key, char *arg, struct argp_state *state)
{
	(void)arg;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = state->input;
		return 0;
	case 'h':
		argp_state_help(state, stdout, ARGP_HELP_STD_HELP);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

void parse_options(const struct argp *argp, int argc, char **argv, void *input)
{
	static const struct argp_option options[] = {
		{ .key = 'h', .flags = OPTION_HIDDEN },
		{ 0 }
	};
	/* argp passes no input on through a child without a parser */
	const struct argp_child children[] = {
		argp->parser ? (struct argp_child){ .argp = argp } : argp->children[0],
		{ 0 }
	};
	const struct argp with_help = {
		.options = options,
		.parser = parse_help,
		.children = children,
		.doc = argp->doc,
	};

	argp_parse(&with_help, argc, argv, 0, NULL, input);
}

/* How many characters must be inserted, removed or replaced to get from @a to @b */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int same, replaced;

	if (!*a || !*b)
		return strlen(a) + strlen(b);
	same = distance(a + 1, b + 1) + (*a != *b);
	if (*a == *b)
		return same;
	replaced = 1 + distance(a + 1, b);
	if (replaced < same)
		same = replaced;
	replaced = 1 + distance(a, b + 1);
	return replaced < same ? replaced : same;
}

static int no_command(const char *name)
{
	const char *best = NULL;
	unsigned int least = 3;
	size_t i;

	/* The names are short, and distance() takes long if both are not */
	for (i = 0; strlen(name) < 12 && i < NUM_COMMANDS; i++) {
		unsigned int far = distance(name, commands[i].name);

		if (far >= least)
			continue;
		least = far;
		best = commands[i].name;
	}
	if (best)
		return complain(EXIT_USAGE, "there is no command %s; did you mean %s?", name, best);
	return complain(EXIT_USAGE, "there is no command %s; iommu-dirty help lists them", name);
}

static int run(const char *command, int argc, char **argv)
{
	char name[64];
	size_t i;

	for (i = 0; i < NUM_COMMANDS; i++) {
		if (strcmp(command, commands[i].name))
			continue;
		snprintf(name, sizeof(name), "iommu-dirty %s", command);
		argv[0] = name;
		return commands[i].run(argc, argv);
	}
	return no_command(command);
}

/* Also of help, after which argp exits */
static void check_output(void)
{
	if (fflush(stdout) || ferror(stdout))
		_exit(complain(EXIT_FAILED, "cannot write the output: %s", strerror(errno)));
}

static bool is_one_of(const char *arg, const char *a, const char *b, const char *c)
{
	return !strcmp(arg, a) || !strcmp(arg, b) || !strcmp(arg, c);
}

int main(int argc, char **argv)
{
	char option[] = "--help", *help[] = { NULL, option, NULL };

	atexit(check_output);
	argp_err_exit_status = EXIT_USAGE;
	argp_program_version_hook = print_version;
	if (argc < 2) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	if (is_one_of(argv[1], "--version", "-V", "version")) {
		print_version(stdout, NULL);
		return EXIT_OK;
	}
	if (is_one_of(argv[1], "--help", "-h", "help")) {
		if (argc > 2 && argv[2][0] != '-')
			return run(argv[2], 2, help);
		print_help(stdout);
		return EXIT_OK;
	}
	return run(argv[1], argc - 1, argv + 1);
}
