// Squares of a photo at its full size, laid over its preview where that is too coarse.
//
// Placed by left and top, they lie on whole pixels of the screen as the preview does.

const TILE_PX = 512;  // as the server cuts them
const MOST_KEPT = 64, ASKED_AFTER_MS = 80;

export class Tiles {
  #address;
  #shown = new Map();
  #waiting;

  /**
   * @param layer the element to fill, which covers the frame.
   * @param size [width, height] of the photo.
   * @param previewWidth of its preview.
   * @param address (column, row) => address of a tile; null for a picture without tiles.
   */
  constructor(layer, size, previewWidth, address) {
    Object.assign(this, { layer, size, previewWidth, isOff: false });
    this.#address = address;
  }

  /** Show the tiles of another picture. */
  set address(address) {
    this.#address = address;
    this.#shown.clear();
    this.layer.replaceChildren();
  }

  /**
   * Place the tiles, and ask for those in sight once the view stands still.
   *
   * @param view {left, top} of the photo's corner in the frame, {width, height} of the frame, `scale` of the
   *   photo, all in CSS pixels, and `ratio`, the screen's pixels for one of these.
   */
  placed(view) {
    const isCoarse = this.previewWidth < Math.min(this.size[0], (view.scale * view.ratio * this.size[0]) / 1.01);
    this.layer.hidden = this.isOff || !isCoarse || !this.#address;
    clearTimeout(this.#waiting);
    if (this.layer.hidden) return;
    for (const { image, at } of this.#shown.values()) this.#place(image, at, view);
    this.#waiting = setTimeout(() => this.#load(view), ASKED_AFTER_MS);
  }

  #load(view) {
    const inSight = (axis, corner, side) => [
      Math.max(0, Math.floor(-corner / view.scale / TILE_PX)),
      Math.min(Math.ceil(this.size[axis] / TILE_PX) - 1, Math.floor((side - corner) / view.scale / TILE_PX)),
    ];
    const columns = inSight(0, view.left, view.width), rows = inSight(1, view.top, view.height);
    let count = 0;
    for (let row = rows[0]; row <= rows[1]; row++) {
      for (let column = columns[0]; column <= columns[1]; column++, count++) this.#show(column, row, view);
    }
    for (const [key, { image }] of this.#shown) {
      if (this.#shown.size <= Math.max(MOST_KEPT, count)) break;  // those in sight stay
      image.remove();
      this.#shown.delete(key);
    }
  }

  #show(column, row, view) {
    const key = `${column}/${row}`, known = this.#shown.get(key) ?? this.#made(column, row);
    this.#shown.delete(key);
    this.#shown.set(key, known);  // the one shown last is dropped last
    this.#place(known.image, known.at, view);
  }

  #made(column, row) {
    const image = document.createElement("img");
    Object.assign(image, { alt: "", draggable: false, src: this.#address(column, row) });
    this.layer.append(image);
    return { image, at: [column * TILE_PX, row * TILE_PX] };
  }

  #place(image, at, { left, top, scale }) {
    const [width, height] = at.map((start, axis) => Math.min(TILE_PX, this.size[axis] - start));
    Object.assign(image.style, {
      left: `${left + at[0] * scale}px`, top: `${top + at[1] * scale}px`,
      width: `${width * scale}px`, height: `${height * scale}px`,
    });
  }
}
