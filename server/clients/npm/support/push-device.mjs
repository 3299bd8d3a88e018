// A push device: it scans a ticket, brings its key, and signs what its user decided.

import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { sentPush } from './outbox.mjs';

// Each part behind its length in four bytes, big-endian.
function framed(parts) {
  return Buffer.concat(
    parts.flatMap((part) => {
      const bytes = Buffer.from(part);
      const length = Buffer.alloc(4);
      length.writeUInt32BE(bytes.length);
      return [length, bytes];
    }),
  );
}

export class PushDevice {
  #keys = generateKeyPairSync('ed25519');
  #name;
  #address;
  #baseUrl;

  constructor(name) {
    this.#name = name;
    this.#address = `push-service:${name}`;
  }

  // Scans the QR code; answers with what the server gave the device.
  async scan(barcodeUri) {
    const scanned = new URL(barcodeUri).searchParams;
    const ticket = scanned.get('enrollment_tx_id');
    this.#baseUrl = scanned.get('base_url').replace(/\/*$/, '/');
    const { kty, crv, x } = this.#keys.publicKey.export({ format: 'jwk' });
    const signature = this.#sign('mfacore/enroll push device/0', ticket, x, '', this.#name, this.#address);
    const body = { name: this.#name, public_key: { kty, crv, x }, push_address: this.#address, signature };
    return this.#post('push/devices', ticket, body);
  }

  approve = () => this.#answer('approve');
  deny = () => this.#answer('deny');

  async #answer(decision) {
    const { transaction_token: token, context } = await sentPush(this.#address);
    const signature = this.#sign('mfacore/answer push/0', token, decision, '', context ?? '');
    return this.#post('push/answers', token, { decision, signature });
  }

  #sign(...parts) {
    return sign(null, framed(parts), this.#keys.privateKey).toString('base64url');
  }

  async #post(path, token, body) {
    const answer = await fetch(new URL(path, this.#baseUrl), {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const text = await answer.text();
    assert.ok(answer.ok, `${path} answered the device ${answer.status} ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  }
}
