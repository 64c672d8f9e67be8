# Runs one command on a node for diag: in a session of its own, told exactly how it ended, ended with all that it
# started when whoever asked for it says so or is gone. POSIX sh; needs setsid and /proc; awk for exact signals.
# In: $diag_mark, $diag_cookie, $diag_gate, $diag_limit, $diag_command (see order.rs).

# Process ids of all that the command started: below this shell in other sessions than its own, in those sessions,
# or with the cookie in their environment. $1: a session that is known to be its own.
diag_alive() {
  {
    cat /proc/[0-9]*/stat 2>/dev/null | awk -v root="$$" -v known="$1" '
      { pid = $1; line = $0; sub(/^.*\) /, "", line); split(line, f, " ")
        state[pid] = f[1]; parent[pid] = f[2]; session[pid] = f[4] }
      END {
        if (known != "") ours[known] = 1
        for (pid in parent) {
          up = pid
          while (up in parent && up != root) up = parent[up]
          if (up == root && session[pid] != session[root]) ours[session[pid]] = 1
        }
        for (pid in parent) if (session[pid] in ours && state[pid] != "Z") print pid
      }'
    grep -lsF "DIAG_RUN=$diag_cookie" /proc/[0-9]*/environ | sed 's/[^0-9]//g'
  } 2>/dev/null | tr '\n' ' '
}

# Asks them to end, waits for two seconds, and kills those that are left.
diag_end() {
  diag_pids=$(diag_alive "$1")
  [ -n "$diag_pids" ] || return 0
  kill -TERM $diag_pids 2>/dev/null
  for diag_nap in 0.1 0.3 0.6 1; do
    diag_pids=$(diag_alive "$1")
    [ -n "$diag_pids" ] || return 0
    sleep "$diag_nap"
  done
  for diag_nap in 0.1 0.1 0.2 0.4 0.8; do
    diag_pids=$(diag_alive "$1")
    [ -n "$diag_pids" ] || return 0
    kill -KILL $diag_pids 2>/dev/null
    sleep "$diag_nap"
  done
}

# Prints the process id of the command, then how it ended: a shell tells exit 137 and signal 9 alike, awk does not.
# An awk that would tell a killed command as a success (busybox) is known by its file; it runs nothing.
diag_run() {
  DIAG_COMMAND=$diag_command awk '
    BEGIN {
      getline line < "/proc/self/maps"
      if (line ~ /busybox|toybox/) { print "blind"; exit }
      r = system(ENVIRON["DIAG_COMMAND"])
      if (r > 0 && r < 1) print "signal", int(r * 256) % 128
      else if (r >= 256) print "signal", r % 256
      else print "exit", r
    }' || echo blind
}

diag_main() {
  exec 3<&0 8>&1 </dev/null
  if ! command -v setsid >/dev/null 2>&1; then
    printf '%s cannot setsid is not there\n' "$diag_mark" >&2
    return
  fi
  printf '%s ready\n' "$diag_mark"
  printf '%s ready %s\n' "$diag_mark" "$SLURMD_NODENAME ${SLURM_JOB_ID:+$SLURM_JOB_ID.$SLURM_STEP_ID}" >&2
  if [ "$diag_gate" = 1 ]; then
    read -r diag_word <&3 && [ "$diag_word" = go ] || return
  fi
  (
    exec 8>&- >/dev/null 2>&1
    read -r diag_word <&3
    trap '' TERM
    diag_end ''
  ) &
  diag_watch=$!
  (
    exec 3<&- 8>&- >/dev/null 2>&1
    trap 'kill $diag_sleep; exit' TERM
    sleep "$diag_limit" &
    diag_sleep=$!
    wait $diag_sleep
    trap '' TERM
    diag_end ''
  ) &
  diag_timer=$!
  diag_said=$(diag_run 3<&-)
  case $diag_said in
    *blind*)
      diag_said=$(sh -c "$diag_command" 3<&-; echo "status $?")
      ;;
  esac
  diag_pid=${diag_said%%[!0-9]*}
  diag_how=${diag_said##*"
"}
  if [ -n "$diag_pid" ] && kill -0 "-$diag_pid" 2>/dev/null; then
    diag_end "$diag_pid"
  fi
  kill $diag_watch $diag_timer 2>/dev/null
  wait $diag_watch $diag_timer 2>/dev/null
  printf '%s ended\n' "$diag_mark"
  printf '%s ended %s\n' "$diag_mark" "$diag_how" >&2
}
