// SPDX-License-Identifier: GPL-2.0-only
/*
 * watch: how fast devices dirty memory, period after period: a view on a terminal, else
 * lines or JSON. Address spaces and devices may come and go.
 */
#include <errno.h>
#include <math.h>
#include <unistd.h>

#include "iommu-dirty.h"

/* Without a parser, parse_options() hands its input to the child */
static const struct argp_child children[] = { { &observe_argp, 0, NULL, 0 }, { 0 } };

/* Returns 0, or an exit code, or -ESRCH, or -EINTR if the user has had enough */
static int one_period(struct observer *o, const struct observe_options *opt, double end,
		      bool screen)
{
	int rc = observe_refresh(o, opt);

	if (rc)
		return rc;
	while ((rc = observe_wait(o, end)) == -EINTR)
		if (screen_quit())
			return rc;
	if (rc)
		return rc;
	rc = rate_scan(o, opt->page_size);
	/* All that was tracked is gone, and the next period is without it */
	if (rc == -ESRCH && opt->fd < 0)
		return 0;
	if (rc)
		return rc;
	if (screen) {
		screen_show(o, opt);
		return 0;
	}
	observe_tell(o);
	if (opt->json)
		print_json(rate_to_json(o, opt->page_size), false);
	else
		rate_print(o, opt->page_size, true);
	/* main() says why */
	return fflush(stdout) ? EXIT_FAILED : 0;
}

int cmd_watch(int argc, char **argv)
{
	static const struct argp argp = {
		.children = children,
		.doc = "How fast devices dirty memory, every --duration, until interrupted.",
	};
	struct observe_options opt = OBSERVE_DEFAULTS;
	struct observer o;
	bool screen;
	double next;
	int rc;

	parse_options(&argp, argc, argv, &opt);
	rc = observe_open(&o, &opt);
	if (rc)
		return rc;
	screen = !opt.json && screen_open();
	if (screen)
		o.keys = STDIN_FILENO;
	else if (!opt.json)
		rate_head(true);
	next = seconds_now();
	do {
		/* Skip periods that have passed */
		next = fmax(next + opt.duration, seconds_now());
		rc = one_period(&o, &opt, next, screen);
	} while (!rc);
	if (screen)
		screen_close();
	return observe_end(&o, rc == -EINTR ? observe_result(&o) : rc);
}
