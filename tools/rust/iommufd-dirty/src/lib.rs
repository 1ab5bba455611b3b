// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
//! iommufd dirty trackers: which pages did devices write to?
//!
//! One method for each verb of `<linux/iommufd_dirty.h>`, which describes them; [`sys`] has
//! its structs and constants. Every method issues at most as many ioctls as it needs to
//! report everything, and repeats none.
//!
//! ```no_run
//! use iommufd_dirty::{Bitmap, Iommufd, Range};
//!
//! # fn main() -> iommufd_dirty::Result<()> {
//! # let ioas_id = 1;
//! let iommufd = Iommufd::open()?;
//! let tracker = iommufd.tracker(ioas_id, 0)?;
//! tracker.start(0)?;
//! let mut bitmap = Bitmap::new(Range { iova: 0, length: 1 << 30 }, 4096)?;
//! tracker.read(&bitmap, 0)?;
//! for run in bitmap.runs() {
//!     println!("{:#x}: {} bytes", run.iova, run.length);
//! }
//! bitmap.clear();
//! # Ok(())
//! # }
//! ```
//!
//! `examples/precopy.rs` shows a whole migration.
//!
//! # Compared with the C library
//!
//! The same call gives the same answer, also if it fails: the tests compare the texts of all
//! errors, and the runs of many bitmaps. Different are
//!
//! - kernels without trackers: there is no fallback, and ALLOC fails with `ENOTTY`;
//! - a [`scan`] of more trackers than one ioctl takes, which fails with `EINVAL`, because it
//!   would have to keep pages for which the caller has no room;
//! - `idirty_map`, `idirty_precopy` and `idirty_read_threads`, which have no counterpart:
//!   threads can read into one [`Bitmap`] by themselves.
//!
//! # Threads
//!
//! Everything here can be sent to and shared by threads. A [`Tracker`] has no state besides
//! its file and id, so the kernel puts concurrent calls in order. A [`Bitmap`] consists of
//! atomic words.
#![deny(missing_docs, unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]

mod bitmap;
mod error;
mod iommufd;
mod read;
pub mod sys;
#[cfg(test)]
mod tests;
mod tracker;

pub use bitmap::{Bitmap, Runs};
pub use error::{format_text, reason_text, Error, Progress, Result, Untrackable, Verb};
pub use iommufd::{Iommufd, Object};
pub use read::{read, scan, Scanned, Unmapped};
pub use tracker::{Info, Member, Split, Tracked, Tracker};

/// A range of IOVA in bytes, to be tracked or dirty
pub type Range = sys::iommu_dirty_run;
