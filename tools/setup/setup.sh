#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Installs the Debian packages that a part of the project needs.
#
# Usage: setup.sh GROUP...      see the file "packages" for groups and packages
. "$(dirname "$0")/common.sh"

list=$(dirname "$0")/packages

command -v apt-get >/dev/null || {
	note "apt-get not found: make sure that the packages in $list are installed"
	exit 0
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "cannot install packages: not root, and no sudo"
	fi
}

installed() { # package minimum
	local v
	# shellcheck disable=SC2016 # variables of dpkg-query
	v=$(dpkg-query -W -f '${db:Status-Status} ${Version}' "$1" 2>/dev/null) || return 1
	[ "${v%% *}" = installed ] || return 1
	[ "$2" = - ] || dpkg --compare-versions "${v#* }" ge "$2"
}

offered() { # package minimum; succeeds if the host's release offers it
	local v
	v=$(LC_ALL=C apt-cache policy "$1" | sed -n 's/^ *Candidate: //p')
	[ -n "$v" ] && [ "$v" != "(none)" ] || return 1
	[ "$2" = - ] || dpkg --compare-versions "$v" ge "$2"
}

install() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Dpkg::Use-Pty=0 \
		-o DPkg::Lock::Timeout=300 --no-install-recommends "$@" </dev/null >/dev/null
}

# Installs packages from the release's backports, with separate package lists
install_backports() { # package...
	local dir suite
	dir=$(mktemp -d)
	suite=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)-backports
	mkdir -p "$dir/parts" "$dir/lists/partial"
	cp -L /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources \
		/etc/apt/sources.list "$dir/parts" 2>/dev/null || true
	mv "$dir/parts/sources.list" "$dir/parts/own.list" 2>/dev/null || true
	"$repo/tools/setup/apt-source.py" deb "$suite" >"$dir/parts/backports.sources"
	local apt=(-o APT::Sandbox::User=root -o Dir::Etc::sourcelist=/dev/null
		-o Dir::Etc::sourceparts="$dir/parts" -o Dir::State::lists="$dir/lists"
		-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=)
	as_root apt-get "${apt[@]}" -qq update
	install "${apt[@]}" install "${@/%//$suite}"
	as_root rm -rf "$dir"
}

[ $# -gt 0 ] || die "which group? One of: $(awk '/^[a-z]/ {print $1}' "$list" | uniq | xargs)"
missing=() minimum=() newer=() own=()

find_missing() { # group...: sets missing, minimum; prints the reasons
	local group g pkg min reason
	local -A seen=()
	missing=() minimum=()
	for group; do
		grep -q "^$group " "$list" || die "unknown group $group, see $list"
		while read -r g pkg min reason; do
			if [ "$g" != "$group" ] || [ -n "${seen[$pkg]:-}" ]; then
				continue
			fi
			seen[$pkg]=1
			if installed "$pkg" "$min"; then
				continue
			fi
			printf '    %-20s %s: %s\n' "$pkg" "$group" "$reason"
			missing+=("$pkg")
			minimum+=("$min")
		done <"$list"
	done
}

find_missing base "$@" >/dev/null
[ ${#missing[@]} -gt 0 ] || exit 0
# Another run may be installing the same packages
lock_cache setup
reasons=$(mktemp)
find_missing base "$@" >"$reasons"
[ ${#missing[@]} -eq 0 ] || note "Debian packages to install, and why:"
cat "$reasons" >&2
rm "$reasons"
[ ${#missing[@]} -gt 0 ] || exit 0

sort_out() {
	own=() newer=()
	for i in "${!missing[@]}"; do
		if offered "${missing[i]}" "${minimum[i]}"; then
			own+=("${missing[i]}")
		else
			newer+=("${missing[i]}")
		fi
	done
}

# With missing or outdated package lists, a package is not offered or cannot be fetched
sort_out
updated=
if [ ${#newer[@]} -gt 0 ]; then
	as_root apt-get -qq update </dev/null
	updated=1
	sort_out
fi
if [ ${#own[@]} -gt 0 ] && ! install install "${own[@]}"; then
	[ -z "$updated" ] || die "apt-get install failed"
	as_root apt-get -qq update </dev/null
	install install "${own[@]}"
fi
[ ${#newer[@]} -eq 0 ] || install_backports "${newer[@]}"
