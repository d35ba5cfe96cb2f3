// A model in the kernel and its views on the page: one update in flight, all views of a page drawn in one frame.

import { Download } from "./download.js";
import { drawSoon, pageOf } from "./page.js";
import { applyUpdate } from "./state.js";
import { hideTwin } from "./twin.js";

/** Serve one model: its state here, its views beside it. `make` makes one of them. */
export function connect(make) {
  const views = new Set();
  let state = null;
  let alive = true;
  let model = null;
  let page = null;
  let mark = "";
  const file = new Download();

  /** Tell the kernel; say whether there is one. */
  const send = (message) => {
    if (message.type === "export") file.begin(message.format);
    if (alive) model.send({ ...message, tab: page.tab });
    return alive;
  };
  const hello = () => send({ type: "hello", sequence: state.sequence });
  const greet = () => {
    if (views.size && !document.hidden) hello();
  };
  const draw = () => {
    for (const view of views) view.draw(state, alive);
    return state.sequence;
  };
  const schedule = (answer) => {
    if (views.size && !document.hidden) drawSoon(page, mark, draw, answer);
  };
  const visibility = () => {
    if (document.hidden) send({ type: "hidden" });
    else if (views.size) {
      schedule();
      hello();
    }
  };
  /** Take an update that came by whichever view; `answer` sends to the kernel by that one. */
  const take = (update, answer) => {
    const next = applyUpdate(state, update);
    if (next === null) {
      hello(); // a message was lost: ask for the whole
      return;
    }
    state = { ...next, whole: update.base === null };
    schedule(answer);
  };
  const receive = (message, buffers) => {
    if (message.type === "updates") {
      for (const [of, update] of message.of) page.views.get(of)?.(update, send);
    } else if (message.tab === page.tab) {
      if (message.type === "part") {
        file.take(buffers);
        if (message.done) file.save(state.head.path);
        else send({ type: "part" });
      }
      if (message.type === "edited") for (const view of views) view.edited(message);
    }
  };

  return {
    initialize({ model: given }) {
      model = given;
      page = pageOf(model);
      mark = model.get("mark");
      state = { ...applyUpdate(null, model.get("snapshot")), whole: true };
      const leave = () => {
        if (page.views.get(mark) === take) page.views.delete(mark);
      };
      const died = () => {
        alive = false;
        leave();
        draw();
      };
      page.views.set(mark, take);
      model.on("msg:custom", receive);
      model.on("comm_live_update", died);
      document.addEventListener("visibilitychange", visibility);
      return () => {
        leave();
        model.off("msg:custom", receive);
        model.off("comm_live_update", died);
        document.removeEventListener("visibilitychange", visibility);
      };
    },
    render({ model: given, el }) {
      const view = make(el, send, given);
      const show = hideTwin(given.get("mark"));
      views.add(view);
      view.draw({ ...state, whole: true }, alive);
      greet();
      // What a page says at first JupyterLab lets wait until the running cell has ended: say it again beside that cell.
      if (performance.now() - page.since < 1000) setTimeout(greet, 500);
      return () => {
        views.delete(view);
        show();
        if (!views.size) send({ type: "hidden" });
      };
    },
  };
}
