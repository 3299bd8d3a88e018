// An authenticator app: time-based one-time passwords (RFC 6238) from the URI of a QR code.

import { createHmac } from 'node:crypto';

const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
const PERIOD_MS = 30_000;

function fromBase32(text) {
  const bits = [...text].map((letter) => BASE32.indexOf(letter).toString(2).padStart(5, '0')).join('');
  return Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
}

// RFC 4226 section 5.3.
function hotp(secret, counter) {
  const moving = Buffer.alloc(8);
  moving.writeBigUInt64BE(BigInt(counter));
  const mac = createHmac('sha1', secret).update(moving).digest();
  const truncated = mac.readUInt32BE(mac[19] & 0xf) & 0x7fffffff;
  return String(truncated % 1_000_000).padStart(6, '0');
}

const currentStep = () => Math.floor(Date.now() / PERIOD_MS);

export class AuthenticatorApp {
  #secret;
  #usedStep = -1;

  constructor(barcodeUri) {
    this.#secret = fromBase32(new URL(barcodeUri).searchParams.get('secret'));
  }

  // Calls `use` with the oldest code that the server still takes: it takes the current and the previous step,
  // each once and never backwards, so that a user can log in twice within one step.
  async withCode(use) {
    const step = currentStep();
    try {
      return await use(this.#nextCode());
    } catch (error) {
      if (currentStep() === step) {
        throw error;
      }
      // The step turned while the code was on its way, and the server found it too old.
      return use(this.#nextCode());
    }
  }

  usedCode() {
    return hotp(this.#secret, this.#usedStep);
  }

  // A code of no step that the server might look at.
  wrongCode() {
    const now = currentStep();
    const near = new Set([-2, -1, 0, 1, 2].map((offset) => hotp(this.#secret, now + offset)));
    return ['000000', '111111', '222222', '333333', '444444', '555555'].find((code) => !near.has(code));
  }

  #nextCode() {
    const step = Math.max(this.#usedStep + 1, currentStep() - 1);
    if (step > currentStep()) {
      throw new Error('no code is left in this step: a flow may use two');
    }
    this.#usedStep = step;
    return hotp(this.#secret, step);
  }
}
