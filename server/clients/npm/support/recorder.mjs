// Runs named calls and writes down what came of each: one JSON object a line.

import { appendFileSync, readFileSync } from 'node:fs';
import { RESULTS } from './setting.mjs';

// The rest is on standard error.
const LINE_MAX = 400;

// The package's own manifest: not every package exports it.
function installedVersion(name) {
  const manifest = new URL(`../node_modules/${name}/package.json`, import.meta.url);
  return JSON.parse(readFileSync(manifest, 'utf8')).version;
}

function oneLine(error) {
  const told = error?.cause?.error ? ` (${error.cause.error}: ${error.cause.error_description})` : '';
  const text = `${error?.name ?? 'thrown'}: ${error?.message ?? error}${told}`;
  return text.replace(/\s+/g, ' ').trim().slice(0, LINE_MAX);
}

export class Recorder {
  #client;
  #recorded = new WeakSet();

  constructor(packageName) {
    this.#client = `${packageName} ${installedVersion(packageName)}`;
  }

  // Runs one call, assertions on its answer included.
  run = async (call, action) => {
    try {
      const answer = await action();
      this.#write({ call, result: 'ok' });
      return answer;
    } catch (error) {
      this.#fail(call, error);
      throw error;
    }
  };

  // What the client has no call for.
  without = (call, reason) => this.#write({ call, result: '-', reason });

  // Runs a flow of calls. One that fails ends there, and the next flow goes on.
  flow = async (name, steps) => {
    try {
      await steps();
    } catch (error) {
      if (!this.#recorded.has(error)) {
        this.#fail(name, error);
      }
    }
  };

  #fail(call, error) {
    this.#write({ call, result: `FAILED: ${oneLine(error)}` });
    console.error(`${this.#client}: ${call}:`, error);
    this.#recorded.add(Object(error));
    process.exitCode = 1;
  }

  #write(line) {
    appendFileSync(RESULTS, `${JSON.stringify({ client: this.#client, ...line })}\n`);
  }
}
