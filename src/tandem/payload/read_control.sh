# Prints what lies in control directories. Arguments: the person's spoolers directory, then for each job its control
# directory, how many tasks it has, and the array tasks that need no reading, as 0-99,101.
# Prints per directory `dir` and its path, then for every task its two highest claims, what these left as results, and
# the newest heartbeat of theirs: attempts before them decide nothing. And `end`, once all of it was seen. A directory that
# could not be read has no `end`; one that holds far more than runs can have left there has `flooded` instead, and
# nothing else; one that is not there is empty.
# Whatever lies there, its owner may have put there: only what a wrapper could have made is opened (a small file, never
# a pipe, never what a link leads to), and only names of ours are looked at. A claim that is no link, or whose text has
# more than one line or is too long, reads as `?`.

root=$1
shift
tab=$(printf '\t')
newline='
'
# Without the person's spoolers directory the storage itself is not there, and nothing can be said.
[ -d "$root" ] || exit 3

# Claims, a heartbeat and a result for each of a task's attempts, and room for a long life of one task.
files_per_task=30
files_per_job=6000

# Fails when one of several directories cannot be read, or is flooded: then they are looked at one by one.
look() {
    {
        printf '%s\n' "$skips"
        for dir; do printf 'open\t%s\n' "$dir"; done
        find "$@" -ignore_readdir_race -maxdepth 1 -regextype posix-extended \
            -regex '.*/(claim|hb|result)\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})' \( \
            -name 'claim.*' \( ! -type l -o -lname "*[$tab$newline]*" \) -printf 'entry\t%h\t%f\t?\n' \
            -o -name 'claim.*' -printf 'entry\t%h\t%f\t%l\n' \
            -o -type f -perm -u=r -size -8 -printf 'entry\t%h\t%f\n' \) || echo unreadable
    } 2>/dev/null | awk -F '\t' -v per_task="$files_per_task" -v per_job="$files_per_job" '
        function skipped(dir, task,    ranges, parts, count, i) {
            count = split(skip[dir], ranges, ",")
            for (i = 1; i <= count; i++) {
                if (split(ranges[i], parts, "-") == 1) parts[2] = parts[1]
                if (task + 0 >= parts[1] + 0 && task + 0 <= parts[2] + 0) return 1
            }
            return 0
        }
        function content(dir, name,    path, line, got) {
            path = dir "/" name
            got = (getline line < path)
            close(path)
            if (got < 0) broken[dir] = 1
            return got > 0 ? substr(line, 1, 2000) : ""
        }
        # No further line is read: find ends, however much there is.
        function flood(dir) { flooded[dir] = 1; exit }
        function claim(dir, task, number, text,    key) {
            key = dir SUBSEP task
            if (length(text) > 400) text = "?"
            if (!(key in first)) {
                if (++tasks[dir] > most[dir]) flood(dir)
                keys[++known] = key
            } else if (number < first[key]) {
                if (!(key in second) || number > second[key]) { second[key] = number; second_text[key] = text }
                return
            } else {
                second[key] = first[key]; second_text[key] = first_text[key]
            }
            first[key] = number; first_text[key] = text
        }
        function left(dir, task, number,    line) {
            line = task "\t" number "\t"
            if ((dir, task, number, "result") in there)
                out[dir] = out[dir] "result\t" line content(dir, "result." task "." number) "\n"
            if ((dir, task, number, "hb") in there && !((dir, task) in beaten)) {
                beaten[dir, task] = 1
                out[dir] = out[dir] "hb\t" line content(dir, "hb." task "." number) "\n"
            }
        }
        $1 == "skip" { skip[$2] = $4; most[$2] = $3 + 0 }
        $1 == "open" { order[++dirs] = $2 }
        $1 == "entry" {
            if (++count[$2] > per_job + per_task * most[$2]) flood($2)
            split($3, part, ".")
            if (skipped($2, part[2])) next
            if (part[1] == "claim") claim($2, part[2], part[3] + 0, $4)
            else there[$2, part[2], part[3] + 0, part[1]] = 1
        }
        $1 == "unreadable" { unreadable = 1 }
        END {
            for (dir in flooded) {
                if (dirs > 1) exit 1
                printf "dir\t%s\nflooded\n", dir
                exit 0
            }
            if (unreadable && dirs > 1) exit 1
            for (i = 1; i <= known; i++) {
                split(keys[i], part, SUBSEP)
                line = "claim\t" part[2] "\t"
                out[part[1]] = out[part[1]] line first[keys[i]] "\t" first_text[keys[i]] "\n"
                left(part[1], part[2], first[keys[i]])
                if (!(keys[i] in second)) continue
                out[part[1]] = out[part[1]] line second[keys[i]] "\t" second_text[keys[i]] "\n"
                left(part[1], part[2], second[keys[i]])
            }
            for (i = 1; i <= dirs; i++) {
                printf "dir\t%s\n%s", order[i], out[order[i]]
                if (!unreadable && !(order[i] in broken)) print "end"
            }
        }'
}

skips=
there=
count=0
while [ $# -gt 0 ]; do
    if [ -d "$1" ]; then
        skips="$skips
skip	$1	$2	$3"
        # No path of ours has a blank in it: they are made of a login name and a UUID.
        there="$there $1"
        count=$((count + 1))
    else
        printf 'dir\t%s\nend\n' "$1"
    fi
    shift 3
done
[ "$count" -gt 0 ] || exit 0
# shellcheck disable=SC2086
look $there || for dir in $there; do look "$dir"; done
exit 0
