// Copies an id; where the clipboard is closed to plain HTTP, the text is selected instead.
const said = document.querySelector("#copied");
for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      said.textContent = `Copied ${button.dataset.called ?? button.dataset.copy}`;
    } catch {
      getSelection().selectAllChildren(button.previousElementSibling);
      said.textContent = "Selected; copy it with Ctrl+C";
    }
  });
}
