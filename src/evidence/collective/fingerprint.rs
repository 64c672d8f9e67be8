//! Who is in another collective than the rest.

use std::collections::{BTreeMap, BTreeSet};

use diag_parsers::{Fields, Name, Says};

use super::{RowId, Table, about_ranks};

const KIND: Name = "collective.mismatch";

/// Operations between pairs: their neighbours in number do something else by design.
const POINT_TO_POINT: [&str; 4] = ["SEND", "RECV", "COALESCED", "RECVANYSOURCE"];

pub(super) fn derive(table: &mut Table) {
    // Dumps of the flight recorder tell of all ranks and sizes: what watchdogs and tracebacks tell is less.
    if !table.of_kind(KIND).is_empty() {
        return;
    }
    told(table);
    at_odds(table, &numbers_of_params(table), Fields::default());
    from_watchdogs(table);
    from_tracebacks(table);
}

/// Collectives of which a pipeline's stages are in different ones by design.
const BETWEEN_STAGES: [&str; 6] = ["send", "recv", "isend", "irecv", "batch_isend_irecv", "wait"];

/// Whether two sides are at odds: not where a pipeline's stages are in different ones by design.
fn are_two(sides: &BTreeSet<&str>) -> bool {
    sides.len() == 2 && !sides.iter().any(|call| BETWEEN_STAGES.contains(call))
}

/// All ranks waited until their time-out, and their tracebacks tell in which collective: one side is a minority.
fn from_tracebacks(table: &mut Table) {
    let mut calls: BTreeMap<i64, (String, RowId)> = BTreeMap::new();
    let (mut nameless, mut many): (BTreeMap<String, RowId>, u64) = (BTreeMap::new(), 0);
    for id in table.of_kind("python.comm_exception") {
        let row = &table.rows[*id];
        let waited = row.fields.text("message").is_some_and(|message| message.contains("Timed out waiting"));
        let Some(call) = row.fields.text("collective").filter(|_| waited) else { continue };
        if let Some(rank) = row.rank() {
            calls.entry(rank).or_insert((call.to_owned(), *id));
        } else {
            nameless.entry(call.to_owned()).or_insert(*id);
            many += row.count;
        }
    }
    let sides = calls.values().map(|(call, _)| call.as_str()).collect();
    if are_two(&sides) && calls.len() > 2 && calls.len() == table.job.size() {
        at_odds(table, &calls, Fields::default());
    }
    // Up to torch 2.1 they tell no rank. Where each worker on the launcher's list waited, one of them is at odds all the same.
    let listed = table.of_kind("elastic.failure").len() as u64;
    if calls.is_empty() && are_two(&nameless.keys().map(String::as_str).collect()) && many > 2 && many == listed {
        let mut fields = Fields::default();
        fields.set("differ", nameless.keys().cloned().collect::<Vec<_>>().join(" / "));
        table.derive(KIND, Says::Info, fields, nameless.into_values().collect());
    }
}

/// `TORCH_DISTRIBUTED_DEBUG=DETAIL`: each rank prints its own fingerprint and that of one that differs.
fn told(table: &mut Table) {
    // Where all is alike but the number, one of them has made a collective more.
    let by_operation = prints(table, &core);
    let sides: BTreeSet<&str> = by_operation.values().map(|(print, _)| print.as_str()).collect();
    let prints = if sides.len() > 1 { by_operation } else { prints(table, &str::to_owned) };
    at_odds(table, &prints, Fields::default());
}

/// What of its fingerprint tells one rank from another, by rank.
fn prints(table: &Table, of: &dyn Fn(&str) -> String) -> BTreeMap<i64, (String, RowId)> {
    // What stands on lines of its own is part of the check's words only where the check has spoken.
    let spoke = !table.of_kind("torch.wrapper_mismatch").is_empty();
    let wrapped = if spoke { table.of_kind("torch.fingerprint_side") } else { &[] };
    let whole = ["torch.fingerprint_mismatch", "torch.fingerprint_differs"].map(|kind| table.of_kind(kind));
    told_by(table, whole.into_iter().flatten().chain(wrapped), of)
}

/// How many parameters each rank has, as DDP compares them.
fn numbers_of_params(table: &Table) -> BTreeMap<i64, (String, RowId)> {
    let rows = table.of_kind("torch.params_mismatch").iter();
    told_by(table, rows.filter(|id| table.rows[**id].fields.get("unfilled").is_none()), &str::to_owned)
}

/// What rows tell of each rank, the first of them counting.
fn told_by<'t>(
    table: &Table,
    rows: impl Iterator<Item = &'t RowId>,
    of: &dyn Fn(&str) -> String,
) -> BTreeMap<i64, (String, RowId)> {
    let mut told = BTreeMap::new();
    for id in rows {
        for (rank, print) in both_sides(&table.rows[*id].fields) {
            told.entry(rank).or_insert((of(print), *id));
        }
    }
    told
}

/// The rank that compares and the one that it tells of, each with what it has.
fn both_sides(fields: &Fields) -> impl Iterator<Item = (i64, &str)> {
    let side = |(rank, print): (&str, &str)| Some((fields.int(rank)?, fields.text(print)?));
    [("one", "mine"), ("two", "theirs")].into_iter().filter_map(side)
}

/// A fingerprint without the counter that differs by process: operation, shapes, types.
fn core(print: &str) -> String {
    let inner = print.rfind(')').map_or(print, |end| &print[..end]);
    inner.split_once("OpType=").map_or(inner, |(_, rest)| rest).to_owned()
}

/// Time-outs at one number whose operation or size differs between ranks that each wait for one collective.
fn from_watchdogs(table: &mut Table) {
    let mut by_seq: BTreeMap<(String, i64), BTreeMap<i64, (String, RowId)>> = BTreeMap::new();
    let mut waits: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
    for id in table.of_kind("torch.watchdog_timeout") {
        let fields = &table.rows[*id].fields;
        let (Some(seq), Some(rank), Some(op)) =
            (fields.int("seq"), fields.int("rank").or_else(|| fields.int("group_rank")), fields.text("op"))
        else {
            continue;
        };
        if POINT_TO_POINT.contains(&op) {
            return;
        }
        waits.entry(rank).or_default().insert(seq);
        let group = fields.text("pg").unwrap_or_default().to_owned();
        let size: Vec<String> =
            ["numel_in", "shape"].iter().filter_map(|name| fields.get(name)).map(ToString::to_string).collect();
        by_seq.entry((group, seq)).or_default().insert(rank, (format!("{op} {}", size.join(" ")), *id));
    }
    // A rank that waits for several collectives waits in several groups: numbers of one are not those of another.
    if waits.values().any(|seqs| seqs.len() > 1) {
        return;
    }
    for ((_, seq), prints) in by_seq {
        let mut fields = Fields::default();
        fields.set("seq", seq);
        at_odds(table, &prints, fields);
    }
}

/// Names the ranks whose print is not that of the majority; both sides where there is none.
pub(super) fn at_odds(table: &mut Table, prints: &BTreeMap<i64, (String, RowId)>, mut fields: Fields) {
    let mut sides: BTreeMap<&str, BTreeSet<i64>> = BTreeMap::new();
    for (rank, (print, _)) in prints {
        sides.entry(print).or_default().insert(*rank);
    }
    if sides.len() < 2 {
        return;
    }
    let most = sides.values().map(BTreeSet::len).max().unwrap_or(0);
    let clear = sides.values().filter(|ranks| ranks.len() == most).count() == 1;
    let odd: BTreeSet<i64> = sides.values().filter(|ranks| !clear || ranks.len() < most).flatten().copied().collect();
    let texts: Vec<String> = sides.keys().map(|print| print.chars().take(80).collect()).collect();
    fields.set("differ", texts.join(" / "));
    let mut parents: Vec<RowId> = odd.iter().filter_map(|rank| prints.get(rank)).map(|(_, row)| *row).collect();
    parents.extend(prints.iter().find(|(rank, _)| !odd.contains(rank)).map(|(_, (_, row))| *row));
    parents.dedup();
    about_ranks(table, KIND, &odd, fields, parents);
}
