//! Ensembles and rows from few bytes.

use fastrand::Rng;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use sardonyx_trees::{EnsembleAttributes, NodeMode};

const MODES: [NodeMode; 6] = NodeMode::BRANCHES;
const MOST_TREES: usize = 40;
const MOST_BRANCHES: usize = 600;

/// An ensemble that ONNX allows.
#[derive(Arbitrary, Debug)]
pub struct Forest {
    targets: u8,
    features: u8,
    /// How many of the modes there are.
    modes: u8,
    has_one_weight_each: bool,
    tracks_missing: bool,
    trees: Vec<Tree>,
}

#[derive(Arbitrary, Debug)]
struct Tree {
    shape: Shape,
    /// Of what its branches test, and of its weights.
    seed: u64,
}

/// How a tree grows from a leaf.
#[derive(Arbitrary, Debug)]
enum Shape {
    /// Each number makes a branch of a leaf.
    Grown(Vec<u8>),
    /// As a list of branches, each with a leaf.
    Chain(u16),
    /// With all leaves in the same depth, or nearly so.
    Complete(u16),
}

impl Forest {
    /// How many classes or targets there are.
    pub fn targets(&self) -> usize {
        usize::from(self.targets % 4) + 1
    }

    /// The lists of an operator's attributes.
    pub fn attributes(&self) -> EnsembleAttributes<f32> {
        let mut attributes: EnsembleAttributes<f32> = EnsembleAttributes::default();
        let alone = [Tree {
            shape: Shape::Chain(1),
            seed: 0,
        }];
        let trees = if self.trees.is_empty() { &alone } else { &self.trees[..] };
        for (id, tree) in trees.iter().take(MOST_TREES).enumerate() {
            self.add(tree, id as i64, &mut attributes);
        }
        attributes
    }

    fn add(&self, tree: &Tree, id: i64, attributes: &mut EnsembleAttributes<f32>) {
        let mut random = Rng::with_seed(tree.seed);
        let features = i64::from(self.features % 20) + 1;
        let modes = &MODES[..usize::from(self.modes) % MODES.len() + 1];
        let target = random.usize(..self.targets());
        for (node, children) in tree.shape.nodes().into_iter().enumerate() {
            let (yes, no) = children.unwrap_or((0, 0));
            attributes.nodes_treeids.push(id);
            attributes.nodes_nodeids.push(node as i64);
            attributes.nodes_featureids.push(random.i64(0..features));
            let mode = modes[random.usize(..modes.len())];
            let mode = if children.is_some() { mode } else { NodeMode::Leaf };
            attributes.nodes_modes.push(mode);
            attributes.nodes_values.push(number(&mut random));
            attributes.nodes_truenodeids.push(yes);
            attributes.nodes_falsenodeids.push(no);
            if self.tracks_missing {
                attributes.nodes_missing_value_tracks_true.push(random.i64(0..2));
            }
            if children.is_some() {
                continue;
            }
            let weights = if self.has_one_weight_each {
                1
            } else {
                1 + random.usize(..self.targets())
            };
            for weight in 0..weights {
                attributes.weight_treeids.push(id);
                attributes.weight_nodeids.push(node as i64);
                attributes.weight_ids.push(((target + weight) % self.targets()) as i64);
                attributes.weights.push(number(&mut random));
            }
        }
    }
}

impl Shape {
    /// For each node its children, where it is a branch.
    fn nodes(&self) -> Vec<Option<(i64, i64)>> {
        let mut nodes = vec![None];
        // The leaves, the oldest first.
        let mut open = vec![0];
        let mut grow = |leaf: usize| {
            let leaf = open.remove(leaf % open.len());
            let first = nodes.len();
            nodes[leaf] = Some((first as i64, first as i64 + 1));
            nodes.extend([None, None]);
            open.extend([first, first + 1]);
        };
        match self {
            Self::Grown(leaves) => leaves.iter().take(MOST_BRANCHES).for_each(|leaf| grow((*leaf).into())),
            Self::Chain(branches) => (0..usize::from(*branches) % MOST_BRANCHES).for_each(&mut grow),
            Self::Complete(branches) => (0..usize::from(*branches) % MOST_BRANCHES).for_each(|_| grow(0)),
        }
        nodes
    }
}

/// Values of rows: those that thresholds have, and missing ones.
pub fn rows(seed: u64, len: usize) -> Vec<f32> {
    let mut random = Rng::with_seed(seed);
    let mut value = || {
        if random.u8(..8) == 0 {
            f32::NAN
        } else {
            number(&mut random)
        }
    };
    (0..len).map(|_| value()).collect()
}

/// Numbers that are often the same, with the ones that comparisons trip over.
fn number(random: &mut Rng) -> f32 {
    const SPECIAL: [f32; 8] = [
        -0.0,
        0.0,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::MAX,
        f32::MIN_POSITIVE,
        -1e-45,
        1e-45,
    ];
    match random.u8(..16) {
        0 => SPECIAL[random.usize(..SPECIAL.len())],
        1 => random.f32(),
        _ => random.i32(-200..200) as f32 / 4.0,
    }
}
