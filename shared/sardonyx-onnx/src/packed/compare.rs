//! Whether two models answer alike, to the bit, on rows that are made up.

use sardonyx_core::ports::Model;
use sardonyx_core::tensor::{Datatype, Tensor, TensorData, TensorSpec};
use sardonyx_core::with_elements;

use crate::trial::elements_of_trial;

const ROWS: usize = 32;
/// How many of them are also asked alone.
const ROWS_ALONE: usize = 8;

/// Says where two models differ. Models whose inputs have dimensions that nobody knows are only compared by what they declare.
pub(super) fn check(original: &impl Model, packed: &impl Model) -> Result<(), String> {
    if original.inputs() != packed.inputs() {
        return Err(format!("its inputs are {:?}", packed.inputs()));
    }
    if original.outputs() != packed.outputs() {
        return Err(format!("its outputs are {:?}", packed.outputs()));
    }
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let inputs: Option<Vec<Tensor>> = original
        .inputs()
        .iter()
        .map(|input| rows(input, &mut numbers))
        .collect();
    let Some(inputs) = inputs else { return Ok(()) };
    let has_open_batch = |input: &TensorSpec| input.shape.as_ref().is_some_and(|shape| shape.first() == Some(&None));
    if original.inputs().iter().all(has_open_batch) {
        for row in 0..ROWS_ALONE {
            let alone: Vec<_> = inputs.iter().map(|input| input.slice_row(row)).collect();
            compare(original, packed, &alone)?;
        }
    }
    compare(original, packed, &inputs)
}

fn compare(original: &impl Model, packed: &impl Model, batch: &[Tensor]) -> Result<(), String> {
    match (original.infer(batch), packed.infer(batch)) {
        (Ok(expected), Ok(found)) => {
            let mut outputs = original.outputs().iter().zip(expected.iter().zip(&found));
            match outputs.find(|(_, (expected, found))| !is_same(expected, found)) {
                Some((spec, (expected, found))) => Err(format!(
                    "the output {} is {} instead of {}",
                    spec.name,
                    text(found),
                    text(expected)
                )),
                None => Ok(()),
            }
        }
        // A made-up row may be none that the model takes.
        (Err(_), Err(_)) => Ok(()),
        (Ok(_), Err(error)) => Err(format!("it fails: {error}")),
        (Err(error), Ok(_)) => Err(format!("it does not fail, as the original does: {error}")),
    }
}

fn is_same(a: &Tensor, b: &Tensor) -> bool {
    let is_same_data = match (a.data(), b.data()) {
        (TensorData::Fp16(a), TensorData::Fp16(b)) => a.iter().map(|x| x.to_bits()).eq(b.iter().map(|x| x.to_bits())),
        (TensorData::Fp32(a), TensorData::Fp32(b)) => a.iter().map(|x| x.to_bits()).eq(b.iter().map(|x| x.to_bits())),
        (TensorData::Fp64(a), TensorData::Fp64(b)) => a.iter().map(|x| x.to_bits()).eq(b.iter().map(|x| x.to_bits())),
        (a, b) => a == b,
    };
    a.shape() == b.shape() && is_same_data
}

fn text(tensor: &Tensor) -> String {
    with_elements!(tensor.data(), elements => format!("{:?}", elements.get(..8).unwrap_or(elements)))
}

/// Rows for an input, its batch being the only open dimension.
fn rows(input: &TensorSpec, numbers: &mut Numbers) -> Option<Tensor> {
    let sizes = input.shape.as_ref()?.iter().enumerate();
    let shape: Vec<usize> = sizes
        .map(|(axis, size)| size.or((axis == 0).then_some(ROWS)))
        .collect::<Option<_>>()?;
    let elements = elements_of_trial(&shape)?;
    let data = numbers.elements(input.datatype, elements);
    Tensor::new(shape, data).ok()
}

/// The same numbers in every run (xorshift).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Small and great numbers of either sign, whole ones, and now and then one that is special.
    fn float(&mut self) -> f64 {
        const SPECIAL: [f64; 8] = [
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            -0.0,
            0.0,
            1e30,
            -1e30,
            f64::MIN_POSITIVE,
        ];
        let choice = self.next() % 40;
        let unit = (self.next() >> 11) as f64 / (1u64 << 52) as f64 - 1.0;
        match choice {
            0..8 => SPECIAL[choice as usize],
            8..18 => unit,
            18..28 => unit * 10.0,
            28..34 => unit * 1000.0,
            _ => (unit * 10.0).round(),
        }
    }

    fn elements(&mut self, datatype: Datatype, len: usize) -> TensorData {
        macro_rules! integers {
            ($variant:ident, $type:ty) => {
                TensorData::$variant((0..len).map(|_| (self.next() % 12) as $type).collect())
            };
        }
        match datatype {
            Datatype::Fp16 => TensorData::Fp16((0..len).map(|_| half::f16::from_f64(self.float())).collect()),
            Datatype::Fp32 => TensorData::Fp32((0..len).map(|_| self.float() as f32).collect()),
            Datatype::Fp64 => TensorData::Fp64((0..len).map(|_| self.float()).collect()),
            Datatype::Bool => TensorData::Bool((0..len).map(|_| self.next().is_multiple_of(2)).collect()),
            Datatype::Bytes => TensorData::Bytes((0..len).map(|_| self.text()).collect()),
            Datatype::Uint8 => integers!(Uint8, u8),
            Datatype::Uint16 => integers!(Uint16, u16),
            Datatype::Uint32 => integers!(Uint32, u32),
            Datatype::Uint64 => integers!(Uint64, u64),
            Datatype::Int8 => integers!(Int8, i8),
            Datatype::Int16 => integers!(Int16, i16),
            Datatype::Int32 => integers!(Int32, i32),
            Datatype::Int64 => integers!(Int64, i64),
        }
    }

    fn text(&mut self) -> String {
        ["", "a", "b", "1", "2.5", "yes", "no", "Ä"][(self.next() % 8) as usize].into()
    }
}
