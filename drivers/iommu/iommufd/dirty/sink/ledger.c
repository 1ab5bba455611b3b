// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ledger: a tracker's sparse record of dirty pages harvested outside its own
 * reads, because their range was unmapped, their HWPT went away, software wrote to
 * them, or another tracker's read cleaned the entry. Each 16 MiB of IOVA with a
 * dirty page has a bitmap. Marking cannot fail: without memory, and for very large
 * marks, it uses a few coarse ranges, which may cover more than is dirty. Callers
 * that can fail reserve bitmaps first and trim them afterwards. All memory is
 * charged to the process that made the tracker. The OOM killer never runs.
 * Called by the scopes, tracker.c and scan.c in sleepable context.
 *
 * Readers of different parts of an IOAS mark in the ledgers of the same trackers, so each
 * bitmap has the lock of its shard, and only the coarse ranges (coarse.c) have one lock.
 * Functions take these innermost locks of the dirty trackers, for one bitmap at a time:
 * what they do with a range is not atomic. A page that is dirty never looks clean meanwhile,
 * because no mark moves from a bitmap to a coarse range or back.
 */
#include <kunit/static_stub.h>
#include <linux/bitmap.h>
#include <linux/jiffies.h>
#include <linux/memcontrol.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "sink.h"

#define PAGE_OF(iova)	((iova) >> IOMMUFD_DIRTY_LEDGER_SHIFT)
#define CHUNK_OF(iova)	((iova) >> IOMMUFD_DIRTY_LEDGER_CHUNK_SHIFT)
#define CHUNK_SIZE	BIT(IOMMUFD_DIRTY_LEDGER_CHUNK_SHIFT)
#define CHUNK_LAST(iova)	((iova) | (CHUNK_SIZE - 1))
#define BIT_OF(iova)	(PAGE_OF(iova) % IOMMUFD_DIRTY_LEDGER_BITS)

/* Marks have a fallback, so they do not retry */
#define GFP_MARK	(GFP_KERNEL_ACCOUNT | __GFP_NORETRY | __GFP_NOWARN)

/* Who marks for an observer does not reclaim memory for it */
#define GFP_MARK_FOR	(GFP_NOWAIT | __GFP_ACCOUNT)

/* After a failed allocation, marks do not allocate for this long */
#define RETRY_JIFFIES	max(HZ / 10, 1)

/* Reservations fail without memory, but must not invoke the OOM killer */
#define GFP_RESERVE	(GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/**
 * iommufd_dirty_ledger_alloc() - Allocate a chunk; tests make it fail
 * @gfp: Allocation flags
 *
 * Return: an empty bitmap, or NULL.
 */
unsigned long *iommufd_dirty_ledger_alloc(gfp_t gfp)
{
	KUNIT_STATIC_STUB_REDIRECT(iommufd_dirty_ledger_alloc, gfp);
	return bitmap_zalloc(IOMMUFD_DIRTY_LEDGER_BITS, gfp);
}

static struct iommufd_dirty_shard *chunk_shard(struct iommufd_dirty_ledger *ledger,
					       unsigned long index)
{
	return &ledger->shards[index % IOMMUFD_DIRTY_LEDGER_SHARDS];
}

/* Lock the bitmap of @iova, whether it exists or not */
static struct iommufd_dirty_shard *shard_lock(struct iommufd_dirty_ledger *ledger,
					      unsigned long iova)
{
	struct iommufd_dirty_shard *shard = chunk_shard(ledger, CHUNK_OF(iova));

	mutex_lock(&shard->lock);
	return shard;
}

static void shard_unlock(struct iommufd_dirty_shard *shard)
{
	mutex_unlock(&shard->lock);
}

static void assert_shard(struct iommufd_dirty_ledger *ledger, unsigned long iova)
{
	lockdep_assert_held(&chunk_shard(ledger, CHUNK_OF(iova))->lock);
}

static unsigned long *chunk_new(struct iommufd_dirty_ledger *ledger,
				unsigned long iova, gfp_t gfp)
{
	unsigned long *chunk = iommufd_dirty_ledger_alloc(gfp);

	if (!chunk)
		return NULL;
	if (xa_err(xa_store(&ledger->chunks, CHUNK_OF(iova), chunk, gfp))) {
		bitmap_free(chunk);
		return NULL;
	}
	return chunk;
}

/* Find or create the chunk of @iova. Returns NULL without memory */
static unsigned long *chunk_get(struct iommufd_dirty_ledger *ledger,
				unsigned long iova, gfp_t gfp)
{
	unsigned long *chunk = xa_load(&ledger->chunks, CHUNK_OF(iova));
	struct mem_cgroup *old;

	assert_shard(ledger, iova);

	if (chunk)
		return chunk;
	old = set_active_memcg(ledger->memcg);
	chunk = chunk_new(ledger, iova, gfp);
	set_active_memcg(old);
	return chunk;
}

/*
 * The same for a mark. The caller holds locks, and a failing allocation takes long,
 * so after a failure marks do not allocate for a while.
 */
static noinline unsigned long *chunk_find_mark(struct iommufd_dirty_ledger *ledger,
					       struct iommufd_dirty_shard *shard,
					       unsigned long iova)
{
	unsigned long *chunk = xa_load(&ledger->chunks, CHUNK_OF(iova));

	if (!chunk &&
	    !(READ_ONCE(ledger->starved) &&
	      time_before(jiffies, READ_ONCE(ledger->retry)))) {
		chunk = chunk_get(ledger, iova,
				  ledger->observes ? GFP_MARK_FOR : GFP_MARK);
		WRITE_ONCE(ledger->retry, jiffies + RETRY_JIFFIES);
		WRITE_ONCE(ledger->starved, !chunk);
	}
	shard->recent = chunk;
	shard->recent_index = CHUNK_OF(iova);
	return chunk;
}

/* Each unmap beside an observer comes here, mostly for the chunk of the last one */
static unsigned long *chunk_get_mark(struct iommufd_dirty_ledger *ledger,
				     struct iommufd_dirty_shard *shard,
				     unsigned long iova)
{
	assert_shard(ledger, iova);

	if (shard->recent && shard->recent_index == CHUNK_OF(iova))
		return shard->recent;
	return chunk_find_mark(ledger, shard, iova);
}

/* Free the chunk with this index, if there is one and it is not in use */
static void chunk_free(struct iommufd_dirty_ledger *ledger, unsigned long index,
		       bool empty_only)
{
	struct iommufd_dirty_shard *shard = chunk_shard(ledger, index);
	unsigned long *chunk;

	mutex_lock(&shard->lock);
	chunk = xa_load(&ledger->chunks, index);
	if (chunk && (!empty_only ||
		      bitmap_empty(chunk, IOMMUFD_DIRTY_LEDGER_BITS))) {
		xa_erase(&ledger->chunks, index);
		if (shard->recent == chunk)
			shard->recent = NULL;
		bitmap_free(chunk);
	}
	mutex_unlock(&shard->lock);
}

static void ledger_mark_range(struct iommu_dirty_sink *sink, unsigned long iova,
			      unsigned long last)
{
	struct iommufd_dirty_ledger *ledger =
		container_of(sink, struct iommufd_dirty_ledger, sink);

	iommufd_dirty_ledger_mark(ledger, iova, last);
}

/* Set the bits of a nonzero mask. Returns false if they span two chunks */
static bool ledger_mark_word(struct iommufd_dirty_ledger *ledger,
			     struct iommufd_dirty_shard *shard,
			     unsigned long iova, u64 mask)
{
	unsigned long bit = BIT_OF(iova), *word;
	unsigned int shift = bit % BITS_PER_LONG;
	unsigned long *chunk;

	if (bit + fls64(mask) > IOMMUFD_DIRTY_LEDGER_BITS)
		return false;
	chunk = chunk_get_mark(ledger, shard, iova);
	if (!chunk) {
		iommufd_dirty_coarse_mark(&ledger->coarse,
					  iova + (__ffs64(mask) << IOMMUFD_DIRTY_LEDGER_SHIFT),
					  iova + ((u64)(fls64(mask) - 1)
						  << IOMMUFD_DIRTY_LEDGER_SHIFT));
		return true;
	}
	word = chunk + bit / BITS_PER_LONG;
	*word |= mask << shift;
	if (shift && mask >> (BITS_PER_LONG - shift))
		word[1] |= mask >> (BITS_PER_LONG - shift);
	return true;
}

static void ledger_mark_mask(struct iommu_dirty_sink *sink, unsigned long iova,
			     unsigned int shift, u64 mask)
{
	struct iommufd_dirty_ledger *ledger =
		container_of(sink, struct iommufd_dirty_ledger, sink);
	struct iommufd_dirty_shard *shard;
	bool done = false;

	if (shift == IOMMUFD_DIRTY_LEDGER_SHIFT && mask) {
		shard = shard_lock(ledger, iova);
		done = ledger_mark_word(ledger, shard, iova, mask);
		shard_unlock(shard);
	}
	if (!done)
		iommu_dirty_mark_runs(sink, iova, shift, mask);
}

static const struct iommu_dirty_sink_ops ledger_sink_ops = {
	.mark_mask = ledger_mark_mask,
	.mark_range = ledger_mark_range,
};

/**
 * iommufd_dirty_ledger_init() - Initialize an empty ledger
 * @ledger: The ledger
 *
 * Its memory is charged to the caller.
 */
void iommufd_dirty_ledger_init(struct iommufd_dirty_ledger *ledger)
{
	unsigned int i;

	*ledger = (struct iommufd_dirty_ledger){
		.sink.ops = &ledger_sink_ops,
		.memcg = get_mem_cgroup_from_mm(current->mm),
	};
	for (i = 0; i < IOMMUFD_DIRTY_LEDGER_SHARDS; i++)
		mutex_init(&ledger->shards[i].lock);
	iommufd_dirty_coarse_init(&ledger->coarse);
	xa_init_flags(&ledger->chunks, XA_FLAGS_ACCOUNT);
}

/**
 * iommufd_dirty_ledger_purge() - Clear the ledger and free all memory
 * @ledger: The ledger
 */
void iommufd_dirty_ledger_purge(struct iommufd_dirty_ledger *ledger)
{
	unsigned long *chunk;
	unsigned long index;

	xa_for_each(&ledger->chunks, index, chunk) {
		chunk_free(ledger, index, false);
		cond_resched();
	}
	iommufd_dirty_coarse_purge(&ledger->coarse);
	WRITE_ONCE(ledger->starved, false);
}

/**
 * iommufd_dirty_ledger_fini() - Free all memory of a ledger that is not used any more
 * @ledger: The ledger
 */
void iommufd_dirty_ledger_fini(struct iommufd_dirty_ledger *ledger)
{
	unsigned int i;

	iommufd_dirty_ledger_purge(ledger);
	mem_cgroup_put(ledger->memcg);
	for (i = 0; i < IOMMUFD_DIRTY_LEDGER_SHARDS; i++)
		mutex_destroy(&ledger->shards[i].lock);
	mutex_destroy(&ledger->coarse.lock);
}

/**
 * iommufd_dirty_ledger_reserve() - Allocate memory to mark a range exactly
 * @ledger: The ledger
 * @iova: First byte
 * @last: Last byte, inclusive
 *
 * The reservation lasts until the range is trimmed.
 *
 * Return: 0 or -ENOMEM.
 */
int iommufd_dirty_ledger_reserve(struct iommufd_dirty_ledger *ledger,
				 unsigned long iova, unsigned long last)
{
	struct iommufd_dirty_shard *shard;
	struct iommufd_dirty_range part;
	bool reserved;

	for_each_dirty_range(part, iommufd_dirty_window_next, CHUNK_SIZE, iova,
			     last) {
		shard = shard_lock(ledger, part.iova);
		reserved = chunk_get(ledger, part.iova, GFP_RESERVE);
		shard_unlock(shard);
		if (!reserved)
			return -ENOMEM;
	}
	return 0;
}

/**
 * iommufd_dirty_ledger_trim() - Free empty bitmaps of a range
 * @ledger: The ledger
 * @iova: First byte of the range
 * @last: Last byte, inclusive
 *
 * The caller ensures that no reservation of the range is in use.
 */
void iommufd_dirty_ledger_trim(struct iommufd_dirty_ledger *ledger,
			       unsigned long iova, unsigned long last)
{
	unsigned long *chunk;
	unsigned long index;

	xa_for_each_range(&ledger->chunks, index, chunk, CHUNK_OF(iova),
			  CHUNK_OF(last)) {
		chunk_free(ledger, index, true);
		cond_resched();
	}
}

/* Record a range within one chunk */
static void ledger_mark_part(struct iommufd_dirty_ledger *ledger,
			     unsigned long iova, unsigned long last)
{
	struct iommufd_dirty_shard *shard = shard_lock(ledger, iova);
	unsigned long *chunk = chunk_get_mark(ledger, shard, iova);

	if (!chunk)
		iommufd_dirty_coarse_mark(&ledger->coarse, iova, last);
	else if (PAGE_OF(iova) == PAGE_OF(last))
		__set_bit(BIT_OF(iova), chunk);
	else
		bitmap_set(chunk, BIT_OF(iova), BIT_OF(last) - BIT_OF(iova) + 1);
	shard_unlock(shard);
}

/**
 * iommufd_dirty_ledger_mark() - Record a dirty range
 * @ledger: The ledger
 * @iova: First byte
 * @last: Last byte, inclusive
 *
 * Ledger pages that are partly in the range become dirty as a whole.
 */
void iommufd_dirty_ledger_mark(struct iommufd_dirty_ledger *ledger,
			       unsigned long iova, unsigned long last)
{
	struct iommufd_dirty_range part;

	if (CHUNK_OF(iova) == CHUNK_OF(last)) {
		/* A shortcut for the unmaps beside an observer */
		ledger_mark_part(ledger, iova, last);
	} else if (last - iova >= IOMMUFD_DIRTY_LEDGER_LARGE - 1) {
		iommufd_dirty_coarse_mark(&ledger->coarse, iova, last);
	} else {
		for_each_dirty_range(part, iommufd_dirty_window_next,
				     CHUNK_SIZE, iova, last)
			ledger_mark_part(ledger, part.iova, part.last);
	}
}

/**
 * iommufd_dirty_ledger_mark_hole() - Record a range whose state is unknown
 * @ledger: The ledger
 * @iova: First byte
 * @last: Last byte, inclusive
 *
 * Like iommufd_dirty_ledger_mark(), but prefers a coarse range to save memory.
 */
void iommufd_dirty_ledger_mark_hole(struct iommufd_dirty_ledger *ledger,
				    unsigned long iova, unsigned long last)
{
	if (!iommufd_dirty_coarse_try_mark(&ledger->coarse, iova, last))
		iommufd_dirty_ledger_mark(ledger, iova, last);
}

/* The same for the chunk of @iova */
static bool chunk_span(struct iommufd_dirty_ledger *ledger, unsigned long iova,
		       unsigned long *last)
{
	struct iommufd_dirty_shard *shard = shard_lock(ledger, iova);
	unsigned long *chunk = xa_load(&ledger->chunks, CHUNK_OF(iova));
	unsigned long bit = BIT_OF(iova), end = IOMMUFD_DIRTY_LEDGER_BITS;
	bool dirty = false;

	/* It may have been trimmed meanwhile */
	if (chunk) {
		dirty = test_bit(bit, chunk);
		end = dirty ? find_next_zero_bit(chunk, end, bit) :
			      find_next_bit(chunk, end, bit);
	}
	shard_unlock(shard);
	*last = min(*last, (iova & ~IOMMUFD_DIRTY_LEDGER_MASK) +
			   (((end - bit) << IOMMUFD_DIRTY_LEDGER_SHIFT) - 1));
	return dirty;
}

/*
 * Returns whether @iova is dirty. @span_last: the last byte up to @last in the same
 * state, within one coarse range, one chunk or one hole between chunks.
 */
static bool ledger_span(struct iommufd_dirty_ledger *ledger, unsigned long iova,
			unsigned long last, unsigned long *span_last)
{
	unsigned long index = CHUNK_OF(iova);

	*span_last = last;
	if (iommufd_dirty_coarse_span(&ledger->coarse, iova, span_last))
		return true;
	if (!xa_find(&ledger->chunks, &index, CHUNK_OF(*span_last), XA_PRESENT))
		return false;
	if (index != CHUNK_OF(iova)) {
		*span_last = (index << IOMMUFD_DIRTY_LEDGER_CHUNK_SHIFT) - 1;
		return false;
	}
	return chunk_span(ledger, iova, span_last);
}

/**
 * iommufd_dirty_ledger_first() - Find the first dirty byte of a range
 * @ledger: The ledger
 * @iova: First byte of the range
 * @last: Last byte, inclusive
 * @first: Out: the first dirty byte
 *
 * Unlike iommufd_dirty_ledger_run(), it does not look for the end of the run.
 *
 * Return: false if nothing in the range is dirty.
 */
bool iommufd_dirty_ledger_first(struct iommufd_dirty_ledger *ledger,
				unsigned long iova, unsigned long last,
				unsigned long *first)
{
	unsigned long span_last;
	bool found;

	for (;;) {
		found = ledger_span(ledger, iova, last, &span_last);
		if (found || span_last == last)
			break;
		iova = span_last + 1;
		cond_resched();
	}
	*first = iova;
	return found;
}

/**
 * iommufd_dirty_ledger_chunk() - Find the next bitmap
 * @ledger: The ledger
 * @iova: First byte of the range to look at
 * @last: Last byte, inclusive
 * @next: Out: first byte of the range for which there is a bitmap; at least @iova
 *
 * Context: takes no lock; the bitmaps themselves are not accessed.
 * Return: false if there is none.
 */
bool iommufd_dirty_ledger_chunk(struct iommufd_dirty_ledger *ledger,
				unsigned long iova, unsigned long last,
				unsigned long *next)
{
	unsigned long index = CHUNK_OF(iova);

	if (!xa_find(&ledger->chunks, &index, CHUNK_OF(last), XA_PRESENT))
		return false;
	*next = max(iova, index << IOMMUFD_DIRTY_LEDGER_CHUNK_SHIFT);
	return true;
}

/**
 * iommufd_dirty_ledger_bound() - Bound what one harvest has to look at in a ledger
 * @ledger: The ledger
 * @size: Size of a window in bytes, a power of two
 * @iova: First byte of the harvest
 * @last: Last byte, inclusive
 *
 * Only bitmaps count: there are few coarse ranges, however long they are. Bitmaps that are
 * added later are not considered: callers exclude whoever can add many, or ignore them.
 *
 * Context: takes no lock; the bitmaps themselves are not accessed.
 * Return: as iommufd_dirty_window_bound(); @last if there is no bitmap.
 */
unsigned long iommufd_dirty_ledger_bound(struct iommufd_dirty_ledger *ledger,
					 unsigned long size, unsigned long iova,
					 unsigned long last)
{
	unsigned long next;

	if (!iommufd_dirty_ledger_chunk(ledger, iova, last, &next))
		return last;
	return iommufd_dirty_window_bound(size, iova, last, next);
}

/**
 * iommufd_dirty_ledger_run() - Find the first dirty run of a range
 * @ledger: The ledger
 * @iova: First byte of the range
 * @last: Last byte, inclusive
 * @run: Out: the longest run of dirty bytes there, limited to the range
 *
 * Return: false if nothing in the range is dirty.
 */
bool iommufd_dirty_ledger_run(struct iommufd_dirty_ledger *ledger,
			      unsigned long iova, unsigned long last,
			      struct iommufd_dirty_range *run)
{
	unsigned long span_last;
	bool found = false;

	for (;;) {
		if (ledger_span(ledger, iova, last, &span_last)) {
			if (!found)
				run->iova = iova;
			run->last = span_last;
			found = true;
		} else if (found) {
			break;
		}
		if (span_last == last)
			break;
		iova = span_last + 1;
		cond_resched();
	}
	return found;
}

/* Narrow a range to ledger pages that are in it as a whole; false if there is none */
static bool ledger_whole_pages(unsigned long *iova, unsigned long *last)
{
	unsigned long page = PAGE_OF(*iova) + !!(*iova & IOMMUFD_DIRTY_LEDGER_MASK);
	unsigned long last_page = PAGE_OF(*last);

	if ((*last & IOMMUFD_DIRTY_LEDGER_MASK) != IOMMUFD_DIRTY_LEDGER_MASK) {
		if (!last_page)
			return false;
		last_page--;
	}
	if (page > last_page)
		return false;
	*iova = page << IOMMUFD_DIRTY_LEDGER_SHIFT;
	*last = (last_page << IOMMUFD_DIRTY_LEDGER_SHIFT) | IOMMUFD_DIRTY_LEDGER_MASK;
	return true;
}

/**
 * iommufd_dirty_ledger_clear() - Clear a range
 * @ledger: The ledger
 * @iova: First byte
 * @last: Last byte, inclusive
 *
 * Ledger pages that are only partly in the range stay dirty. No memory is freed.
 */
void iommufd_dirty_ledger_clear(struct iommufd_dirty_ledger *ledger,
				unsigned long iova, unsigned long last)
{
	struct iommufd_dirty_shard *shard;
	unsigned long *chunk;
	unsigned long index;

	if (!ledger_whole_pages(&iova, &last))
		return;
	iommufd_dirty_coarse_clear(&ledger->coarse, iova, last);
	xa_for_each_range(&ledger->chunks, index, chunk, CHUNK_OF(iova),
			  CHUNK_OF(last)) {
		unsigned long base = index << IOMMUFD_DIRTY_LEDGER_CHUNK_SHIFT;
		unsigned int bit = BIT_OF(max(base, iova));
		unsigned int last_bit = BIT_OF(min(CHUNK_LAST(base), last));

		shard = shard_lock(ledger, base);
		chunk = xa_load(&ledger->chunks, index);
		if (chunk)
			bitmap_clear(chunk, bit, last_bit - bit + 1);
		shard_unlock(shard);
		cond_resched();
	}
}

/**
 * iommufd_dirty_ledger_report() - Mark the dirty pages of a range in another sink
 * @ledger: The ledger
 * @iova: First byte of the range
 * @last: Last byte, inclusive
 * @flags: Combination of enum iommu_dirty_walk_flags. Without
 *	IOMMU_DIRTY_WALK_NO_CLEAR, the range is cleared
 * @sink: The sink, ready for the range
 */
void iommufd_dirty_ledger_report(struct iommufd_dirty_ledger *ledger,
				 unsigned long iova, unsigned long last,
				 unsigned int flags,
				 struct iommu_dirty_sink *sink)
{
	struct iommufd_dirty_range run;

	for_each_dirty_range(run, iommufd_dirty_ledger_run, ledger, iova, last) {
		sink->ops->mark_range(sink, run.iova, run.last);
		if (!(flags & IOMMU_DIRTY_WALK_NO_CLEAR))
			iommufd_dirty_ledger_clear(ledger, run.iova, run.last);
	}
}

/**
 * iommufd_dirty_ledger_report_coarse() - The same, without the bitmaps
 * @ledger: The ledger
 * @iova: First byte of the range
 * @last: Last byte, inclusive
 * @flags: As for iommufd_dirty_ledger_report()
 * @sink: Same; it takes no lock
 *
 * The time does not depend on the size of the range, nor on marks that are made meanwhile.
 */
void iommufd_dirty_ledger_report_coarse(struct iommufd_dirty_ledger *ledger,
					unsigned long iova, unsigned long last,
					unsigned int flags,
					struct iommu_dirty_sink *sink)
{
	struct iommufd_dirty_range clear = { iova, last };
	bool clears = !(flags & IOMMU_DIRTY_WALK_NO_CLEAR) &&
		      ledger_whole_pages(&clear.iova, &clear.last);

	iommufd_dirty_coarse_report(&ledger->coarse, iova, last,
				    clears ? &clear : NULL, sink);
}
