# The entries of a host in known_hosts, behind the piece host-keys. Each function leaves in `why` what keeps it from its work.

# The lines of a file that are about the host, by number, hashed or not: " 3 7 ".
lines() { ssh-keygen -F "${name}" -f "$1" 2>/dev/null | sed -n 's/^# Host .* found: line \([0-9]*\).*/\1/p' | tr '\n' ' ' | sed 's/^/ /'; }
entries() { awk -v of="$(lines "$1")" 'index(of, " " NR " ")' "$1"; }
others() { awk -v of="$(lines "$1")" '!index(of, " " NR " ")' "$1"; }

# The file that ssh looks into for this user: `file`; the copy of it as it was before: `before`.
find_file() {
  for file in $(setting globalknownhostsfile); do
    if [ -f "${file}" ] && [ "$(entries "${file}")" ]; then
      why="the key of ${name} stands in ${file}, for all users of this machine: whoever looks after that file renews it"; return 1
    fi
  done
  first=
  for file in $(setting userknownhostsfile); do
    case ${file} in
      *%*) why="what ssh calls ${file} only ssh knows"; return 1 ;;
      "~/"*) file=${HOME}/${file#"~/"} ;;
    esac
    file=$(readlink -f "${file}") && [ "${file}" != /dev/null ] || continue
    : "${first:=${file}}"
    if [ -f "${file}" ] && [ "$(entries "${file}")" ]; then first=${file}; break; fi
  done
  file=${first}
  if [ -z "${file}" ] || [ ! -w "${file%/*}" ] || { [ -e "${file}" ] && [ ! -w "${file}" ]; }; then
    why="known_hosts can't be written: ${file:-there is none}"; return 1
  fi
  before=${file}.before-${DIAG_NODE}
}

# Where a name leads.
addresses() { getent ahosts "$1" | awk '{ print $1 }' | sort -u; }

# Whose the entries are, as they say it: `names`, one a line. Not where they stand for other hosts as well, or an authority speaks.
find_names() {
  names=$(entries "${file}" | awk '{ print $1 }' | sort -u)
  [ "${names}" ] || { names=${name}; return 0; }
  for one in $(printf '%s\n' "${names}" | tr ',' '\n'); do
    case ${one} in
      "|1|"* | "${name}") continue ;;
      @*) why="${file} names an authority for ${name}, or revokes a key: whoever did that knows why"; return 1 ;;
    esac
    bare=${one%]:*}; bare=${bare#[}
    case ${one} in
      *[*?!]*) same= ;;
      *) same=$(addresses "${bare}" | grep -xF -e "$(addresses "${host}")") ;;
    esac
    [ "${same}" ] || { why="its entry in ${file} is for ${one} as well, which is not ${host}"; return 1; }
  done
}
