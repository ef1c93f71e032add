//! Random ensembles, and the plainest possible evaluation.

use crate::{EnsembleAttributes, NodeMode};

/// Reproducible pseudo-random numbers (SplitMix64).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }

    /// Few values, so that thresholds are met exactly, with the ones that comparisons trip over.
    pub(super) fn value(&mut self) -> f32 {
        [
            -1.0,
            -0.0,
            0.0,
            1.0,
            0.5,
            f32::MIN_POSITIVE,
            f32::INFINITY,
            f32::NEG_INFINITY,
        ][self.below(8)]
    }

    pub(super) fn input(&mut self) -> f32 {
        if self.below(5) == 0 { f32::NAN } else { self.value() }
    }
}

/// Trees of random shape, their nodes in random order behind the root, with ids that are not positions.
pub(super) fn random_ensemble(
    random: &mut Random,
    trees: usize,
    features: usize,
    targets: usize,
    modes: &[NodeMode],
) -> EnsembleAttributes<f32> {
    let mut attributes: EnsembleAttributes<f32> = EnsembleAttributes::default();
    for tree in 0..trees {
        // (node, parent's slot) pairs to be filled; ids are spread out.
        let size = random.below(40);
        let mut children: Vec<Option<(i64, i64)>> = vec![None];
        for _ in 0..size {
            let open: Vec<usize> = (0..children.len()).filter(|node| children[*node].is_none()).collect();
            let node = open[random.below(open.len())];
            let first = children.len() as i64;
            children[node] = Some((first, first + 1));
            children.extend([None, None]);
        }
        let id = |node: i64| node * 3 + 1;
        let mut order: Vec<usize> = (1..children.len()).collect();
        for index in (1..order.len()).rev() {
            order.swap(index, random.below(index + 1));
        }
        for node in std::iter::once(0).chain(order) {
            let is_leaf = children[node].is_none();
            let (yes, no) = children[node].unwrap_or((0, 0));
            attributes.nodes_treeids.push(tree as i64 * 7);
            attributes.nodes_nodeids.push(id(node as i64));
            attributes.nodes_featureids.push(random.below(features) as i64);
            let mode = modes[random.below(modes.len())];
            attributes.nodes_modes.push(if is_leaf { NodeMode::Leaf } else { mode });
            attributes.nodes_values.push(random.value());
            attributes.nodes_truenodeids.push(if is_leaf { 0 } else { id(yes) });
            attributes.nodes_falsenodeids.push(if is_leaf { 0 } else { id(no) });
            attributes.nodes_missing_value_tracks_true.push(random.below(2) as i64);
            let weights = if is_leaf { 1 + random.below(targets) } else { 0 };
            for weight in 0..weights {
                attributes.weight_treeids.push(tree as i64 * 7);
                attributes.weight_nodeids.push(id(node as i64));
                attributes.weight_ids.push(((node + weight) % targets) as i64);
                attributes.weights.push(random.below(1000) as f32 / 7.0 - 70.0);
            }
        }
    }
    attributes
}

/// Trees whose root has a set of numbers at either side: a chain of tests of equality that all lead to the same subtree where they hold.
pub(super) fn with_sets(random: &mut Random, trees: i64) -> EnsembleAttributes<f32> {
    const FEATURES: usize = 4;
    let mut attributes: EnsembleAttributes<f32> = EnsembleAttributes::default();
    for tree in 0..trees {
        let mut nodes = 0_i64;
        let mut add = |attributes: &mut EnsembleAttributes<f32>, mode, feature: usize, value, below: [i64; 2]| {
            attributes.nodes_treeids.push(tree);
            attributes.nodes_nodeids.push(nodes);
            attributes.nodes_featureids.push(feature as i64);
            attributes.nodes_modes.push(mode);
            attributes.nodes_values.push(value);
            attributes.nodes_truenodeids.push(below[0]);
            attributes.nodes_falsenodeids.push(below[1]);
            nodes += 1;
        };
        let members = [1 + random.below(12), 1 + random.below(12)];
        let leaves = 1 + random.below(20) as i64;
        // The root, the chains, and then a subtree for each of their two ends.
        let ends: [i64; 2] = members.map(|count| count as i64);
        let first_subtree = 1 + ends[0] + ends[1];
        let subtree = |index: i64| first_subtree + index * (2 * leaves - 1);
        let value = random.below(24) as f32;
        add(
            &mut attributes,
            NodeMode::BranchLeq,
            random.below(FEATURES),
            value,
            [1, 1 + ends[0]],
        );
        for (side, count) in members.into_iter().enumerate() {
            let (first, feature) = (1 + side as i64 * ends[0], random.below(FEATURES));
            for member in 1..=count as i64 {
                let is_last = member == count as i64;
                let otherwise = if is_last {
                    subtree(2 * side as i64 + 1)
                } else {
                    first + member
                };
                let below = [subtree(2 * side as i64), otherwise];
                let value = random.below(24) as f32;
                add(&mut attributes, NodeMode::BranchEq, feature, value, below);
            }
        }
        for index in 0..4 {
            for node in 0..2 * leaves - 1 {
                let (id, is_leaf) = (subtree(index) + node, node >= leaves - 1);
                let mode = if is_leaf { NodeMode::Leaf } else { NodeMode::BranchLeq };
                let first = subtree(index) + 2 * node + 1;
                let below = if is_leaf { [0, 0] } else { [first, first + 1] };
                let value = random.below(24) as f32;
                add(&mut attributes, mode, random.below(FEATURES), value, below);
                if is_leaf {
                    attributes.weight_treeids.push(tree);
                    attributes.weight_nodeids.push(id);
                    attributes.weight_ids.push(0);
                    attributes.weights.push(random.below(10_000) as f32 / 7.0);
                }
            }
        }
    }
    attributes
}

/// A tree that is complete, or a chain, of tests whose thresholds are all different.
pub(super) fn grown(
    random: &mut Random,
    leaves: usize,
    is_chain: bool,
    features: usize,
    trees: i64,
) -> EnsembleAttributes<f32> {
    let mut attributes: EnsembleAttributes<f32> = EnsembleAttributes::default();
    for tree in 0..trees {
        for node in 0..2 * leaves - 1 {
            let is_leaf = if is_chain {
                node % 2 == 1 || node == 2 * leaves - 2
            } else {
                node >= leaves - 1
            };
            let first = if is_chain { node + 1 } else { 2 * node + 1 } as i64;
            attributes.nodes_treeids.push(tree);
            attributes.nodes_nodeids.push(node as i64);
            attributes.nodes_featureids.push(random.below(features) as i64);
            attributes
                .nodes_modes
                .push(if is_leaf { NodeMode::Leaf } else { NodeMode::BranchLeq });
            attributes.nodes_values.push(random.below(200) as f32 / 10.0);
            attributes.nodes_truenodeids.push(if is_leaf { 0 } else { first });
            attributes.nodes_falsenodeids.push(if is_leaf { 0 } else { first + 1 });
            attributes.nodes_missing_value_tracks_true.push(random.below(2) as i64);
            if is_leaf {
                attributes.weight_treeids.push(tree);
                attributes.weight_nodeids.push(node as i64);
                attributes.weight_ids.push(0);
                attributes.weights.push(random.below(10_000) as f32 / 7.0);
            }
        }
    }
    attributes
}

/// Follows the attributes as the specification words them.
pub(super) fn naive_sums(attributes: &EnsembleAttributes<f32>, row: &[f32], targets: usize) -> Vec<f32> {
    let mut sums = vec![0.0; targets];
    let mut trees = attributes.nodes_treeids.clone();
    trees.dedup();
    for tree in trees {
        let find = |id: i64| {
            (0..attributes.nodes_nodeids.len())
                .find(|at| attributes.nodes_treeids[*at] == tree && attributes.nodes_nodeids[*at] == id)
                .expect("the node is there")
        };
        let mut at = attributes
            .nodes_treeids
            .iter()
            .position(|id| *id == tree)
            .expect("a root");
        while attributes.nodes_modes[at] != NodeMode::Leaf {
            let (x, value) = (
                row[attributes.nodes_featureids[at] as usize],
                attributes.nodes_values[at],
            );
            let holds = match attributes.nodes_modes[at] {
                NodeMode::BranchLeq => x <= value,
                NodeMode::BranchLt => x < value,
                NodeMode::BranchGte => x >= value,
                NodeMode::BranchGt => x > value,
                NodeMode::BranchEq => x == value,
                NodeMode::BranchNeq => x != value,
                NodeMode::Leaf => unreachable!("the loop ends at a leaf"),
            };
            let tracks = attributes.nodes_missing_value_tracks_true.get(at) == Some(&1);
            at = find(if holds || tracks && x.is_nan() {
                attributes.nodes_truenodeids[at]
            } else {
                attributes.nodes_falsenodeids[at]
            });
        }
        for weight in 0..attributes.weights.len() {
            if attributes.weight_treeids[weight] == tree
                && attributes.weight_nodeids[weight] == attributes.nodes_nodeids[at]
            {
                sums[attributes.weight_ids[weight] as usize] += attributes.weights[weight];
            }
        }
    }
    sums
}
