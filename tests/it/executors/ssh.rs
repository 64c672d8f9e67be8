//! Nodes by ssh, by both ways, against a real sshd.

use std::time::{Duration, Instant};

use diag::exec::ssh::{Settings, Ssh};
use diag::exec::{End, FanOut, Limits, Ran};

use super::contracts;
use super::sshd::{Sshd, mute};
use super::stage::{Stage, all_gone, node, odd_sleep, processes_with, run, script, task};

/// Whether the library is part of this build.
const LIBRARY: bool = cfg!(feature = "ssh2");

fn ssh(sshd: &Sshd, library: bool) -> FanOut<Ssh> {
    let (connect, ready) = (Duration::from_secs(3), Duration::from_secs(6));
    let settings = Settings { config: Some(sshd.config()), connect, ready, keep: false, library };
    FanOut::new(Ssh::new(settings).unwrap(), Limits { per_target: 4, ..Limits::default() })
}

#[test]
#[ignore = "needs sshd: ./test runs it"]
fn ssh_keeps_all_contracts() {
    let sshd = Sshd::up(1);
    contracts::hold(&Stage { executor: &ssh(&sshd, false), target: node("n0") });
}

#[test]
#[ignore = "needs sshd: ./test runs it"]
fn ssh_by_a_kept_connection_keeps_all_contracts() {
    let sshd = Sshd::up(1);
    let settings = Settings { config: Some(sshd.config()), keep: true, library: false, ..Settings::default() };
    let executor = FanOut::new(Ssh::new(settings).unwrap(), Limits::default());
    contracts::hold(&Stage { executor: &executor, target: node("n0") });
    assert!(!processes_with("[mux]").is_empty(), "a connection was kept");
    drop(executor);
    all_gone("[mux]");
}

#[test]
#[ignore = "needs sshd: ./test runs it"]
fn ssh_by_the_library_keeps_all_contracts() {
    if LIBRARY {
        let sshd = Sshd::up(1);
        contracts::hold(&Stage { executor: &ssh(&sshd, true), target: node("n0") });
    }
}

/// What becomes of a host.
fn end(rans: &[Ran], name: &str) -> End {
    rans.iter().find(|ran| ran.target == node(name)).unwrap().end.clone()
}

#[test]
#[ignore = "needs sshd: ./test runs it"]
fn ssh_hosts_that_are_dead_mute_or_not_trusted_are_each_one_failed_target() {
    let sshd = Sshd::up(3);
    sshd.add_host("mute", mute(b"", false));
    sshd.add_host("banner", mute(b"SSH-2.0-OpenSSH_9.2\r\n", false));
    sshd.add_host("babbles", mute(b"", true));
    let names =
        ["n0", "dead", "changed", "n1", "unknown", "stranger", "nowhere", "mute", "banner", "babbles", "jumps", "n2"];
    for library in [false, true] {
        let executor = ssh(&sshd, library);
        let began = Instant::now();
        let parts = names.iter().map(|name| vec![(node(name), script("echo ran"))]).collect();
        let rans = run(&executor, task(parts));
        let told: Vec<_> = rans.iter().map(|ran| ran.target.clone()).collect();
        assert_eq!(told, names.map(node).to_vec(), "one for each, in order");
        for well in ["n0", "n1", "n2"] {
            assert_eq!(end(&rans, well), End::Exit(0), "{rans:?}");
        }
        for away in ["dead", "nowhere", "mute", "banner", "babbles"] {
            assert!(matches!(end(&rans, away), End::Unreachable(_)), "{away}: {:?}", end(&rans, away));
        }
        let refused =
            [("changed", "not the one in known_hosts"), ("unknown", "not in known_hosts"), ("stranger", "let us in")];
        for (name, why) in refused {
            assert!(
                matches!(end(&rans, name), End::Refused(told) if told.contains(why)),
                "{name}: {:?}",
                end(&rans, name)
            );
        }
        assert_eq!(end(&rans, "jumps"), End::Exit(0), "over another host: {rans:?}");
        assert!(
            rans.iter().all(|ran| ran.stdout.text == if ran.end == End::Exit(0) { "ran\n" } else { "" }),
            "{rans:?}"
        );
        assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
    }
}

#[test]
#[ignore = "needs sshd: ./test runs it"]
fn ssh_a_node_that_goes_down_in_mid_run_is_lost_and_ends_its_work() {
    for library in [false, true] {
        let mut sshd = Sshd::up(1);
        let executor = ssh(&sshd, library);
        let sleep = odd_sleep(900 + u32::from(library));
        let work = script(&format!("echo began; trap '' TERM; sleep {sleep}; sleep {sleep}"));
        let began = Instant::now();
        let rans = std::thread::scope(|scope| {
            let run = scope.spawn(|| run(&executor, task(vec![vec![(node("n0"), work)]])));
            while processes_with(&format!("sleep {sleep}")).is_empty() {
                assert!(began.elapsed() < Duration::from_secs(20), "it does not begin");
                std::thread::sleep(Duration::from_millis(50));
            }
            std::thread::sleep(Duration::from_millis(300));
            sshd.kill();
            run.join().unwrap()
        });
        assert!(matches!(rans[0].end, End::Lost(_)), "{rans:?}");
        assert_eq!(rans[0].stdout.text, "began\n");
        assert!(rans[0].end.may_have_acted());
        assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
        all_gone(&format!("sleep {sleep}"));
    }
}

#[test]
#[ignore = "needs sshd: ./test runs it"]
fn ssh_a_pair_starts_together_or_not_at_all() {
    let sshd = Sshd::up(2);
    for library in [false, true] {
        let executor = ssh(&sshd, library);
        let touched = sshd.at("touched");
        let touch = || script(&format!("touch {}; date +%s%N", touched.display()));
        let rans = run(&executor, task(vec![vec![(node("n0"), touch()), (node("dead"), touch())]]));
        assert!(matches!(&rans[0].end, End::CannotRun(why) if why.contains("dead, which it needs")), "{rans:?}");
        assert!(matches!(rans[1].end, End::Unreachable(_)), "{rans:?}");
        assert!(!touched.exists());
        let rans =
            run(&executor, task(vec![vec![(node("n0"), script("date +%s%N")), (node("n1"), script("date +%s%N"))]]));
        let times: Vec<u64> = rans.iter().map(|ran| ran.stdout.text.trim().parse().unwrap()).collect();
        assert!(times[0].abs_diff(times[1]) < 500_000_000, "{times:?}");
    }
}
