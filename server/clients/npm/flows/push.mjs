// Push notifications, and the one-time passwords that their device computes without a network.

import assert from 'node:assert/strict';
import { AuthenticatorApp } from '../support/authenticator-app.mjs';
import { assertLists, assertLoggedIn, assertRecoveryCode, byKind } from '../support/expectations.mjs';
import { PushDevice } from '../support/push-device.mjs';
import { AUTHORIZATION_PENDING, PUSH_DENIED, refused } from '../support/refusals.mjs';

export async function push(scene) {
  const device = new PushDevice(`phone of ${scene.username}`);
  const app = await enroll(scene, device);
  await approve(scene, device);
  await logInOffline(scene, app);
  // A denied push pauses the next ones: it comes last.
  await deny(scene, device);
}

async function enroll({ client, run, username }, device) {
  const login = await client.login(username);
  const { oobCode, barcodeUri } = await run('enroll push', async () => {
    const enrollment = await client.enroll(login, 'push');
    assert.deepEqual([enrollment.authenticatorType, enrollment.oobChannel], ['oob', 'auth0']);
    assert.equal(enrollment.bindingMethod, undefined);
    assert.doesNotMatch(enrollment.barcodeUri, /secret/);
    assertRecoveryCode(enrollment.recoveryCodes[0]);
    return enrollment;
  });
  await run('confirm push: not scanned yet', () =>
    refused(client.errors.verify, AUTHORIZATION_PENDING, () => client.verifyOob(login, oobCode)),
  );
  const given = await device.scan(barcodeUri);
  await run('confirm push', async () => {
    assertLoggedIn(await client.verifyOob(login, oobCode), username, ['swk']);
  });
  return new AuthenticatorApp(given.barcode_uri);
}

async function challenge({ client, run, username }) {
  const login = await client.login(username);
  const { id } = await run('list push', async () => {
    const authenticators = await client.list(login);
    assertLists(authenticators, [
      'push active',
      'totp active',
      'email active',
      'recovery-code active',
    ]);
    const pushed = byKind(authenticators, 'push');
    assert.deepEqual([pushed.type, pushed.name], ['push-notification', `phone of ${username}`]);
    return pushed;
  });
  const oobCode = await run('challenge push', async () => {
    const challenged = await client.challenge(login, 'oob', id);
    assert.equal(challenged.challengeType, 'oob');
    assert.equal(challenged.bindingMethod, undefined);
    return challenged.oobCode;
  });
  return { login, oobCode };
}

async function approve(scene, device) {
  const { client, run, username } = scene;
  const { login, oobCode } = await challenge(scene);
  await run('verify push: pending', () =>
    refused(client.errors.verify, AUTHORIZATION_PENDING, () => client.verifyOob(login, oobCode)),
  );
  await device.approve();
  await run('verify push', async () => {
    assertLoggedIn(await client.verifyOob(login, oobCode), username, ['swk']);
  });
}

async function logInOffline({ client, run, username }, app) {
  const login = await client.login(username);
  await run("verify the push device's otp", async () => {
    const tokens = await app.withCode((code) => client.verifyOtp(login, code));
    assertLoggedIn(tokens, username, ['otp']);
  });
}

async function deny(scene, device) {
  const { client, run } = scene;
  // These calls are recorded already.
  const { login, oobCode } = await challenge({ ...scene, run: (_call, action) => action() });
  await device.deny();
  await run('verify push: denied', () =>
    refused(client.errors.verify, PUSH_DENIED, () => client.verifyOob(login, oobCode)),
  );
}
