// One operation of acme-client of npm; the first argument is the folder with its packages.
import { createRequire } from 'node:module';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';

const [folder, operation, ...rest] = process.argv.slice(2);
const acme = createRequire(`${folder}/`)('acme-client');
const { ACME_DIRECTORY, ACME_KEY_ID, ACME_HMAC_KEY, ACME_RECORDS } = process.env;
const KEY = 'account.pem';
const SUPERSEDED = 4;

if (!existsSync(KEY)) writeFileSync(KEY, await acme.crypto.createPrivateEcdsaKey());
const client = new acme.Client({
  directoryUrl: ACME_DIRECTORY,
  accountKey: readFileSync(KEY),
  externalAccountBinding: { kid: ACME_KEY_ID, hmacKey: ACME_HMAC_KEY },
  backoffMin: 500,
  backoffMax: 2000,
});

async function answer(authz, challenge, keyAuthorization) {
  if (challenge.type === 'http-01') {
    mkdirSync('challenges', { recursive: true });
    writeFileSync(`challenges/${challenge.token}`, keyAuthorization);
  } else {
    // The library hashes the key authorization of dns-01 itself.
    writeFileSync(`${ACME_RECORDS}/_acme-challenge.${authz.identifier.value}=${keyAuthorization}`, '');
  }
}

async function issue(type, names) {
  const [, csr] = await acme.crypto.createCsr({ altNames: names });
  const chain = await client.auto({
    csr,
    email: 'ops@example.com',
    termsOfServiceAgreed: true,
    skipChallengeVerification: true,
    challengePriority: [type],
    challengeCreateFn: answer,
    challengeRemoveFn: async () => {},
  });
  writeFileSync(`${names[0].replace('*', '_')}.crt`, chain);
}

const account = { termsOfServiceAgreed: true, contact: ['mailto:ops@example.com'] };
if (operation === 'issue') {
  await issue(rest[0], rest.slice(1));
} else {
  await client.createAccount(operation === 'register' ? account : { onlyReturnExisting: true });
  if (operation === 'revoke') {
    await client.revokeCertificate(readFileSync(rest[0]), { reason: SUPERSEDED });
  } else if (operation === 'change-key') {
    const key = await acme.crypto.createPrivateEcdsaKey();
    await client.updateAccountKey(key);
    writeFileSync(KEY, key);
  } else if (operation === 'deactivate') {
    await client.updateAccount({ status: 'deactivated' });
  }
}
