// What the server sent: in development it shows its messages instead of delivering them.

import assert from 'node:assert/strict';
import { BASE_URL } from './setting.mjs';

async function latest(channel, destination) {
  const answer = await fetch(new URL('dev/outbox', BASE_URL));
  assert.equal(answer.status, 200, 'the outbox is open in development');
  const { deliveries } = await answer.json();
  const found = deliveries.findLast((sent) => sent.channel === channel && sent.destination === destination);
  assert.ok(found, `nothing was sent by ${channel} to ${destination}`);
  return found;
}

// The code that the user reads, hears or finds in the mailbox.
export async function sentCode(channel, destination) {
  const { content } = await latest(channel, destination);
  assert.match(content.code, /^\d{6}$/);
  return content.code;
}

// The push that the device shows.
export async function sentPush(pushAddress) {
  const { content } = await latest('auth0', pushAddress);
  return content.push;
}

export function wrongCode(code) {
  return code === '000000' ? '111111' : '000000';
}
