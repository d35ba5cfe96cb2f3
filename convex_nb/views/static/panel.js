// What the reader has opened below a view: a document, or one value in full, which may be edited there.

import { manyLines } from "./cells.js";
import { button, copy, element, play, reducedMotion } from "./elements.js";
import { drawTree } from "./tree.js";
import { grouped } from "./words.js";

export class Panel {
  constructor(send, leave) {
    this.send = send;
    this.leave = leave; // gives the focus back
    this.root = element("section", "cx-panel");
    this.root.tabIndex = -1;
    this.root.hidden = true;
    this.branches = new Map();
    this.root.onkeydown = (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || !this.box) return;
      event.preventDefault();
      event.stopPropagation();
      this.save(this.box.value);
    };
  }

  get hasFocus() {
    return this.root.contains(document.activeElement);
  }

  /** Ask for what is to be shown here. */
  ask(what, takesFocus) {
    this.takesFocus = takesFocus;
    this.send({ type: "open", ...what });
  }

  /** An id was clicked: show its document or, where ids lead nowhere, copy it. */
  follow(jump, event) {
    if (this.jumps) this.ask({ id: jump.dataset.id, onward: this.hasFocus }, this.hasFocus || event.detail === 0);
    else this.copy(jump);
  }

  copy(jump) {
    copy(jump.dataset.id);
    play(jump, "copied");
  }

  shut() {
    if (!this.root.hidden) this.send({ type: "shut" });
  }

  draw({ opened, jumps }) {
    this.jumps = jumps;
    const before = this.opened;
    if (JSON.stringify(opened) === JSON.stringify(before)) return;
    this.opened = opened;
    const { hasFocus } = this;
    this.root.hidden = !opened;
    if (!opened) {
      this.box = null;
      if (hasFocus) this.leave();
      return;
    }
    const isNew = before?.place !== opened.place;
    // What the reader is writing stays, whatever else changes.
    if (!isNew && this.box && this.box.value !== before.text) return;
    this.root.ariaLabel = opened.title;
    this.root.replaceChildren(this.head(opened), ...this.body(opened));
    if (isNew ? this.takesFocus || hasFocus : hasFocus) (this.box ?? this.root).focus();
    if (!isNew && !reducedMotion()) play(this.root, "cell");
  }

  head({ title, id, back, note = "" }) {
    const head = element("div", "cx-panel-head");
    if (back) head.append(button("‹", "back", () => this.send({ type: "back" })));
    head.append(element("span", "cx-path", title));
    if (id) {
      const copied = button(id, "copy the id", () => this.copy(copied));
      copied.classList.add("cx-mono");
      copied.dataset.id = id;
      head.append(copied);
    }
    head.append(element("span", "cx-note", note), button("✕", "close (Escape)", () => this.shut()));
    return head;
  }

  body(opened) {
    const { edit, place, text, tree } = opened;
    this.box = null;
    if (edit) return this.editor(opened);
    if (text !== undefined) return [element("pre", "cx-whole", manyLines(text))];
    if (!tree) return [];
    const body = element("div", "cx-tree");
    body.append(...(tree.items ?? [tree]).map((node) => drawTree(node, this.branches, place)));
    if (tree.more) body.append(element("div", "cx-null", `… ${grouped(tree.more)} more`));
    return [body];
  }

  editor({ edit, text, title }) {
    this.box = element("textarea", "cx-edit");
    Object.assign(this.box, { value: text, ariaLabel: `${title}, ${edit.type}`, spellcheck: false });
    this.box.rows = Math.min(12, Math.max(2, text.split("\n").length));
    this.wrong = element("div", "cx-wrong");
    this.wrong.role = "alert";
    const line = element("div", "cx-panel-head");
    const save = button("Save", "save (Ctrl+Enter)", () => this.save(this.box.value));
    line.append(save, button("Cancel", "leave it as it was (Escape)", () => this.shut()));
    if (edit.optional) line.append(button("null", "save null", () => this.save(null)));
    line.append(element("span", "cx-type", edit.kind === "any" ? `JSON: ${edit.type}` : edit.type));
    for (const each of line.querySelectorAll("button")) each.classList.add("cx-more");
    return [this.box, this.wrong, line];
  }

  save(entry) {
    const { edit, text } = this.opened;
    const { key, column } = edit;
    if (entry === text) return this.shut();
    this.wrong.textContent = "";
    return (this.box.readOnly = this.send({ type: "edit", key, column, entry }));
  }

  /** The kernel has run the mutation, or refused it; say whether that was asked here. */
  edited({ key, column, problem }) {
    const edit = this.box && this.opened.edit;
    if (!edit || edit.key !== key || edit.column !== column) return false;
    this.box.readOnly = false;
    this.wrong.textContent = problem;
    if (problem) this.box.focus();
    else this.shut();
    return true;
  }
}
