// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzzes file readers: fuzz-WHAT FILE SEED N. Each of N inputs is the file with a few
 * bytes changed or its end cut off. Reading it must end with a usable result or with a
 * message. tools/check/tools.sh runs it, built with sanitizers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define SPICES	10

static uint64_t seed;

size_t fuzz_below(size_t limit)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return limit ? seed % limit : 0;
}

static size_t damage(char *text, size_t len)
{
	static const char *const spice[SPICES] = {
		"-1", "1e999", "18446744073709551615", "[", "}", "\"", "\n", "\0", "null", "4096"
	};
	size_t n = 1 + fuzz_below(4), at, i;

	while (n--) {
		at = fuzz_below(len);
		switch (fuzz_below(4)) {
		case 0:
			text[at] = fuzz_below(256);
			break;
		case 1:
			text[at] ^= 1 << fuzz_below(8);
			break;
		case 2:
			len = at + 1;
			break;
		default:
			i = fuzz_below(SPICES);
			if (at + strlen(spice[i]) < len)
				memcpy(text + at, spice[i], strlen(spice[i]));
		}
	}
	return len;
}

int main(int argc, char **argv)
{
	static char good[1 << 16], text[1 << 16];
	unsigned long n, accepted = 0, i;
	size_t len;
	FILE *f;

	if (argc != 4)
		return 2;
	f = fopen(argv[1], "r");
	if (!f)
		return 1;
	len = fread(good, 1, sizeof(good), f);
	fclose(f);
	seed = strtoull(argv[2], NULL, 0) | 1;
	n = strtoul(argv[3], NULL, 0);
	if (!fuzz_one(good, len))
		return 1;
	for (i = 0; i < n; i++) {
		memcpy(text, good, len);
		accepted += fuzz_one(text, damage(text, len));
	}
	printf("%lu inputs, %lu of them accepted\n", n, accepted);
	return 0;
}
