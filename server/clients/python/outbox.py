"""The messages that the server would have sent."""

from __future__ import annotations

from typing import Any

from plain_http import PlainHttp


class Outbox:
    def __init__(self, http: PlainHttp) -> None:
        self._http = http

    def deliveries(self, channel: str, destination: str) -> list[dict[str, Any]]:
        """What went to a destination, oldest first."""
        answer = self._http.get("dev/outbox")
        return [
            delivery
            for delivery in answer["deliveries"]
            if (delivery["channel"], delivery["destination"]) == (channel, destination)
        ]

    def code(self, channel: str, destination: str) -> str:
        """The code that was delivered last."""
        return str(self.deliveries(channel, destination)[-1]["content"]["code"])

    def push(self, destination: str) -> dict[str, Any]:
        """The push that was delivered last."""
        push: dict[str, Any] = self.deliveries("auth0", destination)[-1]["content"]["push"]
        return push


def other_code(code: str) -> str:
    """A code that was not delivered."""
    return "000000" if code != "000000" else "000001"
