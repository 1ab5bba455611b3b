// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
//! Errors that a program makes.

use crate::{sys, Error, Progress, Untrackable, Verb};

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
