// What a handout can do without a kernel and without a network: every feature is an addition to a page that reads well as it is.
const root = document.documentElement;
const all = (selector, from = document) => [...from.querySelectorAll(selector)];

// Light and dark: the system's choice until the reader makes one, remembered where the browser allows it.
const theme = document.getElementById("theme");
const system = matchMedia("(prefers-color-scheme: dark)");
const kept = (value) => {
  try { return value ? localStorage.setItem("theme", value) : localStorage.getItem("theme"); } catch { return null; }
};
const isDark = () => (root.dataset.theme || (system.matches ? "dark" : "light")) === "dark";
const name = () => { theme.textContent = isDark() ? "Light theme" : "Dark theme"; };
if (kept()) root.dataset.theme = kept();
theme.hidden = false;
theme.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; kept(root.dataset.theme); name(); });
system.addEventListener("change", name);
name();

// All code at once.
const fold = document.getElementById("fold");
if (fold) {
  fold.hidden = false;
  fold.addEventListener("click", () => {
    const cells = all("details.code"), open = cells.every((cell) => !cell.open);
    cells.forEach((cell) => { cell.open = open; });
    fold.textContent = open ? "Fold all code" : "Unfold all code";
  });
}

// Printing everything: for this one print what is folded is unfolded, and the extras are on paper.
const print = document.getElementById("print");
if (print) {
  let opened = [];
  print.hidden = false;
  print.addEventListener("click", () => {
    opened = all("main details:not([open])");
    opened.forEach((details) => { details.open = true; });
    document.documentElement.classList.add("everything");
    window.print();
  });
  addEventListener("afterprint", () => {
    opened.splice(0).forEach((details) => { details.open = false; });
    document.documentElement.classList.remove("everything");
  });
}

// Copying, also from a file on disk, where some browsers have no clipboard API.
async function copy(text) {
  try { await navigator.clipboard.writeText(text); } catch {
    const area = Object.assign(document.createElement("textarea"), { value: text });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}
for (const button of all("button.copy")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    await copy(button.parentElement.querySelector("pre").textContent);
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
    button.focus();
  });
}

// Sliders over pictures that were drawn in advance.
for (const form of all("form.slider")) {
  const frames = JSON.parse(form.querySelector("script").textContent);
  const [input, output, image] = [form.querySelector("input"), form.querySelector("output"), form.parentElement.querySelector("img")];
  const sources = frames.images.map((data) => `data:image/png;base64,${data}`);
  sources[frames.start] = image.src; // the page holds it once
  const show = () => {
    const label = frames.labels[input.value];
    image.src = sources[input.value];
    image.alt = frames.alts[input.value];
    output.textContent = label;
    input.setAttribute("aria-valuetext", label);
  };
  input.setAttribute("aria-valuetext", output.textContent);
  input.addEventListener("input", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
}

// The contents follow the scroll: the last heading above the upper third is where the reader is.
const contents = document.querySelector(".toc details");
const links = all(".toc a");
const sections = links.map((link) => document.getElementById(decodeURIComponent(link.hash.slice(1))).closest("section"));
const inSight = new Set();
const watcher = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) inSight[isIntersecting ? "add" : "delete"](target);
  const here = sections.findLastIndex((section) => inSight.has(section));
  if (here < 0) return;
  links.forEach((link, index) => (index === here ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current")));
  const { top, bottom } = links[here].getBoundingClientRect(), box = contents.parentElement.getBoundingClientRect();
  if (top < box.top || bottom > box.bottom) contents.parentElement.scrollTop += top - box.top - box.height / 3;
}, { rootMargin: "0px 0px -66% 0px" });
sections.forEach((section) => watcher.observe(section));
const narrow = matchMedia("(max-width: 64rem)");
const arrange = () => { if (contents) contents.open = !narrow.matches; };
narrow.addEventListener("change", arrange);
arrange();

// What scrolls sideways must be reachable from the keyboard.
const reach = () => {
  for (const box of all("pre, .scroll, math[display=block]")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
};
addEventListener("resize", reach);
all("details").forEach((details) => details.addEventListener("toggle", reach));
reach();
