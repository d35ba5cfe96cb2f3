// The heads of a table: by them a reader sorts, and makes columns wider, narrower, or moves them.

import { element } from "./elements.js";

const NARROWEST = 40;
const STEP = 16; // pixels of a width, for one key
const DRAG = 6; // pixels from which a press is a drag
const HELP = "click to sort, Shift+click to sort by this as well\ndrag to move (Shift+← →), drag its edge for the width (Alt+← →)";

/** How the columns are arranged, as the kernel is told, with what changes. */
export function arrangement(head, change) {
  const shown = new Set(head.columns.map(({ name }) => name));
  return { order: head.fields, hidden: head.fields.filter((name) => !shown.has(name)), widths: head.widths, ...change };
}

/** Names in the order in which `name` stands beside another one. */
export function movedBeside(names, name, other, after) {
  const rest = names.filter((each) => each !== name);
  rest.splice(rest.indexOf(other) + (after ? 1 : 0), 0, name);
  return rest;
}

export class Heads {
  constructor(table, send, announce) {
    this.table = table;
    this.root = element("thead");
    this.send = send;
    this.announce = announce;
    this.columns = null;
    this.root.onpointerdown = (event) => this.pressed(event);
    this.root.ondblclick = (event) => {
      if (this.onGrip) this.setWidth(event.target.closest("th").cellIndex, null);
    };
  }

  get cells() {
    return this.root.rows[0].cells;
  }

  /** Draw the heads; say whether there are other columns now, and so no row yet. */
  draw(head) {
    // By content: a whole that comes in between must not take the rows away, and with them what is being entered.
    const others = JSON.stringify(this.columns) !== JSON.stringify(head.columns);
    this.head = head;
    if (others) this.drawColumns(head.columns);
    this.drawSort(head.sort);
    if (others || this.widths !== head.widths) {
      this.widths = head.widths;
      this.columns.forEach((_, number) => this.fit(number));
    }
    return others;
  }

  drawColumns(columns) {
    this.columns = columns;
    const tr = element("tr");
    tr.role = "row";
    tr.ariaRowIndex = "1";
    columns.forEach((column, number) => {
      const th = element("th", `cx-${column.align}${column.system ? " cx-system" : ""}`);
      th.scope = "col";
      th.tabIndex = -1;
      th.role = "columnheader";
      th.ariaColIndex = number + 1;
      const line = element("div", "cx-th");
      line.append(element("span", "cx-name", column.name), element("span", "cx-type", column.type), element("span", "cx-arrow"));
      th.title = `${column.name}: ${column.type}\n${HELP}`;
      th.append(line, element("span", "cx-grip"));
      tr.append(th);
    });
    this.root.replaceChildren(tr);
    this.table.tBodies[0].replaceChildren();
    this.table.ariaColCount = columns.length;
  }

  drawSort(sort) {
    this.columns.forEach((column, number) => {
      const th = this.cells[number];
      const place = sort.findIndex((key) => key.column === column.name);
      const direction = place < 0 ? "none" : sort[place].descending ? "descending" : "ascending";
      th.ariaSort = direction;
      const arrow = direction === "none" ? "" : direction === "ascending" ? "↑" : "↓";
      th.querySelector(".cx-arrow").textContent = arrow + (arrow && sort.length > 1 ? place + 1 : "");
    });
  }

  sort(number, add) {
    this.send({ type: "sort", column: this.columns[number].name, add });
  }

  // -- widths

  /** Give a column the width that the reader chose for it, if there is one. */
  fit(number, width = this.widths[this.columns[number].name]) {
    const text = width ? `${width}px` : "";
    Object.assign(this.cells[number].style, { width: text, minWidth: text, maxWidth: text });
    for (const tr of this.table.tBodies[0].rows) this.fitCell(tr.cells[number], number, width);
  }

  fitCell(td, number, width = this.widths[this.columns[number].name]) {
    td.style.maxWidth = width ? `${width}px` : "";
  }

  setWidth(number, width) {
    const { name } = this.columns[number];
    const widths = Object.fromEntries(Object.entries(this.widths).filter(([other]) => other !== name));
    if (width) widths[name] = Math.max(NARROWEST, Math.round(width));
    this.widths = widths;
    this.fit(number);
    this.arrange({ widths });
  }

  arrange(change) {
    this.send({ type: "arrange", ...arrangement(this.head, { widths: this.widths, ...change }) });
  }

  /** Columns only grow, so that a longer value does not make the whole table jump back and forth. */
  keepWidthsSoon(fresh) {
    const own = (th) => !this.widths[this.columns[th.cellIndex].name];
    if (fresh) for (const th of this.cells) if (own(th)) th.style.minWidth = "";
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      // To ask a table out of sight for its widths would lay it out for nobody.
      if (this.table.checkVisibility?.({ contentVisibilityAuto: true }) === false) return;
      const ths = [...this.cells].filter(own);
      const widths = ths.map((th) => `${th.offsetWidth}px`);
      ths.forEach((th, number) => {
        if (widths[number] !== "0px" && th.style.minWidth !== widths[number]) th.style.minWidth = widths[number];
      });
    }, 200);
  }

  // -- by hand

  /** A press on a head's edge drags its width, one on the head itself its column. */
  pressed(event) {
    const th = event.target.closest("th");
    if (!th || event.button !== 0) return;
    const [start, width] = [event.clientX, th.offsetWidth];
    const isGrip = event.target.classList.contains("cx-grip");
    let drop = null;
    this.dragged = this.onGrip = isGrip;
    th.setPointerCapture(event.pointerId); // from now on the pointer is the head's, wherever it goes
    th.onpointermove = ({ clientX }) => {
      this.dragged ||= Math.abs(clientX - start) >= DRAG;
      if (isGrip) this.fit(th.cellIndex, Math.max(NARROWEST, width + clientX - start));
      else if (this.dragged) drop = this.drawDrop(th, clientX);
    };
    th.onpointerup = th.onpointercancel = ({ type, clientX }) => {
      th.onpointermove = th.onpointerup = th.onpointercancel = null;
      drop?.classList.remove("cx-drop");
      if (type === "pointercancel") this.fit(th.cellIndex);
      else if (isGrip && clientX !== start) this.setWidth(th.cellIndex, width + clientX - start);
      else if (drop) this.shift(th.cellIndex, drop.cellIndex - th.cellIndex);
    };
  }

  /** Show in whose place the column would go: that of the head at `x`, null for its own. */
  drawDrop(th, x) {
    let drop = null;
    for (const each of this.cells) {
      const { left, right } = each.getBoundingClientRect();
      if (each !== th && left <= x && x < right) drop = each;
      each.classList.toggle("cx-drop", drop === each);
    }
    return drop;
  }

  /** Move a column by so many places; say whether it could. */
  shift(number, by) {
    const other = this.columns[number + by];
    if (!other) return false;
    const { name } = this.columns[number];
    this.arrange({ order: movedBeside(this.head.fields, name, other.name, by > 0) });
    this.announce(`${name} is column ${number + by + 1}`, true);
    return true;
  }

  widen(number, by) {
    this.setWidth(number, this.cells[number].offsetWidth + by * STEP);
    this.announce(`${this.columns[number].name} ${this.cells[number].offsetWidth} pixels wide`, true);
  }
}
