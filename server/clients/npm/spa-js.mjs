// @auth0/auth0-spa-js against the server. It logs in by redirect only: here its cache is given a refresh token,
// and the first `mfa_required` meets its `getTokenSilently`.

import { ORIGIN } from './support/browser.mjs';
import assert from 'node:assert/strict';
import {
  Auth0Client,
  CacheKey,
  GenericError,
  InMemoryCache,
  MfaChallengeError,
  MfaEnrollmentError,
  MfaListAuthenticatorsError,
  MfaRequiredError,
  MfaVerifyError,
} from '@auth0/auth0-spa-js';
import { email } from './flows/email.mjs';
import { enrollIsRequired, mfaToken } from './flows/mfa-token.mjs';
import { otp } from './flows/otp.mjs';
import { sms, voice } from './flows/phone.mjs';
import { push } from './flows/push.mjs';
import { AuthenticatorApp } from './support/authenticator-app.mjs';
import { assertLoggedIn } from './support/expectations.mjs';
import { Recorder } from './support/recorder.mjs';
import { rejection } from './support/refusals.mjs';
import { AUDIENCE, BASE_URL, DOMAIN, LOGIN_SCOPE, MFA_SCOPE, PASSWORD } from './support/setting.mjs';

const CLIENT_ID = 'spa';

// What a redirect would have left in the cache.
async function tokensOfRedirect(username) {
  const answer = await fetch(new URL('oauth/token', BASE_URL), {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'password',
      client_id: CLIENT_ID,
      username,
      password: PASSWORD,
      scope: LOGIN_SCOPE,
    }),
  });
  const tokens = await answer.json();
  assert.equal(answer.status, 200, JSON.stringify(tokens));
  return tokens;
}

async function filledCache(username) {
  const tokens = await tokensOfRedirect(username);
  const entry = { clientId: CLIENT_ID, scope: LOGIN_SCOPE, audience: 'default' };
  const cache = new InMemoryCache().enclosedCache;
  cache.set(new CacheKey(entry).toKey(), {
    body: { ...tokens, ...entry, client_id: CLIENT_ID },
    expiresAt: Math.floor(Date.now() / 1000) + tokens.expires_in,
  });
  return cache;
}

// One tab of one user each. Every second one sends JSON in place of a form.
const tabs = new Map();

async function tabOf(username) {
  if (!tabs.has(username)) {
    const auth0 = new Auth0Client({
      domain: DOMAIN,
      clientId: CLIENT_ID,
      cache: await filledCache(username),
      useRefreshTokens: true,
      useMrrt: true,
      useFormData: Number(username.slice(1)) % 2 === 0,
    });
    tabs.set(username, auth0);
  }
  return tabs.get(username);
}

async function getTokenSilently(username, audience, scope) {
  const auth0 = await tabOf(username);
  return auth0.getTokenSilently({
    authorizationParams: { audience, scope },
    cacheMode: 'off',
    detailedResponse: true,
  });
}

const told = ({ error, error_description: description }) => ({ error, description });

const tokensOf = (answer) => ({
  accessToken: answer.access_token,
  idToken: answer.id_token,
  refreshToken: answer.refresh_token,
  recoveryCode: answer.recovery_code,
});

async function verify({ auth0, mfaToken }, proof) {
  return tokensOf(await auth0.mfa.verify({ mfaToken, ...proof }));
}

const client = {
  errors: {
    enroll: { errorClass: MfaEnrollmentError, told },
    list: { errorClass: MfaListAuthenticatorsError, told },
    challenge: { errorClass: MfaChallengeError, told },
    // What the server refuses arrives as the class that all of its errors share.
    verify: { errorClass: GenericError, told },
  },
  needsContext: 'it answers itself: it knows no login of such an mfa_token',
  listsRequiredOnly: true,
  async login(username, audience = AUDIENCE.pay, scope = undefined) {
    const error = await rejection(() => getTokenSilently(username, audience, scope));
    assert.ok(error instanceof MfaRequiredError, `threw ${error.stack}`);
    const { mfa_token: mfaToken, mfa_requirements: requirements } = error;
    return { username, mfaToken, requirements, auth0: await tabOf(username) };
  },
  enroll: ({ auth0, mfaToken }, factorType, details) =>
    auth0.mfa.enroll({ mfaToken, factorType, ...details }),
  list: ({ auth0, mfaToken }) => auth0.mfa.getAuthenticators(mfaToken),
  challenge: ({ auth0, mfaToken }, challengeType, authenticatorId) =>
    auth0.mfa.challenge({ mfaToken, challengeType, authenticatorId }),
  verifyOtp: (login, otp) => verify(login, { otp }),
  verifyOob: (login, oobCode, bindingCode) => verify(login, { oobCode, bindingCode }),
  verifyRecoveryCode: (login, recoveryCode) => verify(login, { recoveryCode }),
};

// What the client keeps of a login: the context of an open one, and afterwards tokens and user.
async function context({ run, username }) {
  const login = await client.login(username);
  const { auth0 } = login;
  await run('getEnrollmentFactors of a user with a verified e-mail', async () => {
    assert.deepEqual(await auth0.mfa.getEnrollmentFactors(login.mfaToken), []);
  });
  await run('verify, getAuthenticators: an mfa_token of no open login', async () => {
    const verifying = await rejection(() => auth0.mfa.verify({ mfaToken: 'unknown', otp: '123456' }));
    assert.ok(verifying instanceof MfaVerifyError);
    assert.equal(verifying.error, 'mfa_context_not_found');
    const listing = await rejection(() => auth0.mfa.getAuthenticators('unknown'));
    assert.ok(listing instanceof MfaListAuthenticatorsError);
  });
  const app = new AuthenticatorApp((await client.enroll(login, 'otp')).barcodeUri);
  assertLoggedIn(await app.withCode((code) => client.verifyOtp(login, code)), username, ['otp']);
  await run('getUser', async () => {
    assert.equal((await auth0.getUser()).sub, `auth0|${username}`);
  });
  await run('getTokenSilently of an ordinary API', async () => {
    const { access_token: accessToken } = await getTokenSilently(username, AUDIENCE.api);
    assert.equal(typeof accessToken, 'string');
  });
  return app;
}

// The client refreshes from what the answer before left in its cache.
async function refreshAgain({ run, username }) {
  await run('getTokenSilently of an ordinary API, again', async () => {
    await getTokenSilently(username, AUDIENCE.api);
    const { access_token: accessToken } = await getTokenSilently(username, AUDIENCE.api);
    assert.equal(typeof accessToken, 'string');
  });
}

async function withAccessToken({ run, without, username }, app) {
  const access = await run('access token of a user with a factor', async () => {
    const step = await client.login(username, AUDIENCE.mfa, MFA_SCOPE);
    const { accessToken } = await app.withCode((code) => client.verifyOtp(step, code));
    return { ...step, mfaToken: accessToken };
  });
  await run('enroll with an access token', async () => {
    const enrollment = await client.enroll(access, 'email', { email: `other.${username}@example.com` });
    assert.equal(enrollment.oobChannel, 'email');
  });
  without('confirm with an access token', 'mfa.verify takes only the mfa_token of an open login');
  for (const factor of ['otp', 'sms', 'voice', 'email', 'push']) {
    without(`remove ${factor}`, 'it has no call that removes an authenticator of the MFA API');
  }
}

async function enrollmentFactors(scene) {
  await enrollIsRequired(scene, async ({ auth0, mfaToken, requirements }) => {
    assert.deepEqual(await auth0.mfa.getEnrollmentFactors(mfaToken), requirements.enroll);
  });
}

// What a browser asks before it lets the client call from its page.
async function preflight(path, method) {
  const answer = await fetch(new URL(path, BASE_URL), {
    method: 'OPTIONS',
    headers: {
      origin: ORIGIN,
      'access-control-request-method': method,
      'access-control-request-headers': 'auth0-client,authorization,content-type',
    },
  });
  const allowed = (name) => answer.headers.get(`access-control-allow-${name}`)?.toLowerCase() ?? '';
  assert.ok(answer.ok, `${path} answered ${answer.status}`);
  assert.equal(allowed('origin'), ORIGIN);
  assert.ok(allowed('methods').includes(method.toLowerCase()), allowed('methods'));
  for (const header of ['auth0-client', 'authorization', 'content-type']) {
    assert.ok(allowed('headers').includes(header), allowed('headers'));
  }
}

async function preflights({ run }) {
  await run('preflight requests of a browser', async () => {
    await preflight('oauth/token', 'POST');
    await preflight('mfa/associate', 'POST');
    await preflight('mfa/challenge', 'POST');
    await preflight('mfa/authenticators', 'GET');
  });
}

const { flow, run, without } = new Recorder('@auth0/auth0-spa-js');
const scene = (username) => ({ client, run, without, username });

await flow('otp', () => otp(scene('u25')));
await flow('sms', () => sms(scene('u26')));
await flow('voice', () => voice(scene('u27')));
await flow('email', () => email(scene('u28')));
await flow('push', () => push(scene('u29')));
await flow('mfa_token', () => mfaToken(scene('u30')));
await flow('context', async () => {
  const app = await context(scene('u31'));
  await withAccessToken(scene('u31'), app);
});
await flow('refresh again', () => refreshAgain(scene('u31')));
await flow('enroll is required', () => enrollmentFactors(scene('u36')));
await flow('preflights', () => preflights(scene('u25')));
