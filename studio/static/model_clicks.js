// Clicks that SAM 2 turns into one edit of the mask: each further click replaces what the earlier ones did.

import { decodePng } from "./mask_png.js";

export class ModelClicks {
  #clicks = [];
  #asked = 0;
  #isApplied = false;

  constructor(mask, view, url) {
    Object.assign(this, { mask, view, url, isWaiting: false });
  }

  /** Ask again with one more click; 255 is on the garment, 0 beside it. Returns whether the mask changed. */
  async add(x, y, value) {
    const { width, height } = this.mask;
    if (x < 0 || y < 0 || x > width || y > height) return false;
    this.#clicks.push({ x, y, value });
    const clicks = this.#clicks, first = clicks[0].value, number = ++this.#asked;
    this.view.showPoints(clicks.map((click) => ({ ...click, isInside: click.value === 255 })));
    this.isWaiting = true;
    const found = await this.#ask({
      points: clicks.map((click) => [click.x / width, click.y / height]),
      is_inside: clicks.map((click) => click.value === first),
    });
    if (number !== this.#asked) return false;  // a later click was asked about, or another edit began
    this.isWaiting = false;
    if (this.#isApplied) this.view.changed(this.mask.undo());
    this.view.changed(this.mask.region(found.data, found.width, found.height, first));
    const wasApplied = this.#isApplied;
    this.#isApplied = this.mask.commit();
    return this.#isApplied || wasApplied;
  }

  /** Leave the edit as it is; the next click begins another one. */
  end() {
    this.#clicks = [];
    this.#asked++;
    this.#isApplied = this.isWaiting = false;
    this.view.showPoints([]);
  }

  async #ask(body) {
    const headers = { "content-type": "application/json" };
    const response = await fetch(this.url, { method: "POST", headers, body: JSON.stringify(body) });
    if (response.ok) return decodePng(await response.arrayBuffer());
    this.isWaiting = false;
    const { error } = await response.json().catch(() => ({ error: response.statusText }));
    throw new Error(error);
  }
}
