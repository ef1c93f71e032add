use std::sync::Arc;

use half::f16;

use anyhow::{Result, anyhow};
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};

use super::number::{Number, parse_float, parse_integer};
use crate::operators::Context;
use crate::operators::operator::{Fact, Kernel, Operator, single};
use crate::proto::{NodeProto, datatype};

/// Each element in another type: numbers as C++ casts them on x86-64, numbers to their text and back.
///
/// Texts follow ONNX Runtime: eight significant digits of a float, `NaN`, `INF`, `-INF`. A text that is no number is an error, also where C++ would read
/// its beginning; but for an integer the beginning counts, so that `2.7` is `2`.
///
/// # Shapes
/// X of any type and shape; the output has the shape of X and the type `to`.
///
/// <https://onnx.ai/onnx/operators/onnx__Cast.html>
#[derive(Debug)]
struct Cast {
    to: Datatype,
}

pub(super) fn parse(_context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    let to: i32 = node.required("to")?;
    let to = datatype(to).ok_or_else(|| anyhow!("Cast makes no elements of the type {to}"))?;
    Ok(Arc::new(Cast { to }))
}

impl Operator for Cast {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let input = single("Cast", inputs)?;
        Ok(vec![Fact::new(self.to, input.shape.iter().cloned())])
    }

    fn kernel(self: Arc<Self>, _inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        Ok(self)
    }

    fn is_identity(&self, inputs: &[Fact]) -> bool {
        matches!(inputs, [input] if input.datatype == self.to)
    }

    fn is_elementwise(&self) -> bool {
        true
    }
}

impl Kernel for Cast {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let input = single("Cast", inputs)?;
        let data = match input.data() {
            TensorData::Bool(values) => numbers(values, self.to),
            TensorData::Uint8(values) => numbers(values, self.to),
            TensorData::Uint16(values) => numbers(values, self.to),
            TensorData::Uint32(values) => numbers(values, self.to),
            TensorData::Uint64(values) => numbers(values, self.to),
            TensorData::Int8(values) => numbers(values, self.to),
            TensorData::Int16(values) => numbers(values, self.to),
            TensorData::Int32(values) => numbers(values, self.to),
            TensorData::Int64(values) => numbers(values, self.to),
            TensorData::Fp16(values) => numbers(values, self.to),
            TensorData::Fp32(values) => numbers(values, self.to),
            TensorData::Fp64(values) => numbers(values, self.to),
            TensorData::Bytes(texts) => parsed(texts, self.to)?,
        };
        Ok(vec![Tensor::new(input.shape().to_vec(), data)?])
    }
}

fn numbers<T: Number>(values: &[T], to: Datatype) -> TensorData {
    macro_rules! all {
        ($variant:ident, $cast:expr) => {
            TensorData::$variant(values.iter().map($cast).collect())
        };
    }
    // A narrow integer is what is left of a wider one.
    match to {
        Datatype::Bool => all!(Bool, |value| value.to_bool()),
        Datatype::Uint8 => all!(Uint8, |value| value.to_i32() as u8),
        Datatype::Uint16 => all!(Uint16, |value| value.to_i32() as u16),
        Datatype::Uint32 => all!(Uint32, |value| value.to_u32()),
        Datatype::Uint64 => all!(Uint64, |value| value.to_u64()),
        Datatype::Int8 => all!(Int8, |value| value.to_i32() as i8),
        Datatype::Int16 => all!(Int16, |value| value.to_i32() as i16),
        Datatype::Int32 => all!(Int32, |value| value.to_i32()),
        Datatype::Int64 => all!(Int64, |value| value.to_i64()),
        Datatype::Fp16 => all!(Fp16, |value| f16::from_f32(value.to_f32())),
        Datatype::Fp32 => all!(Fp32, |value| value.to_f32()),
        Datatype::Fp64 => all!(Fp64, |value| value.to_f64()),
        Datatype::Bytes => all!(Bytes, |value| value.to_text()),
    }
}

fn parsed(texts: &[String], to: Datatype) -> Result<TensorData> {
    macro_rules! all {
        ($variant:ident, $parse:expr) => {
            TensorData::$variant(texts.iter().map($parse).collect::<Result<_>>()?)
        };
    }
    let signed = |text: &String| {
        let value = i64::try_from(parse_integer(text)?);
        value.map_err(|_| anyhow!("a text to cast is an integer of more than 64 bits"))
    };
    // A minus sign wraps around, as with any unsigned integer of C.
    let unsigned = |text: &String| {
        let value = parse_integer(text)?;
        let magnitude = u64::try_from(value.unsigned_abs());
        let magnitude = magnitude.map_err(|_| anyhow!("a text to cast is an integer of more than 64 bits"))?;
        Result::Ok(if value < 0 { magnitude.wrapping_neg() } else { magnitude })
    };
    Ok(match to {
        Datatype::Bool => all!(Bool, |text| Ok(unsigned(text)? != 0)),
        Datatype::Uint8 => all!(Uint8, |text| Ok(unsigned(text)? as u8)),
        Datatype::Uint16 => all!(Uint16, |text| Ok(unsigned(text)? as u16)),
        Datatype::Uint32 => all!(Uint32, |text| Ok(unsigned(text)? as u32)),
        Datatype::Uint64 => all!(Uint64, unsigned),
        Datatype::Int8 => all!(Int8, |text| Ok(signed(text)? as i8)),
        Datatype::Int16 => all!(Int16, |text| Ok(signed(text)? as i16)),
        Datatype::Int32 => all!(Int32, |text| Ok(signed(text)? as i32)),
        Datatype::Int64 => all!(Int64, signed),
        Datatype::Fp16 => all!(Fp16, |text| Ok(f16::from_f64(parse_float(text)?))),
        // ONNX Runtime reads singles as doubles and narrows them.
        Datatype::Fp32 => all!(Fp32, |text| Ok(parse_float(text)? as f32)),
        Datatype::Fp64 => all!(Fp64, |text| parse_float(text)),
        Datatype::Bytes => TensorData::Bytes(texts.to_vec()),
    })
}
