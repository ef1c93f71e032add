"""What ONNX Runtime and the training library answer, and how requests and answers are written."""

import json

import numpy as np
import onnx
import onnxruntime

# A library in double precision and a graph in single precision may differ by this much, relative to values above 1.
TOLERANCE = 1e-5
DATATYPES = {
    "bool": "BOOL", "uint8": "UINT8", "uint16": "UINT16", "uint32": "UINT32", "uint64": "UINT64",
    "int8": "INT8", "int16": "INT16", "int32": "INT32", "int64": "INT64", "float16": "FP16",
    "float32": "FP32", "float64": "FP64", "object": "BYTES",
}


class Runtime:
    """ONNX Runtime, on one thread."""

    def __init__(self, model_bytes):
        proto = onnx.load_from_string(model_bytes)
        self._classes = {}
        for node in proto.graph.node:
            attributes = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
            if node.op_type == "StringNormalizer":
                # A locale that every Linux has. Its letters are those of the locales that models name.
                kept = [attribute for attribute in node.attribute if attribute.name != "locale"]
                del node.attribute[:]
                node.attribute.extend([*kept, onnx.helper.make_attribute("locale", "C.UTF-8")])
                model_bytes = proto.SerializeToString()
            if node.op_type == "ZipMap":
                words = [word.decode() for word in attributes.get("classlabels_strings", [])]
                self._classes[node.output[0]] = words or attributes["classlabels_int64s"]
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 4
        self._session = onnxruntime.InferenceSession(model_bytes, options, providers=["CPUExecutionProvider"])
        self.outputs = self._session.get_outputs()

    def ask(self, inputs):
        """The outputs by name, each as one array."""
        answers = {}
        for output, values in zip(self.outputs, self._session.run(None, inputs)):
            name = output.name
            if name in self._classes:
                # ZipMap gives a dictionary for each row; its values become columns in the order of the classes.
                answers[name] = np.array([[row[label] for label in self._classes[name]] for row in values], dtype=np.float32)
            elif output.type.startswith("seq("):
                answers.update(parts(name, values))
            else:
                answers[name] = np.asarray(values)
        return answers


def parts(name, sequence):
    """Each tensor of a sequence, which is an output of its own."""
    return {f"{name}_{index}": np.asarray(values) for index, values in enumerate(sequence)}


def is_row_wise(runtime, inputs, whole):
    """Whether ONNX Runtime's answer to a row is the same in every batch."""
    counts = {len(values) if getattr(values, "ndim", 0) else None for values in [*inputs.values(), *whole.values()]}
    if len(counts) != 1 or None in counts or min(counts) < 2:
        return False
    [count] = counts
    for start, end in [(0, count // 2), *((row, row + 1) for row in range(min(count, 100)))]:
        if start == end:
            continue
        try:
            part = runtime.ask({name: values[start:end] for name, values in inputs.items()})
        except Exception:  # a dimension that is fixed
            return False
        for name, values in part.items():
            expected = whole[name][start:end]
            if values.shape != expected.shape or _distance(values, expected) > TOLERANCE:
                return False
    return True


def distance(answer, library):
    """How far ONNX Runtime is from the training library; infinitely far when a label differs."""
    return max((_distance(answer[name], expected) for name, expected in library.items()), default=0.0)


def _distance(got, expected):
    got, expected = np.asarray(got).ravel(), np.asarray(expected).ravel()
    if got.size != expected.size:
        return np.inf
    if got.dtype.kind not in "fc" and expected.dtype.kind not in "fc":
        return 0.0 if [str(value) for value in got] == [str(value) for value in expected] else np.inf
    got, expected = got.astype(np.float64), expected.astype(np.float64)
    same = (got == expected) | (np.isnan(got) & np.isnan(expected))
    if same.all():
        return 0.0
    with np.errstate(invalid="ignore"):
        off = np.abs(got - expected)[~same] / np.maximum(1, np.abs(expected[~same]))
    return float(np.max(np.where(np.isnan(off), np.inf, off)))


def _vocabulary(model_bytes):
    for node in onnx.load_from_string(model_bytes).graph.node:
        if node.op_type == "DictVectorizer":
            [keys] = [onnx.helper.get_attribute_value(attribute) for attribute in node.attribute]
            return [key.decode() if isinstance(key, bytes) else key for key in keys]
    return []


def _columns(entries, vocabulary):
    """A dictionary as Sardonyx takes it: a row with a column for each entry of the vocabulary."""
    return np.array([[entries.get(key, 0) for key in vocabulary]], dtype=np.float32)


def write(folder, name, model_bytes, inputs, library):
    """Writes the three files of a model; returns a remark on it."""
    runtime = Runtime(model_bytes)
    answer = runtime.ask(inputs)
    expected = {"onnxruntime": [_tensor(output, values) for output, values in answer.items()]}
    remarks = []
    if all(isinstance(values, np.ndarray) for values in inputs.values()) and not is_row_wise(runtime, inputs, answer):
        expected["row_wise"] = False
        remarks.append("not row by row")
    if library:
        off = distance(answer, library)
        expected["library"] = {output: _elements(values, digits=9) for output, values in library.items()}
        if off > TOLERANCE:
            # The exporter or ONNX Runtime is at fault; what this project promises is ONNX Runtime's answer.
            expected["library_is_off_by"] = _element(float(f"{off:.1e}"))
            remarks.append(f"the library is off by {off:.1e}")
    vocabulary = _vocabulary(model_bytes)
    tensors = {name: values if isinstance(values, np.ndarray) else _columns(values, vocabulary) for name, values in inputs.items()}
    request = {"inputs": [_tensor(input_name, values) for input_name, values in tensors.items()]}
    (folder / f"{name}.onnx").write_bytes(model_bytes)
    for kind, content in [("request", request), ("expected", expected)]:
        text = json.dumps(content, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
        (folder / f"{name}.{kind}.json").write_text(text + "\n", encoding="utf-8")
    return ", ".join(remarks)


def _tensor(name, array):
    array = np.asarray(array)
    kind = "object" if array.dtype.kind in "USO" else array.dtype.name
    return {"name": name, "shape": list(array.shape), "datatype": DATATYPES[kind], "data": _elements(array)}


def _elements(array, digits=None):
    """The elements, flat; floats with the digits of their own precision, or as many as are asked for."""
    array = np.asarray(array)
    flat = array.ravel()
    if array.dtype.kind == "f":
        return [_element(float(f"{value:.{digits}g}") if digits else float(str(value))) for value in flat]
    if array.dtype.kind in "US":
        return [str(value) for value in flat]
    return [value if isinstance(value, str) else value.item() for value in flat]


def _element(value):
    """JSON has no NaN and no infinity: they are strings."""
    if isinstance(value, float):
        if np.isnan(value):
            return "NaN"
        if np.isinf(value):
            return "Infinity" if value > 0 else "-Infinity"
    return value
