// The mask editor: tools, keys and pointers over a MaskView, saved as the file that the commands read.

import { areaAbout, labOf } from "./like_colours.js";
import { Mask } from "./mask_model.js";
import { decodePng, encodePng } from "./mask_png.js";
import { ModelClicks } from "./model_clicks.js";
import { MaskView } from "./mask_view.js";
import { Tiles } from "./tiles.js";

const CHECK_AFTER_MS = 250, CHECK_SIDE_PX = 640;
const SMOOTH_SHARE = 0.002;
const TOOLS = { b: "brush", e: "erase", l: "lasso", f: "fill", g: "grow", p: "click" };
const VIEW_ACTS = new Set(["fit", "one", "in", "out", "style", "result"]);
const STYLES = ["tint", "outline", "hidden"];

export class MaskEditor {
  constructor(root, mask, etag) {
    this.root = root;
    this.urls = root.dataset;
    this.mask = mask;
    this.etag = etag;
    const find = (name) => root.querySelector(`[data-part="${name}"]`);
    this.parts = Object.fromEntries(
      ["stage", "photo", "canvas", "ring", "path", "tiles", "size", "tolerance", "status", "doubts", "result",
       "undo", "redo", "save", "zoom", "style", "marks"].map((name) => [name, find(name)]));
    const { tileUrl, previewWidth } = root.dataset, address = (column, row) => `${tileUrl}/${column}/${row}`;
    const tiles = new Tiles(this.parts.tiles, [mask.width, mask.height], Number(previewWidth), address);
    this.view = new MaskView(this.parts, mask, tiles);
    this.clicks = new ModelClicks(mask, this.view, this.urls.clicksUrl);
    this.tool = "brush";
    this.stroke = null;
    this.pointers = new Map();
    this.cursor = null;
    this.saved = true;
    this.checks = 0;
    this.lab = null;
    this.#listen();
    this.use("brush");
    this.#refresh();
  }

  get radiusPx() { return Number(this.parts.size.value) / 2; }

  // ---------------------------------------------------------------- what the buttons and keys do

  use(tool) {
    if (tool === "click" && this.urls.modelMissing) return this.say(this.urls.modelMissing);
    this.clicks.end();
    this.tool = tool;
    for (const button of this.root.querySelectorAll("[data-tool]")) {
      button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
    }
    this.#refresh();
  }

  act(name) {
    const { mask, view } = this;
    this.#end();
    if (!VIEW_ACTS.has(name)) this.clicks.end();
    if (name === "undo" || name === "redo") this.#changed(mask[name]());
    else if (name === "invert") this.#change(mask.invert());
    else if (name === "smooth") {
      const radiusPx = Math.max(1, Math.round(SMOOTH_SHARE * Math.max(mask.width, mask.height)));
      this.#change(mask.smooth(radiusPx));
    } else if (name === "save") this.save();
    else if (name === "fit") view.fit();
    else if (name === "one") view.pixelForPixel();
    else if (name === "in") view.zoom(1.5);
    else if (name === "out") view.zoom(1 / 1.5);
    else if (name === "style") {
      view.style = STYLES[(STYLES.indexOf(view.style) + 1) % STYLES.length];
      view.placed();
    } else if (name === "result") this.#showResult(this.parts.photo.src !== this.resultUrl);
    this.#refresh();
  }

  resize(factor) {
    const { size } = this.parts, before = Number(size.value);
    size.value = String(factor > 1 ? Math.max(before + 1, Math.round(before * factor))
      : Math.min(before - 1, Math.round(before * factor)));
    this.#showRing();
  }

  // ---------------------------------------------------------------- pointers

  #listen() {
    const { stage } = this.parts;
    stage.addEventListener("pointerdown", (event) => this.#down(event));
    stage.addEventListener("pointermove", (event) => this.#move(event));
    stage.addEventListener("pointerup", (event) => this.#up(event));
    stage.addEventListener("pointercancel", (event) => this.#up(event));
    stage.addEventListener("pointerleave", () => { if (!this.stroke) this.parts.ring.hidden = true; });
    stage.addEventListener("contextmenu", (event) => event.preventDefault());
    stage.addEventListener("wheel", (event) => {
      event.preventDefault();
      const [x, y] = this.#at(event);
      this.view.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), x, y);
      this.#refresh();
    }, { passive: false });
    this.root.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button?.dataset.tool) this.use(button.dataset.tool);
      else if (button?.dataset.act) this.act(button.dataset.act);
    });
    this.parts.size.addEventListener("input", () => this.#refresh());
    document.addEventListener("keydown", (event) => this.#key(event));
    document.addEventListener("keyup", (event) => { if (event.key === " ") this.panning = false; });
    window.addEventListener("beforeunload", (event) => { if (!this.saved) event.preventDefault(); });
  }

  #at(event) {
    const box = this.parts.stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  #down(event) {
    this.parts.stage.focus({ preventScroll: true });
    this.parts.stage.setPointerCapture(event.pointerId);
    event.preventDefault();
    this.pointers.set(event.pointerId, this.#at(event));
    if (this.pointers.size > 1) return this.#abandon();  // two fingers move and zoom
    if (event.button === 1 || this.panning) {
      this.stroke = { tool: "pan" };
      return;
    }
    if (event.button > 2) return;
    this.cursor = this.view.toPhoto(...this.#at(event));
    const excludes = event.button === 2 || (this.tool === "click" && event.altKey);
    this.#begin(excludes || this.tool === "erase" ? 0 : 255);
  }

  #move(event) {
    const [x, y] = this.#at(event), before = this.pointers.get(event.pointerId);
    if (before) this.pointers.set(event.pointerId, [x, y]);
    if (this.pointers.size > 1 && before) return this.#pinch(event.pointerId, before, [x, y]);
    if (this.stroke?.tool === "pan" && before) return this.view.pan(x - before[0], y - before[1]);
    if (this.stroke) {
      for (const part of event.getCoalescedEvents?.() ?? [event]) this.#to(this.view.toPhoto(...this.#at(part)));
    }
    this.cursor = this.view.toPhoto(x, y);
    this.#showRing();
  }

  #up(event) {
    this.pointers.delete(event.pointerId);
    if (event.type === "pointercancel") this.#abandon();
    else if (!this.pointers.size) this.#end();
  }

  #pinch(id, before, now) {
    const other = [...this.pointers].find(([key]) => key !== id)[1];
    const apart = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]) || 1;
    this.view.zoom(apart(now) / apart(before), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
    this.view.pan((now[0] - before[0]) / 2, (now[1] - before[1]) / 2);
    this.#refresh();
  }

  // ---------------------------------------------------------------- a stroke, from pointer or keys

  #begin(value) {
    const [x, y] = this.cursor;
    if (this.tool === "fill") return this.#change(this.mask.fill(x, y, value));
    if (this.tool === "grow") return this.#grow(x, y, value);
    if (this.tool === "click") return this.#click(x, y, value);
    this.stroke = { tool: this.tool === "lasso" ? "lasso" : "brush", value, points: [[x, y]] };
    this.#to([x, y]);
  }

  #to([x, y]) {
    const { tool, value, points } = this.stroke;
    if (tool === "pan") return;
    const [fromX, fromY] = points.at(-1);
    if (tool === "lasso") {
      points.push([x, y]);
      this.view.showPath(points);
    } else {
      this.view.changed(this.mask.stroke(fromX, fromY, x, y, this.radiusPx, value));
      this.stroke.points = [[x, y]];
    }
  }

  #end() {
    const { stroke } = this;
    this.stroke = null;
    if (!stroke || stroke.tool === "pan") return;
    if (stroke.tool === "lasso") {
      this.view.showPath([]);
      this.view.changed(this.mask.polygon(stroke.points, stroke.value));
    }
    if (this.mask.commit()) this.#changed();
    this.#showRing();
  }

  /** Leave a stroke that was not meant as one, such as the first of two fingers. */
  #abandon() {
    const { stroke } = this;
    this.stroke = null;
    this.view.showPath([]);
    if (stroke?.tool === "brush" && this.mask.commit()) this.view.changed(this.mask.undo());
  }

  async #click(x, y, value) {
    this.say("SAM 2 looks at the photo …");
    try {
      if (await this.clicks.add(x, y, value)) this.#changed();
      else if (!this.clicks.isWaiting) this.say("SAM 2 found nothing there");
    } catch (error) {
      this.say(error.message);
    }
  }

  #grow(x, y, value) {
    const lab = this.#photoLab();
    const column = Math.floor((x / this.mask.width) * lab.width);
    const row = Math.floor((y / this.mask.height) * lab.height);
    if (column < 0 || row < 0 || column >= lab.width || row >= lab.height) return;
    const area = areaAbout(lab, column, row, Number(this.parts.tolerance.value));
    this.#change(this.mask.region(area, lab.width, lab.height, value));
  }

  #photoLab() {
    if (!this.lab) {
      const photo = this.before, canvas = new OffscreenCanvas(photo.naturalWidth, photo.naturalHeight);
      const context = canvas.getContext("2d", { willReadFrequently: true });
      context.drawImage(photo, 0, 0);
      this.lab = labOf(context.getImageData(0, 0, canvas.width, canvas.height));
    }
    return this.lab;
  }

  #change(box) {
    this.view.changed(box);
    if (this.mask.commit()) this.#changed();
  }

  #changed(box) {
    this.view.changed(box);
    this.saved = false;
    this.say("not saved");
    this.#refresh();
    clearTimeout(this.checking);
    this.checking = setTimeout(() => this.check(), CHECK_AFTER_MS);
  }

  // ---------------------------------------------------------------- keys

  #key(event) {
    const { key } = event, lower = key.toLowerCase();
    if (event.ctrlKey || event.metaKey) {
      const name = { z: event.shiftKey ? "redo" : "undo", y: "redo", s: "save" }[lower];
      if (!name) return;
      event.preventDefault();
      return this.act(name);
    }
    if (event.altKey || event.target.closest("input, select, textarea")) return;
    const onStage = event.target === this.parts.stage;
    if (event.target.closest("button, a, summary") && [" ", "Enter"].includes(key)) return;
    if (key === " ") this.panning = true;
    else if (key === "[") this.resize(1 / 1.25);
    else if (key === "]") this.resize(1.25);
    else if (TOOLS[lower]) this.use(TOOLS[lower]);
    else if (key === "Escape") {
      this.#abandon();
      this.clicks.end();
    }
    else if (onStage && key.startsWith("Arrow")) this.#step(key, event.shiftKey);
    else if (onStage && key === "Enter") this.#press(event.shiftKey);
    else {
      const name = { i: "invert", s: "smooth", "+": "in", "=": "in", "-": "out", 0: "fit",
                     1: "one", o: "style", v: "result" }[lower];
      if (!name) return;
      this.act(name);
    }
    event.preventDefault();
  }

  /** Move the cursor by keys, painting where a stroke was begun. */
  #step(key, far) {
    const step = (far ? 40 : 8) / this.view.scale;
    const { width, height } = this.view.shown;
    const [x, y] = this.cursor ?? this.view.toPhoto(width / 2, height / 2);
    const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
    const within = (value, most) => Math.max(0, Math.min(most - 0.5, value));
    this.cursor = [within(x + dx * step, this.mask.width), within(y + dy * step, this.mask.height)];
    if (this.stroke) this.#to(this.cursor);
    const [left, top] = this.view.toStage(...this.cursor);
    this.view.pan(Math.min(0, width - left) - Math.min(0, left), Math.min(0, height - top) - Math.min(0, top));
    this.#showRing();
  }

  #press(erases) {
    if (this.stroke) return this.#end();
    this.cursor ??= this.view.toPhoto(this.view.shown.width / 2, this.view.shown.height / 2);
    this.#begin(erases || this.tool === "erase" ? 0 : 255);
    this.#showRing();
  }

  // ---------------------------------------------------------------- the server

  /** Whether the mask looks like one of the garment; said without waiting to be asked. */
  async check() {
    const number = ++this.checks;
    const body = await encodePng(this.mask.reduced(CHECK_SIDE_PX));
    const answer = await ask(this.urls.checkUrl, { method: "POST", body });
    if (number !== this.checks) return;  // a later stroke has been asked about
    if (answer.error) this.say(answer.error);
    else this.#showDoubts(answer);
  }

  /** Write the mask, and show the photo corrected with it. */
  async save() {
    clearTimeout(this.checking);
    this.checks++;
    this.say("saving …");
    const body = await encodePng(this.mask);
    this.saved = true;  // a stroke made meanwhile says otherwise
    const answer = await ask(this.urls.maskUrl, { method: "PUT", body, headers: { "If-Match": this.etag } });
    if (answer.error) {
      this.saved = false;
      this.etag = answer.etag ?? this.etag;
      return this.say(answer.error);
    }
    this.etag = answer.etag;
    if (this.resultUrl) URL.revokeObjectURL(this.resultUrl);
    this.resultUrl = answer.picture.size ? URL.createObjectURL(answer.picture) : null;
    this.parts.result.disabled = !this.resultUrl;
    this.#showDoubts(answer);
    this.#showResult(Boolean(this.resultUrl));
    if (this.resultUrl) await this.parts.photo.decode().catch(() => {});
    this.say(`saved; ${answer.reason}`);
    this.#refresh();
  }

  #showResult(isShown) {
    this.parts.photo.src = isShown ? this.resultUrl : this.before.src;
    this.parts.result.setAttribute("aria-pressed", String(isShown));
    this.view.tiles.isOff = isShown;
    this.view.placed();
    if (isShown && this.view.style === "tint") this.act("style");  // colours are judged without a tint
  }

  #showDoubts({ doubts }) {
    const items = doubts.map(({ reason, hint }) => {
      const item = document.createElement("li");
      item.textContent = `${reason}. ${hint}`;
      return item;
    });
    this.parts.doubts.replaceChildren(...items);
    this.parts.doubts.dataset.checks = String(this.checks);
  }

  say(text) { this.parts.status.textContent = text; }

  #showRing() {
    if (!this.cursor) return;
    const diameterPx = ["brush", "erase"].includes(this.tool) ? 2 * this.radiusPx : 0;
    this.view.showBrush(...this.view.toStage(...this.cursor), diameterPx, Boolean(this.stroke));
  }

  #refresh() {
    const { undo, redo, zoom, style } = this.parts;
    undo.disabled = !this.mask.canUndo;
    redo.disabled = !this.mask.canRedo;
    zoom.textContent = `${Math.round(100 * this.view.scale * this.view.ratio)} %`;
    style.textContent = { tint: "tinted", outline: "outline", hidden: "hidden" }[this.view.style];
    this.#showRing();
  }
}

/** The answer's JSON, or a picture with the figures and the tag that come with it; `error` if it failed. */
async function ask(url, options) {
  try {
    const response = await fetch(url, options), figures = response.headers.get("chromiq-figures");
    if (figures) {
      return { ...JSON.parse(figures), etag: response.headers.get("ETag"), picture: await response.blob() };
    }
    const answer = await response.json();
    return response.ok ? answer : { error: `not saved: ${response.status}`, ...answer };
  } catch {
    return { error: "the studio does not answer; is it still running?" };
  }
}

/** Open the editor on the page. */
export async function openEditor(root) {
  const response = await fetch(root.dataset.maskUrl, { cache: "no-store" });
  const mask = await decodePng(await response.arrayBuffer());
  const photo = root.querySelector('[data-part="photo"]');
  await photo.decode();
  const before = new Image();
  before.src = photo.src;
  const editor = new MaskEditor(root, new Mask(mask.width, mask.height, mask.data), response.headers.get("ETag"));
  editor.before = before;
  root.dataset.ready = "yes";
  return editor;
}

const root = document.querySelector("[data-mask-editor]");
if (root) {
  openEditor(root).then((editor) => { root.editor = editor; }, (error) => {
    root.querySelector('[data-part="status"]').textContent = `the mask cannot be opened: ${error.message}`;
  });
}
