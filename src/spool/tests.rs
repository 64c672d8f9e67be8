use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::watch::Subject;

fn entry(nth: u32) -> Entry {
    Entry { id: format!("{nth:04}"), at: 0, tries: 0, subject: Subject::Log { path: format!("/logs/{nth}") } }
}

fn spool() -> (tempfile::TempDir, Spool) {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::open(&folder.path().join("watch")).unwrap();
    (folder, spool)
}

#[test]
fn of_a_full_queue_the_oldest_is_dropped_and_told() {
    let (_keep, spool) = spool();
    (0..7).for_each(|nth| spool.queue().put(&entry(nth), 5).unwrap());
    let dropped = |record: &Record| matches!(record, Record::Dropped { id, .. } if ["0000", "0001"].contains(&&**id));
    let records = spool.records();
    assert!(records.len() == 2 && records.iter().all(dropped), "{records:?}");
    let waiting: Vec<String> = spool.waiting().into_iter().map(|entry| entry.id).collect();
    assert_eq!(waiting, ["0002", "0003", "0004", "0005", "0006"]);
}

#[test]
fn what_is_looked_at_when_it_is_killed_is_found_again() {
    let (_keep, spool) = spool();
    spool.queue().put(&entry(1), 5).unwrap();
    let mut one = spool.waiting().remove(0);
    one.tries += 1;
    assert!(spool.take(&one) && !spool.take(&one), "one worker takes it");
    assert_eq!((spool.counts(), spool.left()[0].tries), ((0, 1), 1));
    let left = spool.left().remove(0);
    spool.put_back(&left).unwrap();
    assert_eq!((spool.counts(), spool.waiting()), ((1, 0), vec![left]));
    // Half a file, as a crash leaves it, is a draft, or none at all.
    fs::write(spool.root().join("queue/.99.draft"), "{").unwrap();
    fs::write(spool.root().join("queue/0009.json"), "{\"id\":").unwrap();
    assert_eq!(spool.waiting().len(), 1);
}

#[test]
fn one_works_at_a_time() {
    let (_keep, spool) = spool();
    let held = spool.work().unwrap();
    assert!(held.is_some() && spool.work().unwrap().is_none());
    drop(held);
    assert!(spool.work().unwrap().is_some());
}

#[test]
fn a_log_cut_at_any_byte_keeps_its_whole_lines_and_goes_on() {
    let (_keep, spool) = spool();
    let told = |nth: i64| Record::Told { key: format!("gpu-17 \u{e9}\n{nth}"), at: nth, count: 1 };
    (0..3).for_each(|nth| spool.log().add(&told(nth)).unwrap());
    let path = spool.root().join("log.jsonl");
    let whole = fs::read(&path).unwrap();
    for cut in 0..whole.len() {
        fs::write(&path, &whole[..cut]).unwrap();
        spool.log().add(&told(9)).unwrap();
        let read: Vec<Record> = spool.log().read();
        let before = read.len() - 1;
        assert_eq!(read[before], told(9), "cut at {cut}");
        assert!((0..before).all(|nth| read[nth] == told(nth as i64)), "cut at {cut}");
    }
}

#[test]
fn a_folder_that_others_may_write_into_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    assert_eq!(Spool::open(folder.path()).unwrap_err().code, "watch.state");
    let (_keep, spool) = spool();
    std::os::unix::fs::symlink("/etc/passwd", spool.root().join("queue/0001.json")).unwrap();
    assert_eq!(spool.waiting(), [], "a link is no entry");
}
