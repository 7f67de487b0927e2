// What does the official TypeScript client see of a server, and can a tool ask it?
//
// Takes the folder that its package is installed in, and one JSON argument, `{"mode": …, "command": […] or "url": …,
// "name": …, "calls": […]}`, and prints one JSON object: the protocol agreed on, the tools' names, and how each call
// went. With `"others": N` in place of the calls the server is one of the skill `questions`: one call asks for a form,
// which is answered only once N more calls, sent behind it, have come back; then calls ask for several things in turn,
// at once, and for what else there is to ask: a value, a page, the client's model.

import { createRequire } from "node:module";

const [folder, text] = process.argv.slice(2);
const job = JSON.parse(text);
const require = createRequire(`${folder}/`);
const { Client, StreamableHTTPClientTransport } = require("@modelcontextprotocol/client");
const { StdioClientTransport } = require("@modelcontextprotocol/client/stdio");

function transport() {
  if (job.url) return new StreamableHTTPClientTransport(new URL(job.url));
  const [command, ...args] = job.command;
  return new StdioClientTransport({ command, args, env: { ...process.env }, stderr: "ignore" });
}

const textOf = (result) =>
  result.content
    .filter((block) => block.type === "text")
    .map((block) => block.text)
    .join("\n");

// A tool's failure is a result, and a refusal an error: both are told as a call that failed.
async function told(client, { tool, arguments: args }) {
  try {
    const result = await client.callTool({ name: tool, arguments: args });
    return { tool, failed: result.isError === true, text: textOf(result) };
  } catch (error) {
    return { tool, failed: true, text: error.message };
  }
}

async function lookAround(client) {
  const { tools } = await client.listTools();
  const calls = [];
  for (const wanted of job.calls) calls.push(await told(client, wanted));
  return { tools: tools.map((tool) => tool.name), calls };
}

async function askAround(client, asked, answerForms) {
  const call = async (tool, args = {}) => {
    const { failed, text } = await told(client, { tool: `questions_${tool}`, arguments: args });
    if (failed) throw new Error(`${tool} failed: ${text}`);
    return text;
  };
  let firstIsDone = false;
  const first = call("once").finally(() => {
    firstIsDone = true;
  });
  await Promise.race([asked, first]);
  const numbers = Array.from({ length: job.others }, (_, number) => String(number));
  const others = await Promise.all(numbers.map((number) => call("echo", { text: number })));
  const waited = !firstIsDone;
  answerForms();
  return {
    others: JSON.stringify(others) === JSON.stringify(numbers),
    waited,
    once: JSON.parse(await first),
    in_turn: JSON.parse(await call("in_turn")),
    at_once: JSON.parse(await call("at_once")),
    other_kinds: JSON.parse(await call("other_kinds")),
  };
}

const isAsked = "others" in job;
const client = new Client(
  { name: job.name ?? "typescript", version: "1" },
  {
    capabilities: isAsked ? { elicitation: { form: {}, url: {} }, roots: {}, sampling: {} } : {},
    versionNegotiation: { mode: /^\d/.test(job.mode) ? { pin: job.mode } : job.mode },
  },
);
let wasAsked, answerForms;
const asked = new Promise((resolve) => (wasAsked = resolve));
const mayAnswer = new Promise((resolve) => (answerForms = resolve));
if (isAsked) {
  client.setRequestHandler("elicitation/create", async ({ params }) => {
    wasAsked();
    await mayAnswer;
    if (params.mode === "url") return { action: params.url === "https://example.com/in" ? "accept" : "cancel" };
    const field = params.message.replace(/\?$/, "");
    return { action: "accept", content: { [field]: `a ${field}` } };
  });
  client.setRequestHandler("sampling/createMessage", async ({ params }) => {
    const text = `${params.systemPrompt} ${params.messages[0].content.text} ${params.maxTokens}`;
    return { role: "assistant", content: { type: "text", text }, model: "m", stopReason: "endTurn" };
  });
  client.setRequestHandler("roots/list", async () => ({ roots: [{ uri: "file:///work", name: "work" }] }));
}

await client.connect(transport());
const seen = isAsked ? await askAround(client, asked, answerForms) : await lookAround(client);
console.log(JSON.stringify({ protocol: client.getNegotiatedProtocolVersion(), ...seen }));
await client.close();
