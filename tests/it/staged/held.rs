//! What listens at a port and is at work is never ended, whoever agrees to it: only what an ended job has left behind.

use super::*;

const WHERE: &str = "gpu-003";

/// Starts what listens at a port as a user, from a shell: what a job does, but for the work.
const LISTEN: &str = r#"
listen() {
  PATH=/usr/bin:/bin exec setpriv --reuid=65534 --regid=65534 --clear-groups python3 -c "
import signal, socket
signal.signal(signal.SIGTERM, signal.$2)
at = socket.create_server(('', $1))
signal.pause()"
}
"#;

/// A cluster on one of whose hosts a port is to be freed.
struct Port {
    hosts: Hosts,
    fix: String,
}

impl Port {
    fn up() -> Self {
        let library = diag::playbook::built_in().unwrap();
        let fix = library.get("port-conflict").unwrap().fix.iter().find(|fix| fix.id == "end-left-over").unwrap();
        Self { hosts: Hosts::up().unwrap(), fix: fix.script.as_ref().unwrap().text.clone() }
    }

    fn on_host(&self, text: &str) -> (bool, String) {
        let file = self.hosts.at("step.sh");
        fs::write(&file, text).unwrap();
        let done = self.hosts.on_host(WHERE, &file);
        (done.status.success(), said(&done))
    }

    fn end(&self, port: u16) -> (bool, String) {
        self.on_host(&format!("DIAG_NODE={WHERE}\nDIAG_PORT={port}\n{}", self.fix))
    }

    fn is_held(&self, port: u16) -> bool {
        !self.on_host(&format!("ss -Hltn 'sport = :{port}'")).1.is_empty()
    }

    fn begins(&self, port: u16) {
        crate::fixing::wait_for("what listens", || self.is_held(port));
    }

    fn stays(&self, port: u16, why: &str) {
        let (done, told) = self.end(port);
        assert!(!done && told.contains("nothing is ended") && told.contains(why), "{port}: {told}");
        assert!(self.is_held(port), "{port}: {told}");
    }

    fn ends(&self, port: u16, how: &str) {
        let (done, told) = self.end(port);
        assert!(done && told.contains(how) && told.contains("(python3) of nobody"), "{port}: {told}");
        assert!(!self.is_held(port), "{port}: {told}");
    }
}

#[test]
#[ignore = "needs root, ip, sshd and Slurm: ./test runs it"]
fn staged_who_listens_and_is_at_work_is_never_ended() {
    let port = Port::up();
    port.stays(22, "(sshd) of root");
    port.stays(6818, "belongs to a daemon");

    // One that a step has started, and one that has gone away from it, as servers do: both are of a job that runs.
    let job = port.hosts.at("job.sh");
    fs::write(&job, format!("{LISTEN}\nlisten $1 SIG_DFL")).unwrap();
    let job = job.display();
    let step = format!("(setsid sh {job} 29601 > /dev/null 2>&1 < /dev/null &); exec sh {job} 29600");
    let run = format!("srun -w {WHERE} -N1 -n1 sh -c '{step}' > /dev/null 2>&1 < /dev/null &");
    assert!(port.hosts.on_controller(20, &["sh", "-c", &run]).status.success());
    port.begins(29600);
    port.begins(29601);
    port.stays(29600, "belongs to a running step of Slurm");
    port.stays(29601, "belongs to ");
    let config = port.hosts.at("ssh/config").display().to_string();
    let login = format!("ssh -F {config} {WHERE} sh {job} 29604 > /dev/null 2>&1 < /dev/null &");
    assert!(port.hosts.on_controller(20, &["sh", "-c", &login]).status.success());
    port.begins(29604);
    port.stays(29604, "belongs to somebody's login");

    // That which has gone away stays behind when its job ends.
    let jobs = || said(&port.hosts.on_controller(20, &["squeue", "-h", "-o", "%A"]));
    assert!(port.hosts.on_controller(20, &["scancel", jobs().trim()]).status.success());
    crate::fixing::wait_for("the end of the job", || jobs().is_empty());
    port.ends(29601, "ended: ");

    // Left behind, whether it hears or not.
    for (at, how) in [(29602, "SIG_DFL"), (29603, "SIG_IGN")] {
        port.on_host(&format!("{LISTEN}\n(listen {at} {how}) > /dev/null 2>&1 < /dev/null &"));
        port.begins(at);
    }
    port.ends(29602, "ended: ");
    port.ends(29603, "ended, by SIGKILL: ");
    let (done, told) = port.end(29603);
    assert!(done && told.contains("nobody listens at port 29603 any more"), "{told}");
}
