// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
//! What the crate takes from the kernel's structs and passes to the kernel, and errors that a
//! program makes.

use crate::{sys, Error, Info, Member, Progress, Split, Untrackable, Verb};

#[test]
fn info_has_all_of_a_member() {
    let member = sys::iommu_dirty_member {
        r#type: 1,
        id: 2,
        format: 3,
        reason: 4,
        flags: 5,
        split_reason: 6,
        io_page_sizes: 7,
        io_page_sizes_used: 8,
        split: 9,
        unsplit: 10,
        merged: 11,
        unmerged: 12,
    };
    let info = Info::new(&sys::iommu_dirty_tracker_info::default(), &[member]);
    let want = Member {
        kind: 1,
        id: 2,
        format: 3,
        reason: 4,
        flags: 5,
        split_reason: 6,
        io_page_sizes: 7,
        io_page_sizes_used: 8,
        split: 9,
        unsplit: 10,
        merged: 11,
        unmerged: 12,
    };
    assert_eq!(info, Info { members: vec![want], ..Default::default() });
}

#[test]
fn modes_of_splitting_are_flags() {
    assert_eq!(Split::default().flags(), 0);
    assert_eq!(Split::Lazy.flags(), sys::IOMMU_DIRTY_START_SPLIT_LAZY);
    assert_eq!(Split::AtOnce.flags(), sys::IOMMU_DIRTY_START_SPLIT);
}

#[test]
fn errors_have_what_they_are_made_of() {
    let progress = Progress { length: 1, pages: 2, runs: 3, unmapped: 4 };
    let error = Error::new(Verb::Read, sys::EIO).with_tracker(5).with_progress(progress);
    assert_eq!((error.verb(), error.code()), (Verb::Read, sys::EIO));
    assert_eq!((error.tracker(), error.progress()), (Some(5), progress));
    assert_eq!(error.untrackable(), None);

    let member = Untrackable { kind: sys::IOMMU_DIRTY_MEMBER_DEVICE, id: 6, reason: 7 };
    let error = Error::new(Verb::Start, sys::ENXIO).with_untrackable(member);
    assert_eq!(error.untrackable(), Some(member));
    // Only START has one
    let error = Error::new(Verb::Stop, sys::EIO).with_untrackable(member);
    assert_eq!(error.to_string(), "STOP: the driver failed");
}
