//! Fields of nodes whose truth is known, and tests of them that lie now and then. The tests of the room use it as well.

use diag::verify::isolate::{Culprit, Field, Shape, Sign, Step, Test, Trial, Trust, Verdict, next};
use fastrand::Rng;

/// A kind of field.
#[derive(Debug, Clone, Copy)]
pub(crate) struct World {
    pub(crate) nodes: usize,
    /// Bad nodes.
    pub(crate) bad: usize,
    /// Bad paths between two good nodes that meet in the first round.
    pub(crate) paths: usize,
    /// Nodes a leaf; 0: no leaves.
    pub(crate) leaf: usize,
    pub(crate) fault: Fault,
    /// Share of tests that fail for no reason, and pass for none.
    pub(crate) noise: (f64, f64),
    /// What the isolation is told of that.
    pub(crate) told: (f64, f64),
    /// Share of rounds in which a fifth of all tests fail for no reason.
    pub(crate) bursts: f64,
}

/// What else is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Leaf 1 altogether, the uplinks of leaf 1, what is between leaves 1 and 2.
    Leaf,
    Uplink,
    Trunk,
    /// Nodes are bad where at least so many take part.
    AtScale(usize),
    /// Everything fails where at least so many take part.
    Together(usize),
}

const USUAL: (f64, f64) = (0.02, 0.05);
const NODES: World =
    World { nodes: 128, bad: 1, paths: 0, leaf: 0, fault: Fault::None, noise: USUAL, told: USUAL, bursts: 0.0 };
const LEAVES: World = World { nodes: 128, bad: 0, leaf: 16, ..NODES };
const NOISY: (f64, f64) = (0.05, 0.10);

/// What is measured.
pub(crate) const WORLDS: [(&str, World); 24] = [
    ("128 nodes, none bad", World { bad: 0, ..NODES }),
    ("128 nodes, 1 bad", NODES),
    ("128 nodes, 4 bad", World { bad: 4, ..NODES }),
    ("128 nodes, 8 bad", World { bad: 8, ..NODES }),
    ("127 nodes, 1 bad", World { nodes: 127, ..NODES }),
    ("32 nodes, 8 bad", World { nodes: 32, bad: 8, ..NODES }),
    ("8 nodes, 1 bad", World { nodes: 8, ..NODES }),
    ("3 nodes, 1 bad", World { nodes: 3, ..NODES }),
    ("1024 nodes, 1 bad", World { nodes: 1024, ..NODES }),
    ("1024 nodes, 4 bad", World { nodes: 1024, bad: 4, ..NODES }),
    ("512 nodes, 1 bad, 5 %/10 % noise", World { nodes: 512, noise: NOISY, told: NOISY, ..NODES }),
    ("512 nodes, 1 bad, 5 %/10 % noise, told 2 %/5 %", World { nodes: 512, noise: NOISY, ..NODES }),
    ("128 nodes, 1 bad, a disturbed round in four", World { bursts: 0.25, ..NODES }),
    ("128 nodes, 4 bad, a disturbed round in four", World { bad: 4, bursts: 0.25, ..NODES }),
    ("128 nodes, a bad path", World { bad: 0, paths: 1, ..NODES }),
    ("128 nodes, 1 bad and a bad path", World { paths: 1, ..NODES }),
    ("8 leaves of 16, 1 node bad", World { bad: 1, ..LEAVES }),
    ("8 leaves of 16, a leaf bad", World { fault: Fault::Leaf, ..LEAVES }),
    ("8 leaves of 16, a leaf's uplinks bad", World { fault: Fault::Uplink, ..LEAVES }),
    ("8 leaves of 16, bad between two leaves", World { fault: Fault::Trunk, ..LEAVES }),
    ("128 nodes, 1 bad among 16 or more only", World { fault: Fault::AtScale(16), ..NODES }),
    ("128 nodes, 2 bad among 16 or more only", World { bad: 2, fault: Fault::AtScale(16), ..NODES }),
    ("1024 nodes, 1 bad among 100 or more only", World { nodes: 1024, fault: Fault::AtScale(100), ..NODES }),
    ("128 nodes, bad only together", World { bad: 0, fault: Fault::Together(100), ..NODES }),
];

/// What came of one run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) truth: Vec<Culprit>,
    pub(crate) named: Vec<Culprit>,
    pub(crate) verdict: Verdict,
    pub(crate) history: Vec<Vec<Trial>>,
    together: bool,
}

impl Run {
    /// Whether exactly who is bad was named, and nothing was left open that is known.
    pub(crate) fn exact(&self) -> bool {
        let open =
            self.verdict.open.iter().all(|open| open.together) && self.verdict.open.len() == usize::from(self.together);
        self.named == self.truth && open
    }
}

/// Plays one field.
pub(crate) fn play(world: &World, seed: u64) -> Run {
    // Seeds that differ little give streams that differ little: spread them.
    let mut rng = Rng::with_seed(seed.wrapping_mul(0xd134_2543_de82_ef95) ^ 0xabc_def1_2345);
    let mut ids: Vec<usize> = (0..world.nodes).collect();
    rng.shuffle(&mut ids);
    let mut truth: Vec<Culprit> = ids[..world.bad].iter().map(|node| Culprit::Node(*node)).collect();
    truth.extend(match world.fault {
        Fault::Leaf => Some(Culprit::Group(1)),
        Fault::Uplink => Some(Culprit::Uplink(1)),
        Fault::Trunk => Some(Culprit::Trunk(1, 2)),
        _ => None,
    });
    let leaves = world.nodes.checked_div(world.leaf).unwrap_or(0);
    let at_scale = matches!(world.fault, Fault::AtScale(_) | Fault::Together(_));
    let field = Field {
        nodes: world.nodes,
        groups: (0..leaves).map(|leaf| (leaf * world.leaf..(leaf + 1) * world.leaf).collect()).collect(),
        seed,
        vital: false,
        shape: if at_scale { Shape::Any } else { Shape::Pair },
        trust: Trust { false_fail: world.told.0, false_pass: world.told.1, ..Trust::default() },
    };
    let mut history = Vec::new();
    let verdict = loop {
        let tests = match next(&field, &history) {
            Step::Done(verdict) => break verdict,
            Step::Round(tests) => tests,
        };
        if history.is_empty() {
            let good = |test: &&Test| test.nodes.iter().all(|node| !truth.contains(&Culprit::Node(*node)));
            let paths: Vec<Culprit> = tests.iter().filter(good).take(world.paths).map(path).collect();
            truth.extend(paths);
        }
        let noise = (if rng.f64() < world.bursts { 0.2 } else { world.noise.0 }, world.noise.1);
        history.push(tests.into_iter().map(|test| trial(test, world, &truth, noise, &mut rng)).collect());
    };
    let mut named: Vec<Culprit> = verdict.named.iter().map(|named| named.culprit.clone()).collect();
    named.sort();
    truth.sort();
    Run { truth, named, verdict, history, together: matches!(world.fault, Fault::Together(_)) }
}

fn path(test: &Test) -> Culprit {
    let (a, b) = (test.nodes[0], test.nodes[1]);
    Culprit::Path(a.min(b), a.max(b))
}

fn trial(test: Test, world: &World, truth: &[Culprit], noise: (f64, f64), rng: &mut Rng) -> Trial {
    let bad = match world.fault {
        Fault::AtScale(least) | Fault::Together(least) if test.nodes.len() < least => false,
        Fault::Together(_) => true,
        _ => truth.iter().any(|culprit| touches(culprit, &test, world.leaf)),
    };
    let failed = if bad { rng.f64() >= noise.1 } else { rng.f64() < noise.0 };
    Trial { test, sign: if failed { Sign::Fail(Vec::new()) } else { Sign::Pass } }
}

/// Whether a culprit has to do with a test.
fn touches(culprit: &Culprit, test: &Test, leaf: usize) -> bool {
    let within = |group: usize| test.nodes.iter().filter(|node| **node / leaf == group).count();
    match culprit {
        Culprit::Node(node) => test.nodes.contains(node),
        Culprit::Path(..) => test.nodes.len() == 2 && path(test) == *culprit,
        Culprit::Group(group) => within(*group) > 0,
        Culprit::Uplink(group) => (1..test.nodes.len()).contains(&within(*group)),
        Culprit::Trunk(a, b) => within(*a) > 0 && within(*b) > 0,
        Culprit::Arm(_) => true,
    }
}
