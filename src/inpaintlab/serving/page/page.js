// The page: a photo, the hole painted on it, and the results. Everything that a visitor does stays in the
// browser until Fill is pressed; the photo is then sent as it was opened, byte by byte.

import { draw, mask, randomHole, rectangle, wipe } from "./hole.js";

const find = (name) => document.getElementById(name);
const LIMITS = { bytes: Number(document.body.dataset.maxBytes), pixels: Number(document.body.dataset.maxPixels) };
const SAMPLES = Number(document.body.dataset.samples);
/** Longer side of the copies that are shown, at most; smaller than this is too small to paint on. */
const SHOWN = 1600, SMALL = 512;
const KEPT = 12, MOST = 0.9, LARGEST_ZOOM = 8, WAYS = 4;

let photo = null; // { file, name, size: [width, height] }
let shapes = [], done = 0; // the hole, and how many of its shapes are not taken back
let shape = null; // the shape that is being painted
let results = [], chosen = null, count = 0;
let tool = "brush", zoom = 1, busy = false, opening = 0;

// ---- Words for the visitor

function complain(message) {
  find("note").textContent = message;
  find("note").hidden = !message;
}

function tell() {
  if (!photo) return;
  const [width, height] = photo.size;
  const share = shareOfHole();
  const hole = share ? ` · ${share < 0.005 ? "less than 1" : Math.round(100 * share)} % to fill` : "";
  find("status").textContent = `${photo.name} · ${width}×${height}${hole}`;
}

/** Estimate the hole's share from a small copy of what is shown. */
function shareOfHole() {
  const small = Object.assign(document.createElement("canvas"), { width: 128, height: 128 });
  const context = small.getContext("2d", { willReadFrequently: true });
  context.drawImage(find("hole"), 0, 0, 128, 128);
  const { data } = context.getImageData(0, 0, 128, 128);
  let sum = 0;
  for (let place = 3; place < data.length; place += 4) sum += data[place];
  return sum / 255 / 128 ** 2;
}

// ---- Photos

/** Open a file; where that cannot be, say why and keep the photo that is there. */
async function open(file, name = plain(file.name)) {
  const turn = ++opening;
  complain("");
  if (file.size > LIMITS.bytes) {
    return complain(`${file.name} has ${megabytes(file.size)} MB; the limit is ${megabytes(LIMITS.bytes)} MB.`);
  }
  let bytes, bitmap;
  try {
    bytes = new Blob([await file.arrayBuffer()], { type: file.type });
    bitmap = await createImageBitmap(bytes);
  } catch {
    return complain(`${file.name ?? "This"} is not an image that this browser can show. Try PNG, JPEG or WebP.`);
  }
  const size = [bitmap.width, bitmap.height];
  const pixels = size[0] * size[1];
  if (pixels > LIMITS.pixels) {
    const [seen, limit] = [pixels, LIMITS.pixels].map((number) => Math.round(number / 1e6));
    return complain(`The photo has ${seen} megapixels; the limit is ${limit}. Make it smaller first.`);
  }
  if (turn !== opening) return; // another one was opened meanwhile
  photo = { file: bytes, name, size, before: null };
  shapes = [];
  done = 0;
  zoom = 1;
  for (const name of ["stage", "waiting"]) find(name).style.setProperty("--ratio", size[0] / size[1]);
  show(bitmap, find("photo"));
  Object.assign(find("hole"), { width: find("photo").width, height: find("photo").height });
  fit();
  redraw();
}

const megabytes = (bytes) => Math.ceil(bytes / 2 ** 20);

/** Return a file's name without its suffix, fit for every file system. */
function plain(name = "photo") {
  const stem = name.replace(/\.[^.]*$/, "").replace(/[^\p{L}\p{N}_.-]+/gu, "-");
  return stem.replace(/^[-.]+|[-.]+$/g, "").slice(0, 60) || "photo";
}

/** Draw a copy that is neither too large nor too small, and let the original go. */
function show(bitmap, canvas = document.createElement("canvas")) {
  const longest = Math.max(bitmap.width, bitmap.height);
  const scale = Math.min(Math.max(longest, SMALL), SHOWN) / longest;
  canvas.width = Math.max(1, Math.round(scale * bitmap.width));
  canvas.height = Math.max(1, Math.round(scale * bitmap.height));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return canvas;
}

/** Give the photo the room that the stage has, times the zoom. */
function fit() {
  if (!photo) return;
  const stage = find("stage");
  const [width, height] = photo.size;
  const scale = zoom * Math.min(stage.clientWidth / width, stage.clientHeight / height);
  find("paper").style.width = `${scale * width}px`;
  find("paper").style.height = `${scale * height}px`;
  find("out").disabled = zoom === 1;
  find("in").disabled = zoom === LARGEST_ZOOM;
}

/** Change the zoom; what is in the middle of the stage stays there. */
function zoomTo(goal) {
  const stage = find("stage");
  const middle = (start, length, whole) => (start + length / 2) / whole;
  const x = middle(stage.scrollLeft, stage.clientWidth, stage.scrollWidth);
  const y = middle(stage.scrollTop, stage.clientHeight, stage.scrollHeight);
  zoom = Math.min(Math.max(goal, 1), LARGEST_ZOOM);
  fit();
  stage.scrollLeft = x * stage.scrollWidth - stage.clientWidth / 2;
  stage.scrollTop = y * stage.scrollHeight - stage.clientHeight / 2;
}

// ---- The hole

function redraw() {
  const canvas = find("hole");
  const context = canvas.getContext("2d");
  wipe(context);
  context.setTransform(canvas.width / photo.size[0], 0, 0, canvas.height / photo.size[1], 0, 0);
  context.fillStyle = context.strokeStyle = "#ff3b5c";
  draw(context, shapes.slice(0, done));
  if (shape) draw(context, [shape]);
  find("undo").disabled = done === 0;
  find("redo").disabled = done === shapes.length;
  if (!shape) tell();
}

function add(added) {
  if (!photo) return;
  shapes = [...shapes.slice(0, done), added];
  done = shapes.length;
  complain("");
  redraw();
}

function step(by) {
  if (!photo || shape) return;
  done = Math.min(Math.max(done + by, 0), shapes.length);
  redraw();
}

/** Return where a pointer is, in pixels of the photo. */
function place(event) {
  const bounds = find("hole").getBoundingClientRect();
  const x = ((event.clientX - bounds.x) / bounds.width) * photo.size[0];
  return [x, ((event.clientY - bounds.y) / bounds.height) * photo.size[1]];
}

const brushWidth = () => Number(find("width").value) * (photo.size[0] / find("hole").getBoundingClientRect().width);

function begin(event) {
  if (!photo || event.button !== 0 || !event.isPrimary) return;
  event.preventDefault();
  find("hole").setPointerCapture(event.pointerId);
  const start = place(event);
  shape = tool === "box"
    ? { start, rectangle: [...start, 0, 0] }
    : { erase: tool === "eraser", strokes: [{ width: brushWidth(), points: [start] }] };
  redraw();
}

function go(event) {
  follow(event);
  if (!shape || !event.isPrimary) return;
  if (shape.start) shape.rectangle = between(shape.start, place(event));
  else for (const one of event.getCoalescedEvents?.() ?? [event]) shape.strokes[0].points.push(place(one));
  redraw();
}

/** Return the rectangle between two corners, in whole pixels inside the photo. */
function between(one, other) {
  const [low, high] = [Math.min, Math.max].map((pick) =>
    photo.size.map((side, axis) => Math.round(Math.min(Math.max(pick(one[axis], other[axis]), 0), side))),
  );
  return [...low, high[0] - low[0], high[1] - low[1]];
}

function end(event) {
  if (!shape || !event.isPrimary) return;
  const { start, ...painted } = shape;
  shape = null;
  // A second finger means zoom, and ends a stroke that was not meant.
  if (event.type === "pointercancel" || (start && !painted.rectangle[2] * painted.rectangle[3])) redraw();
  else add(painted);
}

/** Show how wide the brush is where the pointer is. */
function follow(event) {
  const pointer = find("pointer");
  pointer.hidden = tool === "box" || event.pointerType === "touch" || event.type === "pointerleave";
  const bounds = find("paper").getBoundingClientRect();
  pointer.style.width = pointer.style.height = `${find("width").value}px`;
  pointer.style.left = `${event.clientX - bounds.x}px`;
  pointer.style.top = `${event.clientY - bounds.y}px`;
}

function choose(name) {
  tool = name;
  for (const one of ["brush", "eraser", "box"]) find(one).setAttribute("aria-pressed", one === name);
  find("stage").dataset.tool = name;
}

function widen(by) {
  find("width").value = Number(find("width").value) * by;
}

// ---- Filling

/** Fill the hole in one way, or in several ones, which then stand side by side. */
async function fill(ways = 1) {
  if (busy || !photo) return;
  complain("");
  work(true);
  try {
    const filled = photo;
    const hole = await mask(shapes.slice(0, done), filled.size);
    if (!hole.share) return complain("Nothing is painted yet. Paint over what should go, then press Fill.");
    if (hole.share > MOST) {
      return complain(
        `${Math.round(100 * hole.share)} % of the photo is painted over: too little is left to fill from. ` +
          `Erase some of it, down to ${100 * MOST} %.`,
      );
    }
    const before = (filled.before ??= await address(find("photo")));
    const found = await (ways > 1 ? askForSeveral : ask)(filled.file, hole.file, ways);
    if (!found) return;
    const kept = [];
    for (const file of found.files) kept.push(await keep(filled, before, file, found));
    present(kept[0]);
  } finally {
    work(false);
  }
}

function work(on) {
  busy = on;
  find("fill").textContent = on ? "Filling…" : "Fill";
  find("fill").setAttribute("aria-busy", on);
  find("result").classList.toggle("busy", on);
}

/** Send a photo and its hole; return the filled photo in a list and notes, or say what went wrong. */
async function ask(image, hole) {
  const options = { method: "POST", body: form(image, hole), headers: { Accept: "image/png" } };
  const reply = await call("../v1/fill", options);
  const list = (name) => JSON.parse(reply.headers.get(name) ?? "[]");
  const said = reply && { notes: list("Inpaintlab-Notes"), reasons: list("Inpaintlab-Reasons") };
  return reply && { files: [await reply.blob()], ...said };
}

/** Send a photo and its hole; return several filled photos, the most typical first, and notes. */
async function askForSeveral(image, hole, variants) {
  const seed = Math.floor(Math.random() * 2 ** 31); // pressed again, other ones come
  const reply = await call("../v1/fill:variants", { method: "POST", body: form(image, hole, { variants, seed }) });
  const found = await reply?.json();
  const files = found?.images.map((text) => decode(text, found.media_type));
  return found && { files, notes: found.notes, reasons: found.judged?.reasons ?? [] };
}

function form(image, hole, values = {}) {
  const sent = new FormData();
  sent.append("image", image, "photo");
  sent.append("mask", hole, "mask.png");
  for (const [name, value] of Object.entries(values)) sent.append(name, value);
  return sent;
}

const decode = (text, type) => new Blob([Uint8Array.from(atob(text), (one) => one.charCodeAt(0))], { type });

/** Call the server, with its token if it wants one; return nothing if there is no good reply. */
async function call(path, options = {}) {
  let reply;
  do {
    const token = sessionStorage.getItem("token");
    const headers = { ...options.headers, ...(token && { Authorization: `Bearer ${token}` }) };
    reply = await fetch(path, { ...options, headers }).catch(() => null);
  } while (reply?.status === 401 && (await login()));
  if (reply?.ok) return reply;
  if (!reply) return complain("The server did not answer. Is it still running?");
  const problem = await reply.json().catch(() => null);
  // What is painted here is never the wrong way round, and no field can be sent.
  const message = problem?.error?.message?.replace(/; if [^;]*invert_mask.*/, "");
  complain(sentence(message ?? `The server replied with status ${reply.status}`));
}

/** Ask the visitor for the token; tell whether they gave one. */
async function login() {
  const dialog = find("login");
  if (!dialog.open) {
    find("wrong").textContent = sessionStorage.getItem("token") ? "This is not the token." : "";
    find("token").value = dialog.returnValue = "";
    dialog.showModal();
  }
  await new Promise((done) => dialog.addEventListener("close", done, { once: true }));
  // A header holds no other letters, and so does a token that is right.
  if (dialog.returnValue) sessionStorage.setItem("token", find("token").value.replace(/[^\x20-\x7e\xa0-\xff]/g, "?"));
  return Boolean(dialog.returnValue);
}

const sentence = (text) => text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");

const address = (canvas) =>
  new Promise((done) => canvas.toBlob((blob) => done(URL.createObjectURL(blob)), "image/webp", 0.92));

async function keep(filled, before, file, { notes, reasons }) {
  const canvas = show(await createImageBitmap(file));
  const after = await address(canvas);
  const name = `${filled.name}-filled-${++count}.png`;
  const result = { number: count, base: filled.name, name, file, before, after, url: URL.createObjectURL(file) };
  // What speaks against the fill stands in a box of its own.
  const others = notes.filter((note) => !reasons.includes(note));
  results.push({ ...result, notes: others, reasons, ratio: canvas.width / canvas.height });
  if (results.length > KEPT) forget(results.shift());
  return results.at(-1);
}

function present(result) {
  compare(result);
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  find("compare").scrollIntoView({ block: "nearest", behavior: calm ? "auto" : "smooth" });
}

function forget(result) {
  URL.revokeObjectURL(result.url);
  URL.revokeObjectURL(result.after);
  const inUse = photo.before === result.before || results.some((other) => other.before === result.before);
  if (!inUse) URL.revokeObjectURL(result.before);
}

// ---- Results

function compare(result) {
  chosen = result;
  find("waiting").hidden = true;
  find("shown").hidden = false;
  find("before").src = result.before;
  find("after").src = result.after;
  find("frame").style.setProperty("--ratio", result.ratio);
  Object.assign(find("download"), { href: result.url, download: result.name });
  find("doubts").hidden = !result.reasons.length;
  find("doubts").textContent = result.reasons.map(sentence).join(" ");
  find("notes").replaceChildren(...result.notes.map((note) => make("li", { textContent: sentence(note) })));
  find("gallery").replaceChildren(...results.map(thumbnail));
}

function thumbnail(result) {
  const image = make("img", { src: result.after, alt: `Result ${result.number}` });
  const button = make("button", { type: "button", onclick: () => compare(result) });
  button.setAttribute("aria-pressed", result === chosen);
  button.append(image);
  return button;
}

const make = (name, properties) => Object.assign(document.createElement(name), properties);

// ---- What leads to what

const shareOf = (name) => Number(find(name).value) / 100;
const presses = {
  open: () => find("file").click(),
  brush: () => choose("brush"),
  eraser: () => choose("eraser"),
  box: () => choose("box"),
  undo: () => step(-1),
  redo: () => step(1),
  in: () => zoomTo(zoom * 1.5),
  out: () => zoomTo(zoom / 1.5),
  fill: () => fill(),
  several: () => fill(WAYS),
  random: () => photo && add(randomHole(photo.size, 2 * shareOf("share"))),
  rectangle: () => photo && add(rectangle(photo.size, shareOf("share"), shareOf("across"), shareOf("down"))),
  clear: () => done && add({ clear: true }),
  proceed: () => open(chosen.file, chosen.base),
  full: () => (document.fullscreenElement ? document.exitFullscreen() : find("frame").requestFullscreen()),
};
for (const [name, action] of Object.entries(presses)) find(name).addEventListener("click", action);
find("full").hidden = !document.fullscreenEnabled;

find("file").addEventListener("change", () => {
  if (find("file").files[0]) open(find("file").files[0]);
  find("file").value = ""; // the same file can be chosen again
});
const canvas = find("hole");
canvas.addEventListener("pointerdown", begin);
canvas.addEventListener("pointermove", go);
for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, end);
canvas.addEventListener("pointerleave", follow);
find("stage").addEventListener("wheel", (event) => {
  if (!event.ctrlKey) return;
  event.preventDefault();
  zoomTo(zoom * (event.deltaY < 0 ? 1.2 : 1 / 1.2));
}, { passive: false });
new ResizeObserver(fit).observe(find("stage"));

find("split").addEventListener("input", () => {
  find("compare").style.setProperty("--split", `${find("split").value}%`);
});
for (const output of document.querySelectorAll("output")) {
  const slider = find(output.htmlFor.value);
  slider.addEventListener("input", () => (output.textContent = slider.value));
}

const keys = { Enter: () => fill(), z: () => step(-1), Z: () => step(1), y: () => step(1) };
addEventListener("keydown", (event) => {
  if (event.key === "[" || event.key === "]") return widen(event.key === "[" ? 0.8 : 1.25);
  if (!(event.ctrlKey || event.metaKey) || !(event.key in keys)) return;
  event.preventDefault();
  keys[event.key]();
});

const dropping = (on) => document.body.classList.toggle("dropping", on);
const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");
for (const name of ["dragenter", "dragover"]) {
  addEventListener(name, (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    dropping(true);
  });
}
addEventListener("dragleave", (event) => event.relatedTarget || dropping(false));
addEventListener("drop", (event) => {
  dropping(false);
  if (!holdsFiles(event)) return;
  event.preventDefault();
  open(event.dataTransfer.files[0]);
});
addEventListener("paste", (event) => {
  if (event.clipboardData?.files[0]) open(event.clipboardData.files[0]);
});

async function openSample(number) {
  const reply = await call(`sample-${number}.jpg`);
  if (reply) open(new File([await reply.blob()], `sample-${number}.jpg`));
}

async function nameModel() {
  const [model] = (await (await call("../v1/models"))?.json())?.data ?? [];
  if (!model) return;
  find("model").textContent = `Filled by ${model.id}, trained on images of ${model.size}×${model.size}.`;
  find("several").hidden = !model.varies;
}

for (let number = 1; number <= SAMPLES; number++) {
  const button = make("button", { type: "button", onclick: () => openSample(number) });
  button.append(make("img", { src: `sample-${number}.jpg`, alt: `Sample ${number}` }));
  find("samples").append(button);
}
openSample(1);
nameModel();
