// A run: its status is asked for every second while it trains; charts are drawn here as SVG.

import { attempt, get, made, say, send } from "./base.js";

const WIDTH = 800, HEIGHT = 240, LEFT = 72, BOTTOM = 28, TOP = 12, RIGHT = 12, SMOOTHING = 0.9;
const root = document.querySelector("[data-run]"), base = root.dataset.run;
const part = (name, of = root) => of.querySelector(`[data-part="${name}"]`);

function shape(tag, attributes, text = "") {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.textContent = text;
  return node;
}

/** Axes for values from low to high, and where a step and a value lie. */
function axes(svg, steps, low, high) {
  const first = Math.min(...steps), last = Math.max(...steps, first + 1), span = high - low || 1;
  const x = (step) => LEFT + ((step - first) / (last - first)) * (WIDTH - LEFT - RIGHT);
  const y = (value) => HEIGHT - BOTTOM - ((value - low) / span) * (HEIGHT - BOTTOM - TOP);
  svg.replaceChildren();
  for (let i = 0; i <= 4; i++) {
    const value = low + (span * i) / 4;
    svg.append(shape("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }),
               shape("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, value.toPrecision(3)));
  }
  for (const step of [first, Math.round((first + last) / 2), last]) {
    svg.append(shape("text", { x: x(step), y: HEIGHT - 8, "text-anchor": step === last ? "end" : "middle" }, step));
  }
  return { x, y };
}

function drawLosses(points) {
  const svg = part("losses");
  if (!points.length) return;
  let sum = 0, weight = 0;  // of the losses so far, the newest weighing most
  const smooth = points.map(([step, loss]) => {
    sum = SMOOTHING * sum + loss;
    weight = SMOOTHING * weight + 1;
    return [step, sum / weight];
  });
  const losses = points.map((point) => point[1]);
  const { x, y } = axes(svg, points.map((point) => point[0]), Math.min(...losses), Math.max(...losses));
  const line = (of) => of.map(([step, value]) => `${x(step).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
  svg.append(shape("polyline", { class: "raw", points: line(points) }),
             shape("polyline", { class: "line", points: line(smooth) }));
  part("losses-text").textContent = `Last ${losses.at(-1).toFixed(4)}, smoothed ${(sum / weight).toFixed(4)}, lowest ${Math.min(...losses).toFixed(4)}.`;
}

let samples = null;

async function follow() {
  const status = await get(`${base}/status`);
  part("state").textContent = status.state;
  part("progress").textContent = `step ${status.step} of ${status.total_steps}${status.pace ? `, ${status.pace}` : ""}`;
  const isRunning = status.state === "running";
  for (const button of root.querySelectorAll("[data-act]")) {
    button.disabled = button.dataset.act === "resume" ? isRunning || status.state === "done" : !isRunning;
  }
  const notice = [status.message, ...status.warnings].filter(Boolean).join("\n");
  part("notice").hidden = !notice;
  part("notice").textContent = notice;
  drawLosses(status.losses);
  part("checkpoints").replaceChildren(...status.checkpoints.map(({ name }) => made("li", { textContent: name })));
  const now = status.samples.join();
  if (samples !== null && samples !== now) await renewSamples();
  samples = now;
  root.dataset.step = status.step;
  setTimeout(() => attempt(follow), isRunning ? 1000 : 5000);
}

/** The strips of samples from the page as it is now. */
async function renewSamples() {
  const text = await (await fetch(location.href)).text();
  const fresh = new DOMParser().parseFromString(text, "text/html").querySelector('[data-part="samples"]');
  part("samples").replaceWith(document.adoptNode(fresh));
}

root.addEventListener("click", (event) => {
  const action = event.target.closest("[data-act]")?.dataset.act;
  if (!action) return;
  attempt(async () => {
    await send(`${base}/${action}`);
    say({ stop: "Asked to stop.", resume: "Started again." }[action]);
  });
});

function drawSweep(section) {
  const rows = [...section.querySelectorAll("tr[data-images]")].map((row) => ({
    node: row, images: JSON.parse(row.dataset.images), step: Number(row.cells[1].textContent),
    mean: Number(row.cells[2].textContent),
    // Few images have no interval; the cell says so.
    interval: row.cells[3]?.textContent.match(/^(.+) to (.+)$/)?.slice(1).map(Number),
    isBest: Boolean(row.querySelector(".badge.strong")),
  })).filter((row) => Object.keys(row.images).length);
  const [control, ...points] = rows, svg = part("intervals", section);
  if (points.length) {
    const ends = rows.flatMap((row) => row.interval ?? [row.mean]);
    const { x, y } = axes(svg, points.map((point) => point.step), Math.min(0, ...ends), Math.max(...ends) * 1.05);
    svg.append(shape("line", { class: "control", x1: LEFT, x2: WIDTH - RIGHT, y1: y(control.mean), y2: y(control.mean) }),
               shape("text", { x: WIDTH - RIGHT, y: y(control.mean) - 5, "text-anchor": "end" }, "uncorrected"));
    for (const { step, mean, interval, isBest } of points) {
      if (interval) svg.append(shape("line", { class: "bar", x1: x(step), x2: x(step), y1: y(interval[0]), y2: y(interval[1]) }));
      svg.append(shape("circle", { class: isBest ? "best" : "dot", cx: x(step), cy: y(mean), r: isBest ? 6 : 4 }));
    }
  } else svg.remove();
  const choose = () => {
    const name = part("image", section).value;
    for (const image of section.querySelectorAll("[data-column]")) {
      image.src = `${section.dataset.sweep}/${encodeURIComponent(name)}/${encodeURIComponent(image.dataset.column)}`;
    }
    for (const { node, images } of rows) {
      part("one", node).textContent = images[name].toFixed(2);
      const figure = [...section.querySelectorAll("[data-figure]")].find((each) => each.dataset.figure === node.dataset.checkpoint);
      if (figure) figure.textContent = `dE00 ${images[name].toFixed(2)}`;
    }
  };
  part("image", section).addEventListener("change", choose);
  choose();
}

for (const section of root.querySelectorAll("[data-sweep]")) drawSweep(section);
attempt(follow);
