"""Small graphs, made by hand."""

import onnx
from onnx import TensorProto, helper

import answers

ML = "ai.onnx.ml"
_KINDS = {
    "tensor(float)": TensorProto.FLOAT, "tensor(double)": TensorProto.DOUBLE, "tensor(int64)": TensorProto.INT64,
    "tensor(int32)": TensorProto.INT32, "tensor(string)": TensorProto.STRING, "tensor(bool)": TensorProto.BOOL,
    "tensor(float16)": TensorProto.FLOAT16, "tensor(uint8)": TensorProto.UINT8, "tensor(int8)": TensorProto.INT8,
}


class NotAccepted(Exception):
    """ONNX Runtime does not take the model, or no exporter makes it: there is nothing to agree with."""


def kind_of(array):
    """The ONNX type of an array's elements."""
    if array.dtype.kind in "OUS":
        return TensorProto.STRING
    return helper.np_dtype_to_tensor_dtype(array.dtype)


def single(operator, inputs, outputs, domain=ML, opset=17, ml_opset=3, constants=(), more_nodes=(), fixed=False, **attributes):
    """A model of one node, which reads the arrays `inputs` and then the tensors `constants`.

    The first dimension is the batch unless it is `fixed`. The types of the outputs are those that ONNX Runtime infers.
    """

    def make():
        names = [*inputs, *(tensor.name for tensor in constants)]
        nodes = [helper.make_node(operator, names, outputs, domain=domain, name=operator, **attributes), *more_nodes]
        last = nodes[-1].output
        declared = [
            helper.make_tensor_value_info(name, kind_of(array), list(array.shape) if fixed else ["N", *array.shape[1:]])
            for name, array in inputs.items()
        ]
        return model(nodes, declared, last, constants, inputs, opset, ml_opset), inputs, None

    return make


def model(nodes, declared, outputs, constants, inputs, opset=17, ml_opset=3):
    """Serialises a graph, after asking ONNX Runtime for the types of its outputs and for an answer."""
    domains = {node.domain for node in nodes}
    versions = {"": opset, ML: ml_opset, "com.microsoft": 1}
    opsets = [helper.make_opsetid(domain, versions[domain]) for domain in sorted(domains | {""})]
    graph = helper.make_graph(nodes, "graph", declared, [onnx.ValueInfoProto(name=name) for name in outputs], list(constants))
    proto = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    try:
        runtime = answers.Runtime(proto.SerializeToString())
        runtime.ask(inputs)
    except Exception as error:
        raise NotAccepted(str(error).split("\n")[0][:160]) from error
    for value in runtime.outputs:
        [declared_output] = [output for output in proto.graph.output if output.name == value.name]
        if value.type in _KINDS:
            # The shape stays open: what ONNX Runtime infers of it is not always what it gives.
            declared_output.type.tensor_type.elem_type = _KINDS[value.type]
        else:
            declared_output.CopyFrom(_map_sequence(value))
    return proto.SerializeToString()


def _map_sequence(value):
    """The output of a ZipMap."""
    key = TensorProto.STRING if "string" in value.type else TensorProto.INT64
    number = helper.make_tensor_type_proto(TensorProto.FLOAT, None)
    return helper.make_value_info(value.name, helper.make_sequence_type_proto(helper.make_map_type_proto(key, number)))
