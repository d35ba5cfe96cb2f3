// The pure parts of the modules; run by test_live_js.py with their folder and cases that Python made.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

const modules = ["state.js", "words.js", "cells.js", "table.js", "heads.js"].map((name) => import(`${process.env.STATIC}/${name}`));
const live = Object.assign({}, ...(await Promise.all(modules)));

test("deltas make the same pages as in Python", () => {
  for (const [old, delta, expected] of JSON.parse(readFileSync(process.env.CASES))) {
    assert.deepEqual(live.applyDelta(old, delta), expected);
  }
});

test("a delta keeps the rows that did not change", () => {
  const old = [["a", [1, 2]], ["b", [3, 4]]];
  const next = live.applyDelta(old, { remove: [], insert: [[0, "c", [5, 6]]], change: [["b", { 1: 9 }]] });
  assert.deepEqual(next, [["c", [5, 6]], ["a", [1, 2]], ["b", [3, 9]]]);
  assert.equal(next[1], old[0]);
  assert.deepEqual(old[1], ["b", [3, 4]]);
});

test("an update upon another state than the one at hand asks for the whole", () => {
  const whole = { sequence: 3, base: null, head: { rows: 1, path: "t:q" }, page: [["a", [1]]] };
  const state = live.applyUpdate(null, whole);
  assert.deepEqual(state.rows, [["a", [1]]]);
  assert.equal(live.applyUpdate(state, { sequence: 5, base: 4, head: {} }), null);
  assert.equal(live.applyUpdate(null, { sequence: 5, base: 4, head: {} }), null);
  const next = live.applyUpdate(state, { sequence: 4, base: 3, head: { rows: 2 } });
  assert.deepEqual(next.head, { rows: 2, path: "t:q" });
  assert.equal(next.rows, state.rows);
});

test("only http and https are addresses", () => {
  assert.equal(live.webAddress("https://example.org/a?b=1"), "https://example.org/a?b=1");
  for (const text of [
    "javascript:alert(1)",
    " https://example.org",
    "https://example.org and more",
    "data:text/html,<script>alert(1)</script>",
    "http:",
    "vbscript:x",
    "JAVASCRIPT:alert(1)//http://",
  ]) {
    assert.equal(live.webAddress(text), null, text);
  }
});

test("cells are copied as a spreadsheet takes them", () => {
  const cells = [null, true, 1.5, "a\tb", 'say "x"', { k: "missing" }, { k: "int64", v: "9007199254740993" }];
  assert.equal(live.tsv([cells]), 'null\ttrue\t1.5\t"a\tb"\t"say ""x"""\t\t9007199254740993');
  assert.equal(live.tsv([[1, 2], [3, 4]]), "1\t2\n3\t4");
  assert.equal(live.cellText({ k: "time", v: 0 }), "1970-01-01T00:00:00.000Z");
  assert.equal(live.cellText({ k: "bytes", v: "00 01", n: 2 }), "bytes(2: 00 01)");
});

test("a few changed rows are an event, a new page is not", () => {
  assert.equal(live.isEvent(0, 50), false);
  assert.equal(live.isEvent(1, 1), true);
  assert.equal(live.isEvent(10, 50), true);
  assert.equal(live.isEvent(11, 50), false);
});

test("marks that turn the direction of writing are shown and not obeyed", () => {
  assert.equal(live.oneLine("a\u202eb\u2066c\n\td"), "a\\u202eb\\u2066c⏎⇥d");
  assert.equal(live.oneLine("👩\u200d🚀 שלום"), "👩\u200d🚀 שלום");
});

test("counts and ids read well", () => {
  assert.equal(live.counted(1, "row"), "1 row");
  assert.equal(live.counted(1204, "row"), "1,204 rows");
  assert.deepEqual([0, 0.06, 9.96, 12.3, 1234.5].map(live.took), ["<0.1 ms", "0.1 ms", "10.0 ms", "12 ms", "1,235 ms"]);
  assert.equal(live.shortId("jd7f2k9m3p5q8r1s4t6v0w2x4y6z8abc"), "jd7f2…8abc");
});

test("a column moves beside another one, hidden ones stay where they are", () => {
  assert.deepEqual(live.movedBeside(["a", "b", "c", "d"], "d", "b", false), ["a", "d", "b", "c"]);
  assert.deepEqual(live.movedBeside(["a", "b", "c", "d"], "a", "c", true), ["b", "c", "a", "d"]);
  const head = { columns: [{ name: "c" }, { name: "a" }], fields: ["c", "b", "a"], widths: { a: 90 } };
  assert.deepEqual(live.arrangement(head, {}), { order: ["c", "b", "a"], hidden: ["b"], widths: { a: 90 } });
  assert.deepEqual(live.arrangement(head, { hidden: [] }).hidden, []);
});
