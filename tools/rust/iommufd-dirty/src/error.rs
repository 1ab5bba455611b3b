// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
//! Errors, and the same texts for them as in the C library.

use std::{fmt, io};

use crate::sys;

/// The result of a call
pub type Result<T> = std::result::Result<T, Error>;

/// Which call failed
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names of the ioctls
pub enum Verb {
    Alloc,
    Info,
    Start,
    Stop,
    Read,
    Scan,
    Unmap,
    Update,
    Destroy,
    List,
    Mark,
    /// Not an ioctl of trackers: opening `/dev/iommu`
    Open,
    /// Not an ioctl of trackers: `IOMMU_OPTION`
    SetOption,
}

/// A member that cannot be tracked, after START has failed with `ENXIO`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Untrackable {
    /// `IOMMU_DIRTY_MEMBER_*`
    pub kind: u32,
    /// Object id
    pub id: u32,
    /// `IOMMU_DIRTY_REASON_*`; see [`reason_text`]
    pub reason: u32,
}

/// What a READ, SCAN or UNMAP has done before it failed
///
/// A page that is marked in the bitmap, or in one of the runs, was dirty. What is beyond
/// `length` and not marked is still dirty, unless a tracker was stopped or no longer covers
/// it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the range, from its start, that were processed
    pub length: u64,
    /// READ, UNMAP: bits that were newly set. SCAN: pages in the runs
    pub pages: u64,
    /// SCAN: runs that were written
    pub runs: usize,
    /// UNMAP: bytes that were unmapped
    pub unmapped: u64,
}

/// Why a call failed
///
/// It displays as a line for the user, and converts into [`io::Error`].
///
/// `EINTR` means that the process is being killed, so no call is repeated because of it.
///
/// Programs that replace a [`Tracker`](crate::Tracker) in their tests make errors by
/// [`Error::new`]:
///
/// ```
/// use iommufd_dirty::{sys, Error, Untrackable, Verb};
///
/// let hwpt = Untrackable {
///     kind: sys::IOMMU_DIRTY_MEMBER_HWPT,
///     id: 3,
///     reason: sys::IOMMU_DIRTY_REASON_NO_DRIVER,
/// };
/// let error = Error::new(Verb::Start, sys::ENXIO).with_untrackable(hwpt);
/// assert_eq!(
///     error.to_string(),
///     "START: HWPT 3 cannot be tracked: its driver offers no dirty tracking"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    verb: Verb,
    code: u32,
    tracker: Option<usize>,
    untrackable: Option<Untrackable>,
    progress: Progress,
}

impl Error {
    /// The call `verb` fails with the errno `code`
    pub fn new(verb: Verb, code: u32) -> Self {
        Error { verb, code, tracker: None, untrackable: None, progress: Progress::default() }
    }

    /// Sets [`tracker`](Self::tracker)
    pub fn with_tracker(mut self, tracker: usize) -> Self {
        self.tracker = Some(tracker);
        self
    }

    /// Sets [`untrackable`](Self::untrackable)
    pub fn with_untrackable(mut self, member: Untrackable) -> Self {
        self.untrackable = Some(member);
        self
    }

    /// Sets [`progress`](Self::progress)
    pub fn with_progress(mut self, progress: Progress) -> Self {
        self.progress = progress;
        self
    }

    /// The call that failed
    pub fn verb(&self) -> Verb {
        self.verb
    }

    /// The errno, such as [`sys::ENXIO`]
    pub fn code(&self) -> u32 {
        self.code
    }

    /// READ, SCAN: index of the tracker because of which the call failed, if it is known
    pub fn tracker(&self) -> Option<usize> {
        self.tracker
    }

    /// START: the first member that cannot be tracked, and why
    pub fn untrackable(&self) -> Option<Untrackable> {
        self.untrackable
    }

    /// READ, SCAN, UNMAP: what was done before the failure
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// The meaning of an errno in a verb; `None` where that of the errno itself says enough
    fn text(&self) -> Option<&'static str> {
        use Verb::*;
        let verb = self.verb;
        Some(match self.code {
            sys::ENOTTY => match verb {
                Start => "the driver of the device does not log DMA",
                Mark => "the kernel or the fallback cannot make pages dirty again",
                Unmap | Update => "a tracker with a file of its own cannot do that",
                Alloc | List => "this kernel has no dirty trackers (CONFIG_IOMMUFD_DIRTY)",
                _ => return None,
            },
            sys::EOPNOTSUPP if verb == SetOption => {
                "this kernel has no dirty trackers (CONFIG_IOMMUFD_DIRTY)"
            }
            sys::ENOENT => match verb {
                Open => return None,
                Unmap => "the range cuts a mapping or, without trackers, contains none",
                _ => "no object has this id",
            },
            sys::ENODATA => "a tracker is not running, or was stopped, or its IOAS is gone",
            sys::ESTALE => "the device tracker lost coverage during the call",
            sys::ERANGE => "the device tracker does not cover all of the range",
            sys::EALREADY => "the tracker is starting or running",
            sys::EBUSY => match verb {
                Start => "it is already tracked by other means, or in other ranges",
                Update => "the device may be doing DMA",
                Stop => "a START is under way",
                _ => "another call uses it",
            },
            sys::EIO => "the driver failed",
            sys::EUSERS => "the maximum number of trackers is already running on it",
            sys::ENODEV => "the device is no longer bound to the iommufd, or the IOAS is gone",
            sys::E2BIG if matches!(verb, Start | Update) => "more than the device can track",
            sys::EFAULT => "the memory passed to the call cannot be accessed",
            sys::EOVERFLOW => "the range exceeds the address space",
            sys::EINVAL => match verb {
                Alloc => "an object of this kind cannot be tracked",
                Read | Scan | Unmap | Mark => {
                    "length, page size or number of trackers is out of range"
                }
                _ => return None,
            },
            sys::ENXIO => "a member cannot be tracked",
            sys::EOPNOTSUPP if verb == Alloc => {
                "the kernel or the fallback does not know the flags"
            }
            sys::EOPNOTSUPP => "not supported",
            _ => return None,
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Verb::Start, Some(member)) = (self.verb, self.untrackable) {
            let Untrackable { kind, id, reason } = member;
            let kind = match kind {
                sys::IOMMU_DIRTY_MEMBER_HWPT => "HWPT",
                sys::IOMMU_DIRTY_MEMBER_DEVICE => "device",
                _ => "member",
            };
            let reason = reason_text(reason);
            return write!(f, "START: {kind} {id} cannot be tracked: {reason}");
        }
        let verb = match self.verb {
            Verb::Alloc => "ALLOC",
            Verb::Info => "INFO",
            Verb::Start => "START",
            Verb::Stop => "STOP",
            Verb::Read => "READ",
            Verb::Scan => "SCAN",
            Verb::Unmap => "UNMAP",
            Verb::Update => "UPDATE",
            Verb::Destroy => "DESTROY",
            Verb::List => "LIST",
            Verb::Mark => "MARK",
            Verb::Open => "/dev/iommu",
            Verb::SetOption => "OPTION",
        };
        match self.text() {
            Some(text) => write!(f, "{verb}: {text}")?,
            None => write!(f, "{verb}: {}", os_text(self.code))?,
        }
        match self.tracker {
            Some(index) => write!(f, " (tracker {} of the call)", index + 1),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {}

impl From<Error> for io::Error {
    /// Keeps the kind that the standard library gives the errno, and this error inside
    fn from(error: Error) -> Self {
        io::Error::new(io::Error::from_raw_os_error(error.code as i32).kind(), error)
    }
}

/// What strerror() says, without the number that the standard library adds
fn os_text(code: u32) -> String {
    let text = io::Error::from_raw_os_error(code as i32).to_string();
    match text.split(" (os error").next() {
        Some(text) if !text.starts_with("Unknown error") => text.into(),
        _ => format!("error {code}"),
    }
}

/// Why a member can or cannot be tracked (`IOMMU_DIRTY_REASON_*`)
pub fn reason_text(reason: u32) -> &'static str {
    match reason {
        sys::IOMMU_DIRTY_REASON_OK => "it can be tracked",
        sys::IOMMU_DIRTY_REASON_NO_DRIVER => "its driver offers no dirty tracking",
        sys::IOMMU_DIRTY_REASON_NO_HW => {
            "the IOMMU sets no dirty bits in page tables of this format"
        }
        sys::IOMMU_DIRTY_REASON_NOT_REQUESTED => {
            "tracking must be requested: see Iommufd::set_trackable()"
        }
        sys::IOMMU_DIRTY_REASON_NEST_PARENT => {
            "the driver cannot track the parent of nested page tables"
        }
        sys::IOMMU_DIRTY_REASON_ENABLE_FAILED => "its driver failed to enable tracking",
        sys::IOMMU_DIRTY_REASON_INCOHERENT => {
            "the IOMMU does not snoop the CPU caches when it accesses page tables"
        }
        sys::IOMMU_DIRTY_REASON_UNBOUND => "the device is no longer bound to the iommufd",
        sys::IOMMU_DIRTY_REASON_NO_BBML => {
            "the SMMU cannot change the size of entries in use (IDR3.BBML)"
        }
        _ => "for a reason that is unknown to this library",
    }
}

/// The name of a page table format (`IOMMU_DIRTY_FMT_*`)
pub fn format_text(format: u32) -> &'static str {
    match format {
        sys::IOMMU_DIRTY_FMT_VTD_SS => "VT-d second stage",
        sys::IOMMU_DIRTY_FMT_VTD_FS => "VT-d first stage",
        sys::IOMMU_DIRTY_FMT_AMD_V1 => "AMD v1",
        sys::IOMMU_DIRTY_FMT_AMD_V2 => "AMD v2",
        sys::IOMMU_DIRTY_FMT_ARM_S1 => "Arm stage 1",
        sys::IOMMU_DIRTY_FMT_ARM_S2 => "Arm stage 2",
        sys::IOMMU_DIRTY_FMT_RISCV => "RISC-V",
        _ => "unknown",
    }
}
