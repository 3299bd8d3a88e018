"""mfacore on PostgreSQL: records in a table of your own database.

Run it: python postgres_store.py "host=localhost dbname=app"
"""

import os
import sys

import psycopg
from psycopg_pool import ConnectionPool

import mfacore
from mfacore import Record

TABLE = "CREATE TABLE IF NOT EXISTS mfa (key bytea PRIMARY KEY, version bytea NOT NULL, bytes bytea NOT NULL)"

LOAD = "SELECT version, bytes FROM mfa WHERE key = %s"
CREATE = "INSERT INTO mfa (key, version, bytes) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
REPLACE = "UPDATE mfa SET version = %s, bytes = %s WHERE key = %s AND version = %s"
# For users who are erased.
DELETE = "DELETE FROM mfa WHERE key = %s AND version = %s"


class PostgresStore:
    """Two methods over a pool of connections to the primary. What psycopg raises is left to the engine: it finds out by
    itself whether a write has landed."""

    def __init__(self, pool: "ConnectionPool[psycopg.Connection]") -> None:
        self._pool = pool
        with pool.connection() as connection:
            connection.execute(TABLE)

    def load(self, key: bytes) -> Record | None:
        with self._pool.connection() as connection:
            row = connection.execute(LOAD, (key,)).fetchone()
        return None if row is None else Record(*row)

    def swap(self, key: bytes, expected: bytes | None, new: Record | None) -> bool:
        # The connection commits where its block ends: only after that a row that was written counts.
        with self._pool.connection() as connection:
            if new is None:
                cursor = connection.execute(DELETE, (key, expected))
            elif expected is None:
                cursor = connection.execute(CREATE, (key, new.version, new.bytes))
            else:
                cursor = connection.execute(REPLACE, (new.version, new.bytes, key, expected))
            written = cursor.rowcount
        return written == 1


def main(database: str) -> None:
    engine = mfacore.Engine(mfacore.KeyRing(1, os.urandom(32)), {"profile": "recommended", "enforcement": "always"})
    with ConnectionPool(database, max_size=8) as pool:
        store = PostgresStore(pool)
        token = engine.require(user="ann").run(store).body["mfa_token"]
        enrolled = engine.associate(token=token, user="ann", authenticator_types=["otp"]).run(store)
        typed = mfacore.otp.Totp(enrolled.body["secret"]).generate()
        for _ in range(2):
            passed = engine.verify_otp(token=token, user="ann", otp=typed).run(store)
            print("verify_otp:", passed.outcome.name)
        erased = engine.call("erase", mfacore.Caller.host("ann")).run(store)
        print("erase:", erased.outcome.name)


if __name__ == "__main__":
    main(sys.argv[1])
