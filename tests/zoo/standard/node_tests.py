"""The ONNX project's own tests of single operators, for ai.onnx.ml and for text, with the answers that it says are right."""

from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases

import answers
from graph import NotAccepted

TEXT = {"TfIdfVectorizer", "StringNormalizer", "StringConcat", "StringSplit", "RegexFullMatch"}


def is_wanted(node):
    return node.domain == "ai.onnx.ml" or node.op_type in TEXT


def case(test):
    def make():
        proto = test.model
        model_bytes = proto.SerializeToString()
        inputs, outputs = test.data_sets[0]
        asked = {value.name: array(given) for value, given in zip(proto.graph.input, inputs)}
        right = {value.name: array(given) for value, given in zip(proto.graph.output, outputs)}
        try:
            answers.Runtime(model_bytes).ask(asked)
        except Exception as error:
            raise NotAccepted(str(error).split("\n")[0][:160]) from error
        return model_bytes, asked, right

    return make


def array(given):
    return given if not hasattr(given, "dims") else numpy_helper.to_array(given)


CASES = {
    test.name.replace("test_", "onnx-").replace("_", "-"): case(test)
    for test in collect_testcases(None)
    if any(is_wanted(node) for node in test.model.graph.node)
}
