/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interface between a fuzz target and fuzz.c.
 */
#ifndef _FUZZ_H
#define _FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Provided by the target: reads the text; false: rejected. Aborts on wrong results */
bool fuzz_one(char *text, size_t len);
/* Returns a random number below @limit, or 0 if @limit is 0 */
size_t fuzz_below(size_t limit);

#endif
