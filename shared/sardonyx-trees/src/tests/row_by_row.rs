//! Rows that come alone, in the forms that the trees have for them.

use super::forests::{Random, grown, naive_sums};
use super::{bits, scaled};
use crate::ranked::RowByRow;
use crate::{Aggregate, Ensemble, InstructionSet, PostTransform, Regressor};

#[test]
fn rows_alone_give_the_same_before_and_after_there_have_been_many() {
    let mut random = Random(6);
    for leaves in [3, 70] {
        let trees = if leaves > 64 { 4 } else { 300 };
        let attributes = grown(&mut random, leaves, false, 4, scaled(trees, 3) as i64);
        let ensemble = Ensemble::new(&attributes, 1).expect("a good ensemble");
        let regressor =
            Regressor::new(ensemble, vec![], Aggregate::Sum, PostTransform::None).expect("a good regressor");
        let rows: Vec<f32> = (0..5 * 4).map(|_| random.below(210) as f32 / 10.0 - 0.5).collect();
        let expected: Vec<f32> = rows.chunks(4).flat_map(|row| naive_sums(&attributes, row, 1)).collect();
        for round in 0..scaled(150, 2) {
            let found: Vec<f32> = rows.chunks(4).flat_map(|row| regressor.predict(row, 4)).collect();
            assert_eq!(bits(&found), bits(&expected), "{leaves} leaves, round {round}");
        }
    }
}

#[test]
fn many_trees_of_several_targets_are_added_in_order_in_either_precision() {
    const TARGETS: usize = 3;
    let mut random = Random(7);
    for (leaves, trees) in [(3, 600), (70, 8)] {
        let mut attributes = grown(&mut random, leaves, false, 4, scaled(trees, 4) as i64);
        for (target, tree) in attributes.weight_ids.iter_mut().zip(&attributes.weight_treeids) {
            *target = tree % TARGETS as i64;
        }
        let rows: Vec<f32> = (0..5 * 4).map(|_| random.below(210) as f32 / 10.0 - 0.5).collect();
        let ensemble = Ensemble::new(&attributes, TARGETS).expect("a good ensemble");
        assert!(RowByRow::all(&ensemble, true).any(|form| form.name() == "ranks"));
        for form in RowByRow::all(&ensemble, true) {
            let mut expected = Vec::new();
            for row in rows.chunks(4) {
                let mut sums = [0.0; TARGETS];
                form.sum(InstructionSet::Portable, row, 4, &mut sums);
                expected.extend(naive_sums(&attributes, row, TARGETS));
                let expected = &expected[expected.len() - TARGETS..];
                assert_eq!(bits(&sums), bits(expected), "{leaves} leaves, {}", form.name());
            }
            let mut sums = [0.0; 5 * TARGETS];
            form.sum(InstructionSet::Portable, &rows, 4, &mut sums);
            assert_eq!(
                bits(&sums),
                bits(&expected),
                "{leaves} leaves, {}, together",
                form.name()
            );
        }

        let mut double = attributes.map(|numbers| numbers.iter().copied().map(f64::from).collect());
        // Sums of these depend on their order.
        double.weights.iter_mut().for_each(|weight| *weight /= 3.0);
        let rows: Vec<f64> = rows.iter().map(|value| f64::from(*value)).collect();
        let ensemble = Ensemble::new(&double, TARGETS).expect("a good ensemble");
        let forms: Vec<_> = RowByRow::all(&ensemble, true).collect();
        // Walks, by which the other precision is measured.
        let regressor = Regressor::new(
            ensemble.with_instruction_set(InstructionSet::Portable),
            vec![],
            Aggregate::Sum,
            PostTransform::None,
        );
        let expected: Vec<f64> = regressor.expect("a good regressor").predict_as(&rows, 4);
        for form in forms {
            for (row, expected) in rows.chunks(4).zip(expected.chunks(TARGETS)) {
                let mut sums = [0.0; TARGETS];
                form.sum(InstructionSet::Portable, row, 4, &mut sums);
                assert_eq!(sums, expected, "{leaves} leaves, {}, doubles", form.name());
            }
        }
    }
}

#[test]
fn features_of_many_thresholds_and_columns_are_compared_by_their_keys() {
    let mut random = Random(14);
    for (features, leaves) in [(1, 700), (20, 40), (70, 300), (127, 300)] {
        let mut attributes = grown(&mut random, scaled(leaves, 40), false, features, scaled(4, 2) as i64);
        for value in &mut attributes.nodes_values {
            *value = random.below(100_000) as f32 / 5000.0;
        }
        // A feature is two columns at most.
        attributes.nodes_missing_value_tracks_true.fill(0);
        let rows: Vec<f32> = (0..scaled(700, 6) * features)
            .map(|_| match random.below(12) {
                0 => f32::NAN,
                1 => f32::INFINITY,
                2 => attributes.nodes_values[random.below(attributes.nodes_values.len())],
                _ => random.below(210) as f32 / 10.0 - 0.5,
            })
            .collect();
        let expected: Vec<f32> = rows
            .chunks(features)
            .flat_map(|row| naive_sums(&attributes, row, 1))
            .collect();
        let ensemble = Ensemble::new(&attributes, 1).expect("a good ensemble");
        let has_many = scaled(leaves, 40) == 700;
        let form = RowByRow::all(&ensemble, true).last().expect("a form");
        assert_eq!(form.name(), "keys");
        assert_eq!(
            RowByRow::all(&ensemble, true).count() == 1,
            has_many,
            "{features} features"
        );
        for set in InstructionSet::ALL.iter().filter(|set| set.is_available()) {
            for batch in [1, 3, 300, 512, 513] {
                let mut sums = vec![0.0; expected.len()];
                for (rows, sums) in rows.chunks(batch * features).zip(sums.chunks_mut(batch)) {
                    form.sum(*set, rows, features, sums);
                }
                assert_eq!(
                    bits(&sums),
                    bits(&expected),
                    "{features} features, {batch} rows, {}",
                    set.name()
                );
            }
        }
    }
}
