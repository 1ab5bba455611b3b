// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
//! The rounds of a live migration: `precopy FD IOAS IOVA LENGTH`
//!
//! FD is the iommufd of a VMM. In place of sending memory, this prints which. After the line
//! "quiesce" it waits until the VMM has stopped its CPUs and devices, and says so. The same as
//! `tools/lib/examples/precopy.c`.

use std::os::unix::io::{BorrowedFd, RawFd};
use std::{env, io, process, thread, time::Duration};

use iommufd_dirty::{Bitmap, Iommufd, Range, Result, Tracker};

fn send(run: Range) {
    println!("{:#x} {}", run.iova, run.length);
}

fn read_and_send(tracker: &Tracker<'_>, bitmap: &mut Bitmap) -> Result<u64> {
    // READ only sets bits. No page may be copied before it has returned
    bitmap.clear();
    let pages = tracker.read(bitmap, 0)?;
    bitmap.runs().for_each(send);
    // What devices write while the network sends is for the next round
    thread::sleep(Duration::from_millis(1));
    Ok(pages)
}

fn migrate(iommufd: BorrowedFd<'_>, ioas: u32, ram: Range) -> Result<()> {
    let mut bitmap = Bitmap::new(ram, 4096)?;
    // However this ends, the tracker ends, too
    let tracker = Iommufd::from(iommufd).tracker_with_file(ioas, 0)?;
    // Fails if writes could be missed; the error says whose, and why
    tracker.start(0)?;
    send(ram);
    for _ in 0..5 {
        if read_and_send(&tracker, &mut bitmap)? <= 16 {
            break;
        }
    }
    println!("quiesce");
    // If there is nobody to answer, nobody has anything to stop
    let _ = io::stdin().read_line(&mut String::new());
    // The last READ: devices have written since the one before, but write no more
    read_and_send(&tracker, &mut bitmap)?;
    tracker.stop()?;
    tracker.destroy()
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn arguments() -> Option<(RawFd, u32, Range)> {
    let numbers: Option<Vec<u64>> = env::args().skip(1).map(|text| number(&text)).collect();
    match numbers?[..] {
        [fd, ioas, iova, length] => {
            Some((fd.try_into().ok()?, ioas.try_into().ok()?, Range { iova, length }))
        }
        _ => None,
    }
}

fn main() {
    let (fd, ioas, ram) = arguments().unwrap_or_else(|| process::exit(2));
    // SAFETY: whoever starts this program passes a file that stays open
    let iommufd = unsafe { BorrowedFd::borrow_raw(fd) };
    if let Err(error) = migrate(iommufd, ioas, ram) {
        eprintln!("{error}");
        process::exit(1);
    }
}
