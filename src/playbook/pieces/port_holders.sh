# Who listens at TCP port DIAG_PORT of this node, and who of them is left over: a process of a user that belongs to nothing that runs. What
# can't be told of a process keeps it from being taken for left over.
LC_ALL=C; export LC_ALL
PATH=${PATH}:/usr/sbin:/sbin

# A field of /proc/PID/stat behind the name, which may hold anything: 2 parent, 5 terminal, 20 when it began (proc(5): 4, 7, 22).
stat_of() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f"$2"; }

# Whether it is still the process that was looked at, PID/BEGAN, and no other that was given its number since.
is_same() { [ "$(stat_of "${1%/*}" 20)" = "${1#*/}" ]; }

# The sockets: `listening`, one a line; their processes as PID/BEGAN: `holders`. Where that can't be told, `why` not.
find_holders() {
  listening=$(ss -Hltnp "sport = :${DIAG_PORT}" 2>&1) || { why="ss: ${listening}"; return 1; }
  holders=''
  for pid in $(printf '%s\n' "${listening}" | grep -o 'pid=[0-9]*' | cut -d= -f2 | sort -un); do
    began=$(stat_of "${pid}" 20)
    holders="${holders}${began:+ ${pid}/${began}}"
  done
}

# Jobs that a process says it is of, by its control group and by the environment that it was started with.
jobs_of() {
  {
    sed -n 's|.*/job_\([0-9][0-9]*\).*|\1|p' "/proc/$1/cgroup"
    tr '\0' '\n' < "/proc/$1/environ" | sed -n 's/^SLURM_JOB_ID=\([0-9][0-9]*\)$/\1/p'
  } 2>/dev/null | sort -u
}

# Whether somebody still answers for a process: Slurm tracks it, or one of those that started it is there. Says so in `of`.
is_looked_after() {
  of="a running step of Slurm"
  scontrol listpids 2>/dev/null | awk -v pid="$1" '$1 == pid { found = 1 } END { exit !found }' && return
  above=$1
  while [ "${above:-0}" -gt 1 ]; do
    case $(cat "/proc/${above}/comm" 2>/dev/null) in
      slurmstepd) return ;;
      sshd*) of="somebody's login"; return ;;
    esac
    above=$(stat_of "${above}" 2)
  done
  of=''
  return 1
}

# To what a process belongs that is not ours to end: `of`; empty where it is left over.
look_at() {
  of=''
  uid=$(awk '$1 == "Uid:" { print $3 }' "/proc/$1/status" 2>/dev/null)
  # Users begin at 1000 (UID_MIN of login.defs(5)).
  [ "${uid:-0}" -ge 1000 ] || { of="a daemon"; return; }
  ! is_looked_after "$1" || return 0
  # Ended jobs leave processes in the groups of slurmd and sshd as well; those of other units are what they are for.
  case $(grep -v '/job_[0-9]' "/proc/$1/cgroup" 2>/dev/null) in
    *kubepods* | *docker* | *libpod* | *containerd* | *crio-*) of="a container"; return ;;
    *system.slice/slurm*.service* | *system.slice/ssh*.service*) ;;
    *system.slice/*.service* | *user@*.service/*.service*) of="a unit of systemd"; return ;;
  esac
  if tr '\0' '\n' < "/proc/$1/environ" 2>/dev/null | grep -q -e '^PBS_JOBID=' -e '^LSB_JOBID=' -e '^FLUX_JOB_ID='; then
    of="a job of another scheduler than Slurm"; return
  fi
  [ "$(stat_of "$1" 5)" = 0 ] || { of="somebody at a terminal"; return; }
  for job in $(jobs_of "$1"); do
    known=$(timeout 20 squeue -h -o %A 2>/dev/null) || { of="job ${job}, of which Slurm tells nothing here"; return; }
    ! printf '%s\n' "${known}" | grep -qx "${job}" || { of="job ${job}, which has not ended"; return; }
  done
}

# A process in words. What it calls itself may be anything, and is told without what is no letter of a name.
in_words() {
  called=$(tr -cd '[:alnum:]._:+-' 2>/dev/null < "/proc/$1/comm")
  old=$(ps -o etime= -p "$1" 2>/dev/null | tr -d ' ')
  printf 'process %s (%s) of %s%s' "$1" "${called}" "$(ps -o user= -p "$1" 2>/dev/null)" "${old:+, ${old} old}"
}

# What holds the port, in words: all in `who`, and what is not left over in `others`. Needs find_holders.
judge_holders() {
  who='' others=''
  for holder in ${holders}; do
    words=$(in_words "${holder%/*}")
    look_at "${holder%/*}"
    [ -z "${of}" ] || words="${words}, belongs to ${of}"
    who="${who:+${who}; }${words}"
    [ -z "${of}" ] || others="${others:+${others}; }${words}"
  done
  # Another user's process, or a socket of the kernel.
  if printf '%s\n' "${listening}" | grep . | grep -qv 'pid='; then
    words="somebody of whom $(id -un) is told nothing"
    who="${who:+${who}; }${words}" others="${others:+${others}; }${words}"
  fi
}
