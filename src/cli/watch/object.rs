//! An object of Kubernetes as a look sees it: what its API server tells of it, and what it is told of the verdict.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::collect::cluster::{self, Held, Scope, Target};
use crate::error::Error;
use crate::kubernetes::Access;
#[cfg(feature = "k8s")]
use crate::kubernetes::{Client, Verb};
#[cfg(feature = "k8s")]
use crate::report::guard;
#[cfg(feature = "k8s")]
use crate::verdict::Outcome;
use crate::watch::Object;
#[cfg(feature = "k8s")]
use crate::watch::{Found, announcement};

/// How long the API server may be silent.
const PATIENCE: Duration = Duration::from_secs(10);

/// Most bytes of the answer to an event.
#[cfg(feature = "k8s")]
const MOST_ANSWER: usize = 1 << 20;

/// What a client of Kubernetes goes by, and programs that it logs in with: nothing else of the environment goes along.
const VARIABLES: [&str; 11] = [
    "HOME",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "KUBECONFIG",
    "KUBERNETES_SERVICE_HOST",
    "KUBERNETES_SERVICE_PORT",
    "NO_PROXY",
    "PATH",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// How variables begin by which such programs log in.
const LOGINS: [&str; 4] = ["AWS_", "AZURE_", "CLOUDSDK_", "GOOGLE_"];

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cluster {
    /// What failed.
    pub(super) object: Object,
    /// Whether it is told of the verdict, as an event.
    pub(super) event: bool,
}

impl Cluster {
    /// Everything that the cluster tells of it, and what it would not tell.
    pub(super) fn fetch(&self) -> Result<(Vec<Held>, Vec<Error>), Error> {
        let Object { kind, namespace, name, uid, .. } = &self.object;
        let scope = match kind.as_str() {
            "Pod" => Scope::Pod(name.clone()),
            _ => Scope::Owner { name: name.clone(), uid: uid.clone() },
        };
        cluster::fetch(&Target { namespace: namespace.clone(), scope, access: self.access() })
    }

    /// Tells it the verdict, where that is wanted; why it could not be told.
    #[cfg(feature = "k8s")]
    pub(super) fn tell(&self, found: &Found) -> Option<String> {
        let at = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string();
        let body = announcement(&self.object, found, &at, &|text| guard::plain(text).into_owned());
        let body = body.filter(|_| self.event && found.outcome == Outcome::Diagnosed)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
        let path = format!("/apis/events.k8s.io/v1/namespaces/{}/events", self.object.namespace);
        let told = runtime.block_on(async {
            let client = Client::new(&self.access()).await?;
            client.ask(Verb::Create, &path, Some(&body), MOST_ANSWER, "events").await
        });
        runtime.shutdown_background();
        match told {
            Err(refused) if refused.error.code != "k8s.exists" => Some(format!("no event: {}", refused.error.reason)),
            _ => None,
        }
    }

    fn access(&self) -> Access {
        Access { config: None, context: self.object.context.clone(), patience: PATIENCE }
    }
}

/// The variables that a look at it is given.
pub(super) fn environment() -> Vec<(String, String)> {
    let goes = |name: &str| VARIABLES.contains(&name) || LOGINS.iter().any(|start| name.starts_with(start));
    let plain =
        |(name, value): (std::ffi::OsString, std::ffi::OsString)| name.into_string().ok().zip(value.into_string().ok());
    std::env::vars_os().filter_map(plain).filter(|(name, _)| goes(name)).collect()
}
