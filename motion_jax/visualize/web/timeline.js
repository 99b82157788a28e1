// Errors under the time that they belong to, and where the attention looks in the part that was observed.
const MARGIN = { left: 14, right: 14, top: 16, bottom: 18, between: 18, gutter: 34 };
const SHARE = Math.min(0.36, past / FRAMES); // of the width, for what was observed

// Frames are spread evenly in both parts; the observed one is narrower than its length, and the axis stands between.
function knots(width) {
  const span = width - MARGIN.left - MARGIN.right - MARGIN.gutter, now = MARGIN.left + SHARE * span;
  return [[0, MARGIN.left], [NOW, now], [past, now + MARGIN.gutter], [FRAMES - 1, width - MARGIN.right]];
}

function between(points, from, to, value) {
  let k = 1;
  while (k < points.length - 1 && value > points[k][from]) k++;
  const [a, b] = [points[k - 1], points[k]], share = (value - a[from]) / Math.max(1e-9, b[from] - a[from]);
  return a[to] + (b[to] - a[to]) * Math.max(0, Math.min(1, share));
}

const frameToX = (frame, width) => between(knots(width), 0, 1, frame);
const xToFrame = (x, width) => between(knots(width), 1, 0, x);

function nice(value) {
  const unit = 10 ** Math.floor(Math.log10(value)), digit = [1, 2, 3, 4, 5, 6, 8, 10].find((d) => d * unit >= value * 0.999);
  return digit * unit;
}

function charts(scene, height) {
  if (!scene.known) return [];
  const tall = (height - MARGIN.top - MARGIN.bottom - MARGIN.between) / 2;
  return [["euler", "Euler error, rad"], ["mm", "Joint distance, mm"]].map(([name, title], n) => ({
    name, title, top: MARGIN.top + n * (tall + MARGIN.between), height: tall,
    peak: nice(Math.max(1e-3, ...scene.predictions.map((prediction) => Math.max(...prediction[name])))),
  }));
}

function drawTimeline() {
  const paper = sharpen(timeline), { ctx, width, height, ratio } = paper, scene = openScene(state.scene);
  const key = [state.scene, width, height, ratio, theme.key, state.shown].join();
  const still = layer("timeline", key, paper, (below) => drawStill(below, scene, width, height));
  ctx.clearRect(0, 0, width, height);
  ctx.drawImage(still, 0, 0, width, height);
  const frame = shownFrame();
  drawLook(ctx, scene, frame, width, height);
  drawCursor(ctx, scene, frame, width, height);
}

function drawStill(ctx, scene, width, height) {
  const now = frameToX(NOW, width), begin = frameToX(past, width), end = frameToX(FRAMES - 1, width);
  ctx.fillStyle = css(theme.past);
  ctx.fillRect(MARGIN.left - 8, MARGIN.top, now - MARGIN.left + 12, height - MARGIN.top - MARGIN.bottom);
  for (const chart of charts(scene, height)) {
    [0, 0.5, 1].forEach((part) => {
      const y = chart.top + chart.height * (1 - part), label = +(chart.peak * part).toPrecision(2);
      ctx.fillStyle = css(theme.line);
      ctx.fillRect(begin, y - 0.5, end - begin, 1);
      if (part !== 0.5 || chart.height > 44) write(ctx, `${label}`, begin - 5, y + 3.5, { size: 10.5, align: "right" });
    });
    write(ctx, chart.title, begin, chart.top - 4, { size: 11, room: width - begin });
    scene.predictions.forEach((prediction, model) => state.shown[model] && drawLine(ctx, chart, prediction[chart.name], theme.models[model], width));
  }
  if (!scene.known) write(ctx, "What followed is not known: no errors", (begin + end) / 2, height / 2, { size: 12, align: "center", room: end - begin });
  drawTicks(ctx, width, height);
}

function drawLine(ctx, chart, values, colour, width) {
  ctx.strokeStyle = css(colour);
  ctx.lineWidth = 1.8;
  ctx.lineJoin = "round";
  ctx.beginPath();
  values.forEach((value, t) => ctx.lineTo(frameToX(past + t, width), chart.top + chart.height * (1 - value / chart.peak)));
  ctx.stroke();
}

function drawTicks(ctx, width, height) {
  const last = timeOf(FRAMES - 1), room = width * (1 - SHARE), step = [40, 100, 200, 400, 500, 1000, 2000, 5000].find((s) => (last / s) * 62 < room) ?? 10000;
  for (let ms = step; ms <= last + 1; ms += step) tick(ctx, ms, width, height);
  tick(ctx, 0, width, height, "right");
  tick(ctx, timeOf(0), width, height, "left");
  write(ctx, "observed", MARGIN.left - 2, MARGIN.top + 13, { size: 11 });
}

function tick(ctx, ms, width, height, align = "center") {
  const x = frameToX(NOW + (ms * fps) / 1000, width), edge = x > width - 36 ? "right" : align;
  const at = edge === "right" && ms > 0 ? width - 2 : x + { left: -6, right: 6, center: 0 }[edge];
  write(ctx, ms === 0 ? "0 ms" : sayTime(ms).replace(" ms", ""), at, height - 4, { size: 10.5, align: edge });
}

// The current row of the attention, over the frames that it weighs.
function drawLook(ctx, scene, frame, width, height) {
  const model = state.attended, attention = scene.predictions[model]?.attention, row = target(frame);
  if (!attention || row < 0) return;
  const { columns, weights } = attention, tall = height - MARGIN.top - MARGIN.bottom - 22;
  const thin = (frameToX(1, width) - frameToX(0, width)) * 0.8;
  ctx.fillStyle = css(theme.models[model], 0.75);
  let peak = 0;
  for (let k = 0; k < columns; k++) peak = Math.max(peak, weights[row * columns + k]);
  for (let k = 0; k < columns; k++) {
    const h = (weights[row * columns + k] / peak) * tall, x = frameToX(NOW - columns + k, width);
    ctx.fillRect(x - thin / 2, height - MARGIN.bottom - h, thin, h);
  }
  const x = MARGIN.left + 56, room = frameToX(NOW, width) - x;
  if (room > 50) write(ctx, `attention of ${comparison.models[model].name}`, x, MARGIN.top + 13, { size: 11, room, colour: theme.models[model] });
}

function drawCursor(ctx, scene, frame, width, height) {
  const x = frameToX(frame, width), row = target(frame);
  ctx.fillStyle = css(theme.ink);
  ctx.fillRect(x - 0.75, MARGIN.top - 2, 1.5, height - MARGIN.top - MARGIN.bottom + 2);
  disc(ctx, [x, height - MARGIN.bottom], 5, css(theme.ink));
  if (row < 0) return;
  for (const chart of charts(scene, height)) {
    scene.predictions.forEach((prediction, model) => {
      if (!state.shown[model]) return;
      const share = Math.max(0, frame - past - row), next = Math.min(row + 1, future - 1);
      const value = prediction[chart.name][row] * (1 - share) + prediction[chart.name][next] * share;
      const at = [x, chart.top + chart.height * (1 - value / chart.peak)];
      disc(ctx, at, 5, css(theme.card));
      disc(ctx, at, 3.6, css(theme.models[model]));
    });
  }
}
