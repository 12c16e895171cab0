// A hole is a list of shapes in pixels of the photo, so that it can be drawn at any size:
//   { strokes: [{ width, points: [[x, y], …] }], erase }, { rectangle: [x, y, width, height] }, { clear: true }

/** Draw shapes on a canvas whose transform leads from pixels of the photo to its own. */
export function draw(context, shapes) {
  for (const shape of shapes) {
    context.globalCompositeOperation = shape.erase ? "destination-out" : "source-over";
    if (shape.clear) wipe(context);
    if (shape.rectangle) context.fillRect(...shape.rectangle);
    for (const stroke of shape.strokes ?? []) drawStroke(context, stroke);
  }
}

/** Make a canvas transparent. */
export function wipe(context) {
  context.save();
  context.resetTransform();
  context.clearRect(0, 0, context.canvas.width, context.canvas.height);
  context.restore();
}

function drawStroke(context, { width, points }) {
  context.lineWidth = width;
  context.lineCap = context.lineJoin = "round";
  context.beginPath();
  context.moveTo(...points[0]);
  // A line of no length would not be drawn.
  if (points.length === 1) context.lineTo(points[0][0] + 0.01, points[0][1]);
  for (const point of points.slice(1)) context.lineTo(...point);
  context.stroke();
}

/** Return a rectangle whose sides are a share of the photo's; across and down say where, from 0 to 1. */
export function rectangle([width, height], share, across, down) {
  const sides = [width, height].map((side) => Math.max(1, Math.round(share * side)));
  const corner = [across * (width - sides[0]), down * (height - sides[1])].map(Math.round);
  return { rectangle: [...corner, ...sides] };
}

/** Return a few wandering strokes; each reaches over about a share of the photo's shorter side. */
export function randomHole([width, height], share) {
  const between = (low, high) => low + Math.random() * (high - low);
  const unit = share * Math.min(width, height);
  const stroke = () => {
    let [x, y] = [between(0.2, 0.8) * width, between(0.2, 0.8) * height];
    let direction = between(0, 2 * Math.PI);
    const points = [[x, y]];
    for (let left = Math.floor(between(4, 9)); left > 0; left--) {
      direction += between(-1.2, 1.2);
      const step = between(0.1, 0.3) * unit;
      x += step * Math.cos(direction);
      y += step * Math.sin(direction);
      points.push([x, y]);
    }
    return { width: Math.max(1, between(0.12, 0.25) * unit), points };
  };
  return { strokes: Array.from({ length: Math.floor(between(2, 5)) }, stroke) };
}

/** Return the hole at the photo's full size, white on black: a PNG of one bit a pixel, and the hole's share. */
export async function mask(shapes, [width, height]) {
  const stride = 1 + Math.ceil(width / 8); // each row begins with its filter: none
  const rows = new Uint8Array(stride * height);
  // In bands: browsers limit the size of a canvas.
  const band = Math.max(1, Math.min(height, Math.floor(2 ** 22 / width)));
  const canvas = Object.assign(document.createElement("canvas"), { width, height: band });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  let count = 0;
  for (let top = 0; top < height; top += band) {
    context.setTransform(1, 0, 0, 1, 0, -top);
    wipe(context);
    draw(context, shapes);
    const { data } = context.getImageData(0, 0, width, band);
    for (let y = 0; y < Math.min(band, height - top); y++) {
      const start = (top + y) * stride + 1;
      for (let x = 0; x < width; x++) {
        if (data[4 * (y * width + x) + 3] < 128) continue;
        rows[start + (x >> 3)] |= 128 >> (x & 7);
        count++;
      }
    }
  }
  return { file: await png(rows, width, height), share: count / (width * height) };
}

async function png(rows, width, height) {
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, width);
  header.setUint32(4, height);
  header.setUint8(8, 1); // one bit, grey
  const stream = new Blob([rows]).stream().pipeThrough(new CompressionStream("deflate"));
  const packed = new Uint8Array(await new Response(stream).arrayBuffer());
  const signature = new Uint8Array([137, 80, 78, 71, 13, 10, 26, 10]);
  const parts = [chunk("IHDR", new Uint8Array(header.buffer)), chunk("IDAT", packed), chunk("IEND", [])];
  return new Blob([signature, ...parts], { type: "image/png" });
}

function chunk(name, data) {
  const bytes = new Uint8Array(data.length + 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set(new TextEncoder().encode(name), 4);
  bytes.set(data, 8);
  view.setUint32(data.length + 8, checksum(bytes.subarray(4, data.length + 8)));
  return bytes;
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? 0xedb88320 ^ (byte >>> 1) : byte >>> 1;
  return byte;
});

function checksum(bytes) {
  let crc = ~0;
  for (const byte of bytes) crc = TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}
