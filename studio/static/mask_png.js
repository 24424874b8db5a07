// Masks as 8-bit grey PNG, without a canvas: canvases have a largest size and manage colours.

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];

/** The bytes of a PNG of a mask `{width, height, data}`. */
export async function encodePng({ width, height, data }) {
  const rows = new Uint8Array((width + 1) * height);  // each begins with the filter's number, none
  for (let y = 0; y < height; y++) rows.set(data.subarray(y * width, (y + 1) * width), y * (width + 1) + 1);
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, width);
  header.setUint32(4, height);
  header.setUint8(8, 8);  // bits; the zeros that follow are grey, deflate, filters, not interlaced
  const packed = await through(rows, new CompressionStream("deflate"));
  return new Blob([new Uint8Array(SIGNATURE), chunk("IHDR", new Uint8Array(header.buffer)),
                   chunk("IDAT", packed), chunk("IEND", new Uint8Array(0))], { type: "image/png" });
}

/** `{width, height, data}` of an 8-bit grey PNG without filters, as the server writes masks. */
export async function decodePng(buffer) {
  const view = new DataView(buffer), parts = [];
  let width = 0, height = 0;
  for (let at = SIGNATURE.length; at < buffer.byteLength;) {
    const length = view.getUint32(at), kind = String.fromCharCode(...new Uint8Array(buffer, at + 4, 4));
    if (kind === "IHDR") {
      [width, height] = [view.getUint32(at + 8), view.getUint32(at + 12)];
      const form = [16, 17, 20].map((offset) => view.getUint8(at + offset)).join();
      if (form !== "8,0,0") throw new Error("the mask is not an 8-bit grey PNG");
    }
    if (kind === "IDAT") parts.push(new Uint8Array(buffer, at + 8, length));
    at += length + 12;
  }
  const rows = await through(new Blob(parts), new DecompressionStream("deflate"));
  const data = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    const start = y * (width + 1);
    if (rows[start]) throw new Error("the mask's rows are filtered");
    data.set(rows.subarray(start + 1, start + 1 + width), y * width);
  }
  return { width, height, data };
}

async function through(content, transform) {
  const stream = new Blob([content]).stream().pipeThrough(transform);
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function chunk(kind, content) {
  const bytes = new Uint8Array(content.length + 12), view = new DataView(bytes.buffer);
  view.setUint32(0, content.length);
  bytes.set([...kind].map((letter) => letter.charCodeAt(0)), 4);
  bytes.set(content, 8);
  view.setUint32(content.length + 8, crc32(bytes.subarray(4, content.length + 8)));
  return bytes;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, number) => {
  for (let bit = 0; bit < 8; bit++) number = number & 1 ? (number >>> 1) ^ 0xedb88320 : number >>> 1;
  return number;
});

function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = CRC_TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}
