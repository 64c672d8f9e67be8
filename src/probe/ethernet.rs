//! Network interfaces: whether one is set up, whether a link was lost, how large a packet may be, how fast the link is, whether traffic is held back.

use std::process::{Command, Stdio};
use std::time::Duration;

use super::expected::Expected;
use super::node::Node;
use super::task::{Out, Probe};
use crate::reading::{Reading, Unit, Verdict};

/// See the module.
pub(super) static PROBE: Probe = Probe {
    id: "ethernet",
    about: "network interfaces: up, link, MTU, speed, traffic shapers",
    deadline: Duration::from_secs(2),
    subjects,
    read,
};

/// Interfaces that no traffic between nodes leaves by, and those that the probe of the fabric reads.
const OTHERS: [&str; 18] = [
    "lo",
    "docker",
    "br-",
    "br0",
    "bonding_masters",
    "veth",
    "cni",
    "cali",
    "flannel",
    "virbr",
    "tun",
    "tap",
    "dummy",
    "kube",
    "nodelocaldns",
    "lxc",
    "wg",
    "ib",
];

/// Where tc is.
const PROGRAMS: [&str; 3] = ["/usr/sbin/tc", "/sbin/tc", "/usr/bin/tc"];

/// Disciplines of queueing that hold traffic back to a rate, lose or delay it (iproute2 6.1, tc(8)).
const SHAPERS: [&str; 6] = ["tbf", "netem", "htb", "hfsc", "cbq", "cake"];

fn subjects(node: &Node) -> Vec<String> {
    let plain = |name: &String| !OTHERS.iter().any(|start| name.starts_with(start));
    node.list("/sys/class/net").into_iter().filter(plain).collect()
}

fn read(node: &Node, subject: &str, _: &Expected, out: Out) {
    let file = |name: &str| node.word(&format!("/sys/class/net/{subject}/{name}"));
    let number = |name: &str| file(name)?.parse::<u64>().ok();
    let about = |name: &str| Reading::new("ethernet", name).of("port", subject);
    let flags = file("flags").and_then(|flags| u32::from_str_radix(flags.trim_start_matches("0x"), 16).ok());
    let Some(flags) = flags else { return };
    // A port that is not in use is down everywhere: only other nodes tell which one should be up.
    out(about("up").flag(flags & IFF_UP != 0));
    if flags & IFF_UP == 0 {
        return;
    }
    let carrier = file("carrier").as_deref() == Some("1");
    // A port that never had a cable is nobody's loss.
    let once = number("carrier_up_count").is_some_and(|times| times > 0);
    out(about("carrier")
        .flag(carrier)
        .judge(carrier || !once, Verdict::Bad, || format!("{subject} has lost its link")));
    if let Some(mtu) = number("mtu") {
        out(about("mtu").count(mtu, Unit::Bytes));
    }
    if let Some(speed) = number("speed") {
        out(about("speed").number(speed as f64 * 1e6, Unit::BitsPerSecond));
    }
    if let Some(said) = shaper(node, subject) {
        out(about("shaper")
            .text(said.clone())
            .found(Verdict::Degraded, format!("{subject} holds traffic back: {said}")));
    }
}

/// Set while an interface is up (`include/uapi/linux/if.h`).
const IFF_UP: u32 = 1;

/// The discipline that holds back what leaves by an interface, as tc tells it: `tbf 8001: root refcnt 2 rate 40Mbit …`.
fn shaper(node: &Node, interface: &str) -> Option<String> {
    let program = PROGRAMS.iter().find(|program| node.is_here() && node.has(program))?;
    let args = ["qdisc", "show", "dev", interface];
    let done = Command::new(program).args(args).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    shaping(&String::from_utf8_lossy(&done.stdout))
}

fn shaping(text: &str) -> Option<String> {
    let told = text.lines().filter_map(|line| line.strip_prefix("qdisc "));
    let mut shaping = told.filter(|told| SHAPERS.iter().any(|name| told.split(' ').next() == Some(name)));
    shaping.next().map(|told| told.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::shaping;

    #[test]
    fn what_holds_traffic_back_is_told_and_a_fair_queue_is_not() {
        assert_eq!(shaping("qdisc fq_codel 0: root refcnt 2 limit 10240p flows 1024 \nqdisc noqueue 0: root \n"), None);
        let tbf = "qdisc tbf 8001: root refcnt 2 rate 40Mbit burst 32Kb lat 50ms \n";
        assert_eq!(shaping(tbf).as_deref(), Some("tbf 8001: root refcnt 2 rate 40Mbit burst 32Kb lat 50ms"));
    }
}
