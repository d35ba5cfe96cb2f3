// What the scripts share: modules from where `make test` put them, and steps that a test in Python waits for.
import { createRequire } from "node:module";
import assert from "node:assert/strict";
import path from "node:path";

const require = createRequire(path.join(process.env.CONVEX_NB_NODE_MODULES, "index.js"));

export { assert };
export const url = process.argv[2];
export const ws = require("ws");
export const { ConvexClient, BaseConvexClient } = require("convex/browser");
export const { ConvexHttpClient } = require("convex/browser");
export const { anyApi } = require("convex/server");
export const { ConvexError } = require("convex/values");
export const load = require;

export function connect(options = {}) {
  return new ConvexClient(url, { webSocketConstructor: ws, unsavedChangesWarning: false, ...options });
}

/** A value that is followed, and a promise of the first one that satisfies a condition. */
export function follow(client, ref, args = {}) {
  const seen = [];
  const errors = [];
  let waiting = [];
  const look = () => {
    waiting = waiting.filter(({ test, resolve }) => !(test({ seen, errors }) && (resolve(seen.at(-1)), true)));
  };
  const stop = client.onUpdate(
    ref,
    args,
    (value) => (seen.push(value), look()),
    (error) => (errors.push(error), look()),
  );
  const until = (test) =>
    new Promise((resolve) => {
      waiting.push({ test: ({ seen }) => seen.length > 0 && test(seen.at(-1)), resolve });
      look();
    });
  const untilError = () =>
    new Promise((resolve) => {
      waiting.push({ test: ({ errors }) => errors.length > 0, resolve: () => resolve(errors.at(-1)) });
      look();
    });
  return { seen, errors, until, untilError, stop };
}

export function say(text) {
  process.stdout.write(text + "\n");
}

const lines = [];
const readers = [];
process.stdin.on("data", (data) => {
  for (const line of data.toString().split("\n").filter(Boolean)) {
    const reader = readers.shift();
    reader ? reader(line) : lines.push(line);
  }
});

/** Wait for the test to say something. */
export function hear() {
  return lines.length ? Promise.resolve(lines.shift()) : new Promise((resolve) => readers.push(resolve));
}

export function done() {
  say("done");
  process.exit(0);
}

process.on("unhandledRejection", (error) => {
  console.error(error);
  process.exit(1);
});
