// SPDX-License-Identifier: GPL-2.0-only
/*
 * What must hold wherever pages are tracked. Each check starts with memory that is mapped
 * anew and a tracker that has just been started, so that none depends on another.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "selftest.h"

/* Pages that a check writes at once; those next to them stay clean */
static const size_t spots[] = { 1, 62, 64, 511, 513, 4099, SELFTEST_PAGES - 2 };
#define NUM_SPOTS	(sizeof(spots) / sizeof(*spots))
#define ROUNDS		50
/* A part of the memory in which a page is written again and again */
#define WINDOW		64UL
/* One that is so large that most pages are clean when an unmap begins */
#define LARGE_WINDOW	4096UL
#define UNMAPS		10
#define SAMPLES		9

#define result(to, what, ...)						\
({									\
	struct finding *__f = (to);					\
									\
	__f->verdict = (what);						\
	snprintf(__f->detail, sizeof(__f->detail), __VA_ARGS__);	\
})

static unsigned char *page(struct subject *s, size_t nr)
{
	return s->memory + nr * SELFTEST_PAGE;
}

static bool worked(struct subject *s, struct finding *f, int rc, const char *what)
{
	/* The text of the library names the call */
	if (rc && *s->error)
		result(f, VERDICT_FAIL, "%s", s->error);
	else if (rc)
		result(f, VERDICT_FAIL, "%s: %s", what, strerror(-rc));
	return !rc;
}

static int forget(struct subject *s)
{
	int rc = 0;

	if (s->running)
		rc = s->ops->stop(s);
	s->running = false;
	if (!rc && s->mapped)
		rc = s->ops->unmap(s, NULL);
	s->mapped = s->mapped && rc;
	return rc;
}

static int unmap(struct subject *s, uint64_t *bitmap)
{
	int rc = s->ops->unmap(s, bitmap);

	s->mapped = s->mapped && rc;
	return rc;
}

static int start(struct subject *s)
{
	int rc = s->ops->start(s);

	s->running = !rc;
	return rc;
}

/* Maps the memory anew, and tracks it from here on */
static bool fresh(struct subject *s, struct finding *f, bool large)
{
	*s->error = 0;
	if (!worked(s, f, forget(s), "the last unmap") ||
	    !worked(s, f, s->ops->map(s, large), "map"))
		return false;
	s->mapped = true;
	return worked(s, f, start(s), "START");
}

static bool read_all(struct subject *s, struct finding *f, uint64_t *bitmap)
{
	memset(bitmap, 0, SELFTEST_LONGS * sizeof(*bitmap));
	return worked(s, f, s->ops->read(s, bitmap), "READ");
}

/* What was dirty before is of no interest */
static bool begin(struct subject *s, struct finding *f, bool large)
{
	uint64_t bitmap[SELFTEST_LONGS];

	return fresh(s, f, large) && read_all(s, f, bitmap);
}

static void write_spots(struct subject *s)
{
	size_t i;

	for (i = 0; i < NUM_SPOTS; i++)
		s->ops->write(s, spots[i], i % s->sources);
}

static bool all_dirty(struct finding *f, const uint64_t *bitmap, const char *when)
{
	size_t i;

	for (i = 0; i < NUM_SPOTS; i++)
		if (!idirty_bitmap_test(bitmap, spots[i])) {
			result(f, VERDICT_FAIL, "page %zu was written%s, and is clean", spots[i],
			       when);
			return false;
		}
	return true;
}

/* Whether an entry of so many pages has both the page and one that was written */
static bool is_near_spot(size_t nr, size_t pages)
{
	size_t i;

	for (i = 0; i < NUM_SPOTS; i++)
		if (spots[i] / pages == nr / pages)
			return true;
	return false;
}

static void check_writes(struct subject *s, struct finding *f)
{
	static const unsigned char pattern = 0x5a;
	size_t i;

	if (!begin(s, f, false))
		return;
	memset(page(s, spots[0]), pattern, SELFTEST_PAGE);
	s->ops->write(s, spots[0], 0);
	for (i = 0; i < SELFTEST_PAGE; i++)
		if (page(s, spots[0])[i] != pattern)
			return;
	result(f, VERDICT_FAIL, "the device has written nothing");
}

static void check_set(struct subject *s, struct finding *f)
{
	uint64_t bitmap[SELFTEST_LONGS];

	if (!begin(s, f, false))
		return;
	write_spots(s);
	if (read_all(s, f, bitmap))
		all_dirty(f, bitmap, "");
}

static void check_cleared(struct subject *s, struct finding *f)
{
	uint64_t bitmap[SELFTEST_LONGS], nr = 0, end;

	if (!begin(s, f, false))
		return;
	write_spots(s);
	if (read_all(s, f, bitmap) && read_all(s, f, bitmap) &&
	    idirty_bitmap_next(bitmap, SELFTEST_PAGES, &nr, &end))
		result(f, VERDICT_FAIL, "page %llu is dirty again, and was not written",
		       (unsigned long long)nr);
}

/* The IOMMU caches that an entry is dirty, and does not set its bit again until a flush */
static void check_again(struct subject *s, struct finding *f)
{
	uint64_t bitmap[SELFTEST_LONGS];
	unsigned int i;

	if (!begin(s, f, false))
		return;
	for (i = 0; i < ROUNDS; i++) {
		write_spots(s);
		if (!read_all(s, f, bitmap) || !all_dirty(f, bitmap, i ? " again" : ""))
			return;
	}
}

static void check_precise(struct subject *s, struct finding *f)
{
	uint64_t bitmap[SELFTEST_LONGS];
	size_t pages, i;

	if (!begin(s, f, false))
		return;
	/* More than one on a host with larger pages */
	pages = s->ops->entry(s) / SELFTEST_PAGE ?: 1;
	write_spots(s);
	if (!read_all(s, f, bitmap))
		return;
	for (i = 0; i < SELFTEST_PAGES; i++)
		if (idirty_bitmap_test(bitmap, i) && !is_near_spot(i, pages)) {
			result(f, VERDICT_FAIL, "page %zu is dirty, and was not written", i);
			return;
		}
}

/* Whether exactly the entry with @nr is dirty */
static bool one_entry(struct finding *f, const uint64_t *bitmap, size_t nr, size_t pages)
{
	size_t first = nr / pages * pages, i;

	for (i = 0; i < SELFTEST_PAGES; i++) {
		bool dirty = idirty_bitmap_test(bitmap, i);

		if (i == nr && !dirty)
			result(f, VERDICT_FAIL, "page %zu was written, and is clean", i);
		else if (dirty && (i < first || i >= first + pages))
			result(f, VERDICT_FAIL, "page %zu of another entry is dirty", i);
		else
			continue;
		return false;
	}
	return true;
}

static void check_large(struct subject *s, struct finding *f)
{
	uint64_t bitmap[SELFTEST_LONGS], size;
	size_t i, dirty = 0;

	if (!begin(s, f, true))
		return;
	size = s->ops->entry(s);
	if (size <= SELFTEST_PAGE || size > SELFTEST_PAGES * SELFTEST_PAGE) {
		result(f, VERDICT_SKIP, "no large entries are in use");
		return;
	}
	for (i = 0; i < NUM_SPOTS; i++) {
		s->ops->write(s, spots[i], 0);
		if (!read_all(s, f, bitmap) ||
		    !one_entry(f, bitmap, spots[i], size / SELFTEST_PAGE))
			return;
		dirty = idirty_bitmap_count(bitmap, SELFTEST_PAGES);
	}
	result(f, VERDICT_PASS, "one page of %s makes %s dirty", size_text(size),
	       size_text(dirty * SELFTEST_PAGE));
}

/* A READ whose bitmap cannot be written must not have cleared what it could not report */
static void check_kept(struct subject *s, struct finding *f)
{
	uint64_t bitmap[SELFTEST_LONGS];
	uint64_t *bad;
	int rc;

	if (!begin(s, f, false))
		return;
	bad = mmap(NULL, sizeof(bitmap), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (bad == MAP_FAILED) {
		result(f, VERDICT_SKIP, "out of memory");
		return;
	}
	write_spots(s);
	rc = s->ops->read(s, bad);
	munmap(bad, sizeof(bitmap));
	if (!rc)
		result(f, VERDICT_FAIL, "READ has succeeded with a bitmap that is not writable");
	else if (read_all(s, f, bitmap))
		all_dirty(f, bitmap, " before a READ that failed");
}

/* The device writes to the first @pages, in a thread of its own */
struct writer {
	struct subject *subject;
	size_t pages;
	pthread_t thread;
	bool stop;
};

static void *keep_writing(void *arg)
{
	struct writer *w = arg;
	struct subject *s = w->subject;
	unsigned int seed = 1;

	while (!__atomic_load_n(&w->stop, __ATOMIC_ACQUIRE)) {
		size_t nr = rand_r(&seed) % w->pages;

		s->ops->write(s, nr, rand_r(&seed) % s->sources);
	}
	return NULL;
}

static bool writer_start(struct writer *w, struct subject *s, size_t pages, struct finding *f)
{
	*w = (struct writer){ .subject = s, .pages = pages };
	return worked(s, f, -pthread_create(&w->thread, NULL, keep_writing, w), "a thread");
}

static void writer_stop(struct writer *w)
{
	__atomic_store_n(&w->stop, true, __ATOMIC_RELEASE);
	pthread_join(w->thread, NULL);
}

/* Copies the dirty pages of the window, as a migration does */
static void send(struct subject *s, const uint64_t *bitmap, unsigned char *copy)
{
	size_t i;

	for (i = 0; i < WINDOW; i++)
		if (idirty_bitmap_test(bitmap, i))
			memcpy(copy + i * SELFTEST_PAGE, page(s, i), SELFTEST_PAGE);
}

/* Whether the copy is what the memory has, but for pages in @bitmap */
static bool is_sent(struct subject *s, struct finding *f, const uint64_t *bitmap,
		    const unsigned char *copy, size_t pages, const char *when)
{
	size_t i;

	for (i = 0; i < pages; i++)
		if (!idirty_bitmap_test(bitmap, i) &&
		    memcmp(copy + i * SELFTEST_PAGE, page(s, i), SELFTEST_PAGE)) {
			result(f, VERDICT_FAIL, "page %zu was written %s, and is clean", i, when);
			return false;
		}
	return true;
}

/* A bit that is visible before the data it announces is allowed until READ returns */
static void send_while_written(struct subject *s, struct finding *f, unsigned char *copy)
{
	uint64_t bitmap[SELFTEST_LONGS];
	double end = seconds_now() + s->seconds;
	struct writer writer;
	bool good = true;

	memcpy(copy, s->memory, WINDOW * SELFTEST_PAGE);
	if (!writer_start(&writer, s, WINDOW, f))
		return;
	while (good && seconds_now() < end) {
		good = read_all(s, f, bitmap);
		if (good)
			send(s, bitmap, copy);
	}
	writer_stop(&writer);
	if (good && read_all(s, f, bitmap))
		is_sent(s, f, bitmap, copy, WINDOW, "after the last READ that has reported it");
}

static bool data_differs(struct subject *s)
{
	unsigned int i;

	for (i = 0; i < s->sources; i++)
		s->ops->write(s, i, i);
	for (i = 1; i < s->sources; i++)
		if (memcmp(page(s, 0), page(s, i), SELFTEST_PAGE))
			return true;
	return false;
}

/* With memory for a copy of the larger window, if the device's data lets a lost write be seen */
static unsigned char *copy_for(struct subject *s, struct finding *f)
{
	unsigned char *copy;

	if (!begin(s, f, false))
		return NULL;
	if (!data_differs(s)) {
		result(f, VERDICT_SKIP, "the device has only one kind of data to write");
		return NULL;
	}
	copy = malloc(LARGE_WINDOW * SELFTEST_PAGE);
	if (!copy)
		result(f, VERDICT_SKIP, "out of memory");
	return copy;
}

static void check_ordered(struct subject *s, struct finding *f)
{
	unsigned char *copy = copy_for(s, f);

	if (copy)
		send_while_written(s, f, copy);
	free(copy);
}

/* The page table is a new one, in which nothing has enabled dirty bits before */
static void check_attach(struct subject *s, struct finding *f)
{
	uint64_t bitmap[SELFTEST_LONGS];

	if (!begin(s, f, false) || !worked(s, f, s->ops->reattach(s), "attaching") ||
	    !read_all(s, f, bitmap))
		return;
	write_spots(s);
	if (read_all(s, f, bitmap))
		all_dirty(f, bitmap, " after the device was attached again");
}

static void check_unmap(struct subject *s, struct finding *f)
{
	uint64_t bitmap[SELFTEST_LONGS] = { 0 };

	if (!begin(s, f, false))
		return;
	write_spots(s);
	if (worked(s, f, unmap(s, bitmap), "UNMAP"))
		all_dirty(f, bitmap, " before the UNMAP");
}

static void check_unmapped(struct subject *s, struct finding *f)
{
	uint64_t bitmap[SELFTEST_LONGS];

	if (!begin(s, f, false))
		return;
	write_spots(s);
	if (worked(s, f, unmap(s, NULL), "unmapping") && read_all(s, f, bitmap))
		all_dirty(f, bitmap, " and unmapped");
}

static bool unmap_while_written(struct subject *s, struct finding *f, unsigned char *copy)
{
	uint64_t bitmap[SELFTEST_LONGS] = { 0 };
	struct writer writer;
	int rc;

	if (!begin(s, f, false))
		return false;
	memcpy(copy, s->memory, LARGE_WINDOW * SELFTEST_PAGE);
	if (!writer_start(&writer, s, LARGE_WINDOW, f))
		return false;
	usleep(1000);
	rc = unmap(s, bitmap);
	/* Not those that were refused: they have changed nothing */
	writer_stop(&writer);
	return worked(s, f, rc, "UNMAP") &&
	       is_sent(s, f, bitmap, copy, LARGE_WINDOW, "during the UNMAP");
}

static void check_race(struct subject *s, struct finding *f)
{
	unsigned char *copy;
	unsigned int i;

	if (!s->may_fault) {
		result(f, VERDICT_SKIP, "the device would fail if its writes were refused");
		return;
	}
	copy = copy_for(s, f);
	for (i = 0; copy && i < UNMAPS; i++)
		if (!unmap_while_written(s, f, copy))
			break;
	free(copy);
}

const struct check selftest_checks[SELFTEST_CHECKS] = {
	{ "tracked", "the device is tracked, and writes", check_writes },
	{ "set", "what it writes is dirty", check_set },
	{ "cleared", "READ makes it clean", check_cleared },
	{ "again", "what it writes again is dirty again", check_again },
	{ "precise", "nothing else is dirty", check_precise },
	{ "kept", "a READ that fails loses nothing", check_kept },
	{ "ordered", "no write is lost while others are sent", check_ordered },
	{ "attach", "a page table that joins is tracked", check_attach },
	{ "unmap", "UNMAP reports what was written", check_unmap },
	{ "unmapped", "READ reports what was unmapped", check_unmapped },
	{ "race", "no write is lost during UNMAP", check_race },
	/* The last one: see subject_ops.map */
	{ "large", "no other entry is dirty than the large one with the page", check_large },
};

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static uint64_t median(double *seconds)
{
	qsort(seconds, SAMPLES, sizeof(*seconds), by_value);
	return seconds[SAMPLES / 2] * 1e9;
}

/* Evaluates to the result of @call, and sets its time */
#define timed(seconds, call)				\
({							\
	double __begin = seconds_now();			\
	int __rc = (call);				\
							\
	*(seconds) = seconds_now() - __begin;		\
	__rc;						\
})

static bool measure(struct subject *s, struct times *times)
{
	double begin[SAMPLES], clean[SAMPLES], dirty[SAMPLES], end[SAMPLES];
	uint64_t bitmap[SELFTEST_LONGS] = { 0 };
	int rc = forget(s);
	size_t i;

	for (i = 0; !rc && i < SAMPLES; i++) {
		rc = s->ops->map(s, false);
		s->mapped = !rc;
		rc = rc ?: timed(&begin[i], start(s));
		rc = rc ?: s->ops->read(s, bitmap);
		rc = rc ?: timed(&clean[i], s->ops->read(s, bitmap));
		if (rc)
			break;
		write_spots(s);
		rc = timed(&dirty[i], s->ops->read(s, bitmap));
		rc = rc ?: timed(&end[i], unmap(s, bitmap));
		rc = rc ?: forget(s);
	}
	if (!rc)
		*times = (struct times){
			median(begin), median(clean), median(dirty), median(end),
		};
	return !rc;
}

static void run_check(struct subject *s, struct outcome *o, size_t i)
{
	struct finding *f = &o->findings[i];

	if (i && o->findings[0].verdict != VERDICT_PASS)
		result(f, VERDICT_SKIP, "without the first check, it would tell nothing");
	else
		selftest_checks[i].run(s, f);
}

bool selftest_run(struct subject *s, struct outcome *o, told_fn *told)
{
	bool good = true;
	size_t i;

	*o = (struct outcome){};
	for (i = 0; i < SELFTEST_CHECKS; i++) {
		/* Before there may be no small entries any more */
		if (i == SELFTEST_CHECKS - 1 && o->findings[0].verdict == VERDICT_PASS)
			o->measured = measure(s, &o->times);
		run_check(s, o, i);
		good &= o->findings[i].verdict != VERDICT_FAIL;
		told(&selftest_checks[i], &o->findings[i]);
	}
	forget(s);
	return good;
}
