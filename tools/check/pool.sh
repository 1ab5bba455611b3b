# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Runs jobs, two at a time. A job starts when the jobs that it needs have ended. Sourced
# by check.sh, which defines note and $work. A job writes its results to $results. Its
# standard output is shown in one piece when it ends. Each job is a process group, which
# jobs_stop kills.
# shellcheck disable=SC2154 # $work, $arch

declare -A job_needs job_command job_state job_seconds job_limits
declare -A job_of=()	# running process: job
job_names=()
job_limit=7200		# time limit in seconds of the jobs that are added next
job_tick=30 job_ticker=	# seconds between checks of the limits; the sleep process

# Adds a job, unless it exists. Jobs start in the order in which they are added
job() { # name "needs" command...
	local name=$1 needs=$2
	shift 2
	[ -z "${job_state[$name]:-}" ] || return 0
	job_names+=("$name")
	job_needs[$name]=$needs
	job_command[$name]=$(printf '%q ' "$@")
	job_state[$name]=waiting
	job_limits[$name]=$job_limit
}

# Prints ready, waiting, or the name of a failed job that this one needs
job_standing() { # name
	local need state=ready
	for need in ${job_needs[$1]}; do
		case ${job_state[$need]} in
		ended) ;;
		failed) echo "$need"; return ;;
		*) state=waiting ;;
		esac
	done
	echo "$state"
}

job_run() { # name; runs in a separate process
	results=$work/$1.results
	: >"$results"
	# not in a condition, where bash ignores set -e
	eval "${job_command[$1]}"
}

jobs_stop() {
	local pid
	[ -z "$job_ticker" ] || kill "$job_ticker"
	for pid in "${!job_of[@]}"; do
		note "${job_of[$pid]}: stopped after $((SECONDS - job_seconds[${job_of[$pid]}])) s"
		kill -- "-$pid" || true
	done
}

# Terminates each job at its time limit, so that it can clean up, and kills it half a
# minute later
job_over_time() {
	local pid name over
	for pid in "${!job_of[@]}"; do
		name=${job_of[$pid]}
		over=$((SECONDS - job_seconds[$name] - job_limits[$name]))
		[ "$over" -ge 0 ] || continue
		if [ "$over" -lt "$job_tick" ]; then
			echo "the time limit of ${job_limits[$name]} s was reached" >>"$work/$name.out"
			kill -- "-$pid" || true
		else
			kill -KILL -- "-$pid" || true
		fi
	done
}

# Shows the output and the results of a job
job_end() { # name code
	local name=$1 rc=$2 results=$work/$1.results sums
	job_state[$name]=ended
	job_seconds[$name]=$((SECONDS - job_seconds[$name]))
	if [ "$rc" -ne 0 ]; then
		echo "not ok $name: aborted, code $rc" >>"$results"
		echo "not ok - $name aborted (code $rc)" >>"$work/$name.out"
		job_state[$name]=failed
	elif [[ $name != build-* ]] && [ ! -s "$results" ]; then
		echo "not ok $name: ran no test" >>"$results"
		echo "not ok - $name ran no test" >>"$work/$name.out"
	fi
	read -ra sums < <(job_sums "$results")
	note "$name: $(job_text "${sums[@]}"), ${job_seconds[$name]} s"
	cat "$work/$name.out"
}

job_sums() { # file...: passed failed skipped
	awk '/^ok / { p++ } /^not ok / { f++ } /^skip / { s++ }
	     /^sum / { p += $3; f += $4; s += $5 }
	     END { print p + 0, f + 0, s + 0 }' "$@"
}

job_text() { # passed failed skipped
	printf '%d passed, %d failed, %d skipped' "$1" "$2" "$3"
}

# Runs all jobs. Prints a table, then the sums. Returns 1 if a test failed or none ran
jobs_run() {
	local name need pid rc standing progress slots=2 files=() sums
	for name in "${job_names[@]}"; do
		for need in ${job_needs[$name]}; do
			[ -n "${job_state[$need]:-}" ] || die "job $name needs $need, which does not exist"
		done
	done
	sleep "$job_tick" &
	job_ticker=$!
	while :; do
		progress=''
		for name in "${job_names[@]}"; do
			[ ${#job_of[@]} -lt "$slots" ] || break
			[ "${job_state[$name]}" = waiting ] || continue
			standing=$(job_standing "$name")
			case $standing in
			waiting) continue ;;
			ready)
				note "$name: starts"
				job_state[$name]=running
				job_seconds[$name]=$SECONDS
				set -m
				(set +m -e; job_run "$name") >"$work/$name.out" 2>&1 </dev/null &
				set +m
				job_of[$!]=$name
				;;
			*)
				job_seconds[$name]=$SECONDS
				echo "needs $standing, which failed" >"$work/$name.out"
				: >"$work/$name.results"
				job_end "$name" 1
				;;
			esac
			progress=1
		done
		if [ ${#job_of[@]} -eq 0 ]; then
			[ -n "$progress" ] || break
			continue
		fi
		rc=0
		wait -n -p pid "$job_ticker" "${!job_of[@]}" || rc=$?
		if [ "$pid" = "$job_ticker" ]; then
			job_over_time
			sleep "$job_tick" &
			job_ticker=$!
			continue
		fi
		name=${job_of[$pid]}
		unset "job_of[$pid]"
		job_end "$name" "$rc"
	done
	kill "$job_ticker"
	job_ticker=
	for name in "${job_names[@]}"; do
		[ "${job_state[$name]}" != waiting ] || die "job $name waits forever for ${job_needs[$name]}"
	done
	printf '%-28s %7s  %s\n' "" seconds ""
	for name in "${job_names[@]}"; do
		files+=("$work/$name.results")
		read -ra sums < <(job_sums "$work/$name.results")
		printf '%-28s %7d  %s\n' "$name" "${job_seconds[$name]}" "$(job_text "${sums[@]}")"
	done
	printf '%-28s %7d\n' "total, two at a time" "$SECONDS"
	read -ra sums < <(job_sums "${files[@]}")
	job_text "${sums[@]}"
	echo
	# check-long has several runs, and prints all their sums at the end
	[ -z "${SUMS:-}" ] || echo "Linux $BASE, $arch: $(job_text "${sums[@]}")" >>"$SUMS"
	[ "${sums[1]}" -eq 0 ] && [ "${sums[0]}" -gt 0 ]
}
