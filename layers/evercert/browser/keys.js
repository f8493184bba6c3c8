// Make a private key in the browser and a certification request (PKCS #10) for it. The key leaves this module as PEM only;
// nothing here stores it or sends it anywhere.

import "reflect-metadata"; // before x509, whose dependency injection reads it
import { Pkcs10CertificateRequestGenerator, SubjectAlternativeNameExtension } from "@peculiar/x509";

const RSA = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256", publicExponent: new Uint8Array([1, 0, 1]) };
const P256 = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const P384 = { name: "ECDSA", namedCurve: "P-384", hash: "SHA-384" };
const P521 = { name: "ECDSA", namedCurve: "P-521", hash: "SHA-512" };

// The names of documents, and short ones for the curves.
const ALGORITHMS = {
  EC_prime256v1: P256,
  EC_secp384r1: P384,
  EC_secp521r1: P521,
  EC_P256: P256,
  EC_P384: P384,
  RSA_2048: { ...RSA, modulusLength: 2048 },
  RSA_3072: { ...RSA, modulusLength: 3072 },
  RSA_4096: { ...RSA, modulusLength: 4096 },
};
const KINDS = { dns: "dns", ip: "ip", email: "email", uri: "url" }; // our words, and those of the library
const LONGEST_COMMON_NAME = 64; // X.520, upper bound

/** Return `{privateKeyPem, csrPem}` for `{algorithm, names: {dns, ip, email, uri}, commonName}`; throw an Error if they are invalid. */
export async function makeRequest({ algorithm, names = {}, commonName = "" }) {
  const parameters = Object.hasOwn(ALGORITHMS, algorithm) ? ALGORITHMS[algorithm] : undefined;
  if (parameters === undefined) {
    throw new Error(`unsupported key algorithm ${algorithm}: use one of ${Object.keys(ALGORITHMS).join(", ")}`);
  }
  const alternativeNames = checkedNames(names);
  if (alternativeNames.length === 0 && commonName === "") {
    throw new Error("no names: enter a DNS name, an IP address, an email address, a URI or a common name");
  }
  if (commonName.length > LONGEST_COMMON_NAME) {
    throw new Error(`invalid common name: ${commonName.length} characters, at most ${LONGEST_COMMON_NAME} are allowed`);
  }
  const keys = await crypto.subtle.generateKey(parameters, true, ["sign", "verify"]);
  const request = await Pkcs10CertificateRequestGenerator.create(
    {
      name: commonName === "" ? [] : [{ CN: [{ utf8String: commonName }] }],
      keys,
      signingAlgorithm: parameters,
      extensions: alternativeNames.length === 0 ? [] : [new SubjectAlternativeNameExtension(alternativeNames)],
    },
    crypto,
  );
  const privateKey = await crypto.subtle.exportKey("pkcs8", keys.privateKey);
  return { privateKeyPem: pem("PRIVATE KEY", privateKey), csrPem: pem("CERTIFICATE REQUEST", request.rawData) };
}

function checkedNames(names) {
  const found = [];
  for (const [kind, values] of Object.entries(names)) {
    if (!Object.hasOwn(KINDS, kind)) {
      throw new Error(`unsupported kind of name ${kind}: use ${Object.keys(KINDS).join(", ")}`);
    }
    for (const value of values) {
      // RFC 5280 §4.2.1.6: these names are ASCII; a library would cut other characters to their low byte.
      if (!/^[\x21-\x7e]+$/.test(value)) {
        throw new Error(`invalid ${kind} name ${JSON.stringify(value)}: use ASCII without spaces (xn--… for other letters)`);
      }
      found.push({ type: KINDS[kind], value });
    }
  }
  return found;
}

function pem(label, bytes) {
  let binary = "";
  for (const byte of new Uint8Array(bytes)) binary += String.fromCharCode(byte);
  const lines = btoa(binary).match(/.{1,64}/g);
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}
