"""Sends queue messages, one of them poison, and watches where each of them ends."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field

from console import Failure, Step
from local_aws import Server
from predictions import TOLERANCE, difference
from workspace import Model

_GOOD_MESSAGES = 19  # with the poison one: two full SendMessageBatch calls
_RECORDED_SECONDS = 60
_DRAINED_SECONDS = 180
_POLL_SECONDS = 0.5


@dataclass
class Delivery:
    """One model's messages on their way."""

    model: Model
    queues: dict
    sent: dict[str, dict]  # prediction id -> sample
    poison: str
    recorded: dict[str, dict] = field(default_factory=dict)
    poison_found: int = 0
    others_found: int = 0
    unchanged: bool = False

    @property
    def wrong(self) -> list[str]:
        """The ids whose recorded prediction is not the training library's."""
        return [
            id_
            for id_, item in self.recorded.items()
            if difference(self.sent[id_]["expected"], json.loads(item["prediction"]["S"])) > TOLERANCE
        ]

    @property
    def right(self) -> bool:
        return (
            self.recorded.keys() == self.sent.keys()
            and not self.wrong
            and self.unchanged
            and self.poison_found == 2  # it was sent twice
            and self.others_found == 0
        )


def deliver(server: Server, state: dict, models: list[Model], step: Step) -> list[Delivery]:
    """Sends every batch, waits until its results are recorded, sends it again, waits for silence."""
    sqs, dynamodb = server.client("sqs"), server.client("dynamodb")
    table = state["result_table"]
    deliveries = [_prepare(model, state["models"][model.name]) for model in models]
    for delivery in deliveries:
        _send(sqs, delivery)
    for delivery in deliveries:
        _await_recorded(dynamodb, table, delivery, step)
    for delivery in deliveries:
        _send(sqs, delivery)
    for delivery in deliveries:
        _await_drained(sqs, delivery, step)
        delivery.unchanged = _recorded(dynamodb, table, delivery) == delivery.recorded
        _look_into_dead_letters(sqs, delivery)
    return deliveries


def _prepare(model: Model, queues: dict) -> Delivery:
    samples = model.requests
    sent = {f"demo-{model.name}-{n}": samples[n % len(samples)] for n in range(_GOOD_MESSAGES)}
    poison = json.dumps({"id": f"demo-{model.name}-poison", "instance": "not an instance"})
    return Delivery(model, queues, sent, poison)


def _send(sqs, delivery: Delivery) -> None:
    bodies = [json.dumps({"id": id_, "instance": sample["instance"]}) for id_, sample in delivery.sent.items()]
    bodies.insert(len(bodies) // 2, delivery.poison)
    for start in range(0, len(bodies), 10):
        entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(bodies[start : start + 10])]
        answer = sqs.send_message_batch(QueueUrl=delivery.queues["queue_url"], Entries=entries)
        if answer.get("Failed"):
            raise Failure(f"{delivery.model.name}: the queue refused messages: {answer['Failed']}")


def _recorded(dynamodb, table: str, delivery: Delivery) -> dict[str, dict]:
    items = {}
    for id_ in delivery.sent:
        found = dynamodb.query(
            TableName=table,
            KeyConditionExpression="prediction_id = :id",
            ExpressionAttributeValues={":id": {"S": id_}},
            ConsistentRead=True,
        )["Items"]
        if len(found) > 1:
            raise Failure(f"{id_} is recorded {len(found)} times")
        if found:
            items[id_] = found[0]
    return items


def _await_recorded(dynamodb, table: str, delivery: Delivery, step: Step) -> None:
    deadline = time.monotonic() + _RECORDED_SECONDS
    while time.monotonic() < deadline:
        delivery.recorded = _recorded(dynamodb, table, delivery)
        step.beat(f"{delivery.model.name}: {len(delivery.recorded)} of {len(delivery.sent)} recorded")
        if len(delivery.recorded) == len(delivery.sent):
            return
        time.sleep(_POLL_SECONDS)


def _await_drained(sqs, delivery: Delivery, step: Step) -> None:
    """Waits until no message is left, waiting or in work: the poison ones move away only then."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    url = delivery.queues["queue_url"]
    deadline = time.monotonic() + _DRAINED_SECONDS
    while time.monotonic() < deadline:
        counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        left = sum(map(int, counts.values()))
        if left == 0:
            return
        step.beat(f"{delivery.model.name}: {left} messages are tried again until they are set aside")
        time.sleep(_POLL_SECONDS)


def _look_into_dead_letters(sqs, delivery: Delivery) -> None:
    """Counts what is in the dead-letter queue, and leaves it there for a person to look at."""
    url = delivery.queues["dead_letter_queue_url"]
    found: dict[str, str] = {}
    while True:
        answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=30)
        messages = answer.get("Messages", [])
        if not messages:
            break
        for message in messages:
            found[message["MessageId"]] = message["Body"]
            handle = message["ReceiptHandle"]
            sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
        if len(messages) < 10:
            break
    delivery.poison_found = sum(body == delivery.poison for body in found.values())
    delivery.others_found = len(found) - delivery.poison_found
