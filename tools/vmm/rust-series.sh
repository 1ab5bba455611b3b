#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Checks the patches for VMMs in Rust, in tools/vmm/cloud-hypervisor and tools/vmm/rust-vmm.
# Called by tools/check/static.sh and tools/check/rust.sh, which need no source of a VMM.
#
# Usage: rust-series.sh form                 the patches follow each other, and are well-formed
#        rust-series.sh faults               "form" must notice each fault in copies of them
#        rust-series.sh test                 compiles the module that talks to the tracker
#                                            against our crate, and runs its tests
#        rust-series.sh apply FOLDER SOURCE  applies the series in FOLDER with git am to a
#                                            clone of the git repository SOURCE, and runs
#                                            rustfmt --check after each patch
#
# FOLDER has cover.txt, which names the commit that the series is for, and series, the
# names of the patches. IOMMUFD_DIRTY_HEADERS is a folder with linux/iommufd.h and
# linux/vfio.h of a kernel with iommufd; without it, "test" leaves out the kernel of the C
# library's tests.
. "$(dirname "$0")/../setup/common.sh"

here=$repo/tools/vmm
module=pci/src/dirty_tracker.rs

# The rules of the project that a series is for
rules() { # folder; sets edition, subject_max and components
	case $1 in
	*/cloud-hypervisor/*)
		edition=2024 subject_max=72
		components='build|docs|pci|virtio-devices|vm-device|vm-migration|vmm'
		;;
	*/rust-vmm/*)
		edition=2018 subject_max=60
		components='vfio-bindings|vfio-ioctls|vfio-user'
		;;
	*) die "$1: unknown project" ;;
	esac
}

folders() { find "$here/cloud-hypervisor" "$here/rust-vmm" -name series -printf '%h\n' | sort; }

patches() { sed "s,^,$1/," "$1/series"; } # folder

base() { sed -n 's/^Base: //p' "$1/cover.txt"; } # folder

have() { command -v "$1" >/dev/null; }

# A long subject goes on in lines that start with a space
subject() { # patch
	sed -n '/^Subject: /{:a;N;s/\n / /;ta;s/\n.*//;s/^Subject: \[PATCH[^]]*\] //p;q}' "$1"
}

# One file of the series, as it is after all patches that touch it; only for a new file
new_file() { # folder path
	local p
	while read -r p; do
		if grep -qxF "+++ b/$2" "$p"; then
			git -C "$work" apply --include="$2" "$p"
		fi
	done < <(patches "$1")
}

form_of_patch() { # patch number total
	local p=${1##*/} prefix='' title
	[ "$3" -eq 1 ] || prefix=" $2/$3"
	grep -q "^Subject: \[PATCH$prefix\] " "$1" || echo "$p: not [PATCH$prefix]"
	title=$(subject "$1")
	grep -qE "^($components)(, ($components))*: [a-zA-Z]" <<<"$title" ||
		echo "$p: no component in \"$title\""
	[ ${#title} -le "$subject_max" ] || echo "$p: the subject is longer than $subject_max"
	sed '/^---$/,$d' "$1" | grep -q '^Signed-off-by: .* <.*@.*>$' || echo "$p: no Signed-off-by"
	sed '1,/^$/d;/^---$/,$d' "$1" | awk -v p="$p" 'length > 75 { print p ": long line: " $0 }'
	git apply --numstat "$1" >/dev/null || echo "$p: git cannot read it"
	grep -nE '^\+.*[[:space:]]$' "$1" | sed "s,^,$p: space at the end: ,"
}

# Each patch must start with the files that the one before has left
follows() { # patch; blobs has the last blob of each path
	local path='' old new
	while read -r _ old new; do
		case $old in
		a/*) path=${new#b/} ;;
		*)
			new=${old#*..} old=${old%..*}
			[ "${blobs[$path]-$old}" = "$old" ] ||
				echo "${1##*/}: $path is not as the patch before leaves it"
			blobs[$path]=$new
			;;
		esac
	done < <(grep -E '^(diff --git a/|index [0-9a-f]{40}\.\.)' "$1" |
		sed 's/^diff --git/diff/')
}

form_of() { # folder
	local p n=0 total
	local -A blobs=()
	rules "$1"
	total=$(wc -l <"$1/series")
	[[ $(base "$1") =~ ^[0-9a-f]{40}$ ]] || echo "$1/cover.txt: no line \"Base: commit\""
	diff <(cd "$1" && ls -- *.patch) "$1/series" || echo "$1/series: not all patches in order"
	while read -r p; do
		n=$((n + 1))
		form_of_patch "$p" "$n" "$total"
		follows "$p"
	done < <(patches "$1")
}

# The numbers that seccomp allows are those of the header
numbers() { # folder
	local name value want
	grep -hoE '^\+.* IOMMU_DIRTY_TRACKER_[A-Z]+: u64 = 0x3b[0-9a-f]{2};' "$1"/*.patch |
		sed -E 's/.*IOMMU_(DIRTY_TRACKER_[A-Z]+): u64 = 0x3b(..);/\1 \2/' | sort -u >"$work/numbers"
	[ -s "$work/numbers" ] || echo "no ioctl numbers found"
	while read -r name value; do
		want=$(sed -n "s/^\tIOMMUFD_CMD_$name = 0x\([0-9A-F]*\),$/\1/p" \
			"$repo/include/uapi/linux/iommufd_dirty.h")
		[ "${want,,}" = "$value" ] || echo "$name is ${want:-unknown} in the header, not $value"
	done <"$work/numbers"
}

form() {
	local folder
	while read -r folder; do
		form_of "$folder"
	done < <(folders)
	for folder in "$here"/cloud-hypervisor/*/; do
		numbers "${folder%/}"
	done
	if rustfmt --edition 2024 --check <<<'fn main() {}' >/dev/null 2>&1; then
		for folder in "$here"/cloud-hypervisor/*/; do
			rules "$folder"
			new_file "${folder%/}" "$module"
			rustfmt --edition "$edition" --check "$work/$module" || echo "$folder: rustfmt"
			rm -r "${work:?}/pci"
		done
		# Ours, in our style
		mkdir "$work/fake"
		echo "// The module" >"$work/fake/dirty_tracker.rs"
		cp "$here/cloud-hypervisor/fake.rs" "$work/fake"
		rustfmt --edition 2024 --config use_small_heuristics=Max --check "$work/fake/fake.rs" ||
			echo "fake.rs: rustfmt"
	fi
}

# Makes a fault in a copy of a series, of which a check must say what it is
fault() { # check folder file sed-script message
	local copy=$work/${2#"$here"/} out
	mkdir -p "${copy%/*}"
	cp -r "$2" "$copy"
	# shellcheck disable=SC2086 # a pattern
	sed -i "$4" "$copy"/$3
	out=$("$1" "$copy" 2>&1) || true
	[[ $out == *"$5"* ]] || echo "not noticed: $5"
	rm -r "$copy"
}

faults() {
	local one series
	for one in "$here"/rust-vmm/vfio-*; do
		fault form_of "$one" '0001-*' 's/^Subject: .PATCH/& 1\/2/' "not [PATCH]"
		fault form_of "$one" '0001-*' 's/^\(Subject: .PATCH. \)vfio-ioctls: /\1/' "no component"
		fault form_of "$one" '0001-*' 's/^\(Subject: .PATCH. \)vfio-/\1/' "no component"
		fault form_of "$one" '0001-*' '/^Subject: /s/$/ of the IOAS, which has a number/' \
			"the subject is longer than 60"
		fault form_of "$one" '0001-*' '/^Subject: /s/$/\n of the IOAS, which has a number/' \
			"the subject is longer than 60"
		fault form_of "$one" '0001-*' '/^Signed-off-by: /d' "no Signed-off-by"
		fault form_of "$one" '0001-*' '/^An IOAS/s/$/, and only there/' "long line: An IOAS"
		fault form_of "$one" '0001-*' 's/^\(@@ .*\),8 @@/\1,9 @@/' "git cannot read it"
		fault form_of "$one" '0001-*' 's/^+- .*/& /' "space at the end"
		fault form_of "$one" cover.txt '/^Base: /d' 'no line "Base: commit"'
		fault form_of "$one" series '1i0000.patch' "not all patches in order"
	done
	for series in "$here"/cloud-hypervisor/*/; do
		series=${series%/}
		fault form_of "$series" '0006-*' 's/^index [0-9a-f]\{8\}/index 00000000/' \
			"is not as the patch before leaves it"
		fault numbers "$series" '*.patch' 's/0x3bc6/0x3bc7/' "not c7"
	done
}

# What the module needs besides the standard library: our crate, and a macro of the crate log
libraries() {
	# shellcheck disable=SC2016 # of Rust, not of bash
	printf '%s\n' '#[macro_export]' 'macro_rules! warn {' \
		'    ($($arg:tt)*) => { eprintln!($($arg)*) };' '}' >"$work/log.rs"
	rustc --edition 2021 --crate-type rlib --crate-name log --out-dir "$work" "$work/log.rs"
	rustc --edition 2021 --crate-type rlib --crate-name iommufd_dirty --out-dir "$work" \
		"$repo/tools/rust/iommufd-dirty/src/lib.rs"
}

compile() { # output argument...
	rustc --edition "$edition" -D warnings -L "$work" --extern log="$work/liblog.rlib" \
		--extern iommufd_dirty="$work/libiommufd_dirty.rlib" -o "$work/$1" "${@:2}"
}

# With our crate in between, on the minimal kernel of the C library's tests
on_fake_kernel() {
	local lib=$repo/tools/lib
	"${CC:-cc}" -std=c11 -D_POSIX_C_SOURCE=200809L -O2 -I"$lib/include" -I"$lib/src" \
		-isystem "$IOMMUFD_DIRTY_HEADERS" -isystem "$repo/include/uapi" \
		-c -o "$work/fake.o" "$lib/tests/fake.c"
	cp "$here/cloud-hypervisor/fake.rs" "$work/pci/src/fake.rs"
	compile fake "$work/pci/src/fake.rs" -C link-arg="$work/fake.o" -C link-arg=-Wl,--wrap=ioctl
	"$work/fake"
}

run_tests() {
	local folder
	have rustc || die "no rustc"
	libraries
	for folder in "$here"/cloud-hypervisor/*/; do
		rules "$folder"
		new_file "${folder%/}" "$module"
		compile unit --test -A dead_code "$work/$module"
		"$work/unit" --quiet
		[ -z "${IOMMUFD_DIRTY_HEADERS-}" ] || on_fake_kernel
		rm -r "${work:?}/pci"
	done
}

apply() { # folder source
	local folder p rc=0 files
	folder=$(cd "$1" && pwd)
	rules "$folder"
	git clone -q --no-checkout --shared "$2" "$work/tree"
	cd "$work/tree"
	git config user.name nobody
	git config user.email nobody@localhost
	git checkout -q --detach "$(base "$folder")"
	while read -r p; do
		git am -q "$p" || die "${p##*/}: git am fails"
		mapfile -t files < <(git diff --name-only HEAD^ -- '*.rs')
		# Two options of cloud-hypervisor's .rustfmt.toml need another rustfmt, which warns
		if [ ${#files[@]} -gt 0 ] && have rustfmt &&
			! rustfmt --edition "$edition" --check "${files[@]}" 2>"$work/rustfmt"; then
			cat "$work/rustfmt"
			echo "${p##*/}: rustfmt"
			rc=1
		fi
		git diff --check HEAD^ || rc=1
	done < <(patches "$folder")
	have rustfmt || echo "no rustfmt: the style was not checked"
	git log --oneline --reverse "$(base "$folder").."
	return "$rc"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
case ${1-} in
form | faults)
	out=$("$1" 2>&1)
	[ -z "$out" ] || { printf '%s\n' "$out"; exit 1; }
	;;
test) run_tests ;;
apply)
	[ $# -eq 3 ] || die "apply FOLDER SOURCE"
	apply "$2" "$3"
	;;
*) die "form, faults, test, or apply FOLDER SOURCE" ;;
esac
