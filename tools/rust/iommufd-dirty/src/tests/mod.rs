// SPDX-License-Identifier: LGPL-2.1-or-later OR BSD-2-Clause
//! Compares the crate with the C header and with the C library.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, process};

pub(crate) mod layout;
mod like_c;
mod no_tracker;
mod values;

/// The same numbers in each run, and in `like_c.c`
pub(crate) struct Random(Cell<u64>);

impl Random {
    pub(crate) fn new() -> Self {
        Random(Cell::new(88172645463325252))
    }

    pub(crate) fn below(&self, limit: u64) -> u64 {
        let mut seed = self.0.get();
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        self.0.set(seed);
        seed % limit
    }
}

/// A file of the project
fn repo(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..").join(path)
}

/// Compiles C sources, runs the program and returns what it prints
fn run_c(name: &str, sources: &[PathBuf]) -> String {
    let program = env::temp_dir().join(format!("iommufd-dirty-{name}-{}", process::id()));
    let mut cc = Command::new(env::var_os("CC").unwrap_or_else(|| "cc".into()));
    for folder in ["tools/lib/uapi", "tools/lib/include", "tools/lib/src"] {
        cc.arg("-I").arg(repo(folder));
    }
    cc.args(["-std=c11", "-D_POSIX_C_SOURCE=200809L", "-Wall", "-Werror"]);
    let done = cc.args(sources).arg("-o").arg(&program).output().expect("there is a C compiler");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let done = Command::new(&program).env("LC_ALL", "C").output().expect("the program runs");
    fs::remove_file(&program).expect("the program was there");
    assert!(done.status.success(), "{name} has failed");
    String::from_utf8(done.stdout).expect("it prints text")
}
