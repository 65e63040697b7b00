#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# 200 containers come and go under one recording, and none is misnamed; what is known without the Engine; how long the
# recorder's company takes to begin and to end. In a Docker daemon of our own.
set -u
. tests/lib.sh
. tests/live/need_dockerd.sh
prog=${O:-build}/tests/live/containers200
need_dockerd "$prog"

base=$(mktemp -d /tmp/sg-many.XXXXXX)
trap 'rm -rf --one-file-system "$base"' EXIT
timeout -k 30 420 "$prog" "$base" "${SG_CACHE:-${O:-build}/cache}" "${SANDGLASS:?}" || not_ok all "status $?"
verdict nothing-left "$(find "$base" -mindepth 1 | tr '\n' ' ')"
