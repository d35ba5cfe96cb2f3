// ConvexClient: subscriptions, mutations, optimistic updates, actions, errors with data.
import { anyApi as api, assert, connect, ConvexError, done, follow } from "./common.mjs";

const client = connect();
const messages = follow(client, api.messages.list);
const counter = follow(client, api.counter.get);
await messages.until((value) => value.length === 0);
await counter.until((value) => value === 0);

// A mutation is done when what this client follows shows it.
await client.mutation(api.messages.send, { body: "hi", author: "ada" });
assert.equal(messages.seen.at(-1).length, 1);
assert.equal(messages.seen.at(-1)[0].body, "hi");

// They run in the order in which they were asked for.
const results = await Promise.all([1, 2, 3, 4].map(() => client.mutation(api.counter.add, { by: 1 })));
assert.deepEqual(results, [1, 2, 3, 4]);
assert.equal(counter.seen.at(-1), 4);

// Optimistic: seen at once, and dropped in the same step as the truth arrives.
const before = counter.seen.length;
const pending = client.mutation(
  api.counter.add,
  { by: 10 },
  {
    optimisticUpdate: (store, args) => {
      const value = store.getQuery(api.counter.get, {});
      if (value !== undefined) store.setQuery(api.counter.get, {}, value + args.by);
    },
  },
);
await counter.until((value) => value === 14);
assert.equal(await pending, 14);
assert.deepEqual([...new Set(counter.seen.slice(before))], [14]);

// A failed one is rolled back.
await assert.rejects(
  client.mutation(
    api.fail.mutation,
    {},
    { optimisticUpdate: (store) => store.setQuery(api.counter.get, {}, 1000) },
  ),
  (error) => error instanceof ConvexError && error.data.code === 42,
);
await counter.until((value) => value === 14);
assert.equal(messages.seen.at(-1).length, 1);
await assert.rejects(client.mutation(api.fail.mutation, { how: "plain" }), /the password is 1234/);
await assert.rejects(client.mutation(api.nobody.knows, {}), /Could not find public function for 'nobody:knows'/);
await assert.rejects(client.query(api.secret.number, {}), /Could not find public function for 'secret:number'/);

// Actions, and what they do.
const value = { text: "ä€😀", list: [1, 2.5, null, true], bytes: new Uint8Array([1, 2, 255]).buffer, big: 2n ** 62n };
assert.deepEqual(await client.action(api.act.echo, { value }), value);
await client.action(api.act.send, { body: "from an action" });
await messages.until((value) => value.length === 2);
await assert.rejects(client.action(api.fail.action, {}), (error) => error.data.why === "no");

// Queries: once, and one that fails.
assert.equal(await client.query(api.counter.get, {}), 14);
for (const each of [0, -0, NaN, Infinity, -Infinity, 1e308, 5e-324, 2 ** 53, -1.5, "", "\u0000", [], {}, null]) {
  assert.deepEqual(await client.query(api.values.echo, { value: each }), each);
}
const failing = follow(client, api.fail.query);
assert.equal((await failing.untilError()).data.code, 42);
failing.stop();
messages.stop();
await client.close();
done();
