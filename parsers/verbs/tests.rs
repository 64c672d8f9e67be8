use crate::lint;
use crate::{Catalogue, Event, Scanner};

fn told(word: &str) -> Event {
    let log = format!(
        "mlx5: gpu-17: got completion with error:\n00000000 00000000 00000000 00000000\n00000000 00000000 00000000 00000000\n\
         00000007 00000000 00000000 00000000\n00000000 {word} 120001c8 0000dad2\n"
    );
    let mut events = lint::read(&Scanner::new(Catalogue::built_in().unwrap()), &log);
    events.retain(|event| event.kind.starts_with("verbs."));
    assert_eq!(events.len(), 1);
    events.remove(0)
}

#[test]
fn the_syndrome_tells_what_failed() {
    for (word, kind, what, vendor) in [
        ("00008115", "verbs.retry_exceeded", "transport retry counter exceeded", 0x81),
        ("00008813", "verbs.completion_failed", "remote access error", 0x88),
        ("0000f905", "verbs.flushed", "work request flushed", 0xf9),
    ] {
        let event = told(word);
        let text = |name| event.fields.text(name);
        assert_eq!((event.kind, text("what"), text("node"), event.line), (kind, Some(what), Some("gpu-17"), 1));
        assert_eq!(event.fields.int("vendor_err"), Some(vendor));
    }
}

#[test]
fn a_dump_that_breaks_off_tells_that_it_failed() {
    let event = told("0000");
    assert_eq!((event.kind, event.fields.int("syndrome")), ("verbs.completion_failed", None));
}

#[test]
fn a_host_that_is_not_told_is_none() {
    let log = "mlx5: host_unknown: got completion with error:\n";
    let events = lint::read(&Scanner::new(Catalogue::built_in().unwrap()), log);
    assert_eq!((events[0].kind, events[0].fields.text("node")), ("verbs.completion_failed", None));
}
