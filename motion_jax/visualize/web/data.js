// What the page was given: arrays as base64, decoded when their scene is opened.
const comparison = JSON.parse(document.getElementById("data").textContent);
const { past, future, fps, skeleton } = comparison;
let FRAMES = past + future; // of labelled recordings, those of the one that is shown
const JOINTS = skeleton.joints.length;
const NOW = past - 1; // the last observed frame, at 0 ms

function unpack(text, Kind) {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return new Kind(bytes.buffer);
}

// A track: [F, J, 3] mm from the root, and [F, 12] the root's turn (rows) and move.
function readTrack(places, root, unit) {
  return { places: Float32Array.from(unpack(places, Int16Array), (x) => x * unit), root: unpack(root, Float32Array) };
}

function afterHistory(truth, prediction) {
  const joined = {};
  for (const [part, width] of [["places", 3 * JOINTS], ["root", 12]]) {
    joined[part] = new Float32Array(FRAMES * width);
    joined[part].set(truth[part].subarray(0, past * width));
    joined[part].set(prediction[part], past * width);
  }
  return joined;
}

function readAttention(packed) {
  if (!packed) return null;
  const weights = Float32Array.from(unpack(packed.weights, Uint16Array), (x) => (x / 65535) * packed.peak);
  return { columns: packed.columns, peak: packed.peak, weights };
}

// [T, J] mm between a prediction and the truth, root taken out, as the mean that is reported.
function jointErrors(truth, prediction) {
  const errors = new Float32Array(future * JOINTS);
  for (let i = 0; i < errors.length; i++) {
    const k = 3 * (past * JOINTS + i);
    errors[i] = Math.hypot(prediction[k] - truth[k], prediction[k + 1] - truth[k + 1], prediction[k + 2] - truth[k + 2]);
  }
  return errors;
}

// Where nobody knows what followed there are no errors.
function readPrediction(packed, seen, known, unit) {
  const track = afterHistory(seen, readTrack(packed.places, packed.root, unit));
  return {
    ...track,
    euler: known ? unpack(packed.euler_error_rad, Float32Array) : null,
    mm: known ? unpack(packed.mpjpe_mm, Float32Array) : null,
    attention: readAttention(packed.attention),
    spread: packed.spread ? unpack(packed.spread, Float32Array) : null, // [T, J] what the model's radii are multiplied by
    joints: known ? jointErrors(seen.places, track.places) : null,
  };
}

// What the view must hold: the floor and height of the truth, and the middle and reach of all around the truth's root.
function extent(truth, predictions, walk) {
  const point = new Float32Array(3 * JOINTS), box = [Infinity, -Infinity, Infinity, -Infinity];
  let low = Infinity, high = -Infinity;
  for (const track of [truth, ...predictions]) {
    for (let f = track === truth ? 0 : past; f < FRAMES; f++) {
      placesAt(track, f, walk, point);
      const x = walk ? truth.root[12 * f + 9] : 0, z = walk ? truth.root[12 * f + 11] : 0;
      for (let k = 0; k < point.length; k += 3) {
        if (track === truth) [low, high] = [Math.min(low, point[k + 1]), Math.max(high, point[k + 1])];
        box[0] = Math.min(box[0], point[k] - x);
        box[1] = Math.max(box[1], point[k] - x);
        box[2] = Math.min(box[2], point[k + 2] - z);
        box[3] = Math.max(box[3], point[k + 2] - z);
      }
    }
  }
  const wide = Math.max(1, Math.hypot(box[1] - box[0], box[3] - box[2]) / 2);
  return { low, high, wide, x: (box[0] + box[1]) / 2, z: (box[2] + box[3]) / 2 };
}

// Places [J, 3] at a frame that may lie between two, into `out`.
function placesAt(track, frame, walk, out) {
  const first = Math.min(Math.floor(frame), FRAMES - 1), share = frame - first;
  wholeFrame(track, first, walk, out, 1 - share, true);
  if (share > 0) wholeFrame(track, Math.min(first + 1, FRAMES - 1), walk, out, share, false);
}

function wholeFrame(track, frame, walk, out, share, fresh) {
  const { places, root } = track, at = 3 * JOINTS * frame, r = 12 * frame;
  for (let k = 0; k < 3 * JOINTS; k += 3) {
    let x = places[at + k], y = places[at + k + 1], z = places[at + k + 2];
    if (walk) {
      const [a, b, c] = [x, y, z];
      x = a * root[r] + b * root[r + 3] + c * root[r + 6] + root[r + 9];
      y = a * root[r + 1] + b * root[r + 4] + c * root[r + 7] + root[r + 10];
      z = a * root[r + 2] + b * root[r + 5] + c * root[r + 8] + root[r + 11];
    }
    out[k] = (fresh ? 0 : out[k]) + share * x;
    out[k + 1] = (fresh ? 0 : out[k + 1]) + share * y;
    out[k + 2] = (fresh ? 0 : out[k + 2]) + share * z;
  }
}

const opened = new Map();

function openScene(number) {
  if (!opened.has(number)) opened.set(number, readScene(comparison.scenes[number]));
  return opened.get(number);
}

// Of a scene that is not `known` the truth ends with what was observed; what then follows is the first prediction, so
// that the view has something to go along with. It is not drawn as truth.
function readScene(packed) {
  const seen = readTrack(packed.truth, packed.root, packed.unit_mm), known = packed.known;
  const predictions = packed.predictions.map((prediction) => readPrediction(prediction, seen, known, packed.unit_mm));
  const all = known ? predictions.flatMap((prediction) => [...prediction.joints]).sort((a, b) => a - b) : [0];
  const peak = Math.max(50, Math.ceil(all[Math.floor(0.95 * (all.length - 1))] / 50) * 50);
  const truth = known ? seen : predictions[0];
  return { action: packed.action, window: packed.window, known, truth, predictions, peak,
           extents: [extent(truth, predictions, false), extent(truth, predictions, true)] };
}

// Of each model: its levels and, for each, [T, J] mm; null where it is not calibrated.
const calibrated = comparison.models.map(({ radii }) => {
  if (!radii) return null;
  const mm = unpack(radii.mm, Float32Array), size = future * JOINTS;
  return new Map(radii.levels.map((level, n) => [level, mm.subarray(n * size, (n + 1) * size)]));
});
const HALOS = [0, ...new Set(calibrated.flatMap((radii) => (radii ? [...radii.keys()] : [])))].sort((a, b) => a - b);
const haloOf = (model) => calibrated[model]?.get(state.halo) ?? null;

const timeOf = (frame) => ((frame - NOW) * 1000) / fps;
const sayTime = (ms) => `${ms > 0 ? "+" : ms < 0 ? "\u2212" : ""}${Math.abs(Math.round(ms))} ms`;
const target = (frame) => Math.min(future - 1, Math.floor(frame + 1e-6) - past); // of a frame; below 0: observed

// Positions have no angles: their Euler error is not a number, and is not shown.
function inRad(error, digits, unit) {
  return Number.isNaN(error) ? "\u2013" : error.toFixed(digits) + unit;
}
