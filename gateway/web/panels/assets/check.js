// Says while one types whether a value is good, and how many differ from what is saved; the focus stays where it is.
const form = document.querySelector("form[data-check]");
const verdict = form?.querySelector("[data-verdict]");
const differing = form?.querySelector("[data-differ]");
const touched = new Set();
const PAUSE = 350;
let timer = null;
let asked = null;

function show(field, problem) {
  const shown = document.getElementById(`${field.name}-problem`);
  if (shown.textContent === problem) return false;
  shown.textContent = problem;
  if (problem) field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
  return true;
}

// Only what one has touched is judged aloud; the words under a field are its description, read again when it is reached.
function tell(answer) {
  const news = [];
  for (const field of touched) {
    const problem = answer.problems[field.name] ?? "";
    if (show(field, problem)) news.push(problem ? `${field.name}: ${problem}` : `${field.name} is good now`);
  }
  const general = answer.problems[""];
  const count = answer.differ.length;
  differing.textContent = general ?? (count ? `${count} value${count === 1 ? " differs" : "s differ"} from the file` : "");
  if (news.length) verdict.textContent = news.join(". ");
}

async function ask() {
  asked?.abort();
  asked = new AbortController();
  try {
    const body = new URLSearchParams(new FormData(form));
    const response = await fetch(form.dataset.check, { method: "POST", body, signal: asked.signal, cache: "no-store" });
    if (response.ok && response.headers.get("Content-Type").startsWith("application/json")) tell(await response.json());
  } catch {
    // The network is away, or a later value was typed; the server judges again before anything is saved.
  }
}

form?.addEventListener("input", (event) => {
  touched.add(event.target);
  clearTimeout(timer);
  timer = setTimeout(ask, PAUSE);
});
form?.addEventListener("submit", () => clearTimeout(timer));
