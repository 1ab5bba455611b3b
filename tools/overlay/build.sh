#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Builds a kernel with the overlay and prints the path of the image to boot.
#
# Usage: [BASE=version | KSRC=tree] build.sh [--arch x86_64|arm64|riscv64] CONFIG
#
#   plain     for the demo and for timing
#   fast      for the kernel's own tests of iommufd, migrations with QEMU, long torture
#   debug     for tests: lockdep, UBSAN, freed pages unmapped, fault injection, KUnit
#   kasan     like debug, with KASAN and checks of freed timers and work
#   module    only the objects of drivers/iommu and drivers/vfio, with IOMMUFD=m
#   off       only these objects, with IOMMUFD_DIRTY off
#   tree      only unpacks the tree and applies the overlay; prints its path
#
# For x86_64, the default, also:
#
#   kcsan     like debug, with KCSAN and kmemleak
#   cov       like debug, without UBSAN; counts which code of the project runs
#   base      like fast, without the overlay and what tests it
#   base-plain  like plain, without the overlay: the baseline of a benchmark
#   um        a program (ARCH=um) that runs the KUnit tests of the walkers
#   um-smp    the same with two CPUs; only Linux 7.3
#   um-cov    like um; counts which code runs
#   bench     a program (ARCH=um) that times the walkers
#
# Without KSRC, the tree is Debian's linux-source-6.12, or that of another BASE (7.3, the
# default for riscv64), unpacked in the cache. All builds go into the cache. A build stops
# if an option of configs/*.config does not get the requested value. Warnings are errors in
# fast, debug, kasan, kcsan, cov, module, off and base.
. "$(dirname "$0")/../setup/common.sh"

usage="usage: build.sh [--arch x86_64|arm64|riscv64] CONFIG"
arch=x86_64
if [ "${1:-}" = --arch ]; then
	arch=${2:?$usage}
	shift 2
fi
config=${1:?$usage}
# The folder of the build; for x86_64 it is named like the configuration
build=$config
here=$repo/tools/overlay
# Fragments that select the KUnit tests for ARCH=um
kunit=(../../../drivers/iommu/{dirty,iommufd/dirty}/.kunitconfig)

use_tree() { # sets tree, builds
	"$repo/tools/setup/setup.sh" kernel
	if [ -n "${KSRC:-}" ]; then
		[ -f "$KSRC/Kbuild" ] || die "KSRC=$KSRC is not a kernel tree"
		tree=$(cd "$KSRC" && pwd)
		builds=$cache/build/$(basename "$tree")-$(hash_files <(echo "$tree"))
	else
		local v tarball source
		source=$("$repo/tools/setup/kernel.sh" "${BASE:-6.12}")
		read -r v tarball <<<"$source"
		tree=$cache/linux-$v
		builds=$cache/build/$v
	fi
	lock_cache "tree-$(basename "$builds")"
	if [ ! -d "$tree" ]; then
		note "unpacking ${tarball##*/}"
		rm -rf "$tree.new"
		mkdir -p "$tree.new"
		tar -xf "$tarball" -C "$tree.new" --strip-components=1
		mv "$tree.new" "$tree"
	fi
	mkdir -p "$builds"
}

# Runs make in the tree for a build
kmake() { # build arguments...
	local out=$builds/$1
	shift
	make -C "$tree" O="$out" ARCH="$karch" CROSS_COMPILE="$cross" -j "$jobs" -s "$@"
}

# Prints the files of fragments. With FRAGMENT.config comes FRAGMENT-BASE.config, if there
# is one
fragment_files() { # fragment...
	local fragment file base
	base=$(nearest_base "$(tree_version "$tree")")
	for fragment; do
		echo "$here/configs/$fragment"
		file=$here/configs/${fragment%.config}-$base.config
		[ ! -f "$file" ] || echo "$file"
	done
}

# Writes .config from fragments and checks that every option has the requested value
configure() { # build fragment...
	local out=$builds/$1 want fragments
	mapfile -t fragments < <(fragment_files "${@:2}")
	want=$(find "$repo/drivers" "$repo/tools/overlay" -name 'Kconfig*' -o -name '*.patch' -o -name '*.config' -o -name .kunitconfig | sort)
	# shellcheck disable=SC2086 # a list of files
	want="$(hash_files $want "$here/build.sh" "$tree/Makefile") ${*:2} $("${cross}gcc" -dumpfullversion)"
	[ "$(cat "$out/.configured" 2>/dev/null)" != "$want" ] || return 0
	mkdir -p "$out"
	cat "${fragments[@]}" >"$out/.wanted"
	rm -f "$out/.configured"
	logged "$out/config.log" kmake "$1" KCONFIG_ALLCONFIG="$out/.wanted" allnoconfig
	# If several fragments set an option, the last one counts
	awk '/^CONFIG_/ { split($0, a, "="); w[a[1]] = $0 }
	     /^# CONFIG_.* is not set$/ { w[$2] = $0 }
	     END { for (o in w) print w[o] }' "$out/.wanted" | sort |
		awk 'NR == FNR { have[$0] = 1; if (/^CONFIG_/) { sub("=.*", ""); set[$0] = 1 }; next }
		     /^#/ ? ($2 in set) : !($0 in have)' "$out/.config" - >"$out/.refused"
	if [ -s "$out/.refused" ]; then
		note "options with another value in $out/.config:"
		sed 's/^/    /' "$out/.refused" >&2
		die "the configuration $1 does not have all requested options"
	fi
	echo "$want" >"$out/.configured"
}

compile() { # build target: into $builds/BUILD/build.log
	local out=$builds/$1
	[ -f "$out/build.log" ] || note "building the $1 kernel (a few minutes)"
	# shellcheck disable=SC2086 # a list of targets
	logged "$out/build.log" kmake $1 ${2-}
}

# Nothing is linked, so only this check finds modules that use symbols without an export
check_exports() { # build folder
	local dir=$1/drivers missing
	missing=$(comm -12 \
		<(find "$dir/iommu" "$dir/vfio" -name '*.mod' | sed 's/mod$/o/' | xargs -r "${cross}nm" -u | awk '{ print $2 }' | sort -u) \
		<("${cross}nm" --defined-only "$dir/iommu/built-in.a" "$dir/vfio/built-in.a" 2>/dev/null | awk '
			$3 ~ /^__export_symbol_/ { exported[substr($3, 17)] = 1; next }
			$2 ~ /[TDBR]/ { defined[$3] = 1 }
			END { for (s in defined) if (!(s in exported)) print s }' | sort -u))
	[ -z "$missing" ] || die "modules use symbols that are not exported: ${missing//$'\n'/ }"
}

use_arch "$arch"
case $arch in
x86_64)
	cpu=x86.config kernel=arch/x86/boot/bzImage
	;;
*)
	case $config in
	plain | fast | debug | kasan | module | off) build=$arch-$config ;;
	tree) ;;
	*) die "unknown configuration $config for $arch, see the head of $0" ;;
	esac
	"$repo/tools/setup/setup.sh" "$arch"
	cpu=$arch.config kernel=arch/$karch/boot/Image
	;;
esac
use_tree
# Copies: another checkout may build in the same tree next time
[[ $config == base* ]] || "$here/apply.sh" --copy "$tree"
unlock_cache
[ "$config" = tree ] || lock_cache "build-$(basename "$builds")-$build"
case $config in
tree)
	echo "$tree"
	;;
plain | fast | debug | kasan | kcsan | cov)
	fragments=(core.config "$cpu")
	case $config in
	fast) fragments+=(upstream.config soft.config stress.config) ;;
	debug) fragments+=(debug.config dirty-kunit.config soft.config) ;;
	kasan) fragments+=(debug.config dirty-kunit.config soft.config kasan.config) ;;
	kcsan) fragments+=(debug.config dirty-kunit.config soft.config kcsan.config) ;;
	cov) fragments+=(debug.config dirty-kunit.config soft.config cov.config) ;;
	esac
	case $build in
	arm64-debug) fragments+=(arm64-kunit.config) ;;
	riscv64-debug) fragments+=(riscv64-debug.config) ;;
	esac
	configure "$build" "${fragments[@]}" dirty.config
	# In folders of other drivers only dirty.c belongs to the project
	compile "$build" "${kernel##*/} GCOV_PROFILE_dirty.o=y"
	echo "$builds/$build/$kernel"
	;;
base | base-plain)
	fragments=(core.config "$cpu")
	[ "$config" = base-plain ] || fragments+=(upstream.config)
	base=$builds/$config.bzImage
	# shellcheck disable=SC2046 # a list of files
	want=$(hash_files $(fragment_files "${fragments[@]}") "$tree/Makefile")
	if [ ! -f "$base" ] || [ "$(cat "$base.from" 2>/dev/null)" != "$want" ]; then
		# A separate tree: other builds use the one with the overlay
		lock_cache "tree-$(basename "$builds")"
		rsync -a --delete --link-dest="$tree" "$tree/" "$builds/base-tree/"
		unlock_cache
		tree=$builds/base-tree
		"$here/apply.sh" --remove "$tree"
		configure "$config" "${fragments[@]}"
		compile "$config" bzImage
		cp "$builds/$config/$kernel" "$base"
		echo "$want" >"$base.from"
	fi
	echo "$base"
	;;
um | um-smp)
	karch=um
	kunit+=(um-kunit.config)
	[ "$config" = um ] || kunit+=(um-smp.config)
	configure "$config" um.config "${kunit[@]}"
	compile "$config"
	echo "$builds/$config/linux"
	;;
um-cov)
	karch=um
	configure um-cov um.config "${kunit[@]}" um-cov.config
	# libgcov, which writes the counters, has a mangle_path(), too; and the kernel's
	# linker script drops the call of libgcov at exit
	compile um-cov "linux CFLAGS_seq_file.o=-Dmangle_path=seq_mangle_path
		CFLAGS_seq_buf.o=-Dmangle_path=seq_mangle_path
		LDFLAGS_EXECSTACK=--defsym=_fini=__gcov_exit"
	echo "$builds/um-cov/linux"
	;;
bench)
	karch=um
	configure bench um.config "${kunit[@]}" bench.config
	compile bench
	echo "$builds/bench/linux"
	;;
module | off)
	configure "$build" core.config "$cpu" "$config.config"
	compile "$build" "prepare drivers/iommu/ drivers/vfio/"
	check_exports "$builds/$build"
	;;
*)
	die "unknown configuration $config, see the head of $0"
	;;
esac
