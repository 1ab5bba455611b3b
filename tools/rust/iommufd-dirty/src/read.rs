// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
//! READ and SCAN of one or several trackers, UNMAP and MARK.

use std::mem::size_of;
use std::os::unix::io::AsRawFd;

use crate::bitmap::{check_range, Bitmap};
use crate::error::{Error, Progress, Result, Verb};
use crate::iommufd::call;
use crate::tracker::Tracker;
use crate::{sys, Range};

/// Most trackers of one ioctl; every kernel takes this many
const BATCH: usize = 64;

const READ_FLAGS: u32 = sys::IOMMU_DIRTY_READ_NO_CLEAR | sys::IOMMU_DIRTY_READ_SPARSE;

/// What a SCAN has found
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scanned {
    /// How many of the caller's runs are filled in
    pub runs: usize,
    /// Bytes of the range that were scanned: less than all if there was no room for more
    /// runs. Continue there
    pub length: u64,
    /// Pages in the runs
    pub pages: u64,
}

/// What an UNMAP has done
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unmapped {
    /// Bytes that were unmapped
    pub bytes: u64,
    /// Bits that were newly set
    pub pages: u64,
}

fn entries(trackers: &[&Tracker<'_>]) -> [sys::iommu_dirty_read_tracker; BATCH] {
    let mut entries = [sys::iommu_dirty_read_tracker::default(); BATCH];
    for (entry, tracker) in entries.iter_mut().zip(trackers) {
        entry.tracker_id = tracker.id;
    }
    entries
}

/// The error of an ioctl, with the tracker that the kernel blames
fn blame(verb: Verb, code: u32, entries: &[sys::iommu_dirty_read_tracker]) -> Error {
    let error = Error::new(verb, code);
    // The last one, as the C library does
    match entries.iter().rposition(|entry| entry.out_error != 0) {
        Some(index) => error.with_tracker(index),
        None => error,
    }
}

/// Number of trackers, from the first on, that one ioctl can take
fn batch_size(trackers: &[&Tracker<'_>]) -> usize {
    let first = trackers[0];
    // A file of its own takes no other tracker
    if first.has_file() {
        return 1;
    }
    let same = |tracker: &&&Tracker<'_>| {
        !tracker.has_file() && tracker.fd().as_raw_fd() == first.fd().as_raw_fd()
    };
    trackers.iter().take(BATCH).take_while(same).count()
}

/// One READ of the first `length` bytes of the bitmap's range
///
/// Returns the bits that each tracker has newly set; on failure, progress is in the error.
fn read_batch(
    trackers: &[&Tracker<'_>],
    bitmap: &Bitmap,
    length: u64,
    flags: u32,
    pages: &mut [u64],
) -> (Progress, Result<()>) {
    let mut entries = entries(trackers);
    let mut cmd = sys::iommu_dirty_tracker_read {
        size: size_of::<sys::iommu_dirty_tracker_read>() as u32,
        flags,
        trackers: entries.as_mut_ptr() as usize as u64,
        num_trackers: trackers.len() as u32,
        tracker_len: size_of::<sys::iommu_dirty_read_tracker>() as u32,
        iova: bitmap.range().iova,
        length,
        page_size: bitmap.page_size(),
        data: bitmap.address(),
        ..Default::default()
    };
    // SAFETY: it is the struct of this ioctl. entries has room for num_trackers entries of
    // tracker_len bytes, which are at most BATCH. The bitmap has a bit for each page of its
    // range, of which this is a part; the kernel sets bits atomically, as for AtomicU64
    let result = unsafe { call(trackers[0].fd(), sys::IOMMU_DIRTY_TRACKER_READ, &mut cmd) };
    let entries = &entries[..trackers.len()];
    for (pages, entry) in pages.iter_mut().zip(entries) {
        *pages = entry.out_pages;
    }
    let progress = Progress { length: cmd.out_length, pages: cmd.out_pages, ..Default::default() };
    (progress, result.map_err(|code| blame(Verb::Read, code, entries)))
}

/// READ: sets the bits of the pages that any of the trackers knows to be dirty, and makes
/// them clean
///
/// `flags` is a combination of `IOMMU_DIRTY_READ_*`. The trackers may be of several iommufds,
/// have files of their own, and be any number. Returns the number of bits that each tracker
/// has newly set.
///
/// # Errors
///
/// [`Error::progress`] has the part of the range that was read, [`Error::tracker`] the tracker
/// that failed. `ENODATA`: a tracker does not run, or was stopped. `ERANGE`: the tracker of
/// a device does not cover all of the range; all trackers were read up to there. `ESTALE`: it
/// has lost coverage meanwhile: read again. `EIO`: a driver has failed. `EINVAL`: there is no
/// tracker. `EOPNOTSUPP`: a flag is unknown. `EINTR`: the process is being killed.
pub fn read(trackers: &[&Tracker<'_>], bitmap: &Bitmap, flags: u32) -> Result<Vec<u64>> {
    let failed = |code| Error::new(Verb::Read, code);
    if trackers.is_empty() {
        return Err(failed(sys::EINVAL));
    }
    if flags & !READ_FLAGS != 0 {
        return Err(failed(sys::EOPNOTSUPP));
    }
    let mut pages = Vec::new();
    pages.try_reserve_exact(trackers.len()).map_err(|_| failed(sys::ENOMEM))?;
    pages.resize(trackers.len(), 0);

    let mut total = Progress { length: bitmap.range().length, ..Default::default() };
    let mut uncovered = None;
    let mut at = 0;
    while at < trackers.len() {
        let end = at + batch_size(&trackers[at..]);
        let (progress, result) =
            read_batch(&trackers[at..end], bitmap, total.length, flags, &mut pages[at..end]);
        total.length = total.length.min(progress.length);
        total.pages += progress.pages;
        if let Err(error) = result {
            let error = match error.tracker() {
                Some(index) => error.with_tracker(at + index),
                None => error,
            };
            if error.code() != sys::ERANGE || total.length == 0 {
                // The trackers after these were not read at all
                if end < trackers.len() {
                    total.length = 0;
                }
                return Err(error.with_progress(total));
            }
            // Read the others only as far as this one covers
            uncovered = Some(error);
        }
        at = end;
    }
    match uncovered {
        Some(error) => Err(error.with_progress(total)),
        None => Ok(pages),
    }
}

/// SCAN: the dirty pages of all of the trackers as runs, for address spaces with few of them
///
/// The runs are in ascending order and do not touch; the first [`Scanned::runs`] of `runs` are
/// valid. They begin and end at multiples of `page_size`, or at the ends of `range`. The
/// trackers must be of one iommufd and 64 at most, or one with a file of its own.
///
/// # Errors
///
/// As for [`read`], with the runs in place of the bitmap: after a failure, as many are valid as
/// [`Error::progress`] says. `EINVAL`: these trackers cannot be scanned together, there is no
/// room for a run, or the length or page size is wrong. `EOVERFLOW`: the range exceeds the
/// address space.
pub fn scan(
    trackers: &[&Tracker<'_>],
    range: Range,
    page_size: u64,
    flags: u32,
    runs: &mut [Range],
) -> Result<Scanned> {
    let failed = |code| Error::new(Verb::Scan, code);
    if trackers.is_empty() || runs.is_empty() {
        return Err(failed(sys::EINVAL));
    }
    if flags & !READ_FLAGS != 0 {
        return Err(failed(sys::EOPNOTSUPP));
    }
    check_range(Verb::Scan, range, page_size)?;
    if batch_size(trackers) != trackers.len() {
        return Err(failed(sys::EINVAL));
    }
    let mut entries = entries(trackers);
    let mut cmd = sys::iommu_dirty_tracker_scan {
        size: size_of::<sys::iommu_dirty_tracker_scan>() as u32,
        flags,
        trackers: entries.as_mut_ptr() as usize as u64,
        num_trackers: trackers.len() as u32,
        tracker_len: size_of::<sys::iommu_dirty_read_tracker>() as u32,
        iova: range.iova,
        length: range.length,
        page_size,
        runs: runs.as_mut_ptr() as usize as u64,
        num_runs: u32::try_from(runs.len()).unwrap_or(u32::MAX),
        ..Default::default()
    };
    // SAFETY: it is the struct of this ioctl. entries has room for num_trackers entries of
    // tracker_len bytes, and runs for num_runs runs
    let result = unsafe { call(trackers[0].fd(), sys::IOMMU_DIRTY_TRACKER_SCAN, &mut cmd) };
    let scanned = Scanned {
        runs: runs.len().min(cmd.num_runs as usize),
        length: cmd.out_length,
        pages: cmd.out_pages,
    };
    match result {
        Ok(()) => Ok(scanned),
        Err(code) => {
            // An argument that is rejected leaves num_runs as it was
            let runs = if cmd.out_length == 0 && cmd.out_pages == 0 { 0 } else { scanned.runs };
            Err(blame(Verb::Scan, code, &entries[..trackers.len()]).with_progress(Progress {
                length: scanned.length,
                pages: scanned.pages,
                runs,
                ..Default::default()
            }))
        }
    }
}

impl Tracker<'_> {
    /// READ of this tracker: see [`read`](crate::read()). Returns the number of new bits
    ///
    /// # Errors
    ///
    /// As for [`read`](crate::read()).
    pub fn read(&self, bitmap: &Bitmap, flags: u32) -> Result<u64> {
        read(&[self], bitmap, flags).map(|pages| pages.iter().sum())
    }

    /// SCAN of this tracker: see [`scan`](crate::scan())
    ///
    /// # Errors
    ///
    /// As for [`scan`](crate::scan()).
    pub fn scan(
        &self,
        range: Range,
        page_size: u64,
        flags: u32,
        runs: &mut [Range],
    ) -> Result<Scanned> {
        scan(&[self], range, page_size, flags, runs)
    }

    /// UNMAP: unmaps the range of the bitmap, and sets the bits of its dirty pages
    ///
    /// # Errors
    ///
    /// [`Error::progress`] has what was unmapped and what the bitmap has got. `ENOENT`: the
    /// range holds a part of a mapping; those before it were unmapped. `ENODATA`: it does not
    /// run, or was stopped: then treat all pages that were unmapped as dirty. `EINVAL`: it is
    /// passive, or the tracker of a device.
    pub fn unmap(&self, bitmap: &Bitmap) -> Result<Unmapped> {
        let mut cmd = sys::iommu_dirty_tracker_unmap {
            size: size_of::<sys::iommu_dirty_tracker_unmap>() as u32,
            tracker_id: self.id,
            iova: bitmap.range().iova,
            length: bitmap.range().length,
            page_size: bitmap.page_size(),
            data: bitmap.address(),
            ..Default::default()
        };
        // SAFETY: it is the struct of this ioctl; the bitmap is as for READ
        unsafe { call(self.fd(), sys::IOMMU_DIRTY_TRACKER_UNMAP, &mut cmd) }.map_err(|code| {
            Error::new(Verb::Unmap, code).with_progress(Progress {
                length: cmd.out_length,
                pages: cmd.out_pages,
                unmapped: cmd.out_unmapped,
                ..Default::default()
            })
        })?;
        Ok(Unmapped { bytes: cmd.out_unmapped, pages: cmd.out_pages })
    }

    /// MARK: makes the pages of a bitmap dirty again, for example if they could not be sent
    ///
    /// # Errors
    ///
    /// `ENODATA`: it does not run, or was stopped; some pages may be marked.
    pub fn mark(&self, bitmap: &Bitmap) -> Result<()> {
        self.mark_with(sys::iommu_dirty_tracker_mark {
            iova: bitmap.range().iova,
            length: bitmap.range().length,
            page_size: bitmap.page_size(),
            data: bitmap.address(),
            ..Default::default()
        })
    }

    /// MARK of the pages that the runs touch
    ///
    /// # Errors
    ///
    /// As for [`mark`](Self::mark). `EINVAL`: a run is empty, or there are none or more than
    /// the kernel can count. `EOVERFLOW`: a run exceeds the address space.
    pub fn mark_runs(&self, runs: &[Range]) -> Result<()> {
        // 0 would announce a bitmap
        let num_runs = match u32::try_from(runs.len()) {
            Ok(num) if num != 0 => num,
            _ => return Err(Error::new(Verb::Mark, sys::EINVAL)),
        };
        self.mark_with(sys::iommu_dirty_tracker_mark {
            num_runs,
            data: runs.as_ptr() as usize as u64,
            ..Default::default()
        })
    }

    /// `cmd` comes from the two functions above
    fn mark_with(&self, mut cmd: sys::iommu_dirty_tracker_mark) -> Result<()> {
        cmd.size = size_of::<sys::iommu_dirty_tracker_mark>() as u32;
        cmd.tracker_id = self.id;
        // SAFETY: it is the struct of this ioctl, which only reads what data points to: a
        // bitmap with a bit for each page of the range, or num_runs runs
        unsafe { call(self.fd(), sys::IOMMU_DIRTY_TRACKER_MARK, &mut cmd) }
            .map_err(|code| Error::new(Verb::Mark, code))
    }
}
