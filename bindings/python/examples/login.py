"""A second factor at login, in memory or on the new file named: ann enrolls an app at her first login, and passes it."""

import os
import sys

import mfacore
from mfacore import Outcome

# Yours: 32 bytes from the system's generator, kept in your secret manager. A new key at each start, as here, opens nothing
# that was stored before.
root = os.urandom(32)

# Once in a process: any number of threads may use these two.
policy = {"profile": "recommended", "enforcement": "always", "issuer": "ACME"}
engine = mfacore.Engine(mfacore.KeyRing(1, root), policy)
store = mfacore.BuiltInStore(sys.argv[1] if len(sys.argv) > 1 else "memory:")

# The password was right. Is a second factor due?
required = engine.require(user="ann").run(store)
print("require:", required.outcome.name, required.status)
token = required.body["mfa_token"]

# She has none yet, and takes an app, which scans `barcode_uri`. Show her its `recovery_codes`, too: once.
enrolled = engine.associate(token=token, user="ann", authenticator_types=["otp"]).run(store)
print("associate:", enrolled.outcome.name, enrolled.status)

# Her app shows a code, which she types.
typed = mfacore.otp.Totp(enrolled.body["secret"]).generate()
passed = engine.verify_otp(token=token, user="ann", otp=typed).run(store)
print("verify_otp:", passed.outcome.name, passed.status)
if passed.outcome is Outcome.GRANTED and passed.verified and passed.verified.purpose == "log_in":
    print("log in", passed.verified.user)
