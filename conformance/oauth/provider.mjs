// An OAuth authorization server by the package `oidc-provider`, for `oauth.py`.
//
// Takes the folder that its package is installed in, a folder for its signing key, which is made where there is none, and
// its port. Clients register themselves; whoever has registered as NAME is logged in as NAME and has agreed to all that is
// asked for, without a page. Access tokens are JSON Web Tokens for whatever resource is asked for, with the scopes `tools`
// and `admin`.

import { generateKeyPairSync, randomUUID } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [folder, keys, port] = process.argv.slice(2);
const { default: Provider } = await import(
  pathToFileURL(createRequire(`${folder}/`).resolve("oidc-provider"))
);

const keyFile = join(keys, "signing.json");
if (!existsSync(keyFile)) {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const key = { ...privateKey.export({ format: "jwk" }), kid: randomUUID(), use: "sig", alg: "ES256" };
  writeFileSync(keyFile, JSON.stringify(key), { mode: 0o600 });
}

const issuer = `http://127.0.0.1:${port}`;
const provider = new Provider(issuer, {
  jwks: { keys: [JSON.parse(readFileSync(keyFile))] },
  cookies: { keys: [randomUUID()] },
  clientDefaults: { id_token_signed_response_alg: "ES256" },
  enabledJWA: { idTokenSigningAlgValues: ["ES256"] },
  scopes: ["openid", "offline_access", "tools", "admin"],
  pkce: { required: () => true },
  features: {
    devInteractions: { enabled: false },
    registration: { enabled: true },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      useGrantedResource: () => true,
      getResourceServerInfo: (_context, resource) => ({
        scope: "tools admin",
        audience: resource,
        accessTokenTTL: 600,
        accessTokenFormat: "jwt",
        jwt: { sign: { alg: "ES256" } },
      }),
    },
  },
  findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
  interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
});

async function agree(request, response) {
  const { prompt, params, grantId } = await provider.interactionDetails(request, response);
  const client = await provider.Client.find(params.client_id);
  if (prompt.name === "login") {
    const login = { accountId: client.clientName };
    return provider.interactionFinished(request, response, { login });
  }
  const grant = grantId
    ? await provider.Grant.find(grantId)
    : new provider.Grant({ accountId: client.clientName, clientId: params.client_id });
  const missing = prompt.details;
  if (missing.missingOIDCScope) grant.addOIDCScope(missing.missingOIDCScope.join(" "));
  for (const [resource, scopes] of Object.entries(missing.missingResourceScopes ?? {})) {
    grant.addResourceScope(resource, scopes.join(" "));
  }
  const consent = { grantId: await grant.save() };
  return provider.interactionFinished(request, response, { consent }, { mergeWithLastSubmission: true });
}

const answer = provider.callback();
createServer((request, response) => {
  if (!request.url.startsWith("/interaction/")) return answer(request, response);
  agree(request, response).catch((error) => {
    response.statusCode = 500;
    response.end(String(error));
  });
}).listen(Number(port), "127.0.0.1");
