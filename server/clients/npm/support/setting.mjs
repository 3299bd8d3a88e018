// Where the server is, and what its operator gave the clients.

function required(name) {
  const value = process.env[name];
  if (!value) {
    throw new Error(`set ${name}`);
  }
  return value;
}

export const BASE_URL = new URL(required('BASE_URL'));
export const DOMAIN = BASE_URL.host;
export const CLIENT_SECRET = required('CLIENT_SECRET');
export const RESULTS = required('RESULTS');
export const UNVERIFIED_USERS = (process.env.UNVERIFIED_USERS ?? '').split(' ').filter(Boolean);

export const PASSWORD = 'correct horse battery staple';

export const AUDIENCE = {
  // The second factor is a matter of policy.
  api: 'https://api.example/',
  // It always demands one.
  pay: 'https://pay.example/',
  mfa: new URL('mfa/', BASE_URL).href,
};

export const LOGIN_SCOPE = 'openid profile email offline_access';
export const MFA_SCOPE = 'enroll read:authenticators remove:authenticators';
