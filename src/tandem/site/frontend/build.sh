#!/bin/sh
# Builds the front-end bundle into site/static/dist. Node.js is the machine's if that is 20 or newer, else a locked wheel.
# Usage: build.sh <directory for node_modules and, if it comes to that, Node.js>
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
work=$(cd "$1" && pwd)
requirements=$here/../../../../requirements

# Two builds at once would write into each other's files.
exec 9>"$work/.lock"
flock 9

# Whatever ends this build, the machine's /tmp has nothing of it.
TMPDIR=$work/tmp
export TMPDIR
rm -rf "$TMPDIR"
mkdir "$TMPDIR"
trap 'rm -rf "$TMPDIR"' EXIT

. "$requirements/node.sh"

cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$here/build.mjs" "$work/"
if ! cmp -s "$here/package-lock.json" "$work/installed.json" || ! [ -d "$work/node_modules" ]; then
  echo "== npm packages, pinned"
  (cd "$work" && $npm ci --ignore-scripts --loglevel=error)
  cp "$here/package-lock.json" "$work/installed.json"
fi
cd "$work"
node node_modules/typescript/bin/tsc --project "$here/tsconfig.json"
node build.mjs "$here/../.." "$work/node_modules" "$here/../static/dist"
