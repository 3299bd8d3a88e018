"""What the harness tells a script, through the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

PASSWORD = "correct horse battery staple"
BACKEND = "backend"
PUBLIC_CLIENT = "spa"
# Policy decides whether this audience takes a second factor; the other one always does.
API = "https://api.example/"
PAY = "https://pay.example/"
MULTI_FACTOR = "http://schemas.openid.net/pape/policies/2007/06/multi-factor"


@dataclass(frozen=True)
class Settings:
    """Where the server is, and what lets a script in."""

    base_url: str
    client_secret: str
    management_token: str
    results: Path

    @classmethod
    def from_environment(cls) -> Settings:
        return cls(
            base_url=os.environ["BASE_URL"],
            client_secret=os.environ["CLIENT_SECRET"],
            management_token=os.environ["MANAGEMENT_TOKEN"],
            results=Path(os.environ["RESULTS"]),
        )

    @property
    def domain(self) -> str:
        """What Auth0 calls a tenant's domain: here, an address with its port."""
        return urlsplit(self.base_url).netloc

    @property
    def mfa_audience(self) -> str:
        return f"{self.base_url}mfa/"
