#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# Builds everything `make check` runs, and says so.
. tests/lib.sh
# shellcheck disable=SC2086
$MAKE --no-print-directory $JOBS O="$O" WERROR="$WERROR" all >&2
check build/sandglass 'does not build; see the log' test $? = 0
# shellcheck disable=SC2086
$MAKE --no-print-directory $JOBS -k O="$O" WERROR="$WERROR" tests tests-inproc >&2
check build/tests 'do not build; see the log' test $? = 0
