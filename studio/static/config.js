// The config as it is chosen: rendered at once, examined a moment later.

import { get, made, showCommand } from "./base.js";

const root = document.querySelector("[data-config]");
const part = (name) => root.querySelector(`[data-part="${name}"]`);
let newest = 0;

async function renew() {
  const number = ++newest, query = new URLSearchParams(new FormData(part("form")));
  history.replaceState(null, "", `/config?${query}`);
  root.dataset.examined = "";
  try {
    const result = await get(`/config/result?${query}`);
    if (number !== newest) return;
    part("error").textContent = "";
    show(result);
    part("passes").textContent = "examining …";
    const report = await get(`/config/findings?${query}`);
    if (number !== newest) return;
    const { findings, lines, passes, examples } = report;
    part("passes").textContent = passes === null ? "" : `${examples} examples, ${passes} passes over each`;
    part("findings").replaceChildren(...findings.map(({ text, severity }) => made("li", { textContent: text, className: severity })));
    part("lines").replaceChildren(...lines.map((text) => made("li", { textContent: text })));
  } catch (error) {
    if (number !== newest) return;
    part("error").textContent = error.message;
    part("passes").textContent = "";
  }
  root.dataset.examined = String(number);
}

function show({ command, text, memory, warning, differences }) {
  showCommand(command);
  part("text").textContent = text;
  part("warning").textContent = warning;
  part("differences").replaceChildren(...differences.map(({ key, there, here, effect }) =>
    made("tr", {}, made("th", { textContent: key, scope: "row" }),
         ...[there, here, effect].map((value) => made("td", { textContent: value })))));
  if (!memory) {
    part("memory-text").textContent = "unknown for this model";
    part("memory").replaceChildren();
    part("legend").replaceChildren();
    return;
  }
  const { parts, training_gib: training, loading_gib: loading, limit_gib: limit } = memory;
  const whole = Math.max(training, loading, limit ?? 0) * 1.05;
  part("memory-text").textContent = `${training} GiB to train, ${loading} GiB to load${limit ? `, of ${limit} GiB` : ""}; an estimate`;
  part("memory").replaceChildren(...parts.map(({ name, gib }) => {
    const bar = made("span", { title: `${name} ${gib} GiB` });
    bar.style.width = `${(100 * gib) / whole}%`;
    return bar;
  }));
  if (limit) {
    const mark = made("span", { className: "limit", title: `${limit} GiB` });
    mark.style.left = `${(100 * limit) / whole}%`;
    part("memory").append(mark);
  }
  part("memory").setAttribute("aria-label", parts.map(({ name, gib }) => `${name} ${gib} GiB`).join(", "));
  part("legend").replaceChildren(...parts.filter(({ gib }) => gib >= 0.05).map(({ name, gib }) => made("li", { textContent: `${name} ${gib}` })));
}

let waiting;
part("form").addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(renew, 250);
});
part("form").addEventListener("submit", (event) => event.preventDefault());
renew();
