// Keeps the page of a batch up to date: asks whether something changed, and replaces only those rows.
const progress = document.querySelector("#progress");
const form = document.querySelector("#upgrades");
const announcements = document.querySelector("#announcements");
const PAUSE = 2000;
const QUIET = 10000;
let since = progress.dataset.since;
let version = null;
let said = 0;
let timer = null;

const rows = () => [...form.querySelectorAll("[data-row]")];
const holdsFocus = (element) => element.contains(document.activeElement);

function made(html) {
  const template = document.createElement("template");
  template.innerHTML = html.trim();
  return template.content;
}

function replaceRow(id, html) {
  const old = document.getElementById(`upgrade-${id}`);
  if (!old) return true;
  if (holdsFocus(old)) return false; // Whoever is there reads on; the next answer brings it.
  const fresh = made(html).firstElementChild;
  const was = old.querySelector("input[name=u]");
  const now = fresh.querySelector("input[name=u]");
  if (was && now) now.checked = was.checked;
  old.replaceWith(fresh);
  return true;
}

function announce(words, finished) {
  const now = Date.now();
  if (!finished && now - said < QUIET) return;
  said = now;
  const text = finished ? `Batch ended: ${words}` : words;
  if (announcements.textContent !== text) announcements.textContent = text;
}

function show(answer) {
  let complete = true;
  for (const [id, html] of Object.entries(answer.rows)) complete = replaceRow(id, html) && complete;
  if (holdsFocus(progress)) complete = false;
  else progress.replaceChildren(...made(answer.progress).childNodes);
  announce(answer.words, answer.live === 0);
  for (const element of [form, progress]) element.dispatchEvent(new Event("rows-changed", { bubbles: true }));
  if (complete) since = answer.since;
  return complete;
}

async function ask() {
  const url = new URL(progress.dataset.live, location.href);
  url.searchParams.set("since", since);
  url.searchParams.set("rows", rows().map((row) => row.dataset.row).join(","));
  try {
    const response = await fetch(url, { headers: version ? { "If-None-Match": version } : {}, cache: "no-store" });
    if (response.status === 200) {
      const answer = await response.json();
      const complete = show(answer);
      version = complete ? response.headers.get("ETag") : null;
      if (complete && answer.live === 0) return;
    } else if (response.status !== 304 && response.status < 500) {
      return; // Signed out, or the batch is gone: there is nothing more to ask.
    }
  } catch {
    // The network is away; the next round tries again.
  }
  wait();
}

function wait() {
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(ask, PAUSE);
}

document.addEventListener("visibilitychange", wait);
wait();
