//! Random ensembles against the plainest possible evaluation, and what cannot be an ensemble.

mod forests;
mod packed;
mod row_by_row;

use forests::{Random, grown, naive_sums, random_ensemble, with_sets};

use super::ranked::RowByRow;
use super::{Aggregate, Classifier, Ensemble, EnsembleAttributes, InstructionSet, NodeMode, PostTransform, Regressor};

const MODES: [NodeMode; 6] = NodeMode::BRANCHES;

/// Miri takes some thousand times as long, so it gets less of everything.
const fn scaled(natively: usize, with_miri: usize) -> usize {
    if cfg!(miri) { with_miri } else { natively }
}

fn regressor(attributes: &EnsembleAttributes<f32>, targets: usize) -> Regressor<f32> {
    let ensemble = Ensemble::new(attributes, targets).expect("a good ensemble");
    Regressor::new(ensemble, vec![], Aggregate::Sum, PostTransform::None).expect("a good regressor")
}

/// The same trees with every instruction set of this CPU, each also written to bytes and read again.
fn variants(attributes: &EnsembleAttributes<f32>, targets: usize) -> Vec<(&'static str, Regressor<f32>)> {
    let available = InstructionSet::ALL.iter().filter(|set| set.is_available());
    let regressor = |ensemble: Ensemble<f32>, set: &InstructionSet| {
        let ensemble = ensemble.with_instruction_set(*set);
        let regressor = Regressor::new(ensemble, vec![], Aggregate::Sum, PostTransform::None);
        (set.name(), regressor.expect("a good regressor"))
    };
    available
        .flat_map(|set| {
            let ensemble = Ensemble::new(attributes, targets).expect("a good ensemble");
            let bytes = ensemble.to_bytes();
            let read = Ensemble::from_bytes(&bytes).expect("what was written is read");
            assert_eq!(read.to_bytes(), bytes);
            [regressor(ensemble, set), regressor(read, set)]
        })
        .collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn sums_are_bit_equal_to_a_naive_evaluation_at_every_batch_size_with_every_instruction_set() {
    let mut random = Random(1);
    for round in 0..scaled(60, 3) {
        let (trees, features, targets) = (
            1 + random.below(scaled(40, 8)),
            1 + random.below(6),
            1 + random.below(3),
        );
        let modes = match round % 3 {
            0 => &MODES[..1],
            1 => &MODES[..4],
            _ => &MODES[..],
        };
        let mut attributes = random_ensemble(&mut random, trees, features, targets, modes);
        if round % 4 == 0 {
            attributes.nodes_missing_value_tracks_true.clear();
        }
        let width = features + random.below(3);
        let rows: Vec<f32> = (0..scaled(810, 65) * width).map(|_| random.input()).collect();
        let expected: Vec<f32> = rows
            .chunks(width)
            .flat_map(|row| naive_sums(&attributes, row, targets))
            .collect();
        for (name, regressor) in variants(&attributes, targets) {
            let counts = [0, 1, 17, 65, 15, 16, 63, 64, 129, 256, 300, 512, 513, 810];
            for count in counts.into_iter().take(scaled(counts.len(), 4)) {
                let got = regressor.predict(&rows[..count * width], width);
                let expected = &expected[..count * targets];
                assert_eq!(bits(&got), bits(expected), "round {round}, {count} rows, {name}");
            }
        }
    }
}

#[test]
fn the_first_rows_are_walked() {
    let attributes = grown(&mut Random(13), 8, false, 5, 3);
    let regressor = regressor(&attributes, 1);
    let predict = |rows: usize| {
        regressor.predict(&vec![1.0; rows * 5], 5);
        regressor.ensemble().forms()
    };
    let has_row_kernels = InstructionSet::detect().has_row_kernels();
    for _ in 0..4 {
        assert_eq!(predict(100), [false, false]);
    }
    for _ in 0..100 {
        assert_eq!(predict(1), [false, false]);
    }
    assert_eq!(predict(1), [false, has_row_kernels]);
    assert_eq!(predict(100), [true, has_row_kernels]);
    // A batch that is large enough does not wait for others.
    let ensemble = Ensemble::new(&attributes, 1).expect("a good ensemble");
    let regressor = Regressor::new(ensemble, vec![], Aggregate::Sum, PostTransform::None).expect("good");
    regressor.predict(&[1.0; 501 * 5], 5);
    assert_eq!(regressor.ensemble().forms(), [true, false]);
    if cfg!(miri) {
        return;
    }
    // The more nodes there are, the more rows it takes to make up for the time.
    let attributes = grown(&mut Random(13), 128, false, 5, 400);
    let ensemble = Ensemble::new(&attributes, 1).expect("a good ensemble");
    let regressor = Regressor::new(ensemble, vec![], Aggregate::Sum, PostTransform::None).expect("good");
    regressor.predict(&[1.0; 501 * 5], 5);
    assert_eq!(regressor.ensemble().forms(), [false, false]);
    regressor.predict(&[1.0; 501 * 5], 5);
    assert_eq!(regressor.ensemble().forms(), [true, false]);
}

#[test]
fn batches_in_double_precision_are_as_rows_alone() {
    let mut random = Random(12);
    for leaves in [8, 40, 200].into_iter().take(scaled(3, 1)) {
        let attributes = grown(&mut random, leaves, false, 5, 3).map(|numbers| {
            let numbers = numbers.iter().copied().map(f64::from);
            numbers.map(|number| number / 3.0).collect()
        });
        let rows: Vec<f64> = (0..scaled(800, 70) * 5)
            .map(|_| random.below(70) as f64 / 10.0)
            .collect();
        for set in InstructionSet::ALL.iter().filter(|set| set.is_available()) {
            let ensemble = Ensemble::new(&attributes, 1)
                .expect("a good ensemble")
                .with_instruction_set(*set);
            let regressor = Regressor::new(ensemble, vec![], Aggregate::Sum, PostTransform::None).expect("good");
            let alone: Vec<f32> = rows.chunks(5).flat_map(|row| regressor.predict(row, 5)).collect();
            assert_eq!(
                bits(&regressor.predict(&rows, 5)),
                bits(&alone),
                "{leaves} leaves, {}",
                set.name()
            );
        }
    }
}

#[test]
fn branches_that_several_ways_lead_to_are_evaluated_alike() {
    let mut random = Random(11);
    for round in 0..scaled(60, 2) {
        let attributes = with_sets(&mut random, scaled(6, 1) as i64);
        let rows: Vec<f32> = (0..scaled(600, 40) * 4).map(|_| random.below(24) as f32).collect();
        let expected: Vec<f32> = rows.chunks(4).flat_map(|row| naive_sums(&attributes, row, 1)).collect();
        for (name, regressor) in variants(&attributes, 1) {
            let got = regressor.predict(&rows, 4);
            assert_eq!(bits(&got), bits(&expected), "round {round}, {name}");
        }
    }
}

#[test]
fn trees_of_every_size_are_evaluated_alike() {
    let mut random = Random(2);
    let sizes = [1, 2, 3, 4, 8, 16, 17, 31, 32, 33, 64, 65, 128, 255, 256, 257, 400];
    for leaves in sizes.into_iter().step_by(scaled(1, 5)) {
        for is_chain in [false, true] {
            let trees = scaled(if leaves > 100 { 3 } else { 20 }, 2) as i64;
            let attributes = grown(&mut random, leaves, is_chain, 5, trees);
            let rows: Vec<f32> = (0..scaled(600, 40) * 5)
                .map(|_| {
                    if random.below(9) == 0 {
                        f32::NAN
                    } else {
                        random.below(210) as f32 / 10.0 - 0.5
                    }
                })
                .collect();
            let expected: Vec<f32> = rows.chunks(5).flat_map(|row| naive_sums(&attributes, row, 1)).collect();
            for (name, regressor) in variants(&attributes, 1) {
                let got = regressor.predict(&rows, 5);
                assert_eq!(bits(&got), bits(&expected), "{leaves} leaves, chain {is_chain}, {name}");
                let alone: Vec<f32> = rows.chunks(5).flat_map(|row| regressor.predict(row, 5)).collect();
                assert_eq!(
                    bits(&alone),
                    bits(&expected),
                    "{leaves} leaves, chain {is_chain}, {name}, rows alone"
                );
            }
            let ensemble = Ensemble::new(&attributes, 1).expect("a good ensemble");
            let forms: Vec<_> = RowByRow::all(&ensemble, true).collect();
            let names: Vec<_> = forms.iter().map(RowByRow::name).collect();
            let is_small = leaves <= if is_chain { 33 } else { 64 };
            let expected_names = if is_small {
                &["single", "ranks", "keys"][..]
            } else {
                &["ranks", "keys"]
            };
            assert_eq!(names, expected_names, "{leaves} leaves, chain {is_chain}");
            for form in forms {
                for set in InstructionSet::ALL.iter().filter(|set| set.is_available()) {
                    for batch in [1, 2, 7, 100, 600].into_iter().take(scaled(5, 3)) {
                        let mut sums = vec![0.0; scaled(expected.len(), 5)];
                        for (rows, sums) in rows.chunks(batch * 5).zip(sums.chunks_mut(batch)) {
                            form.sum(*set, &rows[..sums.len() * 5], 5, sums);
                        }
                        assert_eq!(
                            bits(&sums),
                            bits(&expected[..sums.len()]),
                            "{leaves} leaves, chain {is_chain}, {}, {}, {batch} rows",
                            form.name(),
                            set.name()
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn a_set_of_categories_is_one_search_whatever_its_order_and_its_missing_values() {
    for (tracks, of_missing) in [(1, 1.0), (0, 2.0)] {
        let members = [7.0, -1.0, 3.0, 3.0, 0.0, f32::NEG_INFINITY, 1e30];
        let mut attributes: EnsembleAttributes<f32> = EnsembleAttributes::default();
        let last = members.len() as i64;
        for (node, member) in members.into_iter().chain([0.0; 2]).enumerate() {
            let node = node as i64;
            let is_leaf = node >= last;
            attributes.nodes_treeids.push(0);
            attributes.nodes_nodeids.push(node);
            attributes.nodes_featureids.push(0);
            attributes
                .nodes_modes
                .push(if is_leaf { NodeMode::Leaf } else { NodeMode::BranchEq });
            attributes.nodes_values.push(member);
            attributes.nodes_truenodeids.push(if is_leaf { 0 } else { last });
            attributes.nodes_falsenodeids.push(match node {
                _ if is_leaf => 0,
                _ if node + 1 == last => last + 1,
                _ => node + 1,
            });
            attributes.nodes_missing_value_tracks_true.push(tracks);
            if is_leaf {
                attributes.weight_treeids.push(0);
                attributes.weight_nodeids.push(node);
                attributes.weight_ids.push(0);
                attributes.weights.push((node - last + 1) as f32);
            }
        }
        let ensemble = Ensemble::new(&attributes, 1).expect("a good ensemble");
        assert!(ensemble.depth() < members.len(), "{}", ensemble.depth());
        let rows = [
            7.0,
            -1.0,
            3.0,
            -0.0,
            f32::NEG_INFINITY,
            1e30,
            6.9,
            2.0,
            f32::INFINITY,
            -1e-45,
            f32::NAN,
        ];
        let expected = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0, of_missing];
        for (name, regressor) in variants(&attributes, 1) {
            assert_eq!(regressor.predict(&rows, 1), expected, "{name}");
            let many = regressor.predict(&rows.repeat(20), 1);
            assert_eq!(many, expected.repeat(20), "{name}");
        }
    }
}

#[test]
fn double_precision_thresholds_are_not_rounded() {
    let threshold = 0.1_f64;
    let attributes = EnsembleAttributes {
        nodes_treeids: vec![0; 3],
        nodes_nodeids: vec![0, 1, 2],
        nodes_featureids: vec![0; 3],
        nodes_modes: vec![NodeMode::BranchLt, NodeMode::Leaf, NodeMode::Leaf],
        nodes_values: vec![threshold, 0.0, 0.0],
        nodes_truenodeids: vec![1, 0, 0],
        nodes_falsenodeids: vec![2, 0, 0],
        nodes_missing_value_tracks_true: vec![],
        weight_treeids: vec![0; 2],
        weight_nodeids: vec![1, 2],
        weight_ids: vec![0; 2],
        weights: vec![1.0, 2.0],
    };
    let ensemble = Ensemble::new(&attributes, 1).expect("a good ensemble");
    let regressor = Regressor::new(ensemble, vec![], Aggregate::Sum, PostTransform::None).expect("good");
    let below = threshold.next_down();
    assert_eq!(
        regressor.predict(&[below, threshold, f64::NAN, f64::NEG_INFINITY], 1),
        [1.0, 2.0, 2.0, 1.0]
    );
}

/// A root with two leaves.
fn stump() -> EnsembleAttributes<f32> {
    EnsembleAttributes {
        nodes_treeids: vec![0; 3],
        nodes_nodeids: vec![0, 1, 2],
        nodes_featureids: vec![0; 3],
        nodes_modes: vec![NodeMode::BranchLeq, NodeMode::Leaf, NodeMode::Leaf],
        nodes_values: vec![0.5, 0.0, 0.0],
        nodes_truenodeids: vec![1, 0, 0],
        nodes_falsenodeids: vec![2, 0, 0],
        nodes_missing_value_tracks_true: vec![],
        weight_treeids: vec![0; 2],
        weight_nodeids: vec![1, 2],
        weight_ids: vec![0; 2],
        weights: vec![0.25, 0.75],
    }
}

#[test]
fn what_is_no_ensemble_is_refused_with_the_node() {
    let refused = |change: fn(&mut EnsembleAttributes<f32>)| {
        let mut attributes = stump();
        change(&mut attributes);
        Ensemble::new(&attributes, 1).expect_err("not an ensemble").to_string()
    };
    assert_eq!(refused(|a| *a = EnsembleAttributes::default()), "there are no nodes");
    assert_eq!(
        refused(|a| a.nodes_modes.truncate(2)),
        "nodes_modes has 2 entries instead of 3"
    );
    assert_eq!(
        refused(|a| a.nodes_truenodeids[0] = 9),
        "node 0 of tree 0 leads to node 9, which does not exist"
    );
    assert_eq!(
        refused(|a| a.nodes_truenodeids[0] = 0),
        "node 0 of tree 0 leads back to itself"
    );
    assert_eq!(refused(|a| a.nodes_nodeids[2] = 1), "node 1 of tree 0 is there twice");
    assert_eq!(
        refused(|a| a.nodes_featureids[0] = -1),
        "node 0 of tree 0 tests feature -1, which is out of range"
    );
    assert_eq!(
        refused(|a| a.nodes_featureids[0] = 1 << 40),
        format!("node 0 of tree 0 tests feature {}, which is out of range", 1_i64 << 40)
    );
    assert_eq!(
        refused(|a| a.nodes_values[0] = f32::NAN),
        "node 0 of tree 0 compares with NaN"
    );
    assert_eq!(
        refused(|a| a.weights[0] = f32::NAN),
        "node 1 of tree 0 has NaN for a weight"
    );
    assert_eq!(
        refused(|a| a.weight_ids[0] = 1),
        "node 1 of tree 0 has a weight for 1, but there are 1 classes or targets"
    );
    assert_eq!(
        refused(|a| a.weight_nodeids[0] = 5),
        "node 5 of tree 0 has a weight but does not exist"
    );
    assert_eq!(
        refused(|a| a.weight_nodeids[0] = 2),
        "node 1 of tree 0 is a leaf without a weight"
    );
    assert_eq!(
        refused(|a| {
            // Two trees of one leaf each, the second of which comes back after the first.
            a.nodes_modes[0] = NodeMode::Leaf;
            a.nodes_treeids = vec![0, 1, 0];
            (a.weight_treeids, a.weight_nodeids) = (vec![0, 1], vec![0, 1]);
        }),
        "node 2 of tree 0 is apart from the other nodes of its tree"
    );
    assert!(Ensemble::new(&stump(), 0).is_err());
}

#[test]
fn a_longer_cycle_is_refused_and_a_shared_node_is_not() {
    let mut attributes = stump();
    attributes.nodes_modes[1] = NodeMode::BranchLeq;
    (attributes.nodes_truenodeids[1], attributes.nodes_falsenodeids[1]) = (2, 2);
    attributes.weight_nodeids[0] = 2;
    attributes.weight_treeids.pop();
    attributes.weight_nodeids.pop();
    attributes.weight_ids.pop();
    attributes.weights.pop();
    assert_eq!(regressor(&attributes, 1).predict(&[0.0, 1.0], 1), [0.25, 0.25]);
    attributes.nodes_truenodeids[1] = 0;
    assert!(Ensemble::new(&attributes, 1).is_err());
}

#[test]
fn a_tree_deeper_than_any_stack_is_walked() {
    let depth = scaled(200_000, 500) as i64;
    let mut attributes: EnsembleAttributes<f32> = EnsembleAttributes::default();
    for node in 0..=2 * depth {
        let is_leaf = node % 2 == 1 || node == 2 * depth;
        attributes.nodes_treeids.push(0);
        attributes.nodes_nodeids.push(node);
        attributes.nodes_featureids.push(0);
        attributes
            .nodes_modes
            .push(if is_leaf { NodeMode::Leaf } else { NodeMode::BranchLeq });
        attributes.nodes_values.push(node as f32);
        attributes.nodes_truenodeids.push(if is_leaf { 0 } else { node + 1 });
        attributes.nodes_falsenodeids.push(if is_leaf { 0 } else { node + 2 });
        if is_leaf {
            attributes.weight_treeids.push(0);
            attributes.weight_nodeids.push(node);
            attributes.weight_ids.push(0);
            attributes.weights.push(node as f32);
        }
    }
    let regressor = regressor(&attributes, 1);
    assert_eq!(
        regressor.predict(&[-1.0, 3.0, f32::INFINITY], 1),
        [1.0, 5.0, 2.0 * depth as f32]
    );
}

#[test]
fn layouts_that_onnx_runtime_leaves_to_chance_are_refused() {
    let classifier = |base: Vec<f32>, post, targets| {
        let mut attributes = stump();
        attributes.weight_ids = vec![0, 1];
        let ensemble = Ensemble::new(&attributes, targets).expect("a good ensemble");
        Classifier::new(ensemble, &attributes.weight_ids, &attributes.weights, base, post)
    };
    assert!(classifier(vec![], PostTransform::None, 2).is_ok());
    assert!(classifier(vec![0.5], PostTransform::None, 2).is_err());
    assert!(classifier(vec![], PostTransform::Probit, 2).is_err());
    assert!(classifier(vec![0.5, 0.5], PostTransform::None, 3).is_err());
    let one_class = Ensemble::new(&stump(), 1).expect("a good ensemble");
    assert!(Classifier::new(one_class, &vec![0, 0], &[0.25, 0.75], vec![], PostTransform::None).is_err());
}

/// A column's thresholds are ranked by a search of as many levels as they take: up to 255 of them fit into a byte, more are walked.
#[test]
fn every_number_of_thresholds_is_ranked() {
    let counts = [1, 17, 2, 15, 16, 127, 128, 254, 255, 256];
    for count in counts.into_iter().take(scaled(counts.len(), 2)) {
        let mut attributes: EnsembleAttributes<f32> = EnsembleAttributes::default();
        // Each tree says whether the value is above one more threshold.
        for threshold in 0..count {
            let tree = EnsembleAttributes {
                nodes_values: vec![threshold as f32, 0.0, 0.0],
                ..stump()
            };
            attributes.push_tree(&tree, threshold, &[0.0, 1.0]);
        }
        let mut rows: Vec<f32> = (0..=2 * count).map(|at| (at - 1) as f32 / 2.0).collect();
        let mut expected: Vec<f32> = rows.iter().map(|row| row.ceil().clamp(0.0, count as f32)).collect();
        rows.extend([f32::INFINITY, f32::NEG_INFINITY, -0.0]);
        expected.extend([count as f32, 0.0, 0.0]);
        let repeats = scaled(300, 70) / rows.len() + 1;
        for (name, regressor) in variants(&attributes, 1) {
            let found = regressor.predict(&rows.repeat(repeats), 1);
            assert_eq!(found, expected.repeat(repeats), "{count} thresholds, {name}");
        }
    }
}
