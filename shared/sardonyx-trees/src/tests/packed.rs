//! The flat form, also where it was changed.

use super::forests::{Random, random_ensemble};
use super::{MODES, bits, scaled};
use crate::ranked::RowByRow;
use crate::{Aggregate, Ensemble, EnsembleAttributes, InstructionSet, NodeMode, PostTransform, Regressor};

#[test]
fn bytes_that_are_cut_off_or_changed_never_panic_and_mean_the_same_everywhere() {
    let mut random = Random(3);
    // The leaves of the second have one weight each.
    for targets in [2, 1] {
        let attributes = random_ensemble(&mut random, 3, 3, targets, &MODES);
        let bytes = Ensemble::new(&attributes, targets).expect("a good ensemble").to_bytes();
        for length in (0..bytes.len()).step_by(scaled(1, 211)) {
            assert!(Ensemble::<f32>::from_bytes(&bytes[..length]).is_err(), "{length}");
        }
        assert!(Ensemble::<f64>::from_bytes(&bytes).is_err());
        let rows: Vec<f32> = (0..40 * 3).map(|_| random.input()).collect();
        for at in (0..bytes.len()).step_by(scaled(1, 211)) {
            for change in [1, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[at] ^= change;
                if let Ok(ensemble) = Ensemble::<f32>::from_bytes(&changed)
                    && ensemble.features() <= 3
                {
                    agree(&ensemble, &rows);
                }
            }
        }
    }
}

#[test]
fn a_threshold_between_the_zeros_means_the_same_everywhere() {
    let attributes = EnsembleAttributes {
        nodes_treeids: vec![0; 3],
        nodes_nodeids: vec![0, 1, 2],
        nodes_featureids: vec![2; 3],
        nodes_modes: vec![NodeMode::BranchLt, NodeMode::Leaf, NodeMode::Leaf],
        nodes_values: vec![0.0; 3],
        nodes_truenodeids: vec![1, 0, 0],
        nodes_falsenodeids: vec![2, 0, 0],
        weight_treeids: vec![0; 2],
        weight_nodeids: vec![1, 2],
        weight_ids: vec![0; 2],
        weights: vec![1.0_f32, 2.0],
        ..EnsembleAttributes::default()
    };
    let bytes = Ensemble::new(&attributes, 1).expect("a good ensemble").to_bytes();
    // Below 0 is at most the key before it, of the number before -0, which has none of its own.
    let at = bytes.windows(4).position(|key| key == (-2_i32).to_le_bytes());
    let at = at.expect("the test is there");
    let mut changed = bytes.clone();
    changed[at..at + 4].copy_from_slice(&(-1_i32).to_le_bytes());
    let ensemble = Ensemble::<f32>::from_bytes(&changed).expect("is a tree");
    let rows: Vec<f32> = [0.0, -0.0, 1.0, -1.0, -1e-45]
        .into_iter()
        .cycle()
        .take(70)
        .flat_map(|value| [0.0, 0.0, value])
        .collect();
    agree(&ensemble, &rows);
}

#[test]
fn bytes_with_a_column_twice_are_refused() {
    let attributes = random_ensemble(&mut Random(3), 3, 3, 2, &MODES);
    let bytes = Ensemble::new(&attributes, 2).expect("a good ensemble").to_bytes();
    // They follow the format and six counts.
    const COLUMNS: usize = 4 + 6 * 4;
    let mut twice = bytes.clone();
    twice.copy_within(COLUMNS..COLUMNS + 4, COLUMNS + 4);
    assert_ne!(twice, bytes, "there are two columns");
    let error = Ensemble::<f32>::from_bytes(&twice).expect_err("a batch would fill one of them only");
    assert!(error.to_string().contains("two columns"), "{error}");
}

#[test]
fn bytes_whose_branches_share_what_is_below_mean_the_same_everywhere() {
    // Two tests of the root's sides, each with two leaves of its own.
    let branch = |feature, value, yes| (feature, NodeMode::BranchLeq, value, yes);
    let leaf = (0, NodeMode::Leaf, 0.0, 0);
    let nodes = [
        branch(0, 0.0, 1),
        branch(1, -1.0, 3),
        branch(2, 1.0, 5),
        leaf,
        leaf,
        leaf,
        leaf,
    ];
    let attributes = EnsembleAttributes {
        nodes_treeids: vec![0; 7],
        nodes_nodeids: (0..7).collect(),
        nodes_featureids: nodes.map(|node| node.0).into(),
        nodes_modes: nodes.map(|node| node.1).into(),
        nodes_values: nodes.map(|node| node.2).into(),
        nodes_truenodeids: nodes.map(|node| node.3).into(),
        nodes_falsenodeids: nodes.map(|node| node.3 + i64::from(node.3 > 0)).into(),
        weight_treeids: vec![0; 4],
        weight_nodeids: vec![3, 4, 5, 6],
        weight_ids: vec![0; 4],
        weights: vec![1.0_f32, 2.0, 3.0, 4.0],
        ..EnsembleAttributes::default()
    };
    let ensemble = Ensemble::new(&attributes, 1).expect("a good ensemble");
    let mut bytes = ensemble.to_bytes();
    // The distances of the nodes stand at their ends, behind the format, six counts, three columns and a tree.
    const DELTA: usize = 4 + 6 * 4 + 3 * 4 + 12 + 6;
    let (first, second) = (DELTA + 8, DELTA + 2 * 8);
    assert_eq!((bytes[first], bytes[second]), (2, 3), "the sides of the root");
    let mut random = Random(5);
    let rows: Vec<f32> = (0..70 * 3).map(|_| random.input()).collect();
    // Either both leaves of the other side, or one of them.
    for distance in [4, 3] {
        bytes[first] = distance;
        let shared = Ensemble::<f32>::from_bytes(&bytes).expect("it leads to leaves");
        agree(&shared, &rows);
    }
}

/// Whether all instruction sets make the same of rows of three columns, alone and in a batch.
fn agree(ensemble: &Ensemble<f32>, rows: &[f32]) {
    const ALONE: usize = 12;
    let mut expected = None;
    for set in InstructionSet::ALL.iter().filter(|set| set.is_available()) {
        let ensemble = ensemble.clone().with_instruction_set(*set);
        let targets = ensemble.targets();
        let regressor = Regressor::new(ensemble, vec![], Aggregate::Sum, PostTransform::None).expect("good");
        let found = bits(&regressor.predict(rows, 3));
        let alone: Vec<f32> = rows
            .chunks(3)
            .take(ALONE)
            .flat_map(|row| regressor.predict(row, 3))
            .collect();
        assert_eq!(bits(&alone), found[..ALONE * targets], "{}", set.name());
        assert_eq!(expected.get_or_insert_with(|| found.clone()), &found, "{}", set.name());
    }
    for form in RowByRow::all(ensemble, true) {
        for set in InstructionSet::ALL.iter().filter(|set| set.is_available()) {
            let mut sums = vec![0.0; ALONE * ensemble.targets()];
            for (row, sums) in rows.chunks(3).zip(sums.chunks_mut(ensemble.targets())) {
                form.sum(*set, row, 3, sums);
            }
            let expected = expected.as_ref().expect("there is an instruction set");
            assert_eq!(bits(&sums), expected[..sums.len()], "{}, {}", form.name(), set.name());
            let mut sums = vec![0.0; rows.len() / 3 * ensemble.targets()];
            form.sum(*set, rows, 3, &mut sums);
            assert_eq!(&bits(&sums), expected, "{}, {}, together", form.name(), set.name());
        }
    }
}
