//! What ONNX Runtime 1.32 answers on x86-64.

mod products;

use std::sync::Arc;

use anyhow::Result;
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};

use crate::operators::testing::read;
use crate::operators::{Fact, find_direct};
use crate::proto::attribute_proto::AttributeType;
use crate::proto::{AttributeProto, NodeProto};

fn integer(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: name.into(),
        r#type: AttributeType::Int as i32,
        i: value,
        ..Default::default()
    }
}

fn run(operator: &str, attributes: &[(&str, i64)], inputs: &[Tensor]) -> Result<Tensor> {
    run_with(operator, attributes, inputs, inputs.len())
}

/// The first inputs are constant.
fn run_with(operator: &str, attributes: &[(&str, i64)], inputs: &[Tensor], constants: usize) -> Result<Tensor> {
    let node = NodeProto {
        op_type: operator.into(),
        attribute: attributes.iter().map(|(name, value)| integer(name, *value)).collect(),
        ..Default::default()
    };
    let registration = find_direct("", operator).expect("is registered");
    let operator = read(registration, &[], &node)?;
    let mut facts: Vec<Fact> = inputs
        .iter()
        .map(|input| Fact::of_constant(Arc::new(input.clone().into())))
        .collect();
    for fact in &mut facts[constants..] {
        fact.constant = None;
    }
    let promised = operator.outputs(&facts)?.remove(0);
    let output = operator
        .kernel(&facts)?
        .run(&inputs.iter().collect::<Vec<_>>())?
        .remove(0);
    let found = Fact::of_constant(Arc::new(output.clone().into()));
    assert_eq!((promised.datatype, promised.shape), (found.datatype, found.shape));
    Ok(output)
}

fn row(data: TensorData) -> Tensor {
    Tensor::new(vec![data.len()], data).expect("fits")
}

fn floats(shape: &[usize], values: &[f32]) -> Tensor {
    Tensor::new(shape.to_vec(), TensorData::Fp32(values.to_vec())).expect("fits")
}

fn cast(data: TensorData, to: i64) -> Result<TensorData> {
    run("Cast", &[("to", to)], &[row(data)]).map(Tensor::into_data)
}

#[test]
fn floats_that_fit_no_integer_are_cast_as_on_x86() {
    let values = vec![
        1.9,
        -1.9,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        3e9,
        -3e9,
        300.0,
        65536.5,
        1.8e19,
    ];
    let cast = |to| cast(TensorData::Fp64(values.clone()), to).expect("casts");
    let (i32_min, i64_min) = (i32::MIN, i64::MIN);
    assert_eq!(
        cast(7),
        TensorData::Int64(vec![
            1,
            -1,
            i64_min,
            i64_min,
            i64_min,
            3_000_000_000,
            -3_000_000_000,
            300,
            65536,
            i64_min
        ])
    );
    assert_eq!(
        cast(6),
        TensorData::Int32(vec![
            1, -1, i32_min, i32_min, i32_min, i32_min, i32_min, 300, 65536, i32_min
        ])
    );
    assert_eq!(cast(2), TensorData::Uint8(vec![1, 255, 0, 0, 0, 0, 0, 44, 0, 0]));
    assert_eq!(
        cast(12),
        TensorData::Uint32(vec![
            1,
            u32::MAX,
            1 << 31,
            0,
            1 << 31,
            3_000_000_000,
            1 << 31,
            300,
            65536,
            0
        ])
    );
    assert_eq!(
        cast(13),
        TensorData::Uint64(vec![
            1,
            u64::MAX,
            1 << 63,
            0,
            1 << 63,
            3_000_000_000,
            18_446_744_070_709_551_616,
            300,
            65536,
            18_000_000_000_000_000_000
        ])
    );
    assert_eq!(cast(9), TensorData::Bool(vec![true; 10]));
}

#[test]
fn floats_become_texts_of_their_significant_digits() {
    let values = vec![
        0.1,
        1.0,
        1e8,
        123_456_789.0,
        1e-5,
        1e-4,
        1.5e20,
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        -0.0,
    ];
    let expected = [
        "0.1",
        "1",
        "1e+08",
        "1.2345679e+08",
        "9.9999997e-06",
        "9.9999997e-05",
        "1.5e+20",
        "NaN",
        "INF",
        "-INF",
        "-0",
    ];
    let expected = expected.map(str::to_owned).to_vec();
    assert_eq!(
        cast(TensorData::Fp32(values), 8).expect("casts"),
        TensorData::Bytes(expected)
    );
    let flags = cast(TensorData::Bool(vec![true, false]), 8).expect("casts");
    assert_eq!(flags, TensorData::Bytes(vec!["1".into(), "0".into()]));
}

#[test]
fn texts_become_numbers_or_an_error() {
    let texts = |texts: &[&str]| TensorData::Bytes(texts.iter().map(|text| (*text).to_owned()).collect());
    assert_eq!(
        cast(texts(&["1.5", " 2", "3 ", "+7", "-inf"]), 1).expect("casts"),
        TensorData::Fp32(vec![1.5, 2.0, 3.0, 7.0, f32::NEG_INFINITY])
    );
    assert_eq!(
        cast(texts(&["1.5", " 2", "-3 "]), 7).expect("casts"),
        TensorData::Int64(vec![1, 2, -3])
    );
    for (text, to) in [("abc", 1), ("", 1), ("4x", 1), ("nan", 7), ("9223372036854775808", 7)] {
        assert!(cast(texts(&[text]), to).is_err(), "{text:?}");
    }
}

#[test]
fn the_first_or_last_of_the_greatest_is_found_along_any_axis() {
    let values = floats(&[2, 3], &[1.0, 2.0, 2.0, f32::NAN, 1.0, 3.0]);
    let arg_max = |attributes: &[(&str, i64)]| run("ArgMax", attributes, std::slice::from_ref(&values)).expect("runs");
    assert_eq!(arg_max(&[("axis", 1)]).data(), &TensorData::Int64(vec![1, 0]));
    let last = arg_max(&[("axis", -1), ("select_last_index", 1), ("keepdims", 0)]);
    assert_eq!((last.shape(), last.data()), (&[2][..], &TensorData::Int64(vec![2, 0])));
    assert_eq!(arg_max(&[]).data(), &TensorData::Int64(vec![0, 0, 1]));
}

#[test]
fn shapes_are_broadcast_from_both_sides() {
    let column = floats(&[2, 1], &[10.0, 20.0]);
    let line = floats(&[3], &[1.0, 2.0, 3.0]);
    let cube = floats(&[2, 1, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let sub = |a: &Tensor, b: &Tensor| run("Sub", &[], &[a.clone(), b.clone()]);
    assert_eq!(
        sub(&column, &line).expect("fits"),
        floats(&[2, 3], &[9.0, 8.0, 7.0, 19.0, 18.0, 17.0])
    );
    assert_eq!(
        sub(&line, &column).expect("fits"),
        floats(&[2, 3], &[-9.0, -8.0, -7.0, -19.0, -18.0, -17.0])
    );
    assert_eq!(
        sub(&cube, &column).expect("fits"),
        floats(
            &[2, 2, 3],
            &[
                -9.0, -8.0, -7.0, -19.0, -18.0, -17.0, -6.0, -5.0, -4.0, -16.0, -15.0, -14.0
            ]
        )
    );
    let scalar = floats(&[], &[1.0]);
    assert_eq!(sub(&line, &scalar).expect("fits"), floats(&[3], &[0.0, 1.0, 2.0]));
    assert_eq!(sub(&scalar, &scalar).expect("fits"), floats(&[], &[0.0]));
    assert!(sub(&line, &floats(&[2], &[1.0, 2.0])).is_err());
    let sum = run("Sum", &[], &[line.clone(), line.clone(), scalar]).expect("fits");
    assert_eq!(sum, floats(&[3], &[3.0, 5.0, 7.0]));
}

#[test]
fn integers_are_not_divided_by_zero() {
    let integers = |values: &[i64]| row(TensorData::Int64(values.to_vec()));
    let quotient = run("Div", &[], &[integers(&[7, -7, i64::MIN]), integers(&[2, 2, -1])]).expect("divides");
    assert_eq!(quotient.data(), &TensorData::Int64(vec![3, -3, i64::MIN]));
    assert!(run("Div", &[], &[integers(&[1]), integers(&[0])]).is_err());
}

#[test]
fn tensors_are_joined_along_any_axis() {
    let a = floats(&[2, 1], &[1.0, 2.0]);
    let b = floats(&[2, 2], &[3.0, 4.0, 5.0, 6.0]);
    let joined = run("Concat", &[("axis", 1)], &[a.clone(), b]).expect("fits");
    assert_eq!(joined, floats(&[2, 3], &[1.0, 3.0, 4.0, 2.0, 5.0, 6.0]));
    let joined = run("Concat", &[("axis", -2)], &[a.clone(), a.clone()]).expect("fits");
    assert_eq!(joined, floats(&[4, 1], &[1.0, 2.0, 1.0, 2.0]));
    assert!(run("Concat", &[("axis", 2)], &[a.clone(), a.clone()]).is_err());
    assert!(run("Concat", &[("axis", 0)], &[a, floats(&[1, 2], &[1.0, 2.0])]).is_err());
}

#[test]
fn a_shape_is_completed_or_refused() {
    let x = floats(&[2, 3], &[0.0; 6]);
    let reshaped = |attributes: &[(&str, i64)], shape: &[i64]| {
        let shape = row(TensorData::Int64(shape.to_vec()));
        run("Reshape", attributes, &[x.clone(), shape]).map(|output| output.shape().to_vec())
    };
    assert_eq!(reshaped(&[], &[-1]).expect("fits"), [6]);
    assert_eq!(reshaped(&[], &[0, -1, 1]).expect("fits"), [2, 3, 1]);
    assert_eq!(reshaped(&[], &[3, 2]).expect("fits"), [3, 2]);
    for shape in [
        &[4, -1][..],
        &[-1, -1],
        &[-2, 3],
        &[0, 0, 0],
        &[7],
        &[i64::MAX, i64::MAX],
        &[0, 0, -1, 0],
    ] {
        assert!(reshaped(&[], shape).is_err(), "{shape:?}");
    }
    assert!(reshaped(&[("allowzero", 1)], &[0, -1]).is_err());
    // Of nothing there may be more positions than numbers reach.
    let nothing = floats(&[0, 1 << 40, 1 << 40], &[]);
    let open = row(TensorData::Int64(vec![-1, 0, 0]));
    let found = run("Reshape", &[], &[nothing.clone(), open]).expect("fits");
    assert_eq!(found.shape(), nothing.shape());
    let flat = run("Flatten", &[("axis", 2)], std::slice::from_ref(&nothing)).expect("fits");
    assert_eq!(flat.shape(), [0, 1 << 40]);
    assert!(run("Flatten", &[("axis", 1)], &[nothing]).is_err());
    let flat = run("Flatten", &[("axis", 0)], std::slice::from_ref(&x)).expect("fits");
    assert_eq!(flat.shape(), [1, 6]);
    assert!(run("Flatten", &[("axis", 3)], std::slice::from_ref(&x)).is_err());
    assert_eq!(run("Flatten", &[("axis", -1)], &[x]).expect("fits").shape(), [2, 3]);
}

#[test]
fn softmax_is_stable() {
    let x = floats(&[2, 2], &[1000.0, 1000.0, f32::NAN, 1.0]);
    let TensorData::Fp32(values) = run("Softmax", &[("axis", 1)], &[x]).expect("runs").into_data() else {
        panic!("floats")
    };
    assert_eq!(values[..2], [0.5, 0.5]);
    assert!(values[2].is_nan() && values[3].is_nan());
}

#[test]
fn an_element_type_that_is_not_taken_is_refused() {
    let texts = row(TensorData::zeros(Datatype::Bytes, 2));
    for operator in ["Sigmoid", "ArgMax", "Softmax"] {
        assert!(run(operator, &[], std::slice::from_ref(&texts)).is_err(), "{operator}");
    }
    assert!(run("Add", &[], &[texts.clone(), texts]).is_err());
}

#[test]
fn the_first_or_last_of_the_least_is_found() {
    let values = floats(&[2, 3], &[2.0, 1.0, 1.0, f32::NAN, 1.0, 3.0]);
    let arg_min = |attributes: &[(&str, i64)]| run("ArgMin", attributes, std::slice::from_ref(&values)).expect("runs");
    assert_eq!(arg_min(&[("axis", 1)]).data(), &TensorData::Int64(vec![1, 0]));
    let last = arg_min(&[("axis", 1), ("select_last_index", 1)]);
    assert_eq!(last.data(), &TensorData::Int64(vec![2, 0]));
}

#[test]
fn what_is_below_zero_becomes_zero_and_a_nan_stays() {
    let values = floats(&[4], &[-1.0, 2.0, f32::NAN, -0.0]);
    let TensorData::Fp32(out) = run("Relu", &[], &[values]).expect("runs").into_data() else {
        panic!("floats")
    };
    assert_eq!(out[..2], [0.0, 2.0]);
    assert!(out[2].is_nan() && out[3] == 0.0);
}

/// A layer of three features.
#[test]
fn the_greater_of_a_nan_and_anything_is_nan_and_of_equals_it_is_the_second() {
    let a = floats(&[4], &[f32::NAN, 1.0, -0.0, 0.0]);
    let b = floats(&[4], &[1.0, f32::NAN, 0.0, -0.0]);
    for operator in ["Max", "Min"] {
        let result = run(operator, &[], &[a.clone(), b.clone()]).expect("runs");
        let TensorData::Fp32(values) = result.data() else {
            panic!("is of another type")
        };
        assert!(values[0].is_nan() && values[1].is_nan());
        assert_eq!(values[2].to_bits(), 0.0_f32.to_bits(), "{operator}");
        assert_eq!(values[3].to_bits(), (-0.0_f32).to_bits(), "{operator}");
    }
    let integers = |values: &[i64]| row(TensorData::Int64(values.to_vec()));
    let result = run("Max", &[], &[integers(&[1, 5]), integers(&[2, 4]), integers(&[3, 0])]);
    assert_eq!(result.expect("runs"), integers(&[3, 5]));
}

#[test]
fn powers_repeat_the_smaller_tensor() {
    let two = floats(&[1], &[2.0]);
    let exponents = floats(&[2, 2], &[0.0, -1.0, f32::INFINITY, 0.5]);
    let result = run("Pow", &[], &[two.clone(), exponents]).expect("runs");
    assert_eq!(
        result,
        floats(&[2, 2], &[1.0, 0.5, f32::INFINITY, std::f32::consts::SQRT_2])
    );
    let result = run("Pow", &[], &[floats(&[2], &[f32::NAN, -2.0]), floats(&[1], &[0.0])]);
    assert_eq!(result.expect("runs"), floats(&[2], &[1.0, 1.0]));
    let integers = row(TensorData::Int64(vec![-1, 3]));
    assert_eq!(
        run("Pow", &[], &[two, integers.clone()]).expect("runs"),
        floats(&[2], &[0.5, 8.0])
    );
    assert!(run("Pow", &[], &[integers.clone(), integers]).is_err());
}

#[test]
fn nothing_compares_to_a_nan() {
    let a = floats(&[3], &[f32::NAN, 0.0, -0.0]);
    let b = floats(&[3], &[f32::NAN, -0.0, -1.0]);
    let holds = |operator| run(operator, &[], &[a.clone(), b.clone()]).expect("runs").into_data();
    assert_eq!(holds("Equal"), TensorData::Bool(vec![false, true, false]));
    assert_eq!(holds("Greater"), TensorData::Bool(vec![false, false, true]));
    assert_eq!(holds("GreaterOrEqual"), TensorData::Bool(vec![false, true, true]));
    assert_eq!(holds("Less"), TensorData::Bool(vec![false, false, false]));
    assert_eq!(holds("LessOrEqual"), TensorData::Bool(vec![false, true, false]));
}

#[test]
fn parts_are_gathered_from_either_end_and_never_from_beyond() {
    let x = floats(&[2, 3], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
    let at = |values: &[i64], shape: &[usize]| {
        Tensor::new(shape.to_vec(), TensorData::Int64(values.to_vec())).expect("fits")
    };
    let gather = |axis, positions| run("Gather", &[("axis", axis)], &[x.clone(), positions]);
    assert_eq!(
        gather(1, at(&[0, -1], &[2])).expect("runs"),
        floats(&[2, 2], &[0.0, 2.0, 3.0, 5.0])
    );
    assert_eq!(gather(1, at(&[1], &[])).expect("runs"), floats(&[2], &[1.0, 4.0]));
    assert_eq!(
        gather(0, at(&[1, 0], &[2, 1])).expect("runs"),
        floats(&[2, 1, 3], &[3.0, 4.0, 5.0, 0.0, 1.0, 2.0])
    );
    for beyond in [3, -4, i64::MIN] {
        assert!(gather(1, at(&[beyond], &[1])).is_err());
    }
}

fn bools(shape: &[usize], values: &[bool]) -> Tensor {
    Tensor::new(shape.to_vec(), TensorData::Bool(values.to_vec())).expect("fits")
}

#[test]
fn bools_are_combined_along_axes_of_one() {
    let (a, b) = (bools(&[2, 1], &[true, false]), bools(&[2], &[true, false]));
    let inputs = [a.clone(), b];
    for (operator, expected) in [
        ("And", [true, false, false, false]),
        ("Or", [true, true, true, false]),
        ("Xor", [false, true, true, false]),
    ] {
        let output = run(operator, &[], &inputs).expect("runs");
        assert_eq!(output, bools(&[2, 2], &expected), "{operator}");
        assert!(run(operator, &[], &inputs[..1]).is_err());
    }
    assert_eq!(run("Not", &[], &[a]).expect("runs"), bools(&[2, 1], &[false, true]));
    assert!(run("Not", &[], &inputs).is_err());
    assert!(run("Not", &[], &[floats(&[1], &[0.0])]).is_err());
}

#[test]
fn a_condition_picks_along_axes_of_one() {
    let condition = bools(&[2, 1], &[true, false]);
    let (x, y) = (floats(&[3], &[1.0, f32::NAN, 3.0]), floats(&[1], &[9.0]));
    let TensorData::Fp32(picked) = run("Where", &[], &[condition.clone(), x.clone(), y])
        .expect("runs")
        .into_data()
    else {
        panic!("is of another type")
    };
    assert!(picked[1].is_nan());
    assert_eq!((picked[0], &picked[2..]), (1.0, &[3.0, 9.0, 9.0, 9.0][..]));
    // What is not picked may be larger than both others.
    let y = floats(&[2, 2, 1], &[5.0, 6.0, 7.0, 8.0]);
    let picked = run("Where", &[], &[condition.clone(), floats(&[], &[1.0]), y]).expect("runs");
    assert_eq!(picked, floats(&[2, 2, 1], &[1.0, 6.0, 1.0, 8.0]));
    let integer = row(TensorData::Int64(vec![1]));
    assert!(run("Where", &[], &[condition, x.clone(), integer]).is_err());
    assert!(run("Where", &[], &[x.clone(), x.clone(), x]).is_err());
}
