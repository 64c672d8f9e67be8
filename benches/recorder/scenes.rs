//! Incidents with their truth: what befell whom, and what a good reader of the dumps says.

use super::job::{Fault, Job, Layout};

/// An incident.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    pub(crate) layout: Layout,
    pub(crate) fault: Fault,
    pub(crate) rank: usize,
    /// Where in the last step: the first operation of groups of this description …
    pub(crate) desc: &'static str,
    /// … at or behind this one.
    pub(crate) from: usize,
}

const FLAT: Layout = Layout { tensor: 1, pipeline: 1, data: 8 };
const PLANE: Layout = Layout { tensor: 2, pipeline: 1, data: 4 };
const PIPES: Layout = Layout { tensor: 2, pipeline: 4, data: 2 };
const PIPE: Layout = Layout { tensor: 1, pipeline: 4, data: 1 };

const fn scene(
    name: &'static str,
    layout: Layout,
    fault: Fault,
    rank: usize,
    desc: &'static str,
    from: usize,
) -> Scene {
    Scene { name, layout, fault, rank, desc, from }
}

/// All incidents.
pub(crate) const SCENES: [Scene; 24] = [
    scene("flat-well", FLAT, Fault::None, 0, "default_pg", 0),
    scene("flat-one-early", FLAT, Fault::Early, 3, "default_pg", 0),
    scene("flat-absent", FLAT, Fault::Absent, 5, "DATA", 0),
    scene("flat-undumped", FLAT, Fault::Undumped, 5, "DATA", 0),
    scene("flat-behind", FLAT, Fault::Stuck, 5, "DATA", 0),
    scene("flat-op", FLAT, Fault::Op, 5, "DATA", 0),
    scene("flat-size", FLAT, Fault::Size, 0, "DATA", 0),
    scene("flat-dtype", FLAT, Fault::Dtype, 7, "DATA", 0),
    scene("plane-absent-in-tensor", PLANE, Fault::Absent, 3, "TENSOR", 4),
    scene("plane-absent-in-data", PLANE, Fault::Absent, 6, "DATA", 0),
    scene("plane-behind-in-tensor", PLANE, Fault::Stuck, 4, "TENSOR", 2),
    scene("plane-undumped", PLANE, Fault::Undumped, 2, "TENSOR", 3),
    scene("plane-size-in-data", PLANE, Fault::Size, 7, "DATA", 0),
    scene("pipes-well", PIPES, Fault::None, 0, "default_pg", 0),
    scene("pipes-one-early", PIPES, Fault::Early, 9, "default_pg", 0),
    scene("pipes-absent-in-tensor", PIPES, Fault::Absent, 5, "TENSOR", 0),
    scene("pipes-absent-before-a-send", PIPES, Fault::Absent, 2, "p2p", 3),
    scene("pipes-absent-in-data", PIPES, Fault::Absent, 12, "DATA", 0),
    scene("pipes-behind-in-tensor", PIPES, Fault::Stuck, 11, "TENSOR", 6),
    scene("pipes-undumped", PIPES, Fault::Undumped, 6, "TENSOR", 1),
    scene("pipes-op-in-data", PIPES, Fault::Op, 15, "DATA", 0),
    scene("pipe-absent-before-a-send", PIPE, Fault::Absent, 1, "p2p", 1),
    scene("pipe-undumped", PIPE, Fault::Undumped, 2, "p2p", 0),
    scene("pipe-absent-at-the-end", PIPE, Fault::Absent, 3, "default_pg", 0),
];

impl Scene {
    /// The job, after so many steps.
    pub(crate) fn play(&self, steps: i64) -> Job {
        let well = Job::play(self.layout, steps, Fault::None, 0, 0);
        let at = well.find(self.rank, self.desc, self.from).unwrap_or(self.from);
        Job::play(self.layout, steps, self.fault, self.rank, at)
    }

    /// The ranks of the group in which it befalls.
    #[allow(dead_code, reason = "the bench only writes")]
    pub(crate) fn group(&self) -> Vec<usize> {
        let job = Job::play(self.layout, 1, Fault::None, 0, 0);
        let own = job.of[self.rank].iter().map(|at| &job.groups[*at]);
        own.filter(|group| group.desc == self.desc).flat_map(|group| group.members.clone()).collect()
    }
}
