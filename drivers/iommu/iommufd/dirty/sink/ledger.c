// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ledger: a tracker's sparse record of dirty pages that were harvested
 * outside of its own reads, because their range was unmapped, their HWPT went
 * away, software wrote to them, or another tracker's read cleaned the entry.
 * Marked and cleared by the scopes and by scan.c.
 *
 * Memory is proportional to what is dirty: a bitmap for each 16 MiB of IOVA
 * that hold a dirty page. Marking cannot fail: where there is no memory, a few
 * coarse ranges, which may grow beyond what is dirty, take the mark; as they do where
 * a mark is so large that memory for it would be beyond measure. Who would rather
 * fail, as it is his own ledger that he marks in, reserves the bitmaps first, and
 * trims them in the end.
 *
 * Whoever marks, the memory is charged to who has started the tracker; and nobody is
 * killed for want of it.
 *
 * All functions sleep on the ledger's own lock, the innermost one.
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
#define CHUNK_LAST(iova) \
	((iova) | (BIT(IOMMUFD_DIRTY_LEDGER_CHUNK_SHIFT) - 1))
#define BIT_OF(iova)	(PAGE_OF(iova) % IOMMUFD_DIRTY_LEDGER_BITS)
#define LEDGER_MASK	(BIT(IOMMUFD_DIRTY_LEDGER_SHIFT) - 1)

/* For marks, which can do without */
#define GFP_MARK	(GFP_KERNEL_ACCOUNT | __GFP_NORETRY | __GFP_NOWARN)

/* For so long after a mark that had to do without, others do, too */
#define RETRY_JIFFIES	max(HZ / 10, 1)

/* For what fails without: that nobody is killed for it */
#define GFP_RESERVE	(GFP_KERNEL_ACCOUNT | __GFP_RETRY_MAYFAIL | __GFP_NOWARN)

/**
 * iommufd_dirty_ledger_alloc() - Memory for a chunk; tests make it fail
 * @gfp: How hard to try
 *
 * Return: a bitmap without a bit set, or NULL.
 */
unsigned long *iommufd_dirty_ledger_alloc(gfp_t gfp)
{
	KUNIT_STATIC_STUB_REDIRECT(iommufd_dirty_ledger_alloc, gfp);
	return bitmap_zalloc(IOMMUFD_DIRTY_LEDGER_BITS, gfp);
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

/* The chunk of @iova, made if there is none; NULL without memory */
static unsigned long *chunk_get(struct iommufd_dirty_ledger *ledger,
				unsigned long iova, gfp_t gfp)
{
	unsigned long *chunk = xa_load(&ledger->chunks, CHUNK_OF(iova));
	struct mem_cgroup *old;

	lockdep_assert_held(&ledger->lock);

	if (chunk)
		return chunk;
	old = set_active_memcg(ledger->memcg);
	chunk = chunk_new(ledger, iova, gfp);
	set_active_memcg(old);
	return chunk;
}

/*
 * The same for a mark. Who marks holds locks, and to look for memory takes long where
 * there is none: after a failure nobody does for a while.
 */
static unsigned long *chunk_get_mark(struct iommufd_dirty_ledger *ledger,
				     unsigned long iova)
{
	unsigned long *chunk = xa_load(&ledger->chunks, CHUNK_OF(iova));

	if (chunk ||
	    (ledger->starved && time_before(jiffies, ledger->retry)))
		return chunk;
	chunk = chunk_get(ledger, iova, GFP_MARK);
	ledger->starved = !chunk;
	ledger->retry = jiffies + RETRY_JIFFIES;
	return chunk;
}

static void coarse_remove(struct iommufd_dirty_ledger *ledger, unsigned int i)
{
	ledger->coarse[i] = ledger->coarse[--ledger->nr_coarse];
}

/* How far are two ranges apart? 0 if they overlap or touch */
static unsigned long range_gap(const struct iommufd_dirty_range *a,
			       const struct iommufd_dirty_range *b)
{
	if (a->last < b->iova)
		return b->iova - a->last - 1;
	if (b->last < a->iova)
		return a->iova - b->last - 1;
	return 0;
}

/* Can a range be recorded in constant memory, and nothing else with it? */
static bool coarse_has_room(const struct iommufd_dirty_ledger *ledger,
			    const struct iommufd_dirty_range *range)
{
	unsigned int i;

	lockdep_assert_held(&ledger->lock);

	for (i = 0; i < ledger->nr_coarse; i++)
		if (!range_gap(&ledger->coarse[i], range))
			return true;
	return ledger->nr_coarse < IOMMUFD_DIRTY_LEDGER_COARSE;
}

/* Record a range in constant memory, together with its neighbours if need be */
static void coarse_add(struct iommufd_dirty_ledger *ledger,
		       struct iommufd_dirty_range range)
{
	unsigned int i;

	lockdep_assert_held(&ledger->lock);

	for (;;) {
		unsigned long gap = ULONG_MAX;
		unsigned int nearest = 0;

		for (i = 0; i < ledger->nr_coarse; i++) {
			unsigned long d = range_gap(&ledger->coarse[i], &range);

			if (d < gap) {
				gap = d;
				nearest = i;
			}
		}
		if (gap && ledger->nr_coarse < IOMMUFD_DIRTY_LEDGER_COARSE)
			break;
		range.iova = min(range.iova, ledger->coarse[nearest].iova);
		range.last = max(range.last, ledger->coarse[nearest].last);
		/* What is in between may meet further ranges */
		coarse_remove(ledger, nearest);
	}
	ledger->coarse[ledger->nr_coarse++] = range;
}

/* Without a free slot, a range keeps what would have to be cut out of it */
static void coarse_clear(struct iommufd_dirty_ledger *ledger,
			 unsigned long iova, unsigned long last)
{
	unsigned int i = 0;

	while (i < ledger->nr_coarse) {
		struct iommufd_dirty_range *range = &ledger->coarse[i];
		bool head = range->iova < iova, tail = range->last > last;

		if (range->last < iova || range->iova > last) {
			i++;
		} else if (!head && !tail) {
			coarse_remove(ledger, i);
		} else if (head && tail) {
			if (ledger->nr_coarse < IOMMUFD_DIRTY_LEDGER_COARSE) {
				ledger->coarse[ledger->nr_coarse++] =
					(struct iommufd_dirty_range){
						.iova = last + 1,
						.last = range->last,
					};
				range->last = iova - 1;
			}
			i++;
		} else {
			if (head)
				range->last = iova - 1;
			else
				range->iova = last + 1;
			i++;
		}
	}
}

static void ledger_mark_range(struct iommu_dirty_sink *sink, unsigned long iova,
			      unsigned long last)
{
	struct iommufd_dirty_ledger *ledger =
		container_of(sink, struct iommufd_dirty_ledger, sink);

	iommufd_dirty_ledger_mark(ledger, iova, last);
}

/* A range of pages is recorded as a whole */
static void coarse_mark(struct iommufd_dirty_ledger *ledger, unsigned long iova,
			unsigned long last)
{
	coarse_add(ledger, (struct iommufd_dirty_range){
				   .iova = iova & ~LEDGER_MASK,
				   .last = last | LEDGER_MASK,
			   });
}

/* Set all bits of a mask, but not 0, at once; false if they are not of one chunk */
static bool ledger_mark_word(struct iommufd_dirty_ledger *ledger,
			     unsigned long iova, u64 mask)
{
	unsigned long bit = BIT_OF(iova), *word;
	unsigned int shift = bit % BITS_PER_LONG;
	unsigned long *chunk;

	lockdep_assert_held(&ledger->lock);

	if (bit + fls64(mask) > IOMMUFD_DIRTY_LEDGER_BITS)
		return false;
	chunk = chunk_get_mark(ledger, iova);
	if (!chunk) {
		coarse_mark(ledger,
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
	bool done = false;

	if (shift == IOMMUFD_DIRTY_LEDGER_SHIFT && mask) {
		mutex_lock(&ledger->lock);
		done = ledger_mark_word(ledger, iova, mask);
		mutex_unlock(&ledger->lock);
	}
	if (!done)
		iommu_dirty_mark_runs(sink, iova, shift, mask);
}

static const struct iommu_dirty_sink_ops ledger_sink_ops = {
	.mark_mask = ledger_mark_mask,
	.mark_range = ledger_mark_range,
};

/**
 * iommufd_dirty_ledger_init() - Make an empty ledger
 * @ledger: The ledger
 */
void iommufd_dirty_ledger_init(struct iommufd_dirty_ledger *ledger)
{
	*ledger = (struct iommufd_dirty_ledger){ .sink.ops = &ledger_sink_ops };
	mutex_init(&ledger->lock);
	xa_init_flags(&ledger->chunks, XA_FLAGS_ACCOUNT);
}

/**
 * iommufd_dirty_ledger_charge() - Charge the memory to the caller from now on
 * @ledger: The ledger
 *
 * Until it is purged.
 */
void iommufd_dirty_ledger_charge(struct iommufd_dirty_ledger *ledger)
{
	struct mem_cgroup *memcg = get_mem_cgroup_from_mm(current->mm);

	mutex_lock(&ledger->lock);
	swap(ledger->memcg, memcg);
	mutex_unlock(&ledger->lock);
	mem_cgroup_put(memcg);
}

/**
 * iommufd_dirty_ledger_purge() - Forget everything, free all memory
 * @ledger: The ledger
 */
void iommufd_dirty_ledger_purge(struct iommufd_dirty_ledger *ledger)
{
	struct mem_cgroup *memcg = NULL;
	unsigned long *chunk;
	unsigned long index;

	mutex_lock(&ledger->lock);
	xa_for_each(&ledger->chunks, index, chunk) {
		bitmap_free(chunk);
		cond_resched();
	}
	xa_destroy(&ledger->chunks);
	ledger->nr_coarse = 0;
	ledger->starved = false;
	swap(ledger->memcg, memcg);
	mutex_unlock(&ledger->lock);
	mem_cgroup_put(memcg);
}

/**
 * iommufd_dirty_ledger_reserve() - Make sure that a range can be marked exactly
 * @ledger: The ledger
 * @iova: First byte
 * @last: Last byte, inclusive
 *
 * Good until somebody trims the range.
 *
 * Return: 0 or -ENOMEM.
 */
int iommufd_dirty_ledger_reserve(struct iommufd_dirty_ledger *ledger,
				 unsigned long iova, unsigned long last)
{
	int rc = 0;

	mutex_lock(&ledger->lock);
	for (;;) {
		if (!chunk_get(ledger, iova, GFP_RESERVE)) {
			rc = -ENOMEM;
			break;
		}
		if (CHUNK_OF(iova) == CHUNK_OF(last))
			break;
		iova = CHUNK_LAST(iova) + 1;
		cond_resched();
	}
	mutex_unlock(&ledger->lock);
	return rc;
}

/**
 * iommufd_dirty_ledger_trim() - Free memory that records nothing
 * @ledger: The ledger
 * @iova: First byte of the range to look at
 * @last: Last byte, inclusive
 *
 * The caller knows that nobody relies on a reservation. Looks at the bitmaps of the
 * range only.
 */
void iommufd_dirty_ledger_trim(struct iommufd_dirty_ledger *ledger,
			       unsigned long iova, unsigned long last)
{
	unsigned long *chunk;
	unsigned long index;

	mutex_lock(&ledger->lock);
	xa_for_each_range(&ledger->chunks, index, chunk, CHUNK_OF(iova),
			  CHUNK_OF(last)) {
		if (bitmap_empty(chunk, IOMMUFD_DIRTY_LEDGER_BITS)) {
			xa_erase(&ledger->chunks, index);
			bitmap_free(chunk);
		}
		/* There can be very many, and others want to mark */
		if (need_resched()) {
			mutex_unlock(&ledger->lock);
			cond_resched();
			mutex_lock(&ledger->lock);
		}
	}
	mutex_unlock(&ledger->lock);
}

/**
 * iommufd_dirty_ledger_mark() - Record a dirty range
 * @ledger: The ledger
 * @iova: First byte
 * @last: Last byte, inclusive
 *
 * Pages of the ledger that the range holds in part become dirty as a whole.
 */
void iommufd_dirty_ledger_mark(struct iommufd_dirty_ledger *ledger,
			       unsigned long iova, unsigned long last)
{
	bool large = last - iova >= IOMMUFD_DIRTY_LEDGER_LARGE - 1;

	mutex_lock(&ledger->lock);
	for (;;) {
		unsigned long part_last =
			large ? last : min(last, CHUNK_LAST(iova));
		unsigned long *chunk =
			large ? NULL : chunk_get_mark(ledger, iova);

		if (chunk)
			bitmap_set(chunk, BIT_OF(iova),
				   BIT_OF(part_last) - BIT_OF(iova) + 1);
		else
			coarse_mark(ledger, iova, part_last);
		if (part_last == last)
			break;
		iova = part_last + 1;
		cond_resched();
	}
	mutex_unlock(&ledger->lock);
}

/**
 * iommufd_dirty_ledger_mark_hole() - Record a range of which nothing is known
 * @ledger: The ledger
 * @iova: First byte
 * @last: Last byte, inclusive
 *
 * As iommufd_dirty_ledger_mark(), but in constant memory if that can be.
 */
void iommufd_dirty_ledger_mark_hole(struct iommufd_dirty_ledger *ledger,
				    unsigned long iova, unsigned long last)
{
	struct iommufd_dirty_range range = {
		.iova = iova & ~LEDGER_MASK,
		.last = last | LEDGER_MASK,
	};
	bool room;

	mutex_lock(&ledger->lock);
	room = coarse_has_room(ledger, &range);
	if (room)
		coarse_add(ledger, range);
	mutex_unlock(&ledger->lock);
	if (!room)
		iommufd_dirty_ledger_mark(ledger, iova, last);
}

/*
 * Is @iova dirty? Out: the last byte, not behind @last, that is like it; all of
 * the same chunk or of the same hole between two chunks.
 */
static bool ledger_span(struct iommufd_dirty_ledger *ledger, unsigned long iova,
			unsigned long last, unsigned long *span_last)
{
	unsigned long *chunk, index = CHUNK_OF(iova);
	unsigned long bit, end;
	unsigned int i;
	bool dirty;

	lockdep_assert_held(&ledger->lock);

	for (i = 0; i < ledger->nr_coarse; i++) {
		const struct iommufd_dirty_range *range = &ledger->coarse[i];

		if (range->iova <= iova && iova <= range->last) {
			*span_last = min(last, range->last);
			return true;
		}
		if (range->iova > iova)
			last = min(last, range->iova - 1);
	}

	chunk = xa_find(&ledger->chunks, &index, CHUNK_OF(last), XA_PRESENT);
	if (!chunk || index != CHUNK_OF(iova)) {
		if (chunk)
			last = (index << IOMMUFD_DIRTY_LEDGER_CHUNK_SHIFT) - 1;
		*span_last = last;
		return false;
	}

	bit = BIT_OF(iova);
	dirty = test_bit(bit, chunk);
	end = dirty ? find_next_zero_bit(chunk, IOMMUFD_DIRTY_LEDGER_BITS, bit) :
		      find_next_bit(chunk, IOMMUFD_DIRTY_LEDGER_BITS, bit);
	*span_last = min(last, (iova & ~LEDGER_MASK) +
			       (((end - bit) << IOMMUFD_DIRTY_LEDGER_SHIFT) - 1));
	return dirty;
}

/**
 * iommufd_dirty_ledger_run() - Find the first dirty run of a range
 * @ledger: The ledger
 * @iova: First byte of the range
 * @last: Last byte, inclusive
 * @run: Out: a run of dirty bytes within the range, as long as can be
 *
 * Return: false if nothing in the range is dirty.
 */
bool iommufd_dirty_ledger_run(struct iommufd_dirty_ledger *ledger,
			      unsigned long iova, unsigned long last,
			      struct iommufd_dirty_range *run)
{
	unsigned long span_last;
	bool found = false;

	mutex_lock(&ledger->lock);
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
	mutex_unlock(&ledger->lock);
	return found;
}

/**
 * iommufd_dirty_ledger_clear() - Forget a range
 * @ledger: The ledger
 * @iova: First byte
 * @last: Last byte, inclusive
 *
 * Pages of the ledger that the range holds only in part stay dirty. No memory is
 * freed.
 */
void iommufd_dirty_ledger_clear(struct iommufd_dirty_ledger *ledger,
				unsigned long iova, unsigned long last)
{
	unsigned long page = PAGE_OF(iova) + !!(iova & LEDGER_MASK);
	unsigned long last_page = PAGE_OF(last), index;
	unsigned long *chunk;

	if ((last & LEDGER_MASK) != LEDGER_MASK) {
		if (!last_page)
			return;
		last_page--;
	}
	if (page > last_page)
		return;
	iova = page << IOMMUFD_DIRTY_LEDGER_SHIFT;
	last = (last_page << IOMMUFD_DIRTY_LEDGER_SHIFT) | LEDGER_MASK;

	mutex_lock(&ledger->lock);
	coarse_clear(ledger, iova, last);
	xa_for_each_range(&ledger->chunks, index, chunk, CHUNK_OF(iova),
			  CHUNK_OF(last)) {
		unsigned long base = index << IOMMUFD_DIRTY_LEDGER_CHUNK_SHIFT;
		unsigned int bit = BIT_OF(max(base, iova));
		unsigned int last_bit = BIT_OF(min(CHUNK_LAST(base), last));

		bitmap_clear(chunk, bit, last_bit - bit + 1);
		cond_resched();
	}
	mutex_unlock(&ledger->lock);
}

/**
 * iommufd_dirty_ledger_report() - Mark what is recorded in another sink
 * @ledger: The ledger
 * @iova: First byte of the range
 * @last: Last byte, inclusive
 * @flags: Combination of enum iommu_dirty_walk_flags
 * @sink: The sink, which is ready for the range
 */
void iommufd_dirty_ledger_report(struct iommufd_dirty_ledger *ledger,
				 unsigned long iova, unsigned long last,
				 unsigned int flags,
				 struct iommu_dirty_sink *sink)
{
	struct iommufd_dirty_range run;

	while (iommufd_dirty_ledger_run(ledger, iova, last, &run)) {
		sink->ops->mark_range(sink, run.iova, run.last);
		if (!(flags & IOMMU_DIRTY_WALK_NO_CLEAR))
			iommufd_dirty_ledger_clear(ledger, run.iova, run.last);
		if (run.last == last)
			break;
		iova = run.last + 1;
		cond_resched();
	}
}
