#!/usr/bin/env bash
# A real Slurm on this machine for the tests: munge, one slurmctld, several slurmd, each a "node" of eight GPUs.
# Root, and the packages slurmctld slurmd slurm-client munge of Debian or Ubuntu. usage: slurm.sh up DIR NODES | down DIR
set -euo pipefail
verb=$1; dir=$2
export SLURM_CONF=$dir/slurm.conf

# Ends a daemon, or all of them.
stop() {
  for file in "$dir"/run/${1:-*}.pid; do
    [ -s "$file" ] && kill "$(cat "$file")" 2>/dev/null || true
  done
}

# Writes slurm.conf for nodes of a host that listen at a port and at those behind it.
configure() {
  local nodes=$1 host=$2 port=$3
  cat > "$dir/slurm.conf" <<EOF
SlurmdParameters=config_overrides
ClusterName=diag
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/run/munge.socket
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool/%n
SlurmctldPidFile=$dir/run/slurmctld.pid
SlurmdPidFile=$dir/run/slurmd.%n.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd.%n.log
SlurmdDebug=verbose
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
GresTypes=gpu
ReturnToService=2
SlurmdTimeout=30
MpiDefault=none
AccountingStorageType=accounting_storage/none
SchedulerParameters=bf_interval=1,sched_min_interval=10000,nohold_on_prolog_fail
PrologEpilogTimeout=60
Prolog=$dir/prolog
Epilog=$dir/epilog
NodeName=node[1-$nodes] NodeHostname=$host NodeAddr=127.0.0.1 Port=[$((port + 1))-$((port + nodes))] CPUs=8 RealMemory=1000 Gres=gpu:8 State=UNKNOWN
PartitionName=batch Nodes=node[1-$nodes] Default=YES MaxTime=INFINITE State=UP
EOF
  if [ -e "$dir/health-check" ]; then
    printf 'HealthCheckProgram=%s\nHealthCheckInterval=3\nHealthCheckNodeState=ANY\n' "$dir/health-check" >> "$dir/slurm.conf"
  fi
  [ ! -e "$dir/epilog-slurmctld" ] || echo "EpilogSlurmctld=$dir/epilog-slurmctld" >> "$dir/slurm.conf"
}

# Seconds that the controller, and then all nodes, may take to answer.
readonly patience=60

# A port may be taken, and then the controller ends at once: another one is tried. Those of outgoing connections begin at 32768.
start_controller() {
  local until
  for _ in 1 2 3 4 5; do
    configure "$1" "$2" $((20000 + RANDOM % 12000))
    slurmctld
    until=$((SECONDS + patience))
    while [ "$SECONDS" -lt "$until" ] && ! grep -qs "fatal:" "$dir/log/slurmctld.log"; do
      timeout 5 scontrol ping 2>/dev/null | grep -q "is UP" && return 0
      sleep 0.1
    done
    tail -3 "$dir/log/slurmctld.log" >&2
    stop slurmctld
    rm -f "$dir/log/slurmctld.log" "$dir/run/slurmctld.pid"
  done
  echo "slurm.sh: no slurmctld stays up" >&2; exit 1
}

up() {
  local nodes=$1 host until
  host=$(hostname -s)
  mkdir -p "$dir"/{run,log,state,spool,dev,out}
  chmod 755 "$dir" "$dir/run"
  # A munged of our own, whatever the system has.
  mkdir -p "$dir/munge"; chmod 700 "$dir/munge"
  dd if=/dev/urandom of="$dir/munge/key" bs=64 count=1 status=none; chmod 600 "$dir/munge/key"
  munged --force --key-file="$dir/munge/key" --pid-file="$dir/run/munged.pid" --log-file="$dir/munge/log" \
    --seed-file="$dir/munge/seed" --socket="$dir/run/munge.socket"
  for gpu in 0 1 2 3 4 5 6 7; do [ -e "$dir/dev/nvidia$gpu" ] || mknod "$dir/dev/nvidia$gpu" c 1 3; done
  chmod 1777 "$dir/out"
  echo "NodeName=node[1-$nodes] Name=gpu File=$dir/dev/nvidia[0-7]" > "$dir/gres.conf"
  echo "CgroupPlugin=cgroup/v1" > "$dir/cgroup.conf"
  start_controller "$nodes" "$host"
  for nth in $(seq "$nodes"); do mkdir -p "$dir/spool/node$nth"; slurmd -N "node$nth"; done
  until=$((SECONDS + patience))
  while [ "$SECONDS" -lt "$until" ]; do
    [ "$(timeout 5 sinfo -h -N -t idle -o %N 2>/dev/null | sort -u | wc -l)" -ge "$nodes" ] && return 0
    sleep 0.1
  done
  sinfo >&2; tail -20 "$dir"/log/*.log >&2
  echo "slurm.sh: the nodes did not come up" >&2; exit 1
}

case $verb in
  up) up "$3" ;;
  down) stop ;;
  *) echo "usage: slurm.sh up DIR NODES | down DIR" >&2; exit 2 ;;
esac
