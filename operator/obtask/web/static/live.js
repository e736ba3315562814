// Says whether the page is live, and asks by itself while its stream is not; counts seconds; announces phases that change.
(() => {
"use strict";
const SILENCE = 30000, POLL = 10000, ANNOUNCE = 5000, LISTEN = 5000, QUIET = 40000; // the server is heard every 15 s
const state = document.getElementById("live");
const announcer = document.getElementById("announcer");
const zh = document.documentElement.lang.startsWith("zh");
let heard = Date.now(), failedSince = 0, polling = 0, phases = new Map(), waiting = [], announced = 0;

function stands(name) {
  state.hidden = false;
  if (state.dataset.state !== name) {
    state.dataset.state = name;
    state.textContent = state.dataset[name];
  }
}

function connection() {
  return document.querySelector(".stream")?._htmx?.sse;
}

function alive() {
  heard = Date.now();
  failedSince = 0;
  clearInterval(polling);
  polling = 0;
  state.title = new Date().toLocaleTimeString(document.documentElement.lang);
  stands("live");
}

function broken() {
  failedSince ||= Date.now();
  if (!polling) stands("reconnecting");
  // The first request of a stream is not repeated by anybody else.
  if (!polling) polling = setInterval(poll, POLL);
}

// A connection can be lost without a word, as that of a machine that slept: the stream begins anew.
function listen() {
  const reader = connection()?.reader;
  if (document.hidden || !reader || Date.now() - heard < QUIET) return;
  heard = Date.now();
  broken();
  reader.cancel();
}
setInterval(listen, LISTEN);

async function poll() {
  if (document.hidden || Date.now() - failedSince < SILENCE) return;
  stands("polling");
  const stream = document.querySelector(".stream");
  if (!stream) return;
  const address = new URL(stream.getAttribute("hx-sse:connect"), location.href);
  address.searchParams.set("once", "1");
  await htmx.ajax("GET", address.pathname + address.search, { source: document.body, target: document.body, swap: "none" });
  if (!stream._htmx?.sse && !stream.matches(".htmx-request")) htmx.process(stream);
}

document.addEventListener("htmx:sse:after:connection", alive);
document.addEventListener("htmx:sse:error", (event) => {
  if (event.detail?.status === 401) location.reload();
  broken();
});
document.addEventListener("htmx:sse:close", (event) => {
  if (event.target.isConnected) broken();
});
// What the first request of a stream may end with.
for (const name of ["htmx:error", "htmx:response:error"]) {
  document.addEventListener(name, (event) => {
    if (event.target.classList?.contains("stream")) broken();
  });
}
document.addEventListener("visibilitychange", () => {
  if (document.hidden) stands("paused");
  else if (state.dataset.state === "paused") stands(failedSince ? "reconnecting" : "live");
});

// Durations, in the words of formats.py.
function words(seconds) {
  const s = Math.max(0, Math.floor(seconds)), unit = (n, en, cn) => (zh ? n + cn : n + " " + en);
  const pair = (a, b) => (zh ? a + b : a + " " + b);
  if (s < 60) return unit(s, "s", "秒");
  if (s < 3600) return pair(unit(Math.floor(s / 60), "min", "分"), unit(s % 60, "s", "秒"));
  if (s < 86400) return pair(unit(Math.floor(s / 3600), "h", "小时"), unit(Math.floor((s % 3600) / 60), "min", "分"));
  return pair(unit(Math.floor(s / 86400), "d", "天"), unit(Math.floor((s % 86400) / 3600), "h", "小时"));
}

function tick() {
  if (document.hidden) return;
  for (const element of document.querySelectorAll("[data-since]")) {
    const text = words(((Date.now() - Date.parse(element.dataset.since)) / 1000) * (element.dataset.times || 1));
    if (element.textContent !== text) element.textContent = text;
  }
}
setInterval(tick, 1000);

// What a screen reader is told: phases that change, of the tasks on the screen, never more often than it can be listened to.
function shown() {
  const found = new Map();
  for (const row of document.querySelectorAll("[data-task]")) {
    const phase = row.querySelector(".phase");
    if (phase) found.set(row.dataset.task, phase.textContent.trim());
  }
  return found;
}

function told() {
  const now = shown();
  for (const [task, phase] of now) if (phases.has(task) && phases.get(task) !== phase) waiting.push(`${task}: ${phase}`);
  phases = now;
  if (waiting.length && Date.now() - announced > ANNOUNCE) {
    announced = Date.now();
    announcer.textContent = waiting.splice(0).slice(-5).join(zh ? "；" : "; ");
  } else if (waiting.length) {
    setTimeout(told, ANNOUNCE);
  }
}
phases = shown();

// The title says what failed while another tab is looked at.
const title = document.title;
function mark() {
  const number = (name) => Number(document.querySelector(`#counts .${name}`)?.dataset.number || 0);
  const failed = number("failed"), running = number("running");
  document.title = (failed ? `✗${failed} ` : "") + (running ? `●${running} ` : "") + title;
}
mark();
document.addEventListener("htmx:sse:after:message", () => {
  alive();
  mark();
  told();
  tick();
});
document.addEventListener("htmx:after:swap", () => { mark(); tick(); });

// What the reader holds on to: a row that moves, or lets another one pass, would lose what is selected in it, and its place on the screen.
let held = null;

function hold() {
  const { anchorNode, anchorOffset, focusNode, focusOffset, isCollapsed } = getSelection(), focus = document.activeElement;
  const place = isCollapsed ? focus : anchorNode.nodeType === Node.ELEMENT_NODE ? anchorNode : anchorNode.parentElement;
  const row = place?.closest("[data-task]"), top = row?.getBoundingClientRect().top;
  const isRead = row && scrollY > 0 && top >= 0 && top < innerHeight;
  held = { focus, row: isRead ? row : null, top, selected: isCollapsed ? null : [anchorNode, anchorOffset, focusNode, focusOffset] };
}

function keep() {
  const { focus, row, top, selected } = held ?? {};
  held = null;
  if (focus?.isConnected && focus !== document.activeElement) focus.focus({ preventScroll: true });
  if (selected?.[0].isConnected && selected[2].isConnected) {
    const now = getSelection();
    const isSame = now.anchorNode === selected[0] && now.anchorOffset === selected[1] && now.focusNode === selected[2] && now.focusOffset === selected[3];
    const length = (node) => (node.nodeType === Node.TEXT_NODE ? node.length : node.childNodes.length);
    if (!isSame && selected[1] <= length(selected[0]) && selected[3] <= length(selected[2])) now.setBaseAndExtent(...selected);
  }
  if (row?.isConnected) scrollBy({ top: row.getBoundingClientRect().top - top, behavior: "instant" });
}
document.addEventListener("htmx:before:swap", hold);
document.addEventListener("htmx:after:swap", keep);

// htmx looks at the page as soon as it runs, which may be before its extension for streams is there. It looks in a timeout of its own,
// which may come after the page was loaded: without another one here, there would be two streams.
window.addEventListener("load", () => setTimeout(() => {
  for (const stream of document.querySelectorAll(".stream:not([data-htmx-powered])")) window.htmx?.process(stream);
  if (connection()) alive();
}));
})();
