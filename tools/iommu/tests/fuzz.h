/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a fuzz target gives, and what it gets from fuzz.c.
 */
#ifndef _FUZZ_H
#define _FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads it all; false: refused with a message. It aborts if something is wrong */
bool fuzz_one(char *text, size_t len);
/* Random, below @limit */
size_t fuzz_below(size_t limit);

#endif
