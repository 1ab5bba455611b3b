// SPDX-License-Identifier: GPL-2.0-only
/*
 * What trackers cost, measured on the iommufd of a program that runs. One tracker
 * is started at a time, for the others not to be part of what is measured.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "advise.h"

#define MAX_REPEAT	1000

static const uint64_t page_sizes[ADVISE_ROWS] = { 1 << 12, 1 << 16, 1 << 21, 1 << 30 };

/* The tracker under test, and what there is to READ of it */
struct subject {
	const struct measure_options *opt;
	struct watched *watched;
	struct advise_tracker *out;
	struct idirty_range *extents;	/* in ascending order, whole GiBs */
	size_t num_extents;
	uint64_t bytes;			/* of a SCAN */
	void *bitmap;			/* for the smallest pages of any extent */
};

struct reading {
	double seconds;
	uint64_t bitmap_bytes;
	uint64_t sent_bytes;
};

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

static int add_bytes(void *arg, const struct idirty_range *run)
{
	*(uint64_t *)arg += run->length;
	return 0;
}

static int by_iova(const void *a, const void *b)
{
	const struct idirty_range *x = a, *y = b;

	return (x->iova > y->iova) - (x->iova < y->iova);
}

/* Adds a run to the bytes, and the GiBs that it is in to the extents */
static int add_run(void *arg, const struct idirty_range *run)
{
	const uint64_t mask = page_sizes[ADVISE_ROWS - 1] - 1;
	struct subject *s = arg;
	uint64_t first = run->iova & ~mask, last = (run->iova + (run->length - 1)) | mask;
	struct idirty_range *more;
	size_t i;

	s->bytes += run->length;
	more = realloc(s->extents, (s->num_extents + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	s->extents = more;
	more[s->num_extents++] = (struct idirty_range){ first, last - first + 1 };
	/* Two that overlap or touch are one */
	qsort(more, s->num_extents, sizeof(*more), by_iova);
	for (i = 1; i < s->num_extents;) {
		uint64_t end = more[i - 1].iova + (more[i - 1].length - 1);

		if (end != UINT64_MAX && more[i].iova > end + 1) {
			i++;
			continue;
		}
		last = more[i].iova + (more[i].length - 1);
		if (last > end)
			more[i - 1].length += last - end;
		memmove(&more[i], &more[i + 1], (--s->num_extents - i) * sizeof(*more));
	}
	return 0;
}

/* READs all extents, and forgets what was dirty; 0 or -errno */
static int take_reading(struct subject *s, uint64_t page_size, struct reading *reading)
{
	size_t i;
	int rc;

	*reading = (struct reading){};
	for (i = 0; i < s->num_extents; i++) {
		struct idirty_read read = {
			.iova = s->extents[i].iova,
			.length = s->extents[i].length,
			.page_size = page_size,
			.bitmap = s->bitmap,
		};
		size_t size = idirty_bitmap_bytes(read.iova, read.length, page_size);
		double begin;

		memset(s->bitmap, 0, size);
		begin = seconds_now();
		rc = idirty_read(&s->watched->tracker, 1, &read, NULL);
		reading->seconds += seconds_now() - begin;
		if (rc)
			return rc;
		reading->bitmap_bytes += size;
		reading->sent_bytes += page_size * idirty_bitmap_count(s->bitmap,
			idirty_bitmap_pages(read.iova, read.length, page_size));
	}
	return 0;
}

/* What is written to, and how much of it at two intervals; 0 or -errno */
static int take_rates(struct subject *s)
{
	const double periods[2] = { s->opt->interval, s->opt->interval * ADVISE_SLOW };
	double *rates[2] = { &s->out->rate, &s->out->slow_rate };
	double begin, values[MAX_REPEAT];
	unsigned int i, n;
	uint64_t ignored = 0;
	int rc;

	for (i = 0; i < 2; i++) {
		for (n = 0; n < (i ? 1 : s->opt->repeat); n++) {
			rc = observe_scan(s->watched, page_sizes[0], add_bytes, &ignored);
			if (rc)
				return rc;
			begin = seconds_now();
			s->bytes = 0;
			sleep_until(begin + periods[i]);
			rc = observe_scan(s->watched, page_sizes[0], add_run, s);
			if (rc)
				return rc;
			values[n] = s->bytes / (seconds_now() - begin);
		}
		*rates[i] = median(values, n);
	}
	return 0;
}

/* All page sizes in turn, so that a change of the load is in all of them; 0 or -errno */
static int take_readings(struct subject *s)
{
	double seconds[ADVISE_ROWS][MAX_REPEAT], sent[ADVISE_ROWS][MAX_REPEAT];
	struct reading reading;
	unsigned int n, i;
	int rc;

	for (n = 0; n < s->opt->repeat; n++)
		for (i = 0; i < ADVISE_ROWS; i++) {
			rc = take_reading(s, page_sizes[i], &reading);
			if (rc)
				return rc;
			sleep_until(seconds_now() + s->opt->interval);
			rc = take_reading(s, page_sizes[i], &reading);
			if (rc)
				return rc;
			seconds[i][n] = reading.seconds;
			sent[i][n] = reading.sent_bytes;
			s->out->rows[i].bitmap_bytes = reading.bitmap_bytes;
		}
	for (i = 0; i < ADVISE_ROWS; i++) {
		s->out->rows[i].page_size = page_sizes[i];
		s->out->rows[i].read_ns = median(seconds[i], n) * 1e9;
		s->out->rows[i].sent_bytes = median(sent[i], n);
	}
	s->out->num_rows = ADVISE_ROWS;
	return 0;
}

/*
 * What the command prints, with a READ of @page_size every interval meanwhile, or
 * none if that is 0; 0, or -errno of a READ, or an exit code after a complaint
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
		struct pollfd fd = { .fd = fileno(p), .events = POLLIN };

		if (poll(&fd, 1, wait)) {
			got = read(fd.fd, text + len, sizeof(text) - 1 - len);
			len += got > 0 ? got : 0;
		} else {
			rc = take_reading(s, page_size, &reading);
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

/* Off, and with each page size, in turn; returns as run_command() */
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
			rc = idirty_start(s->watched->tracker, 0, NULL, 0, NULL);
		for (i = 0; !rc && i < ADVISE_ROWS; i++)
			rc = run_command(s, page_sizes[i], &on[i][n]);
		if (rc)
			return rc;
	}
	s->out->throughput = median(off, n);
	for (i = 0; i < ADVISE_ROWS; i++)
		s->out->rows[i].throughput = median(on[i], n);
	return 0;
}

/* Returns as run_command() */
static int measure_running(struct subject *s)
{
	int rc = take_rates(s);
	size_t size = 0, i;

	if (rc)
		return rc;
	if (!s->num_extents) {
		snprintf(s->out->reason, sizeof(s->out->reason),
			 "no device has written anything meanwhile");
		return 0;
	}
	for (i = 0; i < s->num_extents; i++) {
		size_t one = idirty_bitmap_bytes(s->extents[i].iova, s->extents[i].length,
						 page_sizes[0]);

		size = one > size ? one : size;
	}
	s->bitmap = malloc(size);
	rc = s->bitmap ? take_readings(s) : -ENOMEM;
	if (!rc && s->opt->command)
		rc = take_throughputs(s);
	return rc;
}

static void tell_formats(struct idirty_tracker *tracker, struct advise_tracker *out)
{
	struct idirty_info *info;
	size_t i, len = 0;

	if (idirty_info(tracker, &info))
		return;
	for (i = 0; i < info->num_members; i++) {
		const char *format = idirty_format_text(info->members[i].format);

		if (!info->members[i].format || strstr(out->format, format))
			continue;
		len += snprintf(out->format + len, sizeof(out->format) - len, "%s%s",
				len ? ", " : "", format);
		if (len >= sizeof(out->format))
			break;
	}
	idirty_free(info);
}

static void tell_reason(struct advise_tracker *out)
{
	idirty_strerror(idirty_last_error(), out->reason, sizeof(out->reason));
}

/* An exit code; what cannot be tracked is a result, too */
static int measure_one(struct watched *watched, const struct measure_options *opt,
		       struct advise_tracker *out)
{
	struct subject s = { .opt = opt, .watched = watched, .out = out };
	int rc;

	tell_formats(watched->tracker, out);
	if (idirty_start(watched->tracker, 0, NULL, 0, NULL)) {
		tell_reason(out);
		return EXIT_OK;
	}
	rc = measure_running(&s);
	if (rc < 0) {
		tell_reason(out);
		rc = complain(EXIT_FAILED, "%s: %s", out->name,
			      rc == -ENOMEM ? "out of memory" : out->reason);
	}
	idirty_stop(watched->tracker);
	free(s.extents);
	free(s.bitmap);
	return rc;
}

/* The IOAS that a device is attached to, or NULL */
static const struct watched *find_ioas(const struct observer *o, const struct idirty_object *device,
				       const struct idirty_object *objects, size_t num)
{
	size_t i, j;

	for (i = 0; i < num; i++)
		for (j = 0; objects[i].id == device->parent_id && j < o->num; j++)
			if (objects[i].parent_id == o->watched[j].ioas)
				return &o->watched[j];
	return NULL;
}

static int measure_device(struct observer *o, const struct measure_options *opt,
			  const struct idirty_object *device, const struct watched *ioas,
			  struct advise_tracker *out)
{
	struct idirty_target target = IDIRTY_TARGET(device->id);
	struct watched watched = { .ioas = ioas->ioas, .devices = 1 };
	int rc = EXIT_OK;

	out->ioas = ioas->ioas;
	out->covers_all = ioas->devices == 1;
	snprintf(out->name, sizeof(out->name), "device %s", device->name);
	if (idirty_alloc(o->ctx, &target, &watched.tracker)) {
		tell_reason(out);
		return EXIT_OK;
	}
	rc = measure_one(&watched, opt, out);
	idirty_destroy(watched.tracker);
	return rc;
}

static int measure_all(struct observer *o, const struct measure_options *opt,
		       const struct idirty_object *objects, size_t num,
		       struct advise_result *result)
{
	const struct watched *ioas;
	int rc = EXIT_OK;
	size_t i;

	result->trackers = calloc(o->num + num + 1, sizeof(*result->trackers));
	if (!result->trackers)
		return complain(EXIT_FAILED, "out of memory");
	for (i = 0; !rc && i < o->num; i++) {
		struct advise_tracker *out = &result->trackers[result->num++];

		out->ioas = o->watched[i].ioas;
		out->covers_all = true;
		snprintf(out->name, sizeof(out->name), "IOAS %u", out->ioas);
		rc = measure_one(&o->watched[i], opt, out);
	}
	for (i = 0; !rc && i < num; i++) {
		if (objects[i].type != IDIRTY_OBJECT_DEVICE || !objects[i].parent_id)
			continue;
		ioas = find_ioas(o, &objects[i], objects, num);
		if (ioas)
			rc = measure_device(o, opt, &objects[i], ioas,
					    &result->trackers[result->num++]);
	}
	return rc;
}

int advise_measure(struct advise_result *result, const struct measure_options *opt)
{
	struct idirty_object *objects;
	struct observer o;
	size_t num;
	int rc;

	*result = (struct advise_result){ .interval = opt->interval };
	rc = observe_open(&o, &opt->observe);
	if (rc)
		return rc;
	if (idirty_list(o.ctx, &objects, &num)) {
		rc = complain(EXIT_FAILED, "it could not be listed what there is");
	} else {
		rc = measure_all(&o, opt, objects, num, result);
		idirty_free(objects);
	}
	observe_close(&o);
	return rc;
}
