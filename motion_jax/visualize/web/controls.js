// Buttons, menus, keys.
const $ = (id) => document.getElementById(id);
const SPEEDS = [0.1, 0.25, 0.5, 1, 2], COLOURS = ["model", "side", "error"];
const calm = matchMedia("(prefers-reduced-motion: reduce)"), night = matchMedia("(prefers-color-scheme: dark)");
const sees = comparison.models.map((_, m) => Boolean(comparison.scenes[0].predictions[m].attention));
const state = {
  scene: 0, frame: NOW, playing: false, speed: 1, shown: comparison.models.map(() => true), layout: "side", walk: false,
  colour: "model", ghost: true, halo: HALOS.at(HALOS.includes(0.9) ? HALOS.indexOf(0.9) : -1), attended: sees.indexOf(true), inspected: 0,
};

const shownFrame = () => (calm.matches ? Math.floor(state.frame + 1e-6) : state.frame);

function option(select, value, text) {
  const item = document.createElement("option");
  item.value = value;
  item.textContent = text;
  select.append(item);
}

function fillMenus() {
  [...new Set(comparison.scenes.map((scene) => scene.action))].forEach((action) => option($("action"), action, action));
  comparison.models.forEach((model, m) => {
    option($("inspected"), m, model.name);
    if (sees[m]) option($("attended"), m, model.name);
    $("models").append(chip(model, m));
    $("errors").tBodies[0].append(errorRow(model));
  });
  $("looks").hidden = state.attended < 0;
}

function dotted(element, name) {
  const dot = document.createElement("span");
  dot.className = "dot";
  element.append(dot, name);
  return element;
}

function chip(model, m) {
  const button = dotted(document.createElement("button"), model.name);
  button.type = "button";
  if (m < 9) {
    const key = document.createElement("kbd");
    key.textContent = m + 1;
    key.ariaHidden = "true";
    button.append(key);
  }
  button.addEventListener("click", () => toggle(m));
  return button;
}

function errorRow(model) {
  const row = document.createElement("tr");
  row.append(dotted(document.createElement("td"), model.name), document.createElement("td"), document.createElement("td"));
  return row;
}

function toggle(m) {
  if (m < state.shown.length) state.shown[m] = !state.shown[m];
  refresh();
}

function choose(number) {
  state.scene = (number + comparison.scenes.length) % comparison.scenes.length;
  const scene = comparison.scenes[state.scene], select = $("window");
  $("action").value = scene.action;
  select.replaceChildren();
  comparison.scenes.forEach((other, n) => other.action === scene.action && option(select, n, `window ${other.window}`));
  select.value = state.scene;
  refresh();
}

function set(change) {
  Object.assign(state, change);
  refresh();
}

// What is shown, in a sentence for someone who sees the page for the first time.
function sayWhere(scene) {
  const seconds = (frames) => `${+(frames / fps).toFixed(2)} s`, made = comparison.data.startsWith("synthetic");
  const from = `It begins ${scene.begin_s} s into ${scene.clip}${made ? "" : ` of ${comparison.data}`}.`;
  return `Given ${seconds(past)} of ${made ? "synthetic " : ""}motion, each model predicts the next ${seconds(future)}. ${from}`;
}

// What the controls say, after something other than time has changed.
function refresh() {
  const scene = comparison.scenes[state.scene];
  $("title").textContent = scene.action;
  $("about").textContent = sayWhere(scene);
  [...$("models").children].forEach((button, m) => (button.ariaPressed = String(state.shown[m])));
  for (const name of ["layout", "colour"]) {
    document.querySelectorAll(`[data-${name}]`).forEach((button) => (button.ariaPressed = String(button.dataset[name] === state[name])));
  }
  document.querySelectorAll("[data-walk]").forEach((button) => (button.ariaPressed = String(button.dataset.walk === String(+state.walk))));
  $("ghost").ariaPressed = String(state.ghost);
  $("ghost").disabled = state.layout === "overlay";
  $("halo").hidden = HALOS.length < 2;
  $("halo").ariaPressed = String(state.halo > 0);
  $("halo").textContent = state.halo > 0 ? `Halo ${Math.round(100 * state.halo)}%` : "Halo";
  $("ramp").hidden = state.colour !== "error";
  $("peak").textContent = `${openScene(state.scene).peak} mm`;
  [["speed", state.speed], ["attended", state.attended], ["inspected", state.inspected]].forEach(([id, value]) => ($(id).value = value));
  for (const parent of [$("models"), $("errors").tBodies[0]]) {
    parent.querySelectorAll(".dot").forEach((dot, m) => (dot.style.background = css(theme.models[m])));
  }
  sayPlaying();
  said = null;
  redraw();
}

function sayPlaying() {
  $("play").ariaLabel = state.playing ? "Pause" : "Play";
  $("sign").setAttribute("d", state.playing ? "M6 4.5h3v11H6zm5 0h3v11h-3z" : "M7 4l9 6-9 6z");
}

let said = null; // the frame that the controls speak of

function sayTimeNow() {
  const frame = Math.floor(state.frame + 1e-6), key = `${state.scene} ${frame} ${state.shown}`;
  if (said === key) return;
  said = key;
  const time = sayTime(timeOf(frame)), row = target(frame), scene = openScene(state.scene);
  $("clock").textContent = time;
  $("now").textContent = row < 0 ? `Observed, ${time}` : `Error at ${time}`;
  [...$("errors").tBodies[0].rows].forEach((line, m) => {
    line.className = state.shown[m] ? "" : "off";
    line.cells[1].textContent = row < 0 ? "\u2013" : inRad(scene.predictions[m].euler[row], 3, "");
    line.cells[2].textContent = row < 0 ? "\u2013" : scene.predictions[m].mm[row].toFixed(1);
  });
  const slider = { valueNow: Math.round(timeOf(frame)), valueMin: Math.round(timeOf(0)), valueMax: Math.round(timeOf(FRAMES - 1)), valueText: row < 0 ? `${time}, observed` : `${time}, predicted` };
  for (const [name, value] of Object.entries(slider)) timeline.setAttribute(`aria-${name.toLowerCase()}`, value);
  const models = comparison.models.filter((_, m) => state.shown[m]).map((model) => model.name).join(", ");
  $("bodies").ariaLabel = `Bodies at ${time}: truth, ${models}; ${scene.action}, window ${scene.window}. Drag to orbit.`;
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
  const scale = $("scale").getContext("2d");
  for (let i = 0; i < 120; i++) { scale.fillStyle = css(ramp(i / 119)); scale.fillRect(i, 0, 1, 8); }
}

function hint(x, y) {
  const near = x === null ? null : drawn.reduce((best, p) => { const d = Math.hypot(p.x - x, p.y - y); return d < (best?.d ?? 12) ? { ...p, d } : best; }, null);
  $("hint").hidden = !near;
  if (!near) return;
  const who = near.model < 0 ? "truth" : comparison.models[near.model].name;
  $("hint").textContent = `${skeleton.joints[near.joint]}, ${who}${near.error === null ? "" : `: ${near.error.toFixed(0)} mm`}`;
  $("hint").style.left = `${Math.min(near.x + 12, $("frame").clientWidth - $("hint").offsetWidth - 8)}px`;
  $("hint").style.top = `${Math.max(4, near.y - 32)}px`;
}

function savePicture() {
  const box = $("bodies").getBoundingClientRect(), canvas = document.createElement("canvas");
  canvas.width = box.width * 3;
  canvas.height = box.height * 3;
  const ctx = canvas.getContext("2d"), scene = comparison.scenes[state.scene];
  ctx.scale(3, 3);
  drawBodies({ ctx, width: box.width, height: box.height, ratio: 3 });
  canvas.toBlob((blob) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${scene.action}_${scene.window}_${Math.round(timeOf(Math.floor(state.frame)))}ms.png`.replace(/[^\w.-]+/g, "_");
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  });
}

function showKeys() {
  $("keys").showModal();
  $("keys").scrollTop = 0; // where its button lies below the screen, the focus has scrolled there
}

const KEYS = {
  " ": play, ArrowLeft: () => step(-1), ArrowRight: () => step(1), ArrowUp: () => choose(state.scene - 1),
  ArrowDown: () => choose(state.scene + 1), Home: () => step(-FRAMES), End: () => step(FRAMES), "+": () => zoom(1.15),
  "=": () => zoom(1.15), "-": () => zoom(1 / 1.15), "[": () => faster(-1), "]": () => faster(1),
  o: () => set({ layout: state.layout === "side" ? "overlay" : "side" }), m: () => set({ walk: !state.walk }),
  c: () => set({ colour: COLOURS[(COLOURS.indexOf(state.colour) + 1) % 3] }), g: () => set({ ghost: !state.ghost }),
  h: () => set({ halo: HALOS[(HALOS.indexOf(state.halo) + 1) % HALOS.length] }),
  r: resetView, d: () => { setTheme(!theme.dark); refresh(); }, s: savePicture, "?": showKeys,
};
const TURNS = { ArrowLeft: [-0.12, 0], ArrowRight: [0.12, 0], ArrowUp: [0, 0.08], ArrowDown: [0, -0.08] };

function press(event) {
  const where = event.target, own = where.closest?.("select, dialog") || (event.key === " " && where.closest?.("button"));
  if (own || event.ctrlKey || event.metaKey || event.altKey) return;
  const turn = event.shiftKey && TURNS[event.key];
  const action = turn ? () => orbit(...turn) : /^[1-9]$/.test(event.key) ? () => toggle(event.key - 1) : KEYS[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

function connect() {
  const clicks = {
    earlier: KEYS.ArrowUp, later: KEYS.ArrowDown, save: savePicture, theme: KEYS.d, help: KEYS["?"], ghost: KEYS.g, halo: KEYS.h,
    reset: resetView, back: KEYS.ArrowLeft, play, next: KEYS.ArrowRight,
  };
  for (const [id, act] of Object.entries(clicks)) $(id).addEventListener("click", act);
  document.querySelectorAll("[data-layout]").forEach((b) => b.addEventListener("click", () => set({ layout: b.dataset.layout })));
  document.querySelectorAll("[data-colour]").forEach((b) => b.addEventListener("click", () => set({ colour: b.dataset.colour })));
  document.querySelectorAll("[data-walk]").forEach((b) => b.addEventListener("click", () => set({ walk: b.dataset.walk === "1" })));
  $("action").addEventListener("change", (event) => choose(comparison.scenes.findIndex((scene) => scene.action === event.target.value)));
  $("window").addEventListener("change", (event) => choose(+event.target.value));
  for (const id of ["speed", "attended", "inspected"]) $(id).addEventListener("change", (event) => set({ [id]: +event.target.value }));
  document.addEventListener("keydown", press);
  night.addEventListener("change", () => { setTheme(night.matches); refresh(); });
  new ResizeObserver(redraw).observe($("frame"));
  new ResizeObserver(redraw).observe(timeline);
  followPointers($("bodies"));
  followScrubbing();
  followMaps();
}
