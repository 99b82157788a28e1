// The stage: panels with bodies on a floor.
const THICK = { spine: 0.030, left_arm: 0.021, right_arm: 0.021, left_leg: 0.027, right_leg: 0.027 }; // of the height
const LEAF = skeleton.joints.map((_, j) => !skeleton.bones.some(([parent]) => parent === j));
// A bone from the trunk to a limb belongs to the trunk: of Human3.6M's skeleton, three such bones are one spine.
const partOf = (parent, child) => (skeleton.parts[parent] === skeleton.parts[child] ? skeleton.parts[child] : "spine");
const sideOf = (parent, child) => (skeleton.sides[parent] === skeleton.sides[child] ? skeleton.sides[child] : "centre");
let drawn = []; // what the last picture shows, for the pointer: {x, y, joint, name, error}

// Panels in the rows and columns in which bodies are largest; one of the truth where it is known.
function layout(width, height, extent, known) {
  const shown = state.shown.flatMap((on, model) => (on ? [model] : []));
  if (state.layout === "overlay") return [{ x: 0, y: 0, width, height, models: shown, truth: known, name: null }];
  const panels = [...(known ? [{ models: [], truth: true, name: "Truth" }] : []), ...shown.map((m) => ({ models: [m], truth: false, name: comparison.models[m].name }))];
  if (!panels.length) return [];
  let best = 1, size = 0;
  for (let columns = 1; columns <= panels.length; columns++) {
    const fits = fitting({ width: width / columns, height: height / Math.ceil(panels.length / columns) }, extent);
    if (fits > size * 1.02) { size = fits; best = columns; }
  }
  const rows = Math.ceil(panels.length / best);
  return panels.map((panel, n) => {
    const row = Math.floor(n / best), inRow = Math.min(best, panels.length - row * best);
    const w = width / inRow, h = height / rows;
    return { ...panel, x: (n % best) * w, y: row * h, width: w, height: h };
  });
}

function drawBodies({ ctx, width, height, ratio }) {
  const scene = openScene(state.scene), frame = shownFrame(), panels = layout(width, height, scene.extents[state.walk ? 1 : 0], scene.known);
  for (const panel of panels) aim(panel, scene, frame);
  const key = [width, height, ratio, theme.key, ...panels.flatMap(({ view }) => [view.x, view.y, view.scale, view.sin, view.up, view.target])].join();
  ctx.drawImage(layer("floor", key, { width, height, ratio }, (below) => drawGround(below, panels, width, height)), 0, 0, width, height);
  drawn = [];
  for (const panel of panels) inside(ctx, panel, () => drawPanel(ctx, scene, panel, frame));
}

function inside(ctx, panel, draw) {
  ctx.save();
  ctx.beginPath();
  ctx.rect(panel.x, panel.y, panel.width, panel.height);
  ctx.clip();
  draw();
  ctx.restore();
}

// Where a panel's viewer looks: the middle of all motion, along with the truth's root when that moves.
function aim(panel, scene, frame) {
  const extent = scene.extents[state.walk ? 1 : 0], [x, z] = state.walk ? rootAt(scene.truth, frame) : [0, 0];
  panel.extent = extent;
  panel.view = makeView(panel, extent, [x + extent.x, (extent.low + extent.high) / 2, z + extent.z]);
}

function drawGround(ctx, panels, width, height) {
  ctx.fillStyle = css(theme.stage);
  ctx.fillRect(0, 0, width, height);
  for (const panel of panels) inside(ctx, panel, () => drawFloor(ctx, panel.view, panel.extent));
  ctx.fillStyle = css(theme.line);
  for (const panel of panels) {
    if (panel.x > 0) ctx.fillRect(panel.x - 0.5, panel.y + 14, 1, panel.height - 28);
    if (panel.y > 0) ctx.fillRect(panel.x + 14, panel.y - 0.5, panel.width - 28, 1);
  }
}

function drawPanel(ctx, scene, panel, frame) {
  const observed = target(frame) < 0, { view, extent } = panel;
  const seen = observed ? [-1] : panel.truth ? [-1, ...panel.models] : panel.models; // what was observed is the truth
  const poses = seen.map((model) => poseOf(scene, model, frame, view));
  for (const pose of poses) drawShadow(ctx, view, pose.places, extent.low);
  if (!observed) poses.forEach((pose) => drawHalo(ctx, scene, pose, target(frame)));
  if (!panel.truth && scene.known && state.ghost && !observed) drawGhost(ctx, poseOf(scene, -1, frame, view), extent);
  const strokes = poses.flatMap((pose) => strokesOf(scene, pose, frame, extent, poses.length > 1 ? 0.66 : 1));
  strokes.sort((a, b) => a.depth - b.depth).forEach((stroke) => drawStroke(ctx, stroke));
  for (const pose of poses) remember(scene, pose, frame);
  drawLabels(ctx, scene, panel, observed, frame);
}

function rootAt(track, frame) {
  const first = Math.floor(frame), share = frame - first, next = Math.min(first + 1, FRAMES - 1);
  return [9, 11].map((k) => track.root[12 * first + k] * (1 - share) + track.root[12 * next + k] * share);
}

function poseOf(scene, model, frame, view) {
  const places = new Float32Array(3 * JOINTS), screen = [];
  placesAt(model < 0 ? scene.truth : scene.predictions[model], frame, state.walk, places);
  for (let k = 0; k < places.length; k += 3) screen.push(project(view, places[k], places[k + 1], places[k + 2]));
  return { model, places, screen, scale: view.scale };
}

function drawFloor(ctx, view, extent) {
  const step = 500 * Math.max(1, Math.round(extent.wide / 1200)), reach = 3, a = [0, 0, 0], b = [0, 0, 0];
  const x0 = Math.round(view.target[0] / step) * step, z0 = Math.round(view.target[2] / step) * step;
  ctx.lineWidth = 1;
  for (let n = -reach; n <= reach; n++) {
    for (const along of [0, 1]) {
      for (let m = -reach; m < reach; m++) {
        const ends = along ? [[n, m], [n, m + 1]] : [[m, n], [m + 1, n]];
        const [p, q] = ends.map(([i, j], e) => project(view, x0 + i * step, extent.low, z0 + j * step, e ? b : a));
        const far = Math.hypot(n, m + 0.5) / reach;
        if (far >= 1.05) continue;
        ctx.strokeStyle = css(theme.faint, 0.55 * (1.05 - far));
        ctx.beginPath();
        ctx.moveTo(p[0], p[1]);
        ctx.lineTo(q[0], q[1]);
        ctx.stroke();
      }
    }
  }
}

function drawShadow(ctx, view, places, floor) {
  ctx.beginPath();
  for (const [parent, child] of skeleton.bones) {
    const p = project(view, places[3 * parent], floor, places[3 * parent + 2]);
    const q = project(view, places[3 * child], floor, places[3 * child + 2]);
    ctx.moveTo(p[0], p[1]);
    ctx.lineTo(q[0], q[1]);
  }
  ctx.lineWidth = Math.max(2, 70 * view.scale);
  ctx.lineCap = ctx.lineJoin = "round";
  ctx.strokeStyle = theme.dark ? "rgb(0 0 0 / 0.28)" : "rgb(30 40 60 / 0.07)";
  ctx.stroke();
}

function drawGhost(ctx, { screen, scale }, extent) {
  ctx.beginPath();
  for (const [parent, child] of skeleton.bones) {
    ctx.moveTo(screen[parent][0], screen[parent][1]);
    ctx.lineTo(screen[child][0], screen[child][1]);
  }
  ctx.lineWidth = Math.max(1.5, 0.016 * (extent.high - extent.low) * scale);
  ctx.lineCap = ctx.lineJoin = "round";
  ctx.strokeStyle = css(mix(theme.faint, theme.stage, 0.25));
  ctx.stroke();
}

// Around each joint the radius within which it lies with the chosen share: one shape, so that circles do not add up.
function drawHalo(ctx, scene, { model, screen, scale }, at) {
  const radii = model < 0 ? null : haloOf(model), spread = model < 0 ? null : scene.predictions[model].spread;
  if (!radii) return;
  ctx.beginPath();
  screen.forEach(([x, y], joint) => {
    const radius = radii[at * JOINTS + joint] * (spread ? spread[at * JOINTS + joint] : 1) * scale;
    if (!(radius > 0 && Number.isFinite(radius))) return;
    ctx.moveTo(x + radius, y);
    ctx.arc(x, y, radius, 0, 2 * Math.PI);
  });
  ctx.fillStyle = css(theme.models[model], 0.16);
  ctx.fill();
}

// Bones, and the head as one of hardly any length: {p, q, width, colour, depth}; what is far away fades.
function strokesOf(scene, { model, screen, scale }, frame, extent, slim) {
  const size = (extent.high - extent.low) * scale * slim, paint = painter(scene, model, frame);
  const strokes = skeleton.bones.map(([parent, child]) => {
    const p = screen[parent], q = screen[child], depth = (p[2] + q[2]) / 2;
    const far = Math.max(0, Math.min(1, 0.5 - depth / extent.wide / 1.6));
    const width = Math.max(1.6, THICK[partOf(parent, child)] * size * (LEAF[child] ? 0.72 : 1));
    return { p, q, width, depth, colour: mix(paint(parent, child), theme.stage, 0.42 * far) };
  });
  const top = screen[skeleton.head], under = screen[Math.max(0, skeleton.parents[skeleton.head])];
  const p = top.map((x, axis) => 0.6 * x + 0.4 * under[axis]), colour = paint(skeleton.head, skeleton.head);
  return [...strokes, { p, q: [p[0] + 0.01, p[1]], width: 0.1 * size, depth: p[2], colour, head: true }];
}

function drawStroke(ctx, { p, q, width, colour, head }) {
  ctx.lineCap = "round";
  for (const [w, c] of [[width + 2.2, theme.stage], [width, colour]]) {
    ctx.strokeStyle = css(c);
    ctx.lineWidth = w;
    ctx.beginPath();
    ctx.moveTo(p[0], p[1]);
    ctx.lineTo(q[0], q[1]);
    ctx.stroke();
  }
  if (!head) disc(ctx, p, width * 0.2, css(mix(colour, theme.stage, 0.6)));
}

function disc(ctx, at, radius, colour) {
  ctx.fillStyle = colour;
  ctx.beginPath();
  ctx.arc(at[0], at[1], radius, 0, 2 * Math.PI);
  ctx.fill();
}

// (parent, child) -> colour of a bone; model -1 is the truth.
function painter(scene, model, frame) {
  if (state.colour === "side") return (p, c) => theme.sides[sideOf(p, c)];
  if (state.colour === "error" && model >= 0 && scene.known) {
    const errors = scene.predictions[model].joints, at = target(frame) * JOINTS;
    return (p, c) => ramp(errors[at + c] / scene.peak);
  }
  const own = model < 0 ? theme.ink : theme.models[model], other = mix(own, model < 0 ? theme.stage : theme.ink, 0.3);
  return (p, c) => (sideOf(p, c) === "right" ? other : own);
}

function drawLabels(ctx, scene, panel, observed, frame) {
  if (!comparison.models.length) return; // one body, and nothing to tell it from
  if (panel.name === null && panel.width < 520) return; // they would cover the bodies; the buttons above have the names
  const slim = panel.width < 100, x = panel.x + (slim ? 4 : 14), at = target(frame), room = panel.width - (slim ? 18 : 34);
  const lines = panel.name === null ? [...(panel.truth ? [-1] : []), ...panel.models] : [panel.truth ? -1 : panel.models[0]];
  lines.forEach((model, n) => {
    const y = panel.y + 24 + 20 * n, colour = model < 0 ? theme.ink : theme.models[model];
    disc(ctx, [x + 4, y - 4.5], 4.5, css(colour));
    const name = model < 0 ? "Truth" : comparison.models[model].name, one = panel.name !== null;
    const used = write(ctx, name, x + (slim ? 11 : 15), y, { size: slim ? 11 : 13, weight: 600, colour: theme.ink, room });
    const [rad, mm] = observed || model < 0 || !scene.known ? [] : [inRad(scene.predictions[model].euler[at], 2, " rad"), `${scene.predictions[model].mm[at].toFixed(0)} mm`];
    const said = observed ? "observed" : !scene.known ? "predicted" : model < 0 ? (panel.width < 140 ? "" : "what followed") : panel.width < 170 && one ? mm : `${rad}   ${mm}`;
    if (one) write(ctx, said, x + (slim ? 11 : 15), y + 17, { size: slim ? 11 : 12, room });
    else if (panel.width > 320) write(ctx, said, x + 27 + used, y, { size: 12 });
  });
}

function remember(scene, { screen, model }, frame) {
  const at = target(frame);
  screen.forEach((point, joint) => drawn.push({
    x: point[0], y: point[1], joint, model, error: model < 0 || at < 0 || !scene.known ? null : scene.predictions[model].joints[at * JOINTS + joint],
  }));
}
