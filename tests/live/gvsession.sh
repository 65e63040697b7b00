#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# Guest system calls by gVisor's own trace points, both releases, in a Docker daemon of our own: as many as were made,
# with their paths, none dropped; sessions of others, of killed recorders and of stopped sandboxes.
set -u
. tests/lib.sh
. tests/live/need_dockerd.sh
prog=${O:-build}/tests/live/gvsession
need_dockerd "$prog"

base=$(mktemp -d /tmp/sg-gvt.XXXXXX)
trap 'rm -rf --one-file-system "$base"' EXIT
timeout -k 10 200 "$prog" "$base" "${SG_CACHE:-${O:-build}/cache}" || not_ok all "status $?"
rmdir "$base/job"
verdict nothing-left "$(find "$base" -mindepth 1 | tr '\n' ' ')"
