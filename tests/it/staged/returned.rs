//! A node that a case took out of service, and somebody with hands: given back where its test passes again, and left where it does
//! not, or where somebody else keeps it off by now.

use super::*;

const WHERE: &str = "gpu-005";
const WHAT: &str = "link-down/eth1";

/// A case that ended with its node kept off, and what it is gone on with.
struct Off<'a> {
    scene: &'a Scene<'a>,
    case: &'static str,
}

impl Scene<'_> {
    fn off(&self, case: &'static str) -> Off<'_> {
        let (text, _) = self.fix(case, &["--approve", "reversible"]);
        let next = format!("next: diag resume {}", self.hosts.at(case).display());
        assert!(text.contains("CONTAINED: no new job comes to gpu-005") && text.contains(&next), "{text}");
        Off { scene: self, case }
    }

    /// The state of the node and why it is kept off, as Slurm says it.
    fn slurm_says(&self) -> String {
        said(&self.hosts.on_controller(20, &["sinfo", "-h", "-N", "-n", WHERE, "-o", "%T %E"])).trim().to_owned()
    }
}

impl Off<'_> {
    fn resume(&self, more: &[&str]) -> String {
        let at = |name: &str| self.scene.hosts.at(name).display().to_string();
        let (case, state) = (at(self.case), at("state"));
        let words = ["resume", &case, "--state", &state, "--quiet"];
        let text = said(&self.scene.hosts.diag(&[&words[..], more].concat()));
        let replay = self.scene.hosts.diag(&["replay", &case]);
        assert!(replay.status.success(), "{}", said(&replay));
        text
    }

    fn stays(&self, reason: &str, why: &str) {
        let text = self.resume(&["--approve", "reversible"]);
        let says = self.scene.slurm_says();
        assert!(text.contains("CONTAINED") && text.contains(why), "{text}");
        assert_eq!(says, format!("drained {reason}"), "{text}");
    }
}

#[test]
#[ignore = "needs root, ip, tc, sshd and Slurm: ./test runs it"]
fn staged_a_node_is_given_back_once_it_is_mended_and_no_drain_of_others_is_lifted() {
    let fault = FAULTS.iter().find(|fault| fault.what == WHAT && fault.host == WHERE).unwrap();
    let mut scene = Scene { fault, hosts: Hosts::up().unwrap(), inputs: Vec::new() };
    scene.hosts.fault(WHERE, WHAT).unwrap();
    scene.gather().unwrap();
    let before = scene.prints().unwrap();

    let off = scene.off("case");
    off.stays("diag:net-link-down", "link fails: gpu-005: carrier is 0, expected 1");
    scene.hosts.mend(WHERE, WHAT).unwrap();
    let text = off.resume(&[]);
    assert!(text.contains("NEEDS A YES: return-drain-node") && scene.slurm_says().starts_with("drained"), "{text}");
    let text = off.resume(&["--approve", "reversible"]);
    assert!(text.contains("RETURNED: new jobs come to gpu-005 again: link failed before, and passes now"), "{text}");
    // On a machine that builds, slurmd may be slow to answer: `idle*` until then.
    crate::fixing::wait_for("slurmd's answer", || scene.slurm_says() == "idle none");
    let (job, well) = scene.hosts.job("2", true);
    assert!(well, "{job}");

    // The same again; and a person has other plans with the node meanwhile.
    scene.hosts.fault(WHERE, WHAT).unwrap();
    let off = scene.off("again");
    let reason = |text: &str| {
        let words = ["scontrol", "update", "NodeName=gpu-005", &format!("Reason={text}")];
        assert!(scene.hosts.on_controller(20, &words).status.success());
    };
    reason("new cables on Monday");
    scene.hosts.mend(WHERE, WHAT).unwrap();
    off.stays("new cables on Monday", "but for: new cables on Monday");
    // Slurm keeps the time of a reason in whole seconds: by that it is told from the one that diag gave.
    std::thread::sleep(Duration::from_millis(1100));
    reason("diag:net-link-down");
    off.stays("diag:net-link-down", "by hand: scontrol update NodeName=gpu-005 State=RESUME");
    assert_eq!(scene.prints().unwrap(), before, "nobody else is touched");
}

/// What somebody keeps off already is nobody else's: its reason stays, and no case gives it back.
#[test]
#[ignore = "needs root, ip, tc, sshd and Slurm: ./test runs it"]
fn staged_what_a_person_keeps_off_already_stays_theirs() {
    let fault = FAULTS.iter().find(|fault| fault.what == WHAT && fault.host == WHERE).unwrap();
    let mut scene = Scene { fault, hosts: Hosts::up().unwrap(), inputs: Vec::new() };
    scene.hosts.fault(WHERE, WHAT).unwrap();
    scene.gather().unwrap();
    let words = ["scontrol", "update", "NodeName=gpu-005", "State=DRAIN", "Reason=ask | alice"];
    assert!(scene.hosts.on_controller(20, &words).status.success());
    let off = scene.off("case");
    assert_eq!(scene.slurm_says(), "drained ask | alice");
    scene.hosts.mend(WHERE, WHAT).unwrap();
    off.stays("ask | alice", "nothing shows that this case keeps it off");
}
