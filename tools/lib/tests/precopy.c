// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Tests a migration with a device that writes while pages are sent. At the end, what was
 * sent last of each page must match the page.
 */
#include "fake.h"
#include "internal.h"

static unsigned int now[FAKE_PAGES], there[FAKE_PAGES];
static unsigned int writes_per_send, fail_at, sends, resumed;
static bool stopped, fail_when_stopped;
static unsigned int ns_per_byte;
static struct idirty_round last;

static void device_writes(unsigned int n)
{
	static unsigned int page, value;

	while (n--) {
		page = (page * 5 + 3) % FAKE_PAGES;
		now[page] = ++value;
		fake_write(page);
	}
}

static int send_run(void *arg, uint64_t iova, uint64_t length)
{
	unsigned int page = (iova - FAKE_IOVA) / 4096;

	(void)arg;
	if (++sends == fail_at || (stopped && fail_when_stopped))
		return -EPIPE;
	fake_now_ns += length * ns_per_byte;
	for (; length; length -= 4096, page++)
		there[page] = now[page];
	if (!stopped)
		device_writes(writes_per_send);
	return 0;
}

static enum idirty_decision decide(void *arg, const struct idirty_round *round,
				   enum idirty_decision proposed)
{
	unsigned int *rounds = arg;

	expect(round->round == ++*rounds);
	expect(round->dirty_bytes % 4096 == 0);
	last = *round;
	return proposed;
}

static int quiesce(void *arg)
{
	(void)arg;
	device_writes(5);
	stopped = true;
	return 0;
}

static void resume(void *arg)
{
	(void)arg;
	stopped = false;
	resumed++;
}

static const struct idirty_precopy_ops ops = { sizeof(ops), send_run, decide, quiesce, resume };

/* READ takes 1 ms for each of two ranges; sending takes 1 ns per byte, later 3 ns */
static void estimate(struct idirty_tracker *t, const struct idirty_range *ranges)
{
	/* Bytes that the device writes while the two ranges are sent */
	const uint64_t dirty = 2 * 700 * 4096;
	const uint64_t down = 2000000 + FAKE_SIZE + 2000000 + dirty;
	struct idirty_precopy_limits limits = { .size = sizeof(limits), .rounds = 1 };
	struct idirty_precopy_result result = { .size = sizeof(result) };
	struct idirty_precopy *p;
	unsigned int rounds = 0;

	expect(!idirty_precopy_new(&t, 1, ranges, 2, 4096, &p));
	fake_read_ns = 1000000;
	ns_per_byte = 1;
	writes_per_send = 700;
	limits.downtime_ns = 2000000 + dirty - 1;
	expect(!idirty_precopy_run(p, &limits, &ops, &rounds, &result));
	expect(result.decision == IDIRTY_GIVE_UP && result.total_ns == FAKE_SIZE + 2000000);
	expect(last.sent_bytes == FAKE_SIZE && last.send_ns == FAKE_SIZE);
	expect(last.read_ns == 2000000 && last.dirty_bytes == dirty);
	expect(last.bandwidth == 1000000000 && last.downtime_ns == limits.downtime_ns + 1);

	/* The bandwidth is that of all bytes sent so far; the device writes no more */
	ns_per_byte = 3;
	writes_per_send = 0;
	limits.downtime_ns = 2000000;
	expect(!idirty_precopy_run(p, &limits, &ops, &rounds, &result));
	expect(last.sent_bytes == dirty && last.send_ns == 3 * dirty && !last.dirty_bytes);
	expect(last.bandwidth == (uint64_t)((FAKE_SIZE + dirty) * 1e9 / (FAKE_SIZE + 3 * dirty)));
	expect(result.decision == IDIRTY_FINISH);
	/* quiesce() writes five pages */
	expect(result.downtime_ns == 2000000 + 3 * 5 * 4096);
	idirty_precopy_free(p);
	stopped = false;

	/* Exactly the allowed downtime */
	expect(!idirty_precopy_new(&t, 1, ranges, 2, 4096, &p));
	ns_per_byte = 1;
	writes_per_send = 700;
	limits.downtime_ns = 2000000 + dirty;
	rounds = 0;
	expect(!idirty_precopy_run(p, &limits, &ops, &rounds, &result));
	expect(result.decision == IDIRTY_FINISH && result.rounds == 1);
	expect(result.downtime_ns == limits.downtime_ns + 5 * 4096);
	expect(result.total_ns == down + 5 * 4096);
	idirty_precopy_free(p);
	stopped = false;
	ok("estimates");
}

/* A run that breaks has sent the first range; the next run sends the second one, once */
static void sends_once(struct idirty_tracker *t, const struct idirty_range *ranges)
{
	struct idirty_precopy_limits limits = { .size = sizeof(limits),
						.downtime_ns = UINT64_MAX };
	const struct idirty_precopy_ops idle = { sizeof(idle), send_run, NULL, quiesce, resume };
	struct idirty_precopy_result result = { .size = sizeof(result) };
	struct idirty_precopy *p;

	writes_per_send = 0;
	fail_at = sends + 2;
	expect(!idirty_stop(t) && !idirty_start(t, 0, NULL, 0, NULL));
	expect(!idirty_precopy_new(&t, 1, ranges, 2, 4096, &p));
	expect(idirty_precopy_run(p, &limits, &idle, NULL, &result) == -EPIPE);
	fail_at = 0;
	expect(!idirty_precopy_run(p, &limits, &idle, NULL, &result));
	/* quiesce() writes five pages */
	expect(result.decision == IDIRTY_FINISH && result.rounds == 1);
	expect(result.sent_bytes == FAKE_SIZE / 2 + 5 * 4096);
	idirty_precopy_free(p);
	ok("sends what was marked once");
}

/* HWPTs cannot be marked: the error is that of the run, and the next run loses nothing */
static void without_trackers(const struct idirty_range *ranges)
{
	const struct idirty_precopy_ops idle = { sizeof(idle), send_run, NULL, quiesce, resume };
	struct idirty_precopy_limits limits = { .size = sizeof(limits),
						.downtime_ns = UINT64_MAX };
	struct idirty_target target = IDIRTY_TARGET(FAKE_IOAS);
	const uint32_t hwpt = FAKE_HWPT;
	struct idirty_precopy_result result = { .size = sizeof(result) };
	struct idirty_precopy *p;
	struct idirty_tracker *t;
	struct idirty *ctx;

	fake_reset();
	fake_has_trackers = false;
	stopped = false;
	target.num_hwpts = 1;
	target.hwpts = &hwpt;
	expect(!idirty_open(5, &ctx));
	expect(!idirty_alloc(ctx, &target, &t) && !idirty_start(t, 0, NULL, 0, NULL));
	expect(!idirty_precopy_new(&t, 1, ranges, 2, 4096, &p));
	writes_per_send = 3;
	fail_at = sends + 2;
	expect(idirty_precopy_run(p, &limits, &idle, NULL, &result) == -EPIPE);
	expect(idirty_last_error()->code == EPIPE);
	fail_at = 0;
	expect(!idirty_precopy_run(p, &limits, &idle, NULL, &result));
	expect(!memcmp(now, there, sizeof(now)));
	idirty_precopy_free(p);
	expect(!idirty_destroy(t));
	idirty_close(ctx);
	ok("without trackers");
}

int main(void)
{
	struct idirty_range ranges[] = {
		{ FAKE_IOVA, FAKE_SIZE / 2 }, { FAKE_IOVA + FAKE_SIZE / 2, FAKE_SIZE / 2 },
	};
	struct idirty_precopy_limits limits = { .size = sizeof(limits),
						.downtime_ns = 0, .rounds = 3 };
	struct idirty_target target = IDIRTY_TARGET(FAKE_IOAS);
	struct idirty_precopy_result result = { .size = sizeof(result) };
	static uint8_t bitmap[FAKE_PAGES / 8];
	struct idirty_read_args read = { .size = sizeof(read),
					 .flags = IDIRTY_READ_NO_CLEAR, .iova = FAKE_IOVA,
					 .length = FAKE_SIZE, .page_size = 4096, .bitmap = bitmap };
	unsigned int rounds = 0, page;
	struct idirty_precopy *p;
	struct idirty_tracker *t;
	struct idirty *ctx;

	fake_reset();
	expect(!idirty_open(5, &ctx));
	expect(!idirty_alloc(ctx, &target, &t) && !idirty_start(t, 0, NULL, 0, NULL));
	expect(idirty_precopy_new(&t, 1, ranges, 0, 4096, &p) == -EINVAL);
	expect(idirty_precopy_new(&t, 1, ranges, 2, 1000, &p) == -EINVAL);
	estimate(t, ranges);
	expect(!idirty_precopy_new(&t, 1, ranges, 2, 4096, &p));

	/* The migration does not converge and gives up, but keeps all dirty pages */
	writes_per_send = 700;
	expect(!idirty_precopy_run(p, &limits, &ops, &rounds, &result));
	expect(result.decision == IDIRTY_GIVE_UP && result.rounds == 3 && !stopped);
	expect(memcmp(now, there, sizeof(now)));
	ok("gives up");

	/* The same with a limit on rounds without progress, instead of on all rounds */
	limits.rounds = 0;
	limits.stalled = 4;
	expect(!idirty_precopy_run(p, &limits, &ops, &rounds, &result));
	expect(result.decision == IDIRTY_GIVE_UP && last.stalled == 4 && !stopped);
	expect(result.rounds > 4 && result.rounds < 20);
	/* A new run starts from 0. Without the limit, stalled rounds are only reported */
	limits.stalled = 0;
	limits.rounds = 1;
	expect(!idirty_precopy_run(p, &limits, &ops, &rounds, &result));
	expect(result.decision == IDIRTY_GIVE_UP && !last.stalled);
	limits.rounds = 20;
	expect(!idirty_precopy_run(p, &limits, &ops, &rounds, &result));
	expect(result.rounds == 20 && last.stalled > 4);
	ok("stalls");

	/* If the connection breaks while the device is stopped, the device is resumed */
	limits.flags = IDIRTY_PRECOPY_FORCE;
	limits.rounds = 1;
	writes_per_send = 1;
	fail_when_stopped = true;
	expect(idirty_precopy_run(p, &limits, &ops, &rounds, &result) == -EPIPE);
	expect(resumed == 1 && !stopped);
	expect(idirty_last_error()->code == EPIPE &&
	       idirty_last_error()->verb == IDIRTY_VERB_PRECOPY);
	ok("breaks when stopped");

	/* The connection breaks during a round */
	fail_when_stopped = false;
	fail_at = sends + 2;
	expect(idirty_precopy_run(p, &limits, &ops, &rounds, &result) == -EPIPE);
	expect(resumed == 1);
	rounds++;
	ok("breaks in a round");

	/* Whoever reads the tracker then gets everything that was not sent */
	expect(!idirty_read(&t, 1, &read, NULL));
	for (page = 0; page < FAKE_PAGES; page++)
		expect(now[page] == there[page] || idirty_bitmap_test(bitmap, page));
	expect(read.out_pages < FAKE_PAGES);
	ok("marks what was not sent");

	fail_at = 0;
	expect(!idirty_precopy_run(p, &limits, &ops, &rounds, &result));
	expect(result.decision == IDIRTY_FINISH && stopped);
	expect(!memcmp(now, there, sizeof(now)));
	ok("resumes and finishes");

	idirty_precopy_free(p);
	stopped = false;
	sends_once(t, ranges);
	expect(!idirty_destroy(t));
	idirty_close(ctx);
	without_trackers(ranges);
	return 0;
}
