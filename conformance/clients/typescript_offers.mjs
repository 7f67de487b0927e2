// What do the official TypeScript clients see of a server, can they do what they may, and are they told of changes?
//
// Takes the folder that the packages are installed in, the package (`sdk` for the 1.x line, `client` for 2.x), and the
// JSON argument of `python_offers.py`; prints what that does.

import { createRequire } from "node:module";
import { existsSync, writeFileSync } from "node:fs";

const CHANGE_SECONDS_MAX = 30;
const KINDS = ["tools", "resources", "prompts"];

const [folder, line, text] = process.argv.slice(2);
const job = JSON.parse(text);
const require = createRequire(`${folder}/`);
const load = (path) => require(`@modelcontextprotocol/${path}`);
const isFirstLine = line === "sdk";
const { Client } = isFirstLine ? load("sdk/client/index.js") : load("client");
const { StdioClientTransport } = isFirstLine ? load("sdk/client/stdio.js") : load("client/stdio");
const { StreamableHTTPClientTransport } = isFirstLine ? load("sdk/client/streamableHttp.js") : load("client");
const { SSEClientTransport } = isFirstLine ? load("sdk/client/sse.js") : load("client");

// What makes requests over a Unix socket: the SDKs take any function like `fetch`.
function overSocket(socketPath) {
  const { Agent, fetch } = require("undici");
  const dispatcher = new Agent({ connect: { socketPath } });
  return { fetch: (url, init) => fetch(url, { ...init, dispatcher }) };
}

function transport() {
  if (job.sse) return new SSEClientTransport(new URL(job.sse));
  if (job.url) return new StreamableHTTPClientTransport(new URL(job.url), job.socket ? overSocket(job.socket) : {});
  const [command, ...args] = job.command;
  return new StdioClientTransport({ command, args, env: { ...process.env }, stderr: "ignore" });
}

const told = new Set();
let wasTold;
const toldAll = new Promise((resolve) => (wasTold = resolve));
// Waits so long at most; what was told until then is judged by who reads it.
const toldInTime = () => Promise.race([toldAll, new Promise((resolve) => setTimeout(resolve, CHANGE_SECONDS_MAX * 1000).unref())]);
function hear(kind) {
  told.add(kind);
  if (told.size > KINDS.length) wasTold();
}

// The 1.x line names notifications by their schemas, the 2.x line by their methods.
function listenFor(client) {
  const schemas = isFirstLine ? load("sdk/types.js") : {};
  const names = {
    tools: ["ToolListChangedNotificationSchema", "notifications/tools/list_changed"],
    resources: ["ResourceListChangedNotificationSchema", "notifications/resources/list_changed"],
    prompts: ["PromptListChangedNotificationSchema", "notifications/prompts/list_changed"],
    updated: ["ResourceUpdatedNotificationSchema", "notifications/resources/updated"],
  };
  for (const [kind, [schema, method]] of Object.entries(names)) {
    client.setNotificationHandler(isFirstLine ? schemas[schema] : method, async () => hear(kind));
  }
}

function ask(client, method, params) {
  const functions = {
    "tools/list": () => client.listTools(params),
    "tools/call": () => client.callTool(params),
    "resources/list": () => client.listResources(params),
    "resources/templates/list": () => client.listResourceTemplates(params),
    "resources/read": () => client.readResource(params),
    "prompts/list": () => client.listPrompts(params),
    "prompts/get": () => client.getPrompt(params),
    "completion/complete": () => client.complete(params),
  };
  // What a client has no function for is no step of its.
  return functions[method]?.() ?? null;
}

async function step(client, { method, params }) {
  try {
    return await ask(client, method, params);
  } catch (error) {
    if (typeof error.code !== "number") throw error;
    return { refused: error.code };
  }
}

async function change(client, isModern) {
  const edit = () => writeFileSync(job.edit.file, job.edit.text);
  if (isModern) {
    const subscription = await client.listen({
      toolsListChanged: true,
      resourcesListChanged: true,
      promptsListChanged: true,
      resourceSubscriptions: [job.subscribes],
    });
    edit();
    await toldInTime();
    await subscription.close();
  } else {
    await client.subscribeResource({ uri: job.subscribes });
    edit();
    await toldInTime();
    await client.unsubscribeResource({ uri: job.subscribes });
  }
  const lists = {};
  for (const kind of KINDS) lists[kind] = await step(client, { method: `${kind}/list` });
  return { told: [...told].sort(), lists };
}

async function call(client, tool, args, options) {
  const params = { name: tool, arguments: args };
  const result = await (isFirstLine ? client.callTool(params, undefined, options) : client.callTool(params, options));
  return result.content.map((block) => block.text ?? "").join("\n");
}

async function appears(file) {
  for (let waited = 0; waited < CHANGE_SECONDS_MAX * 1000 && !existsSync(file); waited += 20) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return existsSync(file);
}

async function hearProgress(client) {
  const heard = [];
  await call(client, job.progress, {}, { onprogress: ({ progress }) => heard.push(progress) });
  return heard;
}

async function cancel(client) {
  const { tool, file } = job.cancel;
  const givenUp = new AbortController();
  const ended = call(client, tool, { file }, { signal: givenUp.signal }).catch(() => {});
  await appears(`${file}.began`);
  givenUp.abort("given up");
  await ended;
  return appears(`${file}.cancelled`);
}

// Has the server end and start again; whether the same session goes on, or what the program is told.
async function restart(client) {
  writeFileSync(job.restart.ready, "");
  await appears(job.restart.done);
  return call(client, ...job.ask, { timeout: CHANGE_SECONDS_MAX * 1000 }).then(
    () => "goes on",
    (error) => `${error.name}: ${error.message}`,
  );
}

const pinned = /^\d/.test(job.mode) ? { pin: job.mode } : job.mode;
const capabilities = { elicitation: { form: {} } };
const options = isFirstLine ? { capabilities } : { capabilities, versionNegotiation: { mode: pinned } };
const client = new Client({ name: "typescript", version: "1" }, options);
listenFor(client);
const asked = isFirstLine ? load("sdk/types.js").ElicitRequestSchema : "elicitation/create";
client.setRequestHandler(asked, async ({ params }) => {
  const field = params.message.replace(/\?$/, "");
  return { action: "accept", content: { [field]: `a ${field}` } };
});
await client.connect(transport());
const protocol = isFirstLine ? client.transport.protocolVersion ?? "2025-11-25" : client.getNegotiatedProtocolVersion();
const steps = [];
for (const wanted of job.steps) steps.push(await step(client, wanted));
const changes = await change(client, protocol >= "2026-07-28");
const progress = await hearProgress(client);
const answer = await call(client, ...job.ask);
const cancelled = await cancel(client);
const seen = { protocol, steps, changes, progress, asked: answer, cancelled };
if (job.restart) seen.restart = await restart(client);
console.log(JSON.stringify(seen));
await client.close().catch(() => {});
process.exit(0);
