// A frame that shows layers of one photo, fitted or enlarged, each pixel where the file has it.
//
// Pictures are <img> elements and no canvas: the browser then honours their profiles, and at 1:1 a pixel of
// the file is a pixel of the screen. Beyond the size of the preview, tiles of the file lie over it.
import { get, made } from "./base.js";

export class Viewer {
  /**
   * @param frame the element to fill; it clips.
   * @param sizes {size: [width, height] of the photo, preview: the same of its preview}.
   * @param layers [{name, picture, tile: (column, row) => address}], bottom first.
   */
  constructor(frame, sizes, layers, tilePx) {
    this.frame = frame;
    this.size = sizes.size;
    this.preview = sizes.preview;
    this.tilePx = tilePx;
    this.scale = 0; // screen pixels for one of the photo; 0: as large as fits
    this.centre = [this.size[0] / 2, this.size[1] / 2];
    this.layers = layers.map((layer) => {
      const box = made("div", { className: `layer ${layer.name}` });
      const image = made("img", { alt: "", draggable: false });
      const tiles = made("div", { className: "tiles" });
      box.append(image, tiles);
      box.dataset.note = "loading …";
      frame.append(box);
      const made_ = { ...layer, box, image, tiles, shown: new Map() };
      this.#load(made_, layer.picture);
      return made_;
    });
    new ResizeObserver(() => this.draw()).observe(frame);
  }

  layer(name) {
    return this.layers.find((layer) => layer.name === name);
  }

  /** Show another picture in a layer; without tiles, its preview is enlarged. */
  async setPicture(name, picture, tile) {
    const layer = this.layer(name);
    layer.tile = tile;
    await this.#load(layer, picture);
    this.#clear(layer);
    this.draw();
  }

  async #load(layer, address) {
    // Decoded before it replaces the old one, so that nothing flickers.
    const fresh = made("img", { alt: "", draggable: false, src: address });
    layer.loading = fresh;
    let fault = "";
    try {
      await fresh.decode();
    } catch {
      fault = await get(address).then(() => "it cannot be shown", (error) => error.message);
      fresh.removeAttribute("src"); // an old picture would be taken for this one
    }
    if (layer.loading !== fresh) return;
    if (fault) layer.box.dataset.note = fault;
    else delete layer.box.dataset.note;
    layer.image.replaceWith(fresh);
    layer.image = fresh;
    this.draw();
  }

  #clear(layer) {
    layer.tiles.replaceChildren();
    layer.shown.clear();
  }

  get ratio() {
    return window.devicePixelRatio;
  }

  get fitScale() {
    const [width, height] = [this.frame.clientWidth, this.frame.clientHeight];
    return Math.min((width * this.ratio) / this.size[0], (height * this.ratio) / this.size[1], 1) || 1;
  }

  get drawnScale() {
    return this.scale || this.fitScale;
  }

  setScale(scale) {
    this.scale = scale;
    if (!scale) this.centre = [this.size[0] / 2, this.size[1] / 2];
    this.draw();
  }

  /** Move what is shown by screen pixels. */
  pan(dx, dy) {
    const k = this.drawnScale / this.ratio;
    this.centre = this.centre.map((at, axis) => Math.max(0, Math.min(this.size[axis], at - [dx, dy][axis] / k)));
    this.draw();
  }

  /** The photo's pixel under a point of the window. */
  pixelAt(clientX, clientY) {
    const box = this.frame.getBoundingClientRect();
    const k = this.drawnScale / this.ratio;
    const [left, top] = this.origin;
    return [(clientX - box.left - left) / k, (clientY - box.top - top) / k];
  }

  /** Where the photo's corner lies in the frame, CSS pixels. */
  get origin() {
    const k = this.drawnScale / this.ratio;
    const sides = [this.frame.clientWidth, this.frame.clientHeight];
    return sides.map((side, axis) => side / 2 - this.centre[axis] * k);
  }

  draw() {
    const k = this.drawnScale / this.ratio;
    for (const layer of this.layers) {
      this.#place(layer.image, k, [0, 0], this.size);
      layer.box.classList.toggle("enlarged", this.drawnScale >= 1);
      this.#drawTiles(layer, k);
    }
  }

  /** Lay a picture over its part of the photo. Placed by left and top, it lies on whole pixels of the screen. */
  #place(image, k, [x, y], [width, height]) {
    const [left, top] = this.origin;
    Object.assign(image.style, {
      left: `${left + x * k}px`, top: `${top + y * k}px`, width: `${width * k}px`, height: `${height * k}px`,
    });
  }

  #drawTiles(layer, k) {
    const isEnough = this.drawnScale * this.size[0] <= this.preview[0] * 1.01 || !layer.tile;
    layer.tiles.hidden = isEnough;
    if (isEnough) return;
    const px = this.tilePx;
    const origin = this.origin;
    const sides = [this.frame.clientWidth, this.frame.clientHeight];
    const from = origin.map((at) => Math.max(0, Math.floor(-at / k / px)));
    const to = origin.map((at, axis) => (
      Math.min(Math.ceil(this.size[axis] / px) - 1, Math.floor((sides[axis] - at) / k / px))));
    for (let row = from[1]; row <= to[1]; row += 1) {
      for (let column = from[0]; column <= to[0]; column += 1) {
        if (layer.shown.has(`${column}/${row}`)) continue;
        const image = made("img", { alt: "", draggable: false, src: layer.tile(column, row) });
        layer.tiles.append(image);
        layer.shown.set(`${column}/${row}`, { image, at: [column * px, row * px] });
      }
    }
    for (const { image, at } of layer.shown.values()) {
      this.#place(image, k, at, at.map((start, axis) => Math.min(px, this.size[axis] - start)));
    }
  }
}

/** Let several viewers move and enlarge together, by mouse, wheel, touch and arrow keys. */
export function inStep(viewers, { onScale = () => {}, onClick = () => false } = {}) {
  const all = (action) => viewers.forEach(action);
  const setScale = (scale) => {
    all((viewer) => viewer.setScale(scale));
    onScale(viewers[0]);
  };
  const pan = (dx, dy) => all((viewer) => viewer.pan(dx, dy));
  for (const viewer of viewers) {
    const frame = viewer.frame;
    let from = null;
    let moved = 0;
    frame.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      from = [event.clientX, event.clientY];
      moved = 0;
      frame.setPointerCapture(event.pointerId);
    });
    frame.addEventListener("pointermove", (event) => {
      if (!from) return;
      const [dx, dy] = [event.clientX - from[0], event.clientY - from[1]];
      moved += Math.abs(dx) + Math.abs(dy);
      if (viewer.scale) pan(dx, dy);
      from = [event.clientX, event.clientY];
    });
    frame.addEventListener("pointerup", (event) => {
      const isClick = from !== null && moved < 4;
      from = null;
      if (isClick) onClick(viewer, viewer.pixelAt(event.clientX, event.clientY));
    });
    frame.addEventListener("pointercancel", () => { from = null; });
    frame.addEventListener("wheel", (event) => {
      event.preventDefault();
      const steps = [0, 1, 2, 4, 8];
      const at = steps.indexOf(viewer.scale);
      const to = steps[Math.max(0, Math.min(steps.length - 1, at + (event.deltaY < 0 ? 1 : -1)))];
      if (to !== viewer.scale) setScale(to);
    }, { passive: false });
    frame.addEventListener("keydown", (event) => {
      const moves = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
      if (event.key in moves && viewer.scale) {
        pan(...moves[event.key].map((step) => step * 40));
        event.preventDefault();
        event.stopPropagation();
      }
    });
  }
  return { setScale, pan };
}
