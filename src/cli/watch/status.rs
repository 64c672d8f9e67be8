//! `diag watch status`: what was seen, what waits, what was dropped and sent.

use serde_json::{Value, json};

use super::{State, now};
use crate::cli::{EXIT_HEALTHY, EXIT_TROUBLE, delivery};
use crate::config::Config;
use crate::error::Error;
use crate::notify;
use crate::report::guard;
use crate::spool::{Record, Spool};
use crate::verdict::Outcome;
use crate::watch::notice::{Book, Notice};

/// How to tell it.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// How to tell it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Most notices and complaints that are told.
const MOST: usize = 20;

/// What the log comes to.
#[derive(Default)]
struct Sum {
    looked: u64,
    healthy: u64,
    left: u64,
    failed: u64,
    dropped: u64,
    sent: u64,
    given_up: u64,
    slowest_ms: u64,
    complaints: Vec<String>,
    book: Book,
}

/// Tells it. 0: nothing was dropped, failed or could not be sent.
pub(super) fn run(args: &Args, config: &Config) -> Result<u8, Error> {
    let spool = args.state.spool()?;
    let sum = sum(&spool, config);
    let (_, wrong) = notify::receivers(&config.notify);
    let text = match args.format {
        Format::Json => {
            let told = serde_json::to_string_pretty(&as_json(&spool, &sum, &wrong)).unwrap_or_default();
            guard::escaped(&told) + "\n"
        }
        Format::Text => as_text(&spool, &sum, &wrong),
    };
    delivery::deliver(text.as_bytes(), None)?;
    let well = wrong.is_empty() && sum.failed + sum.dropped + sum.given_up == 0;
    Ok(if well { EXIT_HEALTHY } else { EXIT_TROUBLE })
}

fn sum(spool: &Spool, config: &Config) -> Sum {
    let mut sum = Sum::default();
    for record in spool.records() {
        match record {
            Record::Looked { at, subject, key, found, took_ms, .. } => {
                sum.looked += 1;
                sum.slowest_ms = sum.slowest_ms.max(took_ms);
                sum.complaints.extend(found.not_placed.iter().map(|why| format!("{subject}: {why}")));
                if found.outcome == Outcome::Healthy {
                    sum.healthy += 1;
                } else {
                    sum.book.take(&key, &subject, &found, at, &config.watch);
                }
            }
            Record::Left { .. } => sum.left += 1,
            Record::Failed { subject, why, .. } => {
                sum.failed += 1;
                sum.complaints.push(format!("{subject}: not looked at: {why}"));
            }
            Record::Dropped { subject, .. } => {
                sum.dropped += 1;
                sum.complaints.push(format!("{subject}: dropped, the queue was full"));
            }
            Record::Told { key, at, count } => sum.book.told(&key, count, at),
            Record::Sent { .. } => sum.sent += 1,
            Record::GivenUp { to, why, .. } => {
                sum.given_up += 1;
                sum.complaints.push(format!("a notice to {to} is given up: {why}"));
            }
        }
    }
    sum
}

/// Notices, the newest first.
fn notices(sum: &Sum) -> Vec<&Notice> {
    let mut all: Vec<&Notice> = sum.book.open().collect();
    all.sort_by_key(|notice| std::cmp::Reverse(notice.last));
    all
}

fn as_json(spool: &Spool, sum: &Sum, wrong: &[Error]) -> Value {
    let (waiting, working) = spool.counts();
    let letters: Vec<Value> = spool
        .letters()
        .iter()
        .map(|letter| json!({ "id": letter.id, "to": letter.to, "tries": letter.tries, "last": letter.last }))
        .collect();
    json!({
        "schema": "diag.watch/1",
        "waiting": waiting, "working": working, "works": works(spool),
        "looked": sum.looked, "healthy": sum.healthy, "left": sum.left, "failed": sum.failed, "dropped": sum.dropped,
        "sent": sum.sent, "given_up": sum.given_up, "slowest_ms": sum.slowest_ms,
        "outbox": letters,
        "notices": notices(sum).iter().take(MOST).map(|notice| json!({
            "key": notice.key, "count": notice.count, "told": notice.told, "first": notice.first, "last": notice.last,
            "headline": notice.found.headline, "of": notice.subjects, "reports": notice.found.placed,
            "waits": notice.found.waits,
        })).collect::<Vec<_>>(),
        "complaints": sum.complaints.iter().rev().take(MOST).collect::<Vec<_>>(),
        "settings": wrong.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })
}

fn as_text(spool: &Spool, sum: &Sum, wrong: &[Error]) -> String {
    let (waiting, working) = spool.counts();
    let works = if works(spool) { "a worker is there" } else { "no worker is there" };
    let mut lines = vec![
        format!("waiting {waiting}, looked at now {working} ({works})"),
        format!(
            "looked at {} (nothing wrong in {}), not worth a look {}, failed {}, dropped {}; the slowest took {:.1} s",
            sum.looked,
            sum.healthy,
            sum.left,
            sum.failed,
            sum.dropped,
            sum.slowest_ms as f64 / 1000.0
        ),
        format!("notices sent {}, waiting {}, given up {}", sum.sent, spool.letters().len(), sum.given_up),
    ];
    let now = now();
    for notice in notices(sum).into_iter().take(MOST) {
        let ago = crate::report::words::span((now - notice.last).max(0) as f64);
        lines.push(format!(
            "{:>5} x  {} ({}, {ago} ago)",
            notice.count,
            notice.found.headline,
            notice.subjects.first().map_or("", String::as_str)
        ));
        lines.extend(notice.found.waits.iter().map(|id| format!("         waits for a yes: diag approvals show {id}")));
    }
    for letter in spool.letters().iter().filter(|letter| letter.tries > 0).take(MOST) {
        lines.push(format!("not sent yet to {}, after {} tries: {}", letter.to, letter.tries, letter.last));
    }
    lines.extend(sum.complaints.iter().rev().take(MOST).cloned());
    lines.extend(wrong.iter().map(ToString::to_string));
    lines.iter().map(|line| format!("{}\n", guard::plain(line))).collect()
}

fn works(spool: &Spool) -> bool {
    matches!(spool.work(), Ok(None))
}
