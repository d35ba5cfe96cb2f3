// What the live views of one notebook share on its page: messages that are for several of them, and the frame in which
// all draw. Each view is a module of its own, so that they meet in a property of the window.

const PAGES = Symbol.for("convex_nb.pages");

/** The page of a model: of the widget manager that made it, since marks are told apart within one kernel only. */
export function pageOf(model) {
  const pages = (globalThis[PAGES] ??= new WeakMap());
  const owner = model.widget_manager ?? document;
  if (!pages.has(owner)) {
    const tab = Math.random().toString(36).slice(2);
    pages.set(owner, { tab, since: performance.now(), views: new Map(), waiting: new Map() });
  }
  return pages.get(owner);
}

/** Draw a view in the next frame, with all others. `draw` returns the sequence it has drawn, `answer` sends for it. */
export function drawSoon(page, mark, draw, answer = null) {
  if (!page.waiting.size) requestAnimationFrame(() => drawWaiting(page));
  page.waiting.set(mark, { draw, answer: answer ?? page.waiting.get(mark)?.answer });
}

/** One frame for all, so that views move together; one answer to each that brought updates. */
function drawWaiting(page) {
  const waiting = [...page.waiting];
  page.waiting.clear();
  const drawn = new Map();
  for (const [mark, { draw, answer }] of waiting) {
    try {
      const sequence = draw();
      if (answer) drawn.set(answer, [...(drawn.get(answer) ?? []), [mark, sequence]]);
    } catch (error) {
      reportError(error); // of one view: the others are drawn nevertheless
    }
  }
  for (const [send, of] of drawn) send({ type: "drawn", of });
}
