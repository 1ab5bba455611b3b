// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
//! A bitmap of dirty pages, and its runs.

use std::alloc::{alloc_zeroed, Layout};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result, Verb};
use crate::{sys, Range};

const BITS: u64 = u64::BITS as u64;
const MIN_PAGE: u64 = 4096;

/// One bit for each page of a range of IOVA
///
/// A READ only sets bits: [`clear`](Self::clear) the bitmap before the next round. The kernel
/// sets them atomically, and so does this type. So several threads may read several trackers
/// into one bitmap. Copy a page only after all of these reads have returned, not as soon as
/// its bit is set.
#[derive(Debug)]
pub struct Bitmap {
    range: Range,
    page_size: u64,
    pages: u64,
    // As the kernel sees them: bit n % 8 of byte n / 8 is page n. Bits past the last page may
    // be garbage
    words: Box<[AtomicU64]>,
}

/// The checks that are common to all verbs that take a range
pub(crate) fn check_range(verb: Verb, range: Range, page_size: u64) -> Result<()> {
    if range.length == 0 || page_size < MIN_PAGE || !page_size.is_power_of_two() {
        return Err(Error::new(verb, sys::EINVAL));
    }
    if range.iova.checked_add(range.length - 1).is_none() {
        return Err(Error::new(verb, sys::EOVERFLOW));
    }
    Ok(())
}

fn zeroed_words(pages: u64) -> Option<Box<[AtomicU64]>> {
    let num = usize::try_from((pages - 1) / BITS + 1).ok()?;
    let layout = Layout::array::<AtomicU64>(num).ok()?;
    // SAFETY: num is not 0, so neither is the size of the layout
    let words = unsafe { alloc_zeroed(layout) }.cast::<AtomicU64>();
    if words.is_null() {
        return None;
    }
    // SAFETY: the global allocator has returned num words with this layout, which Box gives
    // back to it; all zero is a valid AtomicU64; nobody else has the pointer
    Some(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(words, num)) })
}

impl Bitmap {
    /// Makes a bitmap for `range`, with one bit for each page of `page_size` bytes
    ///
    /// The first page is the one that contains `range.iova`, which need not be at its start.
    ///
    /// # Errors
    ///
    /// `EINVAL`: the length is 0, or the page size is no power of two of at least 4096.
    /// `EOVERFLOW`: the range exceeds the address space. `ENOMEM`: out of memory.
    pub fn new(range: Range, page_size: u64) -> Result<Self> {
        check_range(Verb::Read, range, page_size)?;
        let last = range.iova + (range.length - 1);
        let pages = last / page_size - range.iova / page_size + 1;
        let words = zeroed_words(pages).ok_or_else(|| Error::new(Verb::Read, sys::ENOMEM))?;
        Ok(Bitmap { range, page_size, pages, words })
    }

    /// The range that it was made for
    pub fn range(&self) -> Range {
        self.range
    }

    /// Bytes per bit
    pub fn page_size(&self) -> u64 {
        self.page_size
    }

    /// Number of pages
    pub fn pages(&self) -> u64 {
        self.pages
    }

    /// Clears all bits
    pub fn clear(&mut self) {
        for word in self.words.iter_mut() {
            // What is clear need not become memory of its own
            if *word.get_mut() != 0 {
                *word.get_mut() = 0;
            }
        }
    }

    /// Sets the bit of a page, for example for MARK; returns whether it was clear
    ///
    /// Does nothing for a page past the end, and returns false.
    pub fn set(&self, page: u64) -> bool {
        if page >= self.pages {
            return false;
        }
        let bit = 1u64 << (page % BITS);
        let old = self.words[(page / BITS) as usize].fetch_or(bit.to_le(), Ordering::Relaxed);
        u64::from_le(old) & bit == 0
    }

    /// Returns whether the bit of a page is set; false for a page past the end
    pub fn test(&self, page: u64) -> bool {
        page < self.pages && self.word(page / BITS) >> (page % BITS) & 1 == 1
    }

    /// Number of bits that are set
    pub fn count(&self) -> u64 {
        (0..self.words.len() as u64).map(|index| u64::from(self.word(index).count_ones())).sum()
    }

    /// The dirty pages, as runs that are in ascending order and do not touch
    ///
    /// The first and the last run end where the range ends, even if a page exceeds it.
    pub fn runs(&self) -> Runs<'_> {
        Runs { bitmap: self, page: 0 }
    }

    /// For the kernel, which writes no further than to the byte of the last page
    pub(crate) fn address(&self) -> u64 {
        self.words.as_ptr() as usize as u64
    }

    /// Word `index`, with page 0 in the lowest bit of the first; bits past the end are 0
    fn word(&self, index: u64) -> u64 {
        let word = u64::from_le(self.words[index as usize].load(Ordering::Relaxed));
        match self.pages - index * BITS {
            left if left < BITS => word & ((1 << left) - 1),
            _ => word,
        }
    }

    /// The first page at or after `page` whose bit is `set`; the number of pages if none is
    fn find(&self, page: u64, set: bool) -> u64 {
        let mut first = page;
        while first < self.pages {
            let mut word = self.word(first / BITS);
            if !set {
                word = !word;
            }
            word &= !0 << (first % BITS);
            let base = first - first % BITS;
            if word != 0 {
                return self.pages.min(base + u64::from(word.trailing_zeros()));
            }
            first = base + BITS;
        }
        self.pages
    }
}

/// The runs of a [`Bitmap`]
#[derive(Clone, Debug)]
pub struct Runs<'a> {
    bitmap: &'a Bitmap,
    page: u64,
}

impl Iterator for Runs<'_> {
    type Item = Range;

    fn next(&mut self) -> Option<Range> {
        let Bitmap { range, page_size, pages, .. } = *self.bitmap;
        let first = self.bitmap.find(self.page, true);
        if first == pages {
            self.page = pages;
            return None;
        }
        let end = self.bitmap.find(first, false);
        self.page = end;
        let base = range.iova & !(page_size - 1);
        let iova = range.iova.max(base + first * page_size);
        // The end of the last page may be 2^64
        let page_last = base.wrapping_add(end.wrapping_mul(page_size)).wrapping_sub(1);
        let last = page_last.min(range.iova + (range.length - 1));
        Some(Range { iova, length: last - iova + 1 })
    }
}

impl std::iter::FusedIterator for Runs<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::Random;

    fn code(result: Result<Bitmap>) -> u32 {
        result.expect_err("is an error").code()
    }

    #[test]
    fn bad_ranges() {
        let new = |iova, length, page_size| Bitmap::new(Range { iova, length }, page_size);
        assert_eq!(code(new(0, 0, 4096)), sys::EINVAL);
        for page_size in [0, 1, 2048, 4095, 4097, 12288, u64::MAX] {
            assert_eq!(code(new(0, 4096, page_size)), sys::EINVAL);
        }
        assert_eq!(code(new(u64::MAX, 2, 4096)), sys::EOVERFLOW);
        assert_eq!(code(new(2, u64::MAX, 4096)), sys::EOVERFLOW);
        // 2^49 bytes
        assert_eq!(code(new(0, u64::MAX, 4096)), sys::ENOMEM);
    }

    #[test]
    fn ends_of_the_address_space() {
        let all = Bitmap::new(Range { iova: 1, length: u64::MAX }, 1 << 63).expect("is valid");
        assert_eq!(all.pages(), 2);
        assert!(all.set(0) && all.set(1) && !all.set(1) && !all.set(2));
        assert_eq!(all.runs().collect::<Vec<_>>(), [Range { iova: 1, length: u64::MAX }]);

        let last = Bitmap::new(Range { iova: u64::MAX, length: 1 }, 4096).expect("is valid");
        assert!(last.set(0));
        assert_eq!(last.runs().collect::<Vec<_>>(), [Range { iova: u64::MAX, length: 1 }]);
    }

    #[test]
    fn bytes_are_those_of_the_kernel() {
        let bitmap = Bitmap::new(Range { iova: 0, length: 100 * 4096 }, 4096).expect("is valid");
        for page in [0, 9, 63, 64, 99] {
            bitmap.set(page);
        }
        // SAFETY: the bitmap has two words, and nobody writes to them now
        let bytes = unsafe { std::slice::from_raw_parts(bitmap.address() as *const u8, 16) };
        assert_eq!(bytes, [1, 2, 0, 0, 0, 0, 0, 0x80, 1, 0, 0, 0, 8, 0, 0, 0]);
    }

    /// What the documentation says, page by page
    fn naive_runs(range: Range, page_size: u64, dirty: &[bool]) -> Vec<Range> {
        let end = u128::from(range.iova) + u128::from(range.length);
        let page = u128::from(page_size);
        let mut runs: Vec<(u128, u128)> = Vec::new();
        for (n, _) in dirty.iter().enumerate().filter(|(_, dirty)| **dirty) {
            let from = (u128::from(range.iova) / page + n as u128) * page;
            let (from, to) = (from.max(range.iova.into()), (from + page).min(end));
            match runs.last_mut() {
                Some(run) if run.1 == from => run.1 = to,
                _ => runs.push((from, to)),
            }
        }
        let range = |(from, to)| Range { iova: from as u64, length: (to - from) as u64 };
        runs.into_iter().map(range).collect()
    }

    #[test]
    fn random_bitmaps_have_the_runs_of_the_model() {
        let random = Random::new();
        for _ in 0..3000 {
            let page_size = 4096 << random.below(12);
            let length = 1 + random.below(page_size * (1 + random.below(300)));
            let iova = match random.below(3) {
                0 => random.below(1 << 40),
                1 => 0,
                _ => u64::MAX - (length - 1),
            };
            let range = Range { iova, length };
            let mut bitmap = Bitmap::new(range, page_size).expect("is valid");
            let mut dirty = vec![false; bitmap.pages() as usize];
            // Few, many or nearly all pages, as single pages and as runs
            let density = random.below(5);
            let mut page = 0;
            while page < bitmap.pages() {
                let set = random.below(5) <= density;
                let end = bitmap.pages().min(page + 1 + random.below(1 + random.below(130)));
                for page in page..end {
                    if set {
                        dirty[page as usize] = true;
                        assert!(bitmap.set(page));
                    }
                }
                page = end;
            }
            // Garbage in the padding is not seen
            let words = bitmap.words.len();
            let used = bitmap.pages() - (words as u64 - 1) * BITS;
            if used < BITS {
                bitmap.words[words - 1].fetch_or((!0u64 << used).to_le(), Ordering::Relaxed);
            }
            let want = naive_runs(range, page_size, &dirty);
            assert_eq!(bitmap.runs().collect::<Vec<_>>(), want, "{range:?} {page_size}");
            assert_eq!(bitmap.count(), dirty.iter().filter(|dirty| **dirty).count() as u64);
            assert!((0..bitmap.pages() + 70).all(
                |page| bitmap.test(page) == dirty.get(page as usize).copied().unwrap_or(false)
            ));
            bitmap.clear();
            assert_eq!((bitmap.count(), bitmap.runs().next()), (0, None));
        }
    }
}
