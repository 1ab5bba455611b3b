// SPDX-License-Identifier: GPL-2.0-only
/*
 * record: writes what gets dirty, sample by sample, to a file.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "iommu-dirty.h"

struct record_options {
	struct observe_options observe;
	const char *output;
	double interval;
};

static const struct argp_option options[] = {
	{ "output", 'o', "FILE", 0, "the record, compressed as FILE.gz; -: standard output", 0 },
	{ "interval", 'i', "TIME", 0, "from one sample to the next (100ms)", 0 },
	{ 0 }
};

static const struct argp_child children[] = { { &observe_argp, 0, NULL, 0 }, { 0 } };

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct record_options *opt = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &opt->observe;
		break;
	case 'o':
		opt->output = arg;
		break;
	case 'i':
		opt->interval = parse_time(state, arg, 0.001, 1e6);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static int append(void *arg, const struct idirty_range *run)
{
	struct sample *s = arg;
	struct idirty_range *more;

	/* The array grows in powers of two */
	if (!(s->num_runs & (s->num_runs + 1))) {
		more = realloc(s->runs, (2 * s->num_runs + 2) * sizeof(*more));
		if (!more)
			return -ENOMEM;
		s->runs = more;
	}
	s->runs[s->num_runs++] = *run;
	return 0;
}

/* Returns 0, -ESRCH, or an exit code after a complaint */
static int take(FILE *f, struct watched *w, const struct record_options *opt, double begin)
{
	struct sample sample = { .fd = w->fd, .ioas = w->ioas };
	int rc = observe_scan(w, opt->observe.page_size, append, &sample);

	sample.time = seconds_now() - begin;
	if (!rc) {
		rc = record_write_sample(f, &sample);
		if (rc)
			rc = complain(EXIT_FAILED, "%s: %s", opt->output, strerror(-rc));
	} else if (rc != -ESRCH) {
		/* If some of what it has reported is not dirty, the others go on */
		rc = complain(rc == -ENXIO ? 0 : EXIT_FAILED, "IOAS %s: %s", w->name,
			      *w->reason ? w->reason : strerror(-rc));
	}
	free(sample.runs);
	return rc;
}

static int record_all(FILE *f, struct observer *o, const struct record_options *opt)
{
	double begin = seconds_now(), next = begin;
	unsigned int samples = 0;
	size_t i, untracked;
	int rc;

	rc = record_write_header(f, opt->observe.page_size, observe_to_json(o));
	if (rc)
		return complain(EXIT_FAILED, "%s: %s", opt->output, strerror(-rc));
	while (!rc && seconds_now() - begin < opt->observe.duration) {
		/* Skip samples that would be late */
		next = fmax(next + opt->interval, seconds_now());
		rc = observe_wait(o, next);
		for (i = 0; !rc && i < o->num; i++)
			if (!*o->watched[i].reason)
				rc = take(f, &o->watched[i], opt, begin);
		samples++;
	}
	/* What has been recorded until the process ended, or a signal came, is good */
	if (rc && rc != -ESRCH && rc != -EINTR)
		return rc;
	untracked = observe_untracked(o);
	/* Standard output may have the record */
	if (!strcmp(opt->output, "-"))
		complain(0, "%u samples of %zu address spaces", samples, o->num - untracked);
	else if (opt->observe.json)
		print_json(json_pack("{s:o, s:i, s:i, s:i}", "file", text_to_json(opt->output),
				     "samples", samples,
				     "address_spaces", (int)(o->num - untracked),
				     "untracked", (int)untracked), true);
	else
		printf("%s: %u samples of %zu address spaces\n", opt->output, samples,
		       o->num - untracked);
	fflush(stdout);
	return rc == -ESRCH ? rc : observe_result(o);
}

int cmd_record(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.children = children,
		.doc = "Write what gets dirty, and when, to a file.",
	};
	struct record_options opt = {
		.observe = OBSERVE_DEFAULTS,
		.output = "iommu-dirty.rec",
		.interval = 0.1,
	};
	struct observer o;
	FILE *f;
	int rc;

	parse_options(&argp, argc, argv, &opt);
	rc = observe_open(&o, &opt.observe);
	if (rc)
		return rc;
	f = record_open(opt.output, true);
	observe_signals(&o);
	if (!f) {
		rc = complain(EXIT_FAILED, "%s: %s", opt.output, strerror(errno));
	} else {
		rc = record_all(f, &o, &opt);
		if (fclose(f) && !rc)
			rc = complain(EXIT_FAILED, "%s: %s", opt.output, strerror(errno));
	}
	return observe_end(&o, rc);
}
