// SPDX-License-Identifier: GPL-2.0-only
/*
 * The source: sends all memory, then, round by round, what the device has dirtied,
 * while the device keeps running. Then it stops the device, sends the rest and the
 * device's state, and compares. Until END has been sent, a failure or giving up leaves
 * the source as it was: the device runs, tracking is off.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "source.h"

/* Report a stall after this many rounds without progress */
#define STALLED_ROUNDS 5

static int interrupted;

static void interrupt(int signal)
{
	(void)signal;
	__atomic_store_n(&interrupted, 1, __ATOMIC_RELAXED);
}

static bool is_interrupted(void)
{
	return __atomic_load_n(&interrupted, __ATOMIC_RELAXED);
}

/* Complains about a failure of the library; returns an exit code */
static int failed(int rc)
{
	char text[200];

	return complain(rc == -ENOTTY ? EXIT_NO_KERNEL : EXIT_FAILED, "%s",
			idirty_strerror(idirty_last_error(), text, sizeof(text)));
}

/* Complains, with the destination's reason if it has sent one before END */
static int broke_off(struct source *s, const char *what, int rc)
{
	char text[STREAM_MAX_TEXT + 1];

	if (channel_answered(s->fd) &&
	    stream_get_answer(&s->io, STREAM_REFUSED, NULL, 0, text) == -ECANCELED)
		return complain(EXIT_FAILED, "the destination refuses: %s", text);
	return complain(EXIT_FAILED, "%s: %s", what, strerror(-rc));
}

/* Makes every page different, for the pages that the device does not overwrite */
static void fill(char *mem, size_t size)
{
	uint64_t *words = (uint64_t *)mem;
	size_t i;

	for (i = 0; i < size / sizeof(*words); i++)
		words[i] = (i / (PAGE / sizeof(*words))) * 0x9e3779b97f4a7c15ULL;
}

static int prepare(struct source *s)
{
	const char *reason = workload_open(&s->work, &s->opt->work, false);
	void *mem;
	int rc;

	if (!reason)
		reason = workload_load(&s->work);
	if (reason)
		return complain(EXIT_NOTHING, "%s", reason);
	s->range = (struct idirty_range){ WORKLOAD_MEM_IOVA, s->work.size };
	if (posix_memalign(&mem, PAGE, s->range.length))
		return complain(EXIT_FAILED, "out of memory");
	s->mem = mem;
	memset(s->mem, 0, s->range.length);
	/* Without rewrites, the memory must end up as the disk and zeroes behind it */
	fill(s->mem, s->work.ops->rewrites ? s->work.size : s->work.disk_size / PAGE * PAGE);
	rc = workload_map(&s->work, s->mem, s->range.length, s->range.iova);
	if (rc)
		return complain(EXIT_FAILED, "the memory cannot be mapped: %s", strerror(-rc));
	state_open(&s->state, s->work.fd);
	s->num_devices = !!s->state.flags;
	if (idirty_map_new(&s->map) ||
	    idirty_map_add(s->map, s->range.iova, s->range.length, s->mem))
		return failed(0);
	report_text("memory", "%llu MiB, into which %s (%s) copies %s, %zu pages%s",
		    (unsigned long long)s->range.length >> 20, s->work.bdf, s->work.ops->name,
		    s->opt->work.image ?: "its disk", (s->work.disk_size + PAGE - 1) / PAGE,
		    s->work.ops->rewrites ? ", and rewrites it" : "");
	return EXIT_OK;
}

/* Announces what will come, and waits until the destination is ready */
static int greet(struct source *s)
{
	char text[STREAM_MAX_TEXT + 1];
	const char *name = s->work.ops->name;
	int rc;

	channel_io(&s->io, s->fd);
	rc = stream_put_head(&s->io) ?:
	     stream_put_region(&s->io, 0, s->range.iova, s->range.length);
	if (!rc && s->num_devices)
		rc = stream_put(&s->io, STREAM_DEVICE, 0, 0, name, strlen(name));
	rc = rc ?: stream_put(&s->io, STREAM_BEGIN, 0, 0, NULL, 0) ?:
	     stream_get_answer(&s->io, STREAM_READY, NULL, 0, text);
	if (rc == -ECANCELED)
		return complain(EXIT_FAILED, "the destination refuses: %s", text);
	return rc ? complain(EXIT_FAILED, "%s: %s", s->opt->to, strerror(-rc)) : EXIT_OK;
}

static int add_tracker(struct source *s, uint32_t id, const struct idirty_range *ranges,
		       size_t num)
{
	struct idirty_target target = IDIRTY_TARGET(id);
	uint64_t page_size = PAGE;
	struct idirty_tracker_info *info;
	char text[100];
	size_t i;
	int rc;

	if (s->num_trackers == MAX_TRACKERS)
		return complain(EXIT_FAILED, "too many trackers");
	rc = idirty_alloc(s->ctx, &target, &s->trackers[s->num_trackers]);
	if (rc)
		return failed(rc);
	rc = idirty_start(s->trackers[s->num_trackers++], 0, ranges, num,
			  &page_size) ?:
	     idirty_info(s->trackers[s->num_trackers - 1], &info);
	if (rc)
		return failed(rc);
	if (num) {
		snprintf(text, sizeof(text), "of device %u: its driver, by %llu KiB", id,
			 (unsigned long long)page_size >> 10);
		report_tracker(text);
	}
	for (i = 0; i < info->num_members && !num; i++) {
		snprintf(text, sizeof(text), "of object %u: HWPT %u, %s", id,
			 info->members[i]->id, idirty_format_text(info->members[i]->format));
		report_tracker(text);
	}
	idirty_free(info);
	return EXIT_OK;
}

/* Starts tracking before the workload, so no write of the device is missed */
static int start(struct source *s)
{
	int rc;

	if (!s->opt->providers) {
		report_tracker(NULL);
	} else {
		rc = idirty_open(s->work.iommufd, &s->ctx);
		if (rc)
			return failed(rc);
		if (s->opt->providers & MIGRATE_BY_IOMMU)
			rc = add_tracker(s, s->work.ioas, NULL, 0);
		if (!rc && (s->opt->providers & MIGRATE_BY_DEVICE))
			rc = add_tracker(s, s->work.device_id, &s->range, 1);
		if (rc)
			return rc;
	}
	rc = state_precopy(&s->state);
	if (rc)
		return complain(EXIT_FAILED, "%s: pre-copy: %s", s->work.bdf, strerror(-rc));
	s->begin = seconds_now();
	workload_start(&s->work);
	return EXIT_OK;
}

static int send_host(void *arg, void *host, uint64_t iova, uint64_t length)
{
	struct source *s = arg;
	uint64_t part;
	int rc = 0;

	for (; length && !rc; length -= part) {
		part = length < STREAM_MAX_CHUNK ? length : STREAM_MAX_CHUNK;
		/* Before END, an answer can only be a refusal */
		rc = channel_answered(s->fd) ? -EPIPE :
		     stream_put(&s->io, STREAM_PAGES, 0, iova - s->range.iova, host, part);
		host = (char *)host + part;
		iova += part;
		s->round_bytes += part;
		s->sent += part;
		report_bar(s->name, s->round_bytes, s->expected);
	}
	return rc;
}

static int send_run(void *arg, uint64_t iova, uint64_t length)
{
	struct source *s = arg;

	return idirty_map_run(s->map, &(struct idirty_range){ iova, length }, send_host, s);
}

static int send_state(void *arg, const void *data, size_t length)
{
	struct source *s = arg;

	/* @moved already includes these bytes */
	return stream_put(&s->io, STREAM_STATE, 0, s->state.moved - length, data, length);
}

static void next_round(struct source *s, const char *name, uint64_t bytes)
{
	snprintf(s->name, sizeof(s->name), "%s", name);
	s->round_bytes = 0;
	s->expected = bytes;
}

/* The device's state and the workload can override what the limits propose */
static enum idirty_decision decide(void *arg, const struct idirty_round *round,
				   enum idirty_decision proposed)
{
	struct source *s = arg;
	const struct migrate_options *opt = s->opt;
	bool limit = opt->max_rounds && round->round >= opt->max_rounds;
	uint64_t before = s->state.moved, downtime = round->downtime_ns;
	char name[24];

	s->error = state_precopy_data(&s->state, send_state, s);
	downtime += state_estimate(&s->state) * 1e9 / (round->bandwidth ?: 1);
	report_round(round, s->range.length, s->state.moved - before, downtime);
	if (round->stalled == STALLED_ROUNDS)
		report_text("stalled", "%u rounds in a row have gained nothing",
			    round->stalled);
	snprintf(name, sizeof(name), "round %u", round->round + 1);
	next_round(s, name, round->dirty_bytes);
	if (s->error || is_interrupted())
		return IDIRTY_GIVE_UP;
	if (proposed == IDIRTY_FINISH && !limit && downtime > opt->downtime_ns)
		proposed = IDIRTY_GO_ON;
	/* A partly copied disk could not be compared */
	if (proposed == IDIRTY_FINISH && !workload_done(&s->work))
		proposed = IDIRTY_GO_ON;
	if (proposed == IDIRTY_GO_ON && !workload_done(&s->work))
		sleep_until(seconds_now() + opt->round_delay_ms / 1e3);
	return proposed;
}

static int quiesce(void *arg)
{
	struct source *s = arg;

	s->down_since = seconds_now();
	next_round(s, "last round", s->expected);
	/* Pause the driver first: it waits for the device, which P2P would hold back */
	workload_pause(&s->work);
	s->paused = true;
	return state_stop(&s->state);
}

static void resume(void *arg)
{
	struct source *s = arg;
	int rc = state_run(&s->state);

	if (rc)
		complain(0, "%s does not go on: %s", s->work.bdf, strerror(-rc));
	if (s->paused)
		workload_continue(&s->work);
	s->paused = false;
}

/* The migration has ended, the workload stays here as if nothing had happened */
static int stay(struct source *s, int code)
{
	size_t before, i;

	resume(s);
	for (i = 0; i < s->num_trackers; i++)
		idirty_stop(s->trackers[i]);
	before = workload_written(&s->work);
	while (!workload_done(&s->work) ||
	       (s->work.ops->rewrites && workload_written(&s->work) == before))
		sleep_until(seconds_now() + 0.1);
	workload_pause(&s->work);
	report_text("stayed", "tracking is off; the device has written %zu times since",
		    s->work.written - before);
	code = verify_stayed(s, code);
	workload_end(&s->work);
	return code;
}

static int precopy(struct source *s)
{
	static const struct idirty_precopy_ops ops = {
		.size = sizeof(ops),
		.send = send_run,
		.decide = decide,
		.quiesce = quiesce,
		.resume = resume,
	};
	const struct idirty_precopy_limits limits = {
		.size = sizeof(limits),
		.flags = s->opt->stop_anyway ? IDIRTY_PRECOPY_FORCE : 0,
		.downtime_ns = s->opt->downtime_ns,
		.rounds = s->opt->max_rounds,
	};
	struct idirty_precopy_result result = { .size = sizeof(result) };
	struct idirty_precopy *p;
	int rc;

	rc = idirty_precopy_new(s->trackers, s->num_trackers, &s->range, 1, PAGE, &p);
	if (rc)
		return stay(s, failed(rc));
	next_round(s, "round 1", s->range.length);
	rc = idirty_precopy_run(p, &limits, &ops, s, &result) ?: s->error;
	idirty_precopy_free(p);
	if (rc == -EINTR && is_interrupted()) {
		/* Interrupted during a READ */
		result.decision = IDIRTY_GIVE_UP;
		rc = 0;
	}
	if (rc)
		return stay(s, broke_off(s, "the migration failed", rc));
	report_number("rounds_done", result.rounds);
	report_text("decision", "%s", result.decision == IDIRTY_FINISH ? "stop and finish" :
		    is_interrupted() ? "give up: interrupted" : "give up: the limits are reached");
	if (result.decision == IDIRTY_FINISH)
		return EXIT_OK;
	stream_put(&s->io, STREAM_ABORT, 0, 0, NULL, 0);
	return stay(s, EXIT_GAVE_UP);
}

/* The negative control: sends everything once, without tracking */
static int copy_once(struct source *s)
{
	int rc;

	next_round(s, "all", s->range.length);
	rc = send_run(s, s->range.iova, s->range.length);
	while (!rc && !workload_done(&s->work))
		sleep_until(seconds_now() + 0.1);
	rc = rc ?: quiesce(s);
	return rc ? stay(s, broke_off(s, "the migration failed", rc)) : EXIT_OK;
}

/* With the device stopped and its memory sent, sends the rest */
static int hand_over(struct source *s)
{
	char text[STREAM_MAX_TEXT + 1];
	uint64_t before = s->state.moved;
	int rc;

	rc = state_stop_data(&s->state, send_state, s);
	if (rc)
		return stay(s, broke_off(s, "the last of the state", rc));
	report_last_round(s->round_bytes, s->state.moved - before, seconds_now() - s->down_since);
	rc = stream_put(&s->io, STREAM_END, 0, 0, NULL, 0) ?:
	     stream_get_answer(&s->io, STREAM_RUNNING, NULL, 0, text);
	if (rc == -ECANCELED)
		return stay(s, complain(EXIT_FAILED, "the destination refuses: %s", text));
	if (rc)
		/* The destination may have taken over */
		return complain(EXIT_FAILED, "no answer to the end: %s; the device stays stopped",
				strerror(-rc));
	report_text("downtime", "%.3f seconds", seconds_now() - s->down_since);
	report_text("migrated", "%.1f MiB and %llu bytes of device state in %.2f seconds",
		    s->sent / 1048576.0, (unsigned long long)s->state.moved,
		    seconds_now() - s->begin);
	report_text("device", "has copied %zu pages and rewritten %zu meanwhile",
		    s->work.copied, s->work.rewritten);
	return EXIT_OK;
}

int migrate_source(const struct migrate_options *opt)
{
	/* The second signal ends the program */
	const struct sigaction action = {
		.sa_handler = interrupt,
		.sa_flags = SA_RESTART | SA_RESETHAND,
	};
	struct source s = { .opt = opt, .work.iommufd = -1, .state.data_fd = -1 };
	int rc;

	report_open(opt);
	/* Until it is connected, a signal ends the program: there is nothing to give up */
	s.fd = channel_connect(opt->to);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	rc = s.fd < 0 ? EXIT_FAILED : prepare(&s);
	rc = rc ?: greet(&s);
	rc = rc ?: start(&s);
	rc = rc ?: opt->providers ? precopy(&s) : copy_once(&s);
	rc = rc ?: hand_over(&s);
	rc = rc ?: verify_same(&s);
	if (s.paused && s.work.started)
		workload_end(&s.work);
	report_close();
	while (s.num_trackers)
		idirty_destroy(s.trackers[--s.num_trackers]);
	idirty_close(s.ctx);
	idirty_map_free(s.map);
	state_close(&s.state);
	workload_close(&s.work);
	if (s.fd >= 0)
		close(s.fd);
	free(s.result);
	free(s.mem);
	return rc;
}
