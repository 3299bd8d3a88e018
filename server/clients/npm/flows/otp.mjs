// One-time passwords of an authenticator app, and the recovery code that comes with the first factor.

import assert from 'node:assert/strict';
import { AuthenticatorApp } from '../support/authenticator-app.mjs';
import {
  assertLists,
  assertLoggedIn,
  assertRecoveryCode,
  assertRequires,
  byKind,
} from '../support/expectations.mjs';
import {
  ALREADY_ENROLLED,
  INVALID_OTP,
  INVALID_RECOVERY_CODE,
  UNKNOWN_AUTHENTICATOR,
  refused,
} from '../support/refusals.mjs';

export async function otp(scene) {
  const { app, recoveryCode } = await enroll(scene);
  await logIn(scene, app);
  await recover(scene, recoveryCode);
}

async function enroll({ client, run, username }) {
  const login = await run('mfa_required before a factor is enrolled', async () => {
    const required = await client.login(username);
    // The verified e-mail stands as an authenticator without having been enrolled.
    assertRequires(required, 'challenge', ['email']);
    return required;
  });
  const enrollment = await run('enroll otp', () => client.enroll(login, 'otp'));
  assert.equal(enrollment.authenticatorType, 'otp');
  assert.match(enrollment.secret, /^[A-Z2-7]{32}$/);
  assert.match(enrollment.barcodeUri, /^otpauth:\/\/totp\/.*secret=/);
  assert.equal(enrollment.recoveryCodes.length, 1);
  assertRecoveryCode(enrollment.recoveryCodes[0]);
  await run('list a pending otp', async () => {
    const pending = client.listsRequiredOnly ? [] : ['totp pending'];
    assertLists(await client.list(login), [...pending, 'email active']);
  });
  const app = new AuthenticatorApp(enrollment.barcodeUri);
  await run('confirm otp: wrong otp', () =>
    refused(client.errors.verify, INVALID_OTP, () => client.verifyOtp(login, app.wrongCode())),
  );
  await run('confirm otp', async () => {
    const tokens = await app.withCode((code) => client.verifyOtp(login, code));
    assertLoggedIn(tokens, username, ['otp']);
  });
  return { app, recoveryCode: enrollment.recoveryCodes[0] };
}

async function logIn({ client, run, username }, app) {
  const login = await run('mfa_required of an enrolled user', async () => {
    const required = await client.login(username);
    assertRequires(required, 'challenge', ['otp', 'email', 'recovery-code']);
    return required;
  });
  const listed = await run('list otp', async () => {
    const authenticators = await client.list(login);
    assertLists(authenticators, ['totp active', 'email active', 'recovery-code active']);
    return authenticators;
  });
  const { id, type } = byKind(listed, 'totp');
  assert.equal(type, 'otp');
  await run('challenge otp', async () => {
    assert.deepEqual(await client.challenge(login, 'otp', id), { challengeType: 'otp' });
  });
  await run('challenge: unknown authenticator', () =>
    refused(client.errors.challenge, UNKNOWN_AUTHENTICATOR, () =>
      client.challenge(login, 'otp', 'totp|dev_0000000000000000'),
    ),
  );
  await run('enroll: already enrolled', () =>
    refused(client.errors.enroll, ALREADY_ENROLLED, () => client.enroll(login, 'otp')),
  );
  await run('verify otp: replayed code', () =>
    refused(client.errors.verify, INVALID_OTP, () => client.verifyOtp(login, app.usedCode())),
  );
  await run('verify otp', async () => {
    const tokens = await app.withCode((code) => client.verifyOtp(login, code));
    assertLoggedIn(tokens, username, ['otp']);
  });
}

async function recover({ client, run, username }, first) {
  let login = await client.login(username);
  await run('verify recovery code: wrong code', () =>
    refused(client.errors.verify, INVALID_RECOVERY_CODE, () =>
      client.verifyRecoveryCode(login, '1'.repeat(24)),
    ),
  );
  const second = await run('verify recovery code', async () => {
    const tokens = await client.verifyRecoveryCode(login, first);
    assertLoggedIn(tokens, username, []);
    assertRecoveryCode(tokens.recoveryCode);
    assert.notEqual(tokens.recoveryCode, first);
    return tokens.recoveryCode;
  });
  login = await client.login(username);
  await run('verify recovery code: used code', () =>
    refused(client.errors.verify, INVALID_RECOVERY_CODE, () => client.verifyRecoveryCode(login, first)),
  );
  await run('verify recovery code: the one that replaced it, as typed', async () => {
    const typed = second.toLowerCase().match(/.{6}/g).join('-');
    assertLoggedIn(await client.verifyRecoveryCode(login, typed), username, []);
  });
}
