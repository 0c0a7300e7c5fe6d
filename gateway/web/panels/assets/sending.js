// A form is sent once, however often its button is pressed; coming back to the page opens it again.
let sent = null;
document.addEventListener("submit", (event) => {
  if (event.defaultPrevented || event.target.method !== "post") return;
  if (sent === event.target) event.preventDefault();
  sent = event.target;
  sent.ariaBusy = "true";
});
addEventListener("pageshow", () => {
  if (sent) sent.ariaBusy = null;
  sent = null;
});
