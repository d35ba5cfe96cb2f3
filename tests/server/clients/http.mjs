// ConvexHttpClient: one request, one call.
import { anyApi as api, assert, ConvexError, ConvexHttpClient, done, url } from "./common.mjs";

const client = new ConvexHttpClient(url);
assert.equal(await client.query(api.counter.get, {}), 0);
assert.equal(await client.mutation(api.counter.add, { by: 2 }), 2);
assert.equal(await client.consistentQuery(api.counter.get, {}), 2);
const value = { big: -(2n ** 63n), bytes: new Uint8Array([0, 255]).buffer, n: NaN, list: [1, null] };
assert.deepEqual(await client.action(api.act.echo, { value }), value);
assert.equal(await client.function(api.counter.get, undefined, {}), 2);
for (const call of [
  () => client.query(api.fail.query, {}),
  () => client.mutation(api.fail.mutation, {}),
  () => client.action(api.fail.action, {}),
]) {
  await assert.rejects(call, (error) => error instanceof ConvexError && error.data.code === 42);
}
await assert.rejects(() => client.query(api.no.where, {}), /Could not find public function for 'no:where'/);
client.setAuth("a.b.c");
await assert.rejects(() => client.query(api.counter.get, {}), /NoAuthProvider/);
client.clearAuth();
assert.deepEqual(await Promise.all([1, 1, 1].map((by) => client.mutation(api.counter.add, { by }))), [3, 4, 5]);
done();
