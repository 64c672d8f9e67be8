#!/usr/bin/env bash
# A real control plane on this machine for the tests: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, and
# stand-ins for kubelets (kubelets.py), each a "node" of eight GPUs. Tried with 1.20.2.
# The binaries come from DIAG_K8S_BIN or PATH. usage: kubernetes.sh have | up DIR NODES |
# ask DIR METHOD PATH [BODY] | down DIR
set -euo pipefail
verb=$1 dir=${2:-}
here=$(cd "$(dirname "$0")" && pwd)
[ -z "${DIAG_K8S_BIN:-}" ] || PATH=$DIAG_K8S_BIN:$PATH

have() {
  local program
  for program in etcd kube-apiserver kube-controller-manager kube-scheduler openssl python3; do
    command -v "$program" >/dev/null || { echo "$program is missing" >&2; return 1; }
  done
}

alive() { [ -s "$dir/run/$1.pid" ] && kill -0 "$(cat "$dir/run/$1.pid")" 2>/dev/null; }

start() {
  local name=$1; shift
  setsid "$@" >"$dir/log/$name" 2>&1 </dev/null &
  echo $! >"$dir/run/$name.pid"
}

down() {
  local name
  for name in kubelets scheduler controllers apiserver etcd; do
    alive "$name" && kill "$(cat "$dir/run/$name.pid")" || true
  done
}

# A kubeconfig for each who may do what: `admin` everything, `viewer` read, `narrow` read pods (with logs) and events only, `runner`
# what the executor needs.
config() {
  cat >"$dir/$1.kubeconfig" <<EOF
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:$port", certificate-authority: "$dir/certs/ca.crt"}}]
users: [{name: $1, user: {token: $1-token}}]
contexts: [{name: test, context: {cluster: c, user: $1}}]
current-context: test
EOF
}

rights() {
  python3 - <<EOF
import json
def policy(**spec):
    print(json.dumps({"apiVersion": "abac.authorization.kubernetes.io/v1beta1", "kind": "Policy", "spec": spec}))
policy(group="system:masters", namespace="*", resource="*", apiGroup="*", nonResourcePath="*")
policy(group="system:authenticated", nonResourcePath="*", readonly=True)
policy(user="viewer", namespace="*", resource="*", apiGroup="*", readonly=True)
for who in ("narrow", "runner"):
    for what in ("pods", "events"):
        policy(user=who, namespace="*", resource=what, apiGroup="*", readonly=True)
policy(user="runner", namespace="*", resource="jobs", apiGroup="batch")
policy(user="runner", namespace="*", resource="pods", apiGroup="")
EOF
}

# An authority, and a certificate of it for the API server and the stand-ins.
certificates() {
  local at=$dir/certs
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout "$at/ca.key" -out "$at/ca.crt" 2>/dev/null
  openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout "$at/apiserver.key" -out "$at/apiserver.csr" 2>/dev/null
  openssl x509 -req -in "$at/apiserver.csr" -CA "$at/ca.crt" -CAkey "$at/ca.key" -CAcreateserial -days 2 \
    -extfile <(echo subjectAltName=DNS:localhost,IP:127.0.0.1) -out "$at/apiserver.crt" 2>/dev/null
}

serve() {
  start apiserver kube-apiserver --etcd-servers="http://127.0.0.1:$1" --bind-address=127.0.0.1 \
    --advertise-address=127.0.0.1 --endpoint-reconciler-type=none --secure-port="$port" \
    --tls-cert-file="$dir/certs/apiserver.crt" --tls-private-key-file="$dir/certs/apiserver.key" \
    --token-auth-file="$dir/certs/tokens.csv" --authorization-mode=ABAC,RBAC --authorization-policy-file="$dir/certs/rights.jsonl" --service-cluster-ip-range=10.96.0.0/16 \
    --service-account-issuer=https://diag.test --service-account-key-file="$dir/certs/sa.pub" \
    --service-account-signing-key-file="$dir/certs/sa.key" --disable-admission-plugins=ServiceAccount \
    --kubelet-preferred-address-types=InternalIP --allow-privileged=true
  for _ in $(seq 600); do
    [ "$(ask GET /readyz 2>/dev/null)" = ok ] && return
    alive apiserver || { tail -5 "$dir/log/apiserver" >&2; exit 1; }
    sleep 0.2
  done
}

# ask METHOD PATH [BODY]: asks the API server as its administrator; the body is JSON, or a manifest in YAML.
ask() {
  python3 - "$dir" "$@" <<'EOF'
import ssl, sys, urllib.error, urllib.request
folder, method, path, *body = sys.argv[1:]
server = open(f"{folder}/admin.kubeconfig").read().split('"')[1]
trust = ssl.create_default_context(cafile=f"{folder}/certs/ca.crt")
kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
if body and not body[0].startswith("{"):
    kind = "application/yaml"
head = {"Authorization": "Bearer admin-token", "Content-Type": kind}
ask = urllib.request.Request(server + path, body[0].encode() if body else None, head, method=method)
try:
    print(urllib.request.urlopen(ask, context=trust, timeout=20).read().decode())
except urllib.error.HTTPError as error:
    print(error.read().decode())
EOF
}

up() {
  local nodes=$1 client peer name
  mkdir -p "$dir"/{run,log,certs,etcd}; chmod 700 "$dir/etcd"
  read -r port client peer < <(python3 -c '
import socket
held = [socket.socket() for _ in range(3)]
[one.bind(("127.0.0.1", 0)) for one in held]
print(*(one.getsockname()[1] for one in held))')
  openssl genrsa -out "$dir/certs/sa.key" 2048 2>/dev/null
  openssl rsa -in "$dir/certs/sa.key" -pubout -out "$dir/certs/sa.pub" 2>/dev/null
  certificates
  printf '%s-token,%s,%s\n' viewer{,,} narrow{,,} runner{,,} >"$dir/certs/tokens.csv"
  echo 'admin-token,admin,admin,"system:masters"' >>"$dir/certs/tokens.csv"
  rights >"$dir/certs/rights.jsonl"
  for name in admin viewer narrow runner; do config "$name"; done
  start etcd etcd --data-dir "$dir/etcd" --unsafe-no-fsync --listen-client-urls "http://127.0.0.1:$client" \
    --advertise-client-urls "http://127.0.0.1:$client" --listen-peer-urls "http://127.0.0.1:$peer" \
    --initial-advertise-peer-urls "http://127.0.0.1:$peer" --initial-cluster "default=http://127.0.0.1:$peer"
  serve "$client"
  start controllers kube-controller-manager --kubeconfig="$dir/admin.kubeconfig" --bind-address=127.0.0.1 --port=0 --secure-port=0 \
    --service-account-private-key-file="$dir/certs/sa.key" --leader-elect=false --controllers=job,daemonset,garbagecollector,ttl-after-finished,nodelifecycle \
    --node-monitor-period=2s --node-monitor-grace-period=12s --feature-gates=TTLAfterFinished=true
  start scheduler kube-scheduler --kubeconfig="$dir/admin.kubeconfig" --bind-address=127.0.0.1 --port=0 --secure-port=0 --leader-elect=false
  start kubelets python3 "$here/kubelets.py" "$dir" "$port" "$nodes"
  for _ in $(seq 300); do
    grep -q ready "$dir/log/kubelets" && return
    alive kubelets || break
    sleep 0.2
  done
  tail -5 "$dir/log/kubelets" >&2
  exit 1
}

case $verb in have) have ;; up) have; up "$3" ;; ask) shift 2; ask "$@" ;; down) down ;; esac
