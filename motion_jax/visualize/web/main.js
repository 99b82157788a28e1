// The loop: draws when something has changed, and moves time on while playing.
const PAUSE = 0.7; // seconds that the last frame stays
let waiting = false, last = null, held = 0;

function redraw() {
  if (!waiting) requestAnimationFrame(draw);
  waiting = true;
}

function draw(now) {
  waiting = false;
  if (state.playing) advance(last === null ? 0 : Math.min(0.25, (now - last) / 1000));
  last = state.playing ? now : null;
  drawBodies(sharpen($("bodies")));
  drawTimeline();
  drawMaps();
  sayTimeNow();
  if (state.playing) redraw();
}

function advance(seconds) {
  if (state.frame < FRAMES - 1) {
    state.frame = Math.min(FRAMES - 1, state.frame + seconds * fps * state.speed);
    held = 0;
  } else if ((held += seconds) > PAUSE) {
    state.frame = held = 0;
  }
}

setTheme(night.matches);
fillMenus();
connect();
state.playing = !calm.matches;
state.frame = Math.max(0, NOW - Math.round(fps * 0.6));
choose(0);
