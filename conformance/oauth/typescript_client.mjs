// Logs in to a server by the OAuth of an official TypeScript SDK, 1.x or 2.x, and uses it.
//
// Takes the folder that the package is installed in, and one JSON argument, `{"url": …, "name": …, "line": "1" or "2"}`,
// and prints one JSON object: the tools' names and what a call said.

import { createRequire } from "node:module";

const [folder, text] = process.argv.slice(2);
const job = JSON.parse(text);
const require = createRequire(`${folder}/`);
const { Client, StreamableHTTPClientTransport, UnauthorizedError } =
  job.line === "2"
    ? require("@modelcontextprotocol/client")
    : {
        ...require("@modelcontextprotocol/sdk/client/index.js"),
        ...require("@modelcontextprotocol/sdk/client/streamableHttp.js"),
        ...require("@modelcontextprotocol/sdk/client/auth.js"),
      };

// Nobody listens there: the browser that this is stops where it would be sent to.
const CALLBACK = "http://127.0.0.1:1/callback";
const kept = {};
let answer;

// Goes where it is sent, with its cookies, until it is sent to the client.
async function browse(address) {
  const cookies = new Map();
  while (!address.startsWith(CALLBACK)) {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const reply = await fetch(address, { redirect: "manual", headers: { cookie } });
    const location = reply.headers.get("location");
    if (!location) throw new Error(`${address} answered ${reply.status}: ${await reply.text()}`);
    for (const line of reply.headers.getSetCookie()) {
      const [pair] = line.split(";");
      cookies.set(pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1));
    }
    address = new URL(location, address).href;
  }
  return new URL(address).searchParams;
}

const authProvider = {
  redirectUrl: CALLBACK,
  clientMetadata: {
    client_name: job.name,
    redirect_uris: [CALLBACK],
    grant_types: ["authorization_code"],
    response_types: ["code"],
    token_endpoint_auth_method: "none",
  },
  clientInformation: () => kept.client,
  saveClientInformation: (client) => {
    kept.client = client;
  },
  tokens: () => kept.tokens,
  saveTokens: (tokens) => {
    kept.tokens = tokens;
  },
  codeVerifier: () => kept.verifier,
  saveCodeVerifier: (verifier) => {
    kept.verifier = verifier;
  },
  saveDiscoveryState: (state) => {
    kept.discovery = state;
  },
  discoveryState: () => kept.discovery,
  redirectToAuthorization: async (address) => {
    answer = await browse(address.href);
  },
};

const connect = async () => {
  const client = new Client({ name: "oauth", version: "1" });
  const transport = new StreamableHTTPClientTransport(new URL(job.url), { authProvider });
  try {
    await client.connect(transport);
  } catch (error) {
    if (!(error instanceof UnauthorizedError) || !answer) throw error;
    await transport.finishAuth(job.line === "2" ? answer : answer.get("code"));
    return null;
  }
  return client;
};

const client = (await connect()) ?? (await connect());
const { tools } = await client.listTools();
const result = await client.callTool({ name: "text_count", arguments: { text: "one two three" } });
const said = result.content.map((block) => block.text ?? "").join("");
console.log(JSON.stringify({ tools: tools.map((tool) => tool.name), said }));
await client.close();
