// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sink that marks dirty pages in the user's bitmap. READ pins the bitmap pages
 * of a window of IOVA, lets the scopes mark in them, and unpins them. Marking
 * cannot fail in between, so a walker may clear a dirty bit after marking it.
 *
 * The user may read, set or clear bits at any time, and other calls may mark in the
 * same words. So bits are set with atomic operations on aligned words, counted from
 * the start of a page: the bitmap may start at any byte. Pinning may take the mmap
 * lock, so it runs without locks of the IOAS. Marking takes no lock.
 */
#include <linux/mm.h>
#include <linux/uaccess.h>

#include "sink.h"

#define BITS_PER_PAGE	(PAGE_SIZE * 8)
#define WORDS_PER_PAGE	(PAGE_SIZE / sizeof(u64))

/* Bit number of @iova, counted from bitmap->uaddr */
static unsigned long sink_bit(struct iommufd_dirty_bitmap *bitmap,
			      unsigned long iova)
{
	return (iova >> bitmap->shift) - bitmap->first_page +
	       bitmap->bit_offset;
}

/* Kernel address of word @word, counted from bitmap->uaddr */
static u64 *sink_word(struct iommufd_dirty_bitmap *bitmap, unsigned long word)
{
	unsigned long page = word / WORDS_PER_PAGE - bitmap->win_page;
	u64 *addr;

	/* A caller that marks outside the pinned window has a bug */
	if (WARN_ON_ONCE(page >= bitmap->nr_pages))
		return NULL;
	addr = page_address(bitmap->pages[page]);
	return addr + word % WORDS_PER_PAGE;
}

/*
 * Set all bits of a word with a plain store, which is several times cheaper than a
 * locked operation and loses no bits. If another call sets bits of the word
 * concurrently, both may count them.
 */
static u64 sink_fill(u64 *addr)
{
	u64 old = READ_ONCE(*addr);

	WRITE_ONCE(*addr, U64_MAX);
	return old ? 64 - hweight64(old) : 64;
}

static void sink_or(struct iommufd_dirty_bitmap *bitmap, unsigned long word,
		    u64 mask)
{
	u64 *addr = sink_word(bitmap, word);
	u64 old;

	if (!addr)
		return;
	bitmap->marked = true;
	if (mask == U64_MAX) {
		bitmap->added += sink_fill(addr);
		return;
	}
	/* Bit n of the bitmap is bit n % 8 of byte n / 8 on every architecture */
	old = atomic64_fetch_or((__force u64)cpu_to_le64(mask),
				(atomic64_t *)addr);
	bitmap->added += hweight64(mask & ~le64_to_cpu((__force __le64)old));
}

/* Set all bits of @n words, starting at @word */
static void sink_fill_words(struct iommufd_dirty_bitmap *bitmap,
			    unsigned long word, unsigned long n)
{
	while (n) {
		unsigned long i, here = min(n, WORDS_PER_PAGE -
					       word % WORDS_PER_PAGE);
		u64 *addr = sink_word(bitmap, word);

		if (!addr)
			return;
		for (i = 0; i < here; i++)
			bitmap->added += sink_fill(&addr[i]);
		word += here;
		n -= here;
	}
	bitmap->marked = true;
}

static void sink_mark_range(struct iommu_dirty_sink *sink, unsigned long iova,
			    unsigned long last)
{
	struct iommufd_dirty_bitmap *bitmap =
		container_of(sink, struct iommufd_dirty_bitmap, sink);
	unsigned long bit = sink_bit(bitmap, iova);
	unsigned long end = sink_bit(bitmap, last) + 1;

	if (bit / 64 == end / 64) {
		sink_or(bitmap, bit / 64,
			GENMASK_ULL((end - 1) % 64, bit % 64));
		return;
	}
	if (bit % 64) {
		sink_or(bitmap, bit / 64, GENMASK_ULL(63, bit % 64));
		bit = ALIGN(bit, 64);
	}
	sink_fill_words(bitmap, bit / 64, end / 64 - bit / 64);
	if (end % 64)
		sink_or(bitmap, end / 64, GENMASK_ULL(end % 64 - 1, 0));
}

static void sink_mark_mask(struct iommu_dirty_sink *sink, unsigned long iova,
			   unsigned int shift, u64 mask)
{
	struct iommufd_dirty_bitmap *bitmap =
		container_of(sink, struct iommufd_dirty_bitmap, sink);

	if (shift == bitmap->shift) {
		unsigned int low = __ffs64(mask);
		unsigned long bit =
			sink_bit(bitmap, iova + ((unsigned long)low << shift));

		mask >>= low;
		sink_or(bitmap, bit / 64, mask << (bit % 64));
		if (bit % 64 && mask >> (64 - bit % 64))
			sink_or(bitmap, bit / 64 + 1,
				mask >> (64 - bit % 64));
		return;
	}

	iommu_dirty_mark_runs(sink, iova, shift, mask);
}

static const struct iommu_dirty_sink_ops sink_ops = {
	.mark_mask = sink_mark_mask,
	.mark_range = sink_mark_range,
};

/**
 * iommufd_dirty_bitmap_init() - Initialize a sink for the bitmap of a READ
 * @bitmap: The sink
 * @iova: First byte of the range; its page is bit 0
 * @last: Last byte of the range, inclusive
 * @shift: log2 of the bytes per bit
 * @data: User address of the bitmap
 *
 * Return: 0, -EOVERFLOW if the bitmap does not fit into the address space, or
 * -EFAULT if it is not within the user address space.
 */
int iommufd_dirty_bitmap_init(struct iommufd_dirty_bitmap *bitmap,
			      unsigned long iova, unsigned long last,
			      unsigned int shift, u64 data)
{
	unsigned long bytes = ((last >> shift) - (iova >> shift)) / 8 + 1;
	unsigned long uaddr = data;
	unsigned long end;

	if (check_add_overflow(uaddr, bytes, &end))
		return -EOVERFLOW;
	if (!access_ok((void __user *)uaddr, bytes))
		return -EFAULT;

	*bitmap = (struct iommufd_dirty_bitmap){
		.sink.ops = &sink_ops,
		.shift = shift,
		.first_page = iova >> shift,
		.uaddr = uaddr & PAGE_MASK,
		.bit_offset = offset_in_page(uaddr) * 8,
	};
	return 0;
}

/**
 * iommufd_dirty_bitmap_pin() - Pin the bitmap pages of a window of IOVA
 * @bitmap: The sink, with nothing pinned
 * @iova: First byte of the window, within the range of the READ
 * @last: In: last byte of the window, inclusive, of at most IOMMUFD_DIRTY_WINDOW bytes,
 *	or as many bits as that is in 4 KiB pages.
 *	Out: smaller if only the first part of the bitmap could be pinned, or if it has
 *	more bits
 *
 * Context: May sleep and take the mmap lock. The caller holds no lock of the IOAS.
 * Return: 0, -EFAULT if the bitmap page of @iova cannot be written, -EINTR if a
 * fatal signal is pending, or -ENOMEM.
 */
int iommufd_dirty_bitmap_pin(struct iommufd_dirty_bitmap *bitmap,
			     unsigned long iova, unsigned long *last)
{
	unsigned long page = sink_bit(bitmap, iova) / BITS_PER_PAGE;
	unsigned long nr = sink_bit(bitmap, *last) / BITS_PER_PAGE - page + 1;
	unsigned long bits;
	int rc;

	rc = pin_user_pages_fast(bitmap->uaddr + page * PAGE_SIZE,
				 min(nr, ARRAY_SIZE(bitmap->pages)),
				 FOLL_WRITE, bitmap->pages);
	if (rc <= 0) {
		if (rc == -ENOMEM)
			return rc;
		return fatal_signal_pending(current) ? -EINTR : -EFAULT;
	}

	bitmap->win_page = page;
	bitmap->nr_pages = rc;
	bitmap->marked = false;
	if (rc == nr)
		return 0;

	/* The last byte of the last pinned bit */
	bits = (page + rc) * BITS_PER_PAGE - bitmap->bit_offset;
	*last = ((bitmap->first_page + bits) << bitmap->shift) - 1;
	return 0;
}

/**
 * iommufd_dirty_bitmap_unpin() - Unpin what iommufd_dirty_bitmap_pin() has pinned
 * @bitmap: The sink
 */
void iommufd_dirty_bitmap_unpin(struct iommufd_dirty_bitmap *bitmap)
{
	unpin_user_pages_dirty_lock(bitmap->pages, bitmap->nr_pages,
				    bitmap->marked);
	bitmap->nr_pages = 0;
}
