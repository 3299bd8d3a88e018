// What auth-js and server-js, which is built on it, have in common.

import assert from 'node:assert/strict';
import { isMfaRequiredError } from '@auth0/auth0-auth-js';

// The factors, as an enrollment names them.
export const FACTORS = {
  otp: { authenticatorTypes: ['otp'] },
  sms: { authenticatorTypes: ['oob'], oobChannels: ['sms'] },
  voice: { authenticatorTypes: ['oob'], oobChannels: ['voice'] },
  email: { authenticatorTypes: ['oob'], oobChannels: ['email'] },
  push: { authenticatorTypes: ['oob'], oobChannels: ['auth0'] },
};

// What an error tells of the server's answer.
export const told = ({ cause, statusCode }) => ({
  status: statusCode,
  error: cause.error,
  description: cause.error_description,
});

// The login that an `mfa_required` leaves open.
export function openLogin(error, errorClass, username) {
  assert.ok(error instanceof errorClass, `threw ${error.stack}`);
  assert.ok(isMfaRequiredError(error), `threw ${error.stack}`);
  assert.equal(error.statusCode, 403);
  const { mfa_token: mfaToken, mfa_requirements: requirements } = error.cause;
  return { username, mfaToken, requirements };
}
