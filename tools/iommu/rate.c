// SPDX-License-Identifier: GPL-2.0-only
/*
 * rate: how fast devices dirty memory, over one period.
 */
#include <errno.h>
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

struct watched rate_total(const struct observer *o)
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

json_t *rate_to_json(const struct observer *o, uint64_t page_size)
{
	struct watched all = rate_total(o);
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

void rate_head(bool stamp)
{
	printf("%s%8s %8s %12s %12s %10s\n", stamp ? "time     " : "", "ioas", "devices", "pages",
	       "MiB", "MiB/s");
}

void rate_print(const struct observer *o, uint64_t page_size, bool stamp)
{
	struct watched all = rate_total(o);
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

int rate_scan(struct observer *o, uint64_t page_size)
{
	size_t i, gone = 0;
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
		/* The others have been made clean, or will be: what they have must be shown */
		if (rc == -ESRCH) {
			observe_gone(w);
			gone++;
		} else if (rc && rc != -ENXIO) {
			return complain(EXIT_FAILED, "IOAS %s: %s", w->name, w->reason);
		}
	}
	return gone && observe_untracked(o) == o->num ? -ESRCH : 0;
}

int cmd_rate(int argc, char **argv)
{
	static const struct argp argp = {
		.children = children,
		.doc = "How fast devices dirty memory.",
	};
	struct observe_options opt = OBSERVE_DEFAULTS;
	struct observer o;
	int rc;

	parse_options(&argp, argc, argv, &opt);
	rc = observe_open(&o, &opt);
	if (rc)
		return rc;
	if (!opt.json)
		rate_head(false);
	rc = observe_wait(&o, seconds_now() + opt.duration);
	if (!rc)
		rc = rate_scan(&o, opt.page_size);
	observe_tell(&o);
	if (!rc && opt.json)
		print_json(rate_to_json(&o, opt.page_size), true);
	else if (!rc)
		rate_print(&o, opt.page_size, false);
	if (!rc)
		rc = observe_result(&o);
	return observe_end(&o, rc);
}
