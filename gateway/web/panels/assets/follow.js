// Follows a change of workers: takes over what the page says anew, until nothing changes any more.
const place = document.querySelector("#pool");
const announcements = document.querySelector("#announcements");
const PAUSE = 1000;

function isHeld() {
  const marked = getSelection();
  return place.contains(document.activeElement) || (!marked.isCollapsed && marked.containsNode(place, true));
}

function show(fresh) {
  if (isHeld()) return;
  const was = place.querySelector("#following") !== null;
  place.replaceChildren(...fresh.childNodes);
  place.toggleAttribute("data-follow", fresh.hasAttribute("data-follow"));
  place.dispatchEvent(new Event("rows-changed", { bubbles: true }));
  if (was && !place.querySelector("#following")) announcements.textContent = "The pool has changed its worker";
}

async function look() {
  try {
    const response = await fetch(location.pathname, { headers: { Accept: "text/html" }, cache: "no-store" });
    if (response.redirected || (!response.ok && response.status < 500)) return; // Signed out: nothing more to see.
    if (response.ok) {
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      show(page.querySelector("#pool"));
    }
  } catch {
    // The network is away; a later look tries again.
  }
  wait();
}

function wait() {
  if (place.hasAttribute("data-follow")) setTimeout(look, PAUSE);
}

wait();
