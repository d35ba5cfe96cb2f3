// One value in one place: as an element, and as the text that is copied.

import { button, element } from "./elements.js";
import { grouped, localTime } from "./words.js";

/** @typedef {{k: string, v?: any, n?: number, of?: string}} Tagged */
/** @typedef {null | boolean | number | string | Tagged} Cell */

/** A cell as plain text: what is copied. */
export function cellText(/** @type {Cell | undefined} */ cell) {
  if (cell === null || cell === undefined) return cell === null ? "null" : "";
  if (typeof cell !== "object") return String(cell);
  switch (cell.k) {
    case "missing":
      return "";
    case "time":
      return new Date(cell.v).toISOString();
    case "bytes":
      return `bytes(${cell.n}: ${cell.v}${cell.n > 8 ? "…" : ""})`;
    case "text":
      return `${cell.v}…`;
    default:
      return String(cell.v);
  }
}

/** Rows of cells as tab-separated lines that a spreadsheet takes. */
export function tsv(/** @type {Cell[][]} */ rows) {
  const quoted = (text) => (/[\t\n\r"]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return rows.map((cells) => cells.map((cell) => quoted(cellText(cell))).join("\t")).join("\n");
}

/** The address of a text that is nothing but a web address; null for every other scheme and text. */
export function webAddress(/** @type {string} */ text) {
  if (!/^https?:\S+$/i.test(text)) return null;
  try {
    const url = new URL(text);
    return url.protocol === "http:" || url.protocol === "https:" ? url.href : null;
  } catch {
    return null;
  }
}

const MARKS = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** A text on one line, in which marks that break lines or turn the direction of writing are shown and not obeyed. */
export const oneLine = (/** @type {string} */ text) =>
  text.replace(MARKS, (mark) => ({ "\n": "⏎", "\t": "⇥" })[mark] ?? escaped(mark));

/** A text as it is, but for such marks. */
export const manyLines = (/** @type {string} */ text) =>
  text.replace(MARKS, (mark) => ("\n\t".includes(mark) ? mark : escaped(mark)));

const escaped = (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, "0")}`;

export const shortId = (/** @type {string} */ id) => (id.length <= 12 ? id : `${id.slice(0, 5)}…${id.slice(-4)}`);

/** Fill an element with a cell. */
export function drawCell(target, cell) {
  target.removeAttribute("title");
  target.classList.remove("cx-null", "cx-mono");
  if (typeof cell === "string") {
    const address = webAddress(cell);
    if (address) {
      const link = element("a", "", cell);
      Object.assign(link, { href: address, target: "_blank", rel: "noopener noreferrer nofollow", tabIndex: -1 });
      target.replaceChildren(link);
    } else {
      target.textContent = oneLine(cell);
    }
    if (cell.length > 24) target.title = cell;
    return;
  }
  if (cell === null) {
    target.textContent = "null";
    target.classList.add("cx-null");
    return;
  }
  if (typeof cell !== "object") {
    target.textContent = Object.is(cell, -0) ? "-0" : String(cell);
    return;
  }
  switch (cell.k) {
    case "missing":
      target.textContent = "";
      return;
    case "id": {
      const jump = button(shortId(cell.v), `${cell.of || "id"}: ${cell.v}`, null);
      jump.className = "cx-jump cx-mono";
      jump.dataset.id = cell.v;
      if (target.tagName === "TD") jump.tabIndex = -1; // a grid is one stop
      target.replaceChildren(jump);
      return;
    }
    case "time": {
      const date = new Date(cell.v);
      target.textContent = localTime(date);
      target.title = `${date.toISOString()}\n${cell.v} ms`;
      return;
    }
    case "text":
      target.textContent = `${oneLine(cell.v)}…`;
      target.title = `${grouped(cell.n)} characters: ${cell.v}…`;
      return;
    case "json":
    case "bytes":
      target.classList.add("cx-mono");
      target.title = target.textContent = cellText(cell);
      return;
    default:
      target.textContent = String(cell.v);
  }
}
