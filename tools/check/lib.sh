# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Shared by the stages: tests that are commands, tests in a log, virtual machines.
# Sourced by check.sh; $results is the result file of the running job.
# shellcheck disable=SC2154,SC2034 # variables of check.sh; vm_code

passed() { echo "ok $*" >>"$results"; }
failed() {
	echo "not ok - $*"
	echo "not ok $*" >>"$results"
}
# The same rule as in results.py --name
skipped() { # run test
	local runs tests
	while read -r runs tests; do
		# shellcheck disable=SC2053 # patterns
		if [[ $1 == $runs && $2 == $tests ]]; then
			echo "skipped - $1: $2"
			echo "skip $1: $2" >>"$results"
			return
		fi
	done <"$here/expected-skips"
	failed "$1: $2 # it was skipped"
}

# Runs a command as a test; prints its output only if it fails. Do not call this in a
# condition: bash ignores set -e there, but a function must stop at its first error
try() { # name command...
	local name=$1 out rc
	shift
	set +e
	out=$(set -e; "$@" 2>&1 </dev/null)
	rc=$?
	set -e
	if [ "$rc" -eq 0 ]; then
		passed "$name"
	else
		printf '%s\n' "$out" | head -n 40 | sed 's/^/    /'
		failed "$name"
	fi
}

# Counts the tests in a log; the last line of results.py has the sums
count() { # name log arguments of results.py...
	local name=$1 log=$2 out sums
	shift 2
	if ! out=$("$here/results.py" --name "$name" "$@" "$log"); then
		failed "$name: no results"
		return
	fi
	sums=${out##*$'\n'}
	[ "$out" = "$sums" ] || printf '%s\n' "${out%$'\n'*}"
	echo "sum $name $sums" >>"$results"
	case $sums in
	*\ 0\ *) ;;
	*) echo "log: $log" ;;
	esac
}

# Runs a command with some variables exported
with() { # VARIABLE=VALUE... command...
	while [[ $1 == *=* ]]; do
		export "${1?}"
		shift
	done
	"$@"
}

# Prints the image that build.sh CONFIG printed in its job
image() { cat "$work/image-$1"; }

# Boots a kernel, with the console in a log. The console may be silent for two minutes
# longer than guest-run lets a program run (LIMIT seconds, or 300). Sets vm_code to the
# exit code of run.sh. A machine that does not power off is a failure, unless the caller
# has set may_die. On a debug kernel, freed objects are filled with a pattern
vm() { # log run.sh arguments...
	local log=$1
	shift
	rm -f "$log" "$log.machine"*
	vm_code=0
	"$repo/tools/vm/run.sh" --quiet --log "$log" --timeout $((${LIMIT:-300} * 6)) \
		--silence $((${LIMIT:-300} + 120)) --append slab_debug=FP "$@" || vm_code=$?
	[ -z "${may_die:-}" ] || return 0
	case $vm_code in
	124 | 125 | 126) failed "${log##*/}: run.sh ended with code $vm_code" ;;
	esac
}
