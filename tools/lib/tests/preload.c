// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * The minimal kernel of the tests for a program that is not linked with it: to be preloaded,
 * together with examples.c and fake.c.
 */
#include <stdarg.h>
#include <sys/ioctl.h>

#include "fake.h"

int ioctl(int fd, unsigned long cmd, ...)
{
	va_list args;
	void *arg;

	va_start(args, cmd);
	arg = va_arg(args, void *);
	va_end(args);
	return __wrap_ioctl(fd, cmd, arg);
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec *time,
		    struct timespec *left)
{
	return __wrap_clock_nanosleep(clock, flags, time, left);
}
