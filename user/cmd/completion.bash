# SPDX-License-Identifier: GPL-2.0-or-later OR BSD-2-Clause
# bash completion for sandglass. Commands and options are asked of the program's
# own --help, so that they cannot differ from it.

_sandglass() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} cmd=${COMP_WORDS[1]} i
	local prog=${COMP_WORDS[0]}
	COMPREPLY=()

	if ((COMP_CWORD == 1)); then
		mapfile -t COMPREPLY < <(compgen -W \
			"$("$prog" --help 2>/dev/null | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p') --help --version" -- "$cur")
		return
	fi
	# What follows -- is somebody else's command line.
	for ((i = 2; i < COMP_CWORD; i++)); do
		if [[ ${COMP_WORDS[i]} == -- ]]; then
			if declare -F _command_offset >/dev/null; then
				_command_offset $((i + 1))
			else
				mapfile -t COMPREPLY < <(compgen -c -f -- "$cur")
			fi
			return
		fi
	done
	case $prev in
	--format) mapfile -t COMPREPLY < <(compgen -W 'folded speedscope perfetto json csv' -- "$cur") && return ;;
	--view) mapfile -t COMPREPLY < <(compgen -W 'oncpu offcpu path cause' -- "$cur") && return ;;
	-p | --pid) mapfile -t COMPREPLY < <(compgen -W "$(cd /proc && printf '%s ' [0-9]*)" -- "$cur") && return ;;
	--container) mapfile -t COMPREPLY < <(compgen -W \
		"$("$prog" containers --json 2>/dev/null | sed -n 's/^ *"name": *"\(.*\)",$/\1/p')" -- "$cur") && return ;;
	--vm) mapfile -t COMPREPLY < <(compgen -W \
		"$("$prog" vms --json 2>/dev/null | sed -n 's/^ *"name": *"\(.*\)",$/\1/p')" -- "$cur") && return ;;
	esac
	if [[ $cmd == bench && $cur != -* ]] && ((COMP_CWORD == 2)); then
		mapfile -t COMPREPLY < <(compgen -W 'task modload' -- "$cur")
		return
	fi
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W \
			"$("$prog" "$cmd" --help 2>/dev/null | grep -oE -- '--[a-z][a-z-]+' | sort -u) --" -- "$cur")
		return
	fi
	mapfile -t COMPREPLY < <(compgen -f -- "$cur")
}
complete -o filenames -F _sandglass sandglass
