# Makes claims that nobody's run holds. Arguments: the person's spoolers directory, then for each claim the control
# directory, the link's name, its text. Prints for each the text that then stands there, or an empty line.

umask 077
root=$1
shift
[ -d "$root" ] || exit 3
while [ $# -gt 0 ]; do
    [ -d "$1" ] || mkdir -p "$1"
    ln -sT "$3" "$1/$2" 2>/dev/null
    readlink "$1/$2" || echo
    shift 3
done
exit 0
