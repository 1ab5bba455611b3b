// SPDX-License-Identifier: GPL-2.0-only
/*
 * Chooses a tracker and a page size for an IOAS, from the measurements alone. A round
 * of a migration costs a READ and sending what was dirty. A choice that slows the
 * device down too much is excluded, unless all choices do.
 */
#include <stdarg.h>
#include <string.h>

#include "advise.h"

/* Rounds that differ by less are equal: then the smaller bitmap decides */
#define EQUAL	1.05

struct choice {
	const struct advise_tracker *tracker;
	const struct advise_row *row;
	double cost;	/* seconds per round */
	bool good;	/* not excluded for slowing the device down */
};

double advise_round(const struct advise_row *row, const struct advise_limits *limits)
{
	return row->read_ns / 1e9 + row->sent_bytes / limits->bandwidth;
}

/* The fraction of its throughput that the device loses; 0 if unknown */
static double slowdown(const struct choice *c)
{
	if (c->tracker->throughput <= 0 || c->row->throughput <= 0)
		return 0;
	return 1 - c->row->throughput / c->tracker->throughput;
}

/* The larger page size if both are about as fast as @fastest, else the faster one */
static bool is_better(const struct choice *a, const struct choice *b, double fastest)
{
	bool a_equal = a->cost <= fastest * EQUAL, b_equal = b->cost <= fastest * EQUAL;

	if (a_equal && b_equal && a->row->page_size != b->row->page_size)
		return a->row->page_size > b->row->page_size;
	return a->cost < b->cost;
}

bool advise_same_ioas(const struct advise_tracker *a, const struct advise_tracker *b)
{
	return a->fd == b->fd && a->ioas == b->ioas;
}

static size_t collect(const struct advise_result *result, const struct advise_tracker *of,
		      const struct advise_limits *limits, struct choice *choices)
{
	size_t num = 0, i, j;

	for (i = 0; i < result->num; i++) {
		const struct advise_tracker *t = &result->trackers[i];

		if (!advise_same_ioas(t, of) || !t->covers_all)
			continue;
		for (j = 0; j < t->num_rows; j++)
			choices[num++] = (struct choice){
				.tracker = t,
				.row = &t->rows[j],
				.cost = advise_round(&t->rows[j], limits),
			};
	}
	return num;
}

/* Appends to the reason */
static void say(struct advice *advice, const char *format, ...)
{
	size_t len = strlen(advice->reason);
	va_list args;

	va_start(args, format);
	vsnprintf(advice->reason + len, sizeof(advice->reason) - len, format, args);
	va_end(args);
}

static void nothing(const struct advise_result *result, const struct advise_tracker *of,
		    struct advice *advice)
{
	size_t i;

	for (i = 0; i < result->num; i++) {
		const struct advise_tracker *t = &result->trackers[i];

		if (advise_same_ioas(t, of) && t->covers_all) {
			say(advice, "%s", t->reason);
			return;
		}
	}
	say(advice, "no tracker covers all of it");
}

/* The recommendation, and what it is compared with */
struct picks {
	const struct choice *best;	/* is recommended */
	const struct choice *fastest;
	const struct choice *worst;	/* of the same tracker */
	const struct choice *other;	/* the best of the other trackers, or NULL */
};

static void explain(const struct advise_result *result, const struct advise_limits *limits,
		    const struct picks *p, struct advice *advice)
{
	const struct advise_row *row = p->best->row;

	if (!row->sent_bytes)
		say(advice, "nothing was dirty after an interval; a READ takes %.3f ms",
		    row->read_ns / 1e6);
	else
		say(advice, "a round takes %.3f ms, %.3f for the READ and %.3f to send %.1f MiB",
		    p->best->cost * 1e3, row->read_ns / 1e6,
		    row->sent_bytes / limits->bandwidth * 1e3, row->sent_bytes / 1048576.0);
	if (p->worst->cost > p->best->cost * EQUAL)
		say(advice, "; with %s it is %.1f times that", size_text(p->worst->row->page_size),
		    p->worst->cost / p->best->cost);
	if (p->other)
		say(advice, "; by %s it is %.1f times that at best", p->other->tracker->name,
		    p->other->cost / p->best->cost);
	if (row->page_size != p->fastest->row->page_size)
		say(advice, "; %s is not faster by 5 %%, and its bitmap is larger",
		    size_text(p->fastest->row->page_size));
	if (p->best->cost > result->interval)
		say(advice, "; that exceeds the interval, %g s: %.0f MiB/s is too little",
		    result->interval, limits->bandwidth / 1048576);
}

void advise_recommend(const struct advise_result *result, const struct advise_tracker *of,
		      const struct advise_limits *limits, struct advice *advice)
{
	struct choice choices[result->num * ADVISE_ROWS + 1];
	size_t num = collect(result, of, limits, choices), slow = 0, i;
	struct picks p = {};
	bool all_slow;

	*advice = (struct advice){};
	if (!num) {
		nothing(result, of, advice);
		return;
	}
	for (i = 0; i < num; i++)
		slow += slowdown(&choices[i]) > limits->slowdown;
	all_slow = slow == num;
	for (i = 0; i < num; i++) {
		choices[i].good = all_slow || slowdown(&choices[i]) <= limits->slowdown;
		if (choices[i].good && (!p.fastest || choices[i].cost < p.fastest->cost))
			p.fastest = &choices[i];
	}
	for (i = 0; i < num; i++)
		if (choices[i].good &&
		    (!p.best || is_better(&choices[i], p.best, p.fastest->cost)))
			p.best = &choices[i];
	for (i = 0; i < num; i++) {
		const struct choice **which =
			choices[i].tracker == p.best->tracker ? &p.worst : &p.other;
		double sign = which == &p.worst ? 1 : -1;

		if (choices[i].good &&
		    (!*which || sign * choices[i].cost > sign * (*which)->cost))
			*which = &choices[i];
	}
	advice->tracker = p.best->tracker;
	advice->row = p.best->row;
	explain(result, limits, &p, advice);
	if (all_slow)
		say(advice, "; the device loses %.0f %%, and with all choices more than %.0f %%",
		    slowdown(p.best) * 100, limits->slowdown * 100);
	else if (slow)
		say(advice, "; %zu of %zu choices are left out: the device loses more than %.0f %%",
		    slow, num, limits->slowdown * 100);
}
