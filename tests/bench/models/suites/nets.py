"""Neural nets with random weights: a small dense one, one of MiniLM's shape, one of ResNet18's."""

import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from rows import INPUT_ROWS, written

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


class Graph:
    """An ONNX graph in the making: each method adds a node and returns the name of what it gives."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(0)
        self.nodes = []
        self.weights = []

    def node(self, operator: str, *inputs: str, **attributes) -> str:
        output = f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def constant(self, values) -> str:
        name = f"constant_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def weight(self, *shape: int) -> str:
        """Random, and scaled so that the values neither vanish nor explode over many layers."""
        fan_in = np.prod(shape[1:]) if len(shape) == 4 else shape[0]
        return self.constant((self.random.standard_normal(shape) * np.sqrt(2 / fan_in)).astype(np.float32))

    def bias(self, size: int) -> str:
        return self.constant((self.random.standard_normal(size) * 0.1).astype(np.float32))

    def dense(self, x: str, inputs: int, outputs: int) -> str:
        return self.node("Add", self.node("MatMul", x, self.weight(inputs, outputs)), self.bias(outputs))

    def reshape(self, x: str, *shape: int) -> str:
        return self.node("Reshape", x, self.constant(np.array(shape, dtype=np.int64)))

    def save(self, path: pathlib.Path, inputs: list, result: str, shape: list) -> None:
        output = helper.make_tensor_value_info(result, FLOAT, ["batch", *shape])
        graph = helper.make_graph(self.nodes, path.stem, inputs, [output], self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        onnx.checker.check_model(model)
        path.write_bytes(model.SerializeToString())


def mlp(path: pathlib.Path, features: int) -> None:
    """Three layers of 256 with ReLU, as scikit-learn's or PyTorch's exporters write them for tabular data."""
    graph = Graph()
    x, width = "input", features
    for _ in range(3):
        x = graph.node("Relu", graph.node("Gemm", x, graph.weight(width, 256), graph.bias(256)))
        width = 256
    x = graph.node("Sigmoid", graph.node("Gemm", x, graph.weight(width, 1), graph.bias(1)))
    graph.save(path, [helper.make_tensor_value_info("input", FLOAT, ["batch", features])], x, [1])


def minilm(path: pathlib.Path, vocabulary: int, sequence: int) -> None:
    """The layers of all-MiniLM-L6-v2 (6 of width 384, 12 heads) and the mean over the tokens that are not padding."""
    width, heads, inner = 384, 12, 1536
    graph = Graph()

    def norm(x: str) -> str:
        scale, bias = graph.constant(np.ones(width, dtype=np.float32)), graph.bias(width)
        return graph.node("LayerNormalization", x, scale, bias, axis=-1, epsilon=1e-12)

    def split(x: str) -> str:
        return graph.node("Transpose", graph.reshape(x, 0, sequence, heads, width // heads), perm=[0, 2, 1, 3])

    def attention(x: str) -> str:
        query, key, value = (split(graph.dense(x, width, width)) for _ in range(3))
        scores = graph.node("MatMul", query, graph.node("Transpose", key, perm=[0, 1, 3, 2]))
        scores = graph.node("Div", scores, graph.constant(np.float32(np.sqrt(width // heads))))
        weights = graph.node("Softmax", graph.node("Add", scores, bias), axis=-1)
        mixed = graph.node("Transpose", graph.node("MatMul", weights, value), perm=[0, 2, 1, 3])
        return graph.dense(graph.reshape(mixed, 0, sequence, width), width, width)

    def gelu(x: str) -> str:
        erf = graph.node("Erf", graph.node("Div", x, graph.constant(np.float32(np.sqrt(2)))))
        return graph.node("Mul", graph.node("Mul", x, graph.node("Add", erf, graph.constant(np.float32(1)))), half)

    half = graph.constant(np.float32(0.5))
    mask = graph.node("Cast", "attention_mask", to=FLOAT)
    absent = graph.node("Sub", graph.constant(np.float32(1)), graph.reshape(mask, 0, 1, 1, sequence))
    bias = graph.node("Mul", absent, graph.constant(np.float32(-1e4)))
    words = graph.node("Gather", graph.weight(vocabulary, width), "input_ids")
    x = norm(graph.node("Add", words, graph.weight(sequence, width)))
    for _ in range(6):
        x = norm(graph.node("Add", x, attention(x)))
        x = norm(graph.node("Add", x, graph.dense(gelu(graph.dense(x, width, inner)), inner, width)))
    mask = graph.reshape(mask, 0, sequence, 1)
    axes = graph.constant(np.array([1], dtype=np.int64))
    total = graph.node("ReduceSum", graph.node("Mul", x, mask), axes, keepdims=0)
    mean = graph.node("Div", total, graph.node("ReduceSum", mask, axes, keepdims=0))
    inputs = [helper.make_tensor_value_info(name, INT64, ["batch", sequence]) for name in ("input_ids", "attention_mask")]
    graph.save(path, inputs, mean, [width])


def resnet18(path: pathlib.Path) -> None:
    """ResNet18 for images of 224 x 224, batch normalisation folded into the convolutions as PyTorch's exporter does it."""
    graph = Graph()

    def convolution(x: str, inputs: int, outputs: int, size: int, stride: int) -> str:
        weight, bias = graph.weight(outputs, inputs, size, size), graph.bias(outputs)
        shape = {"kernel_shape": [size] * 2, "strides": [stride] * 2, "pads": [size // 2] * 4}
        return graph.node("Conv", x, weight, bias, **shape)

    def block(x: str, inputs: int, outputs: int, stride: int) -> str:
        main = graph.node("Relu", convolution(x, inputs, outputs, 3, stride))
        main = convolution(main, outputs, outputs, 3, 1)
        side = x if inputs == outputs else convolution(x, inputs, outputs, 1, stride)
        return graph.node("Relu", graph.node("Add", main, side))

    x = graph.node("Relu", convolution("image", 3, 64, 7, 2))
    x = graph.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    width = 64
    for outputs in 64, 128, 256, 512:
        x = block(x, width, outputs, 1 if outputs == 64 else 2)
        x = block(x, outputs, outputs, 1)
        width = outputs
    x = graph.node("Flatten", graph.node("GlobalAveragePool", x))
    x = graph.node("Gemm", x, graph.weight(width, 1000), graph.bias(1000))
    graph.save(path, [helper.make_tensor_value_info("image", FLOAT, ["batch", 3, 224, 224])], x, [1000])


def cases(folder: pathlib.Path) -> list[dict]:
    random = np.random.default_rng(0)
    features, vocabulary, sequence = 30, 30_522, 128
    mlp(folder / "mlp-3x256.onnx", features)
    minilm(folder / "minilm.onnx", vocabulary, sequence)
    resnet18(folder / "resnet18.onnx")
    values = random.standard_normal((INPUT_ROWS, features), dtype=np.float32)
    tokens = random.integers(0, vocabulary, (256, sequence))
    mask = (np.arange(sequence) < random.integers(16, sequence + 1, (256, 1))).astype(np.int64)
    images = random.standard_normal((16, 3, 224, 224), dtype=np.float32)
    values, tokens, mask, images = (
        written(folder, f"{name}.bin", rows)
        for name, rows in {"values": values, "tokens": tokens, "mask": mask, "images": images}.items()
    )
    # The rounding of many layers adds up.
    large = {"tolerance": 1e-4, "compared_rows": 16}
    return [
        {"name": "mlp-3x256", "model": "mlp-3x256.onnx", "inputs": [values], "batches": [1, 8, 32, 256, 4096]},
        {"name": "minilm", "model": "minilm.onnx", "inputs": [tokens, mask], "batches": [1, 8, 32], **large},
        {"name": "resnet18", "model": "resnet18.onnx", "inputs": [images], "batches": [1, 8], **large},
    ]
