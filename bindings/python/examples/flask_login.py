"""A web application with a second factor: /login takes the password, /mfa the code of an app. Each answers JSON.

Run it: flask --app flask_login run
"""

import os
import secrets
from typing import Any

from flask import Flask, Response, jsonify, request, session

import mfacore
from mfacore import Outcome

app = Flask(__name__)
app.secret_key = os.environ.get("SESSION_KEY") or secrets.token_hex(32)
if "MFA_STORE" in os.environ and "MFA_ROOT_KEY" not in os.environ:
    raise SystemExit("MFA_ROOT_KEY is missing: 64 hexadecimal digits, the same at every start, or nothing stored opens again")
root = bytes.fromhex(os.environ.get("MFA_ROOT_KEY") or secrets.token_hex(32))
engine = mfacore.Engine(mfacore.KeyRing(1, root), {"profile": "recommended", "enforcement": "always", "issuer": "ACME"})
store = mfacore.BuiltInStore(os.environ.get("MFA_STORE", "memory:"))

PASSWORDS = {"ann": "correct horse"}  # yours: hashed, in your database


def deal_with(reply: mfacore.Reply[Any]) -> Response:
    """What every reply needs: its messages sent, its events kept, its JSON to the client."""
    for delivery in reply.deliveries:
        app.logger.info("a message goes out by %s", delivery.channel)  # yours: send it, and log no code
    for event in reply.events:
        app.logger.info("audit: %s", event.name)
    return Response(reply.json, status=reply.status, mimetype="application/json", headers={"Cache-Control": "no-store"})


@app.errorhandler(mfacore.OperationFailed)
def failed(error: mfacore.OperationFailed) -> Response:
    app.logger.error("mfacore: %s", error, exc_info=error)
    return deal_with(error.reply)


@app.post("/login")
def login() -> Response:
    user, password = request.form.get("user", ""), request.form.get("password", "")
    session.clear()
    if not secrets.compare_digest(PASSWORDS.get(user, "").encode(), password.encode()) or not password:
        return Response(status=401)
    reply = engine.require(user=user).run(store)
    if reply.outcome is Outcome.DONE:
        session["user"] = user
        return deal_with(reply)
    if reply.outcome is Outcome.REQUIRED:
        # Not logged in yet: only who is expected to pass.
        session["expected"] = user
    return deal_with(reply)


@app.post("/mfa/app")
def enroll_app() -> Response:
    """For a user without a factor: the secret, and `barcode_uri` to show with `mfacore.otp.qr_svg`."""
    token, user = request.form.get("mfa_token", ""), session.get("expected")
    if user is None:
        return Response(status=401)
    return deal_with(engine.associate(token=token, user=user, authenticator_types=["otp"]).run(store))


@app.post("/mfa")
def pass_code() -> Response:
    token, code, user = request.form.get("mfa_token", ""), request.form.get("otp", ""), session.get("expected")
    if user is None:
        return Response(status=401)
    reply = engine.verify_otp(token=token, user=user, otp=code).run(store)
    # Proof exists only where the outcome is granted.
    if reply.verified is not None and reply.verified.purpose == "log_in":
        session.clear()
        session["user"] = reply.verified.user
    return deal_with(reply)


@app.get("/me")
def me() -> Response:
    return jsonify(user=session["user"]) if "user" in session else Response(status=401)
