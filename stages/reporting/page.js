"use strict";
// Each frame of the comparison video contains all four views. The canvas shows the result and another view, divided
// by a wipe.
const find = (id) => document.getElementById(id);
const data = JSON.parse(find("data").textContent);
const comparison = find("comparison"), canvas = find("wipe"), edge = find("edge"), slider = find("frame");
const context = canvas.getContext("2d");
const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
const RESULT = data.views.findIndex(([name]) => name === "result");
let now = 0, wanted = null, curve = 0, going = false; // wanted: the frame to seek next

// Safari cannot seek in data URLs.
function blob(video) {
  const [head, text] = video.getAttribute("src").split(",");
  const letters = atob(text), bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  return URL.createObjectURL(new Blob([bytes], {type: head.slice(5).split(";")[0]}));
}

const finite = (values) => values.filter((value) => value !== null);
const format = (value, unit) => value === null ? "–" : `${Number(value.toPrecision(3))} ${unit}`.trim();

// ---- the wipe

function draw() {
  const side = data.side, against = data.views.findIndex(([name]) => name === find("against").value);
  const cut = edge.value / 100 * canvas.width;
  const quarter = (view) => [view % 2 * side, Math.floor(view / 2) * side, side, side];
  context.imageSmoothingQuality = "high";
  context.globalCompositeOperation = "source-over";
  context.drawImage(comparison, ...quarter(RESULT), 0, 0, canvas.width, canvas.width);
  context.save();
  if (find("difference").checked) {
    context.globalCompositeOperation = "difference";
  } else {
    context.beginPath();
    context.rect(cut, 0, canvas.width - cut, canvas.width);
    context.clip();
  }
  context.drawImage(comparison, ...quarter(against), 0, 0, canvas.width, canvas.width);
  context.restore();
}

function compare() {
  const plain = !find("difference").checked, label = data.views.find(([name]) => name === find("against").value)[1];
  find("compare").style.setProperty("--at", `${edge.value}%`);
  edge.setAttribute("aria-valuetext", `${edge.value} % ${data.views[RESULT][1]}, ${100 - edge.value} % ${label}`);
  edge.disabled = !plain;
  document.querySelector(".edge").hidden = !plain;
  canvas.classList.toggle("difference", !plain);
  find("against-tag").textContent = plain ? label : `difference to ${label}, × 4`;
  draw();
}

// While the pointer is held down on the element, calls `moved` with its position as a share of the element's width.
function dragged(element, moved) {
  const share = (event) => {
    const box = element.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  };
  element.addEventListener("pointerdown", (event) => {
    element.setPointerCapture(event.pointerId);
    moved(share(event));
  });
  element.addEventListener("pointermove", (event) => {
    if (element.hasPointerCapture(event.pointerId)) moved(share(event));
  });
}

// ---- time

function showTime() {
  const row = data.source_frames[now] === now ? "" : ` · source frame ${data.source_frames[now]}`;
  const [seconds, all] = [now, data.frames].map((frame) => (frame / data.fps).toFixed(2));
  find("where").textContent = `frame ${now} · ${seconds} of ${all} s${row}`;
  slider.value = now;
  document.querySelectorAll("#curves b").forEach((place, i) => {
    place.textContent = format(data.curves[i].values[now], data.curves[i].unit);
  });
  const shown = data.curves[curve];
  const score = shown ? `, ${shown.name} ${format(shown.values[now], shown.unit)}` : "";
  slider.setAttribute("aria-valuetext", `frame ${now}, ${seconds} seconds${score}`);
  document.querySelector("#chart .now").style.left = `${now / Math.max(1, data.frames - 1) * 100}%`;
}

const at = (seconds) => Math.min(data.frames - 1, Math.floor(seconds * data.fps + 0.01)); // frame at that time

function reach(frame) {
  now = Math.min(data.frames - 1, Math.max(0, frame));
  showTime();
  if (comparison.seeking) {
    wanted = now;
  } else {
    comparison.currentTime = (now + 0.5) / data.fps;
  }
}

function seek(frame) {
  go(false);
  reach(Math.round(frame));
}

// One more frame may arrive after the video was paused.
function played(seconds) {
  if (comparison.seeking || wanted !== null) return;
  now = at(seconds);
  showTime();
}

comparison.addEventListener("seeked", () => {
  if (wanted !== null) {
    comparison.currentTime = (wanted + 0.5) / data.fps;
    wanted = null;
  }
  draw();
});

if (comparison.requestVideoFrameCallback) {
  const next = (_, frame) => {
    played(frame.mediaTime);
    draw();
    comparison.requestVideoFrameCallback(next);
  };
  comparison.requestVideoFrameCallback(next);
} else {
  const next = () => {
    if (!comparison.paused) {
      played(comparison.currentTime);
      draw();
    }
    requestAnimationFrame(next);
  };
  requestAnimationFrame(next);
}

function go(on) {
  going = on;
  find("play").classList.toggle("playing", on);
  find("play").setAttribute("aria-label", on ? "Pause" : "Play");
  if (on) comparison.play().catch(() => go(false));
  else comparison.pause();
}

const play = () => go(!going);

comparison.addEventListener("pause", () => {
  if (comparison.ended) return;
  if (going) go(false); // paused by the browser or the device
  if (!comparison.seeking) reach(at(comparison.currentTime)); // the shown frame may be one ahead
});
comparison.addEventListener("ended", () => { // the attribute `loop` would also restart after seeking to the last frame
  if (!going) return;
  comparison.currentTime = 0;
  comparison.play().catch(() => go(false));
});

// ---- the curve

function plot() {
  const svg = document.querySelector("#chart svg"), shown = data.curves[curve], last = Math.max(1, data.frames - 1);
  if (!shown) {
    document.querySelector("#chart .plane").hidden = true;
    return;
  }
  const values = shown.values.slice(0, data.frames), compared = (shown.compared || []).slice(0, data.frames);
  const all = finite([...values, ...compared]), low = Math.min(...all), reach = Math.max(...all) - low || 1;
  const lines = (numbers, name) => {
    const parts = [[]];
    numbers.forEach((value, frame) => {
      if (value === null) parts.push([]);
      else parts.at(-1).push(`${frame},${(100 - (value - low) / reach * 100).toFixed(2)}`);
    });
    const line = (part) => `<polyline class="${name}" points="${part.join(" ")}"/>`;
    return parts.filter((part) => part.length).map(line).join("");
  };
  svg.setAttribute("viewBox", `0 0 ${last} 100`);
  const [least, most] = [low, low + reach].map((value) => format(value, shown.unit));
  svg.setAttribute("aria-label", `${shown.name} over the frames, ${least} to ${most}`);
  svg.innerHTML = lines(compared, "compared") + lines(values, "values");
  document.querySelector("#chart .high").textContent = most;
  document.querySelector("#chart .low").textContent = least;
  find("legend").innerHTML = `<i></i>${shown.name}: ${shown.description}`
    + (compared.length ? `<i class="compared"></i>${shown.compared_name}` : "");
  showTime();
}

// ---- start

for (const video of document.querySelectorAll("video")) video.src = blob(video);
if (find("download")) {
  find("download").href = find("whole").src;
  find("download").hidden = false;
}
comparison.controls = comparison.loop = false;
for (const part of document.querySelectorAll(".deck > [hidden]")) part.hidden = false;
canvas.width = canvas.height = Math.max(data.side, 768);
comparison.addEventListener("loadeddata", compare);
comparison.addEventListener("click", play);
comparison.addEventListener("error", () => { find("where").textContent = "This browser cannot play H.264 video."; });
find("play").addEventListener("click", play);
find("back").addEventListener("click", () => seek(now - 1));
find("on").addEventListener("click", () => seek(now + 1));
find("speed").addEventListener("change", (event) => { comparison.playbackRate = event.target.value; });
slider.addEventListener("input", () => seek(Number(slider.value)));
for (const name of ["edge", "against", "difference"]) find(name).addEventListener("input", compare);
dragged(canvas, (share) => {
  edge.value = share * 100;
  compare();
});
dragged(find("chart"), (share) => seek(share * (data.frames - 1)));
find("curves").addEventListener("change", (event) => {
  curve = Number(event.target.value);
  plot();
});

document.addEventListener("click", (event) => {
  const spot = event.target.closest("[data-frame]"), picture = event.target.closest(".zoom");
  if (spot) {
    seek(Number(spot.dataset.frame));
    find("player").scrollIntoView({behavior: calm ? "auto" : "smooth", block: "start"});
  }
  if (picture) {
    const large = find("large"), image = large.querySelector("img");
    image.src = picture.querySelector("img").src;
    image.alt = picture.querySelector("img").alt;
    large.showModal();
  }
});
find("large").addEventListener("click", () => find("large").close());

document.addEventListener("keydown", (event) => {
  const player = find("player"), inside = player.contains(event.target), box = player.getBoundingClientRect();
  const own = event.target.matches("input, select, video"), seen = box.bottom > 0 && box.top < innerHeight;
  if (event.ctrlKey || event.metaKey || event.altKey || own || find("large").open) return;
  if (!inside && (event.target !== document.body || !seen || ["Home", "End"].includes(event.key))) return;
  const step = event.shiftKey ? 10 : 1;
  const keys = {
    ArrowLeft: () => seek(now - step), ArrowRight: () => seek(now + step),
    Home: () => seek(0), End: () => seek(data.frames - 1), " ": play,
  };
  if (!(event.key in keys) || (event.key === " " && event.target.matches("button"))) return;
  event.preventDefault();
  keys[event.key]();
});

plot();
showTime();
if (!calm) go(true);
