// A live view of a query's result: the browser's half of `LiveView`. No dependency, no request.
// The modules beside this one are put together by `views/modules.py`; the shapes of messages are those of `views/messages.py`.

import { Download } from "./download.js";
import { element } from "./elements.js";
import { applyUpdate } from "./state.js";
import { View } from "./view.js";

/** Hide the static twin of this view, the table that readers without a kernel see. */
function hideTwin(mark) {
  if (!mark) return () => {};
  const style = element("style");
  style.textContent = `.jp-OutputArea-child:has([data-convex-static="${CSS.escape(mark)}"]) { display: none; }`;
  document.head.append(style);
  return () => style.remove();
}

/** One instance of this module serves one model: its state here, its views beside it. */
export default function live() {
  const tab = Math.random().toString(36).slice(2);
  const views = new Set();
  let state = null;
  let alive = true;
  let frame = 0;
  let model = null;
  const file = new Download();

  const send = (message) => {
    if (message.type === "export") file.begin(message.format);
    if (alive) model.send({ ...message, tab });
  };
  const hello = () => send({ type: "hello", sequence: state?.sequence ?? -1 });
  const draw = () => {
    frame = 0;
    for (const view of views) view.draw(state, alive);
    send({ type: "drawn", sequence: state.sequence });
  };
  const schedule = () => {
    if (!frame && views.size && !document.hidden) frame = requestAnimationFrame(draw);
  };
  const visibility = () => {
    if (document.hidden) send({ type: "hidden" });
    else if (views.size) {
      schedule();
      hello();
    }
  };
  const receive = (message, buffers) => {
    if (message.type === "part" && message.tab === tab) {
      file.take(buffers);
      if (message.done) file.save(state.head.path);
      else send({ type: "part" });
    }
    if (message.type === "edited" && message.tab === tab) for (const view of views) view.grid?.edited(message);
    if (message.type !== "update") return;
    const next = applyUpdate(state, message);
    if (next === null) {
      hello(); // a message was lost: ask for the whole
      return;
    }
    state = { ...next, whole: message.base === null };
    schedule();
  };

  return {
    initialize({ model: given }) {
      model = given;
      state = { ...applyUpdate(null, model.get("snapshot")), whole: true };
      const died = () => {
        alive = false;
        for (const view of views) view.draw(state, alive);
      };
      model.on("msg:custom", receive);
      model.on("comm_live_update", died);
      document.addEventListener("visibilitychange", visibility);
      return () => {
        model.off("msg:custom", receive);
        model.off("comm_live_update", died);
        document.removeEventListener("visibilitychange", visibility);
      };
    },
    render({ model: given, el }) {
      const view = new View(el, send);
      const show = hideTwin(given.get("mark"));
      views.add(view);
      view.draw({ ...state, whole: true }, alive);
      if (!document.hidden) hello();
      return () => {
        views.delete(view);
        show();
        if (!views.size) send({ type: "hidden" });
      };
    },
  };
}
