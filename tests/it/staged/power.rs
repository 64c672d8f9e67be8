//! Management controllers that can't be asked: nothing is turned off, and the case ends as without one.

use super::*;

/// The host is dead, and its controller is not there, lets nobody in by this password, or has a password that others can read.
#[test]
#[ignore = "needs root, ip, ipmi_sim, ipmitool, sshd and Slurm: ./test runs it"]
fn staged_power_is_left_alone_where_the_controller_lets_nobody_in() {
    let fault = FAULTS.iter().find(|fault| fault.what == "dead").unwrap();
    let mut scene = Scene { fault, hosts: Hosts::up().unwrap(), inputs: Vec::new() };
    scene.hosts.fault(fault.host, fault.what).unwrap();
    scene.gather().unwrap();
    let before = scene.prints().unwrap();
    let ends = |case: &str, why: &str| {
        let (text, code) = scene.fix(case, &["--approve", fault.approve]);
        assert!(code == Some(1) && text.contains("CONTAINED: no new job comes to gpu-005"), "{text}");
        assert!(text.contains(why), "{text}");
        assert_eq!(scene.hosts.power(fault.host).unwrap().trim(), "0", "{text}");
    };
    ends("unnamed", "left: Turn gpu-005 off and on again by its management controller ([inventory.bmc] of diag.toml");
    scene.hosts.name_bmcs("another");
    let tried = "tried without effect: Turn gpu-005 off and on again by its management controller (power-cycle failed";
    let refused = "gpu-005-bmc does not answer, or does not let operator in";
    ends("absent", tried);
    scene.hosts.bmc(fault.host).unwrap();
    scene.hosts.name_bmcs("another");
    ends("wrong-password", refused);
    scene.hosts.name_bmcs(hosts::PASSWORD);
    let file = scene.hosts.at("bmc.password");
    fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    ends("open-password", "can be read by others");
    assert_eq!(scene.prints().unwrap(), before, "nobody else is touched");
}
