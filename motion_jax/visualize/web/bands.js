// Labelled recordings: true and predicted labels as bands under the time that they belong to.
const COLOURS = ["model", "side"], MARGIN = { left: 14, right: 14, top: 6, bottom: 20, gap: 5 };
const state = { scene: 0, frame: 0, playing: false, speed: 1, shown: [], layout: "side", walk: false, colour: "model", ghost: false, halo: 0 };
const { classes, bands } = comparison;
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
function drawScale() {} // nor errors that had one

const spanAt = (spans, frame) => spans.find(([begin, end]) => begin <= frame && frame < end);

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
  saySlider({ now: frame, min: 0, max: FRAMES - 1, text: time });
  $("bodies").ariaLabel = `The body at ${time} of ${scene.clip}. Drag to orbit.`;
}

function fillMenus() {
  comparison.scenes.forEach((scene, n) => option($("window"), n, scene.clip));
  for (const name of bands) {
    const row = document.createElement("tr");
    row.append(dotted(document.createElement("td"), name), document.createElement("td"), document.createElement("td"));
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

function refresh() {
  const scene = comparison.scenes[state.scene];
  $("title").textContent = scene.clip;
  $("about").textContent = `${seconds(FRAMES)} of ${comparison.data}: what is being done, as labelled and as predicted.`;
  sayChosen("colour", "walk");
  $("speed").value = state.speed;
  sayPlaying();
  said = null;
  redraw();
}

const describe = (near) => skeleton.joints[near.joint];

const KEYS = PLAYER_KEYS;

function connect() {
  connectPlayer({}, ["colour", "walk"], ["speed"]);
}
