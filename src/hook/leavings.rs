//! What epilog takes away: processes of a job that has ended, and shared memory of a user who runs nothing on the node any more.

use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::job::Job;
use crate::reading::{Reading, Unit, Verdict};

/// First user id of people (login.defs, `UID_MIN`).
const FIRST_USER: u32 = 1000;

/// Bytes of a process's environment that are looked at.
const MOST: u64 = 256 << 10;

/// How long a killed process may take to go.
const GOING: Duration = Duration::from_millis(500);

/// Looks for what a job left behind, and takes it away where that is allowed. What was found is told as readings.
///
/// A process is the job's where it is the user's and was started with the job's number; nobody's but that user's is touched.
/// Shared memory goes only where the user runs nothing else here (another job). Files only, never through a link, and only of
/// that user: a name that a user chose leads nowhere else.
pub(super) fn find(job: &Job, allowed: bool) -> Vec<Reading> {
    let (Some(id), Some(uid)) = (job.id, job.uid.filter(|uid| *uid >= FIRST_USER)) else { return Vec::new() };
    let mut readings = Vec::new();
    let processes: Vec<i32> = of_user(uid).into_iter().filter(|pid| is_of_job(*pid, id)).collect();
    if !processes.is_empty() {
        let gone = allowed && end(&processes);
        let reading = Reading::new("leftovers", "job.processes").count(processes.len() as u64, Unit::None).expect("0");
        let what = match (allowed, gone) {
            (true, true) => "killed",
            (true, false) => "they can't be killed",
            (false, _) => "left alone by policy",
        };
        let why = format!("{} processes of the job were still there when it had ended: {what}", processes.len());
        readings.push(reading.found(Verdict::Degraded, why));
    }
    if of_user(uid).is_empty() {
        let (files, bytes) = shared(Path::new("/dev/shm"), uid, allowed);
        if files > 0 {
            let reading = Reading::new("leftovers", "job.shm").count(bytes, Unit::Bytes).expect("0");
            let what = if allowed { "removed" } else { "left alone by policy" };
            let why = format!("{files} files in /dev/shm were left of {} MiB: {what}", bytes >> 20);
            readings.push(reading.found(if allowed { Verdict::Ok } else { Verdict::Degraded }, why));
        }
    }
    readings
}

/// Processes of a user.
fn of_user(uid: u32) -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pid = |entry: &fs::DirEntry| entry.file_name().to_str()?.parse::<i32>().ok();
    let mine = |entry: &fs::DirEntry| entry.metadata().is_ok_and(|about| about.uid() == uid);
    entries.filter(mine).filter_map(|entry| pid(&entry)).filter(|pid| !is_over(*pid)).collect()
}

/// Whether a process has ended and only waits for somebody to take note.
fn is_over(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_none_or(|(_, rest)| rest.trim_start().starts_with(['Z', 'X']))
}

/// Whether a process was started with the number of a job.
fn is_of_job(pid: i32, job: u64) -> bool {
    let mut bytes = Vec::new();
    let Ok(file) = File::open(format!("/proc/{pid}/environ")) else { return false };
    let wanted = format!("SLURM_JOB_ID={job}");
    file.take(MOST).read_to_end(&mut bytes).is_ok() && bytes.split(|b| *b == 0).any(|word| word == wanted.as_bytes())
}

/// Kills processes; whether all are gone soon.
fn end(processes: &[i32]) -> bool {
    for pid in processes {
        let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
    }
    let ends = Instant::now() + GOING;
    while !processes.iter().all(|pid| is_over(*pid)) {
        if Instant::now() >= ends {
            return false;
        }
        thread::sleep(Duration::from_millis(5));
    }
    true
}

/// How many files of a user lie in a folder, and their bytes; they are removed where that is allowed.
fn shared(folder: &Path, uid: u32, allowed: bool) -> (u64, u64) {
    let (mut files, mut bytes) = (0, 0);
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(about) = fs::symlink_metadata(entry.path()) else { continue };
        if about.is_file() && about.uid() == uid && (!allowed || fs::remove_file(entry.path()).is_ok()) {
            files += 1;
            bytes += about.blocks() * 512;
        }
    }
    (files, bytes)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn only_files_of_that_user_go() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("kept");
        fs::create_dir(&kept).unwrap();
        fs::write(kept.join("inner"), "x").unwrap();
        fs::write(folder.path().join("torch_1234"), "x").unwrap();
        std::os::unix::fs::symlink(&kept, folder.path().join("link")).unwrap();
        let me = fs::metadata(folder.path()).unwrap().uid();
        assert_eq!(shared(folder.path(), me.wrapping_add(1), true).0, 0);
        assert_eq!(shared(folder.path(), me, false).0, 1, "found, and left");
        assert!(folder.path().join("torch_1234").exists());
        assert_eq!(shared(folder.path(), me, true).0, 1);
        assert!(!folder.path().join("torch_1234").exists());
        assert!(kept.join("inner").exists() && fs::symlink_metadata(folder.path().join("link")).is_ok());
    }

    #[test]
    fn a_process_is_the_job_s_by_its_environment() {
        let mut child = Command::new("sleep").arg("60").env("SLURM_JOB_ID", "47110815").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        // The new program's environment stands there once it has been started.
        let ends = Instant::now() + Duration::from_secs(10);
        while !is_of_job(pid, 47_110_815) && Instant::now() < ends {
            thread::sleep(Duration::from_millis(5));
        }
        assert!(is_of_job(pid, 47_110_815) && !is_of_job(pid, 4_711_081) && !is_of_job(pid, 815));
        end(&[pid]);
        assert!(is_over(pid));
        child.wait().unwrap();
    }

    #[test]
    fn nothing_is_done_for_the_system_s_own_users() {
        let job = Job { id: Some(1), uid: Some(0), gpus: None };
        assert_eq!(find(&job, true), []);
    }
}
