// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
//! Tests the crate with a device that writes all the time, in a virtual machine:
//! `rig FD IOAS IOVA LENGTH DEVICE`, as `test-vm with` of the C library's tests calls it.
//! Prints TAP. Without arguments, as in `cargo test`, there is nothing to test with.
//!
//! DEVICE is the id of the device, whose driver logs its DMA. It is attached to the IOAS, and
//! writes at random to the LENGTH bytes at IOVA.

use std::alloc::{alloc_zeroed, dealloc, Layout};
use std::error::Error;
use std::os::raw::c_ulong;
use std::os::unix::io::{AsRawFd, BorrowedFd, RawFd};
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

use iommufd_dirty::{read, sys, Bitmap, Iommufd, Range, Split, Tracker, Verb};

const PAGE: u64 = 4096;
/// Nothing is mapped here
const ELSEWHERE: u64 = 1 << 36;

type Outcome = Result<(), Box<dyn Error>>;
type Test = fn(&Rig<'_>) -> Outcome;

macro_rules! check {
    ($condition:expr) => {
        if !$condition {
            return Err(format!("line {}: {}", line!(), stringify!($condition)).into());
        }
    };
}

struct Rig<'fd> {
    iommufd: Iommufd<'fd>,
    raw: RawFd,
    ioas: u32,
    ram: Range,
    device: u32,
}

fn fails<T>(result: iommufd_dirty::Result<T>, code: u32) -> bool {
    matches!(result, Err(error) if error.code() == code)
}

/// Repeats a READ until the device has been seen
fn pages_of(tracker: &Tracker<'_>, bitmap: &mut Bitmap) -> Result<u64, Box<dyn Error>> {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(60) {
        bitmap.clear();
        let pages = tracker.read(bitmap, 0)?;
        if pages != 0 {
            return Ok(pages);
        }
    }
    Err("the device does not write".into())
}

fn life(rig: &Rig<'_>) -> Outcome {
    let tracker = rig.iommufd.tracker(rig.ioas, 0)?;
    let bitmap = Bitmap::new(rig.ram, PAGE)?;
    let info = tracker.info()?;
    check!(info.target_id == rig.ioas && info.state == sys::IOMMU_DIRTY_STATE_STOPPED);
    check!(info.members.len() == 1 && info.members[0].kind == sys::IOMMU_DIRTY_MEMBER_HWPT);
    check!(info.members[0].reason == sys::IOMMU_DIRTY_REASON_OK);
    check!(info.page_sizes & PAGE != 0 && info.max_trackers >= 64);
    check!(fails(tracker.read(&bitmap, 0), sys::ENODATA));
    tracker.start(0)?;
    check!(fails(tracker.start(0), sys::EALREADY));
    check!(tracker.info()?.state == sys::IOMMU_DIRTY_STATE_RUNNING);
    check!(fails(tracker.update(0, &[rig.ram], PAGE), sys::EINVAL));

    let id = tracker.id();
    let listed = |kind, id| {
        Ok::<_, iommufd_dirty::Error>(
            rig.iommufd.list()?.into_iter().find(|o| o.kind == kind && o.id == id),
        )
    };
    let object = listed(sys::IOMMU_DIRTY_OBJECT_TRACKER, id)?.ok_or("the tracker is listed")?;
    check!(object.parent_id == rig.ioas && object.state == sys::IOMMU_DIRTY_STATE_RUNNING);
    let object = listed(sys::IOMMU_DIRTY_OBJECT_IOAS, rig.ioas)?.ok_or("the IOAS is listed")?;
    check!(object.num_trackers == 1);
    let object = listed(sys::IOMMU_DIRTY_OBJECT_DEVICE, rig.device)?.ok_or("it is listed")?;
    check!(object.name.starts_with("0000:"));

    tracker.stop()?;
    tracker.stop()?;
    let error = tracker.read(&bitmap, 0).expect_err("it is stopped");
    check!(error.code() == sys::ENODATA && error.verb() == Verb::Read);
    check!(error.tracker() == Some(0) && error.progress().length == 0);
    tracker.destroy()?;
    check!(listed(sys::IOMMU_DIRTY_OBJECT_TRACKER, id)?.is_none());
    // Dropped, it is destroyed, too
    let id = rig.iommufd.tracker(rig.ioas, 0)?.id();
    check!(listed(sys::IOMMU_DIRTY_OBJECT_TRACKER, id)?.is_none());
    Ok(())
}

fn reads(rig: &Rig<'_>) -> Outcome {
    let tracker = rig.iommufd.tracker(rig.ioas, 0)?;
    tracker.start(0)?;
    let mut bitmap = Bitmap::new(rig.ram, PAGE)?;
    let pages = pages_of(&tracker, &mut bitmap)?;
    check!(bitmap.count() == pages);
    check!(bitmap.runs().map(|run| run.length / PAGE).sum::<u64>() == pages);
    let end = rig.ram.iova + rig.ram.length;
    check!(bitmap.runs().all(|run| run.iova >= rig.ram.iova && run.iova + run.length <= end));

    // What is not cleared is reported again
    let seen = Bitmap::new(rig.ram, PAGE)?;
    while tracker.read(&seen, sys::IOMMU_DIRTY_READ_NO_CLEAR)? == 0 {}
    bitmap.clear();
    tracker.read(&bitmap, 0)?;
    check!((0..seen.pages()).all(|page| !seen.test(page) || bitmap.test(page)));
    Ok(())
}

fn splits(rig: &Rig<'_>) -> Outcome {
    for split in [Split::No, Split::Lazy, Split::AtOnce] {
        let tracker = rig.iommufd.tracker(rig.ioas, 0)?;
        tracker.start_split(0, split)?;
        let mut bitmap = Bitmap::new(rig.ram, PAGE)?;
        pages_of(&tracker, &mut bitmap)?;
        let member = tracker.info()?.members[0];
        let splits = member.flags & sys::IOMMU_DIRTY_MEMBER_SPLITS != 0;
        check!(splits == (member.split_reason == sys::IOMMU_DIRTY_REASON_OK));
        check!(member.io_page_sizes_used & member.io_page_sizes & PAGE != 0);
    }
    let passive = rig.iommufd.tracker(rig.ioas, sys::IOMMU_DIRTY_ALLOC_PASSIVE)?;
    check!(fails(passive.start_split(0, Split::Lazy), sys::EINVAL));
    Ok(())
}

fn several(rig: &Rig<'_>) -> Outcome {
    // More than one ioctl takes; of two kinds
    let mut trackers = Vec::new();
    for n in 0..40 {
        trackers.push(match n % 10 {
            0 => rig.iommufd.tracker_with_file(rig.ioas, sys::IOMMU_DIRTY_ALLOC_PASSIVE)?,
            _ => rig.iommufd.tracker(rig.ioas, 0)?,
        });
        trackers[n].start(0)?;
    }
    let mut bitmap = Bitmap::new(rig.ram, PAGE)?;
    // The first one has few pages left, the others have all
    let mut taken = 0;
    while taken < 40 {
        taken += pages_of(&trackers[0], &mut bitmap)?;
    }
    bitmap.clear();
    let mut all: Vec<_> = trackers.iter().collect();
    let pages = read(&all, &bitmap, 0)?;
    check!(pages.len() == 40 && pages.iter().sum::<u64>() == bitmap.count());
    check!(pages[1] != 0);

    let stopped = rig.iommufd.tracker(rig.ioas, 0)?;
    all[35] = &stopped;
    let error = read(&all, &bitmap, 0).expect_err("one does not run");
    check!(error.code() == sys::ENODATA && error.tracker() == Some(35));
    check!(error.progress().length == 0);
    Ok(())
}

fn threads(rig: &Rig<'_>) -> Outcome {
    let tracker = rig.iommufd.tracker(rig.ioas, 0)?;
    tracker.start(0)?;
    let bitmap = Bitmap::new(rig.ram, PAGE)?;
    let sums: Vec<_> = thread::scope(|scope| {
        let work = || (0..50).map(|_| tracker.read(&bitmap, 0)).sum::<Result<u64, _>>();
        let threads = [(); 4].map(|_| scope.spawn(work));
        threads.into_iter().map(|thread| thread.join().expect("does not panic")).collect()
    });
    let mut sum = 0;
    for pages in sums {
        sum += pages?;
    }
    // Two calls that set the same bit at the same time both count it
    check!(bitmap.count() != 0 && sum >= bitmap.count());
    Ok(())
}

fn scans(rig: &Rig<'_>) -> Outcome {
    let tracker = rig.iommufd.tracker(rig.ioas, 0)?;
    tracker.start(0)?;
    // Three runs in a place that the device does not write to
    let page = |page: u64| Range { iova: ELSEWHERE + page * PAGE, length: PAGE };
    let bitmap = Bitmap::new(Range { iova: ELSEWHERE, length: 100 * PAGE }, PAGE)?;
    for page in [3, 4, 70] {
        bitmap.set(page);
    }
    tracker.mark(&bitmap)?;
    tracker.mark_runs(&[page(99), page(5)])?;
    let want = [Range { length: 3 * PAGE, ..page(3) }, page(70), page(99)];

    let mut range = bitmap.range();
    let mut found = Vec::new();
    while range.length != 0 {
        let mut runs = [Range::default(); 1];
        let scanned = tracker.scan(range, PAGE, 0, &mut runs)?;
        found.extend_from_slice(&runs[..scanned.runs]);
        check!(scanned.length != 0);
        range.iova += scanned.length;
        range.length -= scanned.length;
    }
    check!(found == want);
    let mut runs = [Range::default(); 8];
    let scanned = tracker.scan(bitmap.range(), PAGE, 0, &mut runs)?;
    check!(scanned.runs == 0 && scanned.pages == 0 && scanned.length == 100 * PAGE);
    tracker.stop()?;
    let error = tracker.scan(bitmap.range(), PAGE, 0, &mut runs).expect_err("is stopped");
    check!(error.code() == sys::ENODATA && error.progress().runs == 0);
    check!(fails(tracker.mark(&bitmap), sys::ENODATA));
    Ok(())
}

/// `struct iommu_ioas_map`
#[repr(C)]
struct IoasMap {
    size: u32,
    flags: u32,
    ioas_id: u32,
    reserved: u32,
    user_va: u64,
    length: u64,
    iova: u64,
}

fn unmaps(rig: &Rig<'_>) -> Outcome {
    let layout = Layout::from_size_align(16 * PAGE as usize, PAGE as usize)?;
    // SAFETY: the size is not 0
    let memory = unsafe { alloc_zeroed(layout) };
    let mut map = IoasMap {
        size: 40,
        flags: 7,
        ioas_id: rig.ioas,
        reserved: 0,
        user_va: memory as usize as u64,
        length: 16 * PAGE,
        iova: ELSEWHERE,
    };
    // SAFETY: it is IOMMU_IOAS_MAP, of memory that lives until it is unmapped
    let rc = unsafe { sys::ioctl(rig.raw, c_ulong::from(0x3b85u32), &mut map as *mut IoasMap) };
    check!(!memory.is_null() && rc == 0);

    let tracker = rig.iommufd.tracker(rig.ioas, 0)?;
    let all = Bitmap::new(Range { iova: ELSEWHERE, length: 16 * PAGE }, PAGE)?;
    check!(fails(tracker.unmap(&all), sys::ENODATA));
    tracker.start(0)?;
    let part = Bitmap::new(Range { iova: ELSEWHERE, length: PAGE }, PAGE)?;
    let error = tracker.unmap(&part).expect_err("it is a part of a mapping");
    check!(error.code() == sys::ENOENT && error.progress().unmapped == 0);
    tracker.mark_runs(&[Range { iova: ELSEWHERE + 3 * PAGE, length: PAGE }])?;
    let unmapped = tracker.unmap(&all)?;
    check!(unmapped.bytes == 16 * PAGE && unmapped.pages == 1 && all.test(3));
    check!(tracker.unmap(&all)?.bytes == 0);
    // SAFETY: it is no longer mapped
    unsafe { dealloc(memory, layout) };
    Ok(())
}

fn files(rig: &Rig<'_>) -> Outcome {
    let tracker = rig.iommufd.tracker_with_file(rig.ioas, sys::IOMMU_DIRTY_ALLOC_PASSIVE)?;
    check!(tracker.id() == 0);
    tracker.start(0)?;
    let file = tracker.file().ok_or("it has a file")?;
    let link = format!("/proc/self/fd/{}", file.as_raw_fd());
    let copy = Tracker::adopt(file.try_clone_to_owned()?)?;
    let info = copy.info()?;
    check!(info.flags & sys::IOMMU_DIRTY_TRACKER_PASSIVE != 0);
    check!(info.state == sys::IOMMU_DIRTY_STATE_RUNNING && info.target_id == rig.ioas);
    let mut bitmap = Bitmap::new(rig.ram, PAGE)?;
    pages_of(&copy, &mut bitmap)?;
    check!(fails(copy.unmap(&bitmap), sys::ENOTTY));
    copy.destroy()?;
    pages_of(&tracker, &mut bitmap)?;
    tracker.destroy()?;
    check!(fs::read_link(link).is_err());
    Ok(())
}

fn device(rig: &Rig<'_>) -> Outcome {
    let tracker = rig.iommufd.tracker(rig.device, 0)?;
    let info = tracker.info()?;
    check!(info.members.len() == 1 && info.members[0].kind == sys::IOMMU_DIRTY_MEMBER_DEVICE);
    check!(fails(tracker.start(0), sys::EINVAL));
    let half = Range { length: rig.ram.length / 2, ..rig.ram };
    let rest = Range { iova: half.iova + half.length, length: half.length };
    let tracked = tracker.start_ranges(0, &[rest, half], PAGE)?;
    check!(tracked.ranges == [rig.ram] && tracked.page_size == PAGE);
    let mut bitmap = Bitmap::new(rig.ram, PAGE)?;
    let pages = pages_of(&tracker, &mut bitmap)?;
    check!(bitmap.count() == pages);

    let gap = sys::IOMMU_DIRTY_UPDATE_GAP_DIRTY;
    let tracked = tracker.update(gap, &[half], PAGE)?;
    check!(tracked.ranges == [half] && tracker.info()?.num_ranges == 1);
    let ioas = rig.iommufd.tracker(rig.ioas, 0)?;
    ioas.start(0)?;
    bitmap.clear();
    let error = read(&[&ioas, &tracker], &bitmap, 0).expect_err("it is not covered");
    check!(error.code() == sys::ERANGE && error.tracker() == Some(1));
    check!(error.progress().length == half.length);
    tracker.read(&bitmap, sys::IOMMU_DIRTY_READ_SPARSE)?;
    Ok(())
}

fn errors(rig: &Rig<'_>) -> Outcome {
    let error = rig.iommufd.tracker(u32::MAX, 0).expect_err("there is no such object");
    check!(error.to_string() == "ALLOC: no object has this id");
    let hwpt = rig.iommufd.tracker(rig.ioas, 0)?.info()?.members[0].id;
    let error = rig.iommufd.tracker(hwpt, 0).expect_err("it is a HWPT");
    check!(error.to_string() == "ALLOC: an object of this kind cannot be tracked");
    let tracker = rig.iommufd.tracker(rig.ioas, 0)?;
    check!(fails(tracker.start(sys::IOMMU_DIRTY_START_SPLIT_LAZY << 1), sys::EOPNOTSUPP));
    check!(fails(tracker.start_ranges(0, &[rig.ram], PAGE), sys::EINVAL));
    tracker.start(0)?;
    let bad = Range { iova: u64::MAX, length: 2 };
    check!(fails(tracker.mark_runs(&[bad]), sys::EOVERFLOW));
    check!(fails(tracker.mark_runs(&[Range { iova: 0, length: 0 }]), sys::EINVAL));
    Ok(())
}

fn arguments() -> Option<(RawFd, u32, Range, u32)> {
    let number = |text: String| match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    };
    match env::args().skip(1).map(number).collect::<Option<Vec<u64>>>()?[..] {
        [fd, ioas, iova, length, device] => Some((
            fd.try_into().ok()?,
            ioas.try_into().ok()?,
            Range { iova, length },
            device.try_into().ok()?,
        )),
        _ => None,
    }
}

fn main() {
    println!("TAP version 13");
    let (raw, ioas, ram, device_id) = match arguments() {
        Some(arguments) => arguments,
        None => {
            println!("1..0 # SKIP no device: see the head of rig.rs");
            return;
        }
    };
    // SAFETY: whoever starts this program passes a file that stays open
    let fd = unsafe { BorrowedFd::borrow_raw(raw) };
    let rig = Rig { iommufd: fd.into(), raw, ioas, ram, device: device_id };
    let tests: [(&str, Test); 10] = [
        ("life", life),
        ("reads", reads),
        ("splits", splits),
        ("several", several),
        ("threads", threads),
        ("scans", scans),
        ("unmaps", unmaps),
        ("files", files),
        ("device", device),
        ("errors", errors),
    ];
    println!("1..{}", tests.len());
    let mut failures = 0;
    for (number, (name, test)) in tests.iter().enumerate() {
        match test(&rig) {
            Ok(()) => println!("ok {} {name}", number + 1),
            Err(error) => {
                println!("# {error}\nnot ok {} {name}", number + 1);
                failures += 1;
            }
        }
    }
    process::exit((failures != 0).into());
}
