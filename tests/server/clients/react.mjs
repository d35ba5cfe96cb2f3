// ConvexReactClient, without React: what its hooks are made of.
import { anyApi as api, assert, done, load, url, ws } from "./common.mjs";

const { ConvexReactClient } = load("convex/react");
const client = new ConvexReactClient(url, { webSocketConstructor: ws, unsavedChangesWarning: false });
const watch = client.watchQuery(api.messages.list, {});
const changed = () => new Promise((resolve) => (resolve.stop = watch.onUpdate(() => resolve())));
await changed();
assert.deepEqual(watch.localQueryResult(), []);
await client.mutation(api.messages.send, { body: "hi" });
assert.equal(watch.localQueryResult().length, 1);
const failing = client.watchQuery(api.fail.query, {});
await new Promise((resolve) => failing.onUpdate(resolve));
assert.throws(() => failing.localQueryResult(), (error) => error.data.code === 42);
assert.equal(await client.action(api.act.echo, { value: "x" }), "x");
assert.equal((await client.query(api.messages.list, {})).length, 1);
await client.close();
done();
