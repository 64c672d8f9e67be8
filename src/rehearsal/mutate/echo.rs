//! The words of a list of echoes: kinds, groups, conditions, on whom, when.

use super::Changes;
use crate::playbook::{Echo, On, Order};

/// Each word as a change that takes it away.
pub(super) fn changes(echoes: &[Echo]) -> Changes<Vec<Echo>> {
    let mut all: Changes<Vec<Echo>> = Vec::new();
    for (at, echo) in echoes.iter().enumerate() {
        for kind in echo.kinds.iter().cloned() {
            let without = format!("echoes: {kind}");
            all.push((without, Box::new(move |list| list[at].kinds.retain(|known| *known != kind))));
        }
        for name in echo.groups.iter().cloned() {
            let without = format!("echoes: group {name}");
            all.push((without, Box::new(move |list| list[at].groups.retain(|known| *known != name))));
        }
        let of = echo.kinds.join(", ");
        let fields: Vec<String> = echo.filter.keys().cloned().collect();
        for field in fields {
            let without = format!("echoes: {of}: where.{field}");
            all.push((without, Box::new(move |list| drop(list[at].filter.shift_remove(&field)))));
        }
        if echo.on != On::Any {
            all.push((format!("echoes: {of}: on"), Box::new(move |list| list[at].on = On::Any)));
        }
        if echo.order != Order::After {
            all.push((format!("echoes: {of}: order"), Box::new(move |list| list[at].order = Order::After)));
        }
    }
    all
}
