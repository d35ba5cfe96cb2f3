// Numbers, times and counts as a reader wants them.

export const grouped = (/** @type {number} */ number) => number.toLocaleString("en-US");

export const counted = (/** @type {number} */ number, /** @type {string} */ noun) =>
  `${grouped(number)} ${noun}${number === 1 ? "" : "s"}`;

const pad = (number) => String(number).padStart(2, "0");

export function clock(/** @type {Date} */ date) {
  return `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
}

export function localTime(/** @type {Date} */ date) {
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())} ${clock(date)}`;
}

/** A duration in milliseconds, with the digits that matter. */
export const took = (/** @type {number} */ duration) =>
  duration < 0.05 ? "<0.1 ms" : duration < 10 ? `${duration.toFixed(1)} ms` : `${grouped(Math.round(duration))} ms`;

export const commitDate = (timestamp) => new Date(Number(BigInt(timestamp || 0) / 1000000n));
