import { attempt, get, isTyping, say, send } from "./base.js";
import { fillRows } from "./rows.js";

const list = document.querySelector("#cards");
const cards = [...list.querySelectorAll(".card")];
const filters = [...document.querySelectorAll(".filter")];
const address = `/f/${list.dataset.folder}`;
const VERDICTS = { a: "accept", x: "reject", f: "force", k: "keep", u: "" };
const POLL_MS = 2000;
let current = cards[0];

const shown = () => cards.filter((card) => !card.hidden);

function focus(card) {
  if (!card) return;
  if (current) current.tabIndex = -1;
  current = card;
  card.tabIndex = 0;
  card.focus();
  card.scrollIntoView({ block: "nearest" });
}

function columns() {
  const visible = shown();
  const top = visible[0]?.offsetTop;
  const next = visible.findIndex((card) => card.offsetTop !== top);
  return next < 0 ? visible.length || 1 : next;
}

function filter(state) {
  filters.forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.state === state)));
  cards.forEach((card) => { card.hidden = state !== "" && card.dataset.state !== state; });
  document.querySelector("#none").hidden = shown().length > 0;
  if (current?.hidden ?? true) {
    current = shown()[0];
    if (current) current.tabIndex = 0;
  }
  history.replaceState(null, "", state ? `#${encodeURIComponent(state)}` : location.pathname);
}

function count() {
  for (const button of filters) {
    const state = button.dataset.state;
    const number = cards.filter((card) => !state || card.dataset.state === state).length;
    button.querySelector(".count").textContent = number;
  }
}

function show(card, photo, isWaiting) {
  const name = card.querySelector("a").textContent;
  const words = isWaiting ? "correcting" : photo.state;
  card.dataset.state = photo.state;
  card.setAttribute("aria-label", `${name}, ${words}`);
  if ("empty" in card.dataset) return;
  const badge = card.querySelector(".badge");
  badge.textContent = words;
  badge.className = `badge ${{ "to look at": "strong", "left alone": "quiet" }[words] ?? ""}`;
  if (photo.version !== card.dataset.version && !isWaiting) {
    card.dataset.version = photo.version;
    const file = photo.state === "changed by hand" ? "&file" : "";
    const result = card.querySelector(".result");
    if (result) result.src = `${address}/thumbnail/${card.dataset.key}/after?v=${photo.version}${file}`;
    const outline = card.querySelector(".outline");
    if (outline) outline.src = `${address}/outline/${card.dataset.key}/panel.svg?v=${photo.version}`;
  }
}

async function refresh() {
  const { photos, job } = await get(`${address}/states`);
  const waiting = new Set(job.waiting);
  for (const card of cards) {
    const photo = photos[card.dataset.key];
    if (photo) show(card, photo, waiting.has(card.dataset.key));
  }
  count();
  const left = job.waiting.length;
  const line = left ? `Correcting in the background: ${left} to do. ${job.message}` : job.message;
  document.querySelector("#job").textContent = line;
}

async function decide(card, decision) {
  const answer = await send(`${address}/decision/${encodeURIComponent(card.dataset.key)}`, { decision });
  show(card, { state: answer.state, version: card.dataset.version }, false);
  count();
  say(`${card.querySelector("a").textContent}: ${answer.state}`);
}

function toggleBefore(card) {
  const image = card.querySelector(".result");
  if (!image) return;
  const isBefore = card.classList.toggle("before");
  if (isBefore) {
    image.dataset.after = image.src;
    image.src = card.querySelectorAll(".pictures img")[1].src;
  } else {
    image.src = image.dataset.after;
  }
  say(isBefore ? "before" : "after");
}

document.addEventListener("keydown", (event) => {
  if (isTyping(event) || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("button, summary") && [" ", "Enter"].includes(event.key)) return;
  const visible = shown();
  const at = visible.indexOf(current);
  const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns(), ArrowUp: -columns() };
  const key = event.key.toLowerCase();
  if (event.key in steps) {
    const isFirst = document.activeElement !== current;
    const to = Math.max(0, Math.min(visible.length - 1, at + (isFirst ? 0 : steps[event.key])));
    focus(visible[to]);
  } else if (event.key === "Home" || event.key === "End") {
    focus(visible.at(event.key === "Home" ? 0 : -1));
  } else if (key in VERDICTS && current && !current.hidden) {
    const card = current;
    attempt(() => decide(card, VERDICTS[key]));
    if (key !== "u" && visible[at + 1]) focus(visible[at + 1]);
  } else if (event.key === " " && current) {
    toggleBefore(current);
  } else if (event.key === "Enter" && event.target === current) {
    current.querySelector("a").click();
  } else {
    return;
  }
  event.preventDefault();
});

list.addEventListener("focusin", (event) => {
  const card = event.target.closest(".card");
  if (card && card !== current) {
    if (current) current.tabIndex = -1;
    current = card;
    card.tabIndex = 0;
  }
});
filters.forEach((button) => button.addEventListener("click", () => filter(button.dataset.state)));
const wanted = decodeURIComponent(location.hash.slice(1));
if (filters.some((button) => button.dataset.state === wanted)) filter(wanted);
requestAnimationFrame(() => setTimeout(() => attempt(() => fillRows(cards, `${address}/cards`))));
setInterval(() => { if (!document.hidden) attempt(refresh); }, POLL_MS);
