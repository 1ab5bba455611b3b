// SPDX-License-Identifier: GPL-2.0-only
/*
 * rate: how fast devices dirty memory, over one period. watch: the same, period after
 * period, until interrupted.
 */
#include <errno.h>
#include <string.h>

#include "iommu-dirty.h"

/* Without a parser, parse_options() hands its input to the child */
static const struct argp_child children[] = { { &observe_argp, 0, NULL, 0 }, { 0 } };

static int count(void *arg, const struct idirty_range *run)
{
	*(uint64_t *)arg += run->length;
	return 0;
}

static void tell_untracked(const struct watched *w, json_t *all)
{
	if (all)
		json_array_append_new(all, json_pack("{s:o*, s:I, s:o, s:s}", "fd",
						     fd_to_json(w->fd), "ioas",
						     (json_int_t)w->ioas, "devices",
						     json_incref(w->devices), "error",
						     w->reason));
	else
		printf("%8s %8zu not tracked: %s\n", w->name, json_array_size(w->devices),
		       w->reason);
}

static json_t *to_json(const struct watched *w, uint64_t bytes, uint64_t page_size,
		       double seconds)
{
	return json_pack("{s:o*, s:I, s:o, s:I, s:I, s:f}", "fd", fd_to_json(w->fd),
			 "ioas", (json_int_t)w->ioas, "devices", json_incref(w->devices), "pages",
			 (json_int_t)((bytes + page_size - 1) / page_size),
			 "bytes", (json_int_t)bytes, "mib_per_second",
			 bytes / seconds / (1 << 20));
}

static void head(void)
{
	printf("%8s %8s %12s %12s %10s\n", "ioas", "devices", "pages", "MiB", "MiB/s");
}

/*
 * Waits until the period that started at @begin ends, then prints each IOAS. Returns
 * -ESRCH or an exit code.
 */
static int measure(struct observer *o, const struct observe_options *opt, double begin)
{
	json_t *all;
	size_t i;
	int rc;

	rc = observe_wait(o, begin + opt->duration);
	if (rc)
		return rc;
	all = opt->json ? json_array() : NULL;
	for (i = 0; i < o->num; i++) {
		struct watched *w = &o->watched[i];
		uint64_t bytes = 0;
		double seconds;

		if (*w->reason) {
			tell_untracked(w, all);
			continue;
		}
		rc = observe_scan(w, opt->page_size, count, &bytes);
		if (rc && rc != -ESRCH)
			complain(0, "IOAS %s: %s", w->name, w->reason);
		if (rc == -ENXIO) {
			tell_untracked(w, all);
			continue;
		}
		if (rc) {
			json_decref(all);
			return rc == -ESRCH ? rc : EXIT_FAILED;
		}
		seconds = seconds_now() - begin;
		if (opt->json)
			json_array_append_new(all, to_json(w, bytes, opt->page_size, seconds));
		else
			printf("%8s %8zu %12llu %12.1f %10.1f\n", w->name,
			       json_array_size(w->devices),
			       (unsigned long long)((bytes + opt->page_size - 1) / opt->page_size),
			       bytes / 1048576.0, bytes / seconds / 1048576);
	}
	if (opt->json)
		print_json(json_pack("{s:I, s:f, s:o}", "page_size", (json_int_t)opt->page_size,
				     "seconds", opt->duration, "address_spaces", all));
	/* main() says why */
	return fflush(stdout) ? EXIT_FAILED : EXIT_OK;
}

/* Measures once, or until interrupted. Fails if something that writes is not tracked */
static int run(int argc, char **argv, const struct argp *argp, bool forever)
{
	struct observe_options opt = OBSERVE_DEFAULTS;
	struct observer o;
	int rc;

	parse_options(argp, argc, argv, &opt);
	rc = observe_open(&o, &opt);
	if (rc)
		return rc;
	if (!opt.json)
		head();
	do
		rc = measure(&o, &opt, seconds_now());
	while (!rc && forever);
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
