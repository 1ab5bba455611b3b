// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
//! A tracker: its life, and the verbs of one tracker. `read.rs` has READ, SCAN, UNMAP, MARK.

use std::mem::{size_of, ManuallyDrop};
use std::os::unix::io::{AsFd, BorrowedFd, OwnedFd};

use crate::error::{Error, Result, Untrackable, Verb};
use crate::iommufd::{call, File};
use crate::{sys, Range};

/// Room for members in the first INFO
const INFO_ROOM: usize = 16;

/// The kernel takes no more ranges
const MAX_RANGES: usize = 65536;

/// Finds out which pages devices write to, in an IOAS or by one device
///
/// Dropping it stops and frees it.
#[derive(Debug)]
pub struct Tracker<'fd> {
    pub(crate) file: File<'fd>,
    pub(crate) id: u32,
}

/// One writer to what a tracker covers
///
/// Later versions may have more fields: end an initializer with `..Default::default()`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// `IOMMU_DIRTY_MEMBER_HWPT`, `_ACCESS` or `_DEVICE`
    pub kind: u32,
    /// Object id
    pub id: u32,
    /// `IOMMU_DIRTY_FMT_*`; see [`format_text`](crate::format_text)
    pub format: u32,
    /// `IOMMU_DIRTY_REASON_*`; 0 if it can be tracked; see [`reason_text`](crate::reason_text)
    pub reason: u32,
    /// The other `IOMMU_DIRTY_MEMBER_*`
    pub flags: u32,
    /// HWPT: `IOMMU_DIRTY_REASON_*`; why its large entries cannot be split, or 0
    pub split_reason: u32,
    /// Mask of the sizes that an entry of the IO page table can have
    pub io_page_sizes: u64,
    /// HWPT: mask of the sizes that entries have now, if they map memory for writing
    pub io_page_sizes_used: u64,
    /// HWPT, since it was made: large entries that were split
    pub split: u64,
    /// How often entries stayed large that were to be split
    pub unsplit: u64,
    /// Tables that have become large entries again
    pub merged: u64,
    /// How often a table could not become a large entry again
    pub unmerged: u64,
}

/// Whether a tracker of an IOAS splits large entries of IO page tables while it runs, so that
/// one written byte makes one small page dirty
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Split {
    /// They stay large
    #[default]
    No,
    /// Each one after it was found dirty: it is reported as a whole once
    Lazy,
    /// All of them before START returns, and then those that are added
    AtOnce,
}

impl Split {
    pub(crate) fn flags(self) -> u32 {
        match self {
            Split::No => 0,
            Split::Lazy => sys::IOMMU_DIRTY_START_SPLIT_LAZY,
            Split::AtOnce => sys::IOMMU_DIRTY_START_SPLIT,
        }
    }
}

/// What a tracker covers
///
/// Later versions may have more fields: end an initializer with `..Default::default()`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// What it was made for
    pub target_id: u32,
    /// `IOMMU_DIRTY_STATE_*`
    pub state: u32,
    /// `IOMMU_DIRTY_TRACKER_*` flags
    pub flags: u32,
    /// Most trackers of one READ, and of trackers that run on one target
    pub max_trackers: u32,
    /// Mask of the page sizes that READ accepts
    pub page_sizes: u64,
    /// Calls of READ, SCAN and UNMAP that have succeeded
    pub reads: u64,
    /// Pages that these calls have reported
    pub pages: u64,
    /// Device: most ranges that it tracks; 0 if unknown
    pub max_ranges: u32,
    /// Device, running: number of ranges
    pub num_ranges: u32,
    /// Device: most bytes from the first range to the last; 0 if unknown
    pub max_span: u64,
    /// Device, running: the page size that it tracks by
    pub tracked_page_size: u64,
    /// The members
    pub members: Vec<Member>,
}

/// What START or UPDATE of a device has achieved
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracked {
    /// The ranges that are tracked, in ascending order: those that were requested or more
    pub ranges: Vec<Range>,
    /// One written byte makes this many bytes dirty: what was requested or more
    pub page_size: u64,
}

/// A copy, because the kernel writes to the array
fn copy(verb: Verb, ranges: &[Range]) -> Result<Vec<Range>> {
    if ranges.len() > MAX_RANGES {
        return Err(Error::new(verb, sys::EINVAL));
    }
    let mut copy = Vec::new();
    copy.try_reserve_exact(ranges.len()).map_err(|_| Error::new(verb, sys::ENOMEM))?;
    copy.extend_from_slice(ranges);
    Ok(copy)
}

impl<'fd> Tracker<'fd> {
    pub(crate) fn new(file: File<'fd>, id: u32) -> Self {
        Tracker { file, id }
    }

    /// The file that takes its ioctls: its own one or the iommufd
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Whether the file is that of this tracker alone, not an iommufd
    pub(crate) fn has_file(&self) -> bool {
        self.id == 0
    }

    /// Its id in the iommufd; 0 if it has a file of its own
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Its own file, for example to pass to another process; `None` if it has none
    pub fn file(&self) -> Option<BorrowedFd<'_>> {
        self.has_file().then(|| self.fd())
    }

    /// `IOMMU_DESTROY`, or closes its own file
    ///
    /// Dropping does the same, without a report.
    ///
    /// # Errors
    ///
    /// `EBUSY`: another process uses it in the same iommufd. It exists until that is closed.
    pub fn destroy(self) -> Result<()> {
        let mut tracker = ManuallyDrop::new(self);
        let result = tracker.free();
        // SAFETY: it is not used after this, and not dropped, so its file is dropped once
        unsafe { std::ptr::drop_in_place(&mut tracker.file) };
        result
    }

    fn free(&mut self) -> Result<()> {
        if self.has_file() {
            return Ok(());
        }
        let mut cmd =
            sys::iommu_destroy { size: size_of::<sys::iommu_destroy>() as u32, id: self.id };
        // SAFETY: it is the struct of this ioctl, without pointers
        unsafe { call(self.fd(), sys::IOMMU_DESTROY, &mut cmd) }
            .map_err(|code| Error::new(Verb::Destroy, code))
    }

    /// INFO: what it covers, member by member
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn info(&self) -> Result<Info> {
        let mut members = Vec::new();
        let mut room = INFO_ROOM;
        loop {
            members.clear();
            members.try_reserve_exact(room).map_err(|_| Error::new(Verb::Info, sys::ENOMEM))?;
            members.resize(room, sys::iommu_dirty_member::default());
            let mut cmd = sys::iommu_dirty_tracker_info {
                size: size_of::<sys::iommu_dirty_tracker_info>() as u32,
                tracker_id: self.id,
                num_members: room as u32,
                members: members.as_mut_ptr() as usize as u64,
                member_len: size_of::<sys::iommu_dirty_member>() as u32,
                ..Default::default()
            };
            // SAFETY: it is the struct of this ioctl; members has room for num_members
            // members of member_len bytes
            match unsafe { call(self.fd(), sys::IOMMU_DIRTY_TRACKER_INFO, &mut cmd) } {
                Ok(()) => {
                    members.truncate(cmd.num_members as usize);
                    return Ok(Info::new(&cmd, &members));
                }
                // Members may join between the calls
                Err(sys::EMSGSIZE) => room = cmd.num_members as usize,
                Err(code) => return Err(Error::new(Verb::Info, code)),
            }
        }
    }

    /// START: tracks every member, or fails and tracks none
    ///
    /// `flags` is 0 or [`IOMMU_DIRTY_START_DEGRADED`](sys::IOMMU_DIRTY_START_DEGRADED). The
    /// tracker of a device needs [`start_ranges`](Self::start_ranges), except for a degraded
    /// one that covers nothing.
    ///
    /// # Errors
    ///
    /// `ENXIO`: [`Error::untrackable`] names the member that cannot be tracked, and why.
    /// `EALREADY`: it runs. `ENODEV`: the IOAS is gone. `EUSERS`: too many trackers run.
    /// The header lists more.
    pub fn start(&self, flags: u32) -> Result<()> {
        self.start_with(flags, &[], 0).map(|_| ())
    }

    /// START of the tracker of an IOAS that also splits large entries, of those members with
    /// [`IOMMU_DIRTY_MEMBER_SPLITS`](sys::IOMMU_DIRTY_MEMBER_SPLITS)
    ///
    /// The header says what it costs.
    ///
    /// # Errors
    ///
    /// As for [`start`](Self::start). If it splits: `EINVAL` for a passive tracker or that of
    /// a device, `EOPNOTSUPP` if the kernel cannot split. `ENOMEM`, with [`Split::AtOnce`].
    pub fn start_split(&self, flags: u32, split: Split) -> Result<()> {
        self.start(flags | split.flags())
    }

    /// START of the tracker of a device, which tracks `ranges` by `page_size`
    ///
    /// # Errors
    ///
    /// As for [`start`](Self::start). `EINVAL`: there are no ranges or more than 65536, one
    /// is empty, or the page size is wrong. `EBUSY`: the device's user logs its DMA.
    /// `EOVERFLOW`, `E2BIG`: the device cannot track that.
    pub fn start_ranges(&self, flags: u32, ranges: &[Range], page_size: u64) -> Result<Tracked> {
        self.start_with(flags, ranges, page_size)
    }

    fn start_with(&self, flags: u32, ranges: &[Range], page_size: u64) -> Result<Tracked> {
        let mut ranges = copy(Verb::Start, ranges)?;
        let mut cmd = sys::iommu_dirty_tracker_start {
            size: size_of::<sys::iommu_dirty_tracker_start>() as u32,
            flags,
            tracker_id: self.id,
            num_ranges: ranges.len() as u32,
            page_size,
            ..Default::default()
        };
        if !ranges.is_empty() {
            cmd.ranges = ranges.as_mut_ptr() as usize as u64;
        }
        // SAFETY: it is the struct of this ioctl; ranges has num_ranges entries, of which the
        // kernel writes back as many at most
        let result = unsafe { call(self.fd(), sys::IOMMU_DIRTY_TRACKER_START, &mut cmd) };
        if let Err(code) = result {
            let error = Error::new(Verb::Start, code);
            return Err(match cmd.out_type {
                0 => error,
                kind => error.with_untrackable(Untrackable {
                    kind,
                    id: cmd.out_id,
                    reason: cmd.out_reason,
                }),
            });
        }
        ranges.truncate(cmd.num_ranges as usize);
        Ok(Tracked { ranges, page_size: cmd.page_size })
    }

    /// UPDATE: replaces the ranges of the tracker of a device
    ///
    /// `flags` is 0 or [`IOMMU_DIRTY_UPDATE_GAP_DIRTY`](sys::IOMMU_DIRTY_UPDATE_GAP_DIRTY).
    ///
    /// # Errors
    ///
    /// `EBUSY`: writes between the old and the new ranges could be missed. `ENODATA`: it does
    /// not run. `EINVAL`: as for START, or it is a tracker of an IOAS. The header lists more.
    pub fn update(&self, flags: u32, ranges: &[Range], page_size: u64) -> Result<Tracked> {
        let mut ranges = copy(Verb::Update, ranges)?;
        let mut cmd = sys::iommu_dirty_tracker_update {
            size: size_of::<sys::iommu_dirty_tracker_update>() as u32,
            flags,
            tracker_id: self.id,
            num_ranges: ranges.len() as u32,
            ranges: ranges.as_mut_ptr() as usize as u64,
            page_size,
        };
        // SAFETY: as for START
        unsafe { call(self.fd(), sys::IOMMU_DIRTY_TRACKER_UPDATE, &mut cmd) }
            .map_err(|code| Error::new(Verb::Update, code))?;
        ranges.truncate(cmd.num_ranges as usize);
        Ok(Tracked { ranges, page_size: cmd.page_size })
    }

    /// STOP: discards all dirty pages that were not read
    ///
    /// # Errors
    ///
    /// `EBUSY`: a START is under way. `EIO`: it has stopped, but a driver has failed to.
    pub fn stop(&self) -> Result<()> {
        let mut cmd = sys::iommu_dirty_tracker_stop {
            size: size_of::<sys::iommu_dirty_tracker_stop>() as u32,
            tracker_id: self.id,
            ..Default::default()
        };
        // SAFETY: it is the struct of this ioctl, without pointers
        unsafe { call(self.fd(), sys::IOMMU_DIRTY_TRACKER_STOP, &mut cmd) }
            .map_err(|code| Error::new(Verb::Stop, code))
    }
}

impl Tracker<'static> {
    /// Takes over the file of a tracker, for example from another process
    ///
    /// # Errors
    ///
    /// As for INFO, which fails unless it is such a file. The file is then closed.
    pub fn adopt(fd: OwnedFd) -> Result<Self> {
        let tracker = Tracker::new(File::Own(fd), 0);
        tracker.info()?;
        Ok(tracker)
    }
}

impl Drop for Tracker<'_> {
    fn drop(&mut self) {
        // The kernel frees what is left when the iommufd is closed
        let _ = self.free();
    }
}

impl Info {
    pub(crate) fn new(
        cmd: &sys::iommu_dirty_tracker_info,
        members: &[sys::iommu_dirty_member],
    ) -> Self {
        let member = |member: &sys::iommu_dirty_member| Member {
            kind: member.r#type,
            id: member.id,
            format: member.format,
            reason: member.reason,
            flags: member.flags,
            split_reason: member.split_reason,
            io_page_sizes: member.io_page_sizes,
            io_page_sizes_used: member.io_page_sizes_used,
            split: member.split,
            unsplit: member.unsplit,
            merged: member.merged,
            unmerged: member.unmerged,
        };
        Info {
            target_id: cmd.out_target_id,
            state: cmd.out_state,
            flags: cmd.out_flags,
            max_trackers: cmd.out_max_trackers,
            page_sizes: cmd.out_page_sizes,
            reads: cmd.out_reads,
            pages: cmd.out_pages,
            max_ranges: cmd.out_max_ranges,
            num_ranges: cmd.out_num_ranges,
            max_span: cmd.out_max_span,
            tracked_page_size: cmd.out_tracked_page_size,
            members: members.iter().map(member).collect(),
        }
    }
}
