# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# Sourced by the tests of programs that start a Docker daemon of their own (user/env/dockerd.h).

# need_dockerd PROGRAM...: skips the test without root or what a daemon needs; fails it when a PROGRAM of the build is missing
need_dockerd() {
	local p
	[ "$(id -u)" = 0 ] || { echo "needs root" >&2; exit 77; }
	for p in dockerd:docker.io containerd:containerd busybox:busybox-static; do
		PATH=$PATH:/usr/sbin:/sbin command -v "${p%:*}" >/dev/null || { echo "${p%:*} is missing: install ${p#*:}" >&2; exit 77; }
	done
	for p; do
		[ -x "$p" ] || { not_ok program "$p is not built"; exit 0; }
	done
}
