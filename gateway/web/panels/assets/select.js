// Selecting rows: one tick for the whole page, ranges with Shift, and a count of what is selected.
for (const form of document.querySelectorAll("form.selecting")) {
  const ticks = () => [...form.querySelectorAll("input[name=s], input[name=u]")];
  const everything = form.querySelector("input[name=all]");
  const output = form.querySelector("[data-selected]");
  const head = form.querySelector("thead .tick");
  if (!head || !output) continue;
  const page = Object.assign(document.createElement("input"), { type: "checkbox" });
  page.setAttribute("aria-label", "Select this page");
  const label = document.createElement("label");
  label.append(page);
  head.replaceChildren(label);
  let last = null;

  function show() {
    const boxes = ticks();
    const chosen = boxes.filter((box) => box.checked).length;
    const all = everything?.checked ?? false;
    const total = Number(form.dataset.matching);
    page.checked = all || (boxes.length > 0 && chosen === boxes.length);
    page.indeterminate = !page.checked && chosen > 0;
    output.textContent = all ? form.dataset.everything ?? "Everything that matches is selected" : `${chosen} of ${total} selected`;
    for (const button of form.querySelectorAll("[data-needs-selection]")) button.disabled = !all && chosen === 0;
  }

  page.addEventListener("change", () => {
    for (const box of ticks()) box.checked = page.checked;
    if (!page.checked && everything) everything.checked = false;
    show();
  });
  form.addEventListener("click", (event) => {
    const boxes = ticks();
    const box = event.target;
    if (!boxes.includes(box)) return;
    if (event.shiftKey && last && last !== box) {
      const [from, to] = [boxes.indexOf(last), boxes.indexOf(box)].sort((a, b) => a - b);
      for (const each of boxes.slice(from, to + 1)) each.checked = box.checked;
    }
    last = box;
  });
  form.addEventListener("change", show);
  form.addEventListener("rows-changed", show);
  addEventListener("pageshow", show);
  show();
}
