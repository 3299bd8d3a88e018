// What a bad mfa_token meets at every call: one that is none, and one that is used up.

import { AuthenticatorApp } from '../support/authenticator-app.mjs';
import { assertLoggedIn, assertRequires } from '../support/expectations.mjs';
import {
  BEARER_EXPIRED,
  INVALID_BEARER,
  MALFORMED_MFA_TOKEN,
  MFA_TOKEN_EXPIRED,
  refused,
} from '../support/refusals.mjs';
import { UNVERIFIED_USERS } from '../support/setting.mjs';

export async function mfaToken(scene) {
  const { client, username } = scene;
  const login = await client.login(username);
  await malformed(scene, { ...login, mfaToken: 'not-an-mfa-token' });
  const enrollment = await client.enroll(login, 'otp');
  const app = new AuthenticatorApp(enrollment.barcodeUri);
  assertLoggedIn(await app.withCode((code) => client.verifyOtp(login, code)), username, ['otp']);
  await spent(scene, login);
}

async function malformed({ client, run, without }, login) {
  const { errors, needsContext } = client;
  await run('enroll: malformed mfa_token', () =>
    refused(errors.enroll, INVALID_BEARER, () => client.enroll(login, 'otp')),
  );
  await run('challenge: malformed mfa_token', () =>
    refused(errors.challenge, MALFORMED_MFA_TOKEN, () => client.challenge(login, 'otp')),
  );
  if (needsContext) {
    without('list, verify: malformed mfa_token', needsContext);
    return;
  }
  await run('list: malformed mfa_token', () =>
    refused(errors.list, INVALID_BEARER, () => client.list(login)),
  );
  await run('verify otp: malformed mfa_token', () =>
    refused(errors.verify, MALFORMED_MFA_TOKEN, () => client.verifyOtp(login, '123456')),
  );
}

async function spent({ client, run, without }, login) {
  const { errors, needsContext } = client;
  await run('enroll: spent mfa_token', () =>
    refused(errors.enroll, BEARER_EXPIRED, () => client.enroll(login, 'otp')),
  );
  await run('challenge: spent mfa_token', () =>
    refused(errors.challenge, MFA_TOKEN_EXPIRED, () => client.challenge(login, 'otp')),
  );
  if (needsContext) {
    without('list, verify: spent mfa_token', needsContext);
    return;
  }
  await run('list: spent mfa_token', () =>
    refused(errors.list, BEARER_EXPIRED, () => client.list(login)),
  );
  await run('verify otp: spent mfa_token', () =>
    refused(errors.verify, MFA_TOKEN_EXPIRED, () => client.verifyOtp(login, '123456')),
  );
}

// A user without any address to fall back on is asked to enroll.
export async function enrollIsRequired({ client, run, without, username }, also = async () => {}) {
  const call = 'mfa_required of a user without a verified e-mail';
  if (!UNVERIFIED_USERS.includes(username)) {
    without(call, `UNVERIFIED_USERS does not name ${username}`);
    return;
  }
  await run(call, async () => {
    const login = await client.login(username);
    assertRequires(login, 'enroll', ['otp', 'phone', 'push-notification']);
    await also(login);
  });
}
