#!/usr/bin/env bash
# A small cluster on this machine for the tests: every host has a network, process tree, host name, /dev/shm and scratch disk
# (/mnt, 64 MB) of its own, a real sshd and a real slurmd; the controller ("ctl", 10.77.0.1) has slurmctld and reaches them by an Ethernet
# bridge that leads nowhere else (eth0). A second one (eth1, 10.78.0.11 …, names gpu-001-data …) joins the hosts alone, as the
# network that jobs use. Nothing of it is named outside of DIR, so that several may stand beside each other.
# Root, and the packages openssh-server slurmctld slurmd slurm-client munge iproute2 (for management controllers: openipmi) of
# Debian or Ubuntu.
#
#   hosts.sh up DIR HOSTS                  gpu-001 … at 10.77.0.11 …; returns when all are idle
#   hosts.sh enter DIR HOST|ctl CMD        runs something there; the controller shares the file system, not the network
#   hosts.sh fault DIR HOST FAULT [VALUE]  breaks one host: see `fault` below; FAULT/eth1 is about that interface
#   hosts.sh mend DIR HOST FAULT           what somebody with hands does about it: see `mend` below
#   hosts.sh power DIR HOST [on|off]       turns a host on or off; without a word, says whether it is on (1) or off (0)
#   hosts.sh bmc DIR HOST USER PASSWORD    a management controller for it, HOST-bmc, that ipmitool reaches from the controller
#   hosts.sh print DIR HOST                all of a host that somebody could have changed, and who logged in there: one line each
#   hosts.sh down DIR
set -euo pipefail
verb=${1:-}; dir=${2:-} script=$(readlink -f "$0")
usage() { sed -n 's/^#   /usage: /p' "$0" >&2; exit 2; }
[ -n "$dir" ] || usage
case $dir in /*) ;; *) dir=$PWD/$dir ;; esac
export SLURM_CONF=$dir/slurm.conf PATH=$dir/bin:$PATH

host() { printf 'gpu-%03d' "$1"; }
address() { echo "10.77.0.$((10 + $1))"; }
pid() { cat "$dir/hosts/$1/pid"; }
# The network of a host, seen from here.
net() { local which=$1; shift; nsenter --target "$(pid "$which")" --net -- "$@"; }
enter() {
  local which=$1; shift
  local spaces=(--net --uts --mount); [ "$which" = ctl ] || spaces+=(--pid --ipc)
  exec nsenter --target "$(pid "$which")" "${spaces[@]}" --wdns="$PWD" -- "$@"
}

keys() {
  mkdir -p "$dir/ssh"; chmod 755 "$dir/ssh"
  local n
  ssh-keygen -q -t ed25519 -N '' -C client -f "$dir/ssh/id_ed25519"
  cp "$dir/ssh/id_ed25519.pub" "$dir/ssh/authorized_keys"
  for n in $(seq "$1"); do
    ssh-keygen -q -t ed25519 -N '' -C "$(host "$n")" -f "$dir/ssh/host.$(host "$n")"
    echo "$(host "$n"),$(address "$n") $(cut -d' ' -f1,2 "$dir/ssh/host.$(host "$n").pub")" >> "$dir/ssh/known_hosts"
    echo "$(address "$n") $(host "$n")" >> "$dir/etc.hosts"
    echo "10.78.0.$((10 + n)) $(host "$n")-data" >> "$dir/etc.hosts"
    echo "10.79.0.$((10 + n)) $(host "$n")-bmc" >> "$dir/etc.hosts"
  done
  cat > "$dir/ssh/config" <<CONFIG
Host gpu-* 10.77.0.*
  User root
  IdentityFile $dir/ssh/id_ed25519
  IdentitiesOnly yes
  UserKnownHostsFile $dir/ssh/known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  KexAlgorithms curve25519-sha256
CONFIG
  chmod 600 "$dir/ssh/config"
}

# The process that is a host: its namespaces live as long as it does.
init() {
  cat > "$dir/init" <<'INIT'
#!/usr/bin/env bash
name=$1 dir=$2; own=$dir/hosts/$name
hostname "$name"
mount --bind "$dir/etc.hosts" /etc/hosts
mount -t sysfs none /sys 2>/dev/null
# A login shell's start-up files belong to the machine that plays host, not to the host.
for file in /root/.bashrc /root/.profile /root/.bash_profile; do [ -e "$file" ] && mount --bind "$dir/empty" "$file"; done
# What is in /run elsewhere does not outlive a boot; what is on the disk does.
rm -rf "$own"/{run,munge}; mkdir -p "$own"/{log,run,munge}
mount --bind "$own/munge" /run/munge
mount -t tmpfs -o size=64m,mode=1777 none /mnt
mount -t tmpfs -o size=2g,mode=1777 none /dev/shm
mkdir -p /run/sshd
trap 'exit 0' TERM
until ip -brief address show eth0 2>/dev/null | grep -q 10.77; do sleep 0.02; done
"$dir/daemons" "$name" "$dir"
# As systemd does, a daemon is started by the first process, and not by whoever asks: it outlives them.
mkfifo "$own/run/requests"
exec 9<> "$own/run/requests"
while read -r unit <&9; do "$dir/daemons" "$name" "$dir" "$unit" 9<&- < /dev/null; done
INIT
  # Also how a host's daemons are started again: what `systemctl start` is elsewhere.
  cat > "$dir/daemons" <<'DAEMONS'
#!/usr/bin/env bash
# usage: daemons HOST DIR [munge|sshd|slurmd]
name=$1 dir=$2 which=${3:-all}; own=$dir/hosts/$name
export SLURM_CONF=$dir/slurm.conf
wanted() {
  case $which in all | "$1") ! kill -0 "$(cat "$own/run/$1.pid" 2>/dev/null)" 2>/dev/null ;; *) false ;; esac
}
if wanted munge; then
  munged --force --key-file="$dir/munge/key" --pid-file="$own/run/munge.pid" --log-file="$own/log/munged.log" \
    --seed-file="$own/run/munge.seed" --socket=/run/munge/munge.socket.2
fi
if wanted sshd; then
  /usr/sbin/sshd -f "$dir/ssh/sshd_config" -h "$dir/ssh/host.$name" -o "PidFile=$own/run/sshd.pid" -E "$own/log/sshd.log"
fi
if wanted slurmd; then
  # Its kernel runs longer than the host: after a boot it has to say so.
  boot=(); [ "$which" = all ] && boot=(-b)
  slurmd "${boot[@]}" -N "$name"
fi
DAEMONS
  # Hosts have no systemd; what asks it to start a daemon again reaches this.
  mkdir -p "$dir/bin"
  cat > "$dir/bin/systemctl" <<SYSTEMCTL
#!/usr/bin/env bash
verb=\$1 unit=\${2%.service}; [ "\$unit" = ssh ] && unit=sshd
run="$dir/hosts/\$(hostname)/run"
file=\$run/\$unit.pid
pid=\$(cat "\$file" 2>/dev/null)
start() {
  echo "\$unit" > "\$run/requests"
  for _ in \$(seq 200); do kill -0 "\$(cat "\$file" 2>/dev/null)" 2>/dev/null && exit 0; sleep 0.1; done
  exit 1
}
case \$verb in
  is-active) kill -0 "\$pid" 2>/dev/null ;;
  # On a busy machine one that was killed is seen for a while.
  restart) kill -9 "\$pid" 2>/dev/null; rm -f "\$file"; sleep 0.3; start ;;
  start) start ;;
  *) exit 1 ;;
esac
SYSTEMCTL
  chmod 755 "$dir/init" "$dir/daemons" "$dir/bin/systemctl"; : > "$dir/empty"
  cat > "$dir/ssh/sshd_config" <<CONFIG
Port 22
AuthorizedKeysFile $dir/ssh/authorized_keys
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
UsePAM no
StrictModes no
UseDNS no
PrintMotd no
MaxStartups 1000:30:2000
MaxSessions 1000
LogLevel VERBOSE
SetEnv SLURM_CONF=$dir/slurm.conf PATH=$dir/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
CONFIG
}

slurm() {
  local all="gpu-[001-$(printf %03d "$1")]"
  mkdir -p "$dir"/{state,log,jobs,munge} "$dir/hosts/ctl"/{log,run,munge}; chmod 700 "$dir/munge"
  dd if=/dev/urandom of="$dir/munge/key" bs=64 count=1 status=none; chmod 600 "$dir/munge/key"
  cat > "$dir/slurm.conf" <<CONFIG
SlurmdParameters=config_overrides
ClusterName=diag
SlurmctldHost=ctl(10.77.0.1)
SlurmUser=root
AuthType=auth/munge
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/hosts/%n/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/hosts/%n/run/slurmd.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/hosts/%n/log/slurmd.log
SlurmdDebug=verbose
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=${RETURN_TO_SERVICE:-2}
SlurmdTimeout=${SLURMD_TIMEOUT:-15}
SlurmctldTimeout=30
MessageTimeout=5
TCPTimeout=2
KillWait=2
MpiDefault=none
PropagateResourceLimits=NONE
AccountingStorageType=accounting_storage/none
SchedulerParameters=bf_interval=1,batch_sched_delay=0
NodeName=$all CPUs=16 RealMemory=64000 State=UNKNOWN
PartitionName=batch Nodes=$all Default=YES MaxTime=INFINITE State=UP
CONFIG
  echo CgroupPlugin=cgroup/v1 > "$dir/cgroup.conf"
}

# A shell in namespaces of its own that only waits; prints nothing, writes its PID.
born() {
  local which=$1; shift
  mkdir -p "$dir/hosts/$which"
  setsid unshare --net --uts --mount --fork --kill-child --propagation private "$@" > "$dir/hosts/$which/out" 2>&1 < /dev/null &
  local parent=$! child=
  for _ in $(seq 500); do child=$(cat "/proc/$parent/task/$parent/children" 2>/dev/null || true); [ -n "$child" ] && break; sleep 0.01; done
  echo "${child%% *}" > "$dir/hosts/$which/pid"
}

# Turns a host on or off, as its power does: nothing of it is asked. Cables stay as they are.
power() {
  local which=$1 nth=$((10#${1#gpu-}))
  case ${2:-} in
    off) kill -9 "$(pid "$which")" 2>/dev/null || true ;;
    on)
      [ "$(power "$which")" = 0 ] || return 0
      born "$which" --pid --ipc --mount-proc "$dir/init" "$which" "$dir"
      plug v eth0 "$nth"; plug w eth1 "$nth"
      net "$which" ip address add "10.78.0.$((10 + nth))/24" dev eth1
      net "$which" ip link set eth1 up
      net "$which" ip link set lo up
      # Whatever the machine is set to: some ways of keeping to a rate do not mind a loss.
      net "$which" sh -c 'echo reno > /proc/sys/net/ipv4/tcp_congestion_control'
      net "$which" ip link set eth0 up
      net "$which" ip address add "$(address "$nth")/24" dev eth0
      ;;
    '') if [ -s "$dir/hosts/$which/pid" ] && kill -0 "$(pid "$which")" 2>/dev/null; then echo 1; else echo 0; fi ;;
    *) usage ;;
  esac
}

# Joins an interface of a host with the port of its bridge; of a host that was on before, what is left of that goes.
plug() {
  local port=$1$3 interface=$2
  net ctl ip link del "$port" 2>/dev/null || true
  net ctl ip link add "$port" type veth peer name "$interface" netns "$(pid "$(host "$3")")"
  net ctl ip link set "$port" master "br${interface#eth}"
  # Equal links, as a cluster has them: without a rate they carry whatever the machine has left at that moment.
  net ctl tc qdisc add dev "$port" root tbf rate 400mbit burst 128k latency 50ms
  [ -e "$dir/cut.$port" ] || net ctl ip link set "$port" up
}

# A management controller: what it is asked about power it does by this script.
bmc() {
  local which=$1 user=$2 password=$3 own=$dir/bmc.$1 address=10.79.0.$((10 + 10#${1#gpu-}))
  mkdir -p "$own"
  net ctl ip link set lo up
  net ctl ip address add "$address/32" dev lo
  cat > "$own/chassis" <<CHASSIS
#!/usr/bin/env bash
# As ipmi_sim calls it.
case "\$*" in
  'get power') echo "power:\$("$script" power "$dir" "$which")" ;;
  'set power 0') "$script" power "$dir" "$which" off ;;
  # To boot takes its time, for which it is not waited.
  'set power 1') setsid "$script" power "$dir" "$which" on > "$own/boot" 2>&1 < /dev/null & ;;
  *) echo "no such thing: \$*"; exit 1 ;;
esac
CHASSIS
  chmod 755 "$own/chassis"
  cat > "$own/lan.conf" <<CONFIG
name "$which"
set_working_mc 0x20
  startlan 1
    addr $address 623
    priv_limit admin
    allowed_auths_operator md5
    allowed_auths_admin md5
    guid a123456789abcdefa123456789abcdef
  endlan
  chassis_control "$own/chassis"
  user 2 true "$user" "$password" admin 10 md5
CONFIG
  printf 'mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02\nmc_enable 0x20\n' > "$own/emu"
  setsid nsenter --target "$(pid ctl)" --net -- ipmi_sim -n -c "$own/lan.conf" -f "$own/emu" -s "$own" > "$own/out" 2>&1 < /dev/null &
  echo $! > "$own/pid"
}

up() {
  local hosts=$1 n
  mkdir -p "$dir"; chmod 755 "$dir"
  printf '127.0.0.1 localhost\n10.77.0.1 ctl\n' > "$dir/etc.hosts"
  mkdir -p /run/munge; keys "$hosts"; init; slurm "$hosts"
  born ctl sh -c "hostname ctl; mount --bind '$dir/etc.hosts' /etc/hosts; mount -t sysfs none /sys; mount --bind '$dir/hosts/ctl/munge' /run/munge; exec sleep infinity"
  net ctl ip link set lo up
  net ctl ip link add br0 type bridge; net ctl ip address add 10.77.0.1/24 dev br0; net ctl ip link set br0 up
  net ctl ip link add br1 type bridge; net ctl ip link set br1 up
  for n in $(seq "$hosts"); do power "$(host "$n")" on; done
  (enter ctl "$dir/daemons" ctl "$dir" munge); (enter ctl slurmctld)
  for _ in $(seq 600); do
    [ "$( (enter ctl sinfo -h -N -t idle -o %N) 2>/dev/null | sort -u | wc -l)" -ge "$hosts" ] && return 0
    sleep 0.1
  done
  (enter ctl sinfo) >&2 || true; tail -20 "$dir"/log/*.log "$dir"/hosts/*/out >&2
  echo "hosts.sh: the hosts did not come up" >&2; exit 1
}

down() {
  local file daemon
  for file in "$dir"/hosts/*/pid "$dir"/relay.*.pid "$dir"/bmc.*/pid; do [ -s "$file" ] && kill -9 "$(cat "$file")" 2>/dev/null || true; done
  for file in "$dir/slurmctld.pid" "$dir/hosts/ctl/run/munge.pid"; do
    [ -s "$file" ] || continue
    daemon=$(cat "$file"); kill "$daemon" 2>/dev/null || true
    # It writes its state on its way out: the folder may be removed when it is gone.
    for _ in $(seq 100); do kill -0 "$daemon" 2>/dev/null || break; sleep 0.05; done
  done
}

# What can go wrong with one host; each is the real thing, as far as the kernel of this machine can do it.
fault() {
  local which=$1 what=$2 arg=${3:-} nth=$((10#${1#gpu-})) interface=eth0 port=v
  case $what in */eth1) interface=eth1 port=w; what=${what%/eth1} ;; esac
  case $what in
    slow-link) net "$which" tc qdisc replace dev $interface root tbf rate "${arg:-40mbit}" burst 32k latency 50ms ;;
    link-down) net ctl ip link set "$port$nth" down; : > "$dir/cut.$port$nth" ;;
    interface-down) net "$which" ip link set $interface down ;;
    mtu) net "$which" ip link set $interface mtu "${arg:-1400}" ;;
    jumbo) net "$which" ip link set $interface mtu "${arg:-9000}" ;;
    lossy) relay "$port$nth" "br${interface#eth}" --loss "${arg:-0.15}" --delay 0 ;;
    far) relay "$port$nth" "br${interface#eth}" --loss 0 --delay "${arg:-0.1}" ;;
    sshd-stopped) kill "$(outside "$which" sshd)" ;;
    munge-dead) kill -9 "$(outside "$which" munge)" ;;
    slurmd-killed) kill -9 "$(outside "$which" slurmd)" ;;
    slurmd-hangs) kill -STOP "$(outside "$which" slurmd)" ;;
    disk-full) (enter "$which" sh -c 'dd if=/dev/zero of=/mnt/left-over bs=1M status=none 2>/dev/null || true') ;;
    read-only) (enter "$which" mount -o remount,ro /mnt) ;;
    small-shm) (enter "$which" mount -o "remount,size=${arg:-1m}" /dev/shm) ;;
    full-shm) (enter "$which" sh -c "umask 0; truncate -s 2147483648 /dev/shm/torch_4242_left; fallocate -l 2040m /dev/shm/torch_4242_left" || true) ;;
    port-held) held "$which" ;;
    memlock) prlimit --pid "$(outside "$which" slurmd)" --memlock="${arg:-65536}" ;;
    host-key) ssh-keygen -q -t ed25519 -N '' -C other -f "$dir/ssh/other.$which" <<< y > /dev/null
      kill "$(outside "$which" sshd)"; cp "$dir/ssh/other.$which" "$dir/ssh/host.$which"
      (enter "$which" "$dir/daemons" "$which" "$dir" sshd) ;;
    impostor) impostor "$which" "$(address "$nth")" ;;
    mute) kill -STOP "$(outside "$which" sshd)" ;;
    dead) power "$which" off ;;
    *) echo "hosts.sh: no such fault: $what" >&2; exit 2 ;;
  esac
}

# A job of nobody's that ends well, and leaves a process behind that listens where the next one will.
held() {
  local which=$1
  (enter ctl env -u SLURM_JOB_ID srun --nodelist="$which" --nodes=1 --ntasks=1 --immediate=20 sh -c '
    PATH=/usr/bin:/bin setsid setpriv --reuid=65534 --regid=65534 --clear-groups \
      python3 -c "import signal, socket; store = socket.create_server((\"\", 29500)); signal.pause()" > /dev/null 2>&1 < /dev/null &
    until ss -Hltn "sport = :29500" | grep -q .; do sleep 0.1; done')
  sleep 1
  (enter "$which" ss -Hltn "sport = :29500") | grep -q . || { echo "hosts.sh: nothing is left over" >&2; exit 1; }
}

# What somebody with hands does about a fault.
mend() {
  local which=$1 what=$2 nth=$((10#${1#gpu-})) port=v
  case $what in */eth1) port=w; what=${what%/eth1} ;; esac
  case $what in
    link-down) rm -f "$dir/cut.$port$nth"; net ctl ip link set "$port$nth" up ;;
    *) echo "hosts.sh: nobody mends: $what" >&2; exit 2 ;;
  esac
}

# Puts a path that loses or delays between a host's port and its bridge.
relay() {
  local port=$1 bridge=$2; shift 2
  net ctl ip link add "${port}a" type veth peer name "${port}b"
  net ctl ip link set "$port" nomaster; net ctl ip link set "${port}a" master "$bridge" up; net ctl ip link set "${port}b" up
  (enter ctl setsid "$(dirname "$script")/relay.py" "$port" "${port}b" "$@" > "$dir/log/relay.$port" 2>&1 < /dev/null &
    echo $! > "$dir/relay.$port.pid")
}

# Somebody in the path takes what goes from the controller to a host's port of ssh, and answers it with a key of their own.
impostor() {
  local which=$1 address=$2
  ssh-keygen -q -t ed25519 -N '' -C impostor -f "$dir/ssh/impostor"
  born impostor --pid --mount-proc sleep infinity
  net ctl ip link add path0 type veth peer name path1 netns "$(pid impostor)"
  net ctl ip address add 10.79.0.1/30 dev path0; net ctl ip link set path0 up
  net impostor ip link set lo up; net impostor ip address add "$address/32" dev lo
  net impostor ip address add 10.79.0.2/30 dev path1; net impostor ip link set path1 up
  net impostor ip route add default via 10.79.0.1
  net ctl ip route add "$address" via 10.79.0.2 table 77
  net ctl ip rule add to "$address" ipproto tcp dport 22 table 77
  (enter impostor /usr/sbin/sshd -f "$dir/ssh/sshd_config" -h "$dir/ssh/impostor" -o PidFile=none -E "$dir/log/impostor")
}

# All of a host that somebody could have changed: mounts, addresses, links, rules, routes, files of its own, daemons, limits, logins.
print() {
  local which=$1
  (enter "$which" sh -c '
    cat /proc/mounts; ip -oneline address; ip -oneline link; ip route
    for at in eth0 eth1; do tc qdisc show dev $at | sed "s/^qdisc \([a-z_]*\) .*/\1/"; done
    ls -ln --time-style=full-iso /mnt /dev/shm
    for process in /proc/[0-9]*; do
      case $(cat $process/comm 2>/dev/null) in
        init | munged | sshd | slurmd) echo "$(basename $process) $(cat $process/comm)"; grep -s "Max locked" $process/limits ;;
      esac
    done
  ')
  grep -c 'Accepted publickey' "$dir/hosts/$which/log/sshd.log" || true
}

# The PID of a host's daemon as it is known outside of the host.
outside() {
  local which=$1 inside; inside=$(cat "$dir/hosts/$which/run/$2.pid")
  local status
  for status in /proc/[0-9]*/status; do
    if [ "$(readlink "${status%/status}/ns/pid")" = "$(readlink "/proc/$(pid "$which")/ns/pid")" ] &&
      awk -v want="$inside" '$1 == "NSpid:" { found = ($NF == want) } END { exit !found }' "$status" 2>/dev/null; then
      basename "${status%/status}"; return
    fi
  done
  echo "hosts.sh: $2 does not run on $which" >&2; exit 1
}

case $verb in
  up) up "${3:-8}" ;;
  enter) shift 2; enter "$@" ;;
  fault) shift 2; fault "$@" ;;
  mend) shift 2; mend "$@" ;;
  power) shift 2; power "$@" ;;
  bmc) shift 2; bmc "$@" ;;
  print) print "$3" ;;
  down) down ;;
  *) usage ;;
esac
