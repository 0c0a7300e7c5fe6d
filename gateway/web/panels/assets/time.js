// Shows times as the clock on the wall does; the title keeps them in UTC.
const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

function localise(root) {
  for (const element of root.querySelectorAll("time[datetime]:not([data-local])")) {
    element.textContent = format.format(new Date(element.dateTime));
    element.dataset.local = "";
  }
}

localise(document);
document.addEventListener("rows-changed", (event) => localise(event.target));
