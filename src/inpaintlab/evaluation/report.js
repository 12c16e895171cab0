document.documentElement.classList.add("js");
for (const card of document.querySelectorAll(".example")) {
  const slide = card.querySelector(".slide"), over = card.querySelector(".over");
  const range = card.querySelector("input"), filled = card.querySelector(".filled");
  const show = () => slide.style.setProperty("--at", range.value + "%");
  range.addEventListener("input", show);
  show();
  for (const kind of ["pointerdown", "pointermove"]) slide.addEventListener(kind, (event) => {
    if (!event.buttons) return;
    const box = slide.getBoundingClientRect();
    range.value = 100 * (event.clientX - box.left) / box.width;
    show();
  });
  for (const button of card.querySelectorAll("button")) button.addEventListener("click", () => {
    for (const other of card.querySelectorAll("button")) other.setAttribute("aria-pressed", other === button);
    filled.querySelector("use").setAttribute("y", button.dataset.y);
    filled.setAttribute("aria-label", card.querySelector("figcaption").firstChild.data + ", filled by " + button.dataset.name);
    over.querySelector("span").textContent = "filled by " + button.dataset.name;
  });
}
