//! Hears of what fails, and puts it into the queue; a worker in a thread of its own looks at it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use futures_util::future::{join_all, pending};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use super::Args;
use crate::cli::watch::{enqueue, now, work};
use crate::cli::{EXIT_HEALTHY, complain};
use crate::collect::cluster::KINDS;
use crate::config::Config;
use crate::error::Error;
use crate::kubernetes::{Access, Client, Heard, List, forever, once};
use crate::spool::Spool;
use crate::watch::{Object, Patience, Subject, Workloads};

/// Under which name what was looked at is kept.
const STATE: &str = "k8s";

/// How often it is seen whether something is due.
const TICK: Duration = Duration::from_secs(1);

/// How often it is seen whether a worker is there, where another process had one.
const WORKER: Duration = Duration::from_secs(5);

/// Watches until it is ended.
pub(super) fn watch(args: &Args, config: &Config, named: Option<&Path>) -> Result<u8, Error> {
    let spool = args.state.spool()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::new("k8s.client", "diag watch k8s", error.to_string()))?;
    let ear = Ear::new(args, config, &spool);
    let ended = runtime.block_on(async {
        if args.once {
            ear.once(args).await
        } else {
            until_ended(ear.listen(args, start_worker(&spool, config, named))).await
        }
    });
    // A program for logging in that hangs is not waited for.
    runtime.shutdown_background();
    ended?;
    if args.once {
        work::work(&spool, config, named, false)?;
    }
    Ok(EXIT_HEALTHY)
}

/// Until it ends, or this process is asked to: in a pod this may be the first process, which no signal ends by itself.
async fn until_ended(work: impl Future<Output = Result<(), Error>>) -> Result<(), Error> {
    let failed = |error: std::io::Error| Error::new("watch.signal", "diag watch k8s", error.to_string());
    let mut ends = signal(SignalKind::terminate()).map_err(failed)?;
    let mut breaks = signal(SignalKind::interrupt()).map_err(failed)?;
    tokio::select! {
        done = work => done,
        _ = ends.recv() => Ok(()),
        _ = breaks.recv() => Ok(()),
    }
}

/// Somebody who looks at what waits, wherever it comes from.
fn start_worker(spool: &Spool, config: &Config, named: Option<&Path>) -> JoinHandle<Error> {
    let (spool, config, named) = (spool.clone(), config.clone(), named.map(Path::to_owned));
    thread::spawn(move || {
        loop {
            if let Err(error) = work::work(&spool, &config, named.as_deref(), true) {
                return error;
            }
            thread::sleep(WORKER);
        }
    })
}

/// What a list is of.
#[derive(Clone, Copy)]
enum Of {
    Pods,
    /// Jobs of some kind: its group and version, and its name.
    Jobs(usize),
}

struct Ear<'a> {
    config: &'a Config,
    spool: &'a Spool,
    context: Option<String>,
    works: RefCell<Workloads>,
    /// What was said of a list that can't be heard.
    said: RefCell<BTreeMap<String, Error>>,
}

impl<'a> Ear<'a> {
    fn new(args: &Args, config: &'a Config, spool: &'a Spool) -> Self {
        let window = i64::try_from(config.watch.window).unwrap_or(i64::MAX);
        let patience = Patience { settle: args.settle, pending: args.pending, news: args.since, window };
        let works = RefCell::new(Workloads::new(patience, spool.state(STATE)));
        Self { config, spool, context: args.context.clone(), works, said: RefCell::default() }
    }

    /// What stands there now.
    async fn once(&self, args: &Args) -> Result<(), Error> {
        let client = Client::new(&access(args)).await?;
        for (list, of, api) in lists(&client, args).await? {
            let read = once(&client, &list, &mut |heard| self.hear(&heard, of, &api, &list)).await;
            match read {
                Ok(_) => {}
                Err(refused) if refused.error.code == "k8s.missing" => {}
                Err(refused) if matches!(of, Of::Pods) => return Err(refused.error),
                Err(refused) => complain(&refused.error),
            }
        }
        self.put(true)
    }

    /// What changes from now on.
    async fn listen(&self, args: &Args, worker: JoinHandle<Error>) -> Result<(), Error> {
        let client = Client::new(&access(args)).await?;
        let lists = lists(&client, args).await?;
        let one = async |(list, of, api): &(List, Of, String)| {
            forever(&client, list, &mut |heard| self.hear(&heard, *of, api, list)).await;
        };
        let heard = async {
            join_all(lists.iter().map(one)).await;
            // Whoever serves none of these lists now may do so for another, who begins anew.
            pending::<()>().await;
        };
        let told = async {
            while !worker.is_finished() {
                sleep(TICK).await;
                self.put(false)?;
            }
            Ok(())
        };
        tokio::select! {
            () = heard => {}
            told = told => told?,
        }
        let gone = || Error::new("watch.worker", "diag watch k8s", "the worker broke off");
        Err(worker.join().unwrap_or_else(|_| gone()))
    }

    fn hear(&self, heard: &Heard, of: Of, api: &str, list: &List) {
        let now = now();
        let mut works = self.works.borrow_mut();
        match (heard, of) {
            (Heard::Anew, Of::Pods) => works.pods_anew(),
            (Heard::Object(pod), Of::Pods) => works.pod(pod, now),
            (Heard::Gone(pod), Of::Pods) => works.pod_gone(pod),
            (Heard::Object(job), Of::Jobs(kind)) => works.owner(job, api, KINDS[kind].kind, now),
            (Heard::Gone(job), Of::Jobs(_)) => works.owner_gone(job),
            (Heard::Anew, Of::Jobs(_)) => {}
            (Heard::Whole, _) => drop(self.said.borrow_mut().remove(&list.path)),
            (Heard::Trouble(error), _) => {
                // Once, however often it is tried.
                let before = self.said.borrow_mut().insert(list.path.clone(), error.clone());
                if before.is_none_or(|before| before.code != error.code) {
                    complain(error);
                }
            }
        }
    }

    /// Puts what is due into the queue.
    fn put(&self, all: bool) -> Result<(), Error> {
        let mut works = self.works.borrow_mut();
        let due = works.due(now(), all);
        if due.is_empty() {
            return Ok(());
        }
        for object in due {
            let object = Object { context: self.context.clone(), ..object };
            enqueue::put(self.spool.queue(), Subject::Object(object), self.config)?;
        }
        // After the queue: what is not written down yet is looked at twice rather than never.
        self.spool.keep(STATE, &works.looked())
    }
}

/// Whom to ask.
fn access(args: &Args) -> Access {
    Access { config: None, context: args.context.clone(), patience: Duration::from_secs(args.k8s_timeout) }
}

/// What is read: jobs first, which tell what they belong to.
async fn lists(client: &Client, args: &Args) -> Result<Vec<(List, Of, String)>, Error> {
    let served = match client.served().await {
        Ok(served) => served,
        Err(refused) if refused.error.code == "k8s.forbidden" => {
            BTreeMap::from([("batch".to_owned(), "batch/v1".to_owned())])
        }
        Err(refused) => return Err(refused.error),
    };
    let space = args.namespace.as_ref().map_or_else(String::new, |space| format!("namespaces/{space}/"));
    let list = |root: &str, resource: &str| List {
        path: format!("{root}/{space}{resource}"),
        selector: args.selector.clone(),
        what: resource.to_owned(),
    };
    let kinds = KINDS.iter().enumerate().filter(|(_, kind)| kind.fails);
    let jobs = kinds.filter_map(|(at, kind)| {
        let api = served.get(kind.group)?;
        Some((list(&format!("/apis/{api}"), kind.resource), Of::Jobs(at), api.clone()))
    });
    let mut lists: Vec<(List, Of, String)> = jobs.collect();
    lists.push((list("/api/v1", "pods"), Of::Pods, "v1".to_owned()));
    Ok(lists)
}
