// Who looks: an orbit around the body, by mouse, touch, pinch, wheel.
const START = { yaw: (35 * Math.PI) / 180, pitch: (12 * Math.PI) / 180, zoom: 1 };
const camera = { ...START };
const LABEL = 40; // pixels above a body, for its name
const LIMITS = { pitch: 1.5, near: 0.4, far: 6 };

function orbit(x, y) {
  camera.yaw -= x;
  camera.pitch = Math.max(-LIMITS.pitch, Math.min(LIMITS.pitch, camera.pitch + y));
  redraw();
}

function zoom(factor) {
  camera.zoom = Math.max(LIMITS.near, Math.min(LIMITS.far, camera.zoom * factor));
  redraw();
}

function resetView() {
  Object.assign(camera, START);
  redraw();
}

// Pixels of a panel for each mm of what it must hold.
function fitting({ width, height }, extent) {
  return Math.min(((height - LABEL) * 0.84) / (extent.high - extent.low), (width * 0.5) / (extent.wide * 0.76));
}

// A panel's view: from mm to its pixels. `target` is what lies in its middle; `far` is where the eye stands.
function makeView(panel, extent, target) {
  const tall = extent.high - extent.low;
  const room = panel.height - LABEL;
  const scale = camera.zoom * fitting(panel, extent);
  return {
    x: panel.x + panel.width / 2, y: panel.y + LABEL + room * 0.48, scale, target, far: 5 * Math.max(tall, extent.wide),
    sin: Math.sin(camera.yaw), cos: Math.cos(camera.yaw), up: Math.sin(camera.pitch), on: Math.cos(camera.pitch),
  };
}

// [x, y, depth]: depth grows towards the eye.
function project(view, x, y, z, out = [0, 0, 0]) {
  const dx = x - view.target[0], dy = y - view.target[1], dz = z - view.target[2];
  const right = dx * view.cos - dz * view.sin, front = dx * view.sin + dz * view.cos;
  const depth = dy * view.up + front * view.on, high = dy * view.on - front * view.up;
  const k = (view.scale * view.far) / Math.max(view.far - depth, view.far * 0.2);
  out[0] = view.x + right * k;
  out[1] = view.y - high * k;
  out[2] = depth;
  return out;
}

function followPointers(canvas) {
  const fingers = new Map();
  const spread = () => {
    const [a, b] = [...fingers.values()];
    return Math.hypot(a.x - b.x, a.y - b.y);
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  });
  canvas.addEventListener("pointermove", (event) => {
    const last = fingers.get(event.pointerId);
    if (!last) return hint(event.offsetX, event.offsetY);
    const before = fingers.size === 2 ? spread() : 0;
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (fingers.size === 1) orbit((event.clientX - last.x) * 0.008, (event.clientY - last.y) * 0.008);
    if (fingers.size === 2 && before > 0) zoom(spread() / before);
  });
  for (const name of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(name, (event) => fingers.delete(event.pointerId));
  }
  canvas.addEventListener("pointerleave", () => hint(null));
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)));
  }, { passive: false });
}
