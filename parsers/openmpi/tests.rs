use crate::lint;
use crate::{Catalogue, Event, Scanner};

fn told(log: &str) -> Vec<Event> {
    let events = lint::read(&Scanner::new(Catalogue::built_in().unwrap()), log);
    events.into_iter().filter(|event| event.kind.starts_with("openmpi.")).collect()
}

#[test]
fn a_block_names_its_host_however_its_sentences_are_wrapped() {
    let log = "--------------------\nThe InfiniBand retry count between two MPI processes has been\nexceeded.\n\n  Local host:   gpu-17\n  \
               Local device: mlx5_3\n  Peer host:    gpu-18\n\nYou may need help.\n--------------------\n  Local host: gpu-19\n";
    let events = told(log);
    assert_eq!(events.len(), 1);
    let text = |name| events[0].fields.text(name);
    assert_eq!((events[0].kind, events[0].line), ("openmpi.ib_retry_exceeded", 7));
    assert_eq!((text("node"), text("peer"), text("hca")), (Some("gpu-17"), Some("gpu-18"), Some("mlx5_3")));
}

#[test]
fn a_limit_that_is_none_is_not_to_blame() {
    let block = |limit: &str| {
        format!(
            "The OpenFabrics (openib) BTL failed to initialize while trying to\nallocate some locked memory.\n\n  Local host:    gpu-17\n  \
                 Function:      ibv_create_cq()\n  Memlock limit: {limit}\n"
        )
    };
    assert_eq!(told(&block("65536"))[0].kind, "openmpi.memlock");
    let free = told(&block("unlimited"));
    assert_eq!(
        (free[0].kind, free[0].line, free[0].fields.text("node")),
        ("openmpi.allocation_failed", 6, Some("gpu-17"))
    );
}

#[test]
fn an_event_of_the_adapter_stands_on_its_number() {
    let log = "The OpenFabrics stack has reported a network error event.  Open MPI\nwill try to continue, but your job may end up failing.\n  \
               Local host:        gpu-18\n  MPI process PID:   11840\n  Error number:      10 (IBV_EVENT_PORT_ERR)\n";
    let events = told(log);
    assert_eq!((events[0].line, events[0].fields.text("what")), (5, Some("10 (IBV_EVENT_PORT_ERR)")));
}

#[test]
fn a_component_for_messages_is_needed_and_one_of_many_transports_is_not() {
    let block = |framework: &str| {
        format!(
            "A requested component was not found, or was unable to be opened.  This\nmeans that this component is either not installed or is unable to be\n\
                 used on your system.\n\nHost:      gpu-17\nFramework: {framework}\nComponent: ucx\n----------\n"
        )
    };
    let events = told(&block("pml"));
    let text = |name| events[0].fields.text(name);
    assert_eq!((events[0].kind, events[0].line), ("openmpi.pml_unusable", 7));
    assert_eq!((text("node"), text("component")), (Some("gpu-17"), Some("ucx")));
    assert!(told(&block("coll")).is_empty());
}

#[test]
fn a_daemon_that_is_gone_is_named_below() {
    let log = "ORTE has lost communication with its daemon located on node:\n\n  hostname:  gpu-18.example\n\nThis is usually due to\n";
    let events = told(log);
    assert_eq!((events[0].kind, events[0].fields.text("peer")), ("openmpi.daemon_lost", Some("gpu-18.example")));
}
