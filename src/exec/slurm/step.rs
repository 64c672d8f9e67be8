//! One job step: an srun, a wrapper on each node, and what is heard of each.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::{Instant, sleep_until};

use super::label::{Labelled, REMOTE};
use super::{Placed, Run, Settings, nodes};
use crate::exec::gate::Gate;
use crate::exec::outcome::{End, Ran};
use crate::exec::process::Process;
use crate::exec::shell::{GO, Hearing, Order, STOP, Stream, Watch};
use crate::exec::wire::{Came, Wire as _};
use crate::plan::{NodeName, Work};

/// From the request to end until all nodes have to have confirmed it.
const END: Duration = Duration::from_secs(15);

/// Beyond the time allowed, a node ends by itself.
const LAST_RESORT: Duration = Duration::from_secs(60);

/// Most bytes of a task that are told late, because its node was not known when they came.
const EARLY: usize = 64 * 1024;

/// How long srun may take to leave once all is said.
const CLOSING: Duration = Duration::from_secs(10);

/// What a step is made of.
pub(super) struct Step<'a> {
    /// The same work on nodes of their own.
    pub(super) parts: &'a [Placed<'a>],
    /// Whether its tasks begin together.
    pub(super) gated: bool,
    /// Whether there is no other step to begin with.
    pub(super) alone: bool,
    /// Where steps wait for each other.
    pub(super) gate: &'a Gate,
}

/// Runs a step to its end.
pub(super) async fn run(step: Step<'_>, run: &Run<'_>) -> Vec<(usize, Ran)> {
    let all = |end: &End| {
        step.parts.iter().map(|(index, part)| (*index, Ran::without_output(part.target.clone(), end.clone()))).collect()
    };
    let tell = |rans: Vec<(usize, Ran)>| {
        rans.iter().for_each(|(index, ran)| run.told.ended(*index, ran));
        rans
    };
    let work = &step.parts[0].1.work;
    let watch = Watch { gate: step.gated, limit: work.timeout + LAST_RESORT };
    let order = match Order::new(work, watch) {
        Ok(order) => order,
        Err(why) => return tell(all(&End::CannotRun(why))),
    };
    if run.stop.is_cancelled() {
        return tell(all(&End::Cancelled { begun: false }));
    }
    let names: Vec<&NodeName> = step.parts.iter().filter_map(|(_, part)| super::node(part)).collect();
    let away = match nodes::away(&names, run.settings).await {
        Ok(away) => away,
        Err(why) => return tell(all(&End::CannotRun(why))),
    };
    let (gone, there): (Vec<Placed>, Vec<Placed>) =
        step.parts.iter().partition(|(_, part)| super::node(part).is_some_and(|name| away.contains_key(name)));
    let end = |part| super::node(part).and_then(|name| away.get(name)).cloned();
    let gone = gone
        .into_iter()
        .filter_map(|(index, part)| Some((index, Ran::without_output(part.target.clone(), end(part)?))));
    let mut rans = tell(gone.collect());
    if step.gated && !rans.is_empty() {
        let why = End::CannotRun(format!("{}, which it needs, did not start: {}", rans[0].1.target, rans[0].1.end));
        rans.extend(tell(
            there.iter().map(|(index, part)| (*index, Ran::without_output(part.target.clone(), why.clone()))).collect(),
        ));
    } else if !there.is_empty() {
        rans.extend(on_nodes(&there, &step, &order, run).await);
    }
    rans
}

async fn on_nodes(parts: &[Placed<'_>], step: &Step<'_>, order: &Order, run: &Run<'_>) -> Vec<(usize, Ran)> {
    let name = format!("diag-{}", &order.mark[order.mark.len() - 12..]);
    let wire = match Process::start(srun(parts, &name, run.settings)) {
        Ok(wire) => wire,
        Err(error) => {
            let end = End::CannotRun(format!("the program srun could not be started: {error}"));
            return parts
                .iter()
                .map(|(index, part)| (*index, Ran::without_output(part.target.clone(), end.clone())))
                .collect();
        }
    };
    let work = &parts[0].1.work;
    let hearings = parts.iter().map(|_| Hearing::new(&order.mark, work, run.room)).collect();
    let (out, err) = (Labelled::default(), Labelled::default());
    let mut listener = Listener {
        wire,
        parts,
        step,
        run,
        name,
        work,
        out,
        err,
        hearings,
        places: BTreeMap::new(),
        untold: BTreeMap::new(),
        told: vec![false; parts.len()],
        began: Instant::now(),
        early: vec![false; parts.len()],
        step_id: None,
    };
    listener.wire.send(order.text.as_bytes());
    let (end, note) = listener.listen().await;
    listener.close().await;
    listener.rans(&end, note.as_ref())
}

/// The srun for these parts.
fn srun(parts: &[Placed], name: &str, settings: &Settings) -> Command {
    let list =
        parts.iter().filter_map(|(_, part)| super::node(part)).map(NodeName::as_str).collect::<Vec<_>>().join(",");
    let work = &parts[0].1.work;
    let minutes = (work.timeout + LAST_RESORT + settings.ready + END).as_secs().div_ceil(60) + 1;
    let count = parts.len();
    let mut args = vec![
        "--label".to_owned(),
        format!("--nodes={count}"),
        format!("--ntasks={count}"),
        "--ntasks-per-node=1".to_owned(),
        format!("--nodelist={list}"),
        format!("--job-name={name}"),
        format!("--time={minutes}"),
        // One task that ends, or a node that goes, ends none of the others.
        "--kill-on-bad-exit=0".to_owned(),
        "--wait=0".to_owned(),
        "--no-kill".to_owned(),
        "--mpi=none".to_owned(),
        "--cpu-bind=none".to_owned(),
        "--export=PATH,HOME,USER,LOGNAME,LANG".to_owned(),
        "--chdir=/".to_owned(),
    ];
    let mut option =
        |name: &str, value: &Option<String>| args.extend(value.iter().map(|value| format!("--{name}={value}")));
    option("jobid", &settings.job);
    if settings.job.is_none() {
        option("partition", &settings.partition);
        option("reservation", &settings.reservation);
        option("account", &settings.account);
        args.extend(["--exclusive".to_owned(), format!("--immediate={}", settings.allocate.as_secs().max(1))]);
    } else {
        args.push("--overlap".to_owned());
    }
    args.extend(settings.gpus_per_node.map(|gpus| format!("--gpus-per-node={gpus}")));
    let mut command = Command::new("srun");
    command.args(args).args(["sh", "-c", REMOTE]).env("LC_ALL", "C");
    // Options of the job in which diag itself runs are not those of the step.
    for (variable, _) in std::env::vars_os() {
        let text = variable.to_string_lossy();
        if text.starts_with("SLURM_") && text != "SLURM_CONF" {
            command.env_remove(variable);
        }
    }
    command.envs(settings.config.iter().map(|config| ("SLURM_CONF", config)));
    command
}

struct Listener<'a> {
    wire: Process,
    parts: &'a [Placed<'a>],
    step: &'a Step<'a>,
    run: &'a Run<'a>,
    /// Of the job.
    name: String,
    work: &'a Work,
    out: Labelled,
    err: Labelled,
    /// One a task.
    hearings: Vec<Hearing<'a>>,
    /// Which part each task is, as its node says.
    places: BTreeMap<usize, usize>,
    /// What tasks have printed before their nodes were known: the streams race.
    untold: BTreeMap<usize, Vec<u8>>,
    /// Which parts' begin was told.
    told: Vec<bool>,
    began: Instant,
    /// Which tasks were done before they were asked to be.
    early: Vec<bool>,
    /// `JOB.STEP`, as the nodes say.
    step_id: Option<String>,
}

/// What ends the parts of which nothing was heard to the end, and what is to be noted of them.
type Rest = (End, Option<String>);

impl Listener<'_> {
    async fn listen(&mut self) -> Rest {
        if let Err(rest) = self.open().await {
            return rest;
        }
        let deadline = Instant::now() + self.work.timeout;
        let mut asked: Option<(End, Instant)> = None;
        loop {
            if self.hearings.iter().all(Hearing::is_done) {
                return (asked.map_or_else(|| End::Lost("how it ended was not said".to_owned()), |(end, _)| end), None);
            }
            let until = asked.as_ref().map_or(deadline, |(_, until)| *until);
            let stop = self.run.stop;
            tokio::select! {
                closed = self.next() => if closed {
                    return (asked.map_or_else(|| End::Lost(self.why("its step ended")), |(end, _)| end), None);
                },
                () = stop.cancelled(), if asked.is_none() => asked = Some(self.ask(End::Cancelled { begun: true })),
                () = sleep_until(until) => match asked {
                    None => asked = Some(self.ask(End::TimedOut)),
                    Some((end, _)) => {
                        let note = "it did not confirm that it was killed: something of it may still run";
                        return (end, Some(note.to_owned()));
                    }
                },
            }
        }
    }

    /// Until all nodes are ready, and may begin.
    async fn open(&mut self) -> Result<(), Rest> {
        let settings = self.run.settings;
        let allocate = if settings.job.is_none() { settings.allocate } else { Duration::ZERO };
        let until = self.began + allocate + settings.ready;
        let stop = self.run.stop;
        while !self.hearings.iter().all(Hearing::is_ready) {
            let begun = !self.step.gated && self.hearings.iter().any(Hearing::is_ready);
            tokio::select! {
                closed = self.next() => if closed {
                    // Those that were quick may be done; the others were not reached.
                    return Err((End::Unreachable(self.why("its step ended before it began")), None));
                },
                () = stop.cancelled() => {
                    self.wire.send(STOP);
                    return Err((End::Cancelled { begun }, None));
                }
                () = sleep_until(until) => {
                    self.wire.send(STOP);
                    return Err((End::Unreachable(self.why("it was not ready in time")), None));
                }
            }
        }
        if self.step.gated {
            if !self.step.alone {
                self.step.gate.pass().await.map_err(|why| (End::CannotRun(why), None))?;
            }
            self.wire.send(GO);
            (0..self.parts.len()).for_each(|part| self.tell_began(part));
        }
        Ok(())
    }

    /// Listens to what comes next; says whether srun has gone.
    async fn next(&mut self) -> bool {
        let mut bytes = Vec::new();
        match self.wire.next(&mut bytes).await {
            Came::Closed(_) => true,
            Came::Bytes(stream) => {
                self.hear(stream, &bytes);
                false
            }
        }
    }

    fn hear(&mut self, stream: Stream, bytes: &[u8]) {
        let Self { out, err, hearings, places, parts, run, untold, .. } = self;
        let labelled = if stream == Stream::Out { out } else { err };
        labelled.take(bytes, &mut |task, bytes| {
            let place = places.get(&task).copied();
            let Some(hearing) = hearings.get_mut(task) else { return };
            hearing.hear(stream, bytes, &mut |bytes| match place.and_then(|place| parts.get(place)) {
                Some((index, part)) => run.told.printed(*index, &part.target, bytes),
                None => {
                    let early = untold.entry(task).or_default();
                    early.extend(&bytes[..bytes.len().min(EARLY - early.len())]);
                }
            });
        });
        for task in 0..self.hearings.len() {
            self.place(task);
        }
    }

    /// Learns from its first word which node a task is.
    fn place(&mut self, task: usize) {
        if self.places.contains_key(&task) {
            return;
        }
        let Some(said) = self.hearings[task].place() else { return };
        let mut words = said.split_whitespace().map(str::to_owned);
        let (name, step_id) = (words.next().unwrap_or_default(), words.next());
        let is_it = |(_, part): &Placed| super::node(part).is_some_and(|node| node.as_str() == name);
        if let Some(place) = self.parts.iter().position(is_it) {
            self.step_id = step_id;
            self.places.insert(task, place);
            if !self.step.gated {
                self.tell_began(place);
            }
            let (index, part) = self.parts[place];
            if let Some(bytes) = self.untold.remove(&task) {
                self.run.told.printed(index, &part.target, &bytes);
            }
        }
    }

    fn tell_began(&mut self, place: usize) {
        let (index, part) = self.parts[place];
        if !std::mem::replace(&mut self.told[place], true) {
            self.run.told.began(index, &part.target);
        }
    }

    fn ask(&mut self, end: End) -> (End, Instant) {
        self.early = self.hearings.iter().map(Hearing::is_done).collect();
        self.wire.send(STOP);
        (end, Instant::now() + END)
    }

    /// What srun said, for a reason.
    fn why(&self, what: &str) -> String {
        let text = [self.err.noise.as_slice(), &self.out.noise].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        let said = text.lines().map(str::trim).find(|line| line.contains("error")).or_else(|| text.lines().next_back());
        said.map_or_else(
            || what.to_owned(),
            |line| format!("{what}: {}", line.trim_start_matches("srun: ").trim_start_matches("error: ")),
        )
    }

    /// Lets srun leave; what does not is cancelled, so that nothing is left queued or running.
    async fn close(&mut self) {
        let quiet = self.hearings.iter().all(Hearing::is_done);
        self.wire.hang_up();
        let wait = if quiet { CLOSING } else { Duration::from_secs(2) };
        let until = Instant::now() + wait;
        let mut closed = false;
        while !closed {
            match tokio::time::timeout_at(until, self.next()).await {
                Ok(gone) => closed = gone,
                Err(_) => break,
            }
        }
        if closed && quiet {
            return;
        }
        let step = self.step_id.clone().filter(|_| self.run.settings.job.is_some());
        let name = format!("--name={}", self.name);
        let which = step.as_deref().unwrap_or(&name);
        let _ = nodes::ask(self.run.settings, "scancel", &["--quiet", which]).await;
        let until = Instant::now() + CLOSING;
        while !closed && let Ok(gone) = tokio::time::timeout_at(until, self.next()).await {
            closed = gone;
        }
    }

    fn rans(mut self, rest: &End, note: Option<&String>) -> Vec<(usize, Ran)> {
        let took = self.began.elapsed();
        let mut tasks: BTreeMap<usize, usize> = self.places.iter().map(|(task, place)| (*place, *task)).collect();
        let mut hearings: Vec<Option<Hearing>> = std::mem::take(&mut self.hearings).into_iter().map(Some).collect();
        let rans = self.parts.iter().enumerate().map(|(place, (index, part))| {
            let rest = self.rest(place, rest);
            let heard = tasks.remove(&place).and_then(|task| Some((task, hearings[task].take()?)));
            let Some((task, hearing)) = heard else {
                return (*index, Ran { took, ..Ran::without_output(part.target.clone(), rest) });
            };
            let (end, notes) = self.end(task, &hearing, rest, note);
            let (stdout, stderr) = hearing.outputs();
            (*index, Ran { target: part.target.clone(), end, stdout, stderr, took, notes })
        });
        let rans: Vec<(usize, Ran)> = rans.collect();
        rans.iter().for_each(|(index, ran)| self.run.told.ended(*index, ran));
        rans
    }

    /// What the end of the step means for a part that did not end by itself.
    fn rest(&self, place: usize, rest: &End) -> End {
        match rest {
            End::Cancelled { .. } => End::Cancelled { begun: self.told[place] },
            other if self.told[place] && !other.may_have_acted() => End::Lost(other.to_string()),
            other => other.clone(),
        }
    }

    /// How a task ended, and what is to be noted of it.
    fn end(&self, task: usize, hearing: &Hearing, rest: End, note: Option<&String>) -> (End, Vec<String>) {
        let asked = matches!(rest, End::TimedOut | End::Cancelled { .. });
        match hearing.end().filter(|_| hearing.is_done() || hearing.cannot().is_some()) {
            // What ended before the others were ended keeps its end.
            Some((end, said)) if !asked || self.early[task] => (end, said.into_iter().collect()),
            Some(_) => (rest, Vec::new()),
            None => (rest, note.into_iter().cloned().collect()),
        }
    }
}
