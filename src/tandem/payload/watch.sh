#!/bin/sh
# The one script that the watcher's certificate can run: reads Slurm's lists and nothing else. See clusters/door.py
# (`watch`) and clusters/slurm.py (`picture`). Every couple of seconds, so: few processes, no files.
#
# Standard input: a nonce, then the time since when ended jobs are asked of the accounting database, or `-`.
# People choose names of jobs and wckeys freely, line ends included, and Slurm prints them as they are. The nonce
# parts fields and sections; it is out of everybody's sight: squeue takes it from its environment, and sacct only
# looks at what had ended before the nonce was made.
PATH=/opt/slurm/bin:/usr/bin:/bin
LC_ALL=C
TZ=UTC0
export PATH LC_ALL TZ

echo
echo "tandem door $((6 * 7))"
IFS= read -r nonce && IFS= read -r since || exit 97
case $nonce in '' | *[!0-9a-f]*) exit 97 ;; esac
case $since in '' | *[!-0-9T:]*) exit 97 ;; esac

section() {
	printf '\n%s section %s %s\n' "$nonce" "$1" "$2"
}

printf '\n%s begin\n' "$nonce" >&2
printf '\n%s begin\n' "$nonce"

SQUEUE_FORMAT="%A|%F|%K|%u|%T|%r|%P|%N|%V|%S|%e$nonce%w$nonce%j$nonce"
export SQUEUE_FORMAT
timeout 6 squeue -h -a -t all
status=$?
unset SQUEUE_FORMAT
section jobs $status

if [ $status = 0 ]; then
	timeout 6 squeue -h -a -t BF,CA,CD,DL,F,NF,OOM,PR,TO -O JobID:20,exit_code:20
	section exits $?
	timeout 6 scontrol -o show nodes
	section nodes $?
	timeout 6 scontrol -o show partitions
	section queues $?
	timeout 6 sdiag | sed -n 's/^Server thread count: *//p'
	section threads $?
	if [ "$since" != - ]; then
		timeout 5 sacct -n -a -X -D -p --delimiter="$nonce" -S "$since" -E now-2seconds \
			-s BF,CA,CD,DL,F,NF,OOM,PR,TO \
			-o JobIDRaw,JobID,User,State,ExitCode,Partition,NodeList,Submit,Start,End,WCKey,JobName
		section ended $?
		timeout 5 sacctmgr -n -P list accounts format=account
		section accounts $?
	fi
fi

printf '\n%s end %s\n' "$nonce" "$status" >&2
printf '\n%s end %s\n' "$nonce" "$status"
