//! What waits to be looked at.

use serde::{Deserialize, Serialize};

use super::ended::Job;

/// Something that failed, or may have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name: no two have the same, and later ones come later in the alphabet.
    pub id: String,
    /// When it was heard of, in seconds since 1970 (UTC).
    pub at: i64,
    /// How often a look at it was begun.
    #[serde(default)]
    pub tries: u32,
    /// What it is.
    pub subject: Subject,
}

/// What failed, or may have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Subject {
    /// A job of Slurm that has ended.
    Job(Job),
    /// Nodes of Slurm of which a trigger told.
    Nodes {
        /// `down`, `drained`, `fail`, `up`.
        event: String,
        /// Which, as a hostlist.
        nodes: String,
    },
    /// A log that fell silent.
    Log {
        /// Its path.
        path: String,
    },
    /// An object of Kubernetes.
    Object(Object),
}

/// An object of Kubernetes that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// The context of the kubeconfig by which its cluster is asked; the current one where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// Group and version of its kind, `batch/v1`.
    #[serde(default)]
    pub api: String,
    /// `Pod`, `Job`.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its unique id, which no later object of that name has.
    pub uid: String,
}

impl Subject {
    /// What it is, for people: `job 4242`, `nodes gpu-[17-18] (down)`.
    #[must_use]
    pub fn named(&self) -> String {
        match self {
            Self::Job(job) => format!("job {}", job.id),
            Self::Nodes { event, nodes } => format!("nodes {nodes} ({event})"),
            Self::Log { path } => path.clone(),
            Self::Object(object) => format!("{} {}/{}", object.kind, object.namespace, object.name),
        }
    }

    /// Whose it is, as far as that tells one crash from the next of the same work: a user and the name of the job without the
    /// numbers of an array, a folder, the owner of a pod.
    #[must_use]
    pub fn family(&self) -> String {
        match self {
            Self::Job(job) => {
                let uid = job.uid.map_or_else(|| "?".to_owned(), |uid| uid.to_string());
                format!("{uid}:{}", unnumbered(job.name.as_deref().unwrap_or_default()))
            }
            Self::Nodes { event, .. } => event.clone(),
            Self::Log { path } => path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned(),
            Self::Object(object) => format!("{}/{}", object.namespace, unnumbered(&object.name)),
        }
    }
}

/// A name without the parts that count: `train-0`, `train-1` are of one family.
fn unnumbered(name: &str) -> String {
    name.split(['-', '_', '.'])
        .filter(|part| !part.bytes().any(|byte| byte.is_ascii_digit()))
        .collect::<Vec<_>>()
        .join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_of_one_work_are_of_one_family() {
        let pod = |name: &str| {
            Subject::Object(Object {
                context: None,
                api: "v1".to_owned(),
                kind: "Pod".to_owned(),
                namespace: "research".to_owned(),
                name: name.to_owned(),
                uid: String::new(),
            })
        };
        assert_eq!(pod("train-0").family(), pod("train-17").family());
        assert_ne!(pod("train-0").family(), pod("eval-0").family());
        assert_eq!(pod("train-7d9f-x2x4z").family(), "research/train");
    }
}
