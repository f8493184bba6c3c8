// Make calls with @infisical/sdk and print the answers as JSON.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const given = JSON.parse(readFileSync(0, "utf8"));
const { InfisicalSDK } = createRequire(`${given.modules}/`)("@infisical/sdk");
const certificates = `${given.address}/api/v1/cert-manager/certificates`;

async function logIn(client) {
  if (given.clientId) {
    return client.auth().universalAuth.login({ clientId: given.clientId, clientSecret: given.clientSecret });
  }
  return client.auth().awsIamAuth.login({ identityId: given.identityId });
}

async function call(client, address, method, body) {
  const headers = { Authorization: `Bearer ${client.auth().getAccessToken()}`, "Content-Type": "application/json" };
  const answer = await fetch(address, { method, headers, body: body && JSON.stringify(body) });
  return answer.json();
}

async function main() {
  const client = new InfisicalSDK({ siteUrl: given.address });
  try {
    await logIn(client);
  } catch (error) {
    return { refused: error.message };
  }
  const before = client.auth().getAccessToken();
  await client.auth().universalAuth.renew();
  const login = { accessToken: before, renewed: client.auth().getAccessToken() };
  const issued = await call(client, certificates, "POST", given.request);
  const found = await call(client, `${certificates}/${issued.certificate.certificateId}`, "GET");
  const missing = await client.secrets().listSecrets({ projectId: "x", environment: "prod" }).then(
    () => null,
    (error) => error.message,
  );
  return { login, issued, found, missing };
}

console.log(JSON.stringify(await main()));
