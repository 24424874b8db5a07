// The contact sheet: choices are written at once, findings come when they are there, a build is followed.

import { attempt, get, made, say, send } from "./base.js";
import { fillRows } from "./rows.js";

const root = document.querySelector("[data-dataset]");
const base = root.dataset.dataset;
const part = (name) => root.querySelector(`[data-part="${name}"]`);
const pairs = [...root.querySelectorAll(".pair")];
let found = {};  // what doctor finds, by the key of the pair

function countPending() {
  const count = pairs.filter((pair) => "changed" in pair.dataset).length;
  part("pending").textContent = count ? `${count} ${count === 1 ? "pair" : "pairs"} changed since the last build` : "";
}

root.addEventListener("change", (event) => {
  const pair = event.target.closest(".pair"), { field } = event.target.dataset;
  if (!pair || !field) return;
  attempt(async () => {
    const address = `${base}/pair/${encodeURIComponent(pair.dataset.key)}`;
    const answer = await send(address, { [field]: event.target.value });
    pair.querySelector('[data-field="label"]').value = answer.label;
    pair.querySelector('[data-field="choice"]').value = answer.choice;
    pair.toggleAttribute("data-changed", answer.changed);
    countPending();
    say("Written.");
  });
});

part("filter").addEventListener("change", ({ target }) => {
  for (const pair of pairs) {
    const kinds = { found: pair.dataset.key in found, changed: "changed" in pair.dataset };
    pair.hidden = Boolean(target.value) && !(target.value in kinds ? kinds[target.value] : pair.dataset.split === target.value);
  }
});

function list(node, some = []) {
  node?.replaceChildren(...some.map(({ text, severity }) => made("li", { textContent: text, className: severity })));
}

function listFor(pair) {
  list(pair.querySelector(".findings"), found[pair.dataset.key]);
}

async function findings() {
  ({ findings: found } = await get(`${base}/findings`));
  list(part("general"), found[""]);
  pairs.forEach(listFor);
  root.dataset.checked = "yes";
}

async function follow() {
  const status = await get(`${base}/build`);
  if (status.code === null && !status.running) return;
  part("output").hidden = false;
  part("output").textContent = status.text;
  part("output").scrollTop = part("output").scrollHeight;
  part("build").disabled = status.running;
  if (status.running) setTimeout(() => attempt(follow), 400);
  else if (root.dataset.building && [0, 3].includes(status.code)) {
    sessionStorage.setItem("built", "yes");
    location.reload();
  }
  root.dataset.code = status.code ?? "";
}

part("build").addEventListener("click", () => attempt(async () => {
  root.dataset.building = "yes";
  part("build").disabled = true;
  await send(`${base}/build`);
  await follow();
}));

if (sessionStorage.getItem("built")) {
  sessionStorage.removeItem("built");
  say("Built.");
}
countPending();
requestAnimationFrame(() => setTimeout(() => attempt(async () => {
  await fillRows(pairs, `${base}/cards`, listFor);
  await findings();
})));
attempt(follow);
