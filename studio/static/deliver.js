import { attempt, say, send, showCommand } from "./base.js";

const form = document.querySelector("#deliver");
const boxes = [...form.querySelectorAll("[name=state]")];
const out = document.querySelector("#out");
const links = ["zip", "table", "proof"].map((id) => document.querySelector(`#${id}`));
const addresses = links.map((link) => link.getAttribute("href"));
const usual = document.querySelector("#command").textContent;

const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'"'"'`)}'`);

function refresh() {
  const chosen = boxes.filter((box) => box.checked && !box.disabled);
  const number = chosen.reduce((sum, box) => sum + Number(box.dataset.count), 0);
  const none = "No photo is in these states. Accept photos first (A on the light table), or choose other states.";
  document.querySelector("#number").textContent = number === 0 ? none : number === 1 ? "1 photo" : `${number} photos`;
  document.querySelector("#to-folder").disabled = number === 0;
  const query = new URLSearchParams(chosen.map((box) => ["state", box.value]));
  links.forEach((link, index) => {
    if (number) link.href = `${addresses[index]}?${query}`;
    else link.removeAttribute("href");
  });
  const states = boxes.filter((box) => box.checked).map((box) => ` --state ${quoted(box.value)}`);
  showCommand(`${usual.split(" --out ")[0]} --out ${quoted(out.value)}${states.join("")}`);
}

form.addEventListener("input", refresh);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(async () => {
    const states = boxes.filter((box) => box.checked && !box.disabled).map((box) => box.value);
    const done = await send(form.dataset.address, { out: out.value, states });
    say(`${done.delivered} delivered to ${done.out}`);
  });
});
refresh();
