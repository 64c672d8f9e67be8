//! What is expected of a node: its golden profile.

use std::collections::BTreeMap;

use crate::reading::{Quantity, Reading};
use serde::{Deserialize, Serialize};

/// A golden profile. What is left out is not asked for; what a node has by itself (its links' own maximum) is judged
/// without one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expected {
    /// How many GPUs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpus: Option<u64>,
    /// Their product name, for example `NVIDIA H100 80GB HBM3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu_name: Option<String>,
    /// How many NVLinks of each GPU are active.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nvlinks: Option<u64>,
    /// How many ports of the fabric are active.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ports: Option<u64>,
    /// Their rate, in bits per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_rate: Option<f64>,
    /// Least memory, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Least size of `/dev/shm`, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shm: Option<u64>,
    /// What must be mounted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<String>,
    /// Services that must run, by the name of their process, for example `nv-fabricmanager`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<String>,
    /// Settings of kernel and driver, for example `"sysctl:vm/swappiness" = "10"`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub config: BTreeMap<String, String>,
    /// Readings by kind that must say just this, for example `"probe.gpu.driver" = "570.86.15"`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub exact: BTreeMap<String, String>,
}

impl Expected {
    /// The profile of a node that is known to be good: what its readings say.
    pub fn of(readings: &[Reading]) -> Self {
        let find = |probe: &'static str, name: &'static str| {
            readings.iter().filter(move |r| r.probe == probe && r.name == name)
        };
        let count = |probe: &'static str, name: &'static str| find(probe, name).find_map(Reading::as_number);
        let text = |probe: &'static str, name: &'static str| {
            find(probe, name).find_map(|r| Some(r.value.as_ref()?.to_string()))
        };
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts are whole and not negative")]
        let whole = |number: f64| number as u64;
        let exact = [("gpu", "driver"), ("gpu", "cuda"), ("gpu", "vbios"), ("pci", "iommu")];
        let exact =
            exact.iter().filter_map(|(probe, name)| Some((format!("probe.{probe}.{name}"), text(probe, name)?)));
        let setting = |r: &Reading| {
            let key = super::config::key(&r.name, r.of.get("setting").map(String::as_str));
            Some((key, r.value.as_ref()?.to_string()))
        };
        let config = readings.iter().filter(|r| r.probe == "config").filter_map(setting).collect();
        let answering = find("mounts", "answers").filter(|r| r.value == Some(Quantity::Flag(true)));
        let running = find("services", "running").filter(|r| r.value == Some(Quantity::Flag(true)));
        Self {
            gpus: count("gpu", "count").map(whole),
            gpu_name: text("gpu", "name"),
            nvlinks: count("gpu", "nvlink.active").map(whole),
            ports: count("fabric", "ports.active").map(whole),
            port_rate: count("fabric", "rate"),
            memory: count("memory", "total").map(|bytes| whole(bytes / 100.0 * 99.0)),
            shm: count("disks", "shm.size").map(whole),
            mounts: answering.filter_map(|r| r.of.get("mount").cloned()).collect(),
            services: running.filter_map(|r| r.of.get("service").cloned()).collect(),
            config,
            exact: exact.collect(),
        }
    }
}
