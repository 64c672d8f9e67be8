//! Outputs in the shapes of several drivers, with invented readings.

use crate::lint;
use crate::{Catalogue, Event, Scanner};

fn read(log: &str) -> Vec<Event> {
    let events = lint::read(&Scanner::new(Catalogue::built_in().unwrap()), log);
    events.into_iter().filter(|event| !event.kind.starts_with("console.")).collect()
}

/// Kind, GPU and line of each event.
fn told(log: &str) -> Vec<(&'static str, String, u64)> {
    let text = |event: &Event, name: &str| event.fields.text(name).unwrap_or_default().to_owned();
    read(log).iter().map(|event| (event.kind, text(event, "gpu"), event.line)).collect()
}

const QUERY: &str = "\
root@gpu-17:~# nvidia-smi -q

==============NVSMI LOG==============

Attached GPUs                             : 2
GPU 00000000:3B:00.0
    Product Name                          : NVIDIA A100-SXM4-80GB
    PCI
        GPU Link Info
            PCIe Generation
                Max                       : 4
                Current                   : 1
            Link Width
                Max                       : 16x
                Current                   : 8x
    Clocks Throttle Reasons
        Idle                              : Not Active
        HW Slowdown                       : Active
            HW Thermal Slowdown           : Active
            HW Power Brake Slowdown       : Not Active
    ECC Errors
        Volatile
            SRAM Uncorrectable            : 0
            DRAM Uncorrectable            : 2
        Aggregate
            DRAM Uncorrectable            : 7
    Remapped Rows
        Correctable Error                 : 0
        Uncorrectable Error               : 1
        Pending                           : Yes
        Remapping Failure Occurred        : No
    Fabric
        State                             : In Progress
        Status                            : N/A
GPU 00000000:5E:00.0
    Product Name                          : Unknown Error
    Remapped Rows
        Pending                           : No
        Remapping Failure Occurred        : Yes
    GPU Recovery Action                   : Reset
";

#[test]
fn each_section_of_a_query_tells_of_its_gpu() {
    let (first, second) = ("00000000:3B:00.0".to_owned(), "00000000:5E:00.0".to_owned());
    assert_eq!(
        told(QUERY),
        [
            ("gpu.pcie_narrow", first.clone(), 15),
            ("nvidia_smi.slowed", first.clone(), 18),
            ("nvidia_smi.slowed", first.clone(), 19),
            ("gpu.ecc_uncorrectable", first.clone(), 24),
            ("gpu.ecc_history", first.clone(), 26),
            ("gpu.remap_pending", first.clone(), 30),
            ("gpu.fabric_state", first, 33),
            ("gpu.unreadable", second.clone(), 36),
            ("gpu.remap_failure", second.clone(), 39),
            ("gpu.recovery_action", second, 40),
        ]
    );
    assert!(read(QUERY).iter().all(|event| event.fields.text("node") == Some("gpu-17")));
}

#[test]
fn a_piece_of_a_query_is_read_too() {
    let fabric =
        "Fabric\n     State                             : In Progress\n     Status                            : N/A\n";
    assert_eq!(told(fabric), [("gpu.fabric_state", String::new(), 2)]);
    assert_eq!(told("    Ports\n        State                             : Down\n"), []);
}

#[test]
fn the_document_is_read_gpu_by_gpu() {
    let xml = "some log\n<nvidia_smi_log>\n\t<gpu id=\"00000000:3B:00.0\">\n\t\t<ecc_errors>\n\t\t\t<volatile>\n\
               \t\t\t\t<sram_uncorrectable>3</sram_uncorrectable>\n\t\t\t</volatile>\n\t\t</ecc_errors>\n\
               \t\t<remapped_rows>\n\t\t\t<remapped_row_pending>No</remapped_row_pending>\n\
               \t\t\t<remapped_row_failure>Yes</remapped_row_failure>\n\t\t</remapped_rows>\n\
               \t\t<clocks_event_reasons>\n\t\t\t<clocks_event_reason_hw_power_brake_slowdown>Active</clocks_event_reason_hw_power_brake_slowdown>\n\
               \t\t</clocks_event_reasons>\n\t</gpu>\n</nvidia_smi_log>\n";
    let gpu = "00000000:3B:00.0".to_owned();
    assert_eq!(
        told(xml),
        [
            ("gpu.ecc_uncorrectable", gpu.clone(), 6),
            ("gpu.remap_failure", gpu.clone(), 11),
            ("nvidia_smi.slowed", gpu, 14)
        ]
    );
}

#[test]
fn the_tables_of_old_and_new_drivers_are_read() {
    let old = "\
| GPU  Name        Persistence-M| Bus-Id        Disp.A | Volatile Uncorr. ECC |
| Fan  Temp  Perf  Pwr:Usage/Cap|         Memory-Usage | GPU-Util  Compute M. |
|===============================+======================+======================|
|   0  Tesla V100-SXM2...  On   | 00000000:1A:00.0 Off |                    3 |
| N/A   42C    P0    29W / 250W |      0MiB / 16280MiB |      0%   E. Process |
+-------------------------------+----------------------+----------------------+
|   1  Tesla V100-SXM2...  On   | 00000000:1B:00.0 Off |                    0 |
| N/A   42C    P0    ERR! / 250W |      0MiB / 16280MiB |      0%      Default |
+-------------------------------+----------------------+----------------------+
";
    let (first, second) = ("00000000:1A:00.0".to_owned(), "00000000:1B:00.0".to_owned());
    let wanted =
        [("gpu.ecc_uncorrectable", first.clone(), 4), ("gpu.exclusive", first, 5), ("gpu.unreadable", second, 8)];
    assert_eq!(told(old), wanted);
    let cut = "\
+-------------------------------+----------------------+----------------------+
|   7  NVIDIA A100 80G...  On   | 00000000:D6:00.0 Off |                 ERR! |
|ERR!  ERR! ERR!      1W /  N/A |      0MiB / 80994MiB |    ERR!      Default |
+-------------------------------+----------------------+----------------------+
|   8  NVIDIA A100 80G...  On   | 00000000:D7:00.0 Off |                 ERR! |
+-------------------------------+----------------------+----------------------+
";
    let lost = |gpu: &str, line| ("gpu.unreadable", gpu.to_owned(), line);
    let (seventh, eighth) = ("00000000:D6:00.0", "00000000:D7:00.0");
    assert_eq!(told(cut), [lost(seventh, 2), lost(seventh, 3), lost(eighth, 5)]);
    let gone = cut.replace("     0MiB / 80994MiB ", "     GPU is lost     ");
    assert_eq!(told(&gone)[1], ("gpu.lost", seventh.to_owned(), 3));
    let mig = "\
| GPU  Name                 Persistence-M | Bus-Id          Disp.A | Volatile Uncorr. ECC |
|   0  NVIDIA A100-SXM4-80GB          On  |   00000000:07:00.0 Off |                   On |
| MIG devices:                                                                            |
|  0    7   0   0  |      12MiB / 9728MiB   | 14      1 |  1   0    0    0    0 |
";
    assert_eq!(told(mig), [("gpu.ecc_uncorrectable", "00000000:07:00.0".to_owned(), 4)]);
}

#[test]
fn tables_of_properties_are_read_by_their_names() {
    let csv = "index, pci.bus_id, ecc.errors.uncorrected.volatile.total, pcie.link.width.current, pcie.link.width.max, clocks_event_reasons.hw_slowdown\n\
               0, 00000000:1A:00.0, 0, 16, 16, Not Active\n\
               1, 00000000:1B:00.0, 2, 4, 16, Active\n";
    let gpu = "00000000:1B:00.0".to_owned();
    let wanted = [
        ("gpu.pcie_full", "00000000:1A:00.0".to_owned(), 2),
        ("gpu.ecc_uncorrectable", gpu.clone(), 3),
        ("gpu.pcie_narrow", gpu.clone(), 3),
        ("nvidia_smi.slowed", gpu, 3),
    ];
    assert_eq!(told(csv), wanted);
    let rows = "gpu_bus_id, remapped_rows.pending, remapped_rows.failure\n00000000:1A:00.0, 0, 1\n";
    assert_eq!(told(rows), [("gpu.remap_failure", "00000000:1A:00.0".to_owned(), 2)]);
    assert_eq!(
        told("gpu_recovery_action\ngom.current\nfabric.state\nfabric.status\n"),
        [],
        "the list of all properties"
    );
    assert_eq!(told("$ nvidia-smi --query-gpu=index,ecc.errors.uncorrected.volatile.total --format=csv\n1, 2\n"), []);
}

fn links(gpus: &[&[bool]]) -> String {
    let mut text = String::new();
    for (at, links) in gpus.iter().enumerate() {
        text.push_str(&format!("GPU {at}: Tesla V100-SXM2-32GB (UUID: GPU-5c1e7a90-0000-0000-0000-00000000000{at})\n"));
        for (link, up) in links.iter().enumerate() {
            text.push_str(&format!("\t Link {link}: {}\n", if *up { "25.781 GB/s" } else { "<inactive>" }));
        }
    }
    text
}

#[test]
fn links_are_compared_with_those_of_the_other_gpus() {
    let bad = links(&[&[true, true, true], &[true, false, true], &[true, true, true], &[true, true, true]]);
    assert_eq!(told(&bad), [("nvlink.inactive", "GPU 1".to_owned(), 7)]);
    let alike = links(&[&[true, false], &[true, false]]);
    assert_eq!(told(&alike), [], "the board has no more");
    let short = links(&[&[true, false], &[true, true], &[true, true], &[true, true], &[true, true]]);
    assert_eq!(told(&short), [("nvlink.inactive", "GPU 0".to_owned(), 3), ("nvlink.gpu_missing", String::new(), 13)]);
}

#[test]
fn a_list_may_have_gaps() {
    let log = "GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-5c1e7a90-0000-0000-0000-000000000000)\n\t Link 0: Replay Errors: 0\n\n\t [...]\n\n\
               \t Link 17: Recovery Errors: 2\n";
    assert_eq!(told(log), [("nvlink.errors", "GPU 0".to_owned(), 6)]);
}

#[test]
fn lines_that_were_picked_out_are_read_too() {
    let log = "$ nvidia-smi -q | grep -i correctable | grep -v 0\n            SRAM Uncorrectable            : 1\n";
    assert_eq!(told(log), [("gpu.ecc_uncorrectable", String::new(), 2)]);
    let old = "    Retired pages\n        Single Bit ECC             : 2\n        Double Bit ECC             : 0\n        Pending Page Blacklist    : Yes\n";
    assert_eq!(told(old), [("gpu.pages_history", String::new(), 2), ("gpu.retirement_pending", String::new(), 4)]);
}

#[test]
fn errors_of_links_are_counted() {
    let errors = "GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-5c1e7a90-0000-0000-0000-000000000000)\n\
                  \t Link 0: Replay Errors: 0\n\t Link 0: Recovery Errors: 7\n\t Link 0: CRC Errors: 0\n";
    assert_eq!(told(errors), [("nvlink.errors", "GPU 0".to_owned(), 3)]);
}
