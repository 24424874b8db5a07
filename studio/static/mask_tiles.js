// Parts of the photo at its full size, laid over the preview where that is too coarse.

const TILE_PX = 512, MOST_KEPT = 64;

export class Tiles {
  /** `layer` covers the photo; `data` has the address of a tile without its place, and the preview's width. */
  constructor(layer, data, { width, height }) {
    Object.assign(this, { layer, url: data.tileUrl, previewWidth: Number(data.previewWidth), width, height });
    this.shown = new Map();
  }

  set hidden(value) { this.layer.hidden = value; }

  /** Show the tiles that are in sight, once the view stands still. */
  placed(view) {
    const { style } = this.layer;
    style.left = `${view.left}px`;
    style.top = `${view.top}px`;
    style.width = `${this.width * view.scale}px`;
    style.height = `${this.height * view.scale}px`;
    this.layer.classList.toggle("pixels", view.scale * view.ratio > 2);
    const isCoarse = this.previewWidth < this.width && view.scale * view.ratio > (1.1 * this.previewWidth) / this.width;
    this.layer.classList.toggle("off", !isCoarse);
    clearTimeout(this.waiting);
    if (isCoarse) this.waiting = setTimeout(() => this.#load(view), 80);
  }

  #load(view) {
    const { width, height } = view.shown;
    const [left, top] = view.toPhoto(0, 0), [right, bottom] = view.toPhoto(width, height);
    const last = (size) => Math.ceil(size / TILE_PX) - 1;
    const within = (value, size) => Math.max(0, Math.min(last(size), Math.floor(value / TILE_PX)));
    for (let row = within(top, this.height); row <= within(bottom, this.height); row++) {
      for (let column = within(left, this.width); column <= within(right, this.width); column++) {
        this.#show(column, row);
      }
    }
  }

  #show(column, row) {
    const key = `${column}/${row}`, known = this.shown.get(key);
    this.shown.delete(key);
    const image = known ?? this.#made(column, row);
    this.shown.set(key, image);  // the one shown last is dropped last
    while (this.shown.size > MOST_KEPT) {
      const [oldest, dropped] = this.shown.entries().next().value;
      dropped.remove();
      this.shown.delete(oldest);
    }
  }

  #made(column, row) {
    const image = document.createElement("img"), share = (px, of) => `${(100 * px) / of}%`;
    image.alt = "";
    image.draggable = false;
    image.style.left = share(column * TILE_PX, this.width);
    image.style.top = share(row * TILE_PX, this.height);
    image.style.width = share(Math.min(TILE_PX, this.width - column * TILE_PX), this.width);
    image.style.height = share(Math.min(TILE_PX, this.height - row * TILE_PX), this.height);
    image.src = `${this.url}/${column}/${row}`;
    this.layer.append(image);
    return image;
  }
}
