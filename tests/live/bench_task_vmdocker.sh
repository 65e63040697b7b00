#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# `sandglass bench task --env docker-in-kvm`: Docker Engine in a virtual machine. Emulated it takes minutes, so it runs
# only when asked for: SANDGLASS_LONG=1 O=build tests/live/bench_task_vmdocker.sh
. tests/lib.sh
. tests/live/bench_lib.sh
[ "${SANDGLASS_LONG:-}" = 1 ] || { echo "Docker Engine in an emulated machine takes 2 to 4 minutes: SANDGLASS_LONG=1 runs it" >&2; exit 77; }
bench_begin task vmdocker
mkdir -p "$O/vmcache" && cache=$(realpath "$O/vmcache")
left_now() { still processes "$(pgrep -f '[/=]var/tmp/sandglass-bench-[0-9]*/vm/')"; }
if experiment run 900 "$SANDGLASS" bench task --env host,docker-in-kvm --servers "${SERVERS:-1}" --rounds 3 --writes 20000 --pressure 0 \
	--accel "${ACCEL:-auto}" --cache "$cache" --json -o "$tmp/run"; then
	judged judge tests/live/bench_task_vm.py "$tmp/run" "$tmp/printed" "${ACCEL:-auto}" "${SERVERS:-1}" 1 0 host docker-in-kvm
fi
