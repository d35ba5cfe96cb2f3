// A live view of a query's result: the browser's half of `LiveView`. One plain module, no dependency, no request.
// The shapes of messages are those of `views/messages.py`. Every text that comes from data is set as text, never as HTML.

/** @typedef {{k: string, v?: any, n?: number, of?: string}} Tagged */
/** @typedef {null | boolean | number | string | Tagged} Cell */
/** @typedef {[string, Cell[]]} Row */
/** @typedef {{name: string, type: string, align: "left" | "right", system: boolean}} Column */
/** @typedef {{remove: string[], insert: [number, string, Cell[]][], change: [string, Record<string, Cell>][], order?: string[]}} Delta */
/** @typedef {{label: string, cell?: Cell, preview?: string, size?: string, items?: Node[], more?: number}} Node */

const FLASH_SHARE = 0.2; // more changed rows than this, and more than FLASH_ROWS, is a new page rather than an event
const FLASH_ROWS = 5;
const ANNOUNCE_MS = 5000;
const PAGE_ROWS = 50;

// ---------------------------------------------------------------------------------------------------- pure parts

/** The rows after a delta. Cells and rows that did not change stay the same objects: views redraw what is not. */
export function applyDelta(/** @type {Row[]} */ page, /** @type {Delta} */ delta) {
  const removed = new Set(delta.remove);
  const rows = page.filter(([key]) => !removed.has(key));
  for (const [place, key, cells] of delta.insert) rows.splice(place, 0, [key, cells]);
  const places = new Map(rows.map(([key], place) => [key, place]));
  for (const [key, changed] of delta.change) {
    const place = places.get(key);
    const cells = [...rows[place][1]];
    for (const [number, cell] of Object.entries(changed)) cells[Number(number)] = cell;
    rows[place] = [key, cells];
  }
  return delta.order ? delta.order.map((key) => rows[places.get(key)]) : rows;
}

/** What an update makes of a state, or null when the state it builds upon is not the one at hand. */
export function applyUpdate(/** @type {any} */ state, /** @type {any} */ update) {
  if (update.base === null) {
    return { sequence: update.sequence, head: update.head, rows: update.page ?? [], body: update.body };
  }
  if (!state || state.sequence !== update.base) return null;
  const rows = update.page ?? (update.delta ? applyDelta(state.rows, update.delta) : state.rows);
  const body = "body" in update ? update.body : state.body;
  return { sequence: update.sequence, head: { ...state.head, ...update.head }, rows, body };
}

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
  text.replace(MARKS, (mark) =>
    mark === "\n" ? "⏎" : mark === "\t" ? "⇥" : `\\u${mark.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );

export const shortId = (/** @type {string} */ id) => (id.length <= 12 ? id : `${id.slice(0, 5)}…${id.slice(-4)}`);

export const counted = (/** @type {number} */ number, /** @type {string} */ noun) =>
  `${number.toLocaleString("en-US")} ${noun}${number === 1 ? "" : "s"}`;

/** Whether so many changed rows of a page are worth a flash. */
export const isEvent = (/** @type {number} */ changed, /** @type {number} */ rows) =>
  changed > 0 && changed <= Math.max(FLASH_ROWS, rows * FLASH_SHARE);

const pad = (number) => String(number).padStart(2, "0");

export function clock(/** @type {Date} */ date) {
  return `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
}

export function localTime(/** @type {Date} */ date) {
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())} ${clock(date)}`;
}

/** A duration in milliseconds, with the digits that matter. */
export const took = (/** @type {number} */ duration) =>
  duration < 0.05 ? "<0.1 ms" : duration < 10 ? `${duration.toFixed(1)} ms` : `${Math.round(duration).toLocaleString("en-US")} ms`;

const commitDate = (timestamp) => new Date(Number(BigInt(timestamp || 0) / 1000000n));

// ------------------------------------------------------------------------------------------------------ elements

function element(tag, className = "", text = undefined) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function button(text, title, act) {
  const made = element("button", "cx-button", text);
  made.type = "button";
  made.title = title;
  made.setAttribute("aria-label", title);
  made.addEventListener("click", act);
  return made;
}

const reducedMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

// Animations of the browser, not classes: to start a class anew costs a layout of the whole page for each element.
const BAR = "inset 3px 0 var(--cx-brand)";
const EFFECTS = {
  cell: [[{ backgroundColor: "var(--cx-flash)" }, {}], 1200],
  row: [[{ backgroundColor: "var(--cx-new)" }, {}], 1600],
  bar: [[{ boxShadow: BAR }, { boxShadow: BAR, offset: 0.6 }, {}], 1600],
  gone: [[{}, { opacity: 0 }], 200],
  pulse: [[{ boxShadow: "0 0 0 0 var(--tone)" }, { boxShadow: "0 0 0 7px transparent" }], 600],
  copied: [[{ backgroundColor: "var(--cx-copied)" }, {}], 900],
};

function play(target, effect) {
  const [frames, duration] = EFFECTS[effect];
  target.animate(frames, { duration, easing: "ease-out", fill: effect === "gone" ? "forwards" : "none" });
}

/** Instead of motion: a dot at the row's edge for a while. */
function dot(tr) {
  tr.classList.add("cx-dotted");
  setTimeout(() => tr.classList.remove("cx-dotted"), 3000);
}

/** Fill an element with a cell. */
function drawCell(target, cell) {
  target.removeAttribute("title");
  target.classList.remove("cx-null", "cx-mono", "cx-id");
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
    case "id":
      target.textContent = shortId(cell.v);
      target.title = `${cell.of ? `${cell.of}: ` : ""}${cell.v}\nclick to copy`;
      target.classList.add("cx-mono", "cx-id");
      return;
    case "time": {
      const date = new Date(cell.v);
      target.textContent = localTime(date);
      target.title = `${date.toISOString()}\n${cell.v} ms`;
      return;
    }
    case "text":
      target.textContent = `${oneLine(cell.v)}…`;
      target.title = `${cell.n.toLocaleString("en-US")} characters: ${cell.v}…`;
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

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // No clipboard outside secure contexts: the old way still works there.
    const area = element("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

// --------------------------------------------------------------------------------------------------------- table

/** The grid of one view: rows keyed, patched in place, with the reader's scroll, focus and selection kept. */
class Grid {
  constructor(send, announce) {
    this.send = send;
    this.announce = announce;
    this.root = element("div", "cx-scroll");
    this.table = element("table");
    this.table.setAttribute("role", "grid");
    this.head = element("thead");
    this.body = element("tbody");
    this.table.append(this.head, this.body);
    this.chip = button("", "show the newest rows", () => this.toTop());
    this.chip.className = "cx-chip";
    this.chip.hidden = true;
    this.root.append(this.table);
    this.trs = new Map();
    this.rows = [];
    this.columns = null;
    this.cursor = null; // {key | null for the heads, column, row: last known place}
    this.range = null; // the other corner of the selection, {key, column}
    this.newAbove = 0;
    this.top = 0; // as the last scroll event said: to ask the element would cost a layout for each view and draw
    this.pendingFocus = null;
    this.root.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.table.addEventListener("keydown", (event) => this.key(event));
    this.table.addEventListener("mousedown", (event) => this.pointed(event));
    this.table.addEventListener("click", (event) => this.clicked(event));
  }

  draw(state, fresh) {
    const { head, rows } = state;
    const anchor = fresh ? null : this.firstVisible();
    this.state = state;
    if (this.columns !== head.columns) this.drawColumns(head.columns);
    this.drawSort(head.sort);
    const effects = this.drawRows(rows, head, fresh);
    this.rows = rows;
    this.table.setAttribute("aria-rowcount", String(head.rows + 1));
    if (anchor && anchor.tr.isConnected) {
      this.root.scrollTop = this.top += anchor.tr.offsetTop - anchor.top;
      this.newAbove += effects.inserted.filter((tr) => tr.offsetTop < anchor.tr.offsetTop).length;
    }
    if (fresh) this.newAbove = 0;
    this.keepWidthsSoon(fresh);
    this.drawChip(head);
    this.restoreCursor();
    return effects;
  }

  drawColumns(columns) {
    this.columns = columns;
    const tr = element("tr");
    tr.setAttribute("role", "row");
    tr.setAttribute("aria-rowindex", "1");
    columns.forEach((column, number) => {
      const th = element("th", `cx-${column.align}${column.system ? " cx-system" : ""}`);
      th.scope = "col";
      th.tabIndex = -1;
      th.setAttribute("role", "columnheader");
      th.setAttribute("aria-colindex", String(number + 1));
      const line = element("div", "cx-th");
      line.append(element("span", "cx-name", column.name), element("span", "cx-type", column.type), element("span", "cx-arrow"));
      th.title = `${column.name}: ${column.type}\nclick to sort, Shift+click to sort by this as well`;
      th.append(line);
      tr.append(th);
    });
    this.head.replaceChildren(tr);
    this.table.setAttribute("aria-colcount", String(columns.length));
    this.body.replaceChildren();
    this.trs.clear();
  }

  drawSort(sort) {
    this.columns.forEach((column, number) => {
      const th = this.head.rows[0].cells[number];
      const place = sort.findIndex((key) => key.column === column.name);
      const direction = place < 0 ? "none" : sort[place].descending ? "descending" : "ascending";
      th.setAttribute("aria-sort", direction);
      const arrow = direction === "none" ? "" : direction === "ascending" ? "↑" : "↓";
      th.querySelector(".cx-arrow").textContent = arrow + (arrow && sort.length > 1 ? place + 1 : "");
    });
  }

  /** Make the body show `rows`, touching only what differs; say what was inserted, changed and removed. */
  drawRows(rows, head, fresh) {
    const wanted = new Set(rows.map(([key]) => key));
    const inserted = [];
    const changed = [];
    const removed = [];
    for (const [key, tr] of this.trs) {
      if (!wanted.has(key)) {
        this.trs.delete(key);
        removed.push(tr);
      }
    }
    const gone = new Set(removed);
    let next = this.body.firstElementChild;
    const pass = () => {
      while (next && (gone.has(next) || next.dataset.gone)) next = next.nextElementSibling;
    };
    rows.forEach(([key, cells], place) => {
      let tr = this.trs.get(key);
      if (!tr) {
        tr = this.makeRow(key, cells);
        this.trs.set(key, tr);
        inserted.push(tr);
      } else if (tr.shown !== cells) {
        const before = tr.shown;
        cells.forEach((cell, number) => {
          if (cell !== before[number]) {
            drawCell(tr.cells[number], cell);
            changed.push(tr.cells[number]);
          }
        });
        tr.shown = cells;
      }
      tr.setAttribute("aria-rowindex", String(head.start + place + 2));
      pass();
      if (tr === next) next = next.nextElementSibling;
      else this.body.insertBefore(tr, next);
    });
    const rowsChanged = inserted.length + removed.length + new Set(changed.map((td) => td.parentElement)).size;
    const flash = !fresh && isEvent(rowsChanged, rows.length);
    if (flash) {
      if (reducedMotion()) for (const tr of new Set([...inserted, ...changed.map((td) => td.parentElement)])) dot(tr);
      else {
        for (const tr of inserted) {
          play(tr, "row");
          play(tr.cells[0], "bar");
        }
        for (const td of changed) play(td, "cell");
      }
    }
    for (const tr of removed) this.removeRow(tr, flash && !reducedMotion());
    return { inserted, changed, removed };
  }

  makeRow(key, cells) {
    const tr = element("tr");
    tr.setAttribute("role", "row");
    tr.dataset.key = key;
    tr.shown = cells;
    cells.forEach((cell, number) => {
      const column = this.columns[number];
      const td = element("td", `cx-${column.align}${column.system ? " cx-system" : ""}`);
      td.tabIndex = -1;
      td.setAttribute("role", "gridcell");
      td.setAttribute("aria-colindex", String(number + 1));
      drawCell(td, cell);
      tr.append(td);
    });
    return tr;
  }

  removeRow(tr, fade) {
    if (!fade) {
      tr.remove();
      return;
    }
    tr.dataset.gone = "1";
    tr.setAttribute("aria-hidden", "true");
    play(tr, "gone");
    setTimeout(() => tr.remove(), 200);
  }

  /** Columns only grow, so that a longer value does not make the whole table jump back and forth. */
  keepWidthsSoon(fresh) {
    if (fresh) for (const th of this.head.rows[0].cells) th.style.minWidth = "";
    clearTimeout(this.widthTimer);
    this.widthTimer = setTimeout(() => {
      const ths = [...this.head.rows[0].cells];
      const widths = ths.map((th) => th.offsetWidth);
      ths.forEach((th, number) => {
        if (widths[number]) th.style.minWidth = `${widths[number]}px`;
      });
    }, 200);
  }

  // -- scroll

  firstVisible() {
    if (this.top <= 0) return null;
    const edge = this.top;
    for (const tr of this.body.rows) {
      if (!tr.dataset.gone && tr.offsetTop + tr.offsetHeight - this.head.offsetHeight > edge) return { tr, top: tr.offsetTop };
    }
    return null;
  }

  scrolled() {
    this.top = this.root.scrollTop;
    clearTimeout(this.scrollTimer);
    this.scrollTimer = setTimeout(() => {
      const first = this.firstVisible();
      const { start, above } = this.state.head;
      if (first) {
        this.anchored = true;
        this.send({ type: "anchor", key: first.tr.dataset.key });
      } else if (this.anchored && start === 0 && above === 0) {
        this.anchored = false;
        this.send({ type: "page", start: 0 });
      }
      if (!first && this.newAbove) {
        this.newAbove = 0;
        this.drawChip(this.state.head);
      }
    }, 100);
  }

  drawChip(head) {
    const above = head.above + this.newAbove;
    this.chip.hidden = above === 0;
    this.chip.textContent = `↑ ${above.toLocaleString("en-US")} new above`;
  }

  toTop() {
    this.anchored = false;
    this.newAbove = this.root.scrollTop = this.top = 0;
    this.send({ type: "page", start: 0 });
    this.drawChip({ above: 0 });
  }

  turn(start, focusRow = null) {
    const { rows, start: now } = this.state.head;
    const last = Math.max(0, Math.ceil(rows / PAGE_ROWS) - 1) * PAGE_ROWS;
    const target = Math.max(0, Math.min(start, last));
    if (target === now && !this.state.head.above) return false;
    this.pendingFocus = focusRow;
    this.root.scrollTop = this.top = 0;
    this.anchored = false;
    this.send({ type: "page", start: target });
    return true;
  }

  // -- focus, selection, keys

  cellAt(corner) {
    if (!corner) return null;
    const tr = corner.key === null ? this.head.rows[0] : this.trs.get(corner.key);
    return tr?.cells[Math.min(corner.column, this.columns.length - 1)] ?? null;
  }

  cornerOf(cell) {
    const tr = cell.parentElement;
    const key = tr.dataset.key ?? null;
    return { key, column: cell.cellIndex, row: key === null ? -1 : this.placeOf(key) };
  }

  placeOf(key) {
    return this.rows.findIndex(([other]) => other === key);
  }

  /** One cell is in the tab order: the cursor, or the first one. A cursor whose row has gone moves to its neighbour. */
  restoreCursor() {
    const inside = this.table.contains(document.activeElement) || this.lostFocus;
    this.lostFocus = false;
    if (this.pendingFocus !== null && this.rows.length) {
      const place = this.pendingFocus < 0 ? this.rows.length - 1 : Math.min(this.pendingFocus, this.rows.length - 1);
      this.pendingFocus = null;
      this.focus({ key: this.rows[place][0], column: this.cursor?.column ?? 0, row: place });
      return;
    }
    if (this.cursor && this.cursor.key !== null && !this.trs.has(this.cursor.key)) {
      const place = Math.min(Math.max(0, this.cursor.row), this.rows.length - 1);
      this.range = null;
      this.cursor = place < 0 ? null : { key: this.rows[place][0], column: this.cursor.column, row: place };
      if (inside && this.cursor) this.focus(this.cursor);
    }
    const cell = this.cellAt(this.cursor) ?? this.body.rows[0]?.cells[0] ?? this.head.rows[0].cells[0];
    if (cell && cell !== this.tabStop) {
      if (this.tabStop) this.tabStop.tabIndex = -1;
      cell.tabIndex = 0;
      this.tabStop = cell;
    }
    this.drawSelection();
  }

  focus(corner, extend = false) {
    if (!extend) this.range = null;
    else this.range ??= this.cursor;
    this.cursor = corner;
    const cell = this.cellAt(corner);
    if (!cell) return;
    if (this.tabStop) this.tabStop.tabIndex = -1;
    cell.tabIndex = 0;
    this.tabStop = cell;
    cell.focus({ preventScroll: true });
    this.reveal(cell);
    this.drawSelection();
  }

  reveal(cell) {
    const tr = cell.parentElement;
    if (tr.parentElement === this.body) {
      const top = tr.offsetTop - this.head.offsetHeight;
      const bottom = tr.offsetTop + tr.offsetHeight - this.root.clientHeight;
      if (this.root.scrollTop > top) this.root.scrollTop = top;
      else if (this.root.scrollTop < bottom) this.root.scrollTop = bottom;
    }
    const right = cell.offsetLeft + cell.offsetWidth - this.root.clientWidth;
    if (this.root.scrollLeft > cell.offsetLeft) this.root.scrollLeft = cell.offsetLeft;
    else if (this.root.scrollLeft < right) this.root.scrollLeft = Math.min(cell.offsetLeft, right);
  }

  selection() {
    if (!this.cursor || this.cursor.key === null) return null;
    const other = this.range && this.range.key !== null ? this.range : this.cursor;
    const places = [this.placeOf(this.cursor.key), this.placeOf(other.key)].sort((a, b) => a - b);
    const columns = [this.cursor.column, other.column].sort((a, b) => a - b);
    return places[0] < 0 ? null : { places, columns };
  }

  drawSelection() {
    for (const cell of this.table.querySelectorAll(".cx-selected")) cell.classList.remove("cx-selected");
    const selection = this.range && this.selection();
    if (!selection) return;
    for (let place = selection.places[0]; place <= selection.places[1]; place++) {
      const tr = this.trs.get(this.rows[place][0]);
      for (let column = selection.columns[0]; column <= selection.columns[1]; column++) {
        tr.cells[column].classList.add("cx-selected");
      }
    }
  }

  key(event) {
    const cell = event.target.closest?.("td, th");
    if (!cell || !this.table.contains(cell)) return;
    const chord = event.ctrlKey || event.metaKey;
    const corner = this.cornerOf(cell);
    this.cursor ??= corner;
    if (chord && event.key.toLowerCase() === "c") {
      if (getSelection()?.isCollapsed ?? true) {
        this.copySelection(cell);
        event.preventDefault();
        event.stopPropagation();
      }
      return;
    }
    const go = (row, column, extend = event.shiftKey) => {
      const place = Math.max(extend ? 0 : -1, Math.min(row, this.rows.length - 1));
      const key = place < 0 ? null : this.rows[place][0];
      this.focus({ key, column: Math.max(0, Math.min(column, this.columns.length - 1)), row: place }, extend);
    };
    const visible = Math.max(1, Math.floor(this.root.clientHeight / (cell.offsetHeight || 24)) - 1);
    const { row, column } = corner;
    const { start } = this.state.head;
    const last = this.rows.length - 1;
    let handled = true;
    if (event.key === "ArrowDown" && !chord) {
      if (row < last || !this.turn(start + PAGE_ROWS, 0)) go(row + 1, column);
    } else if (event.key === "ArrowUp" && !chord) {
      if (row > 0 || start === 0 || row < 0 || !this.turn(start - PAGE_ROWS, -1)) go(row - 1, column);
    } else if (event.key === "ArrowLeft" && !chord) go(row, column - 1);
    else if (event.key === "ArrowRight" && !chord) go(row, column + 1);
    else if (event.key === "PageDown" && !chord) {
      if (row < last || !this.turn(start + PAGE_ROWS, 0)) go(row + visible, column);
    } else if (event.key === "PageUp" && !chord) {
      if (row > 0 || start === 0 || !this.turn(start - PAGE_ROWS, -1)) go(Math.max(0, row - visible), column);
    } else if (event.key === "Home") {
      if (!chord || !this.turn(0, 0)) go(chord ? 0 : row, chord ? column : 0);
    } else if (event.key === "End") {
      if (!chord || !this.turn(Infinity, -1)) go(chord ? last : row, chord ? column : this.columns.length - 1);
    } else if ((event.key === "Enter" || event.key === " ") && row < 0) this.sort(column, event.shiftKey);
    else if (event.key === "Escape") {
      this.range = null;
      this.drawSelection();
    } else handled = false;
    if (handled) event.preventDefault();
  }

  pointed(event) {
    const cell = event.target.closest("td, th");
    if (!cell || event.button !== 0 || event.target.closest("a")) return;
    if (cell.tagName === "TD") {
      this.focus(this.cornerOf(cell), event.shiftKey);
      if (event.shiftKey) event.preventDefault();
    }
  }

  clicked(event) {
    const cell = event.target.closest("td, th");
    if (!cell) return;
    if (cell.tagName === "TH") this.sort(cell.cellIndex, event.shiftKey);
    else if (cell.classList.contains("cx-id") && !event.shiftKey) {
      copy(cellText(cell.parentElement.shown[cell.cellIndex]));
      play(cell, "copied");
      this.announce("id copied", true);
    }
  }

  sort(column, add) {
    this.cursor = { key: null, column, row: -1 };
    this.send({ type: "sort", column: this.columns[column].name, add });
  }

  copySelection(cell) {
    const selection = this.selection();
    if (cell.tagName === "TH" || !selection) {
      copy(cell.querySelector(".cx-name")?.textContent ?? cell.textContent);
      return;
    }
    const { places, columns } = selection;
    const rows = this.rows.slice(places[0], places[1] + 1).map(([, cells]) => cells.slice(columns[0], columns[1] + 1));
    copy(tsv(rows));
    this.announce(counted(rows.length * rows[0].length, "cell") + " copied", true);
  }
}

// ---------------------------------------------------------------------------------------------------------- tree

/** Draw a tree; `open` remembers, by path, what the reader has opened or closed. */
function drawTree(node, open, path = "") {
  const line = element("span", "cx-label", node.label);
  if (!node.items) {
    const leaf = element("div", "cx-leaf");
    const value = element("span", typeof node.cell === "string" ? "cx-string" : "cx-value");
    drawCell(value, node.cell);
    leaf.append(...(node.label ? [line] : []), value);
    return leaf;
  }
  const branch = element("details", "cx-branch");
  const here = `${path}/${node.label}`;
  branch.open = open.get(here) ?? path === "";
  branch.addEventListener("toggle", () => open.set(here, branch.open));
  const summary = element("summary");
  summary.append(...(node.label ? [line] : []), element("span", "cx-preview", node.preview), element("span", "cx-size", node.size));
  branch.append(summary, ...node.items.map((item) => drawTree(item, open, here)));
  if (node.more) branch.append(element("div", "cx-leaf cx-null", `… ${node.more.toLocaleString("en-US")} more`));
  return branch;
}

// ---------------------------------------------------------------------------------------------------------- view

const WORDS = { empty: "live" };

/** One view of a model: header, band, body, footer. */
class View {
  constructor(el, send) {
    this.send = send;
    this.root = element("div", "cx");
    this.title = element("div", "cx-title");
    this.dot = element("span", "cx-dot");
    this.word = element("span", "cx-word");
    this.hold = button("", "pause", () => this.send({ type: this.state.head.state === "paused" ? "resume" : "pause" }));
    const header = element("div", "cx-head");
    const state = element("span", "cx-state");
    state.append(this.dot, this.word);
    header.append(this.title, state, this.hold);
    this.band = element("div", "cx-band");
    this.band.setAttribute("role", "status");
    this.middle = element("div", "cx-middle");
    this.facts = element("span", "cx-facts");
    this.pager = element("span", "cx-pager");
    const footer = element("div", "cx-foot");
    footer.append(this.facts, this.pager);
    this.said = element("div", "cx-said");
    this.said.setAttribute("aria-live", "polite");
    this.root.append(header, this.band, this.middle, footer, this.said);
    this.root.addEventListener("keydown", (event) => {
      // A plain key would be a command of the notebook (b inserts a cell); chords, such as Ctrl+S, stay the notebook's.
      if (!event.ctrlKey && !event.metaKey) event.stopPropagation();
    });
    this.open = new Map();
    this.grid = null;
    this.announced = 0;
    el.append(this.root);
  }

  draw(state, alive) {
    const before = this.state;
    const fresh = !before || state.whole;
    this.state = state;
    const { head } = state;
    const shown = !alive ? "stale" : head.state === "live" && head.kind === "table" && head.rows === 0 ? "empty" : head.state;
    this.drawHeader(head, shown);
    this.drawBand(head, shown);
    this.middle.hidden = shown === "error" && head.kind === "table" && head.columns.length === 0;
    if (before !== state || !this.middle.childElementCount) this.drawBody(state, shown, fresh);
    this.drawFooter(head);
    const { dataset } = this.root;
    dataset.state = shown;
    dataset.rows = String(head.rows);
    dataset.ts = head.timestamp;
    dataset.path = head.path;
    dataset.kind = head.kind;
    dataset.sequence = String(state.sequence);
    if (before && before.head.timestamp !== head.timestamp) {
      if (!reducedMotion()) play(this.dot, "pulse");
      if (head.kind === "table") this.announce(`${head.path} updated, ${counted(head.rows, "row")}`);
    }
  }

  drawHeader(head, shown) {
    const signature = JSON.stringify([head.path, head.arguments]);
    if (this.signature !== signature) {
      this.signature = signature;
      const chips = head.arguments.map(([name, text]) => {
        const chip = element("span", "cx-argument");
        chip.append(element("span", "cx-key", name), element("span", "cx-mono", text));
        chip.title = `${name} = ${text}`;
        return chip;
      });
      this.title.replaceChildren(element("span", "cx-path", head.path), ...chips);
    }
    this.word.textContent = WORDS[shown] ?? shown;
    const paused = head.state === "paused";
    this.hold.textContent = paused ? "▶" : "❚❚";
    this.hold.title = paused ? "catch up with the newest commit" : "pause this view";
    this.hold.setAttribute("aria-label", this.hold.title);
    this.hold.hidden = shown === "stale" || shown === "loading";
  }

  drawBand(head, shown) {
    const signature = JSON.stringify([shown, head.problem, head.note]);
    if (this.bandSignature === signature) return;
    this.bandSignature = signature;
    this.band.replaceChildren();
    const { problem, note } = head;
    if (shown === "error" && problem) {
      this.band.append(element("div", "cx-message", problem.message));
      if (problem.traceback) {
        const details = element("details");
        details.append(element("summary", "", "show traceback"), element("pre", "", problem.traceback));
        this.band.append(details);
      }
    } else if (shown === "stale") {
      const seen = clock(commitDate(head.timestamp));
      this.band.append(element("div", "cx-message", note || `The kernel has stopped. These are the rows of ${seen}.`));
    } else if (shown === "paused") {
      this.band.append(element("div", "cx-message", note || "Paused. Commits go on, this view waits."));
    }
    this.band.hidden = !this.band.childElementCount;
  }

  drawBody(state, shown, fresh) {
    const { head } = state;
    if (head.state === "loading") return this.replaceBody("loading", () => skeleton(head.note));
    if (head.kind === "figure") {
      this.replaceBody("figure", () => element("output", "cx-figure"));
      const output = this.middle.firstElementChild;
      const text = cellText(state.body);
      const changed = this.figure !== undefined && this.figure !== text;
      this.figure = text;
      drawCell(output, state.body);
      output.classList.toggle("cx-long", text.length > 40);
      if (changed && !fresh && !reducedMotion()) play(output, "cell");
      return undefined;
    }
    if (head.kind === "tree") {
      this.replaceBody("tree", () => element("div", "cx-tree"));
      if (state.body) this.middle.firstElementChild.replaceChildren(drawTree(state.body, this.open));
      return undefined;
    }
    this.replaceBody("table", () => {
      this.grid = new Grid(this.send, (text, now) => this.announce(text, now));
      this.empty = element("div", "cx-empty");
      const frame = element("div", "cx-frame");
      frame.append(this.grid.root, this.grid.chip, this.empty);
      return frame;
    });
    this.grid.table.setAttribute("aria-label", head.path);
    this.grid.draw(state, fresh);
    this.grid.root.hidden = head.columns.length === 0;
    this.empty.hidden = head.rows > 0;
    this.empty.textContent = head.note || "No rows yet.";
    return undefined;
  }

  replaceBody(kind, make) {
    if (this.bodyKind === kind) return;
    this.bodyKind = kind;
    this.grid = null;
    this.middle.replaceChildren(make());
  }

  drawFooter(head) {
    const facts = [];
    if (head.kind === "table" && !this.middle.hidden) facts.push(counted(head.rows, "row"));
    if (head.state !== "loading") {
      facts.push(took(head.duration));
      facts.push(clock(commitDate(head.timestamp)));
    }
    this.facts.textContent = facts.join(" · ");
    this.facts.title = head.timestamp === "0" ? "" : `commit ${head.timestamp}: ${commitDate(head.timestamp).toISOString()}`;
    const paged = head.kind === "table" && head.rows > PAGE_ROWS;
    this.pager.hidden = !paged;
    if (!paged) return;
    if (!this.pagerParts) {
      const turn = (to) => () => this.grid?.turn(to());
      const start = () => this.state.head.start;
      this.pagerParts = {
        first: button("⇤", "first page", turn(() => 0)),
        previous: button("‹", "previous page", turn(() => start() - PAGE_ROWS)),
        place: element("span", "cx-place"),
        next: button("›", "next page", turn(() => start() + PAGE_ROWS)),
        last: button("⇥", "last page", turn(() => Infinity)),
      };
      this.pager.append(...Object.values(this.pagerParts));
    }
    const { first, previous, place, next, last } = this.pagerParts;
    const end = Math.min(head.start + PAGE_ROWS, head.rows);
    const number = (value) => value.toLocaleString("en-US");
    place.textContent = `${number(head.start + 1)}–${number(end)} of ${number(head.rows)}`;
    first.disabled = previous.disabled = head.start === 0;
    next.disabled = last.disabled = end >= head.rows;
  }

  announce(text, now = false) {
    const time = Date.now();
    if (!now && time - this.announced < ANNOUNCE_MS) return;
    this.announced = time;
    this.said.textContent = text;
  }
}

function skeleton(note) {
  const made = element("div", "cx-skeleton");
  if (note) made.append(element("div", "cx-empty", note));
  else for (let line = 0; line < 3; line++) made.append(element("div", "cx-bar"));
  return made;
}

// --------------------------------------------------------------------------------------------------------- model

/** Hide the static twin of this view, the table that readers without a kernel see. */
function hideTwin(mark) {
  if (!mark) return () => {};
  const style = element("style");
  style.textContent = `.jp-OutputArea-child:has([data-convex-static="${CSS.escape(mark)}"]) { display: none; }`;
  document.head.append(style);
  return () => style.remove();
}

/** One instance of this module serves one model: its state here, its views beside it. */
export default function live() {
  const tab = Math.random().toString(36).slice(2);
  const views = new Set();
  let state = null;
  let alive = true;
  let frame = 0;
  let model = null;

  const send = (message) => alive && model.send({ ...message, tab });
  const hello = () => send({ type: "hello", sequence: state?.sequence ?? -1 });
  const draw = () => {
    frame = 0;
    for (const view of views) view.draw(state, alive);
    send({ type: "drawn", sequence: state.sequence });
  };
  const schedule = () => {
    if (!frame && views.size && !document.hidden) frame = requestAnimationFrame(draw);
  };
  const visibility = () => {
    if (document.hidden) send({ type: "hidden" });
    else if (views.size) {
      schedule();
      hello();
    }
  };
  const receive = (message) => {
    if (message.type !== "update") return;
    const next = applyUpdate(state, message);
    if (next === null) {
      hello(); // a message was lost: ask for the whole
      return;
    }
    state = { ...next, whole: message.base === null };
    schedule();
  };

  return {
    initialize({ model: given }) {
      model = given;
      state = { ...applyUpdate(null, model.get("snapshot")), whole: true };
      const died = () => {
        alive = false;
        for (const view of views) view.draw(state, alive);
      };
      model.on("msg:custom", receive);
      model.on("comm_live_update", died);
      document.addEventListener("visibilitychange", visibility);
      return () => {
        model.off("msg:custom", receive);
        model.off("comm_live_update", died);
        document.removeEventListener("visibilitychange", visibility);
      };
    },
    render({ model: given, el }) {
      const view = new View(el, send);
      const show = hideTwin(given.get("mark"));
      views.add(view);
      view.draw({ ...state, whole: true }, alive);
      if (!document.hidden) hello();
      return () => {
        views.delete(view);
        show();
        if (!views.size) send({ type: "hidden" });
      };
    },
  };
}
