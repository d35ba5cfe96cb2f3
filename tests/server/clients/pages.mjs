// Pages: each keeps its end, so that neighbours stay adjacent while documents come and go.
import { anyApi as api, assert, connect, done } from "./common.mjs";

const client = connect();
await client.mutation(api.numbers.put, { numbers: [1, 2, 3, 4, 5, 6, 7] });
for (const [ref, between] of [[api.numbers.page, 1.5], [api.numbers.page_of_python, 1.25]]) {
  const start = (await client.query(api.numbers.page, { paginationOpts: { numItems: 100, cursor: null } })).page.length;
  let latest;
  const paged = client.onPaginatedUpdate_experimental(ref, {}, { initialNumItems: 3 }, (value) => (latest = value));
  const until = async (test) => {
    while (!(latest && test(latest))) await new Promise((resolve) => setTimeout(resolve, 5));
    return latest;
  };
  const first = await until((value) => value.status === "CanLoadMore");
  assert.equal(first.results.length, 3);
  first.loadMore(2);
  await until((value) => value.results.length === 5);
  // In between the first three: the first page grows, nothing is shown twice.
  await client.mutation(api.numbers.put, { numbers: [between] });
  const grown = await until((value) => value.results.length === 6);
  const numbers = grown.results.map(({ n }) => n);
  assert.deepEqual(numbers, [...new Set(numbers)].sort((a, b) => a - b));
  grown.loadMore(100);
  const all = await until((value) => value.status === "Exhausted");
  assert.equal(all.results.length, start + 1);
  paged();
}
await client.close();
done();
