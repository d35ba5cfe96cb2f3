// What the browser knows of a view, and how an update changes it. The shapes are those of `views/messages.py`.

/** @typedef {{k: string, v?: any, n?: number, of?: string}} Tagged */
/** @typedef {null | boolean | number | string | Tagged} Cell */
/** @typedef {[string, Cell[]]} Row */
/** @typedef {{remove: string[], insert: [number, string, Cell[]][], change: [string, Record<string, Cell>][], order?: string[]}} Delta */

/** The rows after a delta. Cells and rows that did not change stay the same objects: views redraw what is not. */
export function applyDelta(/** @type {Row[]} */ page, /** @type {Delta} */ delta) {
  const removed = new Set(delta.remove);
  const rows = page.filter(([key]) => !removed.has(key));
  for (const [place, key, cells] of delta.insert) rows.splice(place, 0, [key, cells]);
  const places = new Map(rows.map(([key], place) => [key, place]));
  for (const [key, changed] of delta.change) {
    const place = places.get(key);
    const cells = [...rows[place][1]];
    for (const [number, cell] of Object.entries(changed)) cells[Number(number)] = cell;
    rows[place] = [key, cells];
  }
  return delta.order ? delta.order.map((key) => rows[places.get(key)]) : rows;
}

/** What an update makes of a state, or null when the state it builds upon is not the one at hand. */
export function applyUpdate(/** @type {any} */ state, /** @type {any} */ update) {
  if (update.base === null) {
    return { sequence: update.sequence, head: update.head, rows: update.page ?? [], body: update.body };
  }
  if (!state || state.sequence !== update.base) return null;
  const rows = update.page ?? (update.delta ? applyDelta(state.rows, update.delta) : state.rows);
  const body = "body" in update ? update.body : state.body;
  return { sequence: update.sequence, head: { ...state.head, ...update.head }, rows, body };
}
