# Prints what lies in control directories. Arguments: the person's spoolers directory, then for each job its control
# directory, how many files of ours there can be at most, and the array tasks that need no reading, as 0-99,101.
# Prints per directory `dir` and its path, then a line each for claims, the newest heartbeat and results of every task,
# and `end` once all of it was read. A directory that could not be read, or that holds more than it can, has no `end`;
# one that is not there is empty.
# Whatever lies there, its owner may have put there: only what a wrapper could have made is opened (a small file, never
# a pipe, never what a link leads to), and only names of ours are looked at. A claim that is no link, or whose text has
# more than one line, reads as `?`.

root=$1
shift
tab=$(printf '\t')
newline='
'
# Without the person's spoolers directory the storage itself is not there, and nothing can be said.
[ -d "$root" ] || exit 3

look() {
    names=$(find "$@" -ignore_readdir_race -maxdepth 1 -regextype posix-extended \
        -regex '.*/(claim|hb|result)\.[0-9]{1,9}\.[0-9]{1,9}' \( \
        -name 'claim.*' \( ! -type l -o -lname "*[$tab$newline]*" \) -printf 'entry\t%h\t%f\t?\n' \
        -o -name 'claim.*' -printf 'entry\t%h\t%f\t%l\n' \
        -o -type f -perm -u=r -size -8 -printf 'entry\t%h\t%f\n' \) 2>/dev/null) || return 1
    { printf '%s\n' "$skips"; printf '%s\n' "$names"; for dir; do printf 'done\t%s\n' "$dir"; done; } | awk -F '\t' '
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
        $1 == "skip" { skip[$2] = $4; most[$2] = $3 }
        $1 == "entry" {
            if (++count[$2] > most[$2] + 0) { out[$2] = ""; broken[$2] = 1; next }
            split($3, part, ".")
            if (skipped($2, part[2])) next
            line = part[1] "\t" part[2] "\t" part[3] "\t"
            if (part[1] == "claim") out[$2] = out[$2] line $4 "\n"
            else if (part[1] == "result") out[$2] = out[$2] line content($2, $3) "\n"
            else if (!(($2, part[2]) in beat) || part[3] + 0 > beat[$2, part[2]] + 0) beat[$2, part[2]] = part[3]
        }
        $1 == "done" { order[++dirs] = $2 }
        END {
            for (key in beat) {
                split(key, part, SUBSEP)
                if (part[1] in broken) continue
                line = content(part[1], "hb." part[2] "." beat[key])
                out[part[1]] = out[part[1]] "hb\t" part[2] "\t" beat[key] "\t" line "\n"
            }
            for (i = 1; i <= dirs; i++) {
                printf "dir\t%s\n%s", order[i], out[order[i]]
                if (!(order[i] in broken)) print "end"
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
look $there || for dir in $there; do look "$dir" || printf 'dir\t%s\n' "$dir"; done
exit 0
