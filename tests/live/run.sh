#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# Runs the live tests: every other script of this folder, on this machine's own
# kernel. A script that prints no result line is one test, judged by its status.
# Arguments name those to run ("record"); "aside": those that hold to no times and mostly wait, which may run beside other
# work; "measuring": all others.
. tests/lib.sh
aside='agent agentbad bench_cpu bench_modload bench_task_env bench_task_vm bench_task_vmdocker container containersbad engine gvsession keepold'
export O="${O:-build}"
SANDGLASS=$(realpath -m "$O/sandglass")
export SANDGLASS
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# wanted NAME ARG...
wanted() {
	local n=$1
	shift
	case $* in
	'') ;;
	aside) case " $aside " in *" $n "*) ;; *) return 1 ;; esac ;;
	measuring) case " $aside " in *" $n "*) return 1 ;; esac ;;
	*) case " $* " in *" $n "*) ;; *) return 1 ;; esac ;;
	esac
}

for t in tests/live/*.sh; do
	n=$(basename "$t" .sh)
	[ "$n" != run ] && wanted "$n" "$@" || continue
	head -1 "$t" | grep -q '^#!' || continue # sourced by the others
	# A script that fails is run once more: what it measures it shares with whatever else runs on the machine.
	for try in 1 2; do
		start=$SECONDS
		timeout -k 10 "${LIVE_LIMIT:-480}" "./$t" >"$tmp/out" 2>"$tmp/err" </dev/null
		rc=$?
		echo "-- $n: try $try, status $rc, $((SECONDS - start)) s" >&2
		{ [ $rc = 0 ] || [ $rc = 77 ]; } && ! grep -q '^not ok ' "$tmp/out" && break
		grep '^not ok ' "$tmp/out" >&2
	done
	grep -vE '^(ok|not ok|skip) ' "$tmp/out" >&2
	cat "$tmp/err" >&2
	sed -nE "s,^(ok|not ok|skip) ($n/)?,\1 live/$n/,p" "$tmp/out"
	if grep -q '^not ok ' "$tmp/out"; then
		:
	elif [ $rc = 0 ]; then
		grep -qE '^(ok|skip) ' "$tmp/out" || ok "live/$n"
	elif [ $rc = 77 ]; then
		skip "live/$n" "$(tail -n1 "$tmp/err")"
	else
		not_ok "live/$n" "status $rc: $(tail -n1 "$tmp/err")"
	fi
done
