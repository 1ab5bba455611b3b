// SPDX-License-Identifier: GPL-2.0-only
/*
 * rate: how fast devices dirty memory, over one period. watch: the same, period after
 * period, until interrupted.
 */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "iommu-dirty.h"

/* Without a parser, parse_options() hands its input to the child */
static const struct argp_child children[] = { { &observe_argp, 0, NULL, 0 }, { 0 } };

static int count(void *arg, const struct idirty_range *run)
{
	*(uint64_t *)arg += run->length;
	return 0;
}

static json_t *space_to_json(const struct watched *w, uint64_t page_size)
{
	json_t *json = json_pack("{s:o*, s:I, s:O}", "fd", fd_to_json(w->fd), "ioas",
				 (json_int_t)w->ioas, "devices", w->devices);

	if (*w->reason) {
		json_object_set_new(json, "error", json_string(w->reason));
		return json;
	}
	json_object_set_new(json, "pages", json_integer((w->bytes + page_size - 1) / page_size));
	json_object_set_new(json, "bytes", json_integer(w->bytes));
	json_object_set_new(json, "seconds", json_real(w->seconds));
	json_object_set_new(json, "mib_per_second", json_real(w->bytes / w->seconds / (1 << 20)));
	return json;
}

/* What all tracked IOASes have, in the form of one */
static struct watched sum(const struct observer *o)
{
	struct watched all = { .name = "total" };
	double rate = 0;
	size_t i;

	for (i = 0; i < o->num; i++) {
		const struct watched *w = &o->watched[i];

		if (*w->reason)
			continue;
		all.bytes += w->bytes;
		rate += w->bytes / w->seconds;
	}
	/* Periods differ slightly, and rates can be added */
	all.seconds = rate ? all.bytes / rate : 1;
	return all;
}

static json_t *to_json(const struct observer *o, uint64_t page_size)
{
	struct watched all = sum(o);
	json_t *spaces = json_array();
	size_t i;

	for (i = 0; i < o->num; i++)
		json_array_append_new(spaces, space_to_json(&o->watched[i], page_size));
	return json_pack("{s:i, s:o, s:I, s:o, s:{s:I, s:f}}", "iommu-dirty-rate", 1, "time",
			 time_to_json(), "page_size", (json_int_t)page_size, "address_spaces",
			 spaces, "total", "bytes", (json_int_t)all.bytes, "mib_per_second",
			 all.bytes / all.seconds / (1 << 20));
}

static void print_space(const struct watched *w, size_t devices, uint64_t page_size,
			const char *prefix)
{
	fputs(prefix, stdout);
	if (*w->reason)
		printf("%8s %8zu not tracked: %s\n", w->name, devices, w->reason);
	else
		printf("%8s %8zu %12llu %12.1f %10.1f\n", w->name, devices,
		       (unsigned long long)((w->bytes + page_size - 1) / page_size),
		       w->bytes / 1048576.0, w->bytes / w->seconds / 1048576);
}

/* @stamp: with the time of day in front of each line */
static void print(const struct observer *o, uint64_t page_size, bool stamp)
{
	struct watched all = sum(o);
	time_t now = time(NULL);
	char prefix[16] = "";
	size_t devices = 0, i;

	if (stamp)
		strftime(prefix, sizeof(prefix), "%T ", localtime(&now));
	for (i = 0; i < o->num; i++) {
		const struct watched *w = &o->watched[i];

		print_space(w, json_array_size(w->devices), page_size, prefix);
		devices += json_array_size(w->devices);
	}
	if (o->num > 1)
		print_space(&all, devices, page_size, prefix);
}

/* Scans all IOASes, which ends their periods; returns 0, -ESRCH or EXIT_FAILED */
static int scan(struct observer *o, uint64_t page_size)
{
	size_t i;
	int rc;

	for (i = 0; i < o->num; i++) {
		struct watched *w = &o->watched[i];
		double now = seconds_now();

		if (*w->reason)
			continue;
		w->bytes = 0;
		/* What is written during a scan may be found by it or by the next one */
		w->seconds = now - w->since;
		w->since = now;
		rc = observe_scan(w, page_size, count, &w->bytes);
		if (rc == -ESRCH)
			return rc;
		if (rc)
			complain(0, "IOAS %s: %s", w->name, w->reason);
		if (rc && rc != -ENXIO)
			return EXIT_FAILED;
	}
	return 0;
}

/* Measures once, or until interrupted. Fails if something that writes is not tracked */
static int run(int argc, char **argv, const struct argp *argp, bool forever)
{
	struct observe_options opt = OBSERVE_DEFAULTS;
	struct observer o;
	double next;
	int rc;

	parse_options(argp, argc, argv, &opt);
	rc = observe_open(&o, &opt);
	if (rc)
		return rc;
	if (!opt.json)
		printf("%s%8s %8s %12s %12s %10s\n", forever ? "time     " : "", "ioas", "devices",
		       "pages", "MiB", "MiB/s");
	next = seconds_now();
	do {
		/* Skip periods that have passed */
		next = fmax(next + opt.duration, seconds_now());
		rc = observe_wait(&o, next);
		if (!rc)
			rc = scan(&o, opt.page_size);
		if (rc)
			break;
		if (opt.json)
			print_json(to_json(&o, opt.page_size), !forever);
		else
			print(&o, opt.page_size, forever);
		/* main() says why */
		rc = fflush(stdout) ? EXIT_FAILED : EXIT_OK;
	} while (!rc && forever);
	if (!rc)
		rc = observe_result(&o);
	return observe_end(&o, rc);
}

int cmd_rate(int argc, char **argv)
{
	static const struct argp argp = {
		.children = children,
		.doc = "How fast devices dirty memory.",
	};

	return run(argc, argv, &argp, false);
}

int cmd_watch(int argc, char **argv)
{
	static const struct argp argp = {
		.children = children,
		.doc = "How fast devices dirty memory, every --duration, until interrupted.",
	};

	return run(argc, argv, &argp, true);
}
