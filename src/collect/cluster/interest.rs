//! Which objects of a namespace tell of the target.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Target;

/// All of a namespace; or a pod, its owners, and what belongs to those.
#[derive(Debug)]
pub(super) struct Interest {
    names: Option<BTreeSet<String>>,
}

impl Interest {
    pub(super) fn of(target: &Target) -> Self {
        Self { names: target.pod.clone().map(|pod| BTreeSet::from([pod])) }
    }

    /// The names that matter, where not all do.
    pub(super) const fn names(&self) -> Option<&BTreeSet<String>> {
        self.names.as_ref()
    }

    /// Whether an object matters; the owners of one that does matter too.
    pub(super) fn takes(&mut self, item: &Value) -> bool {
        let Some(names) = &mut self.names else { return true };
        let about = &item["metadata"];
        let owners = about["ownerReferences"].as_array().map_or(&[][..], Vec::as_slice);
        let owners = owners.iter().filter_map(|owner| owner["name"].as_str());
        let own = about["name"].as_str().into_iter();
        if !own.chain(owners.clone()).any(|name| names.contains(name)) {
            return false;
        }
        names.extend(owners.map(str::to_owned));
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::kubernetes::Access;

    #[test]
    fn owners_of_a_pod_matter_and_what_belongs_to_them() {
        let access = Access { config: None, context: None, patience: Duration::from_secs(1) };
        let target = Target { namespace: "a".into(), pod: Some("train-0".into()), access };
        let mut interest = Interest::of(&target);
        let object = |name: &str, owners: &[&str]| {
            let owners: Vec<Value> = owners.iter().map(|name| json!({ "name": name })).collect();
            json!({ "metadata": { "name": name, "ownerReferences": owners } })
        };
        assert!(!interest.takes(&object("train", &["set"])), "nobody has said yet that it owns the pod");
        assert!(interest.takes(&object("train-0", &["train"])));
        assert!(interest.takes(&object("train", &["set"])));
        assert!(interest.takes(&object("job-set-7c1e", &["set"])), "a workload of the set");
        assert!(!interest.takes(&object("other", &["someone"])));
    }
}
