// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
/*
 * Dirty pages that were read from the kernel but not handed to a caller, who did
 * not ask for them or had no room. They wait in the tracker for the next READ, SCAN
 * or UNMAP. Called by read.c and scan.c, and by tracker.c and alloc.c to drop them.
 * Functions that take a tracker are called with its lock held, unless it is being freed.
 */
#include "internal.h"

/*
 * The kernel may mark an IO page table entry that extends past the bitmap, up to
 * the end of the page of memory in which the bitmap ends. The block owns that page.
 */
struct block *block_new(uint64_t from, uint64_t last, uint64_t page_size)
{
	struct block *b = calloc(1, sizeof(*b));
	void *bits;
	size_t size;

	if (!b)
		return NULL;
	b->from = from;
	b->last = last;
	b->page_size = page_size;
	b->pages = idirty_bitmap_pages(from, last - from + 1, page_size);
	size = (idirty_bitmap_bytes(from, last - from + 1, page_size) + MIN_PAGE - 1) &
	       ~(MIN_PAGE - 1);
	if (posix_memalign(&bits, MIN_PAGE, size)) {
		free(b);
		return NULL;
	}
	memset(bits, 0, size);
	b->bits = bits;
	return b;
}

void block_free(struct block *b)
{
	if (b)
		free(b->bits);
	free(b);
}

void block_fill(struct block *b)
{
	memset(b->bits, 0xff, (b->pages + 7) / 8);
}

void block_clear(struct block *b, uint64_t first, uint64_t end)
{
	for (; first < end && first % 8; first++)
		b->bits[first / 8] &= ~(1U << (first % 8));
	if (first < end)
		memset(b->bits + first / 8, 0, (end - first) / 8);
	for (first = end - (end - first) % 8; first < end; first++)
		b->bits[first / 8] &= ~(1U << (first % 8));
}

/* The part of a page that the block stands for */
static struct idirty_range page_range(const struct block *b, uint64_t page)
{
	uint64_t begin = (b->from & ~(b->page_size - 1)) + page * b->page_size;
	uint64_t last = begin + (b->page_size - 1);

	if (begin < b->from)
		begin = b->from;
	if (last > b->last)
		last = b->last;
	return (struct idirty_range){ begin, last - begin + 1 };
}

/* Reports one page of the block; it stays dirty unless the range holds all of it */
static uint64_t page_give(struct block *b, uint64_t page, const struct idirty_read_args *read,
			  bool keep)
{
	struct idirty_range r = page_range(b, page);
	uint64_t last = r.iova + (r.length - 1), end = read->iova + (read->length - 1);
	uint64_t base = read->iova / read->page_size, bit, added = 0;
	bool whole = r.iova >= read->iova && last <= end;

	if (r.iova < read->iova)
		r.iova = read->iova;
	if (last > end)
		last = end;
	for (bit = r.iova / read->page_size; bit <= last / read->page_size; bit++)
		added += bit_set(read->bitmap, bit - base);
	if (whole && !keep)
		block_clear(b, page, page + 1);
	return added;
}

uint64_t block_give(struct block *b, const struct idirty_read_args *read, bool keep)
{
	uint64_t last = read->iova + (read->length - 1);
	uint64_t base = b->from / b->page_size;
	uint64_t page = 0, pages = b->pages, end, added = 0;

	if (read->iova > b->last || last < b->from)
		return 0;
	if (read->iova > b->from)
		page = read->iova / b->page_size - base;
	if (last < b->last)
		pages = last / b->page_size - base + 1;
	while (idirty_bitmap_next(b->bits, pages, &page, &end))
		for (; page < end; page++)
			added += page_give(b, page, read, keep);
	return added;
}

static bool block_empty(const struct block *b)
{
	uint64_t page = 0, end;

	return !idirty_bitmap_next(b->bits, b->pages, &page, &end);
}

/* Moves pages that @into covers there, so that blocks do not pile up */
static void block_merge(struct block *into, struct block *b)
{
	uint64_t page = 0, end, base = into->from / into->page_size, bit;

	while (idirty_bitmap_next(b->bits, b->pages, &page, &end))
		for (; page < end; page++) {
			struct idirty_range r = page_range(b, page);
			uint64_t last = r.iova + (r.length - 1);

			if (r.iova < into->from || last > into->last)
				continue;
			for (bit = r.iova / into->page_size; bit <= last / into->page_size; bit++)
				bit_set(into->bits, bit - base);
			block_clear(b, page, page + 1);
		}
}

void blocks_keep(struct idirty_tracker *t, struct block *b)
{
	struct block *other;

	for (other = t->blocks; other; other = other->next)
		block_merge(other, b);
	if (block_empty(b)) {
		block_free(b);
		return;
	}
	b->next = t->blocks;
	t->blocks = b;
}

uint64_t blocks_give(struct idirty_tracker *t, const struct idirty_read_args *read, bool keep)
{
	struct block **at = &t->blocks, *b;
	uint64_t added = 0;

	while ((b = *at)) {
		added += block_give(b, read, keep);
		if (block_empty(b)) {
			*at = b->next;
			block_free(b);
		} else {
			at = &b->next;
		}
	}
	return added;
}

void blocks_drop(struct idirty_tracker *t)
{
	struct block *b;

	while ((b = t->blocks)) {
		t->blocks = b->next;
		block_free(b);
	}
}
