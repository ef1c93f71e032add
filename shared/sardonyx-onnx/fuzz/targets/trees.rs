//! Ensembles of any shape, and bytes that claim to be one: every instruction set must give what portable code gives, at every batch size.
#![no_main]

use std::sync::Arc;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use sardonyx_fuzz::forest::{Forest, rows};
use sardonyx_fuzz::panics;
use sardonyx_trees::{
    Aggregate, Classifier, Ensemble, EnsembleAttributes, InstructionSet, PostTransform, Regressor, Scalar, WeightForm,
};

/// The sizes go beyond a block of 64 rows.
const MOST_ROWS: usize = 70;
/// So often, the rows go beyond the largest block.
const REPETITIONS: usize = 8;
/// Of what bytes may claim: more takes memory and time without taking another path.
const MOST_FEATURES: usize = 256;
const MOST_TARGETS: usize = 64;

#[derive(Arbitrary, Debug)]
struct Input {
    source: Source,
    rows: u64,
    is_double: bool,
    aggregate: u8,
    post_transform: u8,
}

#[derive(Arbitrary, Debug)]
enum Source {
    Forest(Forest),
    /// The flat form of a forest, with other bytes at some places.
    Changed(Forest, Vec<(u16, u8)>),
    Bytes(Vec<u8>),
}

fuzz_target!(init: panics::keep_quiet(), |input: Input| {
    panics::watch(|| {
        if input.is_double {
            check(&input, |values| values.iter().copied().map(f64::from).collect());
        } else {
            check(&input, <[f32]>::to_vec);
        }
    });
});

fn check<T: Scalar>(input: &Input, numbers: impl Fn(&[f32]) -> Vec<T>) {
    let ensemble = match &input.source {
        Source::Bytes(bytes) => Ensemble::<T>::from_bytes(bytes),
        Source::Forest(forest) | Source::Changed(forest, _) => {
            let attributes = forest.attributes().map(&numbers);
            let ensemble = Ensemble::new(&attributes, forest.targets()).expect("a good ensemble");
            check_classifiers(input, &ensemble, &attributes, &numbers);
            let mut bytes = ensemble.to_bytes();
            if let Source::Changed(_, changes) = &input.source {
                for (at, byte) in changes {
                    let at = usize::from(*at) % bytes.len();
                    bytes[at] = *byte;
                }
                Ensemble::from_bytes(&bytes)
            } else {
                let read = Ensemble::<T>::from_bytes(&bytes).expect("what was written is read");
                assert_eq!(read.to_bytes(), bytes, "what was read is written");
                Ok(ensemble)
            }
        }
    };
    let Ok(ensemble) = ensemble else { return };
    if ensemble.features() > MOST_FEATURES || ensemble.targets() > MOST_TARGETS {
        return;
    }
    let (width, targets) = (ensemble.features().max(1), ensemble.targets());
    let rows = numbers(&rows(input.rows, MOST_ROWS * width));
    let with = |set: InstructionSet| {
        let ensemble = ensemble.clone().with_instruction_set(set);
        Regressor::new(ensemble, vec![], aggregate(input), post_transform(input)).expect("a good regressor")
    };
    let expected = with(InstructionSet::Portable).predict(&rows, width);
    for set in available() {
        let regressor = with(set);
        for count in 1..=MOST_ROWS {
            let found = regressor.predict(&rows[..count * width], width);
            assert_alike(&found, &expected[..count * targets], set, count);
        }
        let found = regressor.predict(&rows.repeat(REPETITIONS), width);
        assert_alike(&found, &expected.repeat(REPETITIONS), set, REPETITIONS * MOST_ROWS);
    }
}

/// Classifiers have two layouts for two classes, and read their flat form by themselves.
fn check_classifiers<T: Scalar>(
    input: &Input,
    ensemble: &Ensemble<T>,
    attributes: &EnsembleAttributes<T>,
    numbers: impl Fn(&[f32]) -> Vec<T>,
) {
    let width = ensemble.features().max(1);
    let rows = numbers(&rows(input.rows, MOST_ROWS * width));
    let with = |set: InstructionSet| {
        let ensemble = ensemble.clone().with_instruction_set(set);
        let (ids, weights) = (&attributes.weight_ids, &attributes.weights);
        Classifier::new(ensemble, ids, weights, vec![], post_transform(input))
    };
    let Ok(portable) = with(InstructionSet::Portable) else {
        return;
    };
    let (labels, scores) = portable.predict(&rows, width);
    for set in available() {
        let classifier = with(set).expect("it is one with portable code");
        let bytes = classifier.to_bytes();
        let (form, trees) = WeightForm::split_from(&bytes).expect("what was written is read");
        let trees = Arc::new(Ensemble::from_bytes(trees).expect("what was written is read"));
        let read = Classifier::with_form(trees, form, vec![], post_transform(input)).expect("it was one before");
        for classifier in [classifier, read] {
            let (found_labels, found) = classifier.predict(&rows, width);
            assert_eq!(found_labels, labels, "{}", set.name());
            assert_alike(&found, &scores, set, MOST_ROWS);
        }
    }
}

fn available() -> impl Iterator<Item = InstructionSet> {
    InstructionSet::ALL.iter().copied().filter(|set| set.is_available())
}

/// Bit by bit; what is no number need only be none, since its bits depend on the order of the operands, which the compiler chooses.
fn assert_alike(found: &[f32], expected: &[f32], set: InstructionSet, rows: usize) {
    let bits = |value: &f32| if value.is_nan() { f32::NAN } else { *value }.to_bits();
    let is_alike = found.iter().map(bits).eq(expected.iter().map(bits));
    assert!(
        is_alike,
        "{} with {rows} rows: {found:?} is not {expected:?}",
        set.name()
    );
}

fn aggregate(input: &Input) -> Aggregate {
    match input.aggregate % 8 {
        0 => Aggregate::Min,
        1 => Aggregate::Max,
        2 => Aggregate::Average,
        _ => Aggregate::Sum,
    }
}

fn post_transform(input: &Input) -> PostTransform {
    match input.post_transform % 16 {
        0 => PostTransform::Softmax,
        1 => PostTransform::Logistic,
        2 => PostTransform::SoftmaxZero,
        3 => PostTransform::Probit,
        _ => PostTransform::None,
    }
}
