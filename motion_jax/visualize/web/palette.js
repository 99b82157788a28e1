// Colours of the theme, of models, sides and errors, as [r, g, b].
const root = document.documentElement;
const SIDES = { left: "#0072B2", right: "#D55E00", centre: null };
const RAMP = ["#3d7cc9", "#67b3c4", "#f0c24b", "#e8743b", "#b81f2d"].map(rgb); // small to large
const theme = {};

function rgb(code) {
  const n = parseInt(code.slice(1), 16);
  return [n >> 16, (n >> 8) & 255, n & 255];
}
const css = (c, alpha = 1) => `rgb(${c[0] | 0} ${c[1] | 0} ${c[2] | 0} / ${alpha})`;
const mix = (a, b, t) => [a[0] + (b[0] - a[0]) * t, a[1] + (b[1] - a[1]) * t, a[2] + (b[2] - a[2]) * t];

function readTheme() {
  const style = getComputedStyle(root);
  for (const name of ["paper", "card", "ink", "soft", "faint", "line", "stage", "past", "accent"]) {
    theme[name] = rgb(style.getPropertyValue(`--${name}`).trim());
  }
  theme.dark = root.dataset.theme === "dark";
  theme.models = comparison.models.map((model) => onTheme(model.colour));
  theme.sides = { left: onTheme(SIDES.left), right: onTheme(SIDES.right), centre: theme.soft };
  theme.key = theme.dark ? "dark" : "light";
}

function onTheme(code) {
  return theme.dark ? mix(rgb(code), [255, 255, 255], 0.28) : rgb(code);
}

function ramp(t) {
  const x = Math.max(0, Math.min(1, t)) * (RAMP.length - 1), low = Math.min(Math.floor(x), RAMP.length - 2);
  return mix(RAMP[low], RAMP[low + 1], x - low);
}

// Whether a GPU is missing or only played by the processor: canvases are then faster without it.
const withoutGpu = !document.createElement("canvas").getContext("webgl", { failIfMajorPerformanceCaveat: true });

// A canvas that is sharp on its screen; returns its context in CSS pixels.
function sharpen(canvas) {
  const box = canvas.getBoundingClientRect(), ratio = Math.min(window.devicePixelRatio || 1, 2);
  const width = Math.max(1, Math.round(box.width * ratio)), height = Math.max(1, Math.round(box.height * ratio));
  if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
  const ctx = canvas.getContext("2d", { willReadFrequently: withoutGpu });
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  return { ctx, width: box.width, height: box.height, ratio };
}

const layers = new Map();

// A picture that is drawn again only when `key` changes: `draw(ctx)` in CSS pixels, onto what is transparent.
function layer(name, key, { width, height, ratio }, draw) {
  const known = layers.get(name);
  if (known?.key === key) return known.canvas;
  const canvas = known?.canvas ?? document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width * ratio)); // which also clears it
  canvas.height = Math.max(1, Math.round(height * ratio));
  const ctx = canvas.getContext("2d", { willReadFrequently: withoutGpu });
  ctx.scale(ratio, ratio);
  draw(ctx);
  layers.set(name, { key, canvas });
  return canvas;
}

const FONT = 'Inter, system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif';
function write(ctx, text, x, y, { size = 11.5, colour = theme.soft, align = "left", weight = 400, room = Infinity } = {}) {
  ctx.font = `${weight} ${size}px ${FONT}`;
  ctx.textAlign = align;
  ctx.fillStyle = css(colour);
  let shown = text;
  while (shown.length > 1 && ctx.measureText(shown).width > room) shown = `${shown.slice(0, -2).trimEnd()}\u2026`;
  ctx.fillText(shown, x, y);
  return ctx.measureText(shown).width;
}
