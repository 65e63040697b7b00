#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# Guest system calls and Gofer messages by number: the default source against gVisor's own trace points, and against
# probes in its Sentry, both generations, in a Docker daemon of our own.
set -u
. tests/lib.sh
. tests/live/need_dockerd.sh
o=${O:-build}
need_dockerd "$o/tests/sandbox/box" "$o/tests/sandbox/guest"
timeout -k 20 200 python3 tests/live/gvtrace.py "${SANDGLASS:?}" "$o/tests/sandbox/box" "$o/tests/sandbox/guest" "${SG_CACHE:-$o/cache}" ||
	not_ok all "status $?"
