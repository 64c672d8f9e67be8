//! Kinds of objects whose conditions tell of a job.

/// A kind of a group of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// The group, `batch`.
    pub group: &'static str,
    /// Its plural in paths, `jobs`.
    pub resource: &'static str,
    /// What an object of it calls itself, `Job`; items of a list may leave it out.
    pub kind: &'static str,
    /// The file it is kept in.
    pub(super) file: &'static str,
    /// Whether its condition `Failed` tells that all of its work has.
    pub fails: bool,
}

const fn kind(group: &'static str, resource: &'static str, kind: &'static str, file: &'static str) -> Kind {
    Kind { group, resource, kind, file, fails: false }
}

const fn fails(group: &'static str, resource: &'static str, kind: &'static str, file: &'static str) -> Kind {
    Kind { group, resource, kind, file, fails: true }
}

/// Those that make pods or hold them back, asked for where the cluster has their group: owners before what they own.
///
/// Names: kueue v0.12, jobset v0.8, training-operator v1.8, trainer v2.0, volcano v1.11, lws v0.6, kuberay v1.3, and
/// scheduler-plugins v0.31, each in its `api` folder.
pub const KINDS: [Kind; 12] = [
    fails("batch", "jobs", "Job", "jobs.json"),
    fails("jobset.x-k8s.io", "jobsets", "JobSet", "jobsets.json"),
    fails("kubeflow.org", "pytorchjobs", "PyTorchJob", "pytorchjobs.json"),
    fails("kubeflow.org", "mpijobs", "MPIJob", "mpijobs.json"),
    fails("trainer.kubeflow.org", "trainjobs", "TrainJob", "trainjobs.json"),
    kind("ray.io", "rayjobs", "RayJob", "rayjobs.json"),
    kind("ray.io", "rayclusters", "RayCluster", "rayclusters.json"),
    kind("leaderworkerset.x-k8s.io", "leaderworkersets", "LeaderWorkerSet", "leaderworkersets.json"),
    kind("batch.volcano.sh", "jobs", "Job", "volcano-jobs.json"),
    kind("scheduling.volcano.sh", "podgroups", "PodGroup", "volcano-podgroups.json"),
    kind("scheduling.x-k8s.io", "podgroups", "PodGroup", "podgroups.json"),
    kind("kueue.x-k8s.io", "workloads", "Workload", "workloads.json"),
];
