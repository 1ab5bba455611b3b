// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the source prints: a table of rounds, and below its last line a progress
 * bar while something goes on.
 */
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "migrate.h"

static bool bars;
static bool bar_shown;
static double bar_time;

double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

void report_open(bool progress)
{
	bars = progress;
	setvbuf(stdout, NULL, _IOLBF, 0);
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

void report_line(const char *round, size_t pages, size_t all, double seconds)
{
	double mib = pages * (double)PAGE / SZ_1M;

	report_clear();
	if (!all) {
		printf("%6s %12s %7s %10s %8s %8s\n", "round", "pages dirty", "%",
		       "MiB sent", "seconds", "MiB/s");
		return;
	}
	printf("%6s %12zu %7.2f %10.2f %8.3f %8.1f\n", round, pages,
	       100.0 * pages / all, mib, seconds, mib / seconds);
}

static int columns(void)
{
	struct winsize ws;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) || ws.ws_col < 40)
		return 80;
	return ws.ws_col < 120 ? ws.ws_col : 120;
}

void report_bar(const char *what, size_t done, size_t all)
{
	char bar[128];
	int width = columns() - 24;
	int full;

	if (!bars || !all || (now() - bar_time < 0.1 && done < all))
		return;
	full = done * width / all;
	memset(bar, '-', width);
	memset(bar, '#', full);
	bar[width] = 0;
	printf("\r%12s [%s] %3zu %%", what, bar, done * 100 / all);
	fflush(stdout);
	bar_shown = true;
	bar_time = now();
}

void report_digest(const char *who, const unsigned char sum[DIGEST_SIZE])
{
	int i;

	report_clear();
	printf("%-11s sha256 ", who);
	for (i = 0; i < DIGEST_SIZE; i++)
		printf("%02x", sum[i]);
	printf("\n");
}
