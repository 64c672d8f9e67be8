//! The host at which every broken connection ends.
//!
//! A host that loses its link is named by all its neighbours at once, each of which sees only its own connection.

use std::collections::BTreeSet;

use diag_parsers::{Fields, Name, Says, Value};

use super::{RowId, Table};

/// Rows that tell of a connection that broke between the host that prints them and `peer`.
const BROKEN: [&str; 1] = ["nccl.ib_completion_error"];

/// Completion statuses that say so: retries used up, receiver never ready.
const STATUSES: [i64; 2] = [12, 13];

/// Most rows that the fact points at.
const MOST_PARENTS: usize = 6;

/// A connection: who complains, and of whom.
struct Broken {
    teller: String,
    peer: String,
    row: RowId,
}

/// Derives `network.common_end` where at least two connections broke and one host alone is an end of each.
pub(super) fn derive(table: &mut Table) {
    const KIND: Name = "network.common_end";
    let broken = connections(table);
    let pairs: BTreeSet<BTreeSet<&str>> = broken.iter().map(|one| ends(one)).collect();
    let common = pairs.iter().cloned().reduce(|all, pair| all.intersection(&pair).copied().collect());
    let (true, Some(end)) = (pairs.len() > 1, common.filter(|ends| ends.len() == 1)) else { return };
    let Some(end) = end.first().map(|end| (*end).to_owned()) else { return };
    // Where it is only the one whose log was read, nobody else accuses it.
    if !broken.iter().any(|one| one.peer == end) {
        return;
    }
    let others: BTreeSet<&str> = pairs.into_iter().flatten().filter(|host| *host != end).collect();
    let mut fields = Fields::default();
    fields.set("others", Value::Text(others.into_iter().collect::<Vec<_>>().join(", ")));
    fields.set("node", end);
    let parents = broken.iter().map(|one| one.row).take(MOST_PARENTS).collect();
    table.derive(KIND, Says::Info, fields, parents);
}

fn connections(table: &Table) -> Vec<Broken> {
    let host = |name: &str| table.job.names.get(name).cloned().unwrap_or_else(|| name.to_owned());
    let one = |row: &RowId| {
        let fields = &table.rows[*row].fields;
        let fits = fields.int("status").is_some_and(|status| STATUSES.contains(&status));
        let (Some(teller), Some(peer), true) = (fields.text("node"), fields.text("peer"), fits) else { return None };
        Some(Broken { teller: host(teller), peer: host(peer), row: *row })
    };
    BROKEN.iter().flat_map(|kind| table.of_kind(kind)).filter_map(one).collect()
}

fn ends(broken: &Broken) -> BTreeSet<&str> {
    BTreeSet::from([broken.teller.as_str(), broken.peer.as_str()])
}
