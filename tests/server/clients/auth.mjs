// setAuth: signing in, as somebody else, with a token that is refused, with one that expires; and over HTTP.
import { anyApi as api, assert, connect, ConvexHttpClient, done, follow, url } from "./common.mjs";

const http = new ConvexHttpClient(url);
const issue = (subject, lasts = 3600) => http.action(api.issuer.token, { subject, lasts });
const client = connect();
const who = follow(client, api.auth.who);
await who.until((value) => value === null);

/** Sign in with what `fetch` gives; what the client is told of it. */
const signIn = (fetch) => new Promise((resolve) => client.setAuth(fetch, resolve));

// The first token, and at once a fresh one.
const forced = [];
const isAda = await signIn(({ forceRefreshToken }) => (forced.push(forceRefreshToken), issue("ada")));
assert.equal(isAda, true);
await who.until((value) => value === "ada");
assert.equal(await client.mutation(api.auth.note, {}), "ada");
assert.equal(await client.action(api.auth.act, {}), "ada");
assert.deepEqual(forced.slice(0, 2), [false, true]);

assert.equal(await signIn(() => issue("bob")), true);
await who.until((value) => value === "bob");

// Never somebody else: whoever is refused is nobody.
const evil = (await issue("eve")).split(".");
const before = who.seen.length;
assert.equal(await signIn(async () => `${evil[0]}.${evil[1]}.${(await issue("bob")).split(".")[2]}`), false);
await who.until((value) => value === null);
assert.ok(!who.seen.slice(before).includes("eve"));

// A token that expires while the client is connected: it comes back with another one, and what it asked for is done.
let current = await issue("cy", -9);
let forcing = 0;
assert.equal(await signIn(async ({ forceRefreshToken }) => (forceRefreshToken && forcing++, current)), true);
await who.until((value) => value === "cy");
await new Promise((resolve) => setTimeout(resolve, 1500));
const old = current;
current = await issue("cy");
assert.notEqual(old, current);
const asked = forcing;
assert.equal(await client.mutation(api.auth.note, {}), "cy");
assert.ok(forcing > asked);

assert.equal(await http.query(api.auth.who, {}), null);
http.setAuth(current);
assert.equal(await http.query(api.auth.who, {}), "cy");
http.setAuth(old);
await assert.rejects(http.query(api.auth.who, {}), /expired/);
await client.close();
done();
