# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Shared by every script of tools/: paths, messages, locks of the cache, apt, logs.
# Sourced, not run.
# shellcheck disable=SC2034 # used by the scripts that source it

set -euo pipefail

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache=${IOMMUFD_DIRTY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/iommufd-dirty}
jobs=${JOBS:-$(nproc)}

note() { printf '==> %s\n' "$*" >&2; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit "${die_code:-1}"; }

# Prints one hash of the contents of all files
hash_files() { cat "$@" | sha256sum | cut -c1-16; }

# Sets what Linux, gcc and QEMU call an architecture: karch, cross, target
use_arch() { # arch
	case $1 in
	x86_64) karch=x86_64 cross='' target=x86_64 ;;
	arm64) karch=arm64 cross=aarch64-linux-gnu- target=aarch64 ;;
	riscv64)
		karch=riscv cross=riscv64-linux-gnu- target=riscv64
		# Linux 6.12 has no driver for its IOMMU
		[ -n "${KSRC:-}" ] || export BASE=${BASE:-7.3}
		;;
	*) die "unknown architecture $1, known are: x86_64 arm64 riscv64" ;;
	esac
}

# Prints VERSION.PATCHLEVEL of a kernel tree
tree_version() { # tree
	awk '$1 == "VERSION" { v = $3 } $1 == "PATCHLEVEL" { print v "." $3; exit }' "$1/Makefile"
}

# Prints the newest base kernel with hooks that is not newer than a version, or the oldest
nearest_base() { # version, as in 6.12
	local base best=''
	while read -r base; do
		if [ -z "$best" ] || [ "$(printf '%s\n' "$base" "$1" | sort -V | head -n 1)" = "$base" ]; then
			best=$base
		fi
	done < <(find "$repo/tools/overlay/hooks" -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | sort -V)
	echo "$best"
}

# Waits until no other run uses the same part of the cache. The lock is held until
# unlock_cache or the end of the script
lock_cache() { # part
	mkdir -p "$cache"
	exec {lock_fd}>"$cache/.lock-$1"
	flock -n "$lock_fd" && return
	note "waiting for another run that holds $1"
	flock "$lock_fd"
}

unlock_cache() { exec {lock_fd}>&-; }

# Sets apt to an apt-get with separate package lists, which knows only one suite of the
# host's archive (or several, as one word)
private_apt() { # folder deb|deb-src suite option...
	local dir=$1 kind=$2 suite=$3
	shift 3
	rm -rf "$dir"
	mkdir -p "$dir/parts" "$dir/lists/partial" "$dir/archives/partial"
	"$repo/tools/setup/apt-source.py" "$kind" "$suite" >"$dir/parts/debian.sources" || return 1
	apt=(apt-get -qq -o APT::Sandbox::User=root -o Dir::Etc::sourcelist=/dev/null
		-o Dir::Etc::sourceparts="$dir/parts" -o Dir::State::lists="$dir/lists"
		-o Dir::Cache="$dir" -o Debug::NoLocking=1 -o APT::Update::Error-Mode=any
		-o Acquire::Retries=1 -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 "$@")
	"${apt[@]}" update || {
		note "Debian's archive ($suite) does not answer"
		return 1
	}
}

# Runs a command with its output in a log; shows the end of the log if it fails.
# (Do not use this in a condition if the command is a function that must stop at its
# first error: bash ignores set -e there.)
logged() {
	local log=$1 rc
	shift
	set +e
	(set -e; "$@") >"$log" 2>&1 </dev/null
	rc=$?
	set -e
	if [ "$rc" -ne 0 ]; then
		tail -n "${LOG_TAIL:-40}" "$log" >&2
		note "failed: $* (whole log: $log)"
	fi
	return "$rc"
}
