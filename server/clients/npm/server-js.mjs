// @auth0/auth0-server-js against the server. It keeps the tokens in a session; a login by password is the
// affair of the auth-js client inside it.

import assert from 'node:assert/strict';
import {
  MfaDeleteAuthenticatorError,
  TokenByPasswordError,
  TokenByRefreshTokenError,
} from '@auth0/auth0-auth-js';
import {
  MfaChallengeError,
  MfaEnrollmentError,
  MfaListAuthenticatorsError,
  MfaVerifyError,
  ServerClient,
} from '@auth0/auth0-server-js';
import { provenFirst, severalFactors } from './flows/access-token.mjs';
import { email } from './flows/email.mjs';
import { enrollIsRequired, mfaToken } from './flows/mfa-token.mjs';
import { otp } from './flows/otp.mjs';
import { sms, voice } from './flows/phone.mjs';
import { push } from './flows/push.mjs';
import { FACTORS, openLogin, told } from './support/auth-js.mjs';
import { AuthenticatorApp } from './support/authenticator-app.mjs';
import { assertLoggedIn, assertRequires } from './support/expectations.mjs';
import { Recorder } from './support/recorder.mjs';
import { rejection } from './support/refusals.mjs';
import { AUDIENCE, CLIENT_SECRET, DOMAIN, LOGIN_SCOPE, PASSWORD } from './support/setting.mjs';

// A store as an application writes one: by the user's session, which the application names.
class Store {
  #kept = new Map();

  set = async (identifier, data, _removeIfExists, { session }) =>
    void this.#kept.set(`${session} ${identifier}`, data);
  get = async (identifier, { session }) => this.#kept.get(`${session} ${identifier}`);
  delete = async (identifier, { session }) => void this.#kept.delete(`${session} ${identifier}`);
}

const auth0 = new ServerClient({
  domain: DOMAIN,
  clientId: 'backend',
  clientSecret: CLIENT_SECRET,
  stateStore: new Store(),
  transactionStore: new Store(),
});

const verify = ({ username, mfaToken }, proof) =>
  auth0.mfa.verify({ mfaToken, ...proof }, { session: username });

const client = {
  errors: {
    enroll: { errorClass: MfaEnrollmentError, told },
    list: { errorClass: MfaListAuthenticatorsError, told },
    challenge: { errorClass: MfaChallengeError, told },
    verify: { errorClass: MfaVerifyError, told },
    remove: { errorClass: MfaDeleteAuthenticatorError, told },
  },
  logInWithPassword: (username, audience, scope) =>
    auth0.authClient.getTokenByPassword({ username, password: PASSWORD, audience, scope }),
  async login(username, audience = AUDIENCE.pay, scope = LOGIN_SCOPE) {
    const error = await rejection(() => this.logInWithPassword(username, audience, scope));
    return openLogin(error, TokenByPasswordError, username);
  },
  enroll: ({ mfaToken }, factor, details) =>
    auth0.mfa.enrollAuthenticator({ mfaToken, ...FACTORS[factor], ...details }),
  list: ({ mfaToken }) => auth0.mfa.listAuthenticators({ mfaToken }),
  challenge: ({ mfaToken }, challengeType, authenticatorId) =>
    auth0.mfa.challengeAuthenticator({ mfaToken, challengeType, authenticatorId }),
  verifyOtp: (login, otp) => verify(login, { factorType: 'otp', otp }),
  verifyOob: (login, oobCode, bindingCode) => verify(login, { factorType: 'oob', oobCode, bindingCode }),
  verifyRecoveryCode: (login, recoveryCode) =>
    verify(login, { factorType: 'recovery-code', recoveryCode }),
  // `auth0.mfa` has no such call.
  remove: ({ mfaToken }, authenticatorId) =>
    auth0.authClient.mfa.deleteAuthenticator({ mfaToken, authenticatorId }),
};

// The session is written once the second factor is passed, and refreshes its access tokens from then on.
async function session({ run, username }) {
  const options = { session: username };
  const login = await client.login(username, AUDIENCE.pay);
  const app = new AuthenticatorApp((await client.enroll(login, 'otp')).barcodeUri);
  await run('no session before the second factor', async () => {
    assert.equal(await auth0.getSession(options), undefined);
    await app.withCode((code) => client.verifyOtp(login, code));
    assert.equal((await auth0.getUser(options)).sub, `auth0|${username}`);
  });
  await run('getAccessToken of an ordinary API', async () => {
    const { accessToken, audience } = await auth0.getAccessToken({ audience: AUDIENCE.api }, options);
    assert.equal(typeof accessToken, 'string');
    assert.equal(audience, AUDIENCE.api);
  });
  const demanded = await run('getAccessToken: mfa_required', async () => {
    const asking = () => auth0.getAccessToken({ audience: AUDIENCE.pay, scope: LOGIN_SCOPE }, options);
    return openLogin(await rejection(asking), TokenByRefreshTokenError, username);
  });
  assertRequires(demanded, 'challenge', ['otp', 'email', 'recovery-code']);
  await run('getAccessToken after the second factor', async () => {
    const tokens = await app.withCode((otp) =>
      verify(demanded, { factorType: 'otp', otp, audience: AUDIENCE.pay }),
    );
    assertLoggedIn(tokens, username, ['otp']);
    const { accessToken } = await auth0.getAccessToken({ audience: AUDIENCE.pay }, options);
    assert.equal(accessToken, tokens.accessToken);
  });
}

const { flow, run, without } = new Recorder('@auth0/auth0-server-js');
const scene = (username) => ({ client, run, without, username });

without('log in with a password by its own method', 'it has none: authClient.getTokenByPassword is used');
without('remove by its own method', 'it has none: authClient.mfa.deleteAuthenticator is used');

await flow('otp', () => otp(scene('u13')));
await flow('sms', () => sms(scene('u14')));
await flow('voice', () => voice(scene('u15')));
await flow('email', () => email(scene('u16')));
await flow('push', () => push(scene('u17')));
await flow('several factors', () => severalFactors(scene('u18')));
await flow('a factor is proven first', () => provenFirst(scene('u19')));
await flow('mfa_token', () => mfaToken(scene('u20')));
await flow('session', () => session(scene('u21')));
await flow('enroll is required', () => enrollIsRequired(scene('u24')));
