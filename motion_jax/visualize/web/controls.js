// What is shown of a comparison: its buttons, menus and keys.
const COLOURS = ["model", "side", "error"];
const sees = comparison.models.map((_, m) => Boolean(comparison.scenes[0].predictions[m].attention));
const state = {
  scene: 0, frame: NOW, playing: false, speed: 1, shown: comparison.models.map(() => true), layout: "side", walk: Boolean(comparison.walk),
  colour: "model", ghost: true, halo: HALOS.at(HALOS.includes(0.9) ? HALOS.indexOf(0.9) : -1), attended: sees.indexOf(true), inspected: 0,
};

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

// What is shown, in a sentence for someone who sees the page for the first time.
function sayWhere(scene) {
  const seconds = (frames) => `${+(frames / fps).toFixed(2)} s`, made = comparison.data.startsWith("synthetic");
  const where = [scene.clip, made ? "" : comparison.data].filter(Boolean).join(" of ");
  const from = `It begins ${scene.begin_s} s into ${where}${scene.known ? "" : " and goes on after its end, where no truth is known"}.`;
  return `Given ${seconds(past)} of ${made ? "synthetic " : ""}motion, each model predicts the next ${seconds(future)}. ${from}`;
}

// What the controls say, after something other than time has changed.
function refresh() {
  const scene = comparison.scenes[state.scene];
  $("title").textContent = scene.action;
  $("about").textContent = sayWhere(scene);
  [...$("models").children].forEach((button, m) => (button.ariaPressed = String(state.shown[m])));
  sayChosen("layout", "colour", "walk");
  $("ghost").ariaPressed = String(state.ghost);
  $("ghost").disabled = state.layout === "overlay" || !scene.known;
  document.querySelector("[data-colour=error]").disabled = !scene.known;
  $("joints").closest("section").hidden = !scene.known;
  $("halo").hidden = HALOS.length < 2;
  $("halo").ariaPressed = String(state.halo > 0);
  $("halo").textContent = state.halo > 0 ? `Halo ${Math.round(100 * state.halo)}%` : "Halo";
  $("ramp").hidden = state.colour !== "error" || !scene.known;
  $("peak").textContent = `${openScene(state.scene).peak} mm`;
  [["speed", state.speed], ["attended", state.attended], ["inspected", state.inspected]].forEach(([id, value]) => ($(id).value = value));
  for (const parent of [$("models"), $("errors").tBodies[0]]) {
    parent.querySelectorAll(".dot").forEach((dot, m) => (dot.style.background = css(theme.models[m])));
  }
  sayPlaying();
  said = null;
  redraw();
}

function sayTimeNow() {
  const frame = Math.floor(state.frame + 1e-6), key = `${state.scene} ${frame} ${state.shown}`;
  if (said === key) return;
  said = key;
  const time = sayTime(timeOf(frame)), row = target(frame), scene = openScene(state.scene);
  $("clock").textContent = time;
  $("now").textContent = row < 0 ? `Observed, ${time}` : scene.known ? `Error at ${time}` : `Predicted, ${time}`;
  [...$("errors").tBodies[0].rows].forEach((line, m) => {
    line.className = state.shown[m] ? "" : "off";
    line.cells[1].textContent = row < 0 || !scene.known ? "\u2013" : inRad(scene.predictions[m].euler[row], 3, "");
    line.cells[2].textContent = row < 0 || !scene.known ? "\u2013" : scene.predictions[m].mm[row].toFixed(1);
  });
  saySlider({ now: Math.round(timeOf(frame)), min: Math.round(timeOf(0)), max: Math.round(timeOf(FRAMES - 1)), text: row < 0 ? `${time}, observed` : `${time}, predicted` });
  const models = comparison.models.filter((_, m) => state.shown[m]).map((model) => model.name).join(", ");
  $("bodies").ariaLabel = `Bodies at ${time}: ${scene.known ? "truth, " : ""}${models}; ${scene.action}, window ${scene.window}. Drag to orbit.`;
}

function drawScale() {
  const scale = $("scale").getContext("2d");
  for (let i = 0; i < 120; i++) { scale.fillStyle = css(ramp(i / 119)); scale.fillRect(i, 0, 1, 8); }
}

function describe(near) {
  const who = near.model < 0 ? "truth" : comparison.models[near.model].name;
  return `${skeleton.joints[near.joint]}, ${who}${near.error === null ? "" : `: ${near.error.toFixed(0)} mm`}`;
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

const KEYS = {
  ...PLAYER_KEYS, o: () => set({ layout: state.layout === "side" ? "overlay" : "side" }), g: () => set({ ghost: !state.ghost }),
  h: () => set({ halo: HALOS[(HALOS.indexOf(state.halo) + 1) % HALOS.length] }), s: savePicture,
};
for (let m = 0; m < 9; m++) KEYS[m + 1] = () => toggle(m);

function connect() {
  connectPlayer({ save: savePicture, ghost: KEYS.g, halo: KEYS.h }, ["layout", "colour", "walk"], ["speed", "attended", "inspected"]);
  $("action").addEventListener("change", (event) => choose(comparison.scenes.findIndex((scene) => scene.action === event.target.value)));
  followMaps();
}
