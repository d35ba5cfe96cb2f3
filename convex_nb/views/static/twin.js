// The static pair: the table beside a live widget, which readers without a kernel see in its place.

import { element } from "./elements.js";

/** Hide the static twin of this view, the table that readers without a kernel see. */
export function hideTwin(mark) {
  if (!mark) return () => {};
  const style = element("style");
  style.textContent = `.jp-OutputArea-child:has([data-convex-static="${CSS.escape(mark)}"]) { display: none; }`;
  document.head.append(style);
  return () => style.remove();
}
