// What do the official host and view of the extension for apps make of a tool with a page?
//
// Takes the folder that the packages are installed in, and a JSON object: `url` or `command`, `mode`, and `tool`, `app_tool`
// and `arguments` of a call. It does what a host does: it connects as a client, finds the tool's page, holds what is said of
// both to the extension's schemas, reads the page, and connects a view to it, here without a browser. The tool is called and
// its result handed to the view; the view calls the tool that is there for views, and reads its own page through the host.
// Prints what was seen; a step that fails ends the script with its error.

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [folder, text] = process.argv.slice(2);
const job = JSON.parse(text);
const require = createRequire(`${folder}/`);
const load = (path) => import(pathToFileURL(require.resolve(`@modelcontextprotocol/${path}`)));
const { Client, InMemoryTransport, StreamableHTTPClientTransport } = await load("client");
const { StdioClientTransport } = await load("client/stdio");
const { AppBridge, RESOURCE_MIME_TYPE, buildAllowAttribute, getToolUiResourceUri, isToolVisibilityAppOnly, ...apps } =
  await load("ext-apps/app-bridge");
const { App } = await load("ext-apps");

function transport() {
  if (job.url) return new StreamableHTTPClientTransport(new URL(job.url));
  const [command, ...args] = job.command;
  return new StdioClientTransport({ command, args, env: { ...process.env }, stderr: "ignore" });
}

const EXTENSION = "io.modelcontextprotocol/ui";
const client = new Client(
  { name: "host", version: "1" },
  {
    capabilities: { extensions: { [EXTENSION]: { mimeTypes: [RESOURCE_MIME_TYPE] } } },
    versionNegotiation: { mode: job.mode === "auto" || job.mode === "legacy" ? job.mode : { pin: job.mode } },
  },
);
await client.connect(transport());
const { tools } = await client.listTools();
const named = (name) => tools.find((tool) => tool.name === name);
const tool = named(job.tool);
const uri = getToolUiResourceUri(tool);
const listed = (await client.listResources()).resources.find((resource) => resource.uri === uri);
const { contents } = await client.readResource({ uri });
const [page] = contents;
// Throws where it is not what the extension says.
const toolMeta = apps.McpUiToolMetaSchema.parse(tool._meta.ui);
const pageMeta = apps.McpUiResourceMetaSchema.parse(page._meta.ui);

const bridge = new AppBridge(client, { name: "host", version: "1" }, { serverTools: {}, serverResources: {} });
const view = new App({ name: "view", version: "1" }, {}, { autoResize: false });
const shown = new Promise((resolve) => (view.ontoolresult = resolve));
const ready = new Promise((resolve) => (bridge.oninitialized = resolve));
const [hostSide, viewSide] = InMemoryTransport.createLinkedPair();
await bridge.connect(hostSide);
await view.connect(viewSide);
await ready;
const called = await client.callTool({ name: job.tool, arguments: job.arguments });
await bridge.sendToolInput({ arguments: job.arguments });
await bridge.sendToolResult(called);
const seen = await shown;
const refreshed = await view.callServerTool({ name: job.app_tool, arguments: {} });
const again = await view.readServerResource({ uri });
console.log(
  JSON.stringify({
    declared: client.getServerCapabilities()?.extensions?.[EXTENSION],
    uri,
    tool: toolMeta,
    app_only: isToolVisibilityAppOnly(named(job.app_tool)),
    listed: { mimeType: listed.mimeType, ui: listed._meta.ui },
    page: { mimeType: page.mimeType, is_apps: page.mimeType === RESOURCE_MIME_TYPE, ui: pageMeta, begins: page.text.slice(0, 4) },
    allow: buildAllowAttribute(pageMeta.permissions),
    seen: seen.structuredContent,
    refreshed: refreshed.content,
    read_by_view: again.contents[0].text === page.text,
  }),
);
await client.close();
