// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs the checks of iommu-dirty selftest on a device and an IOMMU that this program is
 * itself. They must find nothing wrong with it, and what is wrong once it has a fault. With
 * --report, prints the report of one without a fault.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "devices.h"
#include "selftest/selftest.h"

#define BYTES		(SELFTEST_PAGES * SELFTEST_PAGE)
#define LARGE_PAGES	512UL
#define SOURCES		4

enum fault {
	NO_FAULT,
	NO_WRITES,	/* the device does nothing */
	NO_START,	/* it cannot be tracked */
	NOT_SET,	/* bits stay clear */
	NOT_CLEARED,	/* READ clears none */
	NOT_FLUSHED,	/* a bit that READ has cleared is not set again */
	NEIGHBOUR,	/* the bit of the next entry is set, too */
	FORGOTTEN,	/* a READ that fails has cleared the bits */
	EARLY_BIT,	/* a bit is cleared while the data is on its way */
	NEW_TABLE,	/* a page table that joins has no bits */
	UNMAP_EMPTY,	/* UNMAP reports nothing */
	UNMAP_LOST,	/* what is unmapped is forgotten */
	UNMAP_LATE,	/* entries stay writable after UNMAP has looked at them */
	ONE_DATA,	/* no fault of tracking: data that cannot show a lost write */
};

static const struct {
	enum fault fault;
	const char *name;
	const char *found;	/* the checks that fail, or are skipped */
} cases[] = {
	{ NO_FAULT, "no fault", "" },
	{ NO_WRITES, "no writes", " -tracked" },
	{ NO_START, "no START", " -tracked" },
	{ NOT_SET, "bits are not set",
	  " -set -again -large -kept -ordered -attach -unmap -unmapped -race" },
	{ NOT_CLEARED, "bits are not cleared", " -cleared -large" },
	{ NOT_FLUSHED, "bits are not set again", " -again -ordered -large" },
	{ NEIGHBOUR, "a bit too many", " -precise -large" },
	{ FORGOTTEN, "a READ that fails has cleared", " -kept" },
	{ EARLY_BIT, "bits before data", " -ordered" },
	{ NEW_TABLE, "a new table has no bits", " -attach" },
	{ UNMAP_EMPTY, "UNMAP reports nothing", " -unmap -race" },
	{ UNMAP_LOST, "what is unmapped is lost", " -unmapped" },
	{ UNMAP_LATE, "writable after UNMAP has looked", " -race" },
	{ ONE_DATA, "data that is always the same", " ?ordered ?race" },
};

static struct {
	enum fault fault;
	pthread_mutex_t lock;
	bool mapped;
	size_t entry;		/* in pages */
	bool tracked;		/* the page table has bits */
	bool dirty[SELFTEST_PAGES];	/* of entries, by their first page */
	bool cached[SELFTEST_PAGES];	/* the IOMMU believes that the bit is set */
	bool ledger[SELFTEST_PAGES];	/* of pages that were unmapped */
} iommu;

/* The programs of which the checks are a part have these */
double seconds_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

void lib_fatal(const char *file, int line, const char *fmt, ...)
{
	(void)file;
	(void)line;
	(void)fmt;
	abort();
}

static int map(struct subject *s, bool large)
{
	(void)s;
	iommu.mapped = true;
	iommu.entry = large ? LARGE_PAGES : 1;
	memset(iommu.dirty, 0, sizeof(iommu.dirty));
	memset(iommu.cached, 0, sizeof(iommu.cached));
	return 0;
}

/* Moves the bits of entries to pages, one byte each */
static void take(bool *pages)
{
	size_t i;

	for (i = 0; i < SELFTEST_PAGES; i++)
		pages[i] |= iommu.dirty[i / iommu.entry * iommu.entry];
}

static void report(uint64_t *bitmap, const bool *pages)
{
	size_t i;

	for (i = 0; i < SELFTEST_PAGES; i++)
		if (pages[i])
			((unsigned char *)bitmap)[i / 8] |= 1 << i % 8;
}

static int unmap(struct subject *s, uint64_t *bitmap)
{
	bool pages[SELFTEST_PAGES] = { 0 };

	pthread_mutex_lock(&iommu.lock);
	take(pages);
	if (iommu.fault == UNMAP_LATE && s->running) {
		pthread_mutex_unlock(&iommu.lock);
		usleep(2000);
		pthread_mutex_lock(&iommu.lock);
	}
	iommu.mapped = false;
	memset(iommu.dirty, 0, sizeof(iommu.dirty));
	if (bitmap && iommu.fault != UNMAP_EMPTY)
		report(bitmap, pages);
	if (!bitmap && iommu.fault != UNMAP_LOST)
		memcpy(iommu.ledger, pages, sizeof(pages));
	pthread_mutex_unlock(&iommu.lock);
	return 0;
}

static int start(struct subject *s)
{
	if (iommu.fault == NO_START) {
		snprintf(s->error, sizeof(s->error), "the IOMMU has no dirty bits");
		return -ENXIO;
	}
	iommu.tracked = true;
	memset(iommu.ledger, 0, sizeof(iommu.ledger));
	return 0;
}

static int stop(struct subject *s)
{
	(void)s;
	iommu.tracked = false;
	return 0;
}

/* As the kernel would find out. Nothing is in the bitmap yet */
static bool is_writable(uint64_t *bitmap)
{
	if (syscall(SYS_clock_getres, CLOCK_MONOTONIC, bitmap))
		return false;
	memset(bitmap, 0, sizeof(struct timespec));
	return true;
}

static int read_all(struct subject *s, uint64_t *bitmap)
{
	bool pages[SELFTEST_PAGES] = { 0 };
	bool good;

	(void)s;
	pthread_mutex_lock(&iommu.lock);
	good = is_writable(bitmap);
	if (good || iommu.fault == FORGOTTEN) {
		take(pages);
		if (iommu.fault != NOT_CLEARED)
			memset(iommu.dirty, 0, sizeof(iommu.dirty));
		if (iommu.fault != NOT_FLUSHED)
			memset(iommu.cached, 0, sizeof(iommu.cached));
	}
	if (good) {
		report(bitmap, pages);
		report(bitmap, iommu.ledger);
		memset(iommu.ledger, 0, sizeof(iommu.ledger));
	}
	pthread_mutex_unlock(&iommu.lock);
	return good ? 0 : -EFAULT;
}

static int reattach(struct subject *s)
{
	(void)s;
	iommu.tracked = iommu.fault != NEW_TABLE;
	memset(iommu.cached, 0, sizeof(iommu.cached));
	return 0;
}

static uint64_t entry(struct subject *s)
{
	(void)s;
	return iommu.entry * SELFTEST_PAGE;
}

static void set_bit(size_t page)
{
	size_t first = page / iommu.entry * iommu.entry;

	if (!iommu.tracked || iommu.fault == NOT_SET || iommu.cached[first])
		return;
	iommu.dirty[first] = true;
	iommu.cached[first] = true;
	if (iommu.fault == NEIGHBOUR && first >= iommu.entry)
		iommu.dirty[first - iommu.entry] = true;
}

static void write_page(struct subject *s, size_t page, unsigned int source)
{
	pthread_mutex_lock(&iommu.lock);
	if (iommu.mapped && iommu.fault != NO_WRITES) {
		set_bit(page);
		if (iommu.fault == EARLY_BIT) {
			pthread_mutex_unlock(&iommu.lock);
			usleep(100);
			pthread_mutex_lock(&iommu.lock);
		}
		memset(s->memory + page * SELFTEST_PAGE, iommu.fault == ONE_DATA ? 7 : source,
		       SELFTEST_PAGE);
	}
	pthread_mutex_unlock(&iommu.lock);
	/* Others want the lock, too */
	usleep(1);
}

static const struct subject_ops ops = {
	.map = map,
	.unmap = unmap,
	.start = start,
	.stop = stop,
	.read = read_all,
	.reattach = reattach,
	.entry = entry,
	.write = write_page,
};

static struct outcome outcome;
static bool failed;
static char found[300];

static void remember(const struct check *check, const struct finding *f)
{
	size_t len = strlen(found);

	/* Of what follows from the first check, nothing is told */
	if (f->verdict == VERDICT_PASS || strstr(f->detail, "first check"))
		return;
	snprintf(found + len, sizeof(found) - len, " %c%s", f->verdict == VERDICT_FAIL ? '-' : '?',
		 check->name);
	if (!*f->detail)
		failed = true;
}

/* Whether both have the same words, in any order */
static bool same(const char *a, const char *b)
{
	char text[300], *word, *rest = text;

	if (strlen(a) != strlen(b))
		return false;
	snprintf(text, sizeof(text), "%s", a);
	while ((word = strsep(&rest, " ")))
		if (*word && !strstr(b, word))
			return false;
	return true;
}

static void run_case(size_t i, unsigned char *memory)
{
	struct subject s = {
		.ops = &ops, .memory = memory, .sources = SOURCES, .may_fault = true,
		.seconds = 0.3,
	};
	bool good;

	memset(memory, 0, BYTES);
	iommu.fault = cases[i].fault;
	*found = 0;
	good = selftest_run(&s, &outcome, remember);
	if (good == !!strchr(found, '-') || outcome.measured == !!strstr(found, "tracked"))
		failed = true;
	if (same(found, cases[i].found))
		return;
	failed = true;
	printf("%s:%s, not%s\n", cases[i].name, found, cases[i].found);
}

/* Of a device that is not there */
static void print_report(void)
{
	struct report report = {
		.address = "none", .format = "none", .sizes = 0x201000, .outcome = outcome,
	};
	json_t *json = report_to_json(&report);

	json_dumpf(json, stdout, JSON_PRESERVE_ORDER);
	json_decref(json);
}

int main(int argc, char **argv)
{
	unsigned char *memory = aligned_alloc(SELFTEST_PAGE, BYTES);
	bool only_report = argc > 1 && !strcmp(argv[1], "--report");
	size_t i;

	if (!memory)
		return 1;
	pthread_mutex_init(&iommu.lock, NULL);
	for (i = 0; i < (only_report ? 1 : sizeof(cases) / sizeof(*cases)); i++)
		run_case(i, memory);
	if (only_report)
		print_report();
	free(memory);
	return failed;
}
