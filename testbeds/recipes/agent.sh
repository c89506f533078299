#!/bin/sh
# Takes scripts from the testbed over the virtio-serial port "testbed", else over the second serial port, and answers.
# Request: "RUN SECONDS SCRIPT_BYTES INPUT_BYTES", then the bytes. Answer: "DONE STATUS STDOUT_BYTES STDERR_BYTES", then the bytes.
# A line "READY BOOT_ID" stands before the first answer of every boot.
work=/run/testbed-agent
mkdir -p $work
port=
tries=0
while [ -z "$port" ] && [ $tries -lt 100 ]; do
	for place in /sys/class/virtio-ports/*; do
		if [ "$(cat "$place/name" 2>/dev/null)" = testbed ] && [ -c "/dev/${place##*/}" ]; then
			port=/dev/${place##*/}
		fi
	done
	[ -n "$port" ] || sleep 0.1
	tries=$((tries + 1))
done
if [ -z "$port" ]; then
	port=/dev/ttyS1
	stty -F $port raw -echo 115200
fi
exec 3<>$port
echo "READY $(cat /proc/sys/kernel/random/boot_id)" >&3
while read -r word seconds script input <&3; do
	[ "$word" = RUN ] || continue
	# One read of all bytes: busybox's head takes more from the port than it was asked for, and nothing may get lost.
	head -c $((script + input)) <&3 >$work/request
	head -c "$script" $work/request >$work/script
	tail -c "+$((script + 1))" $work/request >$work/input
	timeout -k 5 "$seconds" sh $work/script <$work/input >$work/stdout 2>$work/stderr 3>&-
	status=$?
	{
		echo "DONE $status $(wc -c <$work/stdout) $(wc -c <$work/stderr)"
		cat $work/stdout $work/stderr
	} >&3
done
