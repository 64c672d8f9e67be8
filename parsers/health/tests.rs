use crate::lint;
use crate::{Catalogue, Event, Scanner};

/// Kind, host, GPU and line of each event.
fn told(log: &str) -> Vec<(&'static str, String, String, u64)> {
    let text = |event: &Event, name: &str| event.fields.text(name).unwrap_or_default().to_owned();
    let events = lint::read(&Scanner::new(Catalogue::built_in().unwrap()), log);
    let ours = events.iter().filter(|event| event.kind.starts_with("health."));
    ours.map(|event| (event.kind, text(event, "node"), text(event, "gpu"), event.line)).collect()
}

#[test]
fn checks_of_nhc_are_sorted_by_what_they_are_about() {
    let line = |what: &str| told(&format!("gpu-17 | ERROR:  nhc:  Health check failed:  {what}\n")).pop().unwrap();
    let (node, none) = ("gpu-17".to_owned(), String::new());
    for (what, kind, gpu) in [
        ("check_ecc: GPU id 3: Row remap pending. FaultCode: NHC2007", "health.memory", "GPU 3"),
        ("check_nvlink_status: GPU 6 has nvlinks inactive: 4. FaultCode: NHC2016", "health.nvlink", "GPU 6"),
        (
            "check_gpu_bw: HtoD test on GPU 2 failed. Bandwidth 21.1 is less than 52. FaultCode: NHC2020",
            "health.host_bandwidth",
            "GPU 2",
        ),
        (
            "check_IB_link_flapping: IB link flapping detected. Devices: ib3(6). FaultCode: NHC2005",
            "health.ib_link",
            "",
        ),
        ("check_nvsmi_healthmon:  nvidia-smi:  InfoROM is corrupted. FaultCode: NHC2008", "health.inforom", ""),
        (
            "check_nccl_allreduce: NCCL allreduce, BUS BW (expected >=460 GB/s, but measured 301.2 GB/s). FaultCode: NHC2010",
            "health.collective_slow",
            "",
        ),
        ("check_gpu_count: Expected to see 8 but found 7. FaultCode: NHC2009", "health.failed", ""),
    ] {
        assert_eq!(
            line(what),
            (kind, node.clone(), if gpu.is_empty() { none.clone() } else { gpu.to_owned() }, 1),
            "{what}"
        );
    }
}

#[test]
fn memory_that_is_corrected_too_often_is_slurms_matter() {
    for what in [
        "check_hw_mcelog:  MCEs detected - 31 corrected memory errors detected (limit of 9/day).",
        "check_hw_edac:  ECC errors detected - 31 corrected memory errors detected (limit of 9).",
    ] {
        let log = format!("gpu-17 | ERROR:  nhc:  Health check failed:  {what}\n");
        let events = lint::read(&Scanner::new(Catalogue::built_in().unwrap()), &log);
        assert_eq!(events.iter().map(|event| event.kind).collect::<Vec<_>>(), ["slurm.node_memory"], "{what}");
    }
}

#[test]
fn a_node_that_is_marked_offline_is_named_and_a_missing_file_system_is_slurms_matter() {
    let mark = "20260504 03:12:41 [slurm] /usr/libexec/nhc/node-mark-offline gpu-019 NHC: ERROR:  nhc:  Health check failed:  ";
    let port = format!("{mark}check_hw_ib:  No IB port mlx5_0:1 is ACTIVE (LinkUp 400 Gb/sec).\n");
    assert_eq!(told(&port), [("health.ib_link", "gpu-019".to_owned(), String::new(), 1)]);
    let mount = format!("{mark}check_fs_mount:  /scratch not mounted\n");
    let events = lint::read(&Scanner::new(Catalogue::built_in().unwrap()), &mount);
    let told: Vec<_> = events.iter().map(|event| (event.kind, event.fields.text("node"))).collect();
    assert_eq!(told, [("slurm.node_storage", Some("gpu-019"))]);
    let helper = "/usr/libexec/nhc/node-mark-offline:  Marking idle gpu-019 offline:  NHC: ";
    let port = format!("{helper}check_hw_ib:  No IB port mlx5_0:1 is ACTIVE (LinkUp 400 Gb/sec).\n");
    assert_eq!(self::told(&port), [("health.ib_link", "gpu-019".to_owned(), String::new(), 1)]);
}

#[test]
fn a_reading_of_autopilot_is_compared_with_its_neighbours() {
    let log = "[[ PCIEBW ]] FAIL\nHost  gpu-17\n12.3 12.3 5.3 12.3\n\n[[ PCIEBW ]] SUCCESS\nHost  gpu-18\n12.1 5.0\n";
    let node = "gpu-17".to_owned();
    assert_eq!(
        told(log),
        [
            ("health.host_bandwidth", node.clone(), String::new(), 1),
            ("health.host_bandwidth", node, "GPU 2".to_owned(), 3)
        ]
    );
}
