# The cluster's end of the door. clusters/frames.py sends this text to a /bin/sh that has just said it is ready; what the
# caller wants follows on standard input, and nothing of it passes a shell's parser except the caller's own script.
# POSIX sh, for dash, bash and busybox: `read` takes single bytes from a pipe, `head -c` no byte too many.
PATH=/opt/slurm/bin:/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin
export PATH

IFS= read -r nonce && IFS= read -r mode && IFS= read -r count || exit 97
set --
while [ "$count" -gt 0 ]; do
	IFS= read -r word || exit 97
	case $word in
	=*) set -- "$@" "${word#=}" ;;
	*) # escaped, because it has line ends in it
		word=$(printf '%b.' "${word#%}")
		set -- "$@" "${word%.}"
		;;
	esac
	count=$((count - 1))
done
IFS= read -r size || exit 97
script=$(head -c "$size")
case $script in # a connection that broke half-way must not run half a script
*"# end $nonce") ;;
*) exit 97 ;;
esac
IFS= read -r DATA_SIZE || exit 97

printf '\n%s begin\n' "$nonce" >&2
printf '\n%s begin\n' "$nonce"

if [ "$mode" = stream ]; then
	# The other side hangs up by closing standard input; then nothing of this may be left behind.
	# sshd has given this command a process group of its own.
	exec 3<&0
	(eval "$script") </dev/null 3<&- &
	child=$!
	(
		cat <&3
		kill -TERM 0
	) >/dev/null 2>&1 &
	exec 3<&-
	wait "$child"
	exit
fi

(eval "$script")
status=$?
printf '\n%s end %s\n' "$nonce" "$status" >&2
printf '\n%s end %s\n' "$nonce" "$status"
exit 0
