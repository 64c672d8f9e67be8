//! The name of a report beside a job's output.

/// Longest stem that is taken over, in bytes: file systems take names of 255.
const LONGEST: usize = 160;

/// `slurm-4242.out` as `slurm-4242.diag.txt`, `train.log` of job 4242 as `train-4242.diag.txt`; `nth` from 1, where reports
/// stand there already. `None`: what is no name of a file.
#[must_use]
pub fn beside(output: &str, job: Option<u64>, nth: u32, form: &str) -> Option<String> {
    let name = output.rsplit('/').next().filter(|name| !matches!(*name, "" | "." | ".."))?;
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let stem = if stem.is_empty() { name } else { stem };
    let mut end = stem.len().min(LONGEST);
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    let stem = &stem[..end];
    let id = job.map(|job| job.to_string()).filter(|id| !stem.contains(id.as_str()));
    let id = id.map_or_else(String::new, |id| format!("-{id}"));
    let nth = if nth > 1 { format!(".{nth}") } else { String::new() };
    let end = if form == "text" { "txt" } else { form };
    Some(format!("{stem}{id}.diag{nth}.{end}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_named_after_the_output_and_leads_nowhere_else() {
        assert_eq!(beside("/home/a/slurm-4242.out", Some(4242), 1, "text").unwrap(), "slurm-4242.diag.txt");
        assert_eq!(beside("/home/a/train.log", Some(4242), 2, "json").unwrap(), "train-4242.diag.2.json");
        assert_eq!(beside("/logs/rank.0.log", None, 1, "html").unwrap(), "rank.0.diag.html");
        assert_eq!(beside("/home/a/..", Some(1), 1, "text"), None);
        assert_eq!(beside("/home/a/", Some(1), 1, "text"), None);
        assert_eq!(beside("/x/.hidden", None, 1, "text").unwrap(), ".hidden.diag.txt");
        assert!(beside(&"\u{e9}".repeat(200), None, 1, "text").unwrap().len() < 255);
    }
}
