#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# Runs the truth scenarios under sandglass, on this machine's own kernel.
# Arguments go to truthrun (--only PATTERN, -v, --bare ...).
cd "$(dirname "$0")/../.." || exit 1
O=${O:-build}
"${MAKE:-make}" --no-print-directory O="$O" "$O/tests/truth/truth" "$O/tests/truth/truthrun" >&2 || exit 1
"$O/tests/truth/truthrun" --sandglass "$O/sandglass" "$@" | sed -E 's,^(ok|not ok|skip) +,\1 truth/,'
exit "${PIPESTATUS[0]}"
