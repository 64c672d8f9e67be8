//! How numbers, times and names are said, in every rendering for people.

use std::sync::LazyLock;

use diag_parsers::rank_list;
use regex::{Captures, Regex};

use super::{Confidence, Culprit, Evidence, Finding, Fix, Input, Lane, Link, Outcome, PartFacts, Report};
use crate::evidence::without_domain;

/// `1,024`.
pub(crate) fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut said = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            said.push(',');
        }
        said.push(digit);
    }
    said
}

/// `1 rank`, `1,023 ranks`.
pub(crate) fn count(n: u64, one: &str) -> String {
    format!("{} {one}{}", number(n), if n == 1 { "" } else { "s" })
}

/// `12 B`, `4.2 MB`: powers of ten.
pub(in crate::report) fn bytes(n: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let mut size = n as f64;
    let mut unit = 0;
    while size >= 999.5 && unit + 1 < units.len() {
        size /= 1000.0;
        unit += 1;
    }
    if unit == 0 || size >= 99.5 { format!("{size:.0} {}", units[unit]) } else { format!("{size:.1} {}", units[unit]) }
}

/// A sentence in which sizes are told as logs tell them: `58720256 bytes` is `56.00 MiB`.
pub(in crate::report) fn sized(text: &str) -> String {
    let units = [(1_u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let mut words: Vec<String> = text.split(' ').map(str::to_owned).collect();
    for at in 1..words.len() {
        let unit = words[at].strip_prefix("bytes").map(str::to_owned);
        let size: Option<u64> = words[at - 1].parse().ok();
        if let (Some(tail), Some(size)) = (unit, size)
            && let Some((unit, name)) = units.into_iter().find(|(unit, _)| size >= *unit)
        {
            words[at - 1] = format!("{:.2}", size as f64 / unit as f64);
            words[at] = format!("{name}{tail}");
        }
    }
    words.join(" ")
}

/// `+0.0 s`, `+42 s`, `+30 min`, `+2.5 h`, `-3 d`.
pub(crate) fn offset(seconds: f64) -> String {
    let sign = if seconds < 0.0 { '-' } else { '+' };
    format!("{sign}{}", span(seconds.abs()))
}

/// `0.3 s`, `42 s`, `30 min`, `2.5 h`, `3 d`.
pub(crate) fn span(seconds: f64) -> String {
    match seconds {
        s if s < 9.95 => format!("{s:.1} s"),
        s if s < 119.5 => format!("{s:.0} s"),
        s if s < 7170.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.0} d", s / 86_400.0),
    }
}

/// Ranks in few words: `rank 3`, `ranks 0-7`, `12 ranks (0,3,5,…)`.
pub(in crate::report) fn ranks(ranks: &[i64]) -> String {
    const MOST: usize = 28;
    let list = rank_list(ranks);
    match ranks {
        [] => String::new(),
        [rank] => format!("rank {rank}"),
        _ if list.len() <= MOST => format!("ranks {list}"),
        _ => {
            let cut = list[..MOST].rfind(',').unwrap_or(MOST);
            format!("{} ({},…)", count(ranks.len() as u64, "rank"), &list[..cut])
        }
    }
}

/// Facts that no line tells, in words.
pub(in crate::report) const DERIVED: [(&str, &str); 41] = [
    ("collective.behind", "a rank has fewer completed collectives than its peers"),
    ("collective.absent", "a rank is not in the collective that the others wait in"),
    ("collective.alone", "few ranks wait in a collective that most have not enqueued"),
    ("collective.mismatch", "ranks are in different collectives, or in one with different sizes"),
    ("collective.stuck_together", "all ranks wait in the same collective"),
    ("collective.no_record", "a rank left no record of its collectives"),
    ("collective.unheard", "a rank is not heard of where its peers wait"),
    ("collective.undumped", "a rank left no dump where its peers left theirs"),
    ("rank.first_failure", "a rank failed before all others"),
    ("rank.aborted", "a rank called abort, and nobody says why"),
    ("rank.left", "a rank left before the others"),
    ("launcher.stopped", "a launcher was told to stop from outside before anything had failed"),
    ("rendezvous.rank_twice", "several processes took one rank, and nobody took others"),
    ("rendezvous.crowded", "more processes came to the rendezvous than it has room for"),
    ("network.astray", "an address that only one host has"),
    ("network.flapping", "a link that goes down again and again"),
    ("network.common_end", "the host at which broken connections end"),
    ("gpu_fault.lost", "a GPU no longer answers"),
    ("gpu_fault.memory", "a GPU's memory is at fault"),
    ("gpu_fault.memory_note", "a GPU has a note on its memory, to be seen to some time"),
    ("gpu_fault.gsp_silent", "a GPU's own processor does not answer the driver"),
    ("gpu_fault.link", "a GPU's NVLink is at fault"),
    ("gpu_fault.link_note", "a GPU has a note on its NVLink, to be seen to some time"),
    ("gpu_fault.program", "a program met a fault of its own on a GPU"),
    ("gpu_fault.other", "a GPU's driver reports a fault"),
    ("gpu_fault.other_note", "a GPU's driver has a note, to be seen to some time"),
    ("pcie.storm", "the PCIe bus corrects errors all the time"),
    ("host_memory.storm", "a memory module corrects errors all the time"),
    ("host_memory.no_victim", "the kernel looked for a process to kill for memory"),
    ("peers.slow_clock", "a GPU has a lower clock than others of its type"),
    ("peers.low_power", "a GPU has a lower power limit than others of its type"),
    ("peers.narrow_link", "a GPU has a narrower or slower PCIe link than others of its type"),
    ("peers.slow_port", "a port of the fabric is slower than those of nodes of its type"),
    ("peers.small_mtu", "an interface takes smaller packets than those of nodes of its type"),
    ("peers.large_mtu", "an interface sends larger packets than those of nodes of its type"),
    ("peers.interface_down", "an interface is set down that is up on nodes of its type"),
    ("peers.small_shm", "shared memory is smaller than on nodes of its type"),
    ("peers.read_only", "a file system can't be written that can be on nodes of its type"),
    ("peers.no_slurmd", "no daemon that starts jobs runs, and on nodes of its type one does"),
    ("peers.no_munge", "no munge runs, by which Slurm's daemons know each other, and on nodes of its type it does"),
    ("peers.small_memlock", "jobs may lock less memory than on nodes of its type"),
];

/// What a derived fact is, in words.
pub(in crate::report) fn derived(kind: &str) -> Option<&'static str> {
    DERIVED.iter().find(|(derived, _)| *derived == kind).map(|(_, about)| *about)
}

/// The culprit in a few words: `rank 3 on gpu-17, GPU 0000:3b:00.0`; empty where nobody is named.
pub(crate) fn culprit(culprit: &Culprit) -> String {
    let mut said = ranks(&culprit.ranks);
    let nodes = several("", &culprit.nodes);
    if !nodes.is_empty() {
        said = if said.is_empty() { several("node ", &culprit.nodes) } else { format!("{said} on {nodes}") };
    }
    let others = [("GPU ", &culprit.gpus), ("pod ", &culprit.pods), ("job ", &culprit.jobs)];
    let others = others.into_iter().map(|(one, names)| several(one, names));
    std::iter::once(said).chain(others).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

/// Sentences about several ranks that were written for one: `Rank 12,14 has` becomes `Ranks 12,14 have`.
pub(in crate::report) fn agreed(text: &str) -> String {
    static ONE: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"\b(?P<word>[Rr]ank)(?P<list> \d+(?:[-,]\d+)+)(?P<verb> (?:has|is|was|does))?\b").ok()
    });
    let Some(pattern) = ONE.as_ref() else { return text.to_owned() };
    let many = |found: &Captures<'_>| {
        let verb = match found.name("verb").map_or("", |verb| verb.as_str().trim_start()) {
            "has" => " have",
            "is" => " are",
            "was" => " were",
            "does" => " do",
            _ => "",
        };
        format!("{}s{}{verb}", &found["word"], &found["list"])
    };
    pattern.replace_all(text, many).into_owned()
}

/// A job or attempt and what came of it, in a line.
pub(in crate::report) fn part(part: &PartFacts) -> String {
    let who = part.culprit.as_ref().map(culprit).filter(|who| !who.is_empty());
    let what = match (part.outcome, &part.title) {
        (Outcome::Healthy, _) => "nothing wrong found".to_owned(),
        (Outcome::Undetermined, None) => "it failed; what was read does not tell why".to_owned(),
        (Outcome::Undetermined, Some(title)) => format!("it failed, not decided why (possible: {title})"),
        (Outcome::Diagnosed, title) => title.clone().unwrap_or_default(),
    };
    let told = if part.told { " (told above)" } else { "" };
    match who.filter(|_| part.outcome == Outcome::Diagnosed) {
        Some(who) => format!("{}: {what}: {who}{told}", part.name),
        None => format!("{}: {what}{told}", part.name),
    }
}

fn several(one: &str, names: &[String]) -> String {
    // Some tools name a GPU by its index (`GPU 3`), and the word stands there already.
    let bare: Vec<&str> = names.iter().map(|name| name.strip_prefix(one).unwrap_or(name)).collect();
    match bare.as_slice() {
        [] => String::new(),
        [name] => format!("{one}{name}"),
        [a, b] => format!("{}{a} and {b}", plural(one)),
        [a, b, rest @ ..] => format!("{}{a}, {b} and {} more", plural(one), rest.len()),
    }
}

fn plural(one: &str) -> String {
    if one.is_empty() { String::new() } else { format!("{}s ", one.trim_end()) }
}

/// The verdict in a word or two, as a report begins.
pub(crate) fn verdict(report: &Report) -> &'static str {
    match (report.outcome, report.findings.first().map(|finding| finding.confidence)) {
        (Outcome::Healthy, _) if nothing_known(&report.inputs) => "NOT RECOGNISED",
        (Outcome::Healthy, _) => "HEALTHY",
        (Outcome::Diagnosed, Some(Confidence::Confirmed)) => "CONFIRMED",
        (Outcome::Diagnosed, Some(_)) => "LIKELY",
        _ => "UNDETERMINED",
    }
}

/// Whether inputs were read and no line of them is known: that nothing wrong was found then says nothing.
pub(crate) fn nothing_known(inputs: &[Input]) -> bool {
    !inputs.is_empty() && inputs.iter().all(|input| input.events == 0)
}

/// `confirmed`, `likely`, `possible`.
pub(crate) fn confidence(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Possible => "possible",
        Confidence::Likely => "likely",
        Confidence::Confirmed => "confirmed",
    }
}

/// What a step risks, in words for somebody who has not read our scale.
pub(crate) fn risk(risk: &str) -> &'static str {
    match risk {
        "observe" => "only looks",
        "load" => "puts load on the nodes",
        "reversible" => "can be undone",
        "disruptive" => "interrupts work",
        _ => "can't be undone",
    }
}

/// When a link of the chain happened: after the cause, or at a time, or on a line.
pub(in crate::report) fn when(link: &Link) -> String {
    match (link.after_s, link.time.as_ref()) {
        (Some(after), _) if link.about && after != 0.0 => format!("~{}", offset(after)),
        (Some(after), _) => offset(after),
        (None, Some(time)) => clock(time).to_owned(),
        _ => match &link.since {
            Some(time) => format!("after {}", clock(time)),
            None => format!("line {}", link.example.line),
        },
    }
}

/// The time of day of a printed time.
pub(crate) fn clock(time: &str) -> &str {
    let time = time.split_once(' ').map_or(time, |(_, clock)| clock);
    time.split('.').next().unwrap_or(time)
}

/// Who a link happened to: `rank 3`, `1,023 of 1,024 ranks`, `gpu-17`.
pub(in crate::report) fn whom(link: &Link, report: &Report) -> String {
    let world = report.timeline.world_size.and_then(|size| u64::try_from(size).ok());
    let ranks = link.ranks.len() as u64;
    match (ranks, world) {
        (0, _) => link.example.node.as_deref().map(host).unwrap_or_default().to_owned(),
        (1, _) => format!("rank {}", link.ranks[0]),
        (_, Some(world)) if world == ranks => format!("all {} ranks", number(world)),
        (_, Some(world)) if world > ranks => format!("{} of {} ranks", number(ranks), number(world)),
        _ => count(ranks, "rank"),
    }
}

/// A host by its first name, where its full one is long.
pub(crate) fn host(name: &str) -> &str {
    const MOST: usize = 24;
    if name.len() <= MOST { name } else { without_domain(name) }
}

/// How what would decide is asked for.
pub(in crate::report) fn asking(finding: &Finding) -> &'static str {
    if finding.confidence == Confidence::Confirmed { "To learn more: " } else { "To be sure: " }
}

/// Where a line stands: `job.log:1042`.
pub(in crate::report) fn place(evidence: &Evidence) -> String {
    format!("{}:{}", evidence.source, evidence.line)
}

/// What is known of the culprit's last step: `last step 1200 (the others reached 1201)`.
pub(in crate::report) fn last_step(finding: &Finding, report: &Report) -> Option<String> {
    let lanes = &report.timeline.lanes;
    let own_lane = |lane: &Lane| lane.rank.is_some_and(|rank| finding.culprit.ranks.contains(&rank));
    let own = lanes.iter().filter(|lane| own_lane(lane)).filter_map(|lane| lane.last_step);
    let own = own.max()?;
    let others = lanes.iter().filter(|lane| !own_lane(lane));
    Some(match others.filter_map(|lane| lane.last_step).max() {
        Some(reached) if reached != own => format!("last step {own} (others reached {reached})"),
        _ => format!("last step {own}"),
    })
}

/// What was read: `2 files, 12,034 lines, 4.2 MB in 0.03 s`.
pub(in crate::report) fn read(report: &Report) -> String {
    let inputs = &report.inputs;
    let lines: u64 = inputs.iter().map(|input| input.lines).sum();
    let size: u64 = inputs.iter().map(|input| input.bytes).sum();
    let files = count(inputs.len() as u64, "file");
    let read = format!("{files}, {}, {}", count(lines, "line"), bytes(size));
    match report.stats.elapsed_ms {
        0 => read,
        elapsed => format!("{read} in {:.2} s", elapsed as f64 / 1000.0),
    }
}

/// What happened, as a line of a list: the first sentence, a capital in front, no full stop.
pub(in crate::report) fn happened(link: &Link) -> String {
    let first = link.what.split_once(". ").map_or(link.what.as_str(), |(first, _)| first);
    capital(first.trim_end_matches('.'))
}

/// A sentence begins with a capital.
pub(crate) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// The commands of a fix, ready for a shell: its environment first, then its argument lists, word by word.
pub(in crate::report) fn commands(fix: &Fix) -> Vec<Vec<String>> {
    let export = fix.env.iter().map(|(name, value)| format!("{name}={}", quoted(value)));
    let export: Vec<String> = std::iter::once("export".to_owned()).chain(export).collect();
    let argv = fix.commands.iter().map(|argv| argv.iter().map(|word| quoted(word)).collect());
    std::iter::once(export).filter(|words| words.len() > 1).chain(argv).collect()
}

/// A command line of a playbook in pieces between which a line may end: at spaces outside of quotes.
pub(in crate::report) fn split(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in command.chars() {
        match (quote, c) {
            (None, ' ') => words.push(String::new()),
            (None, '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            _ => {}
        }
        if let (Some(word), true) = (words.last_mut(), c != ' ' || quote.is_some()) {
            word.push(c);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// A word as a POSIX shell takes it, whatever it holds.
pub(crate) fn quoted(word: &str) -> String {
    let safe = |b: u8| b.is_ascii_alphanumeric() || b"_-./:=@%+,".contains(&b);
    if !word.is_empty() && word.bytes().all(safe) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Whether a value of a log may stand in a command line, in whatever quotes: a plain word and no option.
pub(in crate::report) fn harmless(word: &str) -> bool {
    let safe = |b: u8| b.is_ascii_alphanumeric() || b"_-./:".contains(&b);
    !word.is_empty() && !word.starts_with('-') && word.len() <= 255 && word.bytes().all(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_said_as_people_say_them() {
        assert_eq!(count(1, "rank"), "1 rank");
        assert_eq!(count(1_048_576, "rank"), "1,048,576 ranks");
        assert_eq!((offset(0.0), offset(1800.4), offset(-2.0)), ("+0.0 s".into(), "+30 min".into(), "-2.0 s".into()));
        assert_eq!((bytes(12), bytes(4_200_000), bytes(999_999)), ("12 B".into(), "4.2 MB".into(), "1.0 MB".into()));
    }

    #[test]
    fn a_gpu_that_is_called_one_is_not_called_so_twice() {
        let gpus = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let of = |names: &[&str]| culprit(&Culprit { gpus: gpus(names), ..Culprit::default() });
        assert_eq!(of(&["GPU 3"]), "GPU 3");
        assert_eq!(of(&["GPU 3", "GPU 4", "0000:3b:00.0"]), "GPUs 3, 4 and 1 more");
    }

    #[test]
    fn several_ranks_are_several() {
        for (text, want) in [
            ("Rank 12,14 has not finished [E1].", "Ranks 12,14 have not finished [E1]."),
            ("It waits for rank 0-3: rank 5 is late.", "It waits for ranks 0-3: rank 5 is late."),
            ("Rank 3 was killed", "Rank 3 was killed"),
            ("Rank 1,2 waited", "Ranks 1,2 waited"),
        ] {
            assert_eq!(agreed(text), want);
        }
    }

    #[test]
    fn sizes_are_told_as_logs_tell_them() {
        assert_eq!(sized("asked for 58720256 bytes, 12 bytes left"), "asked for 56.00 MiB, 12 bytes left");
    }

    #[test]
    fn words_of_a_log_stay_words_for_a_shell() {
        assert_eq!(quoted("NodeName=gpu-17"), "NodeName=gpu-17");
        assert_eq!(quoted("a'; rm -rf $HOME"), r"'a'\''; rm -rf $HOME'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn many_culprits_are_cut_short() {
        let many: Vec<i64> = (0..100).map(|n| n * 3).collect();
        assert_eq!(ranks(&many), "100 ranks (0,3,6,9,12,15,18,21,24,27,…)");
        assert_eq!(ranks(&[4, 5, 6]), "ranks 4-6");
    }
}
