# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# The stage "rust": the crate in tools/rust, without a device. Stage "tools-vm" runs it with
# one. Sourced by check.sh.
# shellcheck disable=SC2154 # variables of check.sh

# Where setup.sh cannot install a compiler, there may be none
rust_found() { command -v rustc >/dev/null && command -v cargo >/dev/null; }

# Runs make in a folder of tools. The distribution's compiler goes first: it may be the
# oldest one that the crate has to work with. CARGO_HOME may have another one, too
rust_make() { # log folder OUT target...
	local log=$logs/rust-$1.log src
	src=$("$repo/tools/setup/sources.sh")/tools/$2
	logged "$log" env PATH="/usr/bin:/bin:$PATH" CARGO_HOME="$cache/tools/cargo-home" \
		make -C "$src" OUT="$cache/tools/$3" "${@:4}"
}

# The example must print the same as that of the C library with the same name, on the kernel
# of the library's tests
rust_example() {
	local out=$cache/tools ioas c rust
	rust_make example rust rust fake
	rust_make example-c lib rust-c "$out/rust-c/fake-precopy"
	for ioas in 7 99; do
		c=$("$out/rust-c/fake-precopy" 5 "$ioas" 0x100000000 0x1000000 2>&1 </dev/null || echo "code $?")
		rust=$("$out/rust/fake-precopy" 5 "$ioas" 0x100000000 0x1000000 2>&1 </dev/null || echo "code $?")
		diff -u --label C --label Rust <(echo "$c") <(echo "$rust")
	done
}

# The compiler that is found first: Cloud Hypervisor needs a newer one than the crate
rust_is() { # version, or newer
	printf '%s\n' "$1" "$(rustc --version | cut -d' ' -f2)" | sort -CV
}

# With the headers that the crate's tests have made
rust_series() {
	IOMMUFD_DIRTY_HEADERS=$cache/tools/rust/include "$repo/tools/vmm/rust-series.sh" test
}

stage_rust() {
	"$repo/tools/setup/setup.sh" rust tools
	if ! rust_found; then
		skipped rust "the crate: no rustc and cargo"
		return
	fi
	try "crate: tests" rust_make test rust rust test
	try "crate: clippy and rustfmt" rust_make lint rust rust lint
	try "crate: documentation" rust_make doc rust rust doc
	try "crate: the example does what the one in C does" rust_example
	if rust_is 1.89; then
		try "cloud-hypervisor: the module that uses the crate" rust_series
	else
		skipped rust "cloud-hypervisor: rustc is older than 1.89"
	fi
}
