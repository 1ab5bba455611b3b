// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
//! The file of `/dev/iommu`, and the list of its objects.

use std::fs::OpenOptions;
use std::mem::size_of;
use std::os::raw::c_ulong;
use std::os::unix::io::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use crate::error::{Error, Result, Verb};
use crate::sys;
use crate::tracker::Tracker;

/// Objects of one LIST
const LIST_ROOM: usize = 64;

/// A file that is owned, or borrowed from its owner
#[derive(Debug)]
pub(crate) enum File<'fd> {
    Own(OwnedFd),
    Borrowed(BorrowedFd<'fd>),
}

impl AsFd for File<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            File::Own(fd) => fd.as_fd(),
            File::Borrowed(fd) => *fd,
        }
    }
}

/// Issues an ioctl; returns the errno if it fails
///
/// # Safety
///
/// `cmd` must be the ioctl whose struct is `T`. Each pointer in `arg` must be to memory that
/// the kernel may access as the ioctl does, for the lengths in `arg`.
pub(crate) unsafe fn call<T>(
    fd: BorrowedFd<'_>,
    cmd: u32,
    arg: &mut T,
) -> std::result::Result<(), u32> {
    let arg: *mut T = arg;
    // SAFETY: the kernel writes to no more than the struct, whose size is in it, and to what
    // the caller vouches for
    if unsafe { sys::ioctl(fd.as_raw_fd(), c_ulong::from(cmd), arg) } < 0 {
        let error = std::io::Error::last_os_error().raw_os_error();
        return Err(error.map_or(sys::EIO, |code| code as u32));
    }
    Ok(())
}

/// An object of an iommufd file, as LIST reports it
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// `IOMMU_DIRTY_OBJECT_*`
    pub kind: u32,
    /// Object id
    pub id: u32,
    /// HWPT: its IOAS. Nested HWPT: its parent. Device: the HWPT that it is attached to, or
    /// 0. Tracker: its target
    pub parent_id: u32,
    /// `IOMMU_DIRTY_OBJECT_*` flags
    pub flags: u32,
    /// `IOMMU_DIRTY_STATE_*`
    pub state: u32,
    /// IOAS, device: trackers that are starting or running on it
    pub num_trackers: u32,
    /// Device: its name in the kernel
    pub name: String,
}

impl From<&sys::iommu_dirty_object> for Object {
    fn from(object: &sys::iommu_dirty_object) -> Self {
        let name = object.name.split(|byte| *byte == 0).next().unwrap_or_default();
        Object {
            kind: object.r#type,
            id: object.id,
            parent_id: object.parent_id,
            flags: object.flags,
            state: object.state,
            num_trackers: object.num_trackers,
            name: String::from_utf8_lossy(name).into_owned(),
        }
    }
}

/// A file of `/dev/iommu`
///
/// It may be owned, or borrowed from a VMM: `Iommufd::from(fd.as_fd())`.
#[derive(Debug)]
pub struct Iommufd<'fd>(File<'fd>);

impl From<OwnedFd> for Iommufd<'static> {
    fn from(fd: OwnedFd) -> Self {
        Iommufd(File::Own(fd))
    }
}

impl<'fd> From<BorrowedFd<'fd>> for Iommufd<'fd> {
    fn from(fd: BorrowedFd<'fd>) -> Self {
        Iommufd(File::Borrowed(fd))
    }
}

impl AsFd for Iommufd<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Iommufd<'static> {
    /// Opens `/dev/iommu`
    ///
    /// # Errors
    ///
    /// As for opening any file; the verb is [`Verb::Open`].
    pub fn open() -> Result<Self> {
        let file =
            OpenOptions::new().read(true).write(true).open("/dev/iommu").map_err(|error| {
                let code = error.raw_os_error().map_or(sys::EIO, |code| code as u32);
                Error::new(Verb::Open, code)
            })?;
        Ok(Iommufd(File::Own(file.into())))
    }
}

impl<'fd> Iommufd<'fd> {
    /// ALLOC as by [`tracker`](Self::tracker), of a tracker that keeps the file, and can
    /// therefore be kept in a struct
    ///
    /// # Errors
    ///
    /// As for [`tracker`](Self::tracker). The file is then closed, if it is owned.
    pub fn into_tracker(self, target: u32, flags: u32) -> Result<Tracker<'fd>> {
        let cmd = self.alloc_without_file(target, flags)?;
        Ok(Tracker::new(self.0, cmd.out_tracker_id))
    }
}

impl Iommufd<'_> {
    /// ALLOC: makes a tracker for an IOAS or for a bound device, which has the id `target`
    ///
    /// `flags` is 0 or [`IOMMU_DIRTY_ALLOC_PASSIVE`](sys::IOMMU_DIRTY_ALLOC_PASSIVE). The
    /// tracker is destroyed when it is dropped.
    ///
    /// # Errors
    ///
    /// `ENOTTY`: the kernel has no trackers. `ENOENT`: no object has this id. `EINVAL`: it is
    /// neither an IOAS nor a device. `EOPNOTSUPP`: a flag is unknown, or asks for a file.
    /// `ENOMEM`.
    pub fn tracker(&self, target: u32, flags: u32) -> Result<Tracker<'_>> {
        let cmd = self.alloc_without_file(target, flags)?;
        Ok(Tracker::new(File::Borrowed(self.as_fd()), cmd.out_tracker_id))
    }

    fn alloc_without_file(
        &self,
        target: u32,
        flags: u32,
    ) -> Result<sys::iommu_dirty_tracker_alloc> {
        if flags & sys::IOMMU_DIRTY_ALLOC_FILE != 0 {
            return Err(Error::new(Verb::Alloc, sys::EOPNOTSUPP));
        }
        self.alloc(target, flags)
    }

    /// ALLOC with `IOMMU_DIRTY_ALLOC_FILE`: the tracker has a file of its own, and does not
    /// need this one any more
    ///
    /// # Errors
    ///
    /// As for [`tracker`](Self::tracker); also `EMFILE` and `ENFILE`.
    pub fn tracker_with_file(&self, target: u32, flags: u32) -> Result<Tracker<'static>> {
        let cmd = self.alloc(target, flags | sys::IOMMU_DIRTY_ALLOC_FILE)?;
        // SAFETY: the kernel has just opened this file for us, and nobody else knows it
        let fd = unsafe { OwnedFd::from_raw_fd(cmd.out_fd) };
        Ok(Tracker::new(File::Own(fd), 0))
    }

    /// `IOMMU_OPTION_DIRTY_TRACKABLE`: whether the page tables that the kernel makes when a
    /// device is attached to the IOAS can be tracked even if that costs something
    ///
    /// It applies to page tables that are made later: set it before the first device is
    /// attached. See the header for the costs. A page table that the program allocates needs
    /// `IOMMU_HWPT_ALLOC_DIRTY_TRACKING` instead. Without either, START may fail with
    /// [`IOMMU_DIRTY_REASON_NOT_REQUESTED`](sys::IOMMU_DIRTY_REASON_NOT_REQUESTED).
    ///
    /// # Errors
    ///
    /// `EOPNOTSUPP`: the kernel has no trackers. `ENOENT`: no IOAS has this id.
    pub fn set_trackable(&self, ioas: u32, trackable: bool) -> Result<()> {
        let mut cmd = sys::iommu_option {
            size: size_of::<sys::iommu_option>() as u32,
            option_id: sys::IOMMU_OPTION_DIRTY_TRACKABLE,
            op: sys::IOMMU_OPTION_OP_SET as u16,
            object_id: ioas,
            val64: trackable.into(),
            ..Default::default()
        };
        // SAFETY: it is the struct of this ioctl, without pointers
        unsafe { call(self.as_fd(), sys::IOMMU_OPTION, &mut cmd) }
            .map_err(|code| Error::new(Verb::SetOption, code))
    }

    fn alloc(&self, target_id: u32, flags: u32) -> Result<sys::iommu_dirty_tracker_alloc> {
        let failed = |code| Error::new(Verb::Alloc, code);
        if flags & !(sys::IOMMU_DIRTY_ALLOC_PASSIVE | sys::IOMMU_DIRTY_ALLOC_FILE) != 0 {
            return Err(failed(sys::EOPNOTSUPP));
        }
        let file = flags & sys::IOMMU_DIRTY_ALLOC_FILE;
        let mut cmd = sys::iommu_dirty_tracker_alloc {
            size: size_of::<sys::iommu_dirty_tracker_alloc>() as u32,
            flags,
            target_id,
            out_fd: -1,
            ..Default::default()
        };
        // SAFETY: it is the struct of this ioctl, without pointers
        unsafe { call(self.as_fd(), sys::IOMMU_DIRTY_TRACKER_ALLOC, &mut cmd) }.map_err(failed)?;
        // A file that is no iommufd may know an ioctl with this number
        if (file != 0) != (cmd.out_fd >= 0) || (file == 0) != (cmd.out_tracker_id != 0) {
            return Err(failed(sys::ENOTTY));
        }
        Ok(cmd)
    }

    /// LIST: the objects of the file
    ///
    /// # Errors
    ///
    /// `ENOTTY`: the kernel has no trackers. `ENOMEM`.
    pub fn list(&self) -> Result<Vec<Object>> {
        let failed = |code| Error::new(Verb::List, code);
        let mut part = [sys::iommu_dirty_object::default(); LIST_ROOM];
        let mut objects = Vec::new();
        let mut first_id = 0;
        loop {
            let mut cmd = sys::iommu_dirty_list {
                size: size_of::<sys::iommu_dirty_list>() as u32,
                first_id,
                num_objects: LIST_ROOM as u32,
                objects: part.as_mut_ptr() as usize as u64,
                object_len: size_of::<sys::iommu_dirty_object>() as u32,
                ..Default::default()
            };
            // SAFETY: it is the struct of this ioctl; part has room for num_objects objects
            // of object_len bytes
            unsafe { call(self.as_fd(), sys::IOMMU_DIRTY_LIST, &mut cmd) }.map_err(failed)?;
            objects.try_reserve(LIST_ROOM).map_err(|_| failed(sys::ENOMEM))?;
            objects.extend(part.iter().take(cmd.num_objects as usize).map(Object::from));
            first_id = cmd.out_next_id;
            if first_id == 0 {
                return Ok(objects);
            }
        }
    }
}
