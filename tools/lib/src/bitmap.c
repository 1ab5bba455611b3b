// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Bits and runs of a bitmap. Bit n % 8 of byte n / 8 is page n. A bitmap may have
 * any alignment and any length in bytes: words are loaded with memcpy(), and
 * swapped on big-endian machines.
 */
#include "internal.h"

uint64_t idirty_bitmap_pages(uint64_t iova, uint64_t length, uint64_t page_size)
{
	if (!length || !page_size)
		return 0;
	return (iova + (length - 1)) / page_size - iova / page_size + 1;
}

size_t idirty_bitmap_bytes(uint64_t iova, uint64_t length, uint64_t page_size)
{
	uint64_t pages = idirty_bitmap_pages(iova, length, page_size);

	return pages / 8 + !!(pages % 8);
}

int idirty_bitmap_test(const void *bitmap, uint64_t page)
{
	return ((const uint8_t *)bitmap)[page / 8] >> (page % 8) & 1;
}

bool bit_set(void *bitmap, uint64_t bit)
{
	uint8_t mask = 1U << (bit % 8);

	return !(__atomic_fetch_or((uint8_t *)bitmap + bit / 8, mask, __ATOMIC_RELAXED) &
		 mask);
}

/* 64 bits from @page on, a multiple of 8; bits past the end are 0 */
static uint64_t load(const uint8_t *bitmap, uint64_t pages, uint64_t page)
{
	uint64_t bytes = (pages - page + 7) / 8;
	uint64_t word = 0;

	memcpy(&word, bitmap + page / 8, bytes < 8 ? bytes : 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	if (pages - page < 64)
		word &= (1ULL << (pages - page)) - 1;
	return word;
}

uint64_t idirty_bitmap_count(const void *bitmap, uint64_t pages)
{
	uint64_t page, count = 0;

	for (page = 0; page < pages; page += 64)
		count += __builtin_popcountll(load(bitmap, pages, page));
	return count;
}

/* The first bit at or after @page whose value is @set; @pages if there is none */
static uint64_t find(const void *bitmap, uint64_t pages, uint64_t page, bool set)
{
	uint64_t base, word;

	for (base = page & ~7ULL; base < pages; base += 64) {
		word = load(bitmap, pages, base);
		if (!set)
			word = ~word;
		if (base < page)
			word &= ~0ULL << (page - base);
		if (word) {
			base += __builtin_ctzll(word);
			return base < pages ? base : pages;
		}
	}
	return pages;
}

int idirty_bitmap_next(const void *bitmap, uint64_t pages, uint64_t *first,
		       uint64_t *end)
{
	if (*first >= pages)
		return 0;
	*first = find(bitmap, pages, *first, true);
	if (*first == pages)
		return 0;
	*end = find(bitmap, pages, *first, false);
	return 1;
}

int idirty_bitmap_next_run(const void *bitmap, const struct idirty_range *range,
			   uint64_t page_size, uint64_t *pos,
			   struct idirty_range *run)
{
	uint64_t pages = idirty_bitmap_pages(range->iova, range->length, page_size);
	uint64_t base = range->iova & ~(page_size - 1);
	uint64_t last = range->iova + (range->length - 1);
	uint64_t end, run_last;

	if (!idirty_bitmap_next(bitmap, pages, pos, &end))
		return 0;
	run->iova = base + *pos * page_size;
	if (run->iova < range->iova)
		run->iova = range->iova;
	run_last = base + (end * page_size - 1);
	if (run_last > last)
		run_last = last;
	run->length = run_last - run->iova + 1;
	*pos = end;
	return 1;
}
