//! Lists in the shapes of the three tools, with invented adapters.

use crate::lint;
use crate::{Catalogue, Event, Scanner};

/// Kind, adapter, host and line of each event.
fn told(log: &str) -> Vec<(&'static str, String, String, u64)> {
    let text = |event: &Event, name: &str| event.fields.text(name).unwrap_or_default().to_owned();
    let events = lint::read(&Scanner::new(Catalogue::built_in().unwrap()), log);
    let ours = events.iter().filter(|event| event.kind.starts_with("infiniband."));
    ours.map(|event| (event.kind, text(event, "hca"), text(event, "node"), event.line)).collect()
}

/// An `ibstat` of adapters with a state, a rate and a link layer each; twelve lines an adapter.
fn ibstat(ports: &[(&str, &str, &str)]) -> String {
    let mut text = String::from("root@gpu-17:~# ibstat\n");
    for (at, (state, rate, layer)) in ports.iter().enumerate() {
        let physical = if *state == "Down" { "Polling" } else { "LinkUp" };
        text.push_str(&format!(
            "CA 'mlx5_{at}'\n\tCA type: MT4129\n\tNumber of ports: 1\n\tFirmware version: 28.39.1002\n\tPort 1:\n\t\tState: {state}\n\t\t\
             Physical state: {physical}\n\t\tRate: {rate}\n\t\tBase lid: 5\n\t\tSM lid: 1\n\t\tPort GUID: 0x0000000000100003\n\t\tLink layer: {layer}\n"
        ));
    }
    text
}

#[test]
fn one_port_down_among_many_that_are_up_has_failed() {
    let up = ("Active", "400", "InfiniBand");
    let bad = ibstat(&[up, up, ("Down", "10", "InfiniBand"), up]);
    assert_eq!(told(&bad), [("infiniband.port_down", "mlx5_2".to_owned(), "gpu-17".to_owned(), 31)]);
    let spare = ibstat(&[up, ("Down", "10", "InfiniBand")]);
    assert_eq!(told(&spare), [("infiniband.port_unused", "mlx5_1".to_owned(), "gpu-17".to_owned(), 19)]);
    let alone = ibstat(&[("Down", "10", "InfiniBand")]);
    assert_eq!(told(&alone)[0].0, "infiniband.port_down");
    let ethernet = ibstat(&[up, up, up, ("Down", "40", "Ethernet")]);
    assert_eq!(told(&ethernet)[0].0, "infiniband.port_unused");
}

#[test]
fn a_port_that_nobody_set_up_and_one_that_is_slow() {
    let up = ("Active", "400", "InfiniBand");
    let waiting = ibstat(&[up, ("Initializing", "400", "InfiniBand")]);
    assert_eq!(told(&waiting), [("infiniband.no_subnet", "mlx5_1".to_owned(), "gpu-17".to_owned(), 19)]);
    let slow = ibstat(&[up, up, ("Active", "200", "InfiniBand"), up]);
    assert_eq!(told(&slow), [("infiniband.port_slow", "mlx5_2".to_owned(), "gpu-17".to_owned(), 33)]);
}

#[test]
fn the_lists_of_the_other_tools() {
    let status = "Infiniband device 'mlx5_ib0' port 1 status:\n\tdefault gid:\t unknown\n\tstate:\t\t 1: DOWN\n\tphys state:\t 3: Disabled\n\t\
                  rate:\t\t 40 Gb/sec (4X QDR)\n\tlink_layer:\t InfiniBand\n";
    assert_eq!(told(status), [("infiniband.port_down", "mlx5_ib0".to_owned(), String::new(), 3)]);
    let devinfo = "hca_id:\tmlx5_0\n\ttransport:\t\t\tInfiniBand (0)\n\tvendor_part_id:\t\t\t4129\n\t\tport:\t1\n\t\t\t\
                   state:\t\t\tPORT_INIT (2)\n\t\t\tlink_layer:\t\tInfiniBand\n";
    assert_eq!(told(devinfo), [("infiniband.no_subnet", "mlx5_0".to_owned(), String::new(), 5)]);
    let rdma = "link mlx5_6/1 subnet_prefix fe80:0000:0000:0000 lid 3402 sm_lid 1 lmc 0 state ACTIVE physical_state LINK_UP netdev ib6\n".repeat(3)
        + "link mlx5_7/1 subnet_prefix fe80:0000:0000:0000 lid 3403 sm_lid 1 lmc 0 state DOWN physical_state POLLING netdev ib7\n";
    assert_eq!(told(&rdma), [("infiniband.port_down", "mlx5_7".to_owned(), String::new(), 4)]);
    let well = "Infiniband device 'mlx5_an0' port 1 status:\n\tstate:\t\t 4: ACTIVE\n\tlink_layer:\t Ethernet\n\n\
                Infiniband device 'mlx5_ib0' port 1 status:\n\tstate:\t\t 4: ACTIVE\n\tlink_layer:\t InfiniBand\n";
    assert_eq!(told(well), []);
}
