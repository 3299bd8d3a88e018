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
/// Bearer: the ticket, `enrollment_tx_id` of the QR code's URI. The signature is over the parts `mfacore/enroll push
/// device/0`, the ticket, `x` and `y` of the key, name and push address, each behind its length in four bytes,
/// big-endian.
#[utoipa::path(
    post, path = "/push/devices", tag = "push", request_body = EnrollDeviceRequest,
    security(("ticket" = [])),
    responses((status = 200, description = "What the device keeps", body = DeviceEnrolled), Refusals, BodyRefusals,
        BearerRefusals)
)]
pub async fn enroll(
    State(server): State<Arc<Server>>,
    bearer: Bearer,
    Json(device, _): Json<EnrollPushDevice>,
) -> Result<Answer, Refused> {
    let enrolled = server.service.run(device, bearer.caller()).await;
    Ok(Answer::of(&enrolled.map_err(Refused::at_bearer)?))
}

/// Answers a push.
///
/// Bearer: the transaction token that was pushed. The signature is over the parts `mfacore/answer push/0`, the token,
/// the decision, the number and the context that was shown (each empty where there is none), each behind its length
/// in four bytes, big-endian.
#[utoipa::path(
    post, path = "/push/answers", tag = "push", request_body = AnswerPushRequest,
    security(("transaction_token" = [])),
    responses((status = 200, description = "It counts"), Refusals, BodyRefusals, BearerRefusals)
)]
pub async fn answer(
    State(server): State<Arc<Server>>,
    bearer: Bearer,
    Json(answer, _): Json<AnswerPush>,
) -> Result<Answer, Refused> {
    let answered = server.service.run(answer, bearer.caller()).await;
    Ok(Answer::of(&answered.map_err(Refused::at_bearer)?))
}
