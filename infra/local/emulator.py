"""MiniStack as it looks from behind a proxy that ends TLS, and with the permissions of statements.

The application's buckets and queues refuse plain HTTP (`aws:SecureTransport`), and MiniStack enforces such
policies. On loopback there is no TLS, so each request gets the header that such a proxy adds.

AWS has no permission to execute statements: each needs the one for what it does, on its table. MiniStack knows
that of the items of transactions, but not of statements.
"""

import json
import re

import ministack.app
from ministack.core import iam_actions

_FORWARDED = (b"x-forwarded-proto", b"https")
_serve = ministack.app.app


_STATEMENTS = "dynamodb:BatchExecuteStatement"
_INSERT = re.compile(r'INSERT INTO "([^"]+)" ')
_of_transactions = iam_actions.dynamodb_transaction_checks


def _checks(action: str, body: bytes, region: str, account: str) -> list[tuple[str, str]]:
    """The permissions that a call needs, each with its resource; none where the call's own is what it needs."""
    if action != _STATEMENTS:
        return _of_transactions(action, body, region, account)
    tables = [_INSERT.match(statement["Statement"]) for statement in json.loads(body)["Statements"]]
    if not all(tables):
        return []  # of other statements the application has none
    table = f"arn:aws:dynamodb:{region}:{account}:table/"
    return [("dynamodb:PartiQLInsert", table + name[1]) for name in tables]


iam_actions.dynamodb_transaction_checks = _checks


async def app(scope, receive, send):
    if scope["type"] == "http":
        scope["headers"] = [*scope["headers"], _FORWARDED]
    await _serve(scope, receive, send)


if __name__ == "__main__":
    ministack.app.app = app
    ministack.app.main()
