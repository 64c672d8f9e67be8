//! `--since`, `--until`, `--node`, `--job`: which part of the evidence to look at.

use diag_parsers::hostlist;
use jiff::civil::{Date, DateTime, Time};
use jiff::{Span, Timestamp, Zoned};

use crate::error::Error;
use crate::evidence::{Dropped, Moment, Narrow, Table};
use crate::report::Note;

/// Most hosts that `--node` may name.
const MOST_HOSTS: usize = 20_000;

/// Most names that are listed where one is not known.
const MOST_TOLD: usize = 8;

/// What a person types.
#[derive(Debug, Clone, Default, clap::Args, serde::Serialize, serde::Deserialize)]
#[serde(default)]
#[group(skip)]
pub(super) struct Args {
    /// Leave out what was over before: `2026-05-04 03:00`, `03:00`, `today`, `2h ago`.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, help_heading = "Which part of it")]
    pub(super) since: Option<String>,
    /// Leave out what came after.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, help_heading = "Which part of it")]
    pub(super) until: Option<String>,
    /// Leave out what other hosts tell of: `gpu-17` or `gpu-[017-020]`.
    #[arg(long, value_name = "HOSTS", help_heading = "Which part of it")]
    pub(super) node: Vec<String>,
    /// Leave out other jobs, and what happened when and where this one did not run.
    #[arg(long, value_name = "ID", help_heading = "Which part of it")]
    pub(super) job: Option<String>,
}

/// The part of a table that is asked for, with a remark on what that leaves out.
pub(super) fn apply(args: &Args, table: Table) -> Result<(Table, Option<Note>), Error> {
    let narrow = narrow(args, &Zoned::now())?;
    if narrow.since.is_none() && narrow.until.is_none() && narrow.nodes.is_empty() && narrow.job.is_none() {
        return Ok((table, None));
    }
    let nodes = table.nodes();
    let told = |name: &str| nodes.contains(table.host(name).as_str()) || nodes.iter().any(|node| holds(node, name));
    // Of a list, some hosts may have nothing to tell.
    if let Some(first) = narrow.nodes.first().filter(|_| !narrow.nodes.iter().any(|name| told(name))) {
        return Err(unknown("--node", first, &nodes.iter().copied().collect::<Vec<_>>()));
    }
    if let Some(job) = narrow.job.as_ref().filter(|job| !table.jobs().contains(*job)) {
        let jobs = table.jobs();
        return Err(unknown("--job", job, &jobs.iter().map(String::as_str).collect::<Vec<_>>()));
    }
    let (part, dropped) = table.narrowed(&narrow);
    Ok((part, Some(note(dropped))))
}

fn narrow(args: &Args, now: &Zoned) -> Result<Narrow, Error> {
    let read = |name: &str, text: &Option<String>| text.as_ref().map(|text| moment(name, text, now)).transpose();
    let (since, until) = (read("--since", &args.since)?, read("--until", &args.until)?);
    if let (Some(first), Some(last)) = (since, until)
        && first.utc > last.utc
    {
        let told = |text: &Option<String>| text.clone().unwrap_or_default();
        let reason = format!("{} is after {}: nothing lies between", told(&args.since), told(&args.until));
        return Err(
            Error::new("usage.time", "--since and --until", reason).with_way_on("did you mean the other way round?")
        );
    }
    let mut nodes = Vec::new();
    for list in &args.node {
        nodes.extend(hostlist::expand(list, MOST_HOSTS).map_err(|why| {
            Error::new("usage.hosts", format!("--node {list}"), format!("is no hostlist: {why:?}"))
                .with_way_on("write gpu-17, gpu-17,gpu-18 or gpu-[017-020]")
        })?);
    }
    Ok(Narrow { since, until, nodes, job: args.job.clone() })
}

fn holds(list: &str, name: &str) -> bool {
    list.eq_ignore_ascii_case(name)
        || (list.contains(['[', ','])
            && hostlist::expand(list, MOST_HOSTS).is_ok_and(|all| all.iter().any(|host| host == name)))
}

fn unknown(option: &str, name: &str, known: &[&str]) -> Error {
    let told = known.iter().take(MOST_TOLD).copied().collect::<Vec<_>>().join(", ");
    let more = known.len().saturating_sub(MOST_TOLD);
    let way_on = match (known.len(), more) {
        (0, _) => "leave the option out: no line tells of any".to_owned(),
        (_, 0) => format!("told of are {told}"),
        _ => format!("told of are {told} and {more} more"),
    };
    Error::new("usage.unknown", format!("{option} {name}"), "nothing that was read tells of it").with_way_on(way_on)
}

/// A time as people type it.
fn moment(option: &str, text: &str, now: &Zoned) -> Result<Moment, Error> {
    let text = text.trim();
    let zone = now.time_zone();
    let wrong = |way_on: &str| {
        Err(Error::new("usage.time", format!("{option} {text}"), "is no time that can be read").with_way_on(way_on))
    };
    let civil = |at: DateTime| at.to_zoned(zone.clone()).map(|at| of(&at)).or_else(|_| wrong("write 2026-05-04 03:00"));
    let day = |date: Date| civil(date.at(0, 0, 0, 0));
    match text {
        "now" => return Ok(of(now)),
        "today" => return day(now.date()),
        "yesterday" => return now.date().yesterday().map_or_else(|_| wrong("write a date"), day),
        _ => {}
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(of(&at.to_zoned(zone.clone())));
    }
    if let (Ok(date), true) = (text.parse::<Date>(), text.len() <= "2026-05-04".len()) {
        return day(date);
    }
    if let Ok(at) = text.parse::<DateTime>() {
        return civil(at);
    }
    if let Ok(time) = text.parse::<Time>() {
        return civil(now.date().to_datetime(time));
    }
    match text.parse::<Span>() {
        Ok(span) if span.is_negative() => {
            now.checked_add(span).map(|at| of(&at)).or_else(|_| wrong("that is too long ago"))
        }
        Ok(_) => wrong(&format!("did you mean `{text} ago`?")),
        Err(_) => wrong("write 2026-05-04 03:00, 2026-05-04T03:00:00Z, 03:00, today, yesterday, `2h ago` or -2h"),
    }
}

fn of(at: &Zoned) -> Moment {
    let utc = at.timestamp().as_microsecond();
    Moment { utc, civil: utc + i64::from(at.offset().seconds()) * 1_000_000 }
}

fn note(dropped: Dropped) -> Note {
    let parts = [
        (dropped.before, "before that time"),
        (dropped.after, "after that time"),
        (dropped.elsewhere, "of other hosts"),
        (dropped.other_job, "of other jobs"),
    ];
    let told: Vec<String> =
        parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    let left = if told.is_empty() {
        "nothing was left out".to_owned()
    } else {
        format!("left out: events {}", told.join(", "))
    };
    let kept = match dropped.untimed {
        0 => String::new(),
        count => format!("; {count} that print no time were kept"),
    };
    Note { source: String::new(), code: "input.narrowed".to_owned(), what: format!("{left}{kept}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Zoned {
        "2026-05-04T12:00:00+02:00[+02:00]".parse().unwrap()
    }

    #[test]
    fn times_are_read_as_people_type_them() {
        let utc = |text: &str| {
            moment("--since", text, &now()).map(|at| Timestamp::from_microsecond(at.utc).unwrap().to_string())
        };
        for (text, want) in [
            ("2026-05-04T03:00:00Z", "2026-05-04T03:00:00Z"),
            ("2026-05-04T03:00:00+02:00", "2026-05-04T01:00:00Z"),
            ("2026-05-04 03:00:00", "2026-05-04T01:00:00Z"),
            ("2026-05-04 03:00", "2026-05-04T01:00:00Z"),
            ("2026-05-04", "2026-05-03T22:00:00Z"),
            ("03:00", "2026-05-04T01:00:00Z"),
            ("today", "2026-05-03T22:00:00Z"),
            ("yesterday", "2026-05-02T22:00:00Z"),
            ("now", "2026-05-04T10:00:00Z"),
            ("2h ago", "2026-05-04T08:00:00Z"),
            ("-2h", "2026-05-04T08:00:00Z"),
            ("-90m", "2026-05-04T08:30:00Z"),
            ("1 day ago", "2026-05-03T10:00:00Z"),
        ] {
            assert_eq!(utc(text).unwrap(), want, "{text}");
        }
        let local = moment("--since", "2026-05-04 03:00", &now()).unwrap();
        assert_eq!(local.civil - local.utc, 7_200_000_000);
    }

    #[test]
    fn what_is_no_time_is_answered_with_what_was_meant() {
        let way_on = |text: &str| moment("--since", text, &now()).unwrap_err().way_on;
        assert_eq!(way_on("2h"), "did you mean `2h ago`?");
        assert!(way_on("noon").contains("`2h ago`"));
        assert!(way_on("").contains("today"));
    }
}
