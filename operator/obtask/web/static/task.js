// The page of one task: dialogs for commands, and the log. Everything here has a plain form or link behind it.
const dialog = document.getElementById("command-dialog");

function parsed(html) {
  return new DOMParser().parseFromString(html, "text/html").body.childNodes;
}

function asked(address, more = {}) {
  return fetch(address, { credentials: "same-origin", ...more, headers: { "X-Part": "dialog" } });
}

async function shown(answer) {
  if (answer.redirected || answer.status >= 500 || !(answer.headers.get("Content-Type") ?? "").startsWith("text/html")) {
    window.location.reload();
    return;
  }
  dialog.replaceChildren(...parsed(await answer.text()));
  if (!dialog.open) {
    dialog.showModal();
  }
  (dialog.querySelector(".refusal[role=alert]") ?? dialog.querySelector("[autofocus]"))?.focus();
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.matches("[data-command]")) {
    event.preventDefault();
    await shown(await asked(`${form.action}?${new URLSearchParams(new FormData(form))}`));
  } else if (dialog?.contains(form) && form.id === "keep") {
    event.preventDefault();
    dialog.close();
  } else if (dialog?.contains(form) && form.matches("[data-confirm]")) {
    event.preventDefault();
    const buttons = [...form.querySelectorAll("button")];
    buttons.forEach((button) => (button.disabled = true));
    const answer = await asked(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
    const next = answer.headers.get("X-Location");
    if (next !== null) {
      window.location.assign(next);
    } else {
      await shown(answer);
    }
  }
});

// --- The log ---

const panel = document.getElementById("log-panel");
const near = 24; // pixels that count as the end
const log = document.getElementById("log");
let following = false;
let scrolledTo = 0;

function button(name) {
  return document.getElementById(`log-${name}`);
}

function pressed(name, on) {
  button(name)?.setAttribute("aria-pressed", String(on));
}

function follow(on) {
  following = on;
  pressed("follow", on);
  if (on) {
    toEnd();
  }
}

function toEnd() {
  log.scrollTop = log.scrollHeight;
  scrolledTo = log.scrollTop;
}

function selecting() {
  const selection = window.getSelection();
  return !selection.isCollapsed && log.contains(selection.anchorNode);
}

// A stream that begins again sends what came before once more: lines that are there are taken out.
let last = 0;

function lastNumber() {
  return Number(log.querySelector(".log-block:last-of-type > a[id]:last-of-type")?.id.slice(1) ?? 0);
}

function withoutKnown(block) {
  let known = false;
  for (const node of [...block.childNodes]) {
    if (node.nodeName === "A") {
      known = Number(node.id.slice(1)) <= last;
    }
    if (known) {
      node.remove();
    }
  }
  if (!block.hasChildNodes()) {
    block.remove();
  }
}

// As many lines are shown as in a page that is opened now: the first ones and the newest. What the reader looks at stays.
let gap = null;

function bounded() {
  const lines = log.getElementsByTagName("a"), most = Number(log.dataset.most), head = lines[Number(log.dataset.head)];
  const seen = log.getBoundingClientRect(), selection = window.getSelection();
  let hidden = 0;
  let block = lines.length > most ? head.closest(".log-block") : null;
  while (block !== null && lines.length > most) {
    const next = block.nextElementSibling, place = block.getBoundingClientRect();
    const isInUse = (place.bottom > seen.top && place.top < seen.bottom) || (!selection.isCollapsed && selection.containsNode(block, true));
    if (!isInUse && block.matches(".log-block")) {
      hidden += block.getElementsByTagName("a").length;
      block.querySelectorAll(".log-gap").forEach((other) => (hidden += Number(other.dataset.hidden)));
      if (gap === null || !gap.isConnected) {
        gap = document.createElement("em");
        gap.className = "log-gap";
        block.before(gap);
      }
      block.remove();
    }
    block = next;
  }
  if (hidden > 0) {
    gap.dataset.hidden = Number(gap.dataset.hidden ?? 0) + hidden;
    gap.textContent = log.dataset.notShown.replace("%(number)d", gap.dataset.hidden);
    found = found.filter((range) => range.startContainer.nodeType === Node.TEXT_NODE);
    at = Math.min(at, found.length - 1);
  }
}

function grown(records) {
  // A log that is replaced by another one loses its lines in the same moment.
  if (!records.some((record) => record.removedNodes.length > 0)) {
    for (const node of records.flatMap((record) => [...record.addedNodes])) {
      if (node.nodeType === Node.ELEMENT_NODE && last > 0) {
        withoutKnown(node);
      }
    }
  }
  last = lastNumber();
  if (following && !selecting()) {
    toEnd();
  }
  bounded();
}

function tell() {
  const number = Number(document.querySelector("#log-notes [data-telling]")?.dataset.telling ?? 0);
  line(number)?.classList.add("telling");
}

function line(number) {
  return number > 0 ? document.getElementById(`L${number}`) : null;
}

// Only the log moves, not the page around it.
function center(element) {
  log.scrollTop += element.getBoundingClientRect().top - log.getBoundingClientRect().top - log.clientHeight / 2;
  scrolledTo = log.scrollTop;
}

function open() {
  const first = line(Number(log.dataset.chosen)) ?? (window.location.hash ? null : line(Number(log.dataset.telling)));
  for (const element of document.querySelectorAll(".scripted")) {
    element.hidden = false;
  }
  if (first !== null) {
    center(first);
    // Blocks that come into sight are laid out now, and may be a little higher or lower than was thought.
    requestAnimationFrame(() => center(first));
    if (log.dataset.chosen === first.id.slice(1)) {
      first.scrollIntoView({ block: "center" });
    }
  } else {
    toEnd();
  }
  scrolledTo = log.scrollTop;
  last = lastNumber();
  tell();
  follow(log.dataset.running === "true" && first === null);
}

function watched() {
  log.addEventListener("scroll", () => {
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < near;
    if (log.scrollTop < scrolledTo && !atEnd) {
      follow(false);
    }
    scrolledTo = log.scrollTop;
  });
  log.addEventListener("click", (event) => {
    const anchor = event.target.closest("a[id]");
    if (anchor !== null) {
      event.preventDefault();
      const address = new URL(window.location.href);
      address.searchParams.set("line", anchor.id.slice(1));
      address.hash = anchor.id;
      window.history.replaceState(null, "", address);
      log.querySelectorAll("a.chosen").forEach((other) => other.classList.remove("chosen"));
      anchor.classList.add("chosen");
    }
  });
  new MutationObserver(grown).observe(log, { childList: true });
  new MutationObserver(tell).observe(document.getElementById("log-notes"), { childList: true, subtree: true });
}

document.addEventListener("selectionchange", () => {
  if (following && selecting()) {
    follow(false);
  }
});

// --- Find: the browser's own finds everything, too, as all lines are there ---

let found = [];
let at = -1;

function find(text) {
  found = [];
  at = -1;
  if (text !== "") {
    const wanted = text.toLowerCase();
    const walker = document.createTreeWalker(log, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const node = walker.currentNode;
      if (node.parentElement.tagName === "A") {
        continue;
      }
      const value = node.data.toLowerCase();
      for (let from = value.indexOf(wanted); from >= 0 && found.length < 5000; from = value.indexOf(wanted, from + wanted.length)) {
        const range = new Range();
        range.setStart(node, from);
        range.setEnd(node, from + wanted.length);
        found.push(range);
      }
    }
  }
  if (window.CSS?.highlights !== undefined) {
    CSS.highlights.set("log-found", new Highlight(...found));
  }
  next(-1);
}

function next(step) {
  const output = document.getElementById("log-found");
  if (found.length === 0) {
    output.textContent = document.getElementById("log-find").value === "" ? "" : "0";
    return;
  }
  at = at < 0 ? found.length - 1 : (at + step + found.length) % found.length;
  output.textContent = `${at + 1}/${found.length}`;
  follow(false);
  const element = found[at].startContainer.parentElement.closest("mark") ?? found[at].startContainer.previousElementSibling;
  element?.scrollIntoView({ block: "center", inline: "nearest" });
  center(found[at]);
  if (window.CSS?.highlights !== undefined) {
    CSS.highlights.set("log-here", new Highlight(found[at]));
  }
}

panel?.addEventListener("click", (event) => {
  switch (event.target.closest("button")?.id) {
    case "log-wrap":
      pressed("wrap", log.classList.toggle("wrap"));
      break;
    case "log-follow":
      follow(!following);
      break;
    case "log-full":
      if (document.fullscreenElement === null) {
        panel.requestFullscreen();
      } else {
        document.exitFullscreen();
      }
      break;
  }
});
document.addEventListener("fullscreenchange", () => pressed("full", document.fullscreenElement !== null));

const box = document.getElementById("log-find");
box?.addEventListener("input", () => find(box.value));
box?.addEventListener("keydown", (event) => {
  if (event.key === "Enter") {
    next(event.shiftKey ? 1 : -1);
  }
});

// --- What was opened stays open when the head is made anew ---

let opened = false;
document.getElementById("task-head")?.addEventListener("click", (event) => {
  const details = event.target.closest("summary")?.parentElement;
  if (details?.matches(".type")) {
    opened = !details.open;
  }
});
document.addEventListener("htmx:after:swap", () => {
  const details = document.querySelector("#task-head .type");
  if (details !== null && details.open !== opened) {
    details.open = opened;
  }
});

// --- Keys ---

const keys = { g: "[data-locate]", r: '[data-command] [value="retry"]', R: '[data-command] [value="rollback"]' };

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog")) {
    return;
  }
  if (event.key === "l") {
    follow(!following);
  } else if (event.key === "w") {
    button("wrap")?.click();
  } else if (keys[event.key] !== undefined) {
    document.querySelector(keys[event.key])?.closest("form").querySelector("button:not([disabled])")?.click();
  }
});

if (log !== null) {
  open();
  watched();
}
