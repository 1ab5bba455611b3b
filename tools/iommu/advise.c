// SPDX-License-Identifier: GPL-2.0-only
/*
 * advise: recommends a tracker and a page size. It measures both on this host, or
 * replays earlier measurements.
 */
#include <errno.h>
#include <string.h>

#include "advise.h"

struct advise_options {
	struct measure_options measure;
	struct advise_limits limits;
	const char *output;
	const char *replay;
};

enum { KEY_BANDWIDTH = 256, KEY_SLOWDOWN, KEY_COMMAND, KEY_REPLAY, KEY_DEVICES };

static const struct argp_option options[] = {
	{ "interval", 'i', "TIME", 0, "from one READ to the next (100ms)", 0 },
	{ "repeat", 'r', "N", 0, "take the median of N measurements (5)", 0 },
	{ "bandwidth", KEY_BANDWIDTH, "SIZE", 0,
	  "what a migration can send in a second (1G)", 0 },
	{ "slowdown", KEY_SLOWDOWN, "PERCENT", 0, "accepted loss of device speed (10)", 0 },
	{ "throughput-cmd", KEY_COMMAND, "COMMAND", 0,
	  "a command that prints the bytes per second of the device", 0 },
	{ "devices", KEY_DEVICES, NULL, 0, "also measure the trackers of devices", 0 },
	{ "output", 'o', "FILE", 0, "draw a picture: FILE.svg, FILE.png or FILE.html", 0 },
	{ "replay", KEY_REPLAY, "FILE", 0, "evaluate the output of --json again", 0 },
	{ 0 }
};

static const struct argp_child children[] = { { &target_argp, 0, NULL, 0 }, { 0 } };

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct advise_options *opt = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &opt->measure.observe;
		break;
	case 'i':
		opt->measure.interval = parse_time(state, arg, 0.001, 1e6);
		break;
	case 'r':
		opt->measure.repeat = parse_number(state, arg, 1, 1000);
		break;
	case KEY_BANDWIDTH:
		opt->limits.bandwidth = parse_size(state, arg, 1, 1ULL << 50);
		break;
	case KEY_SLOWDOWN:
		opt->limits.slowdown = parse_number(state, arg, 0, 100) / 1e2;
		break;
	case KEY_COMMAND:
		opt->measure.command = arg;
		break;
	case KEY_DEVICES:
		opt->measure.observe.devices = true;
		break;
	case 'o':
		if (!is_picture(arg))
			argp_error(state, "%s does not end with .svg, .png or .html", arg);
		opt->output = arg;
		break;
	case KEY_REPLAY:
		opt->replay = arg;
		opt->measure.observe.optional = true;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static int replay(struct advise_result *result, const char *file)
{
	const char *wrong;
	FILE *f = fopen(file, "r");

	if (!f)
		return complain(EXIT_FAILED, "%s: %s", file, strerror(errno));
	wrong = advise_from_json(f, result);
	fclose(f);
	return wrong ? complain(EXIT_FAILED, "%s: %s", file, wrong) : EXIT_OK;
}

static int output(const struct advise_result *result, const struct advise_options *opt)
{
	json_t *json = advise_to_json(result, &opt->limits);
	size_t rows = 0, i;
	int rc = EXIT_OK;

	for (i = 0; i < result->num; i++)
		rows += result->trackers[i].num_rows;
	if (opt->output && rows)
		rc = draw(json, opt->output);
	if (opt->measure.observe.json) {
		print_json(json, true);
	} else {
		json_decref(json);
		advise_print(result, &opt->limits);
		if (!opt->output && rows)
			advise_plot(result, &opt->limits);
	}
	return rows ? rc : EXIT_NOTHING;
}

int cmd_advise(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.children = children,
		.doc = "Measure which tracker and which page size suit a running program.",
	};
	struct advise_options opt = {
		.measure = { .observe = OBSERVE_DEFAULTS, .interval = 0.1, .repeat = 5 },
		.limits = { .bandwidth = 1 << 30, .slowdown = 0.1 },
	};
	struct advise_result result = {};
	int rc;

	parse_options(&argp, argc, argv, &opt);
	opt.measure.observe.stopped = true;
	rc = opt.replay ? replay(&result, opt.replay) : advise_measure(&result, &opt.measure);
	if (!rc)
		rc = output(&result, &opt);
	advise_free(&result);
	return rc;
}
