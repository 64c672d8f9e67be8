//! Whose dump it is: nothing inside tells, only the name of the file.

/// Endings that people put behind the rank.
const ENDINGS: [&str; 11] =
    [".gz", ".zst", ".xz", ".json", ".pickle", ".pkl", ".pt", ".bin", ".dump", ".trace", ".txt"];

/// Largest rank that is believed.
const MOST_RANKS: i64 = 1 << 20;

/// The rank and host in a name: `<prefix><rank>`, with the host between where a site puts it there
/// (`nccl_trace_rank_<host>_<rank>`).
pub(super) fn of(name: &str) -> (Option<i64>, Option<&str>) {
    let mut stem = name.rsplit(['/', '!']).next().unwrap_or(name);
    while let Some(shorter) = ENDINGS.iter().find_map(|ending| stem.strip_suffix(ending)) {
        stem = shorter;
    }
    let before = stem.trim_end_matches(|char: char| char.is_ascii_digit());
    let rank = stem[before.len()..].parse().ok().filter(|rank| *rank < MOST_RANKS);
    let middle = before.rsplit_once("rank_").map(|(_, middle)| middle.trim_end_matches(['_', '.', '-']));
    (rank, middle.filter(|host| rank.is_some() && is_host(host)))
}

fn is_host(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|char| char.is_ascii_alphanumeric() || matches!(char, '-' | '.' | '_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tells_rank_and_host() {
        for (name, rank, host) in [
            ("/tmp/nccl_trace_rank_3", Some(3), None),
            ("dumps/comm_lib_trace_rank_127", Some(127), None),
            ("nccl_trace_rank_gpu-17_12.json", Some(12), Some("gpu-17")),
            ("job.tar!out/fr_2.json.gz", Some(2), None),
            ("_dump_15", Some(15), None),
            ("trace", None, None),
            ("rank_gpu", None, None),
            ("fr_99999999999999999999", None, None),
        ] {
            assert_eq!(of(name), (rank, host), "{name}");
        }
    }
}
