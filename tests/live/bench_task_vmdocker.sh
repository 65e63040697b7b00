#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# `sandglass bench task --env docker-in-kvm`: Docker Engine in a virtual machine. Emulated it takes minutes, so it runs
# only when asked for: SANDGLASS_LONG=1 O=build tests/live/bench_task_vmdocker.sh
. tests/lib.sh
export LC_ALL=C
[ "${SANDGLASS_LONG:-}" = 1 ] || { echo "Docker Engine in an emulated machine takes 2 to 4 minutes: SANDGLASS_LONG=1 runs it" >&2; exit 77; }
O=${O:-build}
SANDGLASS=${SANDGLASS:-$PWD/$O/sandglass}
tmp=$(mktemp -d /var/tmp/sandglass-vmdocker.XXXXXX)
trap 'rm -rf "$tmp"' EXIT
mkdir -p "$O/vmcache" && cache=$(realpath "$O/vmcache")
timeout 900 "$SANDGLASS" bench task --env host,docker-in-kvm --servers "${SERVERS:-1}" --rounds 3 --writes 20000 --pressure 0 --accel "${ACCEL:-auto}" \
	--cache "$cache" --json -o "$tmp/run" > "$tmp/json" 2> "$tmp/err"
rc=$?
cat "$tmp/err" >&2
check run "status $rc: $(tail -n1 "$tmp/err")" [ $rc = 0 ]
[ $rc != 0 ] || tests/live/bench_task_vm.py "$tmp/run" "$tmp/json" "${ACCEL:-auto}" host docker-in-kvm
verdict leaves-nothing "$(pgrep -f '[/=]var/tmp/sandglass-bench-[0-9]*/vm/' | tr '\n' ' ')"
