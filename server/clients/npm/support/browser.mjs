// As much of a browser as spa-js touches: import it first. Without `Worker` it keeps its refresh tokens in the
// cache that it is given.

export const ORIGIN = 'https://app.example';

globalThis.window = {
  crypto: globalThis.crypto,
  fetch: globalThis.fetch,
  location: { protocol: 'https:', origin: ORIGIN, href: `${ORIGIN}/`, search: '' },
  addEventListener() {},
  removeEventListener() {},
};

globalThis.document = { cookie: '' };

// The locks that keep the tabs of a browser apart: here is one tab, which waits for each call.
Object.defineProperty(globalThis, 'navigator', {
  configurable: true,
  value: { locks: { request: (name, _options, callback) => callback({ name, mode: 'exclusive' }) } },
});
