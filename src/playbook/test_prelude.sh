set -u
LC_ALL=C
export LC_ALL
say() { printf 'diag: %s=%s\n' "$1" "$2"; }
cannot() { printf 'diag: cannot=%s\n' "$1"; exit 77; }
need() {
  for program in "$@"; do
    if command -v "${program}" >/dev/null 2>&1; then return 0; fi
  done
  cannot "none of these is installed: $*"
}
scratch=$(mktemp -d 2>/dev/null) || cannot "no temporary folder can be made"
trap 'rm -rf "${scratch}"' EXIT
trap 'exit 143' TERM INT HUP
