#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# Guest system calls and Gofer messages by number: the default source against gVisor's own trace points, and against
# probes in its Sentry, both generations, in a Docker daemon of our own.
set -u
. tests/lib.sh
[ "$(id -u)" = 0 ] || { echo "needs root" >&2; exit 77; }
for p in dockerd:docker.io containerd:containerd busybox:busybox-static; do
	PATH=$PATH:/usr/sbin:/sbin command -v "${p%:*}" >/dev/null || { echo "${p%:*} is missing: install ${p#*:}" >&2; exit 77; }
done
o=${O:-build}
for p in box guest; do
	[ -x "$o/tests/sandbox/$p" ] || { not_ok program "$o/tests/sandbox/$p is not built"; exit 0; }
done
timeout -k 20 200 python3 tests/live/gvtrace.py "${SANDGLASS:?}" "$o/tests/sandbox/box" "$o/tests/sandbox/guest" "${SG_CACHE:-$o/cache}" ||
	not_ok all "status $?"
