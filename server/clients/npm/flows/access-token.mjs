// With an access token for the MFA API: further factors are enrolled, and any factor is removed.

import assert from 'node:assert/strict';
import { AuthenticatorApp } from '../support/authenticator-app.mjs';
import { assertLists, assertRequires, byKind } from '../support/expectations.mjs';
import { sentCode } from '../support/outbox.mjs';
import { otherEmailOf, phoneNumberOf } from '../support/people.mjs';
import { PushDevice } from '../support/push-device.mjs';
import {
  AUTHENTICATOR_NOT_FOUND,
  INVALID_BEARER,
  NOT_REMOVABLE,
  NO_USABLE_AUTHENTICATOR,
  refused,
} from '../support/refusals.mjs';
import { AUDIENCE, MFA_SCOPE } from '../support/setting.mjs';

const EVERY_FACTOR = [
  'sms active',
  'voice active',
  'totp active',
  'email active',
  'email active',
  'push active',
  'totp active',
  'recovery-code active',
];

export async function severalFactors(scene) {
  const access = await confirmSms(scene, await firstAccessToken(scene));
  const app = await confirmOtp(scene, access);
  await confirmEmail(scene, access);
  await confirmPush(scene, access);
  await scene.run('list with an access token', async () => {
    assertLists(await scene.client.list(access), EVERY_FACTOR);
  });
  await refusedRemovals(scene, access);
  await removeAll(scene, access, app);
}

// A user who has nothing yet gets it without a challenge.
async function firstAccessToken({ client, run, username }) {
  return run('access token of a user without a factor', async () => {
    const tokens = await client.logInWithPassword(username, AUDIENCE.mfa, MFA_SCOPE);
    assert.deepEqual(tokens.scope.split(' ').sort(), MFA_SCOPE.split(' ').sort());
    return { username, mfaToken: tokens.accessToken };
  });
}

// The answer is an access token for the MFA API again: nobody is logged in.
function assertConfirmed(tokens) {
  assert.deepEqual([tokens.idToken, tokens.refreshToken], [undefined, undefined]);
  return tokens.accessToken;
}

const assertSame = (tokens, access) => assert.equal(assertConfirmed(tokens), access.mfaToken);

// The first factor ends every token from before it, the caller's own among them: the answer takes its place.
async function confirmSms({ client, run, username }, access) {
  return run('enroll and confirm sms with an access token', async () => {
    const { oobCode, recoveryCodes } = await client.enroll(access, 'sms', {
      phoneNumber: phoneNumberOf(username),
    });
    assert.equal(recoveryCodes.length, 1);
    const code = await sentCode('sms', phoneNumberOf(username));
    const mfaToken = assertConfirmed(await client.verifyOob(access, oobCode, code));
    assert.notEqual(mfaToken, access.mfaToken);
    return { username, mfaToken };
  });
}

async function confirmOtp({ client, run }, access) {
  return run('enroll and confirm otp with an access token', async () => {
    const { barcodeUri, recoveryCodes } = await client.enroll(access, 'otp');
    assert.equal(recoveryCodes, undefined, 'the first factor brought the recovery code');
    const app = new AuthenticatorApp(barcodeUri);
    assertSame(await app.withCode((code) => client.verifyOtp(access, code)), access);
    return app;
  });
}

async function confirmEmail({ client, run, username }, access) {
  await run('enroll and confirm email with an access token', async () => {
    const { oobCode } = await client.enroll(access, 'email', { email: otherEmailOf(username) });
    const code = await sentCode('email', otherEmailOf(username));
    assertSame(await client.verifyOob(access, oobCode, code), access);
  });
}

async function confirmPush({ client, run, username }, access) {
  await run('enroll and confirm push with an access token', async () => {
    const { oobCode, barcodeUri } = await client.enroll(access, 'push');
    await new PushDevice(`phone of ${username}`).scan(barcodeUri);
    assertSame(await client.verifyOob(access, oobCode), access);
  });
}

async function refusedRemovals({ client, run, username }, access) {
  const authenticators = await client.list(access);
  const removing = (refusal, id) =>
    refused(client.errors.remove, refusal, () => client.remove(access, id));
  await run('remove: unknown authenticator', () =>
    removing(AUTHENTICATOR_NOT_FOUND, 'totp|dev_0000000000000000'),
  );
  await run('remove: the recovery code', () =>
    removing(NOT_REMOVABLE, byKind(authenticators, 'recovery-code').id),
  );
  const verified = authenticators.find(({ id, name }) => id.startsWith('email|') && name.startsWith('***@'));
  await run('remove: the verified e-mail', () => removing(NOT_REMOVABLE, verified.id));
  await run('remove: with an mfa_token', async () => {
    const login = await client.login(username);
    await refused(client.errors.remove, INVALID_BEARER, () =>
      client.remove(login, byKind(authenticators, 'sms').id),
    );
  });
}

// What is removed takes its pair with it.
async function removeAll({ client, run, username }, access, app) {
  const authenticators = await client.list(access);
  const remove = (name, id, left) =>
    run(`remove ${name}`, async () => {
      assert.equal(await client.remove(access, id), undefined);
      assertLists(await client.list(access), left);
    });
  const phone = ['sms active', 'voice active', 'email active', 'recovery-code active'];
  const [otp] = authenticators.filter(({ id }) => id.startsWith('totp|'));
  const enrolledEmail = authenticators.find(({ name }) => name === 'othe*****@exam*******');
  const pushed = byKind(authenticators, 'push');
  await remove('otp', otp.id, [...phone, 'email active', 'push active', 'totp active']);
  await remove('email', enrolledEmail.id, [...phone, 'push active', 'totp active']);
  await remove('push', pushed.id, phone);
  await run('verify otp: a removed authenticator', async () => {
    const login = await client.login(username);
    await app.withCode((code) =>
      refused(client.errors.verify, NO_USABLE_AUTHENTICATOR, () => client.verifyOtp(login, code)),
    );
  });
  await run('remove sms', async () => {
    assert.equal(await client.remove(access, byKind(authenticators, 'sms').id), undefined);
    // The last one is gone: the user is as one who never enrolled.
    assertRequires(await client.login(username), 'challenge', ['email']);
  });
}

// A user who has a factor proves it before one is removed.
export async function provenFirst({ client, run, username }) {
  const login = await client.login(username);
  const { oobCode } = await client.enroll(login, 'voice', { phoneNumber: phoneNumberOf(username) });
  await client.verifyOob(login, oobCode, await sentCode('voice', phoneNumberOf(username)));
  const access = await run('access token of a user with a factor', async () => {
    const step = await client.login(username, AUDIENCE.mfa, MFA_SCOPE);
    const { id } = byKind(await client.list(step), 'voice');
    const challenge = await client.challenge(step, 'oob', id);
    const code = await sentCode('voice', phoneNumberOf(username));
    const tokens = await client.verifyOob(step, challenge.oobCode, code);
    return { username, mfaToken: tokens.accessToken };
  });
  await run('remove voice', async () => {
    await client.remove(access, byKind(await client.list(access), 'voice').id);
    assertRequires(await client.login(username), 'challenge', ['email']);
  });
}
