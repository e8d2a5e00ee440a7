// Drives the simulator with Replicate's own JavaScript client. The test that
// starts it gives BASE_URL (with /v1), OUTPUT (scheme and host of the delivery
// listener) and TOKEN.
import assert from "node:assert/strict";
import Replicate, { validateWebhook } from "replicate";

const { BASE_URL, OUTPUT, TOKEN } = process.env;

// The client makes file objects of https: URLs only, so that outputs are named
// as at Replicate and mapped here.
const mapped = (url, init) => fetch(String(url).replace("https://replicate.delivery", OUTPUT), init);
const replicate = new Replicate({ auth: TOKEN, baseUrl: BASE_URL, fetch: mapped });
const flux = "black-forest-labs/flux-schnell";
const llama = "meta/meta-llama-3-8b-instruct";

const steps = {
  async account() {
    assert.equal((await replicate.accounts.current()).username, "demo");
  },
  async createAndWait() {
    const made = await replicate.predictions.create({ model: flux, input: { prompt: "a boat", num_outputs: 2 } });
    assert.equal(made.status, "starting");
    const done = await replicate.wait(made, { interval: 20 });
    assert.equal(done.status, "succeeded");
    assert.equal(done.output.length, 2);
    assert.ok(done.metrics.predict_time > 0);
    const bytes = new Uint8Array(await (await mapped(done.output[0])).arrayBuffer());
    assert.equal(String.fromCharCode(...bytes.slice(8, 12)), "WEBP");
  },
  async runBlocking() {
    const [file] = await replicate.run(flux, { input: { prompt: "a cat", output_format: "png" } });
    assert.match(file.url().href, /^https:\/\/replicate\.delivery\/.*\/out-0\.png$/);
    const blob = await file.blob();
    assert.equal(blob.type, "image/png");
    assert.ok(blob.size > 1000);
  },
  async runPolling() {
    const { latest_version: v } = await replicate.models.get("acme", "object");
    const out = await replicate.run(`acme/object:${v.id}`, { input: { prompt: "a tree" }, wait: { mode: "poll", interval: 20 } });
    assert.equal(out.caption, "a scene: a tree");
    assert.equal((await out.parts[1].mask.blob()).type, "image/png");
  },
  async runText() {
    const out = await replicate.run(llama, { input: { prompt: "Write a poem about the sea" } });
    assert.ok(out.join("").includes("sea"));
  },
  async stream() {
    let text = "";
    let last;
    for await (const event of replicate.stream(llama, { input: { prompt: "Tell me a story about a fox" } })) {
      if (event.event === "output") text += event.data;
      last = event;
    }
    assert.equal(last.event, "done");
    assert.ok(text.includes("fox") && text.includes("\n\n"), text);
  },
  async failure() {
    const { latest_version: v } = await replicate.models.get("acme", "broken");
    await assert.rejects(replicate.run(`acme/broken:${v.id}`, { input: {} }), /this model is broken/);
  },
  async cancel() {
    const { latest_version: v } = await replicate.models.get("acme", "slow");
    const made = await replicate.predictions.create({ version: v.id, input: { seconds: 600 } });
    const gone = await replicate.predictions.cancel(made.id);
    assert.equal(gone.status, "canceled");
    assert.equal((await replicate.predictions.get(made.id)).status, "canceled");
  },
  async listAndPage() {
    const first = await replicate.predictions.list();
    assert.equal(first.results.length, 100);
    const ids = new Set();
    let pages = 0;
    for await (const page of replicate.paginate(replicate.predictions.list)) {
      page.forEach((p) => ids.add(p.id));
      pages++;
    }
    assert.ok(pages === 3 && ids.size > 240, `${pages} pages of ${ids.size}`);
  },
  async invalid() {
    await assert.rejects(replicate.predictions.create({ model: flux, input: {} }), (e) => e.response.status === 422);
    await assert.rejects(replicate.predictions.get("nothing"), (e) => e.response.status === 404);
  },
  async files() {
    const f = await replicate.files.create(new Blob(["hello"], { type: "text/plain" }), { k: "v" });
    assert.equal(f.size, 5);
    assert.equal(f.metadata.k, "v");
    assert.equal((await replicate.files.get(f.id)).id, f.id);
    assert.ok((await replicate.files.list()).results.length >= 1);
    assert.equal(await replicate.files.delete(f.id), true);
  },
  async fileInput() {
    const [small] = await replicate.run(flux, { input: { prompt: "a house", output_format: "jpg", aspect_ratio: "9:21" } });
    const { latest_version: v } = await replicate.models.get("acme", "captioner");
    const out = await replicate.run(`acme/captioner:${v.id}`, { input: { image: await small.blob() } });
    assert.match(out, /tall picture of 416 by 960/);
  },
  async rest() {
    assert.ok((await replicate.models.search("upscale")).results.length > 0);
    assert.ok((await replicate.models.list()).results.length === 25);
    assert.equal((await replicate.collections.get("text-to-image")).slug, "text-to-image");
    assert.ok((await replicate.collections.list()).results.length > 3);
    assert.ok((await replicate.hardware.list()).some((h) => h.sku === "cpu"));
    assert.equal((await replicate.deployments.get("demo", "upscale-fast")).name, "upscale-fast");
    const { results } = await replicate.trainings.list();
    assert.equal((await replicate.trainings.get(results[0].id)).status, "succeeded");
    const { key } = await replicate.webhooks.default.secret.get();
    assert.match(key, /^whsec_/);
    assert.equal(typeof validateWebhook, "function");
  },
};

let failed = 0;
for (const [name, step] of Object.entries(steps)) {
  try {
    await step();
  } catch (e) {
    failed++;
    console.error(`${name}: ${e.stack}`);
  }
}
process.exit(failed ? 1 : 0);
