// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
//! Bad input, and files that are no iommufds.

use std::fs::File;
use std::os::unix::io::{AsFd, OwnedFd};

use crate::iommufd::File as IommuFile;
use crate::{read, scan, sys, Bitmap, Error, Iommufd, Range, Split, Tracker};

fn null() -> OwnedFd {
    File::open("/dev/null").expect("there is /dev/null").into()
}

fn copy(fd: &OwnedFd) -> OwnedFd {
    fd.try_clone().expect("there is a free descriptor")
}

fn code<T: std::fmt::Debug>(result: crate::Result<T>) -> u32 {
    result.expect_err("is an error").code()
}

#[test]
fn all_verbs_fail_on_other_files() {
    let null = null();
    let iommufd = Iommufd::from(null.as_fd());
    let error = iommufd.tracker(1, 0).expect_err("is an error");
    assert_eq!(
        error.to_string(),
        "ALLOC: this kernel has no dirty trackers (CONFIG_IOMMUFD_DIRTY)"
    );
    assert_eq!(code(iommufd.tracker_with_file(1, 0)), sys::ENOTTY);
    assert_eq!(code(Iommufd::from(copy(&null)).into_tracker(1, 0)), sys::ENOTTY);
    assert_eq!(code(iommufd.list()), sys::ENOTTY);
    assert_eq!(code(iommufd.set_trackable(1, true)), sys::ENOTTY);

    let tracker = Tracker::new(IommuFile::Borrowed(null.as_fd()), 1);
    let range = Range { iova: 0, length: 4096 };
    let bitmap = Bitmap::new(range, 4096).expect("is valid");
    assert_eq!(code(tracker.info()), sys::ENOTTY);
    assert_eq!(code(tracker.start(0)), sys::ENOTTY);
    assert_eq!(code(tracker.start_split(0, Split::Lazy)), sys::ENOTTY);
    assert_eq!(code(tracker.start_ranges(0, &[range], 4096)), sys::ENOTTY);
    assert_eq!(code(tracker.update(0, &[range], 4096)), sys::ENOTTY);
    assert_eq!(code(tracker.stop()), sys::ENOTTY);
    assert_eq!(code(tracker.read(&bitmap, 0)), sys::ENOTTY);
    assert_eq!(code(tracker.scan(range, 4096, 0, &mut [range])), sys::ENOTTY);
    assert_eq!(code(tracker.unmap(&bitmap)), sys::ENOTTY);
    assert_eq!(code(tracker.mark(&bitmap)), sys::ENOTTY);
    assert_eq!(code(tracker.mark_runs(&[range])), sys::ENOTTY);
    assert_eq!(code(tracker.destroy()), sys::ENOTTY);
    assert_eq!(code(Tracker::adopt(copy(&null))), sys::ENOTTY);
}

/// None of these may reach the file, which would answer ENOTTY
#[test]
fn bad_arguments_are_rejected_first() {
    let null = null();
    let iommufd = Iommufd::from(null.as_fd());
    assert_eq!(code(iommufd.tracker(1, 4)), sys::EOPNOTSUPP);
    assert_eq!(code(iommufd.tracker(1, sys::IOMMU_DIRTY_ALLOC_FILE)), sys::EOPNOTSUPP);
    let owned = Iommufd::from(copy(&null));
    assert_eq!(code(owned.into_tracker(1, sys::IOMMU_DIRTY_ALLOC_FILE)), sys::EOPNOTSUPP);

    let tracker = Tracker::new(IommuFile::Borrowed(null.as_fd()), 1);
    let own = Tracker::new(IommuFile::Own(copy(&null)), 0);
    let range = Range { iova: 0, length: 4096 };
    let bitmap = Bitmap::new(range, 4096).expect("is valid");
    let mut runs = [range; 2];
    assert_eq!(code(read(&[], &bitmap, 0)), sys::EINVAL);
    assert_eq!(code(tracker.read(&bitmap, 4)), sys::EOPNOTSUPP);
    assert_eq!(code(scan(&[], range, 4096, 0, &mut runs)), sys::EINVAL);
    assert_eq!(code(tracker.scan(range, 4096, 0, &mut [])), sys::EINVAL);
    assert_eq!(code(tracker.scan(range, 4096, 4, &mut runs)), sys::EOPNOTSUPP);
    assert_eq!(code(tracker.scan(range, 4095, 0, &mut runs)), sys::EINVAL);
    let beyond = Range { iova: u64::MAX, length: 2 };
    assert_eq!(code(tracker.scan(beyond, 4096, 0, &mut runs)), sys::EOVERFLOW);
    assert_eq!(code(scan(&[&own, &own], range, 4096, 0, &mut runs)), sys::EINVAL);
    assert_eq!(code(scan(&[&tracker, &own], range, 4096, 0, &mut runs)), sys::EINVAL);
    assert_eq!(code(scan(&[&tracker; 65], range, 4096, 0, &mut runs)), sys::EINVAL);
    assert_eq!(code(scan(&[&tracker; 64], range, 4096, 0, &mut runs)), sys::ENOTTY);
    assert_eq!(code(tracker.mark_runs(&[])), sys::EINVAL);
    let many = vec![range; 65537];
    assert_eq!(code(tracker.start_ranges(0, &many, 4096)), sys::EINVAL);
    assert_eq!(code(tracker.update(0, &many, 4096)), sys::EINVAL);
}

#[test]
fn errors_become_io_errors() {
    let null = null();
    let error = Iommufd::from(null.as_fd()).list().expect_err("is an error");
    let io: std::io::Error = error.clone().into();
    assert_eq!(io.to_string(), error.to_string());
    let inner = io.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    assert_eq!(inner, Some(&error));
}

#[test]
fn may_be_shared_by_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Iommufd<'_>>();
    shared::<Tracker<'_>>();
    shared::<Bitmap>();
    shared::<Error>();
}

#[test]
fn a_file_is_closed_once() {
    let file = null();
    let path = |fd: &OwnedFd| {
        use std::os::unix::io::AsRawFd;
        format!("/proc/self/fd/{}", fd.as_raw_fd())
    };
    // Numbers that other tests do not get meanwhile
    let mut files: Vec<_> = (0..50).map(|_| copy(&file)).collect();
    // A file of its own needs no ioctl, and an iommufd that it keeps is none here
    for (id, result) in [(0, Ok(())), (1, Err(sys::ENOTTY))] {
        let last = files.pop().expect("has some");
        let path = path(&last);
        let tracker = Tracker::new(IommuFile::Own(last), id);
        assert_eq!(tracker.file().is_some(), id == 0);
        assert!(std::fs::read_link(&path).is_ok());
        assert_eq!(tracker.destroy().map_err(|error| error.code()), result);
        assert!(std::fs::read_link(&path).is_err());
    }
}
