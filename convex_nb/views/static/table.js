// The grid of a table.

import { cellText, drawCell, tsv } from "./cells.js";
import { openEditor, showRefusal } from "./edit.js";
import { button, copy, dot, element, play, reducedMotion } from "./elements.js";
import { Heads } from "./heads.js";
import { counted, grouped } from "./words.js";

const FLASH_SHARE = 0.2; // more changed rows than this, and more than FLASH_ROWS, is a new page rather than an event
const FLASH_ROWS = 5;

/** Whether so many changed rows of a page are worth a flash. */
export const isEvent = (/** @type {number} */ changed, /** @type {number} */ rows) =>
  changed > 0 && changed <= Math.max(FLASH_ROWS, rows * FLASH_SHARE);

/** The grid of one view: rows keyed, patched in place, with the reader's scroll, focus and selection kept. */
export class Grid {
  constructor(send, announce, open) {
    this.send = send;
    this.open = open; // shows what a cell holds
    this.announce = announce;
    this.root = element("div", "cx-scroll");
    this.table = element("table");
    this.table.role = "grid";
    this.heads = new Heads(this.table, send, announce);
    this.head = this.heads.root;
    this.body = element("tbody");
    this.table.append(this.head, this.body);
    this.chip = button("", "show the newest rows", () => this.toTop());
    this.chip.className = "cx-chip";
    this.chip.hidden = true;
    this.root.append(this.table);
    this.trs = new Map();
    this.rows = [];
    this.cursor = null; // {key | null for the heads, column, row: last known place}
    this.range = null; // the other corner of the selection, {key, column}
    this.newAbove = 0;
    this.top = 0; // as the last scroll event said: to ask the element would cost a layout for each view and draw
    this.pendingFocus = null;
    this.root.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.table.onkeydown = (event) => this.key(event);
    this.table.onmousedown = (event) => this.pointed(event);
    this.table.onclick = (event) => this.clicked(event);
    this.table.ondblclick = (event) => {
      const td = event.target.closest("td");
      if (td && !event.target.closest("button, a")) this.edit(td) || this.look(td);
    };
  }

  draw(state, fresh) {
    const { head, rows } = state;
    const shape = JSON.stringify([head.columns, rows.map(([key]) => key)]);
    this.late = null;
    if (this.shape !== shape && this.waits(() => this.draw(state, fresh))) return;
    this.shape = shape;
    const anchor = fresh ? null : this.firstVisible();
    this.state = state;
    // The browser takes the focus from what leaves the page.
    this.hadFocus = this.table.contains(document.activeElement);
    const isRearranged = this.heads.draw(head);
    if (isRearranged) this.trs.clear();
    const effects = this.drawRows(rows, head, fresh || isRearranged);
    this.rows = rows;
    this.table.ariaRowCount = head.rows + 1;
    if (anchor && anchor.tr.isConnected) {
      this.root.scrollTop = this.top += anchor.tr.offsetTop - anchor.top;
      this.newAbove += effects.inserted.filter((tr) => tr.offsetTop < anchor.tr.offsetTop).length;
    }
    if (fresh) this.newAbove = 0;
    this.heads.keepWidthsSoon(fresh);
    this.drawChip(head);
    this.restoreCursor();
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
          if (cell !== before[number] && !tr.cells[number].dataset.editing) {
            tr.cells[number].classList.remove("cx-pending");
            drawCell(tr.cells[number], cell);
            changed.push(tr.cells[number]);
          }
        });
        tr.shown = cells;
      }
      tr.ariaRowIndex = head.start + place + 2;
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
    tr.role = "row";
    tr.dataset.key = key;
    tr.shown = cells;
    cells.forEach((cell, number) => {
      const column = this.columns[number];
      const td = element("td", `cx-${column.align}${column.system ? " cx-system" : ""}`);
      td.tabIndex = -1;
      td.role = "gridcell";
      td.ariaColIndex = number + 1;
      const { edit } = this.state.head;
      if (edit) {
        td.ariaReadOnly = !edit[column.name];
        td.classList.toggle("cx-editable", Boolean(edit[column.name]));
      }
      drawCell(td, cell);
      this.heads.fitCell(td, number);
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
    tr.ariaHidden = "true";
    play(tr, "gone");
    setTimeout(() => tr.remove(), 200);
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
    this.chip.textContent = `↑ ${grouped(above)} new above`;
  }

  toTop() {
    this.anchored = false;
    this.newAbove = this.root.scrollTop = this.top = 0;
    this.send({ type: "page", start: 0 });
    this.drawChip({ above: 0 });
  }

  turn(start, focusRow = null) {
    const { rows, size, start: now } = this.state.head;
    const last = Math.max(0, Math.ceil(rows / size) - 1) * size;
    const target = Math.max(0, Math.min(start, last));
    if (target === now && !this.state.head.above) return false;
    this.pendingFocus = focusRow;
    this.root.scrollTop = this.top = 0;
    this.anchored = false;
    this.send({ type: "page", start: target });
    return true;
  }

  // -- focus, selection, keys

  get columns() {
    return this.heads.columns;
  }

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
      if (this.hadFocus && this.cursor) this.focus(this.cursor);
      else if (this.cursor) this.selectSoon(this.cursor.key);
    } else if (this.hadFocus && this.cursor && !this.table.contains(document.activeElement)) this.focus(this.cursor);
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
    this.selectSoon(corner.key);
    if (this.tabStop) this.tabStop.tabIndex = -1;
    cell.tabIndex = 0;
    this.tabStop = cell;
    cell.focus({ preventScroll: true });
    this.reveal(cell);
    this.drawSelection();
  }

  /** Tell the kernel in which row the reader is, once they have come to rest there. */
  selectSoon(key) {
    clearTimeout(this.selectTimer);
    if (key === null || key === this.selected || key.startsWith("#")) return;
    this.selectTimer = setTimeout(() => {
      this.selected = key;
      this.send({ type: "select", key });
    }, 120);
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

  unselect() {
    this.range = null;
    this.drawSelection();
  }

  drawSelection() {
    const row = this.cursor && this.trs.get(this.cursor.key);
    if (row !== this.current) {
      this.current?.classList.remove("cx-current");
      row?.classList.add("cx-current");
      this.current = row;
    }
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
    if (!cell || !this.table.contains(cell) || cell.dataset.editing) return;
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
    const { start, size } = this.state.head;
    const last = this.rows.length - 1;
    const down = (by) => (row < last || !this.turn(start + size, 0)) && go(row + by, column);
    const up = (by) => {
      if (row !== 0 || start === 0 || !this.turn(start - size, -1)) go(by > 1 && row >= 0 ? Math.max(0, row - by) : row - by, column);
    };
    const across = (by) => {
      if (row < 0 && event.altKey) this.heads.widen(column, by);
      else if (row < 0 && event.shiftKey) this.cursor.column += this.heads.shift(column, by) ? by : 0;
      else go(row, column + by);
    };
    const keys = {
      ArrowDown: () => down(1),
      ArrowUp: () => up(1),
      PageDown: () => down(visible),
      PageUp: () => up(visible),
      ArrowLeft: () => across(-1),
      ArrowRight: () => across(1),
      Home: () => go(row, 0),
      End: () => go(row, Infinity),
      Enter: () => (row < 0 ? this.sort(column, event.shiftKey) : this.edit(cell) || this.look(cell)),
      " ": () => (row < 0 ? this.sort(column, event.shiftKey) : this.look(cell)),
      F2: () => row < 0 || this.edit(cell),
      Escape: this.range && (() => this.unselect()),
    };
    const chords = {
      Home: () => this.turn(0, 0) || go(0, column),
      End: () => this.turn(Infinity, -1) || go(last, column),
    };
    const act = (chord ? chords : keys)[event.key];
    if (!act) return;
    act();
    event.preventDefault();
  }

  pointed(event) {
    const cell = event.target.closest("td, th");
    if (!cell || event.button !== 0 || event.target.closest("a") || cell.dataset.editing) return;
    if (cell.tagName === "TD") {
      this.focus(this.cornerOf(cell), event.shiftKey);
      if (event.shiftKey || event.target.tagName === "BUTTON") event.preventDefault(); // the focus is the cell's
    }
  }

  clicked(event) {
    const cell = event.target.closest("td, th");
    if (!cell) return;
    if (cell.tagName === "TH") {
      if (!this.heads.dragged) this.sort(cell.cellIndex, event.shiftKey);
      this.heads.dragged = false;
    }
  }

  // -- editing

  /** Show below the table what a cell holds. */
  look(td) {
    this.open({ key: td.parentElement.dataset.key, column: this.columns[td.cellIndex].name }, true);
  }

  /** Open a cell's editor, if its column has one and its value fits into the cell. */
  edit(td) {
    const column = this.columns[td.cellIndex];
    const field = this.state.head.edit?.[column.name];
    const { key } = td.parentElement.dataset;
    if (!field || td.dataset.editing || key.startsWith("#")) return false;
    const now = () => td.parentElement?.shown[td.cellIndex];
    if (field.kind === "any" || now()?.k === "text" || /\n/.test(now())) return false;
    const back = (stays) => {
      drawCell(td, now());
      if (stays && td.isConnected) td.focus({ preventScroll: true });
      this.late?.();
    };
    const done = (entry, text) => {
      if (!this.send({ type: "edit", key, column: column.name, entry })) return back(true);
      td.textContent = text;
      td.classList.add("cx-pending");
      td.focus({ preventScroll: true });
      return this.late?.();
    };
    openEditor(td, field, now(), done, back);
    return true;
  }

  /** What would take away the box in which the reader writes waits until they are done; say whether it does. */
  waits(draw) {
    const box = this.table.querySelector(".cx-edit");
    this.late = box?.matches(":focus") ? draw : null;
    // Out of the page a box loses the focus, and not every browser says so.
    if (!this.late) box?.onblur();
    return this.late;
  }

  /** The kernel has run the mutation of an edited cell, or refused it. */
  edited({ key, column, problem }) {
    const td = this.trs.get(key)?.cells[this.columns.findIndex(({ name }) => name === column)];
    if (!td) return;
    td.classList.remove("cx-pending");
    if (problem) {
      drawCell(td, td.parentElement.shown[td.cellIndex]);
      showRefusal(this.root.parentElement, td, problem);
    } else {
      // The row follows with the next update; where nothing has changed, none comes.
      setTimeout(() => td.dataset.editing || (td.isConnected && drawCell(td, td.parentElement.shown[td.cellIndex])), 600);
    }
  }

  sort(column, add) {
    this.cursor = { key: null, column, row: -1 };
    this.heads.sort(column, add);
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
