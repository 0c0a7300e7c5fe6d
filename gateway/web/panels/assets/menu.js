// The menu closes with Escape, which gives the focus back, and when something else is clicked or reached.
const menu = document.querySelector("details.menu");

addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !menu.open) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});
for (const kind of ["pointerdown", "focusin"]) {
  addEventListener(kind, (event) => {
    if (!menu.contains(event.target)) menu.open = false;
  });
}
