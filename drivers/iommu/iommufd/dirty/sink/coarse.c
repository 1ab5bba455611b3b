// SPDX-License-Identifier: GPL-2.0-only
/*
 * The coarse ranges of a ledger: what is dirty without a bitmap, because there was no memory
 * for one, or because it is very large. They are few: a new one is merged with those that it
 * touches, or with the nearest, and may then cover more than is dirty. They begin and end
 * with pages of the ledger. Called by ledger.c only, in sleepable context.
 */
#include <linux/lockdep.h>
#include <linux/minmax.h>

#include "sink.h"

/**
 * iommufd_dirty_coarse_init() - Initialize an empty set
 * @coarse: The set
 */
void iommufd_dirty_coarse_init(struct iommufd_dirty_coarse *coarse)
{
	mutex_init(&coarse->lock);
	coarse->nr = 0;
}

/**
 * iommufd_dirty_coarse_purge() - Remove all ranges
 * @coarse: The set
 */
void iommufd_dirty_coarse_purge(struct iommufd_dirty_coarse *coarse)
{
	mutex_lock(&coarse->lock);
	WRITE_ONCE(coarse->nr, 0);
	mutex_unlock(&coarse->lock);
}

static void coarse_remove(struct iommufd_dirty_coarse *coarse, unsigned int i)
{
	unsigned int last = coarse->nr - 1;

	coarse->ranges[i] = coarse->ranges[last];
	WRITE_ONCE(coarse->nr, last);
}

/* There is room for one more */
static void coarse_append(struct iommufd_dirty_coarse *coarse,
			  struct iommufd_dirty_range range)
{
	unsigned int nr = coarse->nr;

	coarse->ranges[nr] = range;
	WRITE_ONCE(coarse->nr, nr + 1);
}

/* Bytes between two ranges; 0 if they overlap or touch */
static unsigned long range_gap(const struct iommufd_dirty_range *a,
			       const struct iommufd_dirty_range *b)
{
	if (a->last < b->iova)
		return b->iova - a->last - 1;
	if (b->last < a->iova)
		return a->iova - b->last - 1;
	return 0;
}

/* True if a coarse range can record @range without bytes outside of it */
static bool coarse_has_room(const struct iommufd_dirty_coarse *coarse,
			    const struct iommufd_dirty_range *range)
{
	unsigned int i;

	lockdep_assert_held(&coarse->lock);

	for (i = 0; i < coarse->nr; i++)
		if (!range_gap(&coarse->ranges[i], range))
			return true;
	return coarse->nr < IOMMUFD_DIRTY_LEDGER_COARSE;
}

/*
 * Add a coarse range; merge it with ranges it touches, or with the nearest if full. Who
 * looks without the lock sees the number before or after, and never none meanwhile.
 */
static void coarse_add(struct iommufd_dirty_coarse *coarse,
		       struct iommufd_dirty_range range)
{
	unsigned int nr = coarse->nr, i;

	lockdep_assert_held(&coarse->lock);

	for (;;) {
		unsigned long gap = ULONG_MAX;
		unsigned int nearest = 0;

		for (i = 0; i < nr; i++) {
			unsigned long d = range_gap(&coarse->ranges[i], &range);

			if (d < gap) {
				gap = d;
				nearest = i;
			}
		}
		if (gap && nr < IOMMUFD_DIRTY_LEDGER_COARSE)
			break;
		range.iova = min(range.iova, coarse->ranges[nearest].iova);
		range.last = max(range.last, coarse->ranges[nearest].last);
		/* The merged range may touch further ranges */
		coarse->ranges[nearest] = coarse->ranges[--nr];
	}
	coarse->ranges[nr] = range;
	WRITE_ONCE(coarse->nr, nr + 1);
}

/* In pages of the ledger */
static struct iommufd_dirty_range coarse_round(unsigned long iova,
					       unsigned long last)
{
	return (struct iommufd_dirty_range){
		.iova = iova & ~IOMMUFD_DIRTY_LEDGER_MASK,
		.last = last | IOMMUFD_DIRTY_LEDGER_MASK,
	};
}

/**
 * iommufd_dirty_coarse_mark() - Record a range
 * @coarse: The set
 * @iova: First byte
 * @last: Last byte, inclusive
 */
void iommufd_dirty_coarse_mark(struct iommufd_dirty_coarse *coarse,
			       unsigned long iova, unsigned long last)
{
	mutex_lock(&coarse->lock);
	coarse_add(coarse, coarse_round(iova, last));
	mutex_unlock(&coarse->lock);
}

/**
 * iommufd_dirty_coarse_try_mark() - Record a range, but no pages outside of it
 * @coarse: The set
 * @iova: First byte
 * @last: Last byte, inclusive
 *
 * Return: false if it would have to be merged with a range that it does not touch; nothing
 * is recorded then.
 */
bool iommufd_dirty_coarse_try_mark(struct iommufd_dirty_coarse *coarse,
				   unsigned long iova, unsigned long last)
{
	struct iommufd_dirty_range range = coarse_round(iova, last);
	bool room;

	mutex_lock(&coarse->lock);
	room = coarse_has_room(coarse, &range);
	if (room)
		coarse_add(coarse, range);
	mutex_unlock(&coarse->lock);
	return room;
}

/* Cutting a hole into a range needs a free slot; without one, the range stays whole */
static void coarse_clear(struct iommufd_dirty_coarse *coarse,
			 unsigned long iova, unsigned long last)
{
	unsigned int i = 0;

	lockdep_assert_held(&coarse->lock);

	while (i < coarse->nr) {
		struct iommufd_dirty_range *range = &coarse->ranges[i];
		bool head = range->iova < iova, tail = range->last > last;

		if (range->last < iova || range->iova > last) {
			i++;
		} else if (!head && !tail) {
			coarse_remove(coarse, i);
		} else if (head && tail) {
			if (coarse->nr < IOMMUFD_DIRTY_LEDGER_COARSE) {
				coarse_append(coarse,
					      (struct iommufd_dirty_range){
						      .iova = last + 1,
						      .last = range->last,
					      });
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

/**
 * iommufd_dirty_coarse_clear() - Clear a range
 * @coarse: The set
 * @iova: First byte, of a page of the ledger
 * @last: Last byte, inclusive, of a page of the ledger
 */
void iommufd_dirty_coarse_clear(struct iommufd_dirty_coarse *coarse,
				unsigned long iova, unsigned long last)
{
	mutex_lock(&coarse->lock);
	coarse_clear(coarse, iova, last);
	mutex_unlock(&coarse->lock);
}

/**
 * iommufd_dirty_coarse_report() - Mark what is dirty in a sink, then clear it
 * @coarse: The set
 * @iova: First byte of the range to look at
 * @last: Last byte, inclusive
 * @clear: The part to clear, in pages of the ledger; NULL for none
 * @sink: Where to mark; takes no lock
 */
void iommufd_dirty_coarse_report(struct iommufd_dirty_coarse *coarse,
				 unsigned long iova, unsigned long last,
				 const struct iommufd_dirty_range *clear,
				 struct iommu_dirty_sink *sink)
{
	unsigned int i;

	/* What is marked in between must not be cleared */
	mutex_lock(&coarse->lock);
	for (i = 0; i < coarse->nr; i++) {
		unsigned long first = max(iova, coarse->ranges[i].iova);
		unsigned long stop = min(last, coarse->ranges[i].last);

		if (first <= stop)
			sink->ops->mark_range(sink, first, stop);
	}
	if (clear)
		coarse_clear(coarse, clear->iova, clear->last);
	mutex_unlock(&coarse->lock);
}

/**
 * iommufd_dirty_coarse_span() - Look up a byte
 * @coarse: The set
 * @iova: The byte
 * @last: In: last byte to look at, inclusive. Out: the last one in the same state
 *
 * Context: takes no lock if there is no range.
 * Return: whether the byte is dirty.
 */
bool iommufd_dirty_coarse_span(struct iommufd_dirty_coarse *coarse,
			       unsigned long iova, unsigned long *last)
{
	bool dirty = false;
	unsigned int i;

	/* Who marks later may be seen, but need not be */
	if (!READ_ONCE(coarse->nr))
		return false;
	mutex_lock(&coarse->lock);
	for (i = 0; i < coarse->nr && !dirty; i++) {
		const struct iommufd_dirty_range *range = &coarse->ranges[i];

		dirty = range->iova <= iova && iova <= range->last;
		if (dirty)
			*last = min(*last, range->last);
		else if (range->iova > iova)
			*last = min(*last, range->iova - 1);
	}
	mutex_unlock(&coarse->lock);
	return dirty;
}
