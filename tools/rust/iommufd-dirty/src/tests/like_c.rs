// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
//! The crate must give the same answers as the C library.

use std::fmt::Write;

use super::{repo, run_c, Random};
use crate::error::{Error, Untrackable};
use crate::{format_text, sys, Bitmap, Range, Verb};

fn errors(out: &mut String) {
    use Verb::*;
    for verb in
        [Alloc, Info, Start, Stop, Read, Scan, Unmap, Update, Destroy, List, Mark, SetOption]
    {
        for code in 1..134 {
            let error = Error::new(verb, code);
            writeln!(out, "{error}").expect("fits");
            for tracker in 0..2 {
                writeln!(out, "{}", error.clone().with_tracker(tracker)).expect("fits");
            }
        }
    }
    for kind in 1..5 {
        for reason in 0..10 {
            let member = Untrackable { kind, id: 0, reason };
            let error = Error::new(Start, sys::ENXIO).with_untrackable(member);
            writeln!(out, "{error}").expect("fits");
        }
    }
    for format in 0..10 {
        writeln!(out, "{}", format_text(format)).expect("fits");
    }
}

fn runs(random: &Random, out: &mut String) {
    let page_size = 4096 << random.below(12);
    let length = 1 + random.below(page_size * (1 + random.below(300)));
    let iova = match random.below(2) {
        0 => u64::MAX - (length - 1),
        _ => random.below(1 << 40),
    };
    let bitmap = Bitmap::new(Range { iova, length }, page_size).expect("is valid");
    for page in 0..bitmap.pages() {
        if random.below(3) != 0 {
            bitmap.set(page);
        }
    }
    writeln!(out, "{} pages, {} dirty", bitmap.pages(), bitmap.count()).expect("fits");
    for run in bitmap.runs() {
        writeln!(out, "{:#x} {}", run.iova, run.length).expect("fits");
    }
}

#[test]
fn errors_and_runs_are_those_of_the_c_library() {
    let sources = [
        repo("tools/rust/iommufd-dirty/src/tests/like_c.c"),
        repo("tools/lib/src/error.c"),
        repo("tools/lib/src/bitmap.c"),
    ];
    let c = run_c("like-c", &sources);
    // Each names its own function
    let c = c.replace("idirty_set_trackable(3)", "Iommufd::set_trackable()");
    let mut rust = String::new();
    errors(&mut rust);
    let random = Random::new();
    for _ in 0..300 {
        runs(&random, &mut rust);
    }
    // Not assert_eq, which would print all of it
    for (number, (c, rust)) in c.lines().zip(rust.lines()).enumerate() {
        assert_eq!(rust, c, "line {number}");
    }
    assert_eq!(rust.lines().count(), c.lines().count());
}
