// Changing one cell: a box in its place, what was entered until the mutation has run, and its refusal beside the cell.

import { cellText } from "./cells.js";
import { element } from "./elements.js";

const REFUSAL_MS = 12000;

/** The box for a cell. `done` gets the entry that the kernel reads, `left` is called when the reader gives up, and told
 *  whether the focus is to stay here: whoever has clicked elsewhere is there, whoever is in another window comes back. */
export function openEditor(td, field, cell, done, left) {
  const choices = field.kind === "boolean" ? ["false", "true"] : field.choices;
  const box = choices ? element("select", "cx-edit") : element("input", "cx-edit");
  if (choices) {
    const texts = field.optional ? [...choices, "null"] : choices;
    texts.forEach((text, place) => {
      const option = element("option", "", text);
      option.value = place < choices.length ? String(place) : "null";
      option.selected = text === cellText(cell) || text === JSON.stringify(cell);
      box.append(option);
    });
  } else {
    box.value = cell === null ? "" : cellText(cell);
    box.placeholder = cell === null ? "null" : "";
    box.spellcheck = false;
  }
  box.ariaLabel = `new value, ${field.type}`;
  const entry = () => {
    if (field.kind === "boolean" && box.value !== "null") return box.value === "1";
    if (choices) return box.value === "null" ? null : Number(box.value);
    return box.value === "" && field.optional && field.kind !== "string" ? null : box.value;
  };
  const shown = () => (choices ? box.selectedOptions[0].textContent : (entry() ?? "null"));
  const before = box.value;
  let open = true;
  const close = (act) => {
    if (!open) return;
    open = false;
    delete td.dataset.editing;
    act();
  };
  box.onkeydown = (event) => {
    if (event.key === "Enter" && !event.isComposing) close(() => (box.value === before ? left(true) : done(entry(), shown())));
    else if (event.key === "Escape") close(() => left(true));
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  box.onblur = () => close(() => left(document.activeElement === box));
  td.dataset.editing = "1";
  td.replaceChildren(box);
  box.focus();
  box.select?.();
}

/** Why a cell was not changed, below it, until the reader goes on. */
export function showRefusal(frame, td, message) {
  frame.querySelector(".cx-refusal")?.remove();
  const note = element("div", "cx-refusal", message);
  note.role = "alert";
  frame.append(note);
  const [around, at] = [frame.getBoundingClientRect(), td.getBoundingClientRect()];
  note.style.left = `${Math.max(4, Math.min(at.left - around.left, around.width - note.offsetWidth - 4))}px`;
  note.style.top = `${Math.max(0, Math.min(at.bottom - around.top + 2, around.height - note.offsetHeight))}px`;
  td.classList.add("cx-refused");
  const gone = () => {
    note.remove();
    td.classList.remove("cx-refused");
    frame.removeEventListener("keydown", gone, true);
    frame.removeEventListener("pointerdown", gone, true);
    clearTimeout(timer);
  };
  const timer = setTimeout(gone, REFUSAL_MS);
  frame.addEventListener("keydown", gone, true);
  frame.addEventListener("pointerdown", gone, true);
}
