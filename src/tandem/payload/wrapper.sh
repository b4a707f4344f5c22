# Tandem's job wrapper, format 1. POSIX sh; travels inside every batch script, behind this placement's values.
#
# It decides whether this run may start the user's commands, runs them, says on the shared file system that it is alive,
# and writes down how they ended. Several runs of one task may exist: two placements, or one that the scheduler started
# again. The control directory is the referee. Per task and attempt n it holds
#   claim.<task>.<n>   a symbolic link, made once: run:<cluster>:<placement>:<scheduler id>:<nonce> or closed:<why>:<nonce>
#   hb.<task>.<n>      the heartbeat: <nonce> <count>
#   result.<task>.<n>  how it ended: 1 <nonce> <start> <end> <exit code> <signal or ->, a tab, the last words on stderr
# The nonce is this run's: an earlier run of the same placement is another run.

tandem_superseded=113 tandem_noclaim=114 tandem_fenced=115

# The tools below are the system's, whatever a person put on PATH; the user's commands get their PATH back.
tandem_path=$PATH PATH=$tandem_tools

read -r tandem_nonce < /proc/sys/kernel/random/uuid
tandem_own=run:$tandem_cluster:$tandem_placement:$tandem_scheduler_id:$tandem_nonce
tandem_claim=$tandem_control/claim.$tandem_task
tandem_n=0

# Sets tandem_t to seconds of this machine's own clock, which nobody sets and which needs no file system.
tandem_now() {
    read -r tandem_t tandem_rest < /proc/uptime
    tandem_t=${tandem_t%.*}
}

tandem_leave() {
    rm -rf "$tandem_local"
    exit "$1"
}

# Watches the run that holds attempt n, through its heartbeat's content and by this machine's clock: cached attributes
# and other machines' clocks deceive. Returns once it has been silent for as long as it takes; leaves if it is alive.
tandem_watch() {
    tandem_before=$(cat "$tandem_control/hb.$tandem_task.$tandem_n" 2>/dev/null)
    tandem_now
    tandem_since=$tandem_t
    while :; do
        sleep 1
        # The time first: the machine may stand still at any point, and what it sees afterwards must not count as old.
        tandem_now
        [ "$(readlink "$tandem_claim.$tandem_n")" = "$tandem_held" ] || tandem_leave "$tandem_noclaim"
        [ "$(cat "$tandem_control/hb.$tandem_task.$tandem_n" 2>/dev/null)" = "$tandem_before" ] ||
            tandem_leave "$tandem_superseded"
        readlink "$tandem_claim.$((tandem_n + 1))" >/dev/null && return
        [ $((tandem_t - tandem_since)) -le "$tandem_take_over" ] || return
    done
}

# 1. The user's commands, on this machine's own disk. Nothing is claimed before they are there.
tandem_local=$(mktemp -d "${TMPDIR:-/tmp}/tandem.XXXXXXXX") || exit "$tandem_noclaim"
tandem_payload > "$tandem_local/payload" || tandem_leave "$tandem_noclaim"
: > "$tandem_local/going" || tandem_leave "$tandem_noclaim"

# 2. The claim. Creating a link is exclusive, also on NFS; its failing says nothing (the server may have done it and the
#    answer got lost), so what counts is what is then read.
while :; do
    tandem_held=$(readlink "$tandem_claim.$tandem_n")
    if [ -z "$tandem_held" ]; then
        tandem_now
        tandem_begun=$tandem_t
        if ln -sT "$tandem_own" "$tandem_claim.$tandem_n" 2>/dev/null; then
            tandem_held=$tandem_own
        else
            tandem_held=$(readlink "$tandem_claim.$tandem_n") || {
                echo "tandem: not started: $tandem_control cannot be used on $(uname -n)" >&2
                tandem_leave "$tandem_noclaim"
            }
        fi
    fi
    [ "$tandem_held" != "$tandem_own" ] || break
    case $tandem_held in closed:*) tandem_leave "$tandem_superseded" ;; esac
    [ "$tandem_restartable" = 1 ] || tandem_leave "$tandem_superseded"
    if ! readlink "$tandem_claim.$((tandem_n + 1))" >/dev/null; then
        tandem_watch
        [ ! -e "$tandem_control/result.$tandem_task.$tandem_n" ] || tandem_leave "$tandem_superseded"
    fi
    tandem_n=$((tandem_n + 1))
done
tandem_beat_file=$tandem_control/hb.$tandem_task.$tandem_n
tandem_result=$tandem_control/result.$tandem_task.$tandem_n
tandem_count=0

# One heartbeat, written through to the storage. Notes when its writing began, for the watchdog.
tandem_beat() {
    tandem_now
    tandem_count=$((tandem_count + 1))
    printf '%s %09d\n' "$tandem_nonce" "$tandem_count" | dd of="$tandem_beat_file" conv=fsync 2>/dev/null || return 1
    echo "$tandem_t" > "$tandem_local/beat.new" && mv "$tandem_local/beat.new" "$tandem_local/beat"
}

# 3. Restartable: whoever watches this claim counts from its making on. Too slow since then is too late.
if [ "$tandem_restartable" = 1 ]; then
    tandem_now
    [ $((tandem_t - tandem_begun)) -lt "$tandem_fence" ] || tandem_leave "$tandem_fenced"
    tandem_beat || tandem_leave "$tandem_fenced"
    tandem_now
    [ $((tandem_t - tandem_begun)) -lt "$tandem_fence" ] || tandem_leave "$tandem_fenced"
fi

# 4. Where the commands run. Attempts that may follow each other do not share a directory.
tandem_place=$tandem_spooler
tandem_words=$tandem_spooler/error.txt
[ "$tandem_array" = 0 ] || tandem_words=$tandem_spooler/error.$tandem_task.txt
if [ "$tandem_restartable" = 1 ]; then
    tandem_place=$tandem_spooler/attempt.$tandem_n
    [ "$tandem_array" = 0 ] || tandem_place=$tandem_spooler/attempt.$tandem_task.$tandem_n
    tandem_words=$tandem_place/error.txt
    mkdir -p "$tandem_place"
fi
[ -n "$tandem_directory" ] || tandem_directory=$tandem_place

# Makes stream $1 of this attempt the one that stands in the spooler, where people look for it. A second name of the same
# file, not a symbolic link: it can be read like any file, and each attempt keeps its own. The first attempt goes on in
# the scheduler's file, so that also the scheduler's last words are in it.
tandem_show() {
    tandem_seen=$tandem_spooler/$1.txt
    [ "$tandem_array" = 0 ] || tandem_seen=$tandem_spooler/$1.$tandem_task.txt
    tandem_file=$tandem_place/$1.txt
    [ "$tandem_n" != 0 ] || ln -T "$tandem_seen" "$tandem_file"
    : >> "$tandem_file"
    [ "$tandem_file" -ef "$tandem_seen" ] ||
        { ln -T "$tandem_file" "$tandem_seen.$tandem_nonce" && mv -fT "$tandem_seen.$tandem_nonce" "$tandem_seen"; }
}

tandem_start_payload() {
    if [ "$tandem_restartable" = 1 ]; then
        tandem_show output 2>/dev/null
        tandem_show error 2>/dev/null
        exec >> "$tandem_place/output.txt" 2>> "$tandem_place/error.txt"
    fi
    PATH=$tandem_path
    TANDEM_RUN=$tandem_nonce TANDEM_JOB_ID=$tandem_job TANDEM_ATTEMPT=$tandem_n TANDEM_TASK=$tandem_task
    TANDEM_PROJECT=$tandem_project TANDEM_SPOOLER=$tandem_spooler TANDEM_CLUSTER=$tandem_cluster
    INPUT_FILE=$tandem_input
    export TANDEM_RUN TANDEM_JOB_ID TANDEM_ATTEMPT TANDEM_TASK TANDEM_PROJECT TANDEM_SPOOLER TANDEM_CLUSTER INPUT_FILE
    cd "$tandem_directory" || {
        echo "tandem: the execution directory $tandem_directory cannot be entered on $(uname -n)" >&2
        exit 126
    }
    # As the kernel would run it, but also where no program may run from this directory.
    read -r tandem_first < "$tandem_local/payload"
    set -f
    case $tandem_first in '#!'*) set -- ${tandem_first#??} ;; *) set -- /bin/sh ;; esac
    # A shell's background commands ignore these two signals; a person's need not.
    if env --default-signal=INT,QUIT true 2>/dev/null; then set -- env --default-signal=INT,QUIT "$@"; fi
    # All this may have taken long, or the machine stood still: then another run may have started already.
    if [ "$tandem_restartable" = 1 ]; then
        read -r tandem_last < "$tandem_local/beat"
        tandem_now
        [ $((tandem_t - tandem_last)) -lt "$tandem_fence" ] || { PATH=$tandem_tools; rm "$tandem_local/going"; exit; }
    fi
    exec setsid "$@" "$tandem_local/payload"
}

# To the payload with all its processes: it leads a session and a process group of its own.
tandem_signal() {
    kill -s "$1" -- "-$tandem_pid" 2>/dev/null || kill -s "$1" "$tandem_pid" 2>/dev/null
}

# Prints what belongs to this job by its control group, if the scheduler keeps one: no process can leave that, whatever
# else it sheds. Nothing of the payload's is in the wrapper's own session: it leads another.
tandem_grouped() {
    [ -n "${SLURM_JOB_ID:-}" ] || return 0
    for tandem_entry in $(grep -lsE "/job_$SLURM_JOB_ID(/|\$)" /proc/[0-9]*/cgroup); do
        tandem_entry=${tandem_entry%/cgroup}
        tandem_birth "${tandem_entry#/proc/}" && [ "$tandem_session" != "$tandem_own_session" ] && echo "$tandem_entry/"
    done
}

# All of it, at once, also what left its process group: everything started by this run carries its nonce.
tandem_kill_all() {
    tandem_signal KILL
    for tandem_round in 1 2 3; do
        tandem_found=$(grep -lszFx "TANDEM_RUN=$tandem_nonce" /proc/[0-9]*/environ; tandem_grouped)
        [ -n "$tandem_found" ] || break
        for tandem_entry in $tandem_found; do
            tandem_entry=${tandem_entry#/proc/}
            kill -s KILL "${tandem_entry%%/*}" 2>/dev/null
        done
    done
}

# Ends the payload for good: no result is written for it.
tandem_end_it() {
    rm -f "$tandem_local/going"
    tandem_kill_all
}

# Sets tandem_born to when process $1 was started, and tandem_session; fails when it is gone.
tandem_birth() {
    { read -r tandem_stat < "/proc/$1/stat"; } 2>/dev/null || return 1
    set -f
    set -- ${tandem_stat##*) }
    set +f
    [ "$1" != Z ] || return 1
    tandem_session=$4
    tandem_born=${20}
}
tandem_same() {
    tandem_birth "$1" && [ "$tandem_born" = "$2" ]
}

# Says every few seconds that this run is alive; ends it when the next claim is there, or when the wrapper is gone.
tandem_heart() {
    trap '' TERM INT HUP USR1 USR2
    exec </dev/null >/dev/null 2>&1
    tandem_now
    tandem_next=$((tandem_t + $1))
    [ "$1" -gt 0 ] || tandem_next=0
    while :; do
        tandem_now
        if [ "$tandem_t" -ge "$tandem_next" ]; then
            tandem_next=$((tandem_t + tandem_heartbeat))
            tandem_beat
            case $(readlink "$tandem_claim.$((tandem_n + 1))") in
                run:*) tandem_end_it; exit ;;
                # Told first, then killed. Its result says that it ended, where no scheduler may have seen it.
                closed:*) : > "$tandem_local/told"; tandem_signal TERM; sleep 2; tandem_kill_all ;;
            esac
        fi
        sleep 1
        tandem_same $$ "$tandem_wrapper_born" || { tandem_end_it; rm -rf "$tandem_local"; exit; }
        [ -z "$tandem_dog" ] || tandem_same "$tandem_dog" "$tandem_dog_born" || { tandem_end_it; exit; }
    done
}

# Ends a restartable run whose heartbeat did not reach the storage for too long. Touches no shared file: that may hang.
tandem_watchdog() {
    trap '' TERM INT HUP USR1 USR2
    exec </dev/null >/dev/null 2>&1
    while :; do
        read -r tandem_last < "$tandem_local/beat"
        tandem_now
        [ $((tandem_t - ${tandem_last:-0})) -lt "$tandem_fence" ] || { tandem_end_it; exit; }
        sleep 1
        tandem_same $$ "$tandem_wrapper_born" || { tandem_end_it; exit; }
    done
}

tandem_hand_on() {
    [ "$tandem_got" = TERM ] || tandem_got=$1
    tandem_woken=1
    tandem_signal "$1"
}

# 5. Run, with signals handed on: the scheduler sends them to this shell.
tandem_got=-
for tandem_name in TERM INT HUP USR1 USR2; do
    trap "tandem_hand_on $tandem_name" "$tandem_name"
done
tandem_birth $$
tandem_wrapper_born=$tandem_born
tandem_own_session=$tandem_session
tandem_started=$(date +%s)
cd /
(
    trap - TERM INT HUP USR1 USR2
    tandem_start_payload
) &
tandem_pid=$!
tandem_dog=
if [ "$tandem_restartable" = 1 ]; then
    tandem_watchdog &
    tandem_dog=$!
    tandem_birth "$tandem_dog"
    tandem_dog_born=$tandem_born
    tandem_heart "$tandem_heartbeat" &
else
    tandem_heart 0 &
fi
tandem_heart_pid=$!

tandem_woken=1
while [ "$tandem_woken" = 1 ]; do
    tandem_woken=0
    wait "$tandem_pid"
    tandem_code=$?
done
[ ! -e "$tandem_local/told" ] || tandem_got=TERM
# The scheduler signals one process after the other: the payload may have died of it before this shell's turn came.
[ "$tandem_code" != 143 ] || tandem_got=TERM
# Whoever ended it may have been killed just now, in the middle of it.
# What was told to end leaves nothing, also of what left its process group.
if [ -e "$tandem_local/going" ] && [ "$tandem_got" = - ]; then tandem_signal KILL; else tandem_kill_all; fi

# 6. The result, written aside and renamed, so that it is read whole or not at all.
tandem_write_result() {
    {
        printf '1 %s %s %s %s %s\t' "$tandem_nonce" "$tandem_started" "$(date +%s)" "$tandem_code" "$tandem_got"
        if [ "$tandem_code" != 0 ]; then
            tail -c 600 "$tandem_words" 2>/dev/null | tail -n 3 | tr -d '\000-\010\013-\037\177' | tr '\n\t' '\037 '
        fi
        echo
    } | dd of="$tandem_result.$tandem_nonce" conv=fsync 2>/dev/null &&
        mv -fT "$tandem_result.$tandem_nonce" "$tandem_result" 2>/dev/null
}

# A restartable run that was told to end may have been told so in order to be started again: the scheduler knows. Whatever
# its exit code: one that saves its state when it is told to end may call that a success. With the next claim closed
# nothing starts again: then its result is awaited.
tandem_requeued() {
    [ "$tandem_restartable" = 1 ] && [ "$tandem_got" = TERM ] || return 1
    case $(readlink "$tandem_claim.$((tandem_n + 1))") in closed:*) return 1 ;; esac
}

if [ ! -e "$tandem_local/going" ]; then
    tandem_code=$tandem_fenced
elif ! tandem_requeued; then
    for tandem_try in 1 2 3 4 5; do
        ! tandem_write_result || break
        sleep 1
    done
fi
# Not before: until the result is there, whoever watches must see that this run is alive.
kill -s KILL "$tandem_heart_pid" 2>/dev/null
[ -z "$tandem_dog" ] || kill -s KILL "$tandem_dog" 2>/dev/null
tandem_leave "$tandem_code"
