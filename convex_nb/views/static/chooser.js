// Which columns of a table are shown.

import { button, element } from "./elements.js";
import { arrangement } from "./heads.js";

export class Chooser {
  constructor(send) {
    this.send = send;
    this.button = button("", "choose the columns", () => this.open(this.root.hidden));
    this.root = element("div", "cx-chooser");
    this.root.role = "group";
    this.root.ariaLabel = "columns";
    this.boxes = new Map();
    this.fields = "";
    this.open(false);
    this.root.onkeydown = (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      this.open(false);
      this.button.focus();
    };
  }

  open(isOpen) {
    this.root.hidden = !isOpen;
    this.button.ariaExpanded = isOpen;
  }

  draw(head, isLive) {
    this.head = head;
    const { fields } = head;
    const shown = new Set(head.columns.map(({ name }) => name));
    this.button.hidden = !isLive || fields.length < 2;
    if (this.button.hidden) this.open(false);
    this.button.textContent = shown.size < fields.length ? `${shown.size} of ${fields.length} columns` : "Columns";
    if (this.fields !== JSON.stringify(fields)) this.drawBoxes(fields);
    for (const [name, box] of this.boxes) {
      box.checked = shown.has(name);
      box.disabled = box.checked && shown.size === 1;
    }
  }

  drawBoxes(fields) {
    this.fields = JSON.stringify(fields);
    this.boxes.clear();
    const choices = fields.map((name) => {
      const choice = element("label");
      const box = element("input");
      box.type = "checkbox";
      box.onchange = () => this.arrange({ hidden: this.unchecked() });
      this.boxes.set(name, box);
      choice.append(box, element("span", "", name));
      return choice;
    });
    const reset = button("Reset", "all columns, in their own order and widths", () =>
      this.arrange({ order: [], hidden: [], widths: {} }),
    );
    reset.classList.add("cx-more");
    this.root.replaceChildren(...choices, reset);
  }

  unchecked() {
    return [...this.boxes].filter(([, box]) => !box.checked).map(([name]) => name);
  }

  arrange(change) {
    this.send({ type: "arrange", ...arrangement(this.head, change) });
  }
}
