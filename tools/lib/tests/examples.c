// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Linked with an example and with fake.c, so that the example runs on the minimal kernel
 * of the tests. While the example sleeps, a device writes to pages 1, 2, 3 and 100.
 */
#include <time.h>

#include "fake.h"

int __wrap_nanosleep(const struct timespec *time, struct timespec *left);

__attribute__((constructor))
static void begin(void)
{
	fake_reset();
}

int __wrap_nanosleep(const struct timespec *time, struct timespec *left)
{
	unsigned int page;

	(void)time;
	(void)left;
	for (page = 1; page <= 3; page++)
		fake_write(page);
	fake_write(100);
	return 0;
}

/* Examples in Rust sleep by either */
int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *time,
			   struct timespec *left)
{
	(void)clock;
	(void)flags;
	return __wrap_nanosleep(time, left);
}
