# What the shell scripts of this folder share: Foundry's programs, `step`, and what compares.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# The packages `@foundry-rs/*` swallow the exit codes, so their programs are called themselves.
for tool in cast forge; do
  PATH=$(echo "$here"/node_modules/@foundry-rs/$tool-linux-*/bin):$PATH
done
export ETH_RPC_URL=$ENDPOINT
export FOUNDRY_DISABLE_NIGHTLY_WARNING=1

step() { echo "ok $1"; }
fail() { echo "FAILED $1" >&2; exit 1; }
equal() { [ "$1" = "$2" ] || fail "$3: expected \`$2\`, found \`$1\`"; }
field() { node -e 'const {argv}=process; let v=JSON.parse(require("fs").readFileSync(0)); for (const k of argv.slice(1)) v=v[k]; console.log(typeof v==="object"?JSON.stringify(v):v)' "$@"; }
