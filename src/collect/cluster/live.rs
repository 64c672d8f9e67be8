//! The course of asking: pods first, then what their names lead to; from an owner down to its pods.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::interest::Interest;
use super::kinds::KINDS;
use super::list::{List, MOST_OBJECTS, Sheet};
use super::logs::{self, Run};
use super::{Held, Scope, Target};
use crate::error::Error;
use crate::kubernetes::{Client, OUR_REASON, Verb, is_name};

/// All calls together may take so many times what one may.
const OVERALL: u32 = 12;

/// Nodes that are asked for one by one; of more, the list is read.
const FEW_NODES: usize = 32;

/// Nodes that are read where no pod has one.
const ANY_NODES: usize = 500;

/// Most bytes of one node: its images and volumes are listed in it.
const MOST_ANSWER: usize = 8 << 20;

/// Everything that the cluster tells of a namespace or pod, and what it would not tell.
pub(super) fn fetch(target: &Target) -> Result<(Vec<Held>, Vec<Error>), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::new("k8s.client", "--k8s", error.to_string()))?;
    let fetched = runtime.block_on(async {
        let client = Client::new(&target.access).await?;
        let until = Instant::now() + target.access.patience * OVERALL;
        let mut cluster = Cluster { client, target, held: Vec::new(), remarks: Vec::new() };
        let complete = timeout_at(until, cluster.objects()).await;
        let runs = complete.unwrap_or_else(|_| {
            cluster.late(target.access.patience * OVERALL);
            Vec::new()
        });
        let reading = logs::Reading::new(&cluster.client, &target.namespace, until);
        let logs = reading.all(runs, &mut cluster.remarks).await;
        cluster.held.extend(logs);
        Ok((cluster.held, cluster.remarks))
    });
    // A program for logging in that hangs is not waited for.
    runtime.shutdown_background();
    fetched
}

struct Cluster<'a> {
    client: Client,
    target: &'a Target,
    held: Vec<Held>,
    remarks: Vec<Error>,
}

/// What the pods lead to.
#[derive(Default)]
struct Leads {
    pods: usize,
    runs: Vec<Run>,
    nodes: BTreeSet<String>,
}

impl Cluster<'_> {
    /// All objects; the runs of containers whose logs are to be read.
    async fn objects(&mut self) -> Vec<Run> {
        let mut interest = Interest::of(&self.target.scope);
        let mut leads = Leads::default();
        if let Scope::Owner { .. } = self.target.scope {
            // What it owns may own the pods.
            self.owners(&mut interest).await;
            self.pods(&mut interest, &mut leads).await;
        } else {
            self.pods(&mut interest, &mut leads).await;
            self.owners(&mut interest).await;
        }
        self.events(&interest, &mut leads.nodes).await;
        self.nodes(&leads.nodes).await;
        self.node_events(&leads.nodes).await;
        if self.held.is_empty() && self.remarks.is_empty() {
            let what = "there are no pods, jobs or events: nothing runs here, or there is no such namespace";
            let remark = Error::new("k8s.empty", format!("k8s:{}", self.target.namespace), what);
            self.remarks.push(remark.with_way_on("see what there is with `kubectl get namespaces`"));
        } else if leads.pods == 0
            && let Scope::Pod(pod) = &self.target.scope
        {
            let what = "there is no such pod now; what its events tell is read";
            self.remarks.push(Error::new("k8s.missing", format!("k8s:{}/{pod}", self.target.namespace), what));
        }
        leads.runs
    }

    fn late(&mut self, limit: Duration) {
        let what = format!("all calls together took longer than {} s", limit.as_secs());
        let remark = Error::new("k8s.timeout", format!("k8s:{}", self.target.namespace), what);
        self.remarks.push(remark.with_way_on("allow more by --k8s-timeout, or name a pod: --k8s NAMESPACE/POD"));
    }

    async fn list(&mut self, path: String, kind: &str, file: &str, take: &mut dyn FnMut(&Value) -> bool) {
        let most = MOST_OBJECTS;
        let list = List { path, kind, name: format!("{}/{file}", self.target.namespace), most };
        let held = list.read(&self.client, &mut self.remarks, take).await;
        self.held.extend(held);
    }

    async fn pods(&mut self, interest: &mut Interest, leads: &mut Leads) {
        let space = &self.target.namespace;
        let only = match &self.target.scope {
            Scope::Pod(pod) => format!("?fieldSelector=metadata.name%3D{pod}"),
            Scope::All | Scope::Owner { .. } => String::new(),
        };
        let path = format!("/api/v1/namespaces/{space}/pods{only}");
        let mut take = |pod: &Value| {
            if !interest.takes(pod) {
                return false;
            }
            leads.pods += 1;
            leads.runs.extend(logs::runs(pod));
            leads.nodes.extend(pod["spec"]["nodeName"].as_str().filter(|name| is_name(name)).map(str::to_owned));
            true
        };
        self.list(path, "Pod", "pods.json", &mut take).await;
    }

    /// What makes pods, or holds them back.
    async fn owners(&mut self, interest: &mut Interest) {
        let space = &self.target.namespace;
        let served = match self.client.served().await {
            Ok(served) => served,
            Err(refused) => {
                self.remarks.push(refused.error);
                BTreeMap::from([("batch".to_owned(), "batch/v1".to_owned())])
            }
        };
        for kind in &KINDS {
            let Some(version) = served.get(kind.group) else { continue };
            let path = format!("/apis/{version}/namespaces/{space}/{}", kind.resource);
            let before = self.remarks.len();
            self.list(path, kind.kind, kind.file, &mut |item| interest.takes(item)).await;
            // A group may be served without this kind.
            let absent = |remark: &Error| remark.code == "k8s.missing";
            if self.remarks[before..].iter().all(absent) {
                self.remarks.truncate(before);
            }
        }
    }

    /// The events of the namespace, or of the names that matter; the nodes whose kubelets tell them matter too.
    async fn events(&mut self, interest: &Interest, nodes: &mut BTreeSet<String>) {
        let space = &self.target.namespace;
        let path = format!("/api/v1/namespaces/{space}/events");
        let mut take = |event: &Value| {
            let about = event["involvedObject"]["name"].as_str().unwrap_or_default();
            let taken = event["reason"] != OUR_REASON && interest.names().is_none_or(|names| names.contains(about));
            if taken {
                nodes.extend(event["source"]["host"].as_str().filter(|name| is_name(name)).map(str::to_owned));
            }
            taken
        };
        self.list(path, "Event", "events.json", &mut take).await;
    }

    /// The nodes concerned; where no pod has one, some of all, which tell why.
    async fn nodes(&mut self, concerned: &BTreeSet<String>) {
        if self.held.is_empty() {
            return;
        }
        if concerned.is_empty() || concerned.len() > FEW_NODES {
            let mut take = |node: &Value| {
                let name = node["metadata"]["name"].as_str().unwrap_or_default();
                concerned.is_empty() || concerned.contains(name)
            };
            let name = format!("{}/nodes.json", self.target.namespace);
            let most = if concerned.is_empty() { ANY_NODES } else { MOST_OBJECTS };
            let list = List { path: "/api/v1/nodes".to_owned(), kind: "Node", name, most };
            let held = list.read(&self.client, &mut self.remarks, &mut take).await;
            return self.held.extend(held);
        }
        let mut sheet = Sheet::default();
        for name in concerned {
            let path = format!("/api/v1/nodes/{name}");
            match self.client.ask(Verb::Get, &path, None, MOST_ANSWER, &format!("nodes/{name}")).await {
                Ok(node) => sheet.add(node, "Node"),
                Err(refused) => {
                    let all = refused.error.code == "k8s.forbidden";
                    self.remarks.push(refused.error);
                    if all {
                        break;
                    }
                }
            }
        }
        self.held.extend(sheet.finish(&format!("{}/nodes.json", self.target.namespace)));
    }

    /// Events of nodes stand in the namespace `default`.
    async fn node_events(&mut self, concerned: &BTreeSet<String>) {
        if concerned.is_empty() {
            return;
        }
        let path = "/api/v1/namespaces/default/events?fieldSelector=involvedObject.kind%3DNode".to_owned();
        let mut take =
            |event: &Value| event["involvedObject"]["name"].as_str().is_some_and(|name| concerned.contains(name));
        self.list(path, "Event", "node-events.json", &mut take).await;
    }
}
