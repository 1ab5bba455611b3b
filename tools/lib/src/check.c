// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Which argument is wrong: checked before a call, or found out after the kernel has
 * refused one.
 */
#include "internal.h"

/* NULL if nothing is wrong with the range */
static const char *range_fault(uint64_t iova, uint64_t length)
{
	if (!length)
		return "is empty";
	return iova + (length - 1) < iova ? "exceeds the address space" : NULL;
}

bool blame_range(uint64_t iova, uint64_t length, uint64_t page_size)
{
	const char *why = range_fault(iova, length);

	if (!length)
		blame("length", "is 0", 0);
	else if (page_size < MIN_PAGE || (page_size & (page_size - 1)))
		blame("page_size", "is not a power of two of at least 4096", 0);
	else if (why)
		blame("length", why, 0);
	else
		return false;
	return true;
}

bool blame_ranges(const char *argument, const struct idirty_range *ranges, size_t num)
{
	const char *why;
	size_t i;

	for (i = 0; i < num; i++) {
		why = range_fault(ranges[i].iova, ranges[i].length);
		if (why) {
			blame_entry(argument, i, why, 0);
			return true;
		}
	}
	return false;
}

int check_range(enum idirty_verb verb, uint64_t iova, uint64_t length, uint64_t page_size)
{
	bool valid = length && page_size >= MIN_PAGE && !(page_size & (page_size - 1));

	if (valid && !range_fault(iova, length))
		return 0;
	failed(verb, valid ? -EOVERFLOW : -EINVAL);
	blame_range(iova, length, page_size);
	return valid ? -EOVERFLOW : -EINVAL;
}
