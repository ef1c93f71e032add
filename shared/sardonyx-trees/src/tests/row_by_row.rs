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
        let forms = RowByRow::all(&Ensemble::new(&attributes, TARGETS).expect("a good ensemble"));
        assert!(forms.iter().any(|(name, _)| *name == "blocks"));
        for (name, form) in forms {
            for row in rows.chunks(4) {
                let mut sums = [0.0; TARGETS];
                form.sum(InstructionSet::Portable, row, &mut sums);
                let expected = naive_sums(&attributes, row, TARGETS);
                assert_eq!(bits(&sums), bits(&expected), "{leaves} leaves, {name}");
            }
        }

        let mut double = attributes.map(|numbers| numbers.iter().copied().map(f64::from).collect());
        // Sums of these depend on their order.
        double.weights.iter_mut().for_each(|weight| *weight /= 3.0);
        let rows: Vec<f64> = rows.iter().map(|value| f64::from(*value)).collect();
        let ensemble = Ensemble::new(&double, TARGETS).expect("a good ensemble");
        let forms = RowByRow::all(&ensemble);
        // Walks, by which the other precision is measured.
        let regressor = Regressor::new(
            ensemble.with_instruction_set(InstructionSet::Portable),
            vec![],
            Aggregate::Sum,
            PostTransform::None,
        );
        let expected: Vec<f64> = regressor.expect("a good regressor").predict_as(&rows, 4);
        for (name, form) in forms {
            for (row, expected) in rows.chunks(4).zip(expected.chunks(TARGETS)) {
                let mut sums = [0.0; TARGETS];
                form.sum(InstructionSet::Portable, row, &mut sums);
                assert_eq!(sums, expected, "{leaves} leaves, {name}, doubles");
            }
        }
    }
}
