// Lines over the last hour, as a small picture.

import { element } from "./elements.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 180;
const HEIGHT = 36;

function shape(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

const said = (number) => (number === undefined ? "–" : number.toLocaleString("en-US", { maximumFractionDigits: 1 }));

/** A picture, and below it what its lines are; what cannot be seen is said. */
export function drawChart({ label, lines, unit }) {
  const all = lines.flatMap(([, points]) => points.filter((point) => point !== null));
  const highest = all.length ? Math.max(...all) : undefined;
  const most = highest || 1;
  const picture = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", preserveAspectRatio: "none", class: "cx-chart" });
  const newest = lines.map(([name, points]) => `${name} ${said(points.findLast((point) => point !== null))}`).join(", ");
  picture.setAttribute("aria-label", `${label} in the last hour, ${unit}: newest ${newest}; highest ${said(highest)}`);
  picture.append(shape("line", { x1: 0, x2: WIDTH, y1: HEIGHT - 0.5, y2: HEIGHT - 0.5, class: "cx-axis" }));
  lines.forEach(([, points], number) => {
    const step = WIDTH / points.length;
    const at = (point) => HEIGHT - 1 - (point / most) * (HEIGHT - 4);
    if (lines.length === 1) {
      points.forEach((point, place) => {
        if (!point) return;
        const height = HEIGHT - at(point);
        picture.append(shape("rect", { x: place * step + 0.4, width: step - 0.8, y: HEIGHT - height, height, class: "cx-line-0" }));
      });
      return;
    }
    points.forEach((point, place) => {
      if (point === null) return;
      const next = points[place + 1];
      const x = (place + 0.5) * step;
      if (next !== null && next !== undefined) {
        picture.append(shape("line", { x1: x, x2: x + step, y1: at(point), y2: at(next), class: `cx-line-${number}` }));
      } else picture.append(shape("line", { x1: x - step / 3, x2: x + step / 3, y1: at(point), y2: at(point), class: `cx-line-${number}` }));
    });
  });
  const below = element("div", "cx-legend");
  below.ariaHidden = "true";
  if (lines.length > 1) lines.forEach(([name], number) => below.append(element("span", `cx-key-${number}`, name)));
  below.append(element("span", "cx-soft", all.length ? `most ${said(highest)}${unit === "%" ? "%" : ` ${unit}`}` : "no calls"));
  return [picture, below];
}
