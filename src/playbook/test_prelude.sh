set -u
LC_ALL=C
export LC_ALL
PATH=${DIAG_PATH:+${DIAG_PATH}:}${PATH}
say() { printf 'diag: %s=%s\n' "$1" "$2"; }
cannot() { printf 'diag: cannot=%s\n' "$1"; exit 77; }
need() {
  for need_one in "$@"; do
    if command -v "${need_one}" >/dev/null 2>&1; then return 0; fi
  done
  for need_in in $(printf '%s' "${DIAG_TOOLS:-}" | tr ':' ' ') TOOL_FOLDERS; do
    for need_one in "$@"; do
      if [ -x "${need_in}/${need_one}" ]; then printf 'diag: found=%s\n' "${need_in}"; fi
    done
  done
  cannot "none of these is installed: $*"
}
gave_up() {
  tail -n 40 "$1" >&2
  cannot "$2: $(grep -v '^[- ]*$' "$1" | tail -n 1)"
}
scratch=$(TMPDIR=${DIAG_SCRATCH:-${TMPDIR:-/tmp}} mktemp -d 2>/dev/null) || cannot "no temporary folder can be made"
trap 'rm -rf "${scratch}"' EXIT
trap 'exit 143' TERM INT HUP
