// A view on the page: its header, its bands, what it shows, and its footer.

import { cellText, drawCell } from "./cells.js";
import { Chooser } from "./chooser.js";
import { button, element, play, reducedMotion } from "./elements.js";
import { Grid } from "./table.js";
import { Panel } from "./panel.js";
import { drawTree } from "./tree.js";
import { clock, commitDate, counted, grouped, took } from "./words.js";

const ANNOUNCE_MS = 5000;
const FORMATS = [["csv", "CSV"], ["parquet", "Parquet"]];
const TYPING_MS = 150;
const WORDS = { empty: "live" };

/** One view of a model: header, band, body, footer. */
export class View {
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
    this.filter = filterBox((text) => this.send({ type: "filter", text }));
    this.chooser = new Chooser(send);
    header.append(this.title, this.chooser.button, this.filter, state, this.hold);
    this.band = element("div", "cx-band");
    this.band.role = "status";
    this.middle = element("div", "cx-middle");
    this.facts = element("span", "cx-facts");
    this.pager = element("span", "cx-pager");
    this.more = button("Load more", "load the next page", () => {
      this.more.disabled = true;
      this.send({ type: "more", sequence: this.state.sequence });
    });
    this.more.classList.add("cx-more");
    const footer = element("div", "cx-foot");
    this.files = element("span", "cx-files");
    for (const [format, name] of FORMATS) {
      this.files.append(button(name, `download all rows as ${name}`, () => this.send({ type: "export", format })));
    }
    footer.append(this.facts, this.more, this.pager, this.files);
    this.said = element("div", "cx-said");
    this.said.ariaLive = "polite";
    this.panel = new Panel(send, () => this.grid?.focus(this.grid.cursor));
    this.root.append(header, this.chooser.root, this.band, this.middle, this.panel.root, footer, this.said);
    this.root.addEventListener("click", (event) => {
      const jump = event.target.closest(".cx-jump");
      if (jump) this.panel.follow(jump, event);
    });
    this.root.addEventListener("keydown", (event) => {
      // A plain key would be a command of the notebook (b inserts a cell); chords, such as Ctrl+S, stay the notebook's.
      if (!event.ctrlKey && !event.metaKey) event.stopPropagation();
      if (event.key === "Escape" && !event.defaultPrevented && event.target !== this.filter) this.panel.shut();
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
    const shown = !alive ? "stale" : head.state === "live" && head.kind === "table" && head.total === 0 ? "empty" : head.state;
    this.drawHeader(head, shown);
    this.drawBand(head, shown);
    this.middle.hidden = head.state === "error" && head.kind === "table" && head.columns.length === 0;
    if (before !== state || !this.middle.childElementCount) this.drawBody(state, fresh);
    this.panel.draw(head);
    this.drawFooter(head);
    if (!alive) this.files.hidden = true;
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
    this.word.textContent = WORDS[shown] ?? (head.state === "loading" && head.note ? "waiting" : shown);
    const paused = head.state === "paused";
    this.hold.textContent = paused ? "▶" : "❚❚";
    this.hold.title = paused ? "catch up with the newest commit" : "pause this view";
    this.hold.ariaLabel = this.hold.title;
    this.hold.hidden = shown === "stale" || shown === "loading";
    this.chooser.draw(head, shown !== "stale");
    this.filter.hidden = head.kind !== "table" || shown === "stale" || (head.total < 2 && !head.filter);
    if (this.filter !== document.activeElement) this.filter.value = head.filter;
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
      const seen = +head.timestamp ? ` This was the answer at ${clock(commitDate(head.timestamp))}.` : "";
      const last = problem ? `\n${problem.message}` : "";
      this.band.append(element("div", "cx-message", `The kernel has stopped.${seen}${last}`));
    } else if (shown === "paused") {
      const catchUp = button("Catch up", "catch up with the newest commit", () => this.send({ type: "resume" }));
      catchUp.classList.add("cx-more");
      this.band.append(element("div", "cx-message", note), catchUp);
    }
    this.band.hidden = !this.band.childElementCount;
  }

  drawBody(state, fresh) {
    const { head, body } = state;
    const kind = head.state === "loading" ? "loading" : head.kind;
    if (kind === "table") return this.drawTable(state, fresh);
    if (this.grid?.waits(() => this.drawBody(state, fresh))) return;
    this.replaceBody(kind, () => (kind === "loading" ? skeleton(head.note) : element(kind === "tree" ? "div" : "output", `cx-${kind}`)));
    const made = this.middle.firstElementChild;
    if (kind === "tree" && body) made.replaceChildren(drawTree(body, this.open));
    if (kind !== "figure") return;
    const text = cellText(body);
    const changed = this.figure !== undefined && this.figure !== text;
    this.figure = text;
    drawCell(made, body);
    made.classList.toggle("cx-long", text.length > 40);
    if (changed && !fresh && !reducedMotion()) play(made, "cell");
  }

  drawTable(state, fresh) {
    const { head } = state;
    this.replaceBody("table", () => {
      const open = (what, takesFocus) => this.panel.ask(what, takesFocus);
      this.grid = new Grid(this.send, (text, now) => this.announce(text, now), open);
      this.empty = element("div", "cx-empty");
      const frame = element("div", "cx-frame");
      frame.append(this.grid.root, this.grid.chip, this.empty);
      return frame;
    });
    this.grid.table.ariaLabel = head.path;
    this.grid.draw(state, fresh);
    this.grid.root.hidden = head.columns.length === 0;
    this.empty.hidden = head.rows > 0;
    this.empty.textContent = head.note || "No rows yet.";
  }

  replaceBody(kind, make) {
    if (this.bodyKind === kind) return;
    this.bodyKind = kind;
    this.grid = null;
    this.middle.replaceChildren(make());
  }

  drawFooter(head) {
    const facts = [];
    if (head.state !== "loading") {
      if (head.kind === "table" && !this.middle.hidden) {
        const total = counted(head.total, "row");
        facts.push(head.filter ? `${grouped(head.rows)} of ${total}` : total);
      }
      facts.push(took(head.duration), clock(commitDate(head.timestamp)));
    }
    this.facts.textContent = facts.join(" · ");
    this.facts.title = head.timestamp === "0" ? "" : `commit ${head.timestamp}: ${commitDate(head.timestamp).toISOString()}`;
    this.drawMore(head);
    this.files.hidden = head.kind !== "table" || head.rows === 0;
    const { size } = head;
    const paged = head.kind === "table" && head.rows > size;
    this.pager.hidden = !paged;
    if (!paged) return;
    if (!this.pagerParts) {
      const turn = (to) => () => this.grid?.turn(to());
      const start = () => this.state.head.start;
      this.pagerParts = {
        first: button("⇤", "first page", turn(() => 0)),
        previous: button("‹", "previous page", turn(() => start() - this.state.head.size)),
        place: element("span", "cx-place"),
        next: button("›", "next page", turn(() => start() + this.state.head.size)),
        last: button("⇥", "last page", turn(() => Infinity)),
      };
      this.pager.append(...Object.values(this.pagerParts));
    }
    const { first, previous, place, next, last } = this.pagerParts;
    const end = Math.min(head.start + size, head.rows);
    place.textContent = `${grouped(head.start + 1)}–${grouped(end)} of ${grouped(head.rows)}`;
    first.disabled = previous.disabled = head.start === 0;
    next.disabled = last.disabled = end >= head.rows;
  }

  /** The button that asks a paginated query for its next page. */
  drawMore({ more, state }) {
    this.more.hidden = !more || state === "loading";
    this.more.disabled = more !== "CanLoadMore" || state === "paused";
    this.more.textContent = more === "Exhausted" ? "All loaded" : more === "LoadingMore" ? "Loading…" : "Load more";
  }

  edited(answer) {
    if (!this.panel.edited(answer)) this.grid?.edited(answer);
  }

  announce(text, now = false) {
    const time = Date.now();
    if (!now && time - this.announced < ANNOUNCE_MS) return;
    this.announced = time;
    this.said.textContent = text;
  }
}

export /** The box whose words the rows of a table have to have. */
function filterBox(act) {
  const box = element("input", "cx-filter");
  Object.assign(box, { type: "search", placeholder: "Filter", spellcheck: false, autocomplete: "off" });
  box.title = 'words to find in a row, or in a field: author:ada  size>10  done=true  "two words"';
  box.ariaLabel = "filter rows";
  let timer = 0;
  const tell = () => {
    clearTimeout(timer);
    if (timer) act(box.value);
    timer = 0;
  };
  box.oninput = () => {
    clearTimeout(timer);
    timer = setTimeout(tell, TYPING_MS);
  };
  // Whoever leaves the box has done with it: the next update says what the kernel knows. To say it twice would turn
  // the page back.
  box.onchange = tell;
  return box;
}

function skeleton(note) {
  const made = element("div", "cx-skeleton");
  if (note) made.append(element("div", "cx-empty", note));
  else for (let line = 0; line < 3; line++) made.append(element("div", "cx-bar"));
  return made;
}
