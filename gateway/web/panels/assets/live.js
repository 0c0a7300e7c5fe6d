// Keeps a list up to date: asks whether something changed, and touches only what did.
const form = document.querySelector("form[data-live]");
const progress = document.querySelector("#progress");
const announcements = document.querySelector("#announcements");
const QUICK = 2000;
const SLOW = 30000;
const QUIET = 10000;
let pause = form.dataset.pause === "slow" ? SLOW / 2 : QUICK;
let version = null;
let said = 0;
let timer = null;
let asking = false;

const rows = () => [...form.querySelectorAll("[data-row]")];
const isTime = (node) => node.nodeName === "TIME";

function made(html) {
  const template = document.createElement("template");
  template.innerHTML = html.trim();
  return template.content;
}

// Where somebody stands or has marked a text, nothing is taken away.
function isHeld(node) {
  const marked = getSelection();
  return node.contains(document.activeElement) || (!marked.isCollapsed && marked.containsNode(node, true));
}

function isSame(old, fresh) {
  return old.isEqualNode(fresh) || (isTime(old) && isTime(fresh) && old.dateTime === fresh.dateTime);
}

// Makes a node like another one: only what differs is touched, so that who reads does not lose the place.
// False if a part of it has to wait for the next answer.
function patch(old, fresh) {
  if (isSame(old, fresh)) return true;
  if (old.nodeType === Node.ELEMENT_NODE && old.nodeName === fresh.nodeName && !isTime(old)) {
    for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
    for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    return patchContents(old, fresh);
  }
  if (isHeld(old)) return false;
  old.replaceWith(fresh);
  return true;
}

function patchContents(old, fresh) {
  const [before, after] = [[...old.childNodes], [...fresh.childNodes]];
  if (before.length === after.length) return before.map((each, index) => patch(each, after[index])).every(Boolean);
  if (isHeld(old)) return false;
  old.replaceChildren(...after);
  return true;
}

// A row stays where it is and keeps its tick.
function update(row, html) {
  const fresh = made(html).firstElementChild;
  let complete = true;
  [...fresh.cells].forEach((cell, index) => {
    const old = row.cells[index];
    const tick = old.querySelector("input");
    if (tick && cell.querySelector("input")) return;
    complete = patchContents(old, cell) && complete;
  });
  if (complete) row.dataset.version = fresh.dataset.version;
  return complete;
}

function announce(words, ended) {
  const now = Date.now();
  if (!words || (!ended && now - said < QUIET)) return;
  const text = ended ? `Batch ended: ${words}` : words;
  if (announcements.textContent === text) return;
  said = now;
  announcements.textContent = text;
}

function show(answer) {
  let complete = true;
  for (const row of rows()) {
    if (row.dataset.row in answer.rows) complete = update(row, answer.rows[row.dataset.row]) && complete;
  }
  if (progress && answer.progress) {
    complete = patchContents(progress, made(answer.progress)) && complete;
    progress.dispatchEvent(new Event("rows-changed", { bubbles: true }));
  }
  announce(answer.words, answer.ended);
  form.dispatchEvent(new Event("rows-changed", { bubbles: true }));
  return complete;
}

function address() {
  const url = new URL(form.dataset.live, location.href);
  const shown = rows();
  for (const row of shown) url.searchParams.append("row", row.dataset.row);
  url.searchParams.set("seen", shown.map((row) => row.dataset.version).join(","));
  return url;
}

// The pause grows while nothing happens, and is short again once something does.
async function ask() {
  asking = true;
  pause = Math.min(pause * 1.5, SLOW);
  try {
    const response = await fetch(address(), {
      headers: version ? { "If-None-Match": version } : {},
      cache: "no-store",
    });
    if (response.status === 200) {
      const answer = await response.json();
      const complete = show(answer);
      if (version !== null || Object.keys(answer.rows).length) pause = QUICK;
      version = complete ? response.headers.get("ETag") : null;
      if (complete && answer.ended) return;
    } else if (response.status !== 304 && response.status < 500) {
      return; // Signed out, or the list is gone: there is nothing more to ask.
    }
  } catch {
    // The network is away; a later round tries again.
  } finally {
    asking = false;
  }
  wait(pause);
}

function wait(milliseconds) {
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(ask, milliseconds);
}

document.addEventListener("visibilitychange", () => {
  if (!asking) wait(0);
});
wait(pause);
