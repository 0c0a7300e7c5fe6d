// What became of the last action is where reading goes on: by keyboard, and for those who listen.
const message = document.querySelector("#content > [role=status] .message, #content [role=alert]");
if (message && !document.querySelector("[autofocus]")) {
  message.tabIndex = -1;
  message.focus({ preventScroll: true });
}
