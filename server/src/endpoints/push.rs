//! The device's half of push: ours, since Auth0 keeps its own to itself. The QR code of an enrollment names this
//! server and holds the ticket; a push holds the transaction token.

use std::sync::Arc;

use axum::extract::State;
use mfacore::commands::{AnswerPush, EnrollPushDevice};

use super::Bearer;
use crate::answer::{Answer, Refused};
use crate::openapi::{
    AnswerPushRequest, BearerRefusals, BodyRefusals, DeviceEnrolled, EnrollDeviceRequest, Refusals,
};
use crate::parameters::Json;
use crate::server::Server;

/// Enrolls the device that scanned the QR code.
///
/// Bearer: the ticket, `enrollment_tx_id` of the QR code's URI. The signature is over six parts, each behind its length
/// in four bytes, big-endian, as UTF-8:
///
/// 1. `mfacore/enroll push device/0`
/// 2. the ticket
/// 3. `x` of the key, as the text in the body
/// 4. `y` of the key, likewise; empty for Ed25519
/// 5. the name
/// 6. the push address
///
/// With P-256 it is ECDSA over their SHA-256, as the 64 bytes of `r` and `s` (RFC 7518 section 3.4).
#[utoipa::path(
    post, path = "/push/devices", tag = "push", request_body = EnrollDeviceRequest,
    security(("ticket" = [])),
    responses((status = 200, description = "What the device keeps", body = DeviceEnrolled), Refusals, BodyRefusals,
        BearerRefusals)
)]
pub async fn enroll(
    State(server): State<Arc<Server>>,
    Bearer(token): Bearer,
    Json(device, _): Json<EnrollPushDevice>,
) -> Result<Answer, Refused> {
    let enrolled = server.service.run(device, server.bearer(token)).await;
    Ok(Answer::of(&enrolled.map_err(Refused::at_bearer)?))
}

/// Answers a push.
///
/// Bearer: the transaction token that was pushed. The signature is over five parts, written as those of
/// `/push/devices`:
///
/// 1. `mfacore/answer push/0`
/// 2. the transaction token
/// 3. the decision
/// 4. the number; empty where there is none
/// 5. the context that was shown; empty where there is none
#[utoipa::path(
    post, path = "/push/answers", tag = "push", request_body = AnswerPushRequest,
    security(("transaction_token" = [])),
    responses((status = 200, description = "It counts"), Refusals, BodyRefusals, BearerRefusals)
)]
pub async fn answer(
    State(server): State<Arc<Server>>,
    Bearer(token): Bearer,
    Json(answer, _): Json<AnswerPush>,
) -> Result<Answer, Refused> {
    let answered = server.service.run(answer, server.bearer(token)).await;
    Ok(Answer::of(&answered.map_err(Refused::at_bearer)?))
}
