import { attempt, get, isTyping, made, say, send } from "./base.js";
import { inStep, Viewer } from "./viewer.js";

const $ = (selector) => document.querySelector(selector);
const data = JSON.parse($("#data").textContent);
const key = encodeURIComponent(data.key);
const at = data.address;
const worn = $("#worn");
const POLL_MS = 700;
const WARM_UP_MS = 900;
let version = data.version;

// ------------------------------------------------------------------ the two photos

const source = (role, name) => ({
  name,
  picture: `${at}/picture/${key}/${role}?v=${version}`,
  tile: (column, row) => `${at}/tile/${key}/${role}/${column}/${row}?v=${version}`,
});

function viewersOf() {
  if (!worn) return [];
  const outline = { name: "outline", picture: `${at}/outline/${key}/photo.svg?v=${version}`, tile: null };
  const still = new Viewer($("#still"), data.photos.still_life, [source("still_life", "still")]);
  const layers = [source("after", "after"), source("before", "before"), outline];
  const pair = new Viewer(worn, data.photos.on_model, layers);
  worn.append(made("div", { className: "divider" }));
  return [still, pair];
}

const viewers = viewersOf();
const [still, pair] = viewers;
let step = null;

function toggle(button, isOn) {
  button.setAttribute("aria-pressed", String(isOn));
}

function showScale(viewer) {
  const shown = viewer.scale ? `${viewer.scale}:1` : `fitted, ${Math.round(100 * viewer.drawnScale)} %`;
  $("#scale").textContent = shown;
  toggle($("#zoom"), viewer.scale === 1);
}

function cut(percent) {
  $("#cut").value = percent;
  worn.style.setProperty("--cut", `${percent}%`);
  $("#cut").setAttribute("aria-valuetext", `${percent} % before`);
  $("#cut-share").textContent = `${percent} %`;
  worn.classList.toggle("worn-whole", [0, 100].includes(Number(percent)));
  toggle($("#before"), Number(percent) === 100);
}

if (viewers.length) {
  step = inStep(viewers, { onScale: showScale, onClick: (viewer, pixel) => isPicking && attempt(() => pick(viewer, pixel)) });
  new ResizeObserver(() => showScale(pair)).observe(worn);
  $("#cut").addEventListener("input", (event) => cut(event.target.value));
  $("#zoom").addEventListener("click", () => step.setScale(pair.scale ? 0 : 1));
  $("#outline").addEventListener("click", () => toggle($("#outline"), worn.classList.toggle("outlined")));
  $("#before").addEventListener("click", () => cut(Number($("#cut").value) === 100 ? 0 : 100));
  cut(0);
}

// ------------------------------------------------------------------ figures

const number = (value, digits = 1) => (value === null || value === undefined ? "–" : value.toFixed(digits).replace(/^-(0\.?0*)$/, "$1"));

function showFigures(figures) {
  const colours = figures?.colours;
  $("#colours").hidden = !colours;
  if (!colours) return;
  const differences = { still_life: null, before: colours.delta_e_before, after: colours.delta_e_after };
  for (const row of document.querySelectorAll("#colours [data-row]")) {
    const name = row.dataset.row;
    const [L, a, b] = colours[name];
    const hue = ((Math.atan2(b, a) * 180) / Math.PI + 360) % 360;
    row.querySelector("rect").setAttribute("fill", `lab(${L} ${a} ${b})`);
    const cells = [L, a, b, Math.hypot(a, b), hue];
    row.querySelectorAll("td").forEach((cell, index) => {
      if (index === 0) return;
      if (index <= cells.length) cell.textContent = number(cells[index - 1], index === 5 ? 0 : 1);
      else cell.textContent = name === "still_life" ? "" : number(differences[name]);
    });
  }
  const signed = (value, digits = 1) => {
    const text = Math.abs(value).toFixed(digits);
    return Number(text) === 0 ? text : `${value > 0 ? "+" : "−"}${text}`;
  };
  $("#apart").textContent = `After, apart from what is wanted: L* ${signed(colours.lightness_apart)}, `
    + `C* ${signed(colours.chroma_apart)}, h ${signed(colours.hue_apart_deg, 0)}°. `
    + (figures.remaining === null ? "" : `Expected to remain: ${number(figures.remaining)} dE00. `)
    + "Folds make cloth on a body darker, so lightness never agrees exactly.";
}

function showDoubts(figures) {
  const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1).replace(/\.$/, "")}.`;
  const lines = figures.doubts.length
    ? figures.doubts.map((doubt) => `${sentence(doubt.reason)} ${doubt.hint}`)
    : [sentence(figures.reason)];
  $("#doubts").replaceChildren(...lines.map((textContent) => made("p", { textContent })));
}

showFigures(JSON.parse($("#figures").textContent));

// ------------------------------------------------------------------ live correction

const strength = $("#strength");
const labs = [...document.querySelectorAll(".lab")];
let asked = null; // the newest request that was not sent yet
let isAsking = false;
let shownAddress = "";

function target() {
  const values = labs.map((field) => field.value.trim());
  return values.every((value) => value !== "" && Number.isFinite(Number(value))) ? values.map(Number) : null;
}

async function live(isForced = false) {
  const query = new URLSearchParams({ strength: strength.value / 100, target_lab: (target() ?? []).join(",") });
  if (isForced || data.decision === "force") query.set("force", "1");
  asked = `${at}/live/${key}?${query}`;
  if (isAsking || !pair) return;
  isAsking = true;
  try {
    while (asked) {
      const address = asked;
      asked = null;
      const response = await fetch(address);
      if (!response.ok) throw new Error((await response.json()).error);
      const figures = JSON.parse(response.headers.get("chromiq-figures"));
      const picture = URL.createObjectURL(await response.blob());
      await pair.setPicture("after", picture, null);
      if (shownAddress) URL.revokeObjectURL(shownAddress);
      shownAddress = picture;
      showFigures(figures);
      showDoubts(figures);
      $("#job").textContent = "preview; the file follows when you let go";
    }
  } finally {
    isAsking = false;
  }
}

function showStrength() {
  $("#strength-shown").value = `${strength.value} %`;
  strength.setAttribute("aria-valuetext", `${strength.value} %`);
}

strength.addEventListener("input", () => {
  showStrength();
  attempt(live);
});
strength.addEventListener("change", () => attempt(() => decide({ strength: strength.value / 100 })));
labs.forEach((field) => field.addEventListener("change", () => {
  const values = target();
  if (values || labs.every((each) => each.value === "")) attempt(() => setTarget(values));
  else $("#job").textContent = "a target colour needs L*, a* and b*";
}));
$("#no-target").addEventListener("click", () => attempt(() => setTarget(null)));

function showTarget(lab) {
  labs.forEach((field, index) => { field.value = lab ? number(lab[index]) : ""; });
}

async function setTarget(lab) {
  showTarget(lab);
  await Promise.all([live(true), decide({ target_lab: lab })]);
}

// The first preview takes longest: it is made while the photo is looked at.
if (pair && !strength.disabled) {
  setTimeout(() => fetch(`${at}/live/${key}`, { priority: "low" }).catch(() => {}), WARM_UP_MS);
}

// ------------------------------------------------------------------ eyedropper

let isPicking = false;

function setPicking(isOn) {
  isPicking = isOn && viewers.length > 0;
  toggle($("#pick"), isPicking);
  viewers.forEach((viewer) => viewer.frame.classList.toggle("picking", isPicking));
  if (isPicking) {
    say("Click a photo, or move to one with Tab and press Enter for its middle.");
    still.frame.focus();
  }
}

async function pick(viewer, [x, y]) {
  const isBefore = Number($("#cut").value) > 50;
  const role = viewer === still ? "still_life" : isBefore ? "before" : "after";
  const { lab } = await get(`${at}/colour/${key}/${role}?x=${x.toFixed(1)}&y=${y.toFixed(1)}`);
  setPicking(false);
  say(`Target: L* ${lab[0]}, a* ${lab[1]}, b* ${lab[2]}`);
  await setTarget(lab);
}

$("#pick").addEventListener("click", () => setPicking(!isPicking));
viewers.forEach((viewer) => viewer.frame.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && isPicking) attempt(() => pick(viewer, viewer.centre));
}));

// ------------------------------------------------------------------ decisions

function showState(state, isWaiting) {
  $("#state").textContent = isWaiting ? "correcting" : state;
  $("#state").className = `badge ${{ "to look at": "strong", "left alone": "quiet" }[state] ?? ""}`;
  document.querySelectorAll("[data-decision]").forEach((button) => {
    toggle(button, button.dataset.decision === data.decision);
  });
}

async function decide(wishes) {
  const answer = await send(`${at}/decision/${key}`, wishes);
  Object.assign(data, answer);
  showState(answer.state, false);
  say("decision" in wishes ? `${answer.state}${answer.decision ? `: ${answer.decision}` : ""}` : "saved");
  poll();
}

let timer = 0;
let polls = 0;

/** Show what was decided in another tab, and nothing over what is being set in this one. */
function adopt(photo) {
  if (photo.strength !== data.strength) {
    strength.value = 100 * photo.strength;
    showStrength();
  }
  if (String(photo.target_lab) !== String(data.target_lab)) showTarget(photo.target_lab);
  Object.assign(data, photo);
}

async function poll() {
  clearTimeout(timer);
  polls += 1;
  const own = polls;
  const { photos, job } = await get(`${at}/states`);
  if (own !== polls) return; // a decision came between
  const photo = photos[data.key];
  const isWaiting = job.waiting.includes(data.key);
  adopt(photo);
  showState(photo.state, isWaiting);
  $("#job").textContent = isWaiting ? `Correcting the file. ${job.message}` : job.message;
  if (photo.version !== version && !isWaiting) await showFile(photo.version);
  timer = setTimeout(() => { if (!document.hidden) attempt(poll); }, isWaiting ? POLL_MS : 4 * POLL_MS);
}

/** The file was written again: show it in place of the preview. */
async function showFile(newVersion) {
  version = newVersion;
  const after = source("after", "after");
  await pair?.setPicture("after", after.picture, after.tile);
  const figures = await get(`${at}/figures/${key}`);
  showFigures(figures);
  showDoubts(figures);
  say("The file is corrected.");
}

document.querySelectorAll("[data-decision]").forEach((button) => button.addEventListener("click", () => attempt(async () => {
  if (button.dataset.decision === "force") live(true);
  await decide({ decision: button.dataset.decision });
})));
$("#note").addEventListener("change", (event) => attempt(() => decide({ note: event.target.value })));
$("#redo")?.addEventListener("click", () => attempt(() => decide({ redo: true })));
document.addEventListener("visibilitychange", () => { if (!document.hidden) attempt(poll); });
showState(data.state, false);
timer = setTimeout(() => attempt(poll), POLL_MS);

// ------------------------------------------------------------------ keys

const KEYS = {
  a: "[data-decision=accept]", x: "[data-decision=reject]", f: "[data-decision=force]",
  k: "[data-decision=keep]", u: '[data-decision=""]', z: "#zoom", o: "#outline", " ": "#before", p: "#pick",
};

document.addEventListener("keydown", (event) => {
  if (isTyping(event) || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("button, a, summary") && [" ", "Enter"].includes(event.key)) return;
  const isOnRange = event.target.matches("input[type=range]");
  const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (name in KEYS) document.querySelector(KEYS[name])?.click();
  else if (name === "m") document.querySelector('a[href*="/mask/"]')?.click();
  else if (name === "ArrowRight" && !isOnRange && data.next) location.assign(data.next);
  else if (name === "ArrowLeft" && !isOnRange && data.previous) location.assign(data.previous);
  else if (name === "Escape" && isPicking) setPicking(false);
  else if (name === "Escape") location.assign(`${at}/#`);
  else return;
  event.preventDefault();
});
