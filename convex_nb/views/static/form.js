// A form that runs a function: the browser's half of `FormView`. Its fields come from the kernel, which also reads
// what is entered: the shapes are those of `views/form_fields.py`.

import { drawCell, oneLine, shortId } from "./cells.js";
import { button, copy, element, play, reducedMotion } from "./elements.js";
import { drawTree } from "./tree.js";
import { hideTwin } from "./twin.js";

/** @typedef {{kind: string, type: string, name?: string, optional?: boolean, hint?: string, initial?: any, table?: string, choices?: string[], fields?: Field[], item?: Field, members?: Field[]}} Field */

const VERBS = { query: "Ask", mutation: "Run", action: "Run" };
const PART = 1 << 20; // bytes of a file in one message: servers refuse long ones
const PLACEHOLDERS = { number: "0", bytes: "00 ff 1a", any: '"text", 5, [1, 2], {"a": true}', id: "id" };
let numbers = Math.floor(Math.random() * 1e12); // each form has a module of its own, and ids are the page's

/** What is entered in a form: fields by path, so that an error finds its place. */
class Form {
  constructor(ask) {
    this.ask = ask; // for the ids of a table
    this.slots = [];
    this.lists = new Map();
    this.ids = element("div"); // where the lists are
    this.ids.hidden = true;
    this.files = new Set(); // inputs whose files are sent before the entries
  }

  /** A field with its label, and below it what is wrong with it. `read` gives its entry, undefined if it is not set. An
   *  item of a list is in `path` itself, and says when it is asked where it stands. */
  field(/** @type {Field} */ field, path) {
    const row = element("div", "cx-field");
    const id = `cx-field-${++numbers}`;
    const control = this.control(field, path, id);
    const label = element(control.isGroup ? "div" : "label", "cx-field-label");
    if (!control.isGroup) label.htmlFor = id;
    const name = element("span", "cx-name");
    const rename = (text) => {
      name.textContent = text;
      if (control.isGroup) control.node.setAttribute("aria-label", text);
    };
    rename(field.name ?? "");
    label.append(name, element("span", "cx-type", field.type));
    const holder = element("div", "cx-field-entry");
    const slot = element("div", "cx-wrong");
    slot.id = `${id}-wrong`;
    slot.hidden = true;
    this.slots.push({ path, slot, control });
    holder.append(control.node, slot);
    row.append(label, holder);
    let read = control.read;
    if (field.optional) {
      const unset = element("span", "cx-unset", field.hint ?? "not set");
      const set = element("input");
      Object.assign(set, { type: "checkbox", title: `give ${field.name ?? "it"}` });
      set.setAttribute("aria-label", `give ${field.name ?? "a value"}`);
      const show = () => {
        control.node.hidden = !set.checked;
        unset.hidden = set.checked;
      };
      set.addEventListener("change", () => {
        show();
        if (set.checked) control.focus();
      });
      unset.addEventListener("click", () => set.click());
      show();
      label.prepend(set);
      holder.prepend(unset);
      read = () => (set.checked ? control.read() : undefined);
    }
    return { row, read, rename };
  }

  control(/** @type {Field} */ field, path, id) {
    switch (field.kind) {
      case "boolean": {
        const box = element("input");
        Object.assign(box, { type: "checkbox", id, checked: field.initial === true });
        return { node: box, read: () => box.checked, focus: () => box.focus() };
      }
      case "file":
        return this.file(id);
      case "choice":
        return this.choice(field.choices, id, field.initial);
      case "null":
        return { node: element("span", "cx-null", "null"), read: () => null, focus: () => {}, isGroup: true };
      case "object":
        return this.object(field, path);
      case "array":
      case "record":
        return this.list(field, path);
      case "union":
        return this.union(field, path);
      default:
        return this.text(field, id);
    }
  }

  text(field, id) {
    const isLong = field.kind === "string" || field.kind === "any";
    const box = element(isLong ? "textarea" : "input", `cx-text${isLong && field.kind === "string" ? "" : " cx-mono"}`);
    box.id = id;
    if (isLong) box.rows = 1;
    Object.assign(box, { placeholder: PLACEHOLDERS[field.kind] ?? "", spellcheck: false, autocomplete: "off" });
    if (field.kind === "number") box.inputMode = "decimal";
    box.value = field.initial ?? "";
    if (field.kind === "id") {
      const list = this.idsOf(field.table);
      box.setAttribute("list", list.id);
      box.addEventListener("focus", () => this.ask(field.table));
    }
    return { node: box, read: () => box.value, focus: () => box.focus() };
  }

  /** A file to be stored: its entry is the number under which it is sent, null where none is chosen. */
  file(id) {
    const box = element("input", "cx-file");
    Object.assign(box, { type: "file", id });
    const number = ++numbers;
    this.files.add({ box, number });
    return { node: box, read: () => (box.files.length ? { file: number } : null), focus: () => box.focus() };
  }

  /** The chosen files that are to be seen, with their numbers. */
  chosen() {
    return [...this.files].filter(({ box }) => box.isConnected && !box.closest("[hidden]") && box.files.length);
  }

  /** The ids of a table to choose from; they are fetched when a field that wants them is entered. */
  idsOf(table) {
    if (!this.lists.has(table)) {
      const list = element("datalist");
      list.id = `cx-ids-${++numbers}`;
      this.ids.append(list);
      this.lists.set(table, list);
    }
    return this.lists.get(table);
  }

  offer(table, choices) {
    const options = choices.map(([id, words]) => {
      const option = element("option", "", `${shortId(id)} ${oneLine(words)}`);
      option.value = id;
      return option;
    });
    this.lists.get(table)?.replaceChildren(...options);
  }

  choice(choices, id, initial = 0) {
    const box = element("select", "cx-select");
    box.id = id;
    choices.forEach((text, place) => {
      const option = element("option", "", text);
      option.value = String(place);
      option.selected = place === initial;
      box.append(option);
    });
    return { node: box, read: () => Number(box.value), focus: () => box.focus() };
  }

  object(field, path) {
    const node = element("div", "cx-group");
    node.setAttribute("role", "group");
    const parts = field.fields.map((inner) => [inner.name, this.field(inner, [...path, inner.name])]);
    node.append(...parts.map(([, part]) => part.row));
    if (!parts.length) node.append(element("span", "cx-soft", "no fields"));
    return { node, read: () => entriesOf(parts), focus: () => focusIn(node), isGroup: true };
  }

  list(field, path) {
    const node = element("div", "cx-group");
    node.setAttribute("role", "group");
    const items = [];
    const isRecord = field.kind === "record";
    const add = button(isRecord ? "+ entry" : "+ item", `add to ${field.name ?? "the list"}`, () => {
      const line = element("div", "cx-item");
      const key = isRecord ? this.text({ kind: "string" }, `cx-field-${++numbers}`) : null;
      const item = { key, toString: () => (isRecord ? key.read() : String(items.indexOf(item))) };
      items.push(item);
      const part = this.field({ ...field.item, name: isRecord ? "" : String(item) }, [...path, item]);
      Object.assign(item, part);
      const remove = button("×", "remove", () => {
        items.splice(items.indexOf(item), 1);
        line.remove();
        if (!isRecord) for (const each of items) each.rename(String(each));
        add.focus();
      });
      if (key) {
        key.node.setAttribute("aria-label", "key");
        line.append(key.node);
      }
      line.append(part.row, remove);
      node.insertBefore(line, add);
      focusIn(line);
    });
    add.classList.add("cx-more");
    node.append(add);
    const read = () => items.map((item) => (item.key ? [item.key.read(), item.read()] : item.read()));
    return { node, read, focus: () => add.focus(), isGroup: true };
  }

  union(field, path) {
    const node = element("div", "cx-group cx-union");
    node.setAttribute("role", "group");
    const which = this.choice(field.members.map((member) => member.type), `cx-field-${++numbers}`);
    which.node.setAttribute("aria-label", `type of ${field.name ?? "the value"}`);
    const controls = field.members.map((member) => this.control(member, path, `cx-field-${++numbers}`));
    for (const { node: inner } of controls) inner.setAttribute("aria-label", field.name ?? "value");
    const show = () => controls.forEach((control, place) => (control.node.hidden = place !== which.read()));
    which.node.addEventListener("change", show);
    show();
    node.append(which.node, ...controls.map((control) => control.node));
    const read = () => [which.read(), controls[which.read()].read()];
    return { node, read, focus: () => controls[which.read()].focus(), isGroup: true };
  }

  /** Put each error beside its field, or beside the nearest one around it; the first one gets the focus. */
  mark(errors) {
    this.slots = this.slots.filter(({ slot }) => slot.closest(".cx-fields")); // others have gone
    const seen = this.slots.filter(({ control }) => !control.node.closest("[hidden]")); // of a union, one member
    const places = new Map(seen.map((each) => [each.path.join("/"), each]));
    for (const { slot, control } of this.slots) {
      slot.hidden = true;
      slot.textContent = "";
      control.node.removeAttribute("aria-invalid");
    }
    const marked = [];
    for (const [path, message] of errors) {
      let place = [...path];
      while (place.length && !places.has(place.join("/"))) place = place.slice(0, -1);
      const found = places.get(place.join("/"));
      if (!found) continue;
      found.slot.hidden = false;
      found.slot.textContent = message;
      found.control.node.setAttribute("aria-invalid", "true");
      found.control.node.setAttribute("aria-describedby", found.slot.id);
      marked.push(found.control);
    }
    marked[0]?.focus();
  }
}

const entriesOf = (parts) =>
  Object.fromEntries(parts.map(([name, part]) => [name, part.read()]).filter(([, entry]) => entry !== undefined));

const focusIn = (node) => node.querySelector("input, textarea, select, button")?.focus();

function draw({ model, el }) {
  const root = element("div", "cx cx-form");
  const title = element("div", "cx-title");
  const kind = element("span", "cx-state");
  const header = element("div", "cx-head");
  const open = (isOpen) => {
    root.classList.toggle("cx-closed", !isOpen);
    toggle.textContent = isOpen ? "▾ Run" : "▸ Run";
    toggle.ariaExpanded = isOpen;
  };
  const toggle = button("", "run this function", () => {
    const isClosed = root.classList.contains("cx-closed");
    open(isClosed);
    if (isClosed) focusIn(entries);
  });
  toggle.classList.add("cx-more");
  open(!model.get("shape").closed);
  header.append(...(model.get("shape").closed ? [toggle] : []), title, kind);
  const entries = element("form", "cx-fields");
  const run = element("button", "cx-run");
  run.type = "submit";
  const note = element("span", "cx-note");
  note.setAttribute("role", "status");
  const foot = element("div", "cx-form-foot");
  foot.append(run, note);
  const band = element("div", "cx-band");
  band.setAttribute("role", "alert");
  const output = element("div", "cx-answer");
  root.append(header, entries, band, output);
  el.append(root);

  let form = null;
  let parts = [];
  let sent = null; // what was entered when it was sent, by field
  const build = () => {
    const { path, kind: what, fields, fixed } = model.get("shape");
    form = new Form((table) => model.send({ type: "choices", table }));
    parts = fields.map((field) => ({ ...form.field(field, [field.name]), field, name: field.name }));
    const chips = fixed.map(([name, text]) => {
      const chip = element("span", "cx-argument");
      chip.append(element("span", "cx-key", name), element("span", "cx-mono", text));
      return chip;
    });
    title.replaceChildren(element("span", "cx-path", path), ...chips);
    kind.textContent = what;
    run.textContent = VERBS[what];
    run.title = "Ctrl+Enter";
    root.setAttribute("aria-label", path);
    entries.setAttribute("aria-label", `arguments of ${path}`);
    entries.replaceChildren(...parts.map((part) => part.row), form.ids, foot);
    root.dataset.path = path;
  };
  const written = (part) => JSON.stringify(part.read());
  /** Empty what has no default for the next entry, unless that has been begun; only where this one came from. */
  const clear = () => {
    let hadFocus = entries.contains(document.activeElement);
    for (const part of parts) {
      const { field } = part;
      if (field.optional || field.initial !== undefined) continue;
      if (written(part) !== sent.get(part.name)) {
        hadFocus = false;
        continue;
      }
      const { row } = part;
      Object.assign(part, form.field(field, [field.name]));
      row.replaceWith(part.row);
    }
    if (hadFocus || document.activeElement === document.body) focusIn(entries);
  };
  const show = (first) => {
    const answer = model.get("answer");
    root.dataset.state = answer.state;
    run.disabled = answer.state === "running";
    note.className = `cx-note cx-${answer.state}`;
    note.textContent = { running: "running…", ok: `✓ ${answer.note ?? ""}` }[answer.state] ?? "";
    form.mark((!first && answer.errors) || []);
    const problem = answer.problem;
    band.hidden = !problem;
    band.replaceChildren();
    if (problem) {
      band.append(element("div", "cx-message", problem.message));
      if (problem.traceback) {
        const details = element("details");
        details.append(element("summary", "", "show traceback"), element("pre", "", problem.traceback));
        band.append(details);
      }
    }
    if (answer.state === "running") return;
    output.hidden = !("tree" in answer || "cell" in answer);
    output.replaceChildren();
    if ("tree" in answer) {
      const tree = element("div", "cx-tree");
      tree.append(drawTree(answer.tree, new Map()));
      output.append(tree);
    } else if ("cell" in answer) {
      const cell = element("output", "cx-value");
      drawCell(cell, answer.cell);
      output.append(cell);
    }
    if (answer.state === "ok" && !first && !reducedMotion()) play(note, "cell");
    if (answer.state === "ok" && sent && model.get("shape").kind !== "query") clear();
    sent = null;
  };
  const submit = async () => {
    if (run.disabled) return;
    run.disabled = true;
    const filled = entriesOf(parts.map((part) => [part.name, part]));
    const now = new Map(parts.map((part) => [part.name, written(part)]));
    for (const { box, number } of form.chosen()) {
      const [file] = box.files;
      try {
        for (let start = 0; start === 0 || start < file.size; start += PART) {
          note.textContent = `sending ${file.name}…`;
          const part = await file.slice(start, start + PART).arrayBuffer();
          model.send({ type: "file", number, media: file.type, start }, undefined, [part]);
        }
      } catch {
        note.className = "cx-note cx-error"; // it was written to after it had been chosen
        note.textContent = `${file.name} cannot be read. Choose it again.`;
        run.disabled = false;
        return;
      }
    }
    sent = now;
    model.send({ type: "submit", entries: filled });
  };
  output.addEventListener("click", (event) => {
    const id = event.target.closest(".cx-jump");
    if (!id) return;
    copy(id.dataset.id);
    play(id, "copied");
  });
  entries.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  root.addEventListener("keydown", (event) => {
    const chord = event.ctrlKey || event.metaKey;
    // Enter runs, as in any form; Shift+Enter is a new line in a text. Ctrl+Enter runs from anywhere, and runs no cell.
    if (event.key === "Enter" && (chord || (event.target.tagName === "TEXTAREA" && !event.shiftKey && !event.isComposing))) {
      event.preventDefault();
      event.stopPropagation();
      submit();
    }
    if (!chord) event.stopPropagation();
  });
  const receive = (message) => message.type === "choices" && form.offer(message.table, message.choices);
  const rebuild = () => {
    build();
    show(true);
  };
  const answered = () => show(false);
  const died = () => {
    run.disabled = true;
    note.className = "cx-note";
    note.textContent = "The kernel has stopped.";
  };
  rebuild();
  const showTwin = hideTwin(model.get("mark"));
  model.on("change:shape", rebuild);
  model.on("change:answer", answered);
  model.on("comm_live_update", died);
  model.on("msg:custom", receive);
  return () => {
    showTwin();
    model.off("change:shape", rebuild);
    model.off("change:answer", answered);
    model.off("comm_live_update", died);
    model.off("msg:custom", receive);
  };
}

export default function form() {
  return { render: draw };
}
