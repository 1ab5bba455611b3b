// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rivals of the walkers that depend on the base kernel, see struct bench_rival. In Linux
 * 6.12 the walkers for Intel and AMD are parts of the drivers, which do not build for
 * ARCH=um.
 */
#include "bench.h"

/**
 * bench_rival_base() - The base kernel's walker of a format
 * @fmt: The format
 *
 * Return: NULL, there is none.
 */
const struct bench_rival *bench_rival_base(const struct bench_fmt *fmt)
{
	return NULL;
}
