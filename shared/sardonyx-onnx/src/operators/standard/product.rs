use std::borrow::Cow;
use std::sync::Arc;

use anyhow::{Result, anyhow, bail, ensure};
use sardonyx_core::tensor::{Datatype, Tensor, TensorData};
use tract_data::internal::ToDim;

use super::broadcast::{broadcast, broadcast_sizes, combine};
use crate::dense::{Dense, Weight};
use crate::operators::operator::{Epilogue, Fact, Kernel, Operator};
use crate::operators::{Constant, Context, InFile, floats};
use crate::proto::NodeProto;

/// `X W` (MatMul), or `alpha X W + beta b` (Gemm), for a constant matrix, as in the layers of a dense net. Other products are left to a fallback.
///
/// # Shapes
/// X `[.., K]` of floats or doubles (Gemm: `[N, K]`), W `[K, M]` (or `[M, K]`, with transB), b of any shape that is repeated to `[N, M]`; the output is `[.., M]`. For W `[K]` (MatMul) it is `[..]`.
///
/// <https://onnx.ai/onnx/operators/onnx__MatMul.html>, <https://onnx.ai/onnx/operators/onnx__Gemm.html>
#[derive(Clone, Copy, Debug)]
struct Product {
    is_gemm: bool,
    is_transposed: bool,
    alpha: f32,
    beta: f32,
}

const MAT_MUL: Product = Product {
    is_gemm: false,
    is_transposed: false,
    alpha: 1.0,
    beta: 1.0,
};

fn gemm(node: &NodeProto) -> Result<Product> {
    let is_set = |name: &str| -> Result<bool> { Ok(node.optional::<i64>(name)?.unwrap_or(0) != 0) };
    ensure!(!is_set("transA")?, "Gemm does not transpose its rows here");
    Ok(Product {
        is_gemm: true,
        is_transposed: is_set("transB")?,
        alpha: node.optional("alpha")?.unwrap_or(1.0),
        beta: node.optional("beta")?.unwrap_or(1.0),
    })
}

pub(super) fn parse_mat_mul(_context: &Context, _node: &NodeProto) -> Result<Arc<dyn Operator>> {
    Ok(Arc::new(MAT_MUL))
}

pub(super) fn parse_gemm(_context: &Context, node: &NodeProto) -> Result<Arc<dyn Operator>> {
    Ok(Arc::new(gemm(node)?))
}

/// Whether the matrix of a layer is `[outputs, features]`. `None` for other nodes, and for a matrix that is not multiplied with as it is.
pub(crate) fn is_matrix_by_output(node: &NodeProto) -> Option<bool> {
    let product = match (node.domain.as_str(), node.op_type.as_str()) {
        ("" | "ai.onnx", "MatMul") => MAT_MUL,
        ("" | "ai.onnx", "Gemm") => gemm(node).ok()?,
        _ => return None,
    };
    (product.alpha == 1.0).then_some(product.is_transposed)
}

impl Operator for Product {
    fn outputs(&self, inputs: &[Fact]) -> Result<Vec<Fact>> {
        let (rows, matrix, bias) = self.operands(inputs)?;
        let matrix = constant("matrix", matrix)?;
        let (features, outputs) = self.sizes(matrix)?;
        let rank = rows.shape.len();
        let fits = if self.is_gemm { rank == 2 } else { rank >= 2 };
        ensure!(fits, "a product here takes rows, not a tensor of {rank} dimensions");
        let columns = &rows.shape[rank - 1];
        ensure!(
            *columns == features.to_dim(),
            "the rows have {columns} columns, but the matrix wants {features}"
        );
        ensure!(features > 0 && outputs > 0, "the matrix has no elements");
        let mut shape = rows.shape.clone();
        shape[rank - 1] = outputs.to_dim();
        if is_vector(matrix) {
            shape.pop();
        }
        if let Some(bias) = bias.filter(|bias| !is_row(bias, outputs)) {
            ensure!(
                broadcast(&shape, &bias.shape)? == shape,
                "a bias of {:?} is not repeated to {shape:?}",
                bias.shape
            );
        }
        Ok(vec![Fact::new(rows.datatype, shape)])
    }

    fn kernel(self: Arc<Self>, inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        let (_, matrix, bias) = self.operands(inputs)?;
        let matrix = constant("matrix", matrix)?;
        let (_, outputs) = self.sizes(matrix)?;
        if bias.is_some_and(|bias| !is_row(bias, outputs)) {
            let beta = self.beta;
            let product = self.kernel(&inputs[..2])?;
            return Ok(Arc::new(WithBias { product, beta }));
        }
        let product = self.of_rows(inputs)?;
        Ok(if is_vector(matrix) {
            Arc::new(Vector(product))
        } else {
            product
        })
    }
}

impl Product {
    /// A kernel for a bias that is constant, if there is one.
    fn of_rows(&self, inputs: &[Fact]) -> Result<Arc<dyn Kernel>> {
        match inputs[0].datatype {
            Datatype::Fp32 => Ok(Arc::new(Layers(vec![Arc::new(self.dense(inputs)?)]))),
            _ => {
                let (weights, bias) = self.columns(inputs, |data| match data {
                    TensorData::Fp64(values) => Some(values),
                    _ => None,
                })?;
                Ok(Arc::new(DoubleLayer { weights, bias }))
            }
        }
    }

    /// How many features the rows have, and how many numbers come out for each.
    fn sizes(&self, matrix: &Constant) -> Result<(usize, usize)> {
        match *matrix.shape() {
            [features] if !self.is_gemm => Ok((features, 1)),
            [outputs, features] if self.is_transposed => Ok((features, outputs)),
            [features, outputs] => Ok((features, outputs)),
            _ => bail!("a matrix does not have the shape {:?}", matrix.shape()),
        }
    }

    /// The rows, the matrix, and the bias.
    fn operands<'a>(&self, inputs: &'a [Fact]) -> Result<(&'a Fact, &'a Fact, Option<&'a Fact>)> {
        let (rows, matrix, bias) = match inputs {
            [rows, matrix] => (rows, matrix, None),
            [rows, matrix, bias] if self.is_gemm => (rows, matrix, Some(bias).filter(|_| self.beta != 0.0)),
            _ => bail!("a product does not take {} inputs", inputs.len()),
        };
        let mut others = std::iter::once(matrix).chain(bias);
        ensure!(
            matches!(rows.datatype, Datatype::Fp32 | Datatype::Fp64)
                && others.all(|other| other.datatype == rows.datatype),
            "a product here takes floats or doubles, all alike"
        );
        Ok((rows, matrix, bias))
    }

    /// The matrix and the bias in single precision, packed.
    fn dense(&self, inputs: &[Fact]) -> Result<Dense> {
        let singles: fn(&TensorData) -> Option<&Vec<f32>> = |data| match data {
            TensorData::Fp32(values) => Some(values),
            _ => None,
        };
        let (_, matrix, _) = self.operands(inputs)?;
        let in_file = constant("matrix", matrix)?.in_file();
        let bias = self.bias(inputs, singles)?;
        let dense = match in_file {
            InFile::Matrix(matrix) if self.alpha == 1.0 && matrix.is_by_output == self.is_transposed => {
                Dense::of_panels(&matrix.panels, bias)
            }
            InFile::Floats(bytes) if self.alpha == 1.0 => self.packed(floats(bytes), bias),
            _ => {
                let weights = self.weights(inputs, singles)?;
                let weights = match self.alpha {
                    1.0 => Cow::Borrowed(weights),
                    alpha => weights.iter().map(|weight| alpha * weight).collect(),
                };
                self.packed(&weights, bias)
            }
        };
        dense.ok_or_else(|| anyhow!("the matrix has no elements"))
    }

    fn packed<W: Weight>(&self, weights: &[W], bias: Vec<f32>) -> Option<Dense> {
        if self.is_transposed {
            Dense::new(weights, bias)
        } else {
            Dense::of_matrix(weights, bias)
        }
    }

    /// The factors of each output side by side, and what is added to it.
    fn columns<T>(&self, inputs: &[Fact], elements: fn(&TensorData) -> Option<&Vec<T>>) -> Result<(Vec<T>, Vec<T>)>
    where
        T: Copy + Default + From<f32> + std::ops::Mul<Output = T>,
    {
        let (weights, bias) = (self.weights(inputs, elements)?, self.bias(inputs, elements)?);
        let outputs = bias.len();
        let weights = if self.is_transposed {
            weights.iter().map(|weight| scaled(self.alpha, *weight)).collect()
        } else {
            (0..outputs)
                .flat_map(|output| weights.iter().skip(output).step_by(outputs))
                .map(|weight| scaled(self.alpha, *weight))
                .collect()
        };
        Ok((weights, bias))
    }

    /// The factors as the graph has them.
    fn weights<'a, T>(&self, inputs: &'a [Fact], elements: fn(&TensorData) -> Option<&Vec<T>>) -> Result<&'a [T]> {
        let (_, matrix, _) = self.operands(inputs)?;
        let matrix = constant("matrix", matrix)?.tensor();
        let weights = elements(matrix.data()).map(Vec::as_slice);
        weights.ok_or_else(|| anyhow!("the matrix has the type {}", matrix.datatype()))
    }

    /// What is added to each output.
    fn bias<T>(&self, inputs: &[Fact], elements: fn(&TensorData) -> Option<&Vec<T>>) -> Result<Vec<T>>
    where
        T: Copy + Default + From<f32> + std::ops::Mul<Output = T>,
    {
        let (_, matrix, bias) = self.operands(inputs)?;
        let matrix = constant("matrix", matrix)?;
        let bias = bias
            .map(|bias| constant("bias", bias))
            .transpose()?
            .map(Constant::tensor);
        let bias = match bias {
            Some(bias) => elements(bias.data()).ok_or_else(|| anyhow!("the bias has the type {}", bias.datatype()))?,
            None => &[][..],
        };
        let (_, outputs) = self.sizes(matrix)?;
        ensure!(
            bias.is_empty() || bias.len() == 1 || bias.len() == outputs,
            "the bias has {} elements, but there are {outputs} outputs",
            bias.len()
        );
        let mut terms = vec![T::default(); outputs];
        for (term, bias) in terms.iter_mut().zip(bias.iter().cycle()) {
            *term = scaled(self.beta, *bias);
        }
        Ok(terms)
    }
}

/// Whether the product has one number for each row, without a dimension for it.
fn is_vector(matrix: &Constant) -> bool {
    matrix.shape().len() == 1
}

/// Whether a bias is a constant that is the same for all rows.
fn is_row(bias: &Fact, outputs: usize) -> bool {
    bias.constant.as_ref().is_some_and(|bias| match bias.shape() {
        [others @ .., last] => others.iter().all(|size| *size == 1) && [1, outputs].contains(last),
        [] => true,
    })
}

fn scaled<T: From<f32> + std::ops::Mul<Output = T>>(factor: f32, value: T) -> T {
    if factor == 1.0 { value } else { T::from(factor) * value }
}

fn constant<'a>(what: &str, fact: &'a Fact) -> Result<&'a Constant> {
    fact.constant
        .as_deref()
        .ok_or_else(|| anyhow!("the {what} is not constant"))
}

/// How many rows go through all layers before the next ones do: what is between the layers then stays in the cache.
const ROWS_IN_BLOCK: usize = 192;

/// Layers of a net that follow each other; at least one.
#[derive(Debug)]
struct Layers(Vec<Arc<Dense>>);

impl Kernel for Layers {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let [first, others @ ..] = &self.0[..] else {
            bail!("there are no layers")
        };
        let outputs = others.last().unwrap_or(first).outputs();
        let (rows, shape) = rows(inputs, first.features(), outputs)?;
        let TensorData::Fp32(values) = rows else {
            bail!("a layer of floats does not take {}", rows.datatype())
        };
        if others.is_empty() {
            return Ok(vec![Tensor::new(shape, TensorData::Fp32(first.multiply(values)))?]);
        }
        let mut out = Vec::with_capacity(shape.iter().product());
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for block in values.chunks(ROWS_IN_BLOCK * first.features()) {
            first.multiply_into(block, &mut after);
            for layer in others {
                std::mem::swap(&mut before, &mut after);
                layer.multiply_into(&before, &mut after);
            }
            out.extend_from_slice(&after);
        }
        Ok(vec![Tensor::new(shape, TensorData::Fp32(out))?])
    }

    fn operands(&self, _inputs: usize) -> usize {
        1
    }

    fn epilogue(&self, _inputs: &[Fact]) -> Option<Epilogue> {
        match &self.0[..] {
            [layer] => Some(Epilogue::Layer(Arc::clone(layer))),
            _ => None,
        }
    }

    fn with_epilogue(&self, epilogue: &Epilogue) -> Option<Arc<dyn Kernel>> {
        let (last, others) = self.0.split_last()?;
        let mut layers = others.to_vec();
        match epilogue {
            Epilogue::Relu => layers.push(Arc::new(Dense::clone(last).with_relu())),
            Epilogue::Add(constant) => match constant.data() {
                TensorData::Fp32(bias) => layers.push(Arc::new(Dense::clone(last).plus(bias)?)),
                _ => return None,
            },
            Epilogue::Layer(next) if next.features() == last.outputs() => {
                layers.extend([Arc::clone(last), Arc::clone(next)]);
            }
            Epilogue::Layer(_) => return None,
        }
        Some(Arc::new(Layers(layers)))
    }
}

/// A layer of a net in double precision, which is rare.
#[derive(Debug)]
struct DoubleLayer {
    /// `[outputs, features]`
    weights: Vec<f64>,
    bias: Vec<f64>,
}

impl Kernel for DoubleLayer {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let features = self.weights.len() / self.bias.len();
        let (rows, shape) = rows(inputs, features, self.bias.len())?;
        let TensorData::Fp64(values) = rows else {
            bail!("a layer of doubles does not take {}", rows.datatype())
        };
        let mut out = Vec::with_capacity(shape.iter().product());
        for row in values.chunks_exact(features) {
            let outputs = self.weights.chunks_exact(features).zip(&self.bias);
            out.extend(outputs.map(|(weights, bias)| row.iter().zip(weights).map(|(x, w)| x * w).sum::<f64>() + bias));
        }
        Ok(vec![Tensor::new(shape, TensorData::Fp64(out))?])
    }

    fn operands(&self, _inputs: usize) -> usize {
        1
    }
}

/// A product with one output, without its dimension.
#[derive(Debug)]
struct Vector(Arc<dyn Kernel>);

impl Kernel for Vector {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let products = self.0.run(inputs)?.into_iter();
        products
            .map(|product| {
                let mut shape = product.shape().to_vec();
                shape.pop();
                Ok(Tensor::new(shape, product.into_data())?)
            })
            .collect()
    }

    fn operands(&self, inputs: usize) -> usize {
        self.0.operands(inputs)
    }
}

/// A product to which something else is added for each row, as exporters compute distances.
#[derive(Debug)]
struct WithBias {
    product: Arc<dyn Kernel>,
    beta: f32,
}

impl Kernel for WithBias {
    fn run(&self, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let &[rows, _, bias] = inputs else {
            bail!("a product does not take {} inputs", inputs.len())
        };
        let product = &self.product.run(&[rows])?[0];
        let shape = broadcast_sizes(product.shape(), bias.shape())?;
        let sizes = (product.shape(), bias.shape(), shape.as_slice());
        let data = match (product.data(), bias.data()) {
            (TensorData::Fp32(product), TensorData::Fp32(bias)) => {
                TensorData::Fp32(combine(product, bias, sizes, |a, b| a + self.beta * b))
            }
            (TensorData::Fp64(product), TensorData::Fp64(bias)) => {
                TensorData::Fp64(combine(product, bias, sizes, |a, b| a + f64::from(self.beta) * b))
            }
            (product, bias) => bail!("{} are not added to {}", bias.datatype(), product.datatype()),
        };
        Ok(vec![Tensor::new(shape.to_vec(), data)?])
    }
}

/// The elements of the rows, and the shape of what comes out.
fn rows<'a>(inputs: &[&'a Tensor], features: usize, outputs: usize) -> Result<(&'a TensorData, Vec<usize>)> {
    let rows = inputs.first().ok_or_else(|| anyhow!("there are no rows"))?;
    let mut shape = rows.shape().to_vec();
    match shape.last_mut() {
        Some(columns) if *columns == features => *columns = outputs,
        _ => bail!("rows of the shape {shape:?} do not fit a matrix of {features} features"),
    }
    Ok((rows.data(), shape))
}
