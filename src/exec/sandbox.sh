# The inside of the sandbox: a /proc and a /tmp of its own, all else read-only unless $1 is "open": then /tmp is that of the
# machine too, where tickets of Kerberos, sockets and kubeconfigs of those who ask a controller may lie. $2: the network.
# What can't be closed is said on standard error; only what makes it no sandbox at all ends it.
mount --make-rprivate / || exit 1
mount -t proc -o nosuid,nodev,noexec proc /proc || exit 1
[ "$1" = open ] || mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs /tmp || exit 1
[ "$2" = open ] || ip link set lo up 2>/dev/null
if [ "$1" != open ]; then
  mounts=$(cat /proc/self/mountinfo) || exit 1
  left=$(printf '%s\n' "$mounts" | while read -r _ _ _ _ at options _; do
    at=$(printf '%b' "$at")
    case $at in /proc | /tmp | /dev/shm | /dev/pts | /dev/mqueue) continue ;; esac
    case ,$options, in *,ro,*) continue ;; esac
    mount -o "remount,bind,ro${options#rw}" "$at" >/dev/null 2>&1 || printf ' %s' "$at"
  done)
  [ -z "$left" ] || printf 'these stay writable:%s\n' "$left" >&2
fi
