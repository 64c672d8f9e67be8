//! Outputs in the shapes of DCGM 2, 3 and 4.

use crate::lint;
use crate::{Catalogue, Event, Scanner};

/// Kind, test, GPU, message and line of each event.
fn told(log: &str) -> Vec<(&'static str, String, String, String, u64)> {
    let text = |event: &Event, name: &str| event.fields.text(name).unwrap_or_default().to_owned();
    let events = lint::read(&Scanner::new(Catalogue::built_in().unwrap()), log);
    let ours = events.iter().filter(|event| event.kind.starts_with("health."));
    ours.map(|event| (event.kind, text(event, "test"), text(event, "gpu"), text(event, "what"), event.line)).collect()
}

#[test]
fn a_failed_test_has_its_message_whole() {
    let table = "\
+---------------------------+------------------------------------------------+
| Diagnostic                | Result                                         |
+===========================+================================================+
| Inforom                   | Pass                                           |
+-----  Hardware  ----------+------------------------------------------------+
| GPU Memory                | Fail - GPU: 3                                  |
| Warning                   | GPU 3 had uncorrectable memory errors and row  |
|                           |  remapping failed.                             |
| PCIe                      | Pass - All                                     |
+---------------------------+------------------------------------------------+
";
    let what = "GPU 3 had uncorrectable memory errors and row remapping failed.".to_owned();
    let (test, gpu) = ("GPU Memory".to_owned(), "GPU 3".to_owned());
    assert_eq!(
        told(table),
        [("health.memory", test.clone(), gpu.clone(), what.clone(), 6), ("health.memory", test, gpu, what, 7)]
    );
}

#[test]
fn a_message_may_stand_beside_the_result() {
    let table = "\
| Hardware                  |                                                |
| -----  GPU Memory          | Pass                                          |
| -----  Diagnostic          | Fail - GPU 0: Uncorrectable ECC error detected|
+---------------------------+------------------------------------------------+
";
    let what = "Uncorrectable ECC error detected".to_owned();
    assert_eq!(told(table), [("health.memory", "Diagnostic".to_owned(), "GPU 0".to_owned(), what, 3)]);
}

#[test]
fn from_4_0_on_each_gpu_has_a_row() {
    let table = "\
| Diagnostic                | Result                                         |
+===========================+================================================+
| memory                    | Fail                                           |
|                           | GPU0: Pass                                     |
|                           | GPU1: Fail                                     |
| Warning: GPU1             | Detected 2 volatile double-bit ECC error(s) i  |
|                           | n GPU 1.                                       |
+---------------------------+------------------------------------------------+
";
    let found = told(table);
    assert_eq!(
        found.iter().map(|event| (event.0, event.2.as_str(), event.4)).collect::<Vec<_>>(),
        [("health.memory", "GPU 1", 5), ("health.memory", "GPU 1", 6)]
    );
    assert_eq!(found[0].3, "Detected 2 volatile double-bit ECC error(s) in GPU 1.");
}

#[test]
fn json_of_old_and_new_releases() {
    let old = "{\n  \"DCGM GPU Diagnostic\" : {\n    \"test_categories\" : [ {\n      \"category\" : \"Hardware\",\n      \"tests\" : [ {\n        \"name\" : \"GPU Memory\",\n        \"results\" : [\n          { \"gpu_ids\" : \"0\", \"status\" : \"Pass\" },\n          { \"gpu_ids\" : \"1\",\n            \"status\" : \"Fail\",\n            \"warnings\" : \"A pending retired page has been detected in GPU 1.\" } ] } ] } ] } }\n";
    assert_eq!(
        told(old),
        [(
            "health.memory",
            "GPU Memory".into(),
            "GPU 1".into(),
            "A pending retired page has been detected in GPU 1.".into(),
            10
        )]
    );
    let new = r#"{"DCGM Diagnostic":{"test_categories":[{"category":"Hardware","tests":[{"name":"memory","results":[{"entity_group":"GPU","entity_group_id":1,"entity_id":2,"status":"Fail","warnings":[{"error_category":7,"error_id":83,"error_severity":3,"warning":"GPU 2 had memory errors and row remappings are pending"}]}]}]}]}}"#;
    let found = told(new);
    assert_eq!((found[0].2.as_str(), found[0].4, found.len()), ("GPU 2", 1, 1));
    assert!(found[0].3.contains("row remappings are pending"));
}

#[test]
fn the_background_watches() {
    let report = "\
+---------------------------+----------------------------------------------------------+
| Health Monitor Report                                                                |
+===========================+==========================================================+
| Overall Health            | Warning                                                  |
| GPU                       |                                                          |
| -> 1                      | Warning                                                  |
|    -> Errors              |                                                          |
|       -> PCIe system      | Warning                                                  |
|                           | Detected more than 8 PCIe replays per minute for GPU 1   |
+---------------------------+----------------------------------------------------------+
";
    let found = told(report);
    assert_eq!(
        (found[0].0, found[0].1.as_str(), found[0].2.as_str(), found[0].4),
        ("health.pcie", "PCIe system", "GPU 1", 8)
    );
    assert!(found[0].3.contains("PCIe replays"));
}

#[test]
fn a_piece_of_the_table_and_an_error_before_any_test() {
    let brief = |log: &str| told(log).iter().map(|event| (event.0, event.2.clone(), event.4)).collect::<Vec<_>>();
    let error = "\
+---------------------------+------------------------------------------------+
| Diagnostic                | Result                                         |
+===========================+================================================+
|-----  Deployment  --------+------------------------------------------------|
| Error                     | GPU 3 has uncorrectable memory errors and row  |
|                           |  remappings are pending                        |
";
    assert_eq!(brief(error), [("health.memory", "GPU 3".to_owned(), 5)]);
    let piece = "\
| GPU Memory                | Pass - GPUs: 1, 2, 3                           |
|                           | Fail - GPU: 0                                  |
| Warning                   | GPU 0 Thermal violations totaling 13.3 second  |
|                           | s for GPU 0
";
    let gpu = "GPU 0".to_owned();
    assert_eq!(brief(piece), [("health.throttled", gpu.clone(), 2), ("health.throttled", gpu, 3)]);
    assert_eq!(
        brief("| Warning                   | Persistence mode is off for GPU 0             |\n"),
        [],
        "no test failed"
    );
}

#[test]
fn links_that_are_down() {
    let list = "\
+----------------------+
|  NvLink Link Status  |
+----------------------+
GPUs:
    gpuId 0:
        U U U U
    gpuId 1:
        U U D X
    gpuId 2:
        D D D D
    gpuId 3:
        _ _ _ _
NvSwitches:
    No NvSwitches found.

Key: Up=U, Down=D, Disabled=X, Not Supported=_
";
    let events = lint::read(&Scanner::new(Catalogue::built_in().unwrap()), list);
    let told: Vec<_> =
        events.iter().map(|event| (event.fields.text("gpu"), event.fields.int("active"), event.line)).collect();
    assert_eq!(told, [(Some("GPU 1"), Some(2), 8), (Some("GPU 2"), Some(0), 10)]);
}
