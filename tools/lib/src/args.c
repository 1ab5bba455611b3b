// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Structs of callers that were compiled with another version of the header. Each begins
 * with its size. The library works on a copy of its own version: what the caller does not
 * know is 0 there, and what the library does not know must be 0.
 */
#include "internal.h"

/* As the kernel: more is no size, but memory that was never set */
#define MAX_SIZE	4096

int args_copy(enum idirty_verb verb, void *to, size_t known, size_t first, const void *from)
{
	const char *bytes = from;
	uint32_t size, i;

	memcpy(&size, from, sizeof(size));
	if (size < first || size > MAX_SIZE)
		return blame("size", "is not the size of the struct", failed(verb, -EINVAL));
	for (i = known; i < size; i++)
		if (bytes[i])
			return blame("size", "includes a field that this library does not know",
				     failed(verb, -E2BIG));
	memset(to, 0, known);
	memcpy(to, from, min_u64(size, known));
	return 0;
}

void args_return(void *to, const void *from, size_t known)
{
	uint32_t size;

	memcpy(&size, to, sizeof(size));
	memcpy(to, from, min_u64(size, known));
}
