// Generates the private key of a certificate in the browser. The key is not part of the form: it has no name.
import { makeRequest } from "./vendor/keys.js";

const form = document.getElementById("new");
const made = document.getElementById("made");
const mistake = document.getElementById("mistake");
const key = document.getElementById("private-key");
const saved = document.getElementById("saved");

for (const choice of form.querySelectorAll("[data-needs-script]")) choice.hidden = false;

function names() {
  const found = { dns: [], ip: [], email: [], uri: [] };
  for (const text of form.elements["alt-names"].value.split(/[\s,]+/).filter(Boolean)) {
    const [, kind, value] = /^(?:(dns|ip|email|uri):)?(.*)$/s.exec(text);
    const guessed = /^[0-9.]+$|:/.test(value) ? "ip" : value.includes("@") ? "email" : "dns";
    found[kind ?? guessed].push(value);
  }
  return found;
}

function show(error) {
  mistake.textContent = error.message;
  mistake.hidden = false;
}

let isMaking = false; // an RSA key takes seconds, and a second click would replace it

async function make() {
  const { algorithm } = form.elements;
  const { privateKeyPem, csrPem } = await makeRequest({
    algorithm: algorithm.value === "issuer" ? "EC_prime256v1" : algorithm.value,
    names: names(),
    commonName: form.elements["common-name"].value.trim(),
  });
  form.elements.csr.value = csrPem;
  key.value = privateKeyPem;
  saved.checked = false;
  document.getElementById("save-key").href = URL.createObjectURL(new Blob([privateKeyPem], { type: "application/x-pem-file" }));
  made.hidden = false;
  key.focus();
}

form.addEventListener("submit", (event) => {
  mistake.hidden = true;
  if (form.elements["made-by"].value !== "browser" || (key.value && saved.checked)) return;
  event.preventDefault();
  if (key.value) {
    show(new Error("Save the private key first; it is not shown again."));
  } else if (!isMaking) {
    isMaking = true;
    make().catch(show).finally(() => { isMaking = false; });
  }
});

// Another choice, or another name, needs another request.
form.addEventListener("change", (event) => {
  if (event.target === saved || event.target.name === "csr") return;
  if (key.value && ["made-by", "algorithm", "alt-names", "common-name"].includes(event.target.name)) {
    key.value = form.elements.csr.value = "";
    saved.checked = false;
    made.hidden = true;
  }
});

// A pasted request is a choice.
form.elements.csr.addEventListener("input", ({ target }) => {
  if (target.value.trim() && form.elements["made-by"].value !== "csr") {
    form.elements["made-by"].value = "csr";
    key.value = "";
    made.hidden = true;
  }
});

// The browser restores fields after "Back", but not the key: a request without its key is useless.
addEventListener("pageshow", () => {
  if (form.elements["made-by"].value === "browser" && !key.value) form.elements.csr.value = "";
});
