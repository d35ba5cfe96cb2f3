// The server goes and comes back: the client shows what has changed meanwhile, and its mutations ran once each.
import { anyApi as api, assert, connect, done, follow, hear, say } from "./common.mjs";

const client = connect();
const counter = follow(client, api.counter.get);
await counter.until((value) => value === 0);
assert.equal(await client.mutation(api.counter.add, {}), 1);
say("connected");
await hear();
const later = client.mutation(api.counter.add, {});
say("asked");
assert.equal(await later, 102);
await counter.until((value) => value === 102);
assert.ok(client.connectionState().connectionCount > 1);
await client.close();
done();
