"""Small nets with random weights, by both of PyTorch's exporters."""

import io
import warnings

import onnx
import torch
from torch import nn

SEED = 7
ROWS = 9
FEATURES = 6
CATEGORIES = [5, 12]
STEPS = 4


def numbers(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(SEED))


class Embedded(nn.Module):
    """Categories by their embeddings, beside numbers."""

    def __init__(self):
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(size, 3) for size in CATEGORIES)
        self.body = nn.Sequential(nn.Linear(3 * len(CATEGORIES) + FEATURES, 8), nn.ReLU(), nn.Linear(8, 1))

    def forward(self, numbers, categories):
        found = [table(categories[:, column]) for column, table in enumerate(self.tables)]
        return torch.sigmoid(self.body(torch.cat([numbers, *found], dim=1)))


class Residual(nn.Module):
    """Blocks that add to what they were given, with a normalisation over the batch that was learnt."""

    def __init__(self):
        super().__init__()
        self.enter = nn.Linear(FEATURES, 8)
        self.blocks = nn.ModuleList(nn.Sequential(nn.BatchNorm1d(8), nn.Linear(8, 8), nn.SiLU(), nn.Linear(8, 8)) for _ in range(2))
        self.leave = nn.Linear(8, 3)

    def forward(self, x):
        x = self.enter(x)
        for block in self.blocks:
            x = x + block(x)
        return torch.softmax(self.leave(x), dim=1)


class Recurrent(nn.Module):
    """The last state of a sequence."""

    def __init__(self, kind, **options):
        super().__init__()
        self.body = kind(FEATURES, 5, batch_first=True, **options)
        self.leave = nn.Linear(5 * (2 if options.get("bidirectional") else 1), 2)

    def forward(self, x):
        states, _ = self.body(x)
        return self.leave(states[:, -1])


class Attentive(nn.Module):
    """A small encoder, pooled over its steps."""

    def __init__(self):
        super().__init__()
        self.enter = nn.Linear(FEATURES, 8)
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.leave = nn.Linear(8, 2)

    def forward(self, x):
        return self.leave(self.body(self.enter(x)).mean(dim=1))


class Convolved(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv1d(FEATURES, 8, 3, padding=1), nn.BatchNorm1d(8), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(8, 4, 2), nn.ReLU(),
            nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, 2),
        )

    def forward(self, x):
        return self.body(x.transpose(1, 2))


class TwoTowers(nn.Module):
    """How near two things are: the score of a pair."""

    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(FEATURES, 4), nn.Linear(FEATURES, 4)

    def forward(self, user, item):
        return nn.functional.cosine_similarity(self.left(user), self.right(item), dim=1)


def dense(*activations, normalise=False, double=False):
    layers, width = [], FEATURES
    for activation in activations:
        layers += [nn.Linear(width, 8), *([nn.LayerNorm(8)] if normalise else []), activation]
        width = 8
    body = nn.Sequential(*layers, nn.Linear(width, 2))
    return body.double() if double else body


def flat():
    return {"x": numbers(ROWS, FEATURES)}


def sequence():
    return {"x": numbers(ROWS, STEPS, FEATURES)}


def with_categories():
    chosen = [torch.randint(size, (ROWS, 1), generator=torch.Generator().manual_seed(size)) for size in CATEGORIES]
    return {"numbers": numbers(ROWS, FEATURES), "categories": torch.cat(chosen, dim=1)}


def pair():
    return {"user": numbers(ROWS, FEATURES), "item": numbers(ROWS, FEATURES).flip(0)}


NETS = {
    "mlp": (lambda: dense(nn.ReLU(), nn.ReLU()), flat),
    "mlp-activations": (lambda: dense(nn.GELU(), nn.SiLU(), nn.ELU(), nn.LeakyReLU(), nn.Softplus(), nn.Tanh(), nn.Hardswish(), nn.Mish()), flat),
    "mlp-normalised": (lambda: dense(nn.GELU(), nn.ReLU(), normalise=True), flat),
    "mlp-double": (lambda: dense(nn.ReLU(), nn.Tanh(), double=True), lambda: {"x": numbers(ROWS, FEATURES).double()}),
    "embeddings": (Embedded, with_categories),
    "residual": (Residual, flat),
    "lstm": (lambda: Recurrent(nn.LSTM), sequence),
    "lstm-bidirectional": (lambda: Recurrent(nn.LSTM, bidirectional=True), sequence),
    "lstm-two-layers": (lambda: Recurrent(nn.LSTM, num_layers=2), sequence),
    "gru": (lambda: Recurrent(nn.GRU), sequence),
    "rnn": (lambda: Recurrent(nn.RNN), sequence),
    "convolution": (Convolved, sequence),
    "transformer": (Attentive, sequence),
    "two-towers": (TwoTowers, pair),
}


def exported(net, inputs, opset, dynamo):
    def make():
        torch.manual_seed(SEED)
        torch.set_num_threads(1)
        # One fused operator that the older exporter does not know.
        torch.backends.mha.set_fastpath_enabled(False)
        given = inputs()
        built = net().eval()
        file = io.BytesIO()
        names = list(given)
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            if dynamo:
                batch = torch.export.Dim("batch")
                program = torch.onnx.export(
                    built, tuple(given.values()), dynamo=True, opset_version=opset, input_names=names, output_names=["y"],
                    dynamic_shapes=[{0: batch} for _ in names], verbose=False,
                )
                proto = program.model_proto
            else:
                torch.onnx.export(
                    built, tuple(given.values()), file, dynamo=False, opset_version=opset, input_names=names, output_names=["y"],
                    dynamic_axes={name: {0: "batch"} for name in [*names, "y"]},
                )
                proto = onnx.load_from_string(file.getvalue())
            right = built(*given.values())
        return without_traces(proto), {name: value.numpy() for name, value in given.items()}, {"y": right.numpy()}

    return make


def without_traces(proto):
    """Without the stack traces that hold paths of the machine."""
    for node in [*proto.graph.node, *(node for function in proto.functions for node in function.node)]:
        del node.metadata_props[:]
        node.doc_string = ""
    for value in [*proto.graph.input, *proto.graph.output, *proto.graph.value_info, *proto.graph.initializer]:
        del value.metadata_props[:]
    del proto.graph.metadata_props[:]
    del proto.metadata_props[:]
    return proto.SerializeToString()


CASES = {
    **{f"torch-{name}-script": exported(net, inputs, 17, False) for name, (net, inputs) in NETS.items()},
    **{f"torch-{name}-dynamo": exported(net, inputs, 18, True) for name, (net, inputs) in NETS.items()},
    **{f"torch-mlp-script-opset-{opset}": exported(*NETS["mlp"], opset, False) for opset in [9, 11, 13, 20]},
    **{f"torch-mlp-dynamo-opset-{opset}": exported(*NETS["mlp"], opset, True) for opset in [20, 22, 23]},
    "torch-transformer-script-opset-14": exported(*NETS["transformer"], 14, False),
    "torch-transformer-dynamo-opset-23": exported(*NETS["transformer"], 23, True),
}
