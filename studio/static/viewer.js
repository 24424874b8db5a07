// A frame that shows layers of one photo, fitted or enlarged, each pixel where the file has it.
//
// Pictures are <img> elements and no canvas: the browser then honours their profiles, and at 1:1 a pixel of
// the file is a pixel of the screen. Beyond the size of the preview, tiles of the file lie over it.
import { get, made } from "./base.js";
import { Tiles } from "./tiles.js";

export class Viewer {
  /**
   * @param frame the element to fill; it clips.
   * @param sizes {size: [width, height] of the photo, preview: the same of its preview}.
   * @param layers [{name, picture, tile: (column, row) => address}], bottom first.
   */
  constructor(frame, sizes, layers) {
    this.frame = frame;
    this.size = sizes.size;
    this.scale = 0; // screen pixels for one of the photo; 0: as large as fits
    this.centre = [this.size[0] / 2, this.size[1] / 2];
    this.layers = layers.map((layer) => {
      const box = made("div", { className: `layer ${layer.name}` });
      const image = made("img", { alt: "", draggable: false });
      const tiles = new Tiles(made("div", { className: "tiles" }), sizes.size, sizes.preview[0], layer.tile);
      box.append(image, tiles.layer);
      box.dataset.note = "loading …";
      frame.append(box);
      const made_ = { ...layer, box, image, tiles };
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
    await this.#load(layer, picture);
    layer.tiles.address = tile;
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
    const scale = this.drawnScale / this.ratio;
    const [left, top] = this.origin;
    const { clientWidth: width, clientHeight: height } = this.frame;
    for (const layer of this.layers) {
      // Placed by left and top, it lies on whole pixels of the screen.
      Object.assign(layer.image.style, {
        left: `${left}px`, top: `${top}px`, width: `${this.size[0] * scale}px`, height: `${this.size[1] * scale}px`,
      });
      layer.box.classList.toggle("enlarged", this.drawnScale >= 1);
      layer.tiles.placed({ left, top, width, height, scale, ratio: this.ratio });
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
