#!/bin/sh
# Installs the pinned CDK command line. Node.js is the machine's if that is 20 or newer, else a locked wheel.
# Usage: install.sh <directory>; then <directory>/cdk is the command,
# and <directory>/nodejs the Node.js that it runs on; the CDK's Python library needs one, too.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
work=$(cd "$1" && pwd)
requirements=$here/../../../../requirements

exec 9>"$work/.lock"
flock 9

. "$requirements/node.sh"

cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" "$work/"
if ! cmp -s "$here/package-lock.json" "$work/installed.json" || ! [ -d "$work/node_modules" ]; then
  echo "== the CDK's command line, pinned"
  (cd "$work" && $npm ci --ignore-scripts --omit=optional --loglevel=error)
  cp "$here/package-lock.json" "$work/installed.json"
fi
ln -sfn "$(command -v node)" "$work/nodejs"
cat > "$work/cdk.new" <<END
#!/bin/sh
JSII_NODE='$work/nodejs'
export JSII_NODE
exec '$work/nodejs' '$work/node_modules/aws-cdk/bin/cdk' "\$@"
END
chmod +x "$work/cdk.new"
mv "$work/cdk.new" "$work/cdk"
