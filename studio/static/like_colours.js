// Areas of like colour in a preview of the photo.

const LIGHTNESS_WEIGHT = 0.4;  // folds and shade change lightness more than colour
const CLOTH_PX = 2;

/** `{width, height, lab}`: CIE Lab (D65) of the sRGB pixels of a canvas's ImageData. */
export function labOf({ width, height, data }) {
  const lab = new Float32Array(width * height * 3);
  const linear = Float32Array.from({ length: 256 }, (_, level) => {
    const value = level / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  const f = (t) => (t > 0.008856 ? Math.cbrt(t) : 7.787 * t + 16 / 116);
  for (let i = 0, j = 0; i < data.length; i += 4, j += 3) {
    const r = linear[data[i]], g = linear[data[i + 1]], b = linear[data[i + 2]];
    const x = f((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505);
    const y = f(0.2126 * r + 0.7152 * g + 0.0722 * b);
    const z = f((0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089);
    lab[j] = 116 * y - 16;
    lab[j + 1] = 500 * (x - y);
    lab[j + 2] = 200 * (y - z);
  }
  return { width, height, lab };
}

/** The area about a pixel whose colour is within `tolerance` of the cloth there: 255 in it, else 0. */
export function areaAbout(picture, column, row, tolerance) {
  const { width, height } = picture, area = new Uint8Array(width * height);
  const window = [];
  for (let r = row - CLOTH_PX; r <= row + CLOTH_PX; r++) {
    for (let c = column - CLOTH_PX; c <= column + CLOTH_PX; c++) {
      if (r >= 0 && c >= 0 && r < height && c < width) window.push(r * width + c);
    }
  }
  const cloth = [0, 1, 2].map((part) =>
    window.reduce((sum, at) => sum + picture.lab[3 * at + part], 0) / window.length);
  const limit = tolerance * tolerance, queue = new Int32Array(width * height);
  queue[0] = row * width + column;
  area[queue[0]] = 255;
  for (let next = 0, end = 1; next < end; next++) {
    const at = queue[next], column = at % width;
    for (const to of [column ? at - 1 : -1, column < width - 1 ? at + 1 : -1, at - width, at + width]) {
      if (to < 0 || to >= area.length || area[to]) continue;
      const l = (picture.lab[3 * to] - cloth[0]) * LIGHTNESS_WEIGHT;
      const a = picture.lab[3 * to + 1] - cloth[1], b = picture.lab[3 * to + 2] - cloth[2];
      if (l * l + a * a + b * b > limit) continue;
      area[to] = 255;
      queue[end++] = to;
    }
  }
  return area;
}
