// Elements and what happens to them. Every text that comes from data is set as text, never as HTML.

export function element(tag, className = "", text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

export function button(text, title, act) {
  const made = element("button", "cx-button", text);
  made.type = "button";
  made.title = title;
  made.ariaLabel = title;
  made.onclick = act;
  return made;
}

export const reducedMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

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

export function play(target, effect) {
  const [frames, duration] = EFFECTS[effect];
  target.animate(frames, { duration, easing: "ease-out", fill: effect === "gone" ? "forwards" : "none" });
}

/** Instead of motion: a dot at the row's edge for a while. */
export function dot(tr) {
  tr.classList.add("cx-dotted");
  setTimeout(() => tr.classList.remove("cx-dotted"), 3000);
}

export async function copy(text) {
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
