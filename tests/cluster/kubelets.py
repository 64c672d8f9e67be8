#!/usr/bin/env python3
"""Stand-ins for kubelets against a real API server: each registers a node of eight GPUs, runs what the containers of its
pods say as processes of this machine, keeps what they print, and serves that as the log. usage: kubelets.py DIR PORT NODES

An image decides what can't be had: `missing:*` is no image that can be pulled. A file DIR/dead.NODE makes a node silent."""
import json, os, re, signal, ssl, subprocess, sys, threading, time, urllib.error, urllib.request
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

# A container begins with no signal ignored, whatever started this program.
for ignored in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
    signal.signal(ignored, signal.SIG_DFL)

ROOT, PORT, COUNT = sys.argv[1], sys.argv[2], int(sys.argv[3])
URL = f"https://127.0.0.1:{PORT}"
TRUST = ssl.create_default_context(cafile=f"{ROOT}/certs/ca.crt")
PATCH = "application/strategic-merge-patch+json"
NODES = [f"gpu-{nth:03}" for nth in range(1, COUNT + 1)]
logs, open_logs, running, seen, lock = {}, set(), {}, set(), threading.Lock()


def api(method, path, body=None, kind="application/json"):
    data = None if body is None else json.dumps(body).encode()
    ask = urllib.request.Request(URL + path, data, {"Authorization": "Bearer admin-token", "Content-Type": kind}, method=method)
    try:
        with urllib.request.urlopen(ask, context=TRUST, timeout=15) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        said = error.read()[:300]
        if error.code not in (404, 409):
            print(method, path, error.code, said, file=sys.stderr, flush=True)
        return None
    except OSError as error:
        print(method, path, error, file=sys.stderr, flush=True)
        return None


def insist(*asked):
    """As a kubelet does with what it has to say of a pod: until the server takes it, or the object is gone."""
    for _ in range(20):
        if api(*asked) or api("GET", asked[1].removesuffix("/status")) is None:
            return
        time.sleep(0.3)


def now(fine=False):
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ" if fine else "%Y-%m-%dT%H:%M:%SZ")


def conditions():
    told = [("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
            ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            ("Ready", "True", "KubeletReady", "kubelet is posting ready status")]
    return [{"type": t, "status": s, "reason": r, "message": m, "lastHeartbeatTime": now(), "lastTransitionTime": BEGAN} for t, s, r, m in told]


BEGAN = now()


def lease(node):
    path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
    spec = {"renewTime": now(True), "holderIdentity": node, "leaseDurationSeconds": 40}
    api("PATCH", f"{path}/{node}", {"spec": spec}, PATCH) or api("POST", path, {"metadata": {"name": node}, "spec": spec})


def register(node, port):
    api("POST", "/api/v1/nodes", {"metadata": {"name": node, "labels": {"kubernetes.io/hostname": node, "nvidia.com/gpu.present": "true"}}})
    room = {"cpu": "96", "memory": "1900Gi", "pods": "110", "nvidia.com/gpu": "8"}
    api("PATCH", f"/api/v1/nodes/{node}/status", {"status": {
        "capacity": room, "allocatable": room, "conditions": conditions(),
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}, {"type": "Hostname", "address": node}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}}}}, PATCH)
    api("PATCH", f"/api/v1/nodes/{node}", {"spec": {"taints": None}}, PATCH)
    lease(node)


def warm():
    """Has the server read each kind once. 1.20 built by a newer Go may panic over kinds that it sees for the first time
    (modern-go/reflect2 before 1.0.2); what it has read once it reads again."""
    inner = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x", "env": [{"name": "a", "value": "b"}], "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}
    space = "/namespaces/default/"
    for path, body in [("/apis/batch/v1" + space + "jobs", {"spec": {"template": {"spec": inner}}}), ("/api/v1" + space + "pods", {"spec": inner}),
                       ("/apis/apps/v1" + space + "daemonsets", {"spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}}, "spec": {**inner, "restartPolicy": "Always"}}}}),
                       ("/api/v1/namespaces", {}), ("/api/v1" + space + "events", {"involvedObject": {"namespace": "default"}})]:
        if not any(api("POST", path + "?dryRun=All", {"metadata": {"name": "x", "labels": {"a": "b"}}, **body}) for _ in range(5)):
            sys.exit(f"the API server does not read {path}")


def pulse():
    while True:
        for node in NODES:
            if not os.path.exists(f"{ROOT}/dead.{node}"):
                lease(node)
                api("PATCH", f"/api/v1/nodes/{node}/status", {"status": {"conditions": conditions()}}, PATCH)
        time.sleep(3)


def event(pod, kind, reason, message):
    about = pod["metadata"]
    api("POST", f"/api/v1/namespaces/{about['namespace']}/events", {
        "metadata": {"name": f"{about['name']}.{time.time_ns():x}", "namespace": about["namespace"]},
        "involvedObject": {"apiVersion": "v1", "kind": "Pod", "name": about["name"], "namespace": about["namespace"], "uid": about["uid"]},
        "reason": reason, "message": message, "type": kind, "count": 1, "firstTimestamp": now(), "lastTimestamp": now(),
        "source": {"component": "kubelet", "host": pod["spec"]["nodeName"]}})


def status(pod, phase, state, last=None, restarts=0):
    about, one = pod["metadata"], pod["spec"]["containers"][0]
    container = {"name": one["name"], "image": one["image"], "imageID": "", "ready": "running" in state, "restartCount": restarts,
                 "state": state, "lastState": last or {}, "containerID": "containerd://" + about["uid"].replace("-", "")}
    insist("PATCH", f"/api/v1/namespaces/{about['namespace']}/pods/{about['name']}/status",
           {"status": {"phase": phase, "startTime": now(), "containerStatuses": [container]}}, PATCH)


def expand(text, env):
    """As Kubernetes does: `$(NAME)` of a variable that there is, and `$$`."""
    return re.sub(r"\$(?:\$|\(([^)]*)\))", lambda m: "$" if m[0] == "$$" else env.get(m[1], m[0]), text)


def folder(uid, name):
    return f"{ROOT}/volumes/{uid}/{name}"


def mounted(uid, container, text):
    """A path into a volume as the path of this machine: these containers have no file system of their own."""
    for mount in container.get("volumeMounts", []):
        if text.startswith(mount["mountPath"] + "/"):
            return folder(uid, mount["name"]) + text[len(mount["mountPath"]):]
    return text


def hand_on(pod):
    """Annotations that a volume hands on as files, and folders of the host that are made where they lack."""
    for volume in pod["spec"].get("volumes", []):
        if volume.get("hostPath", {}).get("type") == "DirectoryOrCreate":
            os.makedirs(folder(pod["metadata"]["uid"], volume["name"]), exist_ok=True)
        for item in volume.get("downwardAPI", {}).get("items", []):
            name = re.search(r"annotations\['(.*)'\]", item["fieldRef"]["fieldPath"])[1]
            at = folder(pod["metadata"]["uid"], volume["name"])
            os.makedirs(at, exist_ok=True)
            with open(f"{at}/.new", "w") as file:
                file.write(pod["metadata"].get("annotations", {}).get(name, ""))
            os.rename(f"{at}/.new", f"{at}/{item['path']}")


def keep(key, pipe):
    for line in pipe:
        stamp = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"
        with lock:
            logs.setdefault(key, []).append((stamp, line))


def end(code, began):
    over = {"startedAt": began, "finishedAt": now(), "exitCode": 128 - code if code < 0 else code,
            "reason": "Completed" if code == 0 else "Error"}
    return {"terminated": over}


def run(pod):
    about, spec = pod["metadata"], pod["spec"]
    one, key = spec["containers"][0], (about["namespace"], about["name"], spec["containers"][0]["name"])
    if one["image"].startswith("missing:"):
        why = f'Back-off pulling image "{one["image"]}"'
        status(pod, "Pending", {"waiting": {"reason": "ImagePullBackOff", "message": why}})
        return event(pod, "Warning", "Failed", f'Failed to pull image "{one["image"]}": not found')
    env = {"PATH": os.environ["PATH"], "HOME": "/"}
    for told in one.get("env", []):
        env[told["name"]] = mounted(about["uid"], one, expand(told.get("value", ""), env))
    argv = [mounted(about["uid"], one, expand(word, env)) for word in one.get("command", []) + one.get("args", [])]
    for attempt in range(100):
        began = now()
        try:
            child = subprocess.Popen(argv, env=env, cwd="/", stdin=subprocess.DEVNULL,
                                     stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        except OSError as error:
            return status(pod, "Failed", {"terminated": {"exitCode": 128, "reason": "StartError", "startedAt": began, "finishedAt": now(),
                                          "message": f"failed to create containerd task: exec: {error.strerror}"}})
        with lock:
            running[about["uid"]] = child
            logs.setdefault((*key, "previous"), [])
            open_logs.add(key)
        status(pod, "Running", {"running": {"startedAt": began}}, restarts=attempt)
        keep(key, child.stdout)
        with lock:
            open_logs.discard(key)
        code = child.wait()
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except OSError:
            pass
        over = end(code, began)
        if spec.get("restartPolicy") == "Never" or code == 0:
            return status(pod, "Succeeded" if code == 0 else "Failed", over)
        with lock:
            logs[(*key, "previous")] = logs.pop(key, [])
        why = f"back-off 10s restarting failed container={one['name']} pod={about['name']}_{about['namespace']}({about['uid']})"
        status(pod, "Running", {"waiting": {"reason": "CrashLoopBackOff", "message": why}}, over, attempt + 1)
        event(pod, "Warning", "BackOff", "Back-off restarting failed container")
        time.sleep(10)


class Logs(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        asked = urlparse(self.path)
        query = {name: values[-1] for name, values in parse_qs(asked.query).items()}
        pod = tuple(asked.path.split("/")[2:5])
        key = pod + (("previous",) if query.get("previous") == "true" else ())
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        sent, left = 0, int(query.get("limitBytes", 1 << 40))
        with lock:
            if "tailLines" in query:
                sent = max(0, len(logs.get(key, [])) - int(query["tailLines"]))
        while True:
            with lock:
                over = query.get("follow") != "true" or pod not in open_logs
                lines = logs.get(key, [])[sent:]
            sent += len(lines)
            text = b"".join((stamp.encode() + b" " if query.get("timestamps") == "true" else b"") + line for stamp, line in lines)[:left]
            left -= len(text)
            if text:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))
            if over or left <= 0:
                break
            time.sleep(0.05)
        self.wfile.write(b"0\r\n\r\n")


def gone(pod):
    """A pod that is being deleted: its process ends, then the object goes."""
    about = pod["metadata"]
    child = running.get(about["uid"])
    if child and child.poll() is None:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(about.get("deletionGracePeriodSeconds") or 0)
        except subprocess.TimeoutExpired:
            pass
        time.sleep(0.5)
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except OSError:
            pass
    api("DELETE", f"/api/v1/namespaces/{about['namespace']}/pods/{about['name']}", {"gracePeriodSeconds": 0})


def overdue(pod):
    limit, began = pod["spec"].get("activeDeadlineSeconds"), pod["status"].get("startTime")
    if limit and began and pod["status"].get("phase") == "Running":
        age = time.time() - datetime.strptime(began, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp()
        return age > limit + 1
    return False


server = ThreadingHTTPServer(("127.0.0.1", 0), Logs)
secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
secure.load_cert_chain(f"{ROOT}/certs/apiserver.crt", f"{ROOT}/certs/apiserver.key")
# Hands are shaken by the thread of each connection: one that is slow to must not hold the others.
server.socket = secure.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
threading.Thread(target=server.serve_forever, daemon=True).start()
warm()
for node in NODES:
    register(node, server.server_port)
threading.Thread(target=pulse, daemon=True).start()
print("ready", flush=True)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
ending = set()
try:
    while True:
        for pod in (api("GET", "/api/v1/pods") or {"items": []})["items"]:
            uid, node = pod["metadata"]["uid"], pod["spec"].get("nodeName")
            if not node or os.path.exists(f"{ROOT}/dead.{node}"):
                continue
            if pod["metadata"].get("deletionTimestamp"):
                if uid not in ending:
                    ending.add(uid)
                    threading.Thread(target=gone, args=(pod,), daemon=True).start()
            elif uid not in seen:
                seen.add(uid)
                hand_on(pod)
                threading.Thread(target=run, args=(pod,), daemon=True).start()
            else:
                hand_on(pod)
            if overdue(pod) and uid in running and running[uid].poll() is None:
                os.killpg(running[uid].pid, signal.SIGKILL)
        time.sleep(0.3)
finally:
    for child in running.values():
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
