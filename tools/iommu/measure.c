// SPDX-License-Identifier: GPL-2.0-only
/*
 * Measures what trackers cost, on the iommufd of a running program. Only one tracker is
 * started at a time, so the others do not affect the measurement.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "advise.h"

#define MAX_REPEAT	1000

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, unsigned int num)
{
	qsort(values, num, sizeof(*values), compare);
	return num % 2 ? values[num / 2] : (values[num / 2 - 1] + values[num / 2]) / 2;
}

static int start(struct subject *s)
{
	return observe_start(s->watched, s->extents, s->is_device ? s->num_extents : 0);
}

/* Finds what is written to, and the rates at two intervals; 0 or -errno */
static int take_rates(struct subject *s)
{
	const double periods[2] = { s->opt->interval, s->opt->interval * ADVISE_SLOW };
	double *rates[2] = { &s->out->rate, &s->out->slow_rate };
	double begin, values[MAX_REPEAT];
	unsigned int i, n;
	int rc;

	for (i = 0; i < 2; i++) {
		for (n = 0; n < (i ? 1 : s->opt->repeat); n++) {
			rc = subject_scan(s);
			if (rc)
				return rc;
			begin = seconds_now();
			rc = observe_wait(s->observer, begin + periods[i]);
			if (!rc)
				rc = subject_scan(s);
			if (rc)
				return rc;
			values[n] = s->bytes / (seconds_now() - begin);
		}
		*rates[i] = median(values, n);
	}
	return 0;
}

/* All page sizes in turn, so a change of the load affects all of them; 0 or -errno */
static int take_readings(struct subject *s)
{
	double seconds[ADVISE_ROWS][MAX_REPEAT], sent[ADVISE_ROWS][MAX_REPEAT];
	struct reading reading;
	unsigned int n, i;
	int rc;

	for (n = 0; n < s->opt->repeat; n++)
		for (i = 0; i < ADVISE_ROWS; i++) {
			rc = subject_read(s, advise_page_sizes[i], &reading);
			if (rc)
				return rc;
			rc = observe_wait(s->observer, seconds_now() + s->opt->interval);
			if (!rc)
				rc = subject_read(s, advise_page_sizes[i], &reading);
			if (rc)
				return rc;
			seconds[i][n] = reading.seconds;
			sent[i][n] = reading.sent_bytes;
			s->out->rows[i].bitmap_bytes = reading.bitmap_bytes;
		}
	for (i = 0; i < ADVISE_ROWS; i++) {
		s->out->rows[i].page_size = advise_page_sizes[i];
		s->out->rows[i].read_ns = median(seconds[i], n) * 1e9;
		s->out->rows[i].sent_bytes = median(sent[i], n);
	}
	s->out->num_rows = ADVISE_ROWS;
	return 0;
}

/*
 * Runs the command and parses the number that it prints. Meanwhile, unless @page_size is
 * 0, READs with that page size every interval. Returns 0, -errno of a READ, or an exit
 * code after a complaint.
 */
static int run_command(struct subject *s, uint64_t page_size, double *value)
{
	int wait = page_size ? s->opt->interval * 1e3 : -1, rc = 0, status;
	struct reading reading;
	char text[256] = "", *end;
	size_t len = 0;
	ssize_t got = 1;
	FILE *p;

	p = popen(s->opt->command, "re");
	if (!p)
		return complain(EXIT_FAILED, "%s: %s", s->opt->command, strerror(errno));
	while (!rc && got > 0) {
		struct pollfd fds[] = {
			{ .fd = fileno(p), .events = POLLIN },
			{ .fd = s->observer->pidfd, .events = POLLIN },
		};

		if (!poll(fds, 2, wait)) {
			rc = subject_read(s, page_size, &reading);
		} else if (fds[1].revents) {
			rc = -ESRCH;
		} else {
			got = read(fds[0].fd, text + len, sizeof(text) - 1 - len);
			len += got > 0 ? got : 0;
		}
	}
	status = pclose(p);
	if (rc)
		return rc;
	*value = strtod(text, &end);
	if (status || end == text || !(*value > 0 && *value < 1e18))
		return complain(EXIT_FAILED, "%s: it did not print bytes per second",
				s->opt->command);
	return 0;
}

/* Tracking off, then each page size, in turn; returns like run_command() */
static int take_throughputs(struct subject *s)
{
	double on[ADVISE_ROWS][MAX_REPEAT], off[MAX_REPEAT];
	unsigned int n, i;
	int rc;

	for (n = 0; n < s->opt->repeat; n++) {
		rc = idirty_stop(s->watched->tracker);
		if (!rc)
			rc = run_command(s, 0, &off[n]);
		if (!rc)
			rc = start(s);
		for (i = 0; !rc && i < ADVISE_ROWS; i++)
			rc = run_command(s, advise_page_sizes[i], &on[i][n]);
		if (rc)
			return rc;
	}
	s->out->throughput = median(off, n);
	for (i = 0; i < ADVISE_ROWS; i++)
		s->out->rows[i].throughput = median(on[i], n);
	return 0;
}

/* Returns like run_command() */
static int measure_running(struct subject *s)
{
	int rc = take_rates(s);

	if (rc)
		return rc;
	if (!s->num_extents) {
		snprintf(s->out->reason, sizeof(s->out->reason),
			 "no device has written anything meanwhile");
		return 0;
	}
	rc = take_readings(s);
	if (!rc && s->opt->command)
		rc = take_throughputs(s);
	return rc;
}

static void tell_formats(struct idirty_tracker *tracker, struct advise_tracker *out)
{
	struct idirty_tracker_info *info;
	size_t i, len = 0;

	if (idirty_info(tracker, &info))
		return;
	for (i = 0; i < info->num_members; i++) {
		const char *format = idirty_format_text(info->members[i]->format);

		if (!info->members[i]->format || strstr(out->format, format))
			continue;
		len += snprintf(out->format + len, sizeof(out->format) - len, "%s%s",
				len ? ", " : "", format);
		if (len >= sizeof(out->format))
			break;
	}
	idirty_free(info);
}

/*
 * Returns -ESRCH or an exit code; a tracker that cannot be started, or that does not track
 * everything, is a result, too
 */
static int measure_one(struct subject *s)
{
	const char *reason = s->watched->reason;
	bool started;
	int rc;

	tell_formats(s->watched->tracker, s->out);
	rc = start(s);
	started = !rc;
	if (!rc)
		rc = measure_running(s);
	if (!rc)
		rc = observe_check(s->watched, 0);
	idirty_stop(s->watched->tracker);
	if (rc >= 0 || rc == -ESRCH)
		return rc;
	s->out->num_rows = 0;
	snprintf(s->out->reason, sizeof(s->out->reason), "%s", *reason ? reason : strerror(-rc));
	return started && rc != -ENXIO ?
		complain(EXIT_FAILED, "%s: %s", s->out->name, s->out->reason) : EXIT_OK;
}

/* The subject of the IOAS that the device is attached to, or NULL */
static struct subject *find_ioas(struct subject *ioases, size_t num_ioases,
				 const struct watched *w)
{
	struct idirty_object *const *objects = w->file->objects;
	const struct idirty_object *device = w->device;
	size_t i, j;

	for (i = 0; device->parent_id && i < w->file->num_objects; i++)
		for (j = 0; objects[i]->id == device->parent_id && j < num_ioases; j++)
			if (ioases[j].watched->file == w->file &&
			    objects[i]->parent_id == ioases[j].watched->ioas)
				return &ioases[j];
	return NULL;
}

/* Measures a device tracker on the ranges found to be written in the IOAS */
static int measure_device(struct watched *w, const struct subject *ioas,
			  struct advise_tracker *out)
{
	struct subject s = *ioas;

	s.watched = w;
	s.out = out;
	s.is_device = true;
	out->fd = ioas->out->fd;
	out->ioas = ioas->out->ioas;
	out->covers_all = json_array_size(ioas->watched->devices) == 1 &&
			  !ioas->watched->pasids;
	snprintf(out->name, sizeof(out->name), "device %s", w->device->name);
	if (w->tracker && s.num_extents)
		return measure_one(&s);
	snprintf(out->reason, sizeof(out->reason), "%s",
		 w->tracker ? "it is not known where it writes" : w->reason);
	return EXIT_OK;
}

static int measure_ioases(struct observer *o, const struct measure_options *opt,
			  struct subject *ioases, struct advise_result *result)
{
	int rc = EXIT_OK;
	size_t i;

	for (i = 0; !rc && i < o->num; i++) {
		struct advise_tracker *out = &result->trackers[result->num++];
		struct watched *w = &o->watched[i];

		out->fd = w->fd;
		out->ioas = w->ioas;
		out->covers_all = true;
		snprintf(out->name, sizeof(out->name), "IOAS %s", w->name);
		ioases[i] = (struct subject){
			.opt = opt, .observer = o, .watched = w, .out = out,
		};
		rc = measure_one(&ioases[i]);
	}
	return rc;
}

static int measure_devices(struct observer *o, struct subject *ioases,
			   struct advise_result *result)
{
	struct subject *ioas;
	int rc = EXIT_OK;
	size_t i;

	for (i = 0; !rc && i < o->num_devices; i++) {
		ioas = find_ioas(ioases, o->num, &o->devices[i]);
		if (ioas)
			rc = measure_device(&o->devices[i], ioas,
					    &result->trackers[result->num++]);
	}
	return rc;
}

int advise_measure(struct advise_result *result, const struct measure_options *opt)
{
	struct subject *ioases;
	struct observer o;
	size_t i;
	int rc;

	*result = (struct advise_result){ .interval = opt->interval };
	rc = observe_open(&o, &opt->observe);
	if (rc)
		return rc;
	ioases = calloc(o.num, sizeof(*ioases));
	result->trackers = calloc(o.num + o.num_devices, sizeof(*result->trackers));
	if (ioases && result->trackers)
		rc = measure_ioases(&o, opt, ioases, result);
	else
		rc = complain(EXIT_FAILED, "out of memory");
	if (!rc)
		rc = measure_devices(&o, ioases, result);
	for (i = 0; ioases && i < o.num; i++)
		free(ioases[i].extents);
	free(ioases);
	return observe_end(&o, rc);
}
