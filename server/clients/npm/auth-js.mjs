// @auth0/auth0-auth-js against the server, with its own methods throughout.

import assert from 'node:assert/strict';
import {
  AuthClient,
  MfaChallengeError,
  MfaDeleteAuthenticatorError,
  MfaEnrollmentError,
  MfaListAuthenticatorsError,
  MfaVerifyError,
  TokenByPasswordError,
  TokenByRefreshTokenError,
} from '@auth0/auth0-auth-js';
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

const auth0 = new AuthClient({ domain: DOMAIN, clientId: 'backend', clientSecret: CLIENT_SECRET });

const client = {
  errors: {
    enroll: { errorClass: MfaEnrollmentError, told },
    list: { errorClass: MfaListAuthenticatorsError, told },
    challenge: { errorClass: MfaChallengeError, told },
    verify: { errorClass: MfaVerifyError, told },
    remove: { errorClass: MfaDeleteAuthenticatorError, told },
  },
  logInWithPassword: (username, audience, scope) =>
    auth0.getTokenByPassword({ username, password: PASSWORD, audience, scope }),
  async login(username, audience = AUDIENCE.pay, scope = LOGIN_SCOPE) {
    const error = await rejection(() => this.logInWithPassword(username, audience, scope));
    return openLogin(error, TokenByPasswordError, username);
  },
  enroll: ({ mfaToken }, factor, details) =>
    auth0.mfa.enrollAuthenticator({ mfaToken, ...FACTORS[factor], ...details }),
  list: ({ mfaToken }) => auth0.mfa.listAuthenticators({ mfaToken }),
  challenge: ({ mfaToken }, challengeType, authenticatorId) =>
    auth0.mfa.challengeAuthenticator({ mfaToken, challengeType, authenticatorId }),
  verifyOtp: ({ mfaToken }, otp) => auth0.mfa.verify({ mfaToken, factorType: 'otp', otp }),
  verifyOob: ({ mfaToken }, oobCode, bindingCode) =>
    auth0.mfa.verify({ mfaToken, factorType: 'oob', oobCode, bindingCode }),
  verifyRecoveryCode: ({ mfaToken }, recoveryCode) =>
    auth0.mfa.verify({ mfaToken, factorType: 'recovery-code', recoveryCode }),
  remove: ({ mfaToken }, authenticatorId) =>
    auth0.mfa.deleteAuthenticator({ mfaToken, authenticatorId }),
};

// An API that demands a second factor, asked for with a refresh token that was earned without one.
async function stepUp({ run, username }) {
  const first = await run('log in without a factor', () =>
    client.logInWithPassword(username, AUDIENCE.api, LOGIN_SCOPE),
  );
  const refresh = { refreshToken: first.refreshToken, audience: AUDIENCE.pay, scope: LOGIN_SCOPE };
  const login = await run('refresh: mfa_required', async () =>
    openLogin(
      await rejection(() => auth0.getTokenByRefreshToken(refresh)),
      TokenByRefreshTokenError,
      username,
    ),
  );
  assertRequires(login, 'challenge', ['email']);
  const app = new AuthenticatorApp((await client.enroll(login, 'otp')).barcodeUri);
  const { data, response } = await run('verify with the full response', () =>
    app.withCode((otp) =>
      auth0.mfa.verify({ mfaToken: login.mfaToken, factorType: 'otp', otp, fullResponse: true }),
    ),
  );
  assert.equal(response.status, 200);
  assertLoggedIn(data, username, ['otp']);
  await run('refresh with what a second factor earned', async () => {
    const { refreshToken } = data;
    const tokens = await auth0.getTokenByRefreshToken({ refreshToken, audience: AUDIENCE.api });
    assert.equal(tokens.claims.sub, `auth0|${username}`);
  });
}

const { flow, run, without } = new Recorder('@auth0/auth0-auth-js');
const scene = (username) => ({ client, run, without, username });

await flow('otp', () => otp(scene('u01')));
await flow('sms', () => sms(scene('u02')));
await flow('voice', () => voice(scene('u03')));
await flow('email', () => email(scene('u04')));
await flow('push', () => push(scene('u05')));
await flow('several factors', () => severalFactors(scene('u06')));
await flow('a factor is proven first', () => provenFirst(scene('u07')));
await flow('mfa_token', () => mfaToken(scene('u08')));
await flow('step up', () => stepUp(scene('u09')));
await flow('enroll is required', () => enrollIsRequired(scene('u12')));
