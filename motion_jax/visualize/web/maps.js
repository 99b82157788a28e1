// Two maps that move with time: attention (predicted frames by observed ones), and the error of each joint.
const MAP = { left: 54, right: 4, top: 4, bottom: 30 };
const PARTS = { spine: "spine", left_arm: "left arm", right_arm: "right arm", left_leg: "left leg", right_leg: "right leg" };
const ROWS = Object.keys(PARTS).flatMap((part) => skeleton.bones.map(([, child]) => child).filter((j) => skeleton.parts[j] === part));
const painted = new Map();

// A picture of `columns` x `rows` cells, drawn once.
function cells(key, columns, rows, colour) {
  if (!painted.has(key)) {
    if (painted.size > 40) painted.clear();
    const canvas = document.createElement("canvas"), image = new ImageData(columns, rows);
    canvas.width = columns;
    canvas.height = rows;
    for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) image.data.set([...colour(r, c), 255], 4 * (r * columns + c));
    canvas.getContext("2d").putImageData(image, 0, 0);
    painted.set(key, canvas);
  }
  return painted.get(key);
}

function beginMap(canvas) {
  const { ctx, width, height } = sharpen(canvas);
  ctx.clearRect(0, 0, width, height);
  return { ctx, x: MAP.left, y: MAP.top, width: width - MAP.left - MAP.right, height: height - MAP.top - MAP.bottom };
}

function paint(map, picture) {
  map.ctx.imageSmoothingEnabled = false;
  map.ctx.drawImage(picture, map.x, map.y, map.width, map.height);
}

let mapped = null; // what the maps show

// The maps change from frame to frame, not between.
function drawMaps() {
  const boxes = [$("attention"), $("joints")].flatMap((canvas) => [canvas.clientWidth, canvas.clientHeight]);
  const key = [state.scene, state.attended, state.inspected, target(shownFrame()), theme.key, window.devicePixelRatio, ...boxes].join();
  if (key === mapped) return;
  mapped = key;
  drawAttention();
  if (openScene(state.scene).known) drawJoints();
}

function drawAttention() {
  const scene = openScene(state.scene), attention = scene.predictions[state.attended]?.attention;
  if (!attention) return;
  const map = beginMap(document.getElementById("attention")), { columns, weights, peak } = attention;
  const own = theme.models[state.attended], base = theme.dark ? theme.stage : theme.past;
  const key = ["attention", state.scene, state.attended, theme.key].join();
  paint(map, cells(key, columns, future, (r, c) => mix(base, own, weights[r * columns + c] / peak)));
  const row = target(shownFrame()), tall = map.height / future, below = map.y + map.height;
  if (row >= 0) {
    map.ctx.strokeStyle = css(theme.ink);
    map.ctx.lineWidth = 1.5;
    map.ctx.strokeRect(map.x - 1, map.y + row * tall - 0.75, map.width + 2, tall + 1.5);
  }
  for (const t of [0, future - 1]) if (row < 0 || Math.abs(row - t) * tall > 14) write(map.ctx, sayTime(timeOf(past + t)).replace(" ms", ""), map.x - 5, map.y + (t + 0.5) * tall + 4, { size: 10.5, align: "right" });
  if (row >= 0) write(map.ctx, sayTime(timeOf(past + row)).replace(" ms", ""), map.x - 5, map.y + (row + 0.5) * tall + 4, { size: 10.5, align: "right", colour: theme.ink, weight: 600 });
  write(map.ctx, sayTime(timeOf(NOW - columns)).replace(" ms", ""), map.x, below + 13, { size: 10.5 });
  write(map.ctx, sayTime(timeOf(NOW - 1)).replace(" ms", ""), map.x + map.width, below + 13, { size: 10.5, align: "right" });
  write(map.ctx, "observed frame, ms", map.x + map.width / 2, below + 26, { size: 10.5, align: "center" });
}

function drawJoints() {
  const scene = openScene(state.scene), model = state.inspected, errors = scene.predictions[model].joints;
  const map = beginMap(document.getElementById("joints")), tall = map.height / ROWS.length;
  const key = ["joints", state.scene, model].join();
  paint(map, cells(key, future, ROWS.length, (r, t) => ramp(errors[t * JOINTS + ROWS[r]] / scene.peak)));
  const below = map.y + map.height;
  for (const [part, name] of Object.entries(PARTS)) {
    const rows = ROWS.flatMap((joint, r) => (skeleton.parts[joint] === part ? [r] : []));
    if (!rows.length) continue;
    if (rows[0]) { map.ctx.fillStyle = css(theme.card); map.ctx.fillRect(map.x, map.y + rows[0] * tall - 1, map.width, 2); }
    write(map.ctx, name, map.x - 5, map.y + ((rows[0] + rows.at(-1) + 1) / 2) * tall + 4, { size: 10.5, align: "right" });
  }
  const frame = shownFrame(), row = target(frame), wide = map.width / future;
  if (row >= 0) {
    map.ctx.strokeStyle = css(theme.ink);
    map.ctx.lineWidth = 1.5;
    map.ctx.strokeRect(map.x + row * wide - 0.75, map.y - 1, wide + 1.5, map.height + 2);
  }
  write(map.ctx, sayTime(timeOf(past)).replace(" ms", ""), map.x, below + 13, { size: 10.5 });
  write(map.ctx, sayTime(timeOf(FRAMES - 1)), map.x + map.width, below + 13, { size: 10.5, align: "right" });
  for (let i = 0; i < 60; i++) {
    map.ctx.fillStyle = css(ramp(i / 59));
    map.ctx.fillRect(map.x + map.width / 2 - 45 + i * 1.5, below + 19, 1.7, 7);
  }
  write(map.ctx, "0", map.x + map.width / 2 - 51, below + 26, { size: 10.5, align: "right" });
  write(map.ctx, `${scene.peak} mm`, map.x + map.width / 2 + 51, below + 26, { size: 10.5 });
}

// What lies under the pointer on a map: [row, column], or null.
function cellAt(canvas, event, rows, columns) {
  const box = canvas.getBoundingClientRect();
  const r = Math.floor(((event.offsetY - MAP.top) / (box.height - MAP.top - MAP.bottom)) * rows);
  const c = Math.floor(((event.offsetX - MAP.left) / (box.width - MAP.left - MAP.right)) * columns);
  return r >= 0 && r < rows && c >= 0 && c < columns ? [r, c] : null;
}

function followMaps() {
  const attention = document.getElementById("attention"), joints = document.getElementById("joints");
  attention.addEventListener("pointermove", (event) => {
    const found = openScene(state.scene).predictions[state.attended]?.attention, cell = found && cellAt(attention, event, future, found.columns);
    attention.title = cell ? `${sayTime(timeOf(past + cell[0]))} reads ${sayTime(timeOf(NOW - found.columns + cell[1]))}: ${(100 * found.weights[cell[0] * found.columns + cell[1]]).toFixed(1)} %` : "";
  });
  attention.addEventListener("click", (event) => {
    const cell = cellAt(attention, event, future, 1);
    if (cell) { pause(); seek(past + cell[0]); }
  });
  joints.addEventListener("pointermove", (event) => {
    const cell = cellAt(joints, event, ROWS.length, future);
    joints.title = cell ? `${skeleton.joints[ROWS[cell[0]]]}, ${sayTime(timeOf(past + cell[1]))}: ${openScene(state.scene).predictions[state.inspected].joints[cell[1] * JOINTS + ROWS[cell[0]]].toFixed(0)} mm` : "";
  });
  joints.addEventListener("click", (event) => {
    const cell = cellAt(joints, event, 1, future);
    if (cell) { pause(); seek(past + cell[1]); }
  });
}
