// The blocks that pages of the dashboard are made of.

import { drawCell } from "./cells.js";
import { drawChart } from "./chart.js";
import { button, copy, element, play, reducedMotion } from "./elements.js";

const FILE_MOST = 5e6;
let numbers = Math.floor(Math.random() * 1e12); // ids are the page's, and there may be other dashboards on it

/** Draw a block. `old` is what it was before, whose focus, scroll and entries are carried over; `act` tells the kernel. */
export function drawBlock(block, old, context) {
  const made = DRAW[block.kind](block, context, old);
  made.classList.add(`cx-b-${block.kind}`);
  made.dataset.tone = block.tone ?? "plain";
  made.dataset.block = block.key;
  if (old) {
    const active = document.activeElement;
    old.focus = old.made.contains(active) ? active.dataset.at : null;
    const [before, now] = [old.made, made].map((each) => each.querySelector(".cx-scroll"));
    if (before && now) {
      const { scrollLeft, scrollTop } = before; // outside of the page there is none, and neither one is there then
      queueMicrotask(() => now.scrollTo(scrollLeft, scrollTop));
    }
  }
  return made;
}

const DRAW = {
  words: ({ text }) => Object.assign(element("div", "", text), { role: "status" }),
  cards: ({ cards }) => {
    const made = element("div");
    for (const card of cards) {
      const box = element("section", "cx-card");
      box.dataset.tone = card.tone ?? "plain";
      box.append(element("div", "cx-card-title", card.title), element("div", "cx-card-figure", card.figure));
      if (card.note) box.append(element("div", "cx-soft", card.note));
      if (card.chart) box.append(...drawChart(card.chart));
      made.append(box);
    }
    return made;
  },
  list: ({ title, items, act }, context) => {
    const made = element("nav");
    made.ariaLabel = title;
    made.append(element("div", "cx-side-title", title));
    let list = null;
    const fresh = () => made.append((list = element("ul")));
    for (const { key, label, note, on } of items) {
      if (key === undefined) {
        made.append(element("div", "cx-group-title", label));
        fresh();
        continue;
      }
      if (!list) fresh();
      const line = element("button", "cx-item-button");
      line.type = "button";
      line.dataset.at = key;
      if (on) line.ariaCurrent = "true";
      line.append(element("span", "cx-label-text", label), element("span", "cx-soft", note ?? ""));
      line.onclick = () => context.act({ act, key });
      const item = element("li");
      item.append(line);
      list.append(item);
    }
    return made;
  },
  grid: ({ title, heads, lines, act, text }, context, old) => {
    const made = element("div");
    if (title) made.append(element("div", "cx-block-title", title));
    if (!lines.length) {
      made.append(element("div", "cx-soft", text));
      return made;
    }
    const known = new Set(old?.block.lines?.map(({ key }) => key));
    const table = element("table");
    table.ariaLabel = title || "rows";
    const head = element("tr");
    const right = heads.map((name) => name.startsWith(">"));
    const hasButtons = lines.some((line) => line.buttons);
    heads.forEach((name, place) => head.append(element("th", right[place] ? "cx-right" : "cx-left", name.replace(">", ""))));
    if (hasButtons) head.append(element("td"));
    const body = element("tbody");
    for (const line of lines) {
      const row = element("tr", line.on ? "cx-current" : "");
      row.dataset.tone = line.tone ?? "plain";
      row.dataset.key = line.key;
      line.cells.forEach((cell, place) => {
        const data = element("td", right[place] ? "cx-right" : "cx-left");
        drawCell(data, cell);
        if (typeof cell === "string") data.textContent = data.title = cell; // all of its lines
        row.append(data);
      });
      if (hasButtons) {
        const data = element("td", "cx-right");
        data.append(...(line.buttons ?? []).map((each) => drawButton({ key: line.key, ...each }, context)));
        row.append(data);
      }
      if (act) {
        const opener = element("button", "cx-open");
        opener.type = "button";
        opener.dataset.at = line.key;
        opener.ariaLabel = `open ${row.cells[0].textContent} ${row.cells[1]?.textContent ?? ""}`;
        opener.append(...row.cells[0].childNodes);
        row.cells[0].append(opener);
        row.onclick = () => getSelection().isCollapsed && context.act({ act, key: line.key });
      }
      if (old && known.size && !known.has(line.key) && !reducedMotion()) requestAnimationFrame(() => play(row, "row"));
      body.append(row);
    }
    const top = element("thead");
    top.append(head);
    table.append(top, body);
    const scroll = element("div", "cx-scroll");
    scroll.tabIndex = 0;
    scroll.role = "region";
    scroll.ariaLabel = table.ariaLabel;
    scroll.append(table);
    made.append(scroll);
    return made;
  },
  code: ({ title, text, open }, _context, old) => {
    const made = element("details");
    made.open = old ? old.made.open : open;
    const copied = button("Copy", `copy: ${title}`, () => {
      copy(text);
      play(copied, "copied");
    });
    copied.classList.add("cx-more");
    made.append(element("summary", "", title), copied, Object.assign(element("pre", "", text), { tabIndex: 0 }));
    return made;
  },
  bar: ({ buttons }, context) => {
    const made = element("div");
    made.append(...buttons.map((each) => drawButton(each, context)));
    return made;
  },
  form: (block, context, old) => {
    const made = element("form");
    const { rows, buttons, title, version, asks } = block;
    made.ariaLabel = title || block.key;
    if (asks) made.role = "alertdialog";
    if (title) made.append(element("div", "cx-block-title", title));
    const kept = old?.block.version === version ? new Map(entries(old.made)) : new Map();
    const was = new Map(old?.block.rows.flat().map(({ name, value }) => [name, value]));
    const send = (what, more) => context.act({ ...what, entries: { ...Object.fromEntries(entries(made)), ...more } });
    for (const row of rows) {
      const line = element("div", "cx-row");
      line.append(...row.map((field) => drawField(field, send, kept, was)));
      made.append(line);
    }
    const isShort = rows.length === 1 && buttons.length < 3 && rows[0].every(({ kind }) => kind !== "area");
    const foot = isShort ? made.lastChild : element("div", "cx-row");
    const first = buttons.find((each) => each.submits); // which Enter presses as well
    foot.append(...buttons.map((each) => drawButton(each, context, send, each === first)));
    if (!isShort && buttons.length) made.append(foot);
    made.onsubmit = (event) => {
      event.preventDefault();
      if (first) send({ act: first.act, key: first.key });
    };
    made.onkeydown = (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
        event.preventDefault();
        event.stopPropagation();
        made.requestSubmit();
      } else if (event.key === "Escape" && asks) context.act({ act: "cancel" });
    };
    return made;
  },
  picture: ({ text, source }) => {
    const made = element("div");
    made.append(Object.assign(element("img"), { src: source, alt: text }));
    return made;
  },
  view: ({ model }, context, old) => old?.made ?? embed(model, context),
};

function drawButton({ label, act, title, key, tone, on, submits, copies }, context, send, isFirst) {
  const made = button(label, title ?? label, () => {
    if (copies !== undefined) {
      copy(copies);
      play(made, "copied");
    } else if (!isFirst) (submits ? send : context.act)({ act, key });
  });
  made.ariaLabel = title && title !== label ? `${label}: ${title}` : label;
  made.classList.add("cx-more");
  made.dataset.tone = tone ?? "plain";
  made.dataset.at = `${act} ${key ?? ""}`;
  if (on !== undefined) made.ariaPressed = String(on);
  if (isFirst) made.type = "submit";
  return made;
}

function drawField({ name, label, kind, value = "", choices, hint, eager, wide }, send, kept, was) {
  const box = element(kind === "area" ? "textarea" : kind === "choice" ? "select" : "input", kind === "choice" ? "cx-select" : "cx-text");
  Object.assign(box, { id: `cx-entry-${++numbers}`, name, placeholder: hint ?? "", spellcheck: false, autocomplete: "off" });
  if (kind === "area") Object.assign(box, { rows: 5, className: "cx-text cx-mono" });
  if (kind === "secret") box.type = "password";
  if (kind === "file") box.type = "file";
  for (const [choice, text] of choices ?? []) {
    const option = element("option", "", text);
    option.value = choice;
    box.append(option);
  }
  if (kind === "file") {
    box.onchange = () => {
      readFile(box.files[0], (content) => send({ act: eager }, { [name]: content }));
      box.value = ""; // to choose the same file once more is a change then
    };
  } else {
    // What its reader has entered stays, unless the kernel says something new.
    box.value = kept.has(name) && was.get(name) === value ? kept.get(name) : value;
    if (eager) box.oninput = kind === "choice" ? () => send({ act: eager }) : later(() => send({ act: eager }));
  }
  box.dataset.at = `field ${name}`;
  const holder = element("label", `cx-entry${wide ? " cx-wide" : ""}`);
  holder.append(element("span", "cx-entry-label", label), box);
  return holder;
}

function readFile(file, take) {
  if (!file) return;
  if (file.size > FILE_MOST) {
    take(""); // servers of notebooks end a connection that brings more at once
    return;
  }
  const reader = new FileReader();
  reader.onload = () => take(reader.result);
  reader.readAsDataURL(file);
}

function later(act) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(act, 200);
  };
}

const entries = (form) => [...form.querySelectorAll("[name]")].map(({ name, value }) => [name, value]);

/** A widget of its own inside the page. Its model may be a moment on its way. */
function embed(id, { model }) {
  const place = element("div");
  const show = async (times) => {
    try {
      const child = await model.widget_manager.get_model(id);
      const view = await model.widget_manager.create_view(child);
      place.append(view.el);
    } catch (error) {
      if (times) setTimeout(show, 100, times - 1);
      else place.append(element("div", "cx-soft", "This front end shows no view inside another one."));
    }
  };
  show(20);
  return place;
}
