// A mask of the photo's own size, 0 or 255 per pixel, with undo and redo.
//
// Coordinates are pixels of the photo: pixel (i, j) covers i..i+1 and j..j+1, its centre is at +0.5.
// A change is kept as which bits of which tiles flipped, so that undo and redo are the same operation.

const TILE_PX = 256;
const KEPT_BYTES = 64 << 20;

export class Mask {
  #committed;
  #touched;
  #tilesAcross;
  #undone = [];
  #done = [];

  constructor(widthPx, heightPx, data = new Uint8Array(widthPx * heightPx)) {
    this.width = widthPx;
    this.height = heightPx;
    this.data = data;
    this.#committed = data.slice();
    this.#tilesAcross = Math.ceil(widthPx / TILE_PX);
    this.#touched = new Uint8Array(this.#tilesAcross * Math.ceil(heightPx / TILE_PX));
  }

  get canUndo() { return this.#done.length > 0; }
  get canRedo() { return this.#undone.length > 0; }

  /** End a change, however many calls it took. Returns whether any pixel is different now. */
  commit() {
    const patch = [];
    let bytes = 0;
    for (let tile = 0; tile < this.#touched.length; tile++) {
      if (!this.#touched[tile]) continue;
      this.#touched[tile] = 0;
      const bits = this.#flippedBits(tile);
      if (!bits) continue;
      patch.push({ tile, bits });
      bytes += bits.length;
    }
    if (!patch.length) return false;
    this.#done.push({ patch, bytes });
    this.#undone = [];
    let kept = this.#done.reduce((sum, change) => sum + change.bytes, 0);
    while (kept > KEPT_BYTES && this.#done.length > 1) kept -= this.#done.shift().bytes;
    return true;
  }

  /** Each returns the rectangle that changed, or null if there is nothing to undo or redo. */
  undo() { return this.#flip(this.#done, this.#undone); }
  redo() { return this.#flip(this.#undone, this.#done); }

  /** A stroke of a round brush from one point to the next. */
  stroke(x0, y0, x1, y1, radiusPx, value) {
    const dx = x1 - x0, dy = y1 - y0, length = Math.hypot(dx, dy);
    const box = this.#clipped(Math.min(x0, x1) - radiusPx - 1, Math.min(y0, y1) - radiusPx - 1,
                              Math.max(x0, x1) + radiusPx + 1, Math.max(y0, y1) + radiusPx + 1);
    const [ux, uy] = length ? [dx / length, dy / length] : [0, 0];
    for (let y = box.top; y < box.bottom; y++) {
      const centre = y + 0.5;
      let low = Infinity, high = -Infinity;
      for (const [cx, cy] of [[x0, y0], [x1, y1]]) {
        const inside = radiusPx * radiusPx - (centre - cy) ** 2;
        if (inside < 0) continue;
        low = Math.min(low, cx - Math.sqrt(inside));
        high = Math.max(high, cx + Math.sqrt(inside));
      }
      if (length) {
        // Between the two discs: |across| <= radius and 0 <= along <= length, both linear in x.
        const rest = centre - y0;
        const [near, far] = meet(interval(-uy, ux * rest + uy * x0, -radiusPx, radiusPx),
                                 interval(ux, uy * rest - ux * x0, 0, length));
        if (near <= far) { low = Math.min(low, near); high = Math.max(high, far); }
      }
      if (low <= high) this.#run(y, low, high, value);
    }
    for (const [x, y] of [[x0, y0], [x1, y1]]) {  // the finest brush paints the pixel that it points at
      if (this.#holds(x, y)) this.#run(Math.floor(y), Math.floor(x) + 0.5, Math.floor(x) + 0.5, value);
    }
    return box;
  }

  /** All pixels whose centre is inside a closed outline, [[x, y], ...], by its winding number. */
  polygon(points, value) {
    const xs = points.map((point) => point[0]), ys = points.map((point) => point[1]);
    const box = this.#clipped(least(xs), least(ys), most(xs) + 1, most(ys) + 1);
    const edges = points.map((point, i) => [...point, ...points[(i + 1) % points.length]])
      .filter(([, y0, , y1]) => y0 !== y1);
    for (let y = box.top; y < box.bottom; y++) {
      const centre = y + 0.5;
      const crossings = edges
        .filter(([, y0, , y1]) => (y0 <= centre) !== (y1 <= centre))
        .map(([x0, y0, x1, y1]) => [x0 + ((centre - y0) / (y1 - y0)) * (x1 - x0), y0 < y1 ? 1 : -1])
        .sort((first, second) => first[0] - second[0]);
      for (let i = 0, winding = 0; i + 1 < crossings.length; i++) {
        winding += crossings[i][1];
        if (winding) this.#run(y, crossings[i][0], crossings[i + 1][0], value);
      }
    }
    return box;
  }

  /** Give the area of one level about a pixel the other level: a hole is closed, an island removed. */
  fill(x, y, value) {
    const column = Math.floor(x), row = Math.floor(y), { width, height, data } = this;
    if (!this.#holds(x, y) || data[row * width + column] === value) return null;
    const stack = [column, row];
    const box = { left: column, top: row, right: column + 1, bottom: row + 1 };
    while (stack.length) {
      const r = stack.pop(), c = stack.pop(), start = r * width;
      if (data[start + c] === value) continue;
      let from = c, to = c + 1;
      while (from > 0 && data[start + from - 1] !== value) from--;
      while (to < width && data[start + to] !== value) to++;
      data.fill(value, start + from, start + to);
      include(box, from, r, to, r + 1);
      for (const next of [r - 1, r + 1]) {
        if (next < 0 || next >= height) continue;
        for (let i = from, inRun = false; i < to; i++) {
          const open = data[next * width + i] !== value;
          if (open && !inRun) stack.push(i, next);
          inRun = open;
        }
      }
    }
    this.#touch(box);
    return box;
  }

  /** An area of a smaller picture, 255 where `value` is to be painted; its edge is interpolated. */
  region(small, smallWidth, smallHeight, value) {
    const { width, height, data } = this;
    const used = bounds(small, smallWidth, smallHeight);
    if (!used) return null;
    const scaleX = width / smallWidth, scaleY = height / smallHeight;
    const box = this.#clipped((used.left - 1) * scaleX, (used.top - 1) * scaleY,
                              (used.right + 1) * scaleX, (used.bottom + 1) * scaleY);
    const at = (column, row) => small[Math.min(smallHeight - 1, Math.max(0, row)) * smallWidth
                                      + Math.min(smallWidth - 1, Math.max(0, column))];
    for (let y = box.top; y < box.bottom; y++) {
      const v = (y + 0.5) / scaleY - 0.5, row = Math.floor(v), fy = v - row;
      for (let x = box.left; x < box.right; x++) {
        const u = (x + 0.5) / scaleX - 0.5, column = Math.floor(u), fx = u - column;
        const above = at(column, row) * (1 - fx) + at(column + 1, row) * fx;
        const below = at(column, row + 1) * (1 - fx) + at(column + 1, row + 1) * fx;
        if (above * (1 - fy) + below * fy >= 127.5) data[y * width + x] = value;
      }
    }
    this.#touch(box);
    return box;
  }

  invert() {
    const { data } = this;
    for (let i = 0; i < data.length; i++) data[i] ^= 255;
    return this.#all();
  }

  /** Each pixel becomes what most of the square of `2 * radiusPx + 1` about it is. */
  smooth(radiusPx) {
    const { width, height, data } = this;
    const used = bounds(data, width, height);
    if (!used) return null;
    const box = this.#clipped(used.left - radiusPx, used.top - radiusPx,
                              used.right + radiusPx, used.bottom + radiusPx);
    const columns = box.right - box.left;
    const before = this.#committed;  // what data is between changes
    const sums = new Int32Array(columns + 2 * radiusPx + 1);  // of each column in reach, with a margin of zeros
    const across = Int32Array.from({ length: columns }, (_, i) =>
      Math.min(width, box.left + i + radiusPx + 1) - Math.max(0, box.left + i - radiusPx));
    const add = (row, sign) => {
      if (row < 0 || row >= height) return;
      const start = row * width + box.left;
      for (let i = 0; i < columns; i++) sums[i + radiusPx] += (before[start + i] & 1) * sign;
    };
    for (let row = box.top - radiusPx; row < box.top + radiusPx; row++) add(row, 1);
    for (let y = box.top; y < box.bottom; y++) {
      add(y + radiusPx, 1);
      const rows = Math.min(height, y + radiusPx + 1) - Math.max(0, y - radiusPx);
      const start = y * width + box.left;
      let total = 0;
      for (let i = 0; i < 2 * radiusPx; i++) total += sums[i];
      for (let i = 0; i < columns; i++) {
        total += sums[i + 2 * radiusPx];
        data[start + i] = 2 * total > rows * across[i] ? 255 : 0;
        total -= sums[i];
      }
      add(y - radiusPx, -1);
    }
    this.#touch(box);
    return box;
  }

  /** How many pixels are on the garment. */
  count() {
    let sum = 0;
    for (let i = 0; i < this.data.length; i++) sum += this.data[i] & 1;
    return sum;
  }

  /** A small mask for a quick look, whose longer side has at most `sidePx`. */
  reduced(sidePx) {
    const scale = Math.min(1, sidePx / Math.max(this.width, this.height));
    const [width, height] = [this.width, this.height].map((side) => Math.max(1, Math.round(side * scale)));
    const small = new Mask(width, height);
    for (let y = 0; y < height; y++) {
      const row = Math.floor(((y + 0.5) / height) * this.height) * this.width;
      for (let x = 0; x < width; x++) {
        small.data[y * width + x] = this.data[row + Math.floor(((x + 0.5) / width) * this.width)];
      }
    }
    return small;
  }

  #all() {
    const box = { left: 0, top: 0, right: this.width, bottom: this.height };
    this.#touch(box);
    return box;
  }

  #holds(x, y) { return x >= 0 && y >= 0 && x < this.width && y < this.height; }

  #clipped(left, top, right, bottom) {
    const within = (value, most) => Math.max(0, Math.min(most, value));
    return { left: within(Math.floor(left), this.width), top: within(Math.floor(top), this.height),
             right: within(Math.ceil(right), this.width), bottom: within(Math.ceil(bottom), this.height) };
  }

  /** The pixels of a row whose centres lie from `low` to `high`. */
  #run(row, low, high, value) {
    const from = Math.max(0, Math.ceil(low - 0.5)), to = Math.min(this.width, Math.floor(high - 0.5) + 1);
    if (from >= to) return;
    this.data.fill(value, row * this.width + from, row * this.width + to);
    const tiles = Math.floor(row / TILE_PX) * this.#tilesAcross;
    this.#touched.fill(1, tiles + Math.floor(from / TILE_PX), tiles + Math.floor((to - 1) / TILE_PX) + 1);
  }

  #touch({ left, top, right, bottom }) {
    if (left >= right || top >= bottom) return;
    for (let row = Math.floor(top / TILE_PX); row * TILE_PX < bottom; row++) {
      for (let column = Math.floor(left / TILE_PX); column * TILE_PX < right; column++) {
        this.#touched[row * this.#tilesAcross + column] = 1;
      }
    }
  }

  #tileBox(tile) {
    const left = (tile % this.#tilesAcross) * TILE_PX, top = Math.floor(tile / this.#tilesAcross) * TILE_PX;
    return { left, top, right: Math.min(this.width, left + TILE_PX),
             bottom: Math.min(this.height, top + TILE_PX) };
  }

  /** One bit for each pixel of a tile that is not as it was; null if all are. */
  #flippedBits(tile) {
    const { left, top, right, bottom } = this.#tileBox(tile), { width, data } = this;
    const committed = this.#committed, bits = new Uint8Array((TILE_PX * TILE_PX) / 8);
    let any = false;
    for (let y = top; y < bottom; y++) {
      const start = y * width, bitsStart = (y - top) * TILE_PX - left;
      for (let x = left; x < right; x++) {
        if (data[start + x] === committed[start + x]) continue;
        bits[(bitsStart + x) >> 3] |= 1 << ((bitsStart + x) & 7);
        committed[start + x] ^= 255;
        any = true;
      }
    }
    return any ? bits : null;
  }

  #flip(from, to) {
    const change = from.pop();
    if (!change) return null;
    const { width, data } = this, committed = this.#committed;
    const box = { left: width, top: this.height, right: 0, bottom: 0 };
    for (const { tile, bits } of change.patch) {
      const { left, top, right, bottom } = this.#tileBox(tile);
      for (let byte = 0; byte < bits.length; byte++) {
        for (let rest = bits[byte], bit = 8 * byte; rest; rest >>= 1, bit++) {
          if (!(rest & 1)) continue;
          const at = (top + Math.floor(bit / TILE_PX)) * width + left + (bit % TILE_PX);
          data[at] ^= 255;
          committed[at] ^= 255;
        }
      }
      include(box, left, top, right, bottom);
    }
    to.push(change);
    return box;
  }
}

/** The x at which `slope * x + offset` is from `low` to `high`. */
function interval(slope, offset, low, high) {
  if (Math.abs(slope) < 1e-9) return offset >= low && offset <= high ? [-Infinity, Infinity] : [1, 0];
  const ends = [(low - offset) / slope, (high - offset) / slope];
  return slope > 0 ? ends : ends.reverse();
}

function meet([low, high], [otherLow, otherHigh]) {
  return [Math.max(low, otherLow), Math.min(high, otherHigh)];
}

function include(box, left, top, right, bottom) {
  box.left = Math.min(box.left, left);
  box.top = Math.min(box.top, top);
  box.right = Math.max(box.right, right);
  box.bottom = Math.max(box.bottom, bottom);
}

function least(values) { return values.reduce((a, b) => Math.min(a, b)); }
function most(values) { return values.reduce((a, b) => Math.max(a, b)); }

/** The rectangle of all pixels that are 255; null if there are none. */
function bounds(data, width, height) {
  const box = { left: width, top: height, right: 0, bottom: 0 };
  for (let y = 0; y < height; y++) {
    const row = data.subarray(y * width, (y + 1) * width), first = row.indexOf(255);
    if (first >= 0) include(box, first, y, row.lastIndexOf(255) + 1, y + 1);
  }
  return box.right ? box : null;
}
