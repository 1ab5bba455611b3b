// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bitmaps in the format of READ: page n is bit n % 8 of byte n / 8, any alignment.
 */
#include "lib.h"

bool bitmap_test(const void *bitmap, __u64 bit)
{
	const unsigned char *bytes = bitmap;

	return bytes[bit / 8] >> (bit % 8) & 1;
}

void bitmap_set(void *bitmap, __u64 bit)
{
	unsigned char *bytes = bitmap;

	bytes[bit / 8] |= 1 << (bit % 8);
}

__u64 bitmap_count(const void *bitmap, __u64 bits)
{
	const unsigned char *bytes = bitmap;
	__u64 count = 0;
	__u64 i;

	for (i = 0; i < bits / 8; i++)
		if (bytes[i])
			count += __builtin_popcount(bytes[i]);
	if (bits % 8)
		count += __builtin_popcount(bytes[i] & ((1 << bits % 8) - 1));
	return count;
}

__u64 bitmap_bits(__u64 iova, __u64 length, __u64 page_size)
{
	return (iova + length - 1) / page_size - iova / page_size + 1;
}

size_t bitmap_bytes(__u64 iova, __u64 length, __u64 page_size)
{
	return (bitmap_bits(iova, length, page_size) + 7) / 8;
}
