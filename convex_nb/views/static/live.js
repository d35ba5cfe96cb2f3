// A live view of a query's result: the browser's half of `LiveView`. No dependency, no request.
// The modules beside this one are put together by `views/modules.py`; the shapes of messages are those of `views/messages.py`.

import { connect } from "./connect.js";
import { View } from "./view.js";

/** One instance of this module serves one model. */
export default function live() {
  return connect((el, send) => new View(el, send));
}
