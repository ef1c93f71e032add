"""Uses the deployed application as others would, and shows what came back."""

from __future__ import annotations

import console
import files
import messages
import predictions
from console import say, style
from files import Drop
from messages import Delivery
from local_aws import Server
from predictions import Call, Comparison
from workspace import Model

_SHOWN_REQUESTS = 3


def demonstrate(server: Server, state: dict, models: list[Model]) -> bool:
    """Predicts, infers and scores queue messages with every model; true if all of it is right."""
    compared: dict[str, list[Comparison]] = {}
    inferred: dict[str, float] = {}
    with console.step("Predicting over HTTP") as step:
        for model in models:
            step.beat(model.name)
            compared[model.name] = predictions.predict(state["api_url"], model)
            inferred[model.name] = predictions.infer(state["api_url"], model)
        step.note = f"{sum(map(len, compared.values()))} predictions"
    with console.step("Scoring queue messages, twice, with a poison one among them") as step:
        deliveries = messages.deliver(server, state, models, step)

    with console.step("Dropping a file of feature rows into its bucket") as step:
        drop = files.drop(server, state, models[0], step)
        step.note = f"served after {console.duration(drop.seconds)}"

    _show_predictions(compared)
    _show_inference(inferred)
    _show_deliveries(deliveries)
    _show_drop(drop)
    return (
        all(comparison.agrees for rows in compared.values() for comparison in rows)
        and all(distance <= predictions.TOLERANCE for distance in inferred.values())
        and all(delivery.right for delivery in deliveries)
        and drop.right
    )


def _show_predictions(compared: dict[str, list[Comparison]]) -> None:
    rows = []
    for name, comparisons in compared.items():
        for comparison in comparisons[:_SHOWN_REQUESTS]:
            rows.append(
                (
                    name,
                    " ".join(map(str, comparison.keys.values())),
                    _values(comparison.expected, comparison.expected),
                    _values(comparison.served, comparison.expected),
                    f"{comparison.difference:.0e}",
                    _mark(comparison.agrees),
                )
            )
        worst = max(comparison.difference for comparison in comparisons)
        right = sum(comparison.agrees for comparison in comparisons)
        note = f"{right} of {len(comparisons)} as the training library"
        rows.append((name, f"all {len(comparisons)} requests", "", note, f"{worst:.0e}", _mark(right == len(comparisons))))
    _title("Predictions by entity (KServe V1), stored features looked up in DynamoDB")
    console.table(("model", "entity", "training library", "served", "difference", ""), rows)


def _show_inference(inferred: dict[str, float]) -> None:
    rows = [
        (name, f"{distance:.0e}", _mark(distance <= predictions.TOLERANCE)) for name, distance in inferred.items()
    ]
    _title("Raw tensors (Open Inference Protocol), the manifest's first golden row")
    console.table(("model", "difference", ""), rows)


def _show_deliveries(deliveries: list[Delivery]) -> None:
    rows = []
    for delivery in deliveries:
        sent = len(delivery.sent)
        dead_letters = f"{delivery.poison_found} of 2"
        if delivery.others_found:
            dead_letters += f", and {delivery.others_found} good ones"
        rows.append(
            (
                delivery.model.name,
                f"{sent} good + 1 poison, twice",
                f"{len(delivery.recorded)} of {sent} once, {len(delivery.wrong)} wrong",
                "unchanged" if delivery.unchanged else "CHANGED",
                dead_letters,
                _mark(delivery.right),
            )
        )
    _title("Queue messages (SQS), results recorded in DynamoDB")
    header = ("model", "sent", "recorded", "after the second time", "poison in the dead-letter queue", "")
    console.table(header, rows)


def _show_drop(drop: Drop) -> None:
    right = sum(comparison.agrees for comparison in drop.compared)
    note = f"{right} of {len(drop.compared)} as the training library"
    row = (drop.key, str(drop.rows), drop.before, drop.served, note, _mark(drop.right))
    _title("A file of feature rows (S3), served as a snapshot of its view")
    console.table(("file", "rows", "snapshot before", "snapshot since", "predictions", ""), [row])


def suggest(server: Server, state: dict, models: list[Model]) -> None:
    """Lines to try next; each one works as it is printed."""
    api_url = state["api_url"]
    first = models[0]
    calls = [predictions.predict_call(api_url, model, model.requests[0:1]) for model in models]
    calls += [
        predictions.infer_call(api_url, first),
        Call(f"{api_url}/v2/models/{first.name}"),
        Call(f"{api_url}/v1/models/{first.name}:predict", {"instances": [{}]}),  # a mistake, to see it named
    ]
    _title("Try next")
    say(f"export API='{api_url}'   # for the examples of the README")
    for call in calls:
        say(call.curl())
    dead_letter_queue = state["models"][first.name]["dead_letter_queue_url"]
    say(server.signed_curl("sqs", dead_letter_queue, "Action=ReceiveMessage&VisibilityTimeout=0"))


def _title(text: str) -> None:
    say()
    say(style("bold", text))


def _values(answer: dict, expected: dict) -> str:
    """The values of an answer that the training library also has."""
    return " ".join(_value(name, answer.get(name)) for name in expected)


def _value(name: str, value: object) -> str:
    if isinstance(value, list):
        return f"{name} {_list(value)}"
    return f"{value:.6f}" if isinstance(value, float) else f"{name} {value}"


def _list(values: list) -> str:
    """The first of a list, each as the first of what it says."""
    shown = [str(next(iter(value.values()), "")) if isinstance(value, dict) else str(value) for value in values[:3]]
    return " ".join(shown + (["…"] if len(values) > 3 else [])) or "none"


def _mark(right: bool) -> str:
    return "✓" if right else "✗"
