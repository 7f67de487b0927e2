// Does an official TypeScript client get the whole of a call whose connection breaks?
//
// Takes the folder that the packages are installed in, the package (`sdk` for the 1.x line, `client` for 2.x), and the
// JSON argument of `resuming.py`; prints what that does.

import { createRequire } from "node:module";

const [folder, line, text] = process.argv.slice(2);
const job = JSON.parse(text);
const require = createRequire(`${folder}/`);
const load = (path) => require(`@modelcontextprotocol/${path}`);
const isFirstLine = line === "sdk";
const { Client } = isFirstLine ? load("sdk/client/index.js") : load("client");
const { StreamableHTTPClientTransport } = isFirstLine ? load("sdk/client/streamableHttp.js") : load("client");

const options = isFirstLine ? {} : { versionNegotiation: { mode: "legacy" } };
const client = new Client({ name: "resuming", version: "1" }, options);
const transport = new StreamableHTTPClientTransport(new URL(job.url));
await client.connect(transport);
const progress = [];
const wanted = { onprogress: (event) => progress.push(event.progress), timeout: 120_000 };
const call = { name: job.tool, arguments: job.arguments };
const result = await (isFirstLine ? client.callTool(call, undefined, wanted) : client.callTool(call, wanted));
console.log(JSON.stringify({ protocol: transport.protocolVersion, progress, text: result.content[0].text }));
await client.close();
