// Labelled recordings: true and predicted labels as bands under the time that they belong to; buttons, menus, keys.
const $ = (id) => document.getElementById(id);
const SPEEDS = [0.1, 0.25, 0.5, 1, 2], COLOURS = ["model", "side"];
const calm = matchMedia("(prefers-reduced-motion: reduce)"), night = matchMedia("(prefers-color-scheme: dark)");
const timeline = $("timeline"), MARGIN = { left: 14, right: 14, top: 6, bottom: 20, gap: 5 };
const state = { scene: 0, frame: 0, playing: false, speed: 1, shown: [], layout: "side", walk: false, colour: "model", ghost: false, halo: 0 };
const { classes, bands } = comparison;
const shownFrame = () => (calm.matches ? Math.floor(state.frame + 1e-6) : state.frame);
const seconds = (frame) => `${(frame / fps).toFixed(2)} s`;

// Colours of classes: hues around the circle, neighbours in the list far apart.
function hueOf(label) {
  const hue = (label * 0.618034 % 1) * 6, light = theme.dark ? 0.62 : 0.5, chroma = theme.dark ? 0.42 : 0.36;
  const x = chroma * (1 - Math.abs((hue % 2) - 1));
  const [r, g, b] = [[chroma, x, 0], [x, chroma, 0], [0, chroma, x], [0, x, chroma], [x, 0, chroma], [chroma, 0, x]][Math.floor(hue) % 6];
  return [r, g, b].map((c) => 255 * (c + light - chroma / 2));
}

const frameToX = (frame, width) => MARGIN.left + (frame / Math.max(1, FRAMES - 1)) * (width - MARGIN.left - MARGIN.right);
const xToFrame = (x, width) => ((x - MARGIN.left) / (width - MARGIN.left - MARGIN.right)) * (FRAMES - 1);

function drawTimeline() {
  const paper = sharpen(timeline), { ctx, width, height, ratio } = paper;
  const still = layer("timeline", [state.scene, width, height, ratio, theme.key].join(), paper, (below) => drawBands(below, width, height));
  ctx.clearRect(0, 0, width, height);
  ctx.drawImage(still, 0, 0, width, height);
  const x = frameToX(shownFrame(), width);
  ctx.fillStyle = css(theme.ink);
  ctx.fillRect(x - 0.75, 2, 1.5, height - MARGIN.bottom);
  disc(ctx, [x, height - MARGIN.bottom + 2], 5, css(theme.ink));
}

function drawBands(ctx, width, height) {
  const scene = comparison.scenes[state.scene], tall = (height - MARGIN.top - MARGIN.bottom) / bands.length;
  bands.forEach((name, b) => {
    const top = MARGIN.top + b * tall, size = Math.max(4, tall - 17 - MARGIN.gap);
    write(ctx, name, MARGIN.left, top + 11, { size: 11, room: width - 2 * MARGIN.left });
    ctx.fillStyle = css(theme.past);
    ctx.fillRect(MARGIN.left, top + 16, width - MARGIN.left - MARGIN.right, size);
    for (const [begin, end, label, probability] of scene.bands[b]) {
      const from = frameToX(begin, width), to = frameToX(Math.min(end, FRAMES - 1), width), hue = hueOf(label);
      ctx.fillStyle = css(hue, 0.25 + 0.75 * probability);
      ctx.fillRect(from, top + 16, Math.max(1, to - from - 1), size);
      if (to - from > 34 && size > 13) write(ctx, classes[label], from + 5, top + 16 + size / 2 + 4, { size: 11, room: to - from - 10, colour: theme.ink });
    }
  });
  const last = (FRAMES - 1) / fps, step = [0.2, 0.5, 1, 2, 5, 10, 30, 60].find((s) => (last / s) * 46 < width) ?? 120;
  for (let s = 0; s <= last; s += step) write(ctx, `${+s.toFixed(1)} s`, frameToX(s * fps, width), height - 4, { size: 10.5, align: s ? "center" : "left" });
}

function drawMaps() {} // there are none

const spanAt = (spans, frame) => spans.find(([begin, end]) => begin <= frame && frame < end);

let said = null; // the frame that the controls speak of

function sayTimeNow() {
  const frame = Math.floor(state.frame + 1e-6), key = `${state.scene} ${frame} ${theme.key}`;
  if (said === key) return;
  said = key;
  const scene = comparison.scenes[state.scene], time = seconds(frame);
  $("clock").textContent = time;
  $("now").textContent = `At ${time}`;
  [...$("labels").tBodies[0].rows].forEach((row, b) => {
    const span = spanAt(scene.bands[b], frame);
    row.querySelector(".dot").style.background = span ? css(hueOf(span[2])) : "transparent";
    row.cells[1].textContent = span ? classes[span[2]] : "\u2013";
    row.cells[2].textContent = span && b ? span[3].toFixed(2) : "\u2013";
  });
  const slider = { valueNow: frame, valueMin: 0, valueMax: FRAMES - 1, valueText: time };
  for (const [name, value] of Object.entries(slider)) timeline.setAttribute(`aria-${name.toLowerCase()}`, value);
  $("bodies").ariaLabel = `The body at ${time} of ${scene.clip}. Drag to orbit.`;
}

function fillMenus() {
  comparison.scenes.forEach((scene, n) => {
    const item = document.createElement("option");
    item.value = n;
    item.textContent = scene.clip;
    $("window").append(item);
  });
  for (const name of bands) {
    const row = document.createElement("tr"), first = document.createElement("td"), dot = document.createElement("span");
    dot.className = "dot";
    first.append(dot, name);
    row.append(first, document.createElement("td"), document.createElement("td"));
    $("labels").tBodies[0].append(row);
  }
}

function choose(number) {
  state.scene = (number + comparison.scenes.length) % comparison.scenes.length;
  FRAMES = comparison.scenes[state.scene].frames;
  state.frame = 0;
  $("window").value = state.scene;
  refresh();
}

function set(change) {
  Object.assign(state, change);
  refresh();
}

function refresh() {
  const scene = comparison.scenes[state.scene];
  $("title").textContent = scene.clip;
  $("about").textContent = `${seconds(FRAMES)} of ${comparison.data}: what is being done, as labelled and as predicted.`;
  document.querySelectorAll("[data-colour]").forEach((button) => (button.ariaPressed = String(button.dataset.colour === state.colour)));
  document.querySelectorAll("[data-walk]").forEach((button) => (button.ariaPressed = String(button.dataset.walk === String(+state.walk))));
  $("speed").value = state.speed;
  sayPlaying();
  said = null;
  redraw();
}

function sayPlaying() {
  $("play").ariaLabel = state.playing ? "Pause" : "Play";
  $("sign").setAttribute("d", state.playing ? "M6 4.5h3v11H6zm5 0h3v11h-3z" : "M7 4l9 6-9 6z");
}

function seek(frame) {
  state.frame = Math.max(0, Math.min(FRAMES - 1, frame));
  redraw();
}

function pause() {
  state.playing = false;
  sayPlaying();
}

function play() {
  state.playing = !state.playing;
  sayPlaying();
  redraw();
}

function step(frames) {
  pause();
  seek(Math.round(state.frame) + frames);
}

function faster(by) {
  const at = SPEEDS.indexOf(state.speed) + by;
  if (SPEEDS[at]) set({ speed: SPEEDS[at] });
}

function setTheme(dark) {
  root.dataset.theme = dark ? "dark" : "light";
  readTheme();
}

function hint(x, y) {
  const near = x === null ? null : drawn.reduce((best, p) => { const d = Math.hypot(p.x - x, p.y - y); return d < (best?.d ?? 12) ? { ...p, d } : best; }, null);
  $("hint").hidden = !near;
  if (!near) return;
  $("hint").textContent = skeleton.joints[near.joint];
  $("hint").style.left = `${Math.min(near.x + 12, $("frame").clientWidth - $("hint").offsetWidth - 8)}px`;
  $("hint").style.top = `${Math.max(4, near.y - 32)}px`;
}

const KEYS = {
  " ": play, ArrowLeft: () => step(-1), ArrowRight: () => step(1), ArrowUp: () => choose(state.scene - 1),
  ArrowDown: () => choose(state.scene + 1), Home: () => step(-FRAMES), End: () => step(FRAMES), "+": () => zoom(1.15),
  "=": () => zoom(1.15), "-": () => zoom(1 / 1.15), "[": () => faster(-1), "]": () => faster(1),
  m: () => set({ walk: !state.walk }), c: () => set({ colour: COLOURS[(COLOURS.indexOf(state.colour) + 1) % 2] }),
  r: resetView, d: () => { setTheme(!theme.dark); refresh(); }, "?": () => $("keys").showModal(),
};
const TURNS = { ArrowLeft: [-0.12, 0], ArrowRight: [0.12, 0], ArrowUp: [0, 0.08], ArrowDown: [0, -0.08] };

function press(event) {
  const where = event.target, own = where.closest?.("select, dialog") || (event.key === " " && where.closest?.("button"));
  if (own || event.ctrlKey || event.metaKey || event.altKey) return;
  const turn = event.shiftKey && TURNS[event.key], action = turn ? () => orbit(...turn) : KEYS[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

function connect() {
  const clicks = { earlier: KEYS.ArrowUp, later: KEYS.ArrowDown, theme: KEYS.d, help: KEYS["?"], reset: resetView, back: KEYS.ArrowLeft, play, next: KEYS.ArrowRight };
  for (const [id, act] of Object.entries(clicks)) $(id).addEventListener("click", act);
  document.querySelectorAll("[data-colour]").forEach((b) => b.addEventListener("click", () => set({ colour: b.dataset.colour })));
  document.querySelectorAll("[data-walk]").forEach((b) => b.addEventListener("click", () => set({ walk: b.dataset.walk === "1" })));
  $("window").addEventListener("change", (event) => choose(+event.target.value));
  $("speed").addEventListener("change", (event) => set({ speed: +event.target.value }));
  document.addEventListener("keydown", press);
  night.addEventListener("change", () => { setTheme(night.matches); refresh(); });
  new ResizeObserver(redraw).observe($("frame"));
  new ResizeObserver(redraw).observe(timeline);
  followPointers($("bodies"));
  const scrub = (event) => seek(xToFrame(event.offsetX, timeline.getBoundingClientRect().width));
  timeline.addEventListener("pointerdown", (event) => { timeline.setPointerCapture(event.pointerId); pause(); scrub(event); });
  timeline.addEventListener("pointermove", (event) => event.buttons && timeline.hasPointerCapture(event.pointerId) && scrub(event));
}
