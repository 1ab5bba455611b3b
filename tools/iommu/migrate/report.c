// SPDX-License-Identifier: GPL-2.0-only
/*
 * The output of a migration: lines and a table of rounds, with a progress bar below the
 * last line while something is in progress; or all of it as JSON at the end.
 */
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "migrate.h"

#define MIB	1048576.0

static bool bars;
static bool bar_shown;
static bool head_shown;
static double bar_time;
static json_t *json;

void report_open(const struct migrate_options *opt)
{
	bars = opt->progress && !opt->json;
	if (opt->json)
		json = json_object();
	/* A reader of the output gets each line at once */
	setvbuf(stdout, NULL, _IOLBF, 0);
}

void report_close(void)
{
	report_clear();
	if (json)
		print_json(json, true);
	json = NULL;
}

void report_clear(void)
{
	if (bar_shown) {
		printf("\r\033[K");
		fflush(stdout);
	}
	bar_shown = false;
	bar_time = 0;
}

void report_string(const char *key, const char *text)
{
	if (json) {
		json_object_set_new(json, key, json_string(text));
		return;
	}
	report_clear();
	printf("%-11s %s\n", key, text);
}

static void append(const char *key, json_t *value)
{
	if (!json_object_get(json, key))
		json_object_set_new(json, key, json_array());
	if (value)
		json_array_append_new(json_object_get(json, key), value);
}

void report_tracker(const char *text)
{
	if (json)
		append("trackers", text ? json_string(text) : NULL);
	else
		report_string("tracker", text ?:
			      "none: what the device writes meanwhile is not noticed");
}

void report_number(const char *key, double value)
{
	if (json)
		json_object_set_new(json, key, value == (json_int_t)value ?
				    json_integer(value) : json_real(value));
}

void report_digest(const char *who, const unsigned char sum[DIGEST_SIZE])
{
	char text[2 * DIGEST_SIZE + 1];
	int i;

	for (i = 0; i < DIGEST_SIZE; i++)
		snprintf(text + 2 * i, 3, "%02x", sum[i]);
	if (json)
		report_text(who, "%s", text);
	else
		report_text(who, "sha256 %s", text);
}

static double rate(uint64_t bytes, double seconds)
{
	return seconds > 0 ? bytes / MIB / seconds : 0;
}

static void head(void)
{
	report_clear();
	if (!head_shown)
		printf("%6s %10s %8s %8s %10s %7s %10s %12s\n", "round", "MiB sent", "seconds",
		       "MiB/s", "MiB dirty", "%", "state B", "downtime ms");
	head_shown = true;
}

void report_round(const struct idirty_round *r, uint64_t total_bytes, uint64_t device_bytes,
		  uint64_t downtime_ns)
{
	double seconds = (r->send_ns + r->read_ns) / 1e9;

	if (json) {
		append("rounds", json_pack("{s:I, s:I, s:f, s:f, s:I, s:I, s:f}",
					   "round", (json_int_t)r->round,
					   "sent_bytes", (json_int_t)r->sent_bytes,
					   "send_seconds", r->send_ns / 1e9,
					   "read_seconds", r->read_ns / 1e9,
					   "dirty_bytes", (json_int_t)r->dirty_bytes,
					   "state_bytes", (json_int_t)device_bytes,
					   "estimated_downtime_ms", downtime_ns / 1e6));
		return;
	}
	head();
	printf("%6u %10.2f %8.3f %8.1f %10.2f %7.2f %10llu %12.1f\n", r->round,
	       r->sent_bytes / MIB, seconds, rate(r->sent_bytes, r->send_ns / 1e9),
	       r->dirty_bytes / MIB, 100.0 * r->dirty_bytes / total_bytes,
	       (unsigned long long)device_bytes, downtime_ns / 1e6);
}

void report_last_round(uint64_t bytes, uint64_t device_bytes, double seconds)
{
	if (json) {
		append("rounds", json_pack("{s:s, s:I, s:f, s:I}", "round", "last",
					   "sent_bytes", (json_int_t)bytes,
					   "send_seconds", seconds,
					   "state_bytes", (json_int_t)device_bytes));
		return;
	}
	head();
	printf("%6s %10.2f %8.3f %8.1f %10s %7s %10llu\n", "last", bytes / MIB, seconds,
	       rate(bytes, seconds), "-", "-", (unsigned long long)device_bytes);
}

static int columns(void)
{
	struct winsize ws;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) || ws.ws_col < 40)
		return 80;
	return ws.ws_col < 120 ? ws.ws_col : 120;
}

void report_bar(const char *what, uint64_t done, uint64_t all)
{
	char bar[128];
	int width = columns() - 24;
	int full;

	if (!bars || !all || (seconds_now() - bar_time < 0.1 && done < all))
		return;
	if (done > all)
		done = all;
	full = done * width / all;
	memset(bar, '-', width);
	memset(bar, '#', full);
	bar[width] = 0;
	printf("\r%12s [%s] %3llu %%", what, bar, (unsigned long long)(done * 100 / all));
	fflush(stdout);
	bar_shown = true;
	bar_time = seconds_now();
}
