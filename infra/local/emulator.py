"""MiniStack as it looks from behind a proxy that ends TLS.

The application's buckets and queues refuse plain HTTP (`aws:SecureTransport`), and MiniStack enforces such
policies. On loopback there is no TLS, so each request gets the header that such a proxy adds.
"""

import ministack.app

_FORWARDED = (b"x-forwarded-proto", b"https")
_serve = ministack.app.app


async def app(scope, receive, send):
    if scope["type"] == "http":
        scope["headers"] = [*scope["headers"], _FORWARDED]
    await _serve(scope, receive, send)


if __name__ == "__main__":
    ministack.app.app = app
    ministack.app.main()
