// Codes by e-mail: to the address that the operator verified, and to one that the user enrolls.

import assert from 'node:assert/strict';
import { assertLists, assertLoggedIn, assertRecoveryCode } from '../support/expectations.mjs';
import { sentCode, wrongCode } from '../support/outbox.mjs';
import { otherEmailOf, verifiedEmailOf } from '../support/people.mjs';
import { INVALID_BINDING_CODE, refused } from '../support/refusals.mjs';

export async function email(scene) {
  await logInWithVerified(scene);
  await enrollOther(scene);
  await logInWithOther(scene);
}

async function logInWithVerified({ client, run, username }) {
  const login = await client.login(username);
  const { id } = await run('list the verified e-mail', async () => {
    const authenticators = await client.list(login);
    assertLists(authenticators, ['email active']);
    assert.equal(authenticators[0].name, '***@exam*******');
    assert.equal(authenticators[0].type, 'email');
    return authenticators[0];
  });
  const oobCode = await challengeEmail({ client, run }, 'challenge the verified e-mail', login, id);
  const code = await sentCode('email', verifiedEmailOf(username));
  await run('verify the verified e-mail: wrong binding code', () =>
    refused(client.errors.verify, INVALID_BINDING_CODE, () =>
      client.verifyOob(login, oobCode, wrongCode(code)),
    ),
  );
  await run('verify the verified e-mail', async () => {
    assertLoggedIn(await client.verifyOob(login, oobCode, code), username, []);
  });
}

async function challengeEmail({ client, run }, call, login, id) {
  return run(call, async () => {
    const challenge = await client.challenge(login, 'oob', id);
    assert.deepEqual([challenge.challengeType, challenge.bindingMethod], ['oob', 'prompt']);
    return challenge.oobCode;
  });
}

async function enrollOther({ client, run, username }) {
  const login = await client.login(username);
  const { oobCode } = await run('enroll email', async () => {
    const enrollment = await client.enroll(login, 'email', { email: otherEmailOf(username) });
    assert.deepEqual([enrollment.oobChannel, enrollment.bindingMethod], ['email', 'prompt']);
    assertRecoveryCode(enrollment.recoveryCodes[0]);
    return enrollment;
  });
  const code = await sentCode('email', otherEmailOf(username));
  await run('confirm email', async () => {
    assertLoggedIn(await client.verifyOob(login, oobCode, code), username, []);
  });
}

async function logInWithOther({ client, run, username }) {
  const login = await client.login(username);
  const { id } = await run('list email', async () => {
    const authenticators = await client.list(login);
    assertLists(authenticators, ['email active', 'email active', 'recovery-code active']);
    return authenticators.find(({ name }) => name === 'othe*****@exam*******');
  });
  const oobCode = await challengeEmail({ client, run }, 'challenge email', login, id);
  const code = await sentCode('email', otherEmailOf(username));
  await run('verify email', async () => {
    assertLoggedIn(await client.verifyOob(login, oobCode, code), username, []);
  });
}
