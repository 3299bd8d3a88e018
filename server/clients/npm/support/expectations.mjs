// What a client must hold after a call.

import assert from 'node:assert/strict';
import { AUDIENCE, BASE_URL } from './setting.mjs';

const MULTI_FACTOR = 'http://schemas.openid.net/pape/policies/2007/06/multi-factor';

function claims(token) {
  return JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
}

// That the tokens are those of a login of this user, with these further methods in `amr`.
export function assertLoggedIn(tokens, username, methods, audience = AUDIENCE.pay) {
  const access = claims(tokens.accessToken);
  assert.equal(access.sub, `auth0|${username}`);
  assert.ok([access.aud].flat().includes(audience), `the access token is for ${access.aud}`);
  const id = claims(tokens.idToken);
  assert.equal(id.iss, BASE_URL.href);
  assert.equal(id.sub, `auth0|${username}`);
  assert.equal(id.email, `${username}@example.com`);
  assert.deepEqual(id.amr, ['mfa', ...methods]);
  assert.equal(id.acr, MULTI_FACTOR);
  assert.equal(typeof tokens.refreshToken, 'string');
}

// That exactly these requirement types are named, in whatever order.
export function assertRequires(login, member, types) {
  assert.deepEqual(Object.keys(login.requirements), [member]);
  assert.deepEqual(login.requirements[member].map(({ type }) => type).sort(), [...types].sort());
}

export function assertRecoveryCode(code) {
  assert.match(code, /^[1-9A-HJ-NP-Z]{24}$/);
}

// The listed authenticators as `kind active`, in whatever order.
export function assertLists(authenticators, expected) {
  const short = authenticators.map(({ id, active }) => `${kindOf(id)} ${active ? 'active' : 'pending'}`);
  assert.deepEqual(short.sort(), [...expected].sort());
  for (const { id } of authenticators) {
    assert.match(id, /^[a-z-]+\|dev_[A-Za-z0-9]{16}$/);
  }
}

export const kindOf = (id) => id.split('|')[0];
export const suffixOf = (id) => id.split('|')[1];

export function byKind(authenticators, kind) {
  const found = authenticators.find(({ id }) => kindOf(id) === kind);
  assert.ok(found, `no ${kind} is listed`);
  return found;
}
