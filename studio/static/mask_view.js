// The photo with its mask on top, at any zoom: the photo is an image element, which the browser shows in its
// own colours; the mask is drawn on a canvas of the screen's own pixels, only where it changed.

const LEAST_SCALE = 0.02, MOST_SCALE = 32;
const TINT = pixel(255, 0, 200, 48), OUTLINE = pixel(255, 0, 200, 255), CLEAR = 0;

export class MaskView {
  /** `stage` holds `photo` (an image), `canvas`, `ring` (the brush), `path` (a polyline)
   * and `marks` (an SVG group), all absolute. */
  constructor({ stage, photo, canvas, ring, path, marks }, mask, tiles) {
    Object.assign(this, { stage, photo, canvas, ring, path, marks, mask, tiles });
    this.points = [];
    this.context = canvas.getContext("2d");
    this.style = "tint";
    this.left = this.top = 0;
    this.scale = 1;
    this.dirty = null;
    new ResizeObserver(() => this.resized()).observe(stage);
    this.resized();
    this.fit();
  }

  get shown() { return { width: this.stage.clientWidth, height: this.stage.clientHeight }; }

  resized() {
    this.ratio = window.devicePixelRatio;
    this.canvas.width = Math.max(1, Math.round(this.shown.width * this.ratio));
    this.canvas.height = Math.max(1, Math.round(this.shown.height * this.ratio));
    this.placed();
  }

  fit() {
    const { width, height } = this.shown;
    this.scale = Math.min(width / this.mask.width, height / this.mask.height) || 1;
    this.left = (width - this.mask.width * this.scale) / 2;
    this.top = (height - this.mask.height * this.scale) / 2;
    this.placed();
  }

  /** Zoom about a point of the stage, which stays where it is. */
  zoom(factor, x = this.shown.width / 2, y = this.shown.height / 2) {
    const scale = Math.max(LEAST_SCALE, Math.min(MOST_SCALE, this.scale * factor));
    this.left = x - ((x - this.left) * scale) / this.scale;
    this.top = y - ((y - this.top) * scale) / this.scale;
    this.scale = scale;
    this.placed();
  }

  /** One pixel of the photo on one of the screen. */
  pixelForPixel() { this.zoom(1 / this.ratio / this.scale); }

  pan(dx, dy) {
    this.left += dx;
    this.top += dy;
    this.placed();
  }

  toPhoto(x, y) { return [(x - this.left) / this.scale, (y - this.top) / this.scale]; }
  toStage(x, y) { return [x * this.scale + this.left, y * this.scale + this.top]; }

  placed() {
    const { style } = this.photo;
    style.left = `${this.left}px`;
    style.top = `${this.top}px`;
    style.width = `${this.mask.width * this.scale}px`;
    style.height = `${this.mask.height * this.scale}px`;
    for (const layer of [this.photo, this.tiles.layer]) {
      layer.classList.toggle("pixels", this.scale * this.ratio > 2);
    }
    this.tiles.placed({ left: this.left, top: this.top, ...this.shown, scale: this.scale, ratio: this.ratio });
    this.showPoints(this.points);
    this.changed({ left: 0, top: 0, right: this.mask.width, bottom: this.mask.height });
  }

  /** Draw the mask again in a rectangle of the photo, before the screen is refreshed. */
  changed(box) {
    if (!box) return;
    if (!this.dirty) requestAnimationFrame(() => this.draw());
    const old = this.dirty ?? box;
    this.dirty = { left: Math.min(old.left, box.left), top: Math.min(old.top, box.top),
                   right: Math.max(old.right, box.right), bottom: Math.max(old.bottom, box.bottom) };
  }

  draw() {
    const box = this.dirty, { mask, canvas, ratio } = this, zoom = this.scale * ratio;
    this.dirty = null;
    if (!box) return;
    const whole = box.right - box.left >= mask.width && box.bottom - box.top >= mask.height;
    const left = whole ? 0 : Math.max(0, Math.floor(box.left * zoom + this.left * ratio) - 2);
    const top = whole ? 0 : Math.max(0, Math.floor(box.top * zoom + this.top * ratio) - 2);
    const right = whole ? canvas.width : Math.min(canvas.width, Math.ceil(box.right * zoom + this.left * ratio) + 2);
    const bottom = whole ? canvas.height
      : Math.min(canvas.height, Math.ceil(box.bottom * zoom + this.top * ratio) + 2);
    if (right <= left || bottom <= top) return;
    const image = this.context.createImageData(right - left, bottom - top);
    this.#sample(new Uint32Array(image.data.buffer), left, top, right - left, bottom - top, zoom);
    this.context.putImageData(image, left, top);
  }

  /** For each pixel of the screen what the mask is under its centre; where that changes is the outline. */
  #sample(out, left, top, width, height, zoom) {
    if (this.style === "hidden") return;
    const { mask, ratio } = this, { data } = mask;
    const place = (at, shift) => Math.floor((at + 0.5 - shift * ratio) / zoom);
    const columns = Int32Array.from({ length: width + 2 }, (_, i) => place(left + i - 1, this.left));
    const rows = Int32Array.from({ length: height + 2 }, (_, i) => place(top + i - 1, this.top));
    let first = 0, last = width + 2;  // columns that show the photo
    while (first < last && columns[first] < 0) first++;
    while (last > first && columns[last - 1] >= mask.width) last--;
    const blank = new Uint8Array(width + 2);
    const line = (row) => {
      if (row < 0 || row >= mask.height) return blank;
      const values = new Uint8Array(width + 2), start = row * mask.width;
      for (let i = first; i < last; i++) values[i] = data[start + columns[i]];
      return values;
    };
    const inside = this.style === "tint" ? TINT : CLEAR;
    let above = line(rows[0]), here = line(rows[1]);
    for (let y = 0; y < height; y++) {
      const below = rows[y + 2] === rows[y + 1] ? here : line(rows[y + 2]);
      for (let i = 1; i <= width; i++) {
        const value = here[i];
        if (value !== here[i - 1] || value !== here[i + 1] || value !== above[i] || value !== below[i]) {
          out[y * width + i - 1] = OUTLINE;
        } else if (value) {
          out[y * width + i - 1] = inside;
        }
      }
      above = here;
      here = below;
    }
  }

  /** Show the brush at a point of the stage. */
  showBrush(x, y, diameterPx, isDown = false) {
    const size = Math.max(3, diameterPx * this.scale), { style } = this.ring;
    this.ring.hidden = false;
    this.ring.classList.toggle("down", isDown);
    style.width = style.height = `${size}px`;
    style.left = `${x - size / 2}px`;
    style.top = `${y - size / 2}px`;
  }

  /** Show clicks, `[{ x, y, isInside }]` in pixels of the photo. */
  showPoints(points) {
    this.points = points;
    this.marks.replaceChildren(...points.map(({ x, y, isInside }) => {
      const mark = document.createElementNS("http://www.w3.org/2000/svg", "circle");
      const [cx, cy] = this.toStage(x, y);
      for (const [name, value] of Object.entries({ cx, cy, r: 5 })) mark.setAttribute(name, value);
      mark.classList.toggle("outside", !isInside);
      return mark;
    }));
  }

  /** Show an outline that is being drawn, in pixels of the photo. */
  showPath(points) {
    this.path.setAttribute("points", points.map(([x, y]) => this.toStage(x, y).join()).join(" "));
  }
}

function pixel(r, g, b, a) {
  return new Uint32Array(new Uint8Array([r, g, b, a]).buffer)[0];
}
