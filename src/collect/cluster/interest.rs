//! Which objects of a namespace tell of the target.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Scope;

/// All of a namespace; a pod, its owners, and what belongs to those; or an owner and what belongs to it.
#[derive(Debug)]
pub(super) enum Interest {
    All,
    Pod { names: BTreeSet<String> },
    Owner { uids: BTreeSet<String>, names: BTreeSet<String> },
}

impl Interest {
    pub(super) fn of(scope: &Scope) -> Self {
        match scope {
            Scope::All => Self::All,
            Scope::Pod(pod) => Self::Pod { names: BTreeSet::from([pod.clone()]) },
            Scope::Owner { name, uid } => {
                Self::Owner { uids: BTreeSet::from([uid.clone()]), names: BTreeSet::from([name.clone()]) }
            }
        }
    }

    /// The names that matter, where not all do.
    pub(super) const fn names(&self) -> Option<&BTreeSet<String>> {
        match self {
            Self::All => None,
            Self::Pod { names } | Self::Owner { names, .. } => Some(names),
        }
    }

    /// Whether an object matters. The owners of one that does matter too, from a pod upwards; what belongs to it matters,
    /// from an owner downwards.
    pub(super) fn takes(&mut self, item: &Value) -> bool {
        let about = &item["metadata"];
        let owners = about["ownerReferences"].as_array().map_or(&[][..], Vec::as_slice);
        let of_owners = |key: &'static str| owners.iter().filter_map(move |owner| owner[key].as_str());
        let own = |key: &str| about[key].as_str().into_iter();
        match self {
            Self::All => true,
            Self::Pod { names } => {
                let matters = own("name").chain(of_owners("name")).any(|name| names.contains(name));
                if matters {
                    names.extend(of_owners("name").map(str::to_owned));
                }
                matters
            }
            Self::Owner { uids, names } => {
                let matters = own("uid").chain(of_owners("uid")).any(|uid| uids.contains(uid));
                if matters {
                    uids.extend(own("uid").map(str::to_owned));
                    names.extend(own("name").map(str::to_owned));
                }
                matters
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(name: &str, owners: &[&str]) -> Value {
        let owners: Vec<Value> =
            owners.iter().map(|name| json!({ "name": name, "uid": format!("u-{name}") })).collect();
        json!({ "metadata": { "name": name, "uid": format!("u-{name}"), "ownerReferences": owners } })
    }

    #[test]
    fn owners_of_a_pod_matter_and_what_belongs_to_them() {
        let mut interest = Interest::of(&Scope::Pod("train-0".to_owned()));
        assert!(!interest.takes(&object("train", &["set"])), "nobody has said yet that it owns the pod");
        assert!(interest.takes(&object("train-0", &["train"])));
        assert!(interest.takes(&object("train", &["set"])));
        assert!(interest.takes(&object("job-set-7c1e", &["set"])), "a workload of the set");
        assert!(!interest.takes(&object("other", &["someone"])));
    }

    #[test]
    fn what_belongs_to_an_owner_matters_and_nothing_that_is_only_called_like_it() {
        let mut interest = Interest::of(&Scope::Owner { name: "set".to_owned(), uid: "u-set".to_owned() });
        assert!(interest.takes(&object("set-workers-0", &["set"])), "a Job of the set");
        assert!(interest.takes(&object("set-workers-0-0-x2x4z", &["set-workers-0"])), "a pod of that Job");
        let mut other = object("set-0", &["set"]);
        other["metadata"]["ownerReferences"][0]["uid"] = json!("another");
        assert!(!interest.takes(&other), "of another object of that name");
        assert!(interest.names().unwrap().contains("set-workers-0-0-x2x4z"));
    }
}
