// SPDX-License-Identifier: GPL-2.0-only
/*
 * The thread rules: readers share trackers and a bitmap while others write, ask
 * for INFO and fail. Each page written is in the bitmap in the end, and each
 * thread has its own last error. To be built with SANITIZE=thread.
 */
#include "fake.h"
#include "internal.h"

#define TRACKERS	8
#define ROUNDS		200

static struct idirty_tracker *trackers[TRACKERS];
static uint8_t bitmap[FAKE_PAGES / 8];
static struct idirty *ctx;

static void *writer(void *arg)
{
	unsigned int page;

	(void)arg;
	for (page = 0; page < FAKE_PAGES; page++)
		fake_write(page);
	return NULL;
}

static void *reader(void *arg)
{
	struct idirty_read read = { .iova = FAKE_IOVA, .length = FAKE_SIZE,
				    .page_size = 4096, .bitmap = bitmap };
	unsigned int i;

	for (i = 0; i < ROUNDS; i++)
		if (idirty_read_threads(trackers, TRACKERS, &read, (uintptr_t)arg))
			return "read failed";
	return NULL;
}

static void *stranger(void *arg)
{
	struct idirty_target none = IDIRTY_TARGET(99);
	struct idirty_tracker *t;
	struct idirty_info *info;
	unsigned int i;

	(void)arg;
	for (i = 0; i < ROUNDS; i++) {
		int want = fake_has_trackers ? ENOENT : ENOTTY;

		if (idirty_alloc(ctx, &none, &t) != -want ||
		    idirty_last_error()->code != want)
			return "another error";
		if (idirty_info(trackers[i % TRACKERS], &info))
			return "info failed";
		idirty_free(info);
	}
	return NULL;
}

static void run(const char *name, struct idirty_target *target, unsigned int num)
{
	void *(*const fns[])(void *) = { writer, reader, reader, stranger };
	struct idirty_read rest = { .iova = FAKE_IOVA, .length = FAKE_SIZE,
				    .page_size = 4096, .bitmap = bitmap };
	pthread_t threads[4];
	unsigned int i;
	void *rc;

	memset(bitmap, 0, sizeof(bitmap));
	expect(!idirty_open(5, &ctx));
	for (i = 0; i < TRACKERS; i++) {
		if (i >= num) {
			trackers[i] = trackers[0];
			continue;
		}
		expect(!idirty_alloc(ctx, target, &trackers[i]));
		expect(!idirty_start(trackers[i], 0, NULL, 0, NULL));
	}
	for (i = 0; i < 4; i++)
		expect(!pthread_create(&threads[i], NULL, fns[i], (void *)(uintptr_t)(i + 1)));
	for (i = 0; i < 4; i++) {
		pthread_join(threads[i], &rc);
		if (rc)
			printf("not ok - %s\n", (char *)rc);
		expect(!rc);
	}
	expect(!idirty_read(trackers, TRACKERS, &rest, NULL));
	expect(idirty_bitmap_count(bitmap, FAKE_PAGES) == FAKE_PAGES);
	for (i = 0; i < num; i++)
		expect(!idirty_destroy(trackers[i]));
	idirty_close(ctx);
	ok(name);
}

int main(void)
{
	struct idirty_target ioas = IDIRTY_TARGET(FAKE_IOAS);
	uint32_t hwpt = FAKE_HWPT;
	struct idirty_target hwpts = { FAKE_IOAS, 1, &hwpt, -1, 0 };

	fake_reset();
	run("threads: trackers", &ioas, TRACKERS);
	fake_reset();
	fake_has_trackers = false;
	run("threads: HWPTs", &hwpts, 1);
	return 0;
}
