# Which keys a node's sshd offers to whoever comes from here, and which the node itself says that it has. DIAG_NODE; DIAG_SSH_CONFIG: a
# file, or "own" for that of the user. Each function leaves in `why` what keeps it from its work.
#
# Why the node's word is believed: it comes in a credential of munge, by whose key Slurm's daemons know each other. Whoever stands between
# here and the node has not that key, and can neither make a credential nor change one; the number in it is new each time, so that none
# from before will do, and its user has to be ours. A node that lies can lie about its own keys alone, and its root owns those anyway.
# What is offered is only compared: nothing gets into known_hosts that the node itself has not told.

by_ssh() {
  case ${DIAG_SSH_CONFIG} in
    /*) ssh -F "${DIAG_SSH_CONFIG}" "$@" ;;
    *) ssh "$@" ;;
  esac
}

# One setting by which ssh gets to the node.
setting() { printf '%s\n' "${settings}" | sed -n "s/^$1 //p" | grep -vx none | head -n 1; }

# How ssh gets to the node: `host`, `port`, and `name`, as known_hosts has it.
route() {
  settings=$(by_ssh -G -- "${DIAG_NODE}" 2>/dev/null) || { why="ssh does not say how it gets to ${DIAG_NODE}"; return 1; }
  host=$(setting hostname) port=$(setting port) name=$(setting hostkeyalias)
  [ "${name}" ] || case ${port} in
    22) name=${host} ;;
    *) name="[${host}]:${port}" ;;
  esac
  if [ "$(setting proxyjump)$(setting proxycommand)" ]; then
    why="ssh gets to ${DIAG_NODE} through another host: its key can't be looked at from here"; return 1
  fi
}

# A host as ssh does it, whatever the configuration allows: what ssh says is in `said`, its status in `status`.
strictly() {
  said=$(by_ssh -T -x -a -o BatchMode=yes -o StrictHostKeyChecking=yes -o UpdateHostKeys=no -o NoHostAuthenticationForLocalhost=no \
    -o ControlPath=none -o ConnectTimeout=10 -o ClearAllForwardings=yes -o PermitLocalCommand=no -o RemoteCommand=none \
    -o LogLevel=ERROR -- "${DIAG_NODE}" true 2>&1 </dev/null)
  status=$?
}

# The keys of an answer of ssh-keyscan(1) as "type key", in order.
plain() { awk '$1 !~ /^#/ && NF == 3 { print $2, $3 }' | sort -u; }

# The keys that are offered to whoever comes from here: `offered`.
look_from_here() {
  offered=$(ssh-keyscan -T 5 -p "${port}" "${host}" 2>/dev/null | plain)
  [ "${offered}" ] || { why="no key is offered at ${host} port ${port}"; return 1; }
}

# The keys that the node itself has: `own`.
ask_the_node() {
  number=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  answer=$(env -u SLURM_JOB_ID -u SLURM_JOBID srun --nodelist="${DIAG_NODE}" --nodes=1 --ntasks=1 --immediate=20 --time=2 \
    --job-name=diag --chdir=/ --export=PATH,HOME sh -c '
      keys=$(ssh-keyscan -T 5 -p "$2" 127.0.0.1 2>/dev/null)
      [ "${keys}" ] || keys=$(ssh-keyscan -T 5 -p "$2" "$(hostname)" 2>/dev/null)
      printf "%s\n%s\n" "$1" "${keys}" | munge' sh "${number}" "${port}" 2>&1 </dev/null)
  credential=$(printf '%s\n' "${answer}" | grep -x 'MUNGE:[A-Za-z0-9+/=]*:' | head -n 1)
  if [ -z "${credential}" ]; then
    why="Slurm brings no word of the node: $(printf '%s\n' "${answer}" | grep . | tail -n 1)"; return 1
  fi
  opened=$(printf '%s\n' "${credential}" | unmunge --keys=STATUS,UID 2>&1)
  told=$(printf '%s\n' "${opened}" | sed '1,/^$/d')
  case $(printf '%s\n' "${opened}" | sed '/^$/q' | tr '\n' ' ') in
    STATUS:*Success\ \(0\)*UID:*"($(id -u))"*) ;;
    *) why="what came by Slurm has no credential of ours: $(printf '%s\n' "${opened}" | head -n 1)"; return 1 ;;
  esac
  [ "$(printf '%s\n' "${told}" | head -n 1)" = "${number}" ] || { why="what came by Slurm is no answer to what was asked"; return 1; }
  own=$(printf '%s\n' "${told}" | sed 1d | plain)
  [ "${own}" ] || { why="the node finds no sshd of its own at port ${port}"; return 1; }
}

both_ways() { route && look_from_here && ask_the_node; }

# Whether anything is offered that is no key of the node's.
is_another() { printf '%s\n' "${offered}" | grep -qvxF -e "${own}"; }

# Keys as people compare them.
prints() { printf '%s\n' "$1" | sed 's/^/x /' | ssh-keygen -lf - 2>/dev/null | awk '{ print $2 }' | sort | tr '\n' ' '; }
