#!/usr/bin/env bash
# Do coding agents and bridges get along with a built omni? Installs Claude Code, Codex, Gemini CLI, mcp-remote and supergateway
# into a folder that is gone afterwards, gives them an empty home, and takes no account (`agents.py`, `bridges.py`).
#
#     conformance/clients.sh target/release/omni [--agent codex] [--transport http]
#
# `OMNI_CLIENTS_FOLDER` names a folder to install into that stays, for the next run.
set -euo pipefail

fail() {
    printf 'error: %s\n' "$1" >&2
    exit 2
}

[ $# -ge 1 ] || fail 'which binary? `conformance/clients.sh target/release/omni`'
[ -x "$1" ] || fail "\`$1\` is no program; \`cargo build --release\` makes one"
binary=$(realpath "$1")
shift
cd "$(dirname "${BASH_SOURCE[0]}")"

folder=${OMNI_CLIENTS_FOLDER-}
if [ -z "$folder" ]; then
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
fi
mkdir -p "$folder/home"
export CARGO_TARGET_DIR="$folder" HOME="$folder/home"
# No settings and no account of who runs this reach a client.
unset "${!ANTHROPIC_@}" "${!OPENAI_@}" "${!GEMINI_@}" "${!GOOGLE_@}" "${!CLAUDE_@}" "${!XDG_@}"

status=0
python3 agents.py --binary "$binary" "$@" || status=$?
python3 bridges.py --binary "$binary" || status=$?
exit $status
