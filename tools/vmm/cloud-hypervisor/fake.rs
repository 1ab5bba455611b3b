// SPDX-License-Identifier: GPL-2.0-only
//! The module of the series with our crate, on the minimal kernel of the C library's tests,
//! tools/lib/tests/fake.h. Run by tools/vmm/rust-series.sh.

use std::fs::File;
use std::os::fd::AsFd;

#[allow(dead_code)]
mod dirty_tracker;
use dirty_tracker::{AddressSpace, DirtyTracker, GuestRange};

unsafe extern "C" {
    fn fake_reset();
    fn fake_write(page: u32);
    static mut fake_has_trackers: bool;
    static mut fake_reason: u32;
}

const IOAS: u32 = 7;
const IOVA: u64 = 1 << 32;
const PAGE: u64 = 4096;
const MEMORY: GuestRange = GuestRange { gpa: IOVA, length: 4096 * PAGE };
/// Where a virtual IOMMU maps from
const RAM: GuestRange = GuestRange { gpa: 0x5000_0000, length: 4096 * PAGE };

fn write(pages: &[u32]) {
    for page in pages {
        // SAFETY: the IOAS has this many pages
        unsafe { fake_write(*page) };
    }
}

fn tracker(space: AddressSpace) -> DirtyTracker {
    let null = File::open("/dev/null").unwrap();
    DirtyTracker::new(null.as_fd(), IOAS, space).unwrap()
}

fn pages(tracker: &DirtyTracker, memory: GuestRange) -> Vec<(u64, u64)> {
    let ranges = tracker.dirty_ranges(&[memory]).unwrap();
    ranges.iter().map(|r| ((r.gpa - memory.gpa) / PAGE, r.length / PAGE)).collect()
}

fn main() {
    // SAFETY: there is one thread
    unsafe { fake_reset() };
    let guest = tracker(AddressSpace::Guest);
    guest.check().unwrap();
    guest.start().unwrap();
    write(&[1, 2, 3, 100]);
    assert_eq!(pages(&guest, MEMORY), [(1, 3), (100, 1)]);
    assert_eq!(pages(&guest, MEMORY), []);
    write(&[4095]);
    guest.stop().unwrap();
    assert_eq!(pages(&guest, MEMORY), []);
    drop(guest);

    let remapped = tracker(AddressSpace::Remapped);
    remapped.map(IOVA, RAM.gpa, 16 * PAGE, || Ok(())).unwrap();
    remapped.start().unwrap();
    write(&[2, 5]);
    assert_eq!(pages(&remapped, RAM), [(2, 1), (5, 1)]);
    write(&[3]);
    remapped.unmap(IOVA, 16 * PAGE, |_, _| panic!("the tracker unmaps")).unwrap();
    remapped.map(IOVA, RAM.gpa + 256 * PAGE, 16 * PAGE, || Ok(())).unwrap();
    write(&[4]);
    assert_eq!(pages(&remapped, RAM), [(3, 1), (260, 1)]);
    remapped.stop().unwrap();

    // SAFETY: there is one thread
    unsafe { fake_reason = iommufd_dirty::sys::IOMMU_DIRTY_REASON_NO_HW };
    assert_eq!(
        remapped.start().unwrap_err().to_string(),
        "START: HWPT 9 cannot be tracked: \
         the IOMMU sets no dirty bits in page tables of this format"
    );
    // SAFETY: there is one thread
    unsafe { fake_has_trackers = false };
    for result in [remapped.check(), remapped.start()] {
        assert_eq!(
            result.unwrap_err().to_string(),
            "ALLOC: this kernel has no dirty trackers (CONFIG_IOMMUFD_DIRTY)"
        );
    }
    assert!(!remapped.is_running());
}
