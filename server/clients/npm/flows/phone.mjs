// Codes by text message and by call.

import assert from 'node:assert/strict';
import {
  assertLists,
  assertLoggedIn,
  assertRecoveryCode,
  byKind,
  kindOf,
  suffixOf,
} from '../support/expectations.mjs';
import { sentCode, wrongCode } from '../support/outbox.mjs';
import { phoneNumberOf } from '../support/people.mjs';
import {
  INVALID_BINDING_CODE,
  INVALID_PHONE_NUMBER,
  MALFORMED_OOB_CODE,
  OOB_CODE_OF_OTHER_LOGIN,
  missing,
  refused,
} from '../support/refusals.mjs';

export async function sms(scene) {
  const login = await scene.client.login(scene.username);
  await refusedNumbers(scene, login);
  const enrollment = await enrollPhone(scene, login, 'sms');
  await confirmPhone(scene, login, enrollment);
  const { login: next, oobCode } = await challengePhone(scene, 'sms');
  await refusedCodes(scene, next, { oobCode, earlier: enrollment.oobCode });
  await verifyPhone(scene, next, oobCode, 'sms');
  await replayedCode(scene);
}

export async function voice(scene) {
  const login = await scene.client.login(scene.username);
  const enrollment = await enrollPhone(scene, login, 'voice');
  await confirmPhone(scene, login, enrollment);
  const { login: next, oobCode } = await challengePhone(scene, 'voice');
  await verifyPhone(scene, next, oobCode, 'voice');
}

const METHOD = { sms: 'sms', voice: 'tel' };

async function refusedNumbers({ client, run }, login) {
  await run('enroll sms: missing phone number', () =>
    refused(client.errors.enroll, missing('phone_number'), () => client.enroll(login, 'sms')),
  );
  await run('enroll sms: invalid phone number', () =>
    refused(client.errors.enroll, INVALID_PHONE_NUMBER, () =>
      client.enroll(login, 'sms', { phoneNumber: '555' }),
    ),
  );
}

async function enrollPhone({ client, run, username }, login, channel) {
  return run(`enroll ${channel}`, async () => {
    const enrollment = await client.enroll(login, channel, { phoneNumber: phoneNumberOf(username) });
    assert.equal(enrollment.authenticatorType, 'oob');
    assert.equal(enrollment.oobChannel, channel);
    assert.equal(enrollment.bindingMethod, 'prompt');
    assert.equal(typeof enrollment.oobCode, 'string');
    assertRecoveryCode(enrollment.recoveryCodes[0]);
    return enrollment;
  });
}

async function confirmPhone({ client, run, username }, login, { oobChannel, oobCode }) {
  const code = await sentCode(oobChannel, phoneNumberOf(username));
  await run(`confirm ${oobChannel}: missing binding code`, () =>
    refused(client.errors.verify, missing('binding_code'), () => client.verifyOob(login, oobCode)),
  );
  await run(`confirm ${oobChannel}: wrong binding code`, () =>
    refused(client.errors.verify, INVALID_BINDING_CODE, () =>
      client.verifyOob(login, oobCode, wrongCode(code)),
    ),
  );
  await run(`confirm ${oobChannel}`, async () => {
    assertLoggedIn(await client.verifyOob(login, oobCode, code), username, [METHOD[oobChannel]]);
  });
}

// Both channels of one phone are there, whichever was enrolled.
function assertListsPhone(authenticators, username) {
  assertLists(authenticators, [
    'sms active',
    'voice active',
    'email active',
    'recovery-code active',
  ]);
  const pair = authenticators.filter(({ id }) => ['sms', 'voice'].includes(kindOf(id)));
  assert.equal(new Set(pair.map(({ id }) => suffixOf(id))).size, 1);
  for (const { name, type, authenticatorType } of pair) {
    assert.deepEqual([type, authenticatorType], ['phone', 'oob']);
    assert.equal(name, `XXXXXXXX${phoneNumberOf(username).slice(-4)}`);
  }
}

async function challengePhone({ client, run, username }, channel) {
  const login = await client.login(username);
  const { id } = await run(`list ${channel}`, async () => {
    const authenticators = await client.list(login);
    assertListsPhone(authenticators, username);
    return byKind(authenticators, channel);
  });
  const oobCode = await run(`challenge ${channel}`, async () => {
    const challenge = await client.challenge(login, 'oob', id);
    assert.equal(challenge.challengeType, 'oob');
    assert.equal(challenge.bindingMethod, 'prompt');
    return challenge.oobCode;
  });
  return { login, oobCode };
}

async function refusedCodes({ client, run, username }, login, { oobCode, earlier }) {
  const code = await sentCode('sms', phoneNumberOf(username));
  const refuses = (refusal, ...typed) =>
    refused(client.errors.verify, refusal, () => client.verifyOob(login, ...typed));
  await run('verify sms: wrong binding code', () =>
    refuses(INVALID_BINDING_CODE, oobCode, wrongCode(code)),
  );
  await run('verify sms: malformed oob_code', () => refuses(MALFORMED_OOB_CODE, 'not-an-oob-code', code));
  await run('verify sms: oob_code of an earlier login', () =>
    refuses(OOB_CODE_OF_OTHER_LOGIN, earlier, code),
  );
}

async function verifyPhone({ client, run, username }, login, oobCode, channel) {
  const code = await sentCode(channel, phoneNumberOf(username));
  await run(`verify ${channel}`, async () => {
    assertLoggedIn(await client.verifyOob(login, oobCode, code), username, [METHOD[channel]]);
  });
}

async function replayedCode({ client, run, username }) {
  const used = await sentCode('sms', phoneNumberOf(username));
  const login = await client.login(username);
  const { oobCode } = await client.challenge(login, 'oob', byKind(await client.list(login), 'sms').id);
  const fresh = await sentCode('sms', phoneNumberOf(username));
  if (used === fresh) {
    return; // One time in a million.
  }
  await run('verify sms: replayed code', () =>
    refused(client.errors.verify, INVALID_BINDING_CODE, () => client.verifyOob(login, oobCode, used)),
  );
}
