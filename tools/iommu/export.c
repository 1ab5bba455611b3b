// SPDX-License-Identifier: GPL-2.0-only
/*
 * export: how much devices have written so far, for Prometheus and what reads its formats;
 * over HTTP, or as a file that is replaced again and again.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "export/export.h"

struct export_options {
	struct exporter exporter;
	struct http_address listen;
	const char *output;
	bool written;		/* @output is ours */
	double interval;	/* 0: not given */
};

static const struct argp_option options[] = {
	{ "all", 'a', NULL, 0, "observe all processes that have an iommufd", 0 },
	{ "pid", 'p', "PID", 0, "observe this process, as long as it runs", 0 },
	{ "listen", 'l', "[ADDR:]PORT", 0, "answer GET /metrics (127.0.0.1)", 0 },
	{ "output", 'o', "FILE", 0, "write this file; FILE.prom: in Prometheus's own format", 0 },
	{ "interval", 'i', "TIME", 0, "from one file to the next (15s)", 0 },
	{ "page-size", 's', "SIZE", 0, "count in pages of this size (4K)", 0 },
	{ 0 }
};

static void parse_address(struct argp_state *state, char *arg, struct http_address *address)
{
	char *colon = strrchr(arg, ':'), host[64] = "127.0.0.1";
	const char *port = colon ? colon + 1 : arg;

	*address = (struct http_address){ .text = arg };
	address->port = parse_number(state, port, 1, UINT16_MAX);
	if (port - arg == 6 && !strncmp(arg, "[::1]:", 6)) {
		address->ipv6 = true;
		return;
	}
	if (colon)
		snprintf(host, sizeof(host), "%.*s", (int)(colon - arg), arg);
	/* The metrics tell what runs here, and neither side shows who it is */
	if (inet_pton(AF_INET, host, address->ipv4) != 1 || address->ipv4[0] != 127)
		argp_error(state, "%s is not PORT, 127.0.0.1:PORT or [::1]:PORT", arg);
}

static void check(struct argp_state *state, const struct export_options *opt)
{
	if (opt->exporter.all && opt->exporter.observe.pid)
		argp_error(state, "--all has the process of --pid, too: give only one of them");
	if (!opt->exporter.all && !opt->exporter.observe.pid)
		argp_error(state, "one of --all and --pid is needed");
	if (!opt->listen.text && !opt->output)
		argp_error(state, "one of --listen and --output is needed");
	if (opt->interval && !opt->output)
		argp_error(state, "--interval is that of --output");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct export_options *opt = state->input;

	switch (key) {
	case 'a':
		opt->exporter.all = true;
		break;
	case 'p':
		opt->exporter.observe.pid = parse_number(state, arg, 1, 1 << 30);
		break;
	case 'l':
		parse_address(state, arg, &opt->listen);
		break;
	case 'o':
		opt->output = arg;
		break;
	case 'i':
		opt->interval = parse_time(state, arg, 0.1, 1e6);
		break;
	case 's':
		opt->exporter.observe.page_size = parse_page_size(state, arg);
		break;
	case ARGP_KEY_END:
		check(state, opt);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static int write_file(struct export_options *opt)
{
	int rc = processes_update(&opt->exporter);

	if (rc)
		return rc;
	rc = textfile_write(opt->output, &opt->exporter);
	if (rc)
		return complain(EXIT_FAILED, "%s: %s", opt->output, strerror(-rc));
	opt->written = true;
	return EXIT_OK;
}

/* Until there is something to do, but not beyond @next; returns whether a signal came */
static bool wait_for_work(const struct observer *signals, const struct exporter *x,
			  const struct http *http, double next)
{
	struct pollfd fds[] = {
		{ .fd = signals->signals, .events = POLLIN },
		{ .fd = processes_pidfd(x), .events = POLLIN },
		{ .fd = http ? http_fd(http) : -1, .events = POLLIN },
	};
	double left = fmin(fmax(next - seconds_now(), 0) * 1e3, 1e6);
	int timeout = http ? http_timeout(http) : -1;

	if (timeout < 0 || timeout > left)
		timeout = ceil(left);
	return poll(fds, 3, timeout) > 0 && fds[0].revents;
}

/* Returns an exit code, also after a signal */
static int serve(struct export_options *opt, struct observer *signals, struct http *http)
{
	double next = opt->output ? seconds_now() : INFINITY;
	int rc = processes_update(&opt->exporter);

	while (!rc && !wait_for_work(signals, &opt->exporter, http, next)) {
		if (http)
			rc = http_run(http);
		if (!rc && seconds_now() >= next) {
			rc = write_file(opt);
			/* Skip files that would be late */
			next = fmax(next + opt->interval, seconds_now());
		}
		if (!rc && processes_ended(&opt->exporter))
			rc = processes_update(&opt->exporter);
	}
	return rc;
}

int cmd_export(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.doc = "Export metrics for Prometheus, until interrupted.",
	};
	struct export_options opt = {
		.exporter.observe = OBSERVE_DEFAULTS,
	};
	struct observer signals = { .pidfd = -1, .signals = -1, .keys = -1 };
	struct http *http = NULL;
	int rc = EXIT_OK;

	opt.exporter.observe.patient = true;
	parse_options(&argp, argc, argv, &opt);
	if (!opt.interval)
		opt.interval = 15;
	observe_signals(&signals);
	if (opt.listen.text)
		rc = http_open(&http, &opt.listen, &opt.exporter);
	if (!rc)
		rc = serve(&opt, &signals, http);
	if (http)
		http_close(http);
	/* Values that do not change any more would look like a device that is idle */
	if (opt.written)
		unlink(opt.output);
	processes_free(&opt.exporter);
	return observe_end(&signals, rc);
}
