//! What torchrun's agents say of the rendezvous when they leave one after another, and nothing went wrong.
//!
//! An agent closes the rendezvous when its workers have ended, well or not (torch v1.9 to v2.9, `launcher/api.py`:
//! `launch_agent`). The store lives in the agent of one host. Where that one is done first, the others lose the store and
//! warn of it. An agent whose workers still run raises `RendezvousConnectionError`, and one whose workers failed tells
//! which; so where neither stands there, the warnings are all there is to it.

use diag_parsers::{Name, Says};

use super::{Row, Table};

/// What an agent prints of a store that has gone.
const WAKE: [Name; 2] = ["elastic.heartbeat_lost", "torch.store_gone"];

/// Makes warnings of what agents print on leaving, where that is all.
pub(super) fn derive(table: &mut Table) {
    let left = |row: &&Row| row.fields.text("what") == Some("shutdown the rendezvous");
    let trouble: Vec<&Row> = table.rows.iter().filter(|row| row.is_trouble()).collect();
    let all = trouble.iter().all(|row| WAKE.contains(&row.kind));
    // A heartbeat that came too late is sent again; only the loss of the store may be that of a rank's host.
    let late = trouble.iter().all(|row| row.kind == WAKE[0]);
    if !all || !(late || trouble.iter().any(left)) {
        return;
    }
    for row in table.rows.iter_mut().filter(|row| row.is_trouble()) {
        row.says = Says::Warning;
    }
}

#[cfg(test)]
mod tests {
    use crate::evidence::{Row, of_log};

    const LEFT: &str = "\
        [W504 03:12:44.9 TCPStore.cpp:131] [c10d] recvVector failed on SocketImpl(fd=4, addr=[gpu-18]:41022, remote=[gpu-17]:29400): failed to recv, got 0 bytes\n\
        W0504 03:12:44.7 4121 torch/distributed/elastic/rendezvous/dynamic_rendezvous.py:1282] The node 'gpu-18_4121_0' has failed to shutdown the rendezvous '7' due to an error of type RendezvousConnectionError.\n";

    fn in_trouble(log: &str) -> bool {
        of_log(log).rows.iter().any(Row::is_trouble)
    }

    #[test]
    fn agents_that_leave_one_after_another_are_no_trouble() {
        assert!(!in_trouble(LEFT));
    }

    #[test]
    fn a_heartbeat_that_came_too_late_is_no_trouble() {
        let late = "The node 'gpu-18_4121_0' has failed to send a keep-alive heartbeat to the rendezvous '7' due to an error of type RendezvousTimeoutError.";
        assert!(!in_trouble(&format!("{late}\n")));
        assert!(in_trouble(&format!("{late}\n{}", LEFT.lines().next().unwrap())));
    }

    #[test]
    fn agents_that_lose_the_store_while_they_work_are() {
        let lost = "torch.distributed.elastic.rendezvous.api.RendezvousConnectionError: The connection to the C10d store has failed.\n";
        assert!(in_trouble(&format!("{LEFT}{lost}")));
        assert!(in_trouble(LEFT.lines().next().unwrap()), "a rank may have died under them");
    }
}
