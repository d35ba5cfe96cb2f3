// A nested value as branches that open.

import { drawCell } from "./cells.js";
import { element } from "./elements.js";
import { grouped } from "./words.js";

/** @typedef {{label: string, cell?: Cell, preview?: string, size?: string, items?: Node[], more?: number}} Node */

/** Draw a tree; `open` remembers, by path, what the reader has opened or closed. */
export function drawTree(node, open, path = "") {
  const line = element("span", "cx-label", node.label);
  if (!node.items) {
    const leaf = element("div", "cx-leaf");
    const value = element("span", typeof node.cell === "string" ? "cx-string" : "cx-value");
    drawCell(value, node.cell);
    leaf.append(...(node.label ? [line] : []), value);
    return leaf;
  }
  const branch = element("details", "cx-branch");
  const here = `${path}/${node.label}`;
  branch.open = open.get(here) ?? path === "";
  branch.ontoggle = () => open.set(here, branch.open);
  const summary = element("summary");
  summary.append(...(node.label ? [line] : []), element("span", "cx-preview", node.preview), element("span", "cx-size", node.size));
  branch.append(summary, ...node.items.map((item) => drawTree(item, open, here)));
  if (node.more) branch.append(element("div", "cx-leaf cx-null", `… ${grouped(node.more)} more`));
  return branch;
}
