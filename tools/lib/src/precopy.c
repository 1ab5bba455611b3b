// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The rounds of a migration. Each round sends the dirty pages and reads those that
 * have become dirty meanwhile. When little is left, the devices are stopped and the
 * rest is sent.
 *
 * Pages that were read but not sent stay in the bitmaps, even after a failure or
 * when a run gives up: another run goes on from there. They are also marked in a
 * tracker, for a caller that reads the trackers itself from then on.
 */
#include <time.h>

#include "internal.h"

#define LIMIT_FLAGS	(IDIRTY_PRECOPY_FORCE | IDIRTY_PRECOPY_SPARSE)

/**
 * struct idirty_precopy - A migration
 * @trackers: The trackers, which must be running
 * @num: Number of trackers
 * @ranges: What to send, without overlaps
 * @bitmaps: For each range, the pages to send
 * @num_ranges: Number of ranges
 * @page_size: Bytes per bit
 * @round: Number of the last round
 * @least: Fewest bytes that a round of this run has left to send
 * @stalled: Number of rounds since then
 * @sent: Bytes sent in all rounds
 * @send_ns: Time spent sending them
 * @marked: The pages in the bitmaps were marked, and would be reported once more
 */
struct idirty_precopy {
	struct idirty_tracker **trackers;
	size_t num;
	struct idirty_range *ranges;
	uint8_t **bitmaps;
	size_t num_ranges;
	uint64_t page_size;
	unsigned int round;
	uint64_t least;
	unsigned int stalled;
	uint64_t sent;
	uint64_t send_ns;
	bool marked;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static int precopy_init(struct idirty_precopy *p, struct idirty_tracker *const *trackers,
			const struct idirty_range *ranges)
{
	size_t i;

	p->trackers = calloc(p->num + 1, sizeof(*p->trackers));
	p->ranges = calloc(p->num_ranges, sizeof(*p->ranges));
	p->bitmaps = calloc(p->num_ranges, sizeof(*p->bitmaps));
	if (!p->trackers || !p->ranges || !p->bitmaps)
		return -ENOMEM;
	memcpy(p->trackers, trackers, p->num * sizeof(*trackers));
	memcpy(p->ranges, ranges, p->num_ranges * sizeof(*ranges));
	for (i = 0; i < p->num_ranges; i++) {
		size_t bytes = idirty_bitmap_bytes(ranges[i].iova, ranges[i].length,
						   p->page_size);

		p->bitmaps[i] = malloc(bytes);
		if (!p->bitmaps[i])
			return -ENOMEM;
		/* The destination has nothing yet */
		memset(p->bitmaps[i], 0xff, bytes);
	}
	return 0;
}

static int new_precopy(struct idirty_tracker *const *trackers, size_t num,
		       const struct idirty_range *ranges, size_t num_ranges,
		       uint64_t page_size, struct idirty_precopy **precopy)
{
	struct idirty_precopy *p;
	size_t i;
	int rc;

	if (!num || !num_ranges)
		return blame(num ? "num_ranges" : "num", "is 0",
			     failed(IDIRTY_VERB_PRECOPY, -EINVAL));
	for (i = 0; i < num_ranges; i++) {
		rc = check_range(IDIRTY_VERB_PRECOPY, ranges[i].iova,
				 ranges[i].length, page_size);
		if (rc) {
			blame_ranges("ranges", ranges, num_ranges);
			return rc;
		}
	}
	p = calloc(1, sizeof(*p));
	if (!p)
		return failed(IDIRTY_VERB_PRECOPY, -ENOMEM);
	p->num = num;
	p->num_ranges = num_ranges;
	p->page_size = page_size;
	rc = precopy_init(p, trackers, ranges);
	if (rc) {
		idirty_precopy_free(p);
		return failed(IDIRTY_VERB_PRECOPY, rc);
	}
	*precopy = p;
	return 0;
}

int idirty_precopy_new(struct idirty_tracker *const *trackers, size_t num,
		       const struct idirty_range *ranges, size_t num_ranges,
		       uint64_t page_size, struct idirty_precopy **precopy)
{
	return report(new_precopy(trackers, num, ranges, num_ranges, page_size, precopy));
}

void idirty_precopy_free(struct idirty_precopy *precopy)
{
	size_t i;

	if (!precopy)
		return;
	for (i = 0; precopy->bitmaps && i < precopy->num_ranges; i++)
		free(precopy->bitmaps[i]);
	free(precopy->bitmaps);
	free(precopy->ranges);
	free(precopy->trackers);
	free(precopy);
}

static uint64_t range_pages(const struct idirty_precopy *p, size_t i)
{
	return idirty_bitmap_pages(p->ranges[i].iova, p->ranges[i].length, p->page_size);
}

/* Bytes left to send, according to the bitmaps */
static uint64_t pending(const struct idirty_precopy *p)
{
	uint64_t bytes = 0, pos;
	struct idirty_range run;
	size_t i;

	for (i = 0; i < p->num_ranges; i++) {
		pos = 0;
		while (idirty_bitmap_next_run(p->bitmaps[i], &p->ranges[i],
					      p->page_size, &pos, &run))
			bytes += run.length;
	}
	return bytes;
}

static void clear_bits(uint8_t *bitmap, uint64_t first, uint64_t end)
{
	for (; first < end; first++)
		bitmap[first / 8] &= ~(1U << (first % 8));
}

/* Records the error of a callback, unless the library has recorded the same one */
static int called_back(int rc)
{
	return rc && last_error()->code != -rc ? failed(IDIRTY_VERB_PRECOPY, rc) : rc;
}

/* Clears a bit only after its page was sent, so that a failure loses no page */
static int send_range(struct idirty_precopy *p, size_t i,
		      const struct idirty_precopy_ops *ops, void *arg)
{
	uint64_t pages = range_pages(p, i);
	struct idirty_range run;
	uint64_t pos = 0;
	int rc;

	while (idirty_bitmap_next_run(p->bitmaps[i], &p->ranges[i], p->page_size,
				      &pos, &run)) {
		uint64_t first = run.iova / p->page_size - p->ranges[i].iova / p->page_size;

		rc = called_back(ops->send(arg, run.iova, run.length));
		if (rc)
			return rc;
		clear_bits(p->bitmaps[i], first, pos < pages ? pos : pages);
		p->sent += run.length;
	}
	return 0;
}

static int send_all(struct idirty_precopy *p, const struct idirty_precopy_ops *ops,
		    void *arg)
{
	uint64_t begin = now_ns();
	size_t i;
	int rc = 0;

	for (i = 0; i < p->num_ranges && !rc; i++)
		rc = send_range(p, i, ops, arg);
	p->send_ns += now_ns() - begin;
	return rc;
}

static int read_all(struct idirty_precopy *p, const struct idirty_precopy_limits *limits)
{
	size_t i;
	int rc;

	for (i = 0; i < p->num_ranges; i++) {
		struct idirty_read_args read = {
			.flags = limits->flags & IDIRTY_PRECOPY_SPARSE ? IDIRTY_READ_SPARSE : 0,
			.iova = p->ranges[i].iova,
			.length = p->ranges[i].length,
			.page_size = p->page_size,
			.bitmap = p->bitmaps[i],
		};

		rc = read_trackers(p->trackers, p->num, &read, NULL);
		if (rc)
			return rc;
	}
	return 0;
}

/* Without trackers in the kernel, this fails, and the pages are in the bitmaps only */
static void mark_all(struct idirty_precopy *p)
{
	struct idirty_error why = *last_error();
	size_t i, t;

	for (i = 0; i < p->num_ranges; i++) {
		const struct idirty_mark_args mark = {
			.iova = p->ranges[i].iova,
			.length = p->ranges[i].length,
			.page_size = p->page_size,
			.bitmap = p->bitmaps[i],
		};

		/* One tracker is enough, as all of them are read */
		for (t = 0; t < p->num; t++)
			if (!mark_pages(p->trackers[t], &mark))
				break;
		if (t == p->num)
			note_error("only the next run has what was not sent");
	}
	p->marked = true;
	*last_error() = why;
}

/* Returns how many rounds in a row, up to this one, have gained nothing */
static unsigned int stalled(struct idirty_precopy *p, uint64_t dirty)
{
	p->stalled = dirty < p->least ? 0 : p->stalled + 1;
	if (dirty < p->least)
		p->least = dirty;
	return p->stalled;
}

static int do_round(struct idirty_precopy *p, const struct idirty_precopy_limits *limits,
		    const struct idirty_precopy_ops *ops, void *arg, struct idirty_round *r)
{
	uint64_t sent = p->sent, send_ns = p->send_ns, begin;
	int rc;

	p->round++;
	rc = send_all(p, ops, arg);
	if (rc)
		return rc;
	begin = now_ns();
	rc = read_all(p, limits);
	if (rc)
		return rc;
	*r = (struct idirty_round){
		.round = p->round,
		.sent_bytes = p->sent - sent,
		.send_ns = p->send_ns - send_ns,
		.read_ns = now_ns() - begin,
		.dirty_bytes = pending(p),
	};
	r->stalled = stalled(p, r->dirty_bytes);
	r->bandwidth = (double)p->sent * 1e9 / (p->send_ns ? p->send_ns : 1);
	/* One more READ, then the rest at the speed seen so far */
	r->downtime_ns = r->read_ns +
		(double)r->dirty_bytes * 1e9 / (r->bandwidth ? r->bandwidth : 1);
	return 0;
}

static enum idirty_decision propose(const struct idirty_precopy_limits *limits,
				    const struct idirty_round *r, unsigned int rounds)
{
	if (r->downtime_ns <= limits->downtime_ns)
		return IDIRTY_FINISH;
	if ((limits->rounds && rounds >= limits->rounds) ||
	    (limits->stalled && r->stalled >= limits->stalled))
		return limits->flags & IDIRTY_PRECOPY_FORCE ? IDIRTY_FINISH : IDIRTY_GIVE_UP;
	return IDIRTY_GO_ON;
}

static int finish(struct idirty_precopy *p, const struct idirty_precopy_limits *limits,
		  const struct idirty_precopy_ops *ops, void *arg)
{
	int rc = called_back(ops->quiesce(arg));

	if (!rc)
		rc = read_all(p, limits);
	if (!rc)
		rc = send_all(p, ops, arg);
	if (rc && ops->resume)
		ops->resume(arg);
	return rc;
}

/* Rounds until the decision, which is in *@result; on FINISH, all is sent after it */
static int run(struct idirty_precopy *p, const struct idirty_precopy_limits *limits,
	       const struct idirty_precopy_ops *ops, void *arg,
	       struct idirty_precopy_result *result)
{
	struct idirty_round r;
	uint64_t begin;
	int rc;

	/* Otherwise the first READ would report the marked pages after they were sent */
	rc = p->marked ? read_all(p, limits) : 0;
	p->marked = false;
	while (!rc && result->decision == IDIRTY_GO_ON) {
		rc = do_round(p, limits, ops, arg, &r);
		if (rc)
			break;
		result->rounds++;
		result->decision = propose(limits, &r, result->rounds);
		if (ops->decide)
			result->decision = ops->decide(arg, &r, result->decision);
	}
	if (rc || result->decision != IDIRTY_FINISH)
		return rc;
	begin = now_ns();
	rc = finish(p, limits, ops, arg);
	result->downtime_ns = now_ns() - begin;
	return rc;
}

static int run_migration(struct idirty_precopy *p, const struct idirty_precopy_limits *limits,
			 const struct idirty_precopy_ops *ops, void *arg,
			 struct idirty_precopy_result *result)
{
	uint64_t begin = now_ns(), sent = p->sent;
	int rc;

	if (limits->flags & ~LIMIT_FLAGS)
		return unknown_flags(IDIRTY_VERB_PRECOPY);
	if (!ops->send || !ops->quiesce)
		return blame(ops->send ? "quiesce" : "send", "is NULL",
			     failed(IDIRTY_VERB_PRECOPY, -EINVAL));
	p->least = UINT64_MAX;
	p->stalled = 0;
	rc = run(p, limits, ops, arg, result);
	if (rc || result->decision != IDIRTY_FINISH)
		mark_all(p);
	result->sent_bytes = p->sent - sent;
	result->total_ns = now_ns() - begin;
	return rc;
}

int idirty_precopy_run(struct idirty_precopy *precopy,
		       const struct idirty_precopy_limits *limits,
		       const struct idirty_precopy_ops *ops, void *arg,
		       struct idirty_precopy_result *result)
{
	struct idirty_precopy_limits own_limits;
	struct idirty_precopy_result out;
	struct idirty_precopy_ops own_ops;
	int rc;

	rc = args_copy(IDIRTY_VERB_PRECOPY, &own_limits, sizeof(own_limits), LIMITS_1_0, limits);
	if (!rc)
		rc = args_copy(IDIRTY_VERB_PRECOPY, &own_ops, sizeof(own_ops), OPS_1_0, ops);
	if (!rc)
		rc = args_copy(IDIRTY_VERB_PRECOPY, &out, sizeof(out), RESULT_1_0, result);
	if (rc)
		return report(rc);
	out.decision = IDIRTY_GO_ON;
	out.rounds = 0;
	out.downtime_ns = 0;
	rc = run_migration(precopy, &own_limits, &own_ops, arg, &out);
	if (!rc)
		args_return(result, &out, sizeof(out));
	return report(rc);
}
