// The dashboard: the browser's half of `Dashboard`. It draws the blocks of one page and says what its reader does; what
// there is to see and to do is made in the kernel. The shapes are those of `views/dashboard/blocks.py`.

import { drawBlock } from "./blocks.js";
import { connect } from "./connect.js";
import { button, element, play, reducedMotion } from "./elements.js";
import { clock, commitDate } from "./words.js";

const WORDS = { live: "live", updating: "updating", error: "error", stale: "stopped", loading: "loading", paused: "paused" };

/** One dashboard on the page: its tabs, and the blocks of the page that is open. */
class Dashboard {
  constructor(el, send, model) {
    this.send = send;
    this.root = element("div", "cx cx-dash");
    this.tabs = element("nav", "cx-tabs");
    this.tabs.ariaLabel = "pages of the dashboard";
    this.dot = element("span", "cx-dot");
    this.word = element("span", "cx-word");
    const state = element("span", "cx-state");
    state.append(this.dot, this.word);
    const head = element("div", "cx-head");
    head.append(this.tabs, state);
    this.band = element("div", "cx-band");
    this.band.role = "status";
    this.side = element("div", "cx-side");
    this.main = element("div", "cx-main");
    const body = element("div", "cx-body");
    body.append(this.side, this.main);
    this.root.append(head, this.band, body);
    this.drawn = new Map(); // block by key: what it was made of, and its element
    this.context = { act: (what) => this.send({ type: "do", ...what }), model };
    this.root.addEventListener("keydown", (event) => {
      // A plain key would be a command of the notebook; chords, such as Ctrl+S, stay the notebook's.
      if (!event.ctrlKey && !event.metaKey) event.stopPropagation();
    });
    el.append(this.root);
  }

  draw(state, alive) {
    const { head, rows } = state;
    const before = this.head;
    this.head = head;
    const shown = alive ? head.state : "stale";
    if (!before || before.page !== head.page || before.pages !== head.pages) this.drawTabs(head);
    this.word.textContent = WORDS[shown];
    this.dot.title = `as of ${clock(commitDate(head.timestamp))}`;
    const problem = head.problem?.message ?? (alive ? head.note : "The kernel has stopped. This is what the page said last.");
    this.band.hidden = !problem;
    this.band.textContent = problem;
    this.drawBlocks(rows.map(([, [block]]) => block));
    for (const control of this.root.querySelectorAll("button, input, select, textarea")) control.disabled ||= !alive;
    Object.assign(this.root.dataset, { state: shown, page: head.page, ts: head.timestamp, sequence: String(state.sequence) });
    if (before && before.timestamp !== head.timestamp && !reducedMotion()) play(this.dot, "pulse");
  }

  drawTabs({ page, pages }) {
    const hadFocus = this.tabs.contains(document.activeElement);
    const tabs = pages.map((name) => {
      const tab = button(name[0].toUpperCase() + name.slice(1), name, () => this.send({ type: "turn", page: name }));
      if (name === page) tab.ariaCurrent = "page";
      return tab;
    });
    this.tabs.replaceChildren(...tabs);
    if (hadFocus) tabs[pages.indexOf(page)]?.focus();
  }

  /** Bring the blocks of the page in order; those that say the same as before stay untouched, and so does the focus. */
  drawBlocks(blocks) {
    const keys = new Set(blocks.map(({ key }) => key));
    // First, so that what comes after them need not move: an element that moves loses the focus.
    for (const [key, { made }] of this.drawn) if (!keys.has(key)) made.remove();
    const kept = new Map();
    const places = { true: 0, false: 0 };
    for (const block of blocks) {
      const old = this.drawn.get(block.key);
      const made = old && JSON.stringify(old.block) === JSON.stringify(block) ? old.made : drawBlock(block, old, this.context);
      kept.set(block.key, { block, made });
      const parent = block.side ? this.side : this.main;
      const place = places[Boolean(block.side)]++;
      if (parent.children[place] !== made) {
        if (old && old.made !== made && old.made.parentNode === parent) old.made.replaceWith(made);
        if (parent.children[place] !== made) parent.insertBefore(made, parent.children[place] ?? null);
      }
      if (old && old.made !== made) this.refocus(old, made);
      else if (!old && block.asks) made.querySelector("input, button")?.focus();
    }
    for (const [key, { made }] of this.drawn) if (kept.get(key)?.made !== made) made.remove();
    this.drawn = kept;
    this.side.hidden = !places.true;
  }

  refocus({ focus }, made) {
    if (focus) made.querySelector(`[data-at="${CSS.escape(focus)}"]`)?.focus();
  }
}

export default function dashboard() {
  return connect((el, send, model) => new Dashboard(el, send, model));
}
