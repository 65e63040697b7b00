#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# The miniguest (tests/vm) where nothing disturbs it: instructions are counted, so times are held against `perf kvm stat`'s for
# each reason of exit.
# Alone: tests/lab/boot.sh -i -k 6.1 -t 100000000 tests/lab/suite-vm.sh
. tests/lib.sh
. tests/lab/l2.sh
[ "$(id -u)" = 0 ] || { echo "needs root" >&2; exit 77; }
why=$(l2_ready 2>&1) || { echo "$why" >&2; exit 77; }
export O MAKE=true # built outside, and not again
tests/vm/run.sh </dev/null
