#!/bin/sh
# A hoststate plugin in POSIX shell: the hard-lockup watchdog, now and after every boot.
#
#     linux.watchdog { enabled = false }
#
# hoststate writes each request on one line, without blanks, `id` first: patterns are enough to read it.
set -u
attribute=/proc/sys/kernel/nmi_watchdog

describe='{"describe":{"name":"watchdog","version":"1.0.0","types":[{"name":"linux.watchdog","schema":{
"description":"The hard-lockup watchdog, now and after every boot.",
"type":"object","required":["enabled"],"properties":{
"enabled":{"description":"Whether the kernel looks for processors that hang.","type":"boolean"}}},
"examples":[{"desired":{"enabled":false},"files":{"/proc/sys/kernel/nmi_watchdog":"1\n"}},
{"desired":{"enabled":true},"files":{"/proc/sys/kernel/nmi_watchdog":"0\n"}}]}]}}'

# Prints the text after $2 in $1, up to the next of `,` `"` `}`.
after() {
	rest=${1#*"$2"}
	[ "$rest" != "$1" ] && printf '%s' "${rest%%[,\"\}]*}"
}

error() {
	printf '{"error":{"what":"%s"}}' "$1"
}

inspect() {
	case $1 in
	*'"desired":{"enabled":true}'*) wanted=1 ;;
	*) wanted=0 ;;
	esac
	root=$(after "$1" '"root":"')
	file=${root%/}$attribute
	if ! [ -r "$file" ]; then
		error "this kernel has no watchdog: there is no $attribute"
		return
	fi
	read -r actual <"$file"
	if [ "$actual" = "$wanted" ]; then
		state='{"state":"converged"}'
	else
		step="{\"kind\":\"write_attribute\",\"path\":\"$attribute\",\"value\":\"$wanted\"}"
		state="{\"state\":\"drifted\",\"actual\":\"$actual\",\"desired\":\"$wanted\",\"remedy\":{\"steps\":[$step]}}"
	fi
	# The command line is hoststate's to know: it has a resource type for it.
	printf '{"inspect":{"settings":[{"scope":"runtime","subject":"%s","state":%s}],' "$attribute" "$state"
	printf '"resources":[{"type":"kernel_cmdline","present":["nmi_watchdog=%s"]}]}}' "$wanted"
}

answer() {
	case $1 in
	*'"request":{"hello":'*)
		if [ "$(after "$1" '"oldest":')" -le 1 ] && [ "$(after "$1" '"protocol":')" -ge 1 ]; then
			printf '{"hello":{"protocol":1}}'
		else
			error 'this plugin speaks protocol 1'
		fi
		;;
	*'"request":{"describe":'*) printf '%s' "$describe" | tr -d '\n' ;;
	*'"request":{"inspect":'*) inspect "$1" ;;
	*) error 'this plugin does not know that request' ;;
	esac
}

while IFS= read -r line; do
	case $line in
	'{"id":'[0-9]*) id=$(after "$line" '{"id":') ;;
	*) id=0 ;;
	esac
	printf '{"id":%s,"answer":%s}\n' "$id" "$(answer "$line")"
done
