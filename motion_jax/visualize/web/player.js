// What every page with bodies and a timeline has alike: playing, menus, buttons, keys, pointers.
const $ = (id) => document.getElementById(id);
const SPEEDS = [0.1, 0.25, 0.5, 1, 2];
const calm = matchMedia("(prefers-reduced-motion: reduce)"), night = matchMedia("(prefers-color-scheme: dark)");
const timeline = $("timeline");
const shownFrame = () => (calm.matches ? Math.floor(state.frame + 1e-6) : state.frame);
let said = null; // what the controls speak of, until it changes

function option(select, value, text) {
  const item = document.createElement("option");
  item.value = value;
  item.textContent = text;
  select.append(item);
}

function dotted(element, name) {
  const dot = document.createElement("span");
  dot.className = "dot";
  element.append(dot, name);
  return element;
}

function set(change) {
  Object.assign(state, change);
  refresh();
}

// Buttons with data-NAME choose among the values of state.NAME; of a switch 0 and 1.
function sayChosen(...names) {
  for (const name of names) {
    const value = typeof state[name] === "boolean" ? +state[name] : state[name];
    document.querySelectorAll(`[data-${name}]`).forEach((button) => (button.ariaPressed = String(button.dataset[name] === String(value))));
  }
}

function sayPlaying() {
  $("play").ariaLabel = state.playing ? "Pause" : "Play";
  $("sign").setAttribute("d", state.playing ? "M6 4.5h3v11H6zm5 0h3v11h-3z" : "M7 4l9 6-9 6z");
}

function saySlider(values) {
  for (const [name, value] of Object.entries(values)) timeline.setAttribute(`aria-value${name}`, value);
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
  drawScale();
}

function hint(x, y) {
  const near = x === null ? null : drawn.reduce((best, p) => { const d = Math.hypot(p.x - x, p.y - y); return d < (best?.d ?? 12) ? { ...p, d } : best; }, null);
  $("hint").hidden = !near;
  if (!near) return;
  $("hint").textContent = describe(near);
  $("hint").style.left = `${Math.min(near.x + 12, $("frame").clientWidth - $("hint").offsetWidth - 8)}px`;
  $("hint").style.top = `${Math.max(4, near.y - 32)}px`;
}

function showKeys() {
  $("keys").showModal();
  $("keys").scrollTop = 0; // where its button lies below the screen, the focus has scrolled there
}

const PLAYER_KEYS = {
  " ": play, ArrowLeft: () => step(-1), ArrowRight: () => step(1), ArrowUp: () => choose(state.scene - 1),
  ArrowDown: () => choose(state.scene + 1), Home: () => step(-FRAMES), End: () => step(FRAMES), "+": () => zoom(1.15),
  "=": () => zoom(1.15), "-": () => zoom(1 / 1.15), "[": () => faster(-1), "]": () => faster(1),
  m: () => set({ walk: !state.walk }), c: () => set({ colour: COLOURS[(COLOURS.indexOf(state.colour) + 1) % COLOURS.length] }),
  r: resetView, d: () => { setTheme(!theme.dark); refresh(); }, "?": showKeys,
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

// Beside what every page has: clicks by id, buttons with data-NAME, menus of numbers by the name that they set.
function connectPlayer(clicks, chosen, menus) {
  const all = {
    earlier: KEYS.ArrowUp, later: KEYS.ArrowDown, theme: KEYS.d, help: KEYS["?"], reset: resetView, back: KEYS.ArrowLeft, play,
    next: KEYS.ArrowRight, ...clicks,
  };
  for (const [id, act] of Object.entries(all)) $(id).addEventListener("click", act);
  for (const name of chosen) {
    const valueOf = (text) => (typeof state[name] === "boolean" ? text === "1" : text);
    document.querySelectorAll(`[data-${name}]`).forEach((b) => b.addEventListener("click", () => set({ [name]: valueOf(b.dataset[name]) })));
  }
  for (const id of menus) $(id).addEventListener("change", (event) => set({ [id]: +event.target.value }));
  $("window").addEventListener("change", (event) => choose(+event.target.value));
  document.addEventListener("keydown", press);
  night.addEventListener("change", () => { setTheme(night.matches); refresh(); });
  new ResizeObserver(redraw).observe($("frame"));
  new ResizeObserver(redraw).observe(timeline);
  followPointers($("bodies"));
  followScrubbing();
}

function followScrubbing() {
  const scrub = (event) => seek(xToFrame(event.offsetX, timeline.getBoundingClientRect().width));
  timeline.addEventListener("pointerdown", (event) => {
    timeline.setPointerCapture(event.pointerId);
    pause();
    scrub(event);
  });
  timeline.addEventListener("pointermove", (event) => event.buttons && timeline.hasPointerCapture(event.pointerId) && scrub(event));
}
