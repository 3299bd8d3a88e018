// The refusals that a client meets (section 3 of the contract), and how one is asserted.

import assert from 'node:assert/strict';

const row = (status, error, description) => ({ status, error, description });

export const INVALID_OTP = row(403, 'invalid_grant', 'Invalid otp_code.');
export const INVALID_BINDING_CODE = row(403, 'invalid_grant', 'Invalid binding_code.');
export const INVALID_RECOVERY_CODE = row(403, 'invalid_grant', 'MFA Authorization rejected.');
export const MALFORMED_MFA_TOKEN = row(403, 'invalid_grant', 'Malformed mfa_token');
export const MALFORMED_OOB_CODE = row(403, 'invalid_grant', 'Malformed oob_code');
export const MFA_TOKEN_EXPIRED = row(403, 'expired_token', 'mfa_token is expired');
export const INVALID_BEARER = row(
  401,
  'invalid_grant',
  'The mfa_token provided is invalid. Try getting a new token.',
);
export const BEARER_EXPIRED = row(401, 'expired_token', 'mfa_token is expired');
export const OOB_CODE_OF_OTHER_LOGIN = row(
  400,
  'invalid_request',
  "The oob_code doesn't match the mfa_token",
);
export const AUTHORIZATION_PENDING = row(
  400,
  'authorization_pending',
  'Authorization pending: please repeat the request in a few seconds.',
);
export const PUSH_DENIED = row(400, 'access_denied', 'MFA Authorization rejected.');
export const ALREADY_ENROLLED = row(403, 'access_denied', 'User is already enrolled.');
export const NO_USABLE_AUTHENTICATOR = row(403, 'access_denied', 'no_usable_authenticator');
export const INVALID_PHONE_NUMBER = row(400, 'invalid_request', 'The phone number is invalid.');
export const UNKNOWN_AUTHENTICATOR = row(400, 'invalid_authenticator', 'The authenticator_id is unknown.');
export const AUTHENTICATOR_NOT_FOUND = row(404, 'not_found', 'The authenticator does not exist.');
export const NOT_REMOVABLE = row(403, 'access_denied', 'This authenticator cannot be removed.');
export const missing = (parameter) =>
  row(400, 'invalid_request', `Missing required parameter: ${parameter}`);

// What `call` throws.
export async function rejection(call) {
  try {
    await call();
  } catch (error) {
    return error;
  }
  return assert.fail('it was not refused');
}

// That `call` is refused with the client's own error class, and that the class tells what the server said.
// `told` reads the class; not every client passes the status on.
export async function refused({ errorClass, told }, expected, call) {
  const error = await rejection(call);
  assert.ok(error instanceof errorClass, `threw ${error.stack}`);
  const actual = told(error);
  const status = 'status' in actual ? expected.status : undefined;
  assert.deepEqual({ status, ...actual }, { ...expected, status });
}
