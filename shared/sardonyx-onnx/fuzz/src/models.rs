//! Models, and inputs that are made up for them.

use half::f16;
use sardonyx_core::ports::Model;
use sardonyx_core::tensor::{Datatype, Tensor, TensorData, TensorSpec};
use sardonyx_tract::LOADER;

/// Inputs with more elements say nothing that smaller ones do not.
const MOST_ELEMENTS: usize = 1 << 12;

/// Loads a model, and when that goes well, asks it for one row and for three.
pub fn load_and_infer(file: &[u8]) {
    let Ok(model) = LOADER.from_bytes(file) else {
        return;
    };
    for rows in [1, 3] {
        let inputs: Option<Vec<Tensor>> = model.inputs().iter().map(|input| tensor(input, rows)).collect();
        let Some(inputs) = inputs else { return };
        if let Ok(outputs) = model.infer(&inputs) {
            assert_eq!(outputs.len(), model.outputs().len(), "outputs are missing");
        }
    }
}

/// A tensor for an input, whose open dimensions are `rows`, or 2 where they are not the first one.
fn tensor(input: &TensorSpec, rows: usize) -> Option<Tensor> {
    let open = [None, Some(2)];
    let sizes = input.shape.as_deref().unwrap_or(&open).iter().enumerate();
    let shape: Vec<usize> = sizes
        .map(|(axis, size)| size.unwrap_or(if axis == 0 { rows } else { 2 }))
        .collect();
    let elements = shape
        .iter()
        .try_fold(1usize, |product, size| product.checked_mul(*size))?;
    let is_small = elements <= MOST_ELEMENTS;
    is_small.then(|| Tensor::new(shape, data(input.datatype, elements)).ok())?
}

fn data(datatype: Datatype, len: usize) -> TensorData {
    const FLOATS: [f64; 9] = [
        0.5,
        -1.0,
        f64::NAN,
        3.0,
        1e30,
        -0.0,
        f64::INFINITY,
        7.25,
        f64::NEG_INFINITY,
    ];
    const INTEGERS: [i64; 6] = [0, 1, 5, -1, i64::MAX, i64::MIN];
    const TEXTS: [&str; 6] = ["a", "", "1", "yes no", "Ä", "2.5"];
    let floats = FLOATS.iter().cycle().take(len);
    let integers = INTEGERS.iter().cycle().take(len);
    macro_rules! narrowed {
        ($type:ty) => {
            integers.map(|value| *value as $type).collect()
        };
    }
    match datatype {
        Datatype::Bool => TensorData::Bool(integers.map(|value| *value > 0).collect()),
        Datatype::Uint8 => TensorData::Uint8(narrowed!(u8)),
        Datatype::Uint16 => TensorData::Uint16(narrowed!(u16)),
        Datatype::Uint32 => TensorData::Uint32(narrowed!(u32)),
        Datatype::Uint64 => TensorData::Uint64(narrowed!(u64)),
        Datatype::Int8 => TensorData::Int8(narrowed!(i8)),
        Datatype::Int16 => TensorData::Int16(narrowed!(i16)),
        Datatype::Int32 => TensorData::Int32(narrowed!(i32)),
        Datatype::Int64 => TensorData::Int64(narrowed!(i64)),
        Datatype::Fp16 => TensorData::Fp16(floats.map(|value| f16::from_f64(*value)).collect()),
        Datatype::Fp32 => TensorData::Fp32(floats.map(|value| *value as f32).collect()),
        Datatype::Fp64 => TensorData::Fp64(floats.copied().collect()),
        Datatype::Bytes => TensorData::Bytes(TEXTS.iter().cycle().take(len).map(|text| (*text).into()).collect()),
    }
}
